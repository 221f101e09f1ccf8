"""The noise of a camera in three numbers."""

from dataclasses import dataclass

from aimicro import checks


@dataclass(frozen=True)
class Noise:
    r"""Noise of a camera: photon noise plus read noise, all in counts.

    .. math:: \mathrm{var} = g\,(\mathrm{mean} - o) + r^2

    Attributes
    ----------
    gain : float
        *g*, counts per photoelectron, above 0.
    offset : float
        *o*, counts of a pixel that no photon reached.
    read_noise : float
        *r*, standard deviation in counts. Data sheets give electrons: multiply by the gain.

    Notes
    -----
    `aimicro.simulate.Camera.noise` is that of a simulated camera.

    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> Noise(gain=2, offset=100, read_noise=3)
    Noise(gain=2, offset=100, read_noise=3)
    """

    gain: float = 1.0
    offset: float = 0.0
    read_noise: float = 0.0

    def __post_init__(self) -> None:
        checks.number("gain", self.gain, above=0, hint="Give counts per photoelectron.")
        checks.number("offset", self.offset, hint="Give the counts of a dark pixel.")
        hint = "Give a standard deviation in counts."
        checks.number("read_noise", self.read_noise, low=0, hint=hint)
