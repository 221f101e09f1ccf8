"""What a camera makes of light: photons become electrons, electrons become counts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro import checks
from aimicro.simulate.noise import Noise

_HINT = "Look up its meaning and unit in help(Camera)."


@dataclass(frozen=True)
class Camera:
    r"""A camera as the EMVA 1288 standard describes one [1]_.

    During an exposure a pixel that expects :math:`p` photons gives the counts

    .. math:: y = \operatorname{round}\!\left(o + K\,(e + r)\right), \qquad
              e \sim \operatorname{Poisson}(\eta\,p + d\,t), \qquad
              r \sim \operatorname{Normal}(0, \sigma^2),

    with the electrons :math:`e` limited by the full well, and :math:`y` by the bit depth. The
    defaults are round numbers typical of a cooled scientific CMOS camera, not those of a model.

    Attributes
    ----------
    quantum_efficiency : float, default 0.8
        Electrons per photon :math:`\eta`, above 0 and up to 1.
    exposure_s : float, default 0.1
        Exposure time :math:`t` in seconds. It sets the dark charge only: photons are given for
        the whole exposure.
    dark_current_e_per_s : float, default 0.5
        Dark current :math:`d` in electrons per pixel and second.
    read_noise_e : float, default 1.5
        Read noise :math:`\sigma`, RMS, in electrons.
    gain_counts_per_e : float, default 2
        System gain :math:`K` in counts (DN) per electron. Data sheets of scientific cameras often
        print its inverse, electrons per count.
    offset_counts : float, default 100
        Counts :math:`o` of a pixel without light, which keep negative read noise from being cut.
    full_well_e : float, default 30000
        Electrons that a pixel can hold.
    bit_depth : int, default 16
        Bits of the converter, 1 to 32; counts end at ``2**bit_depth - 1``.
    hot_pixel_fraction : float, default 0
        Fraction of the pixels that are hot, from 0 to 1.
    hot_pixel_rate_e_per_s : float, default 2000
        Dark current that a hot pixel has on top, in electrons per second.
    hot_pixel_seed : int, default 0
        Which chip it is: hot pixels stay where they are from one exposure to the next.

    Raises
    ------
    ValueError
        If a field is outside its range.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    References
    ----------
    .. [1] European Machine Vision Association, "EMVA Standard 1288: Standard for Characterization
       of Image Sensors and Cameras", release 3.1 (2016).

    Examples
    --------
    >>> camera = Camera()
    >>> counts = camera.expose(np.full((64, 64), 20.0), rng=0)
    >>> counts.dtype, round(float(camera.photons(counts).mean()))
    (dtype('uint16'), 20)
    """

    quantum_efficiency: float = 0.8
    exposure_s: float = 0.1
    dark_current_e_per_s: float = 0.5
    read_noise_e: float = 1.5
    gain_counts_per_e: float = 2.0
    offset_counts: float = 100.0
    full_well_e: float = 30_000.0
    bit_depth: int = 16
    hot_pixel_fraction: float = 0.0
    hot_pixel_rate_e_per_s: float = 2_000.0
    hot_pixel_seed: int = 0

    def __post_init__(self) -> None:
        hint = f"It is a fraction and no percentage. {_HINT}"
        checks.number("quantum_efficiency", self.quantum_efficiency, above=0, high=1, hint=hint)
        for name in ("exposure_s", "gain_counts_per_e", "full_well_e"):
            checks.number(name, getattr(self, name), above=0, hint=_HINT)
        for name in ("dark_current_e_per_s", "read_noise_e", "offset_counts",
                     "hot_pixel_rate_e_per_s"):  # fmt: skip
            checks.number(name, getattr(self, name), low=0, hint=_HINT)
        checks.number("hot_pixel_fraction", self.hot_pixel_fraction, low=0, high=1, hint=_HINT)
        checks.whole("bit_depth", self.bit_depth, low=1, high=32, hint=_HINT)
        if self.offset_counts > self._highest_count:
            raise ValueError(
                f"Expected offset_counts of at most {self._highest_count}, where {self.bit_depth} "
                f"bits end, got {self.offset_counts}. Lower it or take a larger bit_depth."
            )

    @property
    def _highest_count(self) -> int:
        return (1 << int(self.bit_depth)) - 1

    @property
    def dark_charge_e(self) -> float:
        """Mean number of electrons that a pixel gathers without light during an exposure."""
        return self.dark_current_e_per_s * self.exposure_s

    @property
    def noise(self) -> Noise:
        """Gain, offset and read noise in counts, as the Anscombe transform asks for them.

        Rounding to whole counts adds its variance of 1/12 to that of the read noise.
        """
        read_noise = np.sqrt((self.gain_counts_per_e * self.read_noise_e) ** 2 + 1 / 12)
        return Noise(self.gain_counts_per_e, self.offset_counts, float(read_noise))

    def hot_pixels(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Tell which pixels of the chip are hot.

        Parameters
        ----------
        shape : tuple of int
            ``(Y, X)`` of a frame in pixels.

        Returns
        -------
        numpy.ndarray
            Boolean mask of `shape`, the same for every exposure with this `hot_pixel_seed`.
        """
        chip = np.random.default_rng(self.hot_pixel_seed)
        return chip.random(shape) < self.hot_pixel_fraction

    def expose(
        self, photons: ArrayLike, *, rng: np.random.Generator | int
    ) -> NDArray[np.uint8 | np.uint16 | np.uint32]:
        """Take a picture.

        Parameters
        ----------
        photons : array_like
            ``(…, Y, X)`` expected photons in each pixel during the exposure. Every frame of a
            stack falls on the same chip.
        rng : numpy.random.Generator or int
            Source of randomness, or its seed.

        Returns
        -------
        numpy.ndarray
            Counts of the same shape, in the smallest of uint8, uint16 and uint32 that holds
            `bit_depth` bits.

        Raises
        ------
        ValueError
            If there are fewer than two axes, or a value is negative or not finite.
        """
        photons = np.asarray(photons, dtype=float)
        if photons.ndim < 2:
            raise ValueError(
                f"Expected photons with axes (…, Y, X), got shape {photons.shape}. "
                f"Give a frame or a stack of frames."
            )
        if not (np.isfinite(photons).all() and (photons >= 0).all()):
            raise ValueError(
                f"Expected finite photons from 0 up, got values from {photons.min()} to "
                f"{photons.max()}. Clip the image at 0, and look for NaN where it was computed."
            )
        rng = np.random.default_rng(rng)
        expected = self.quantum_efficiency * photons + self.dark_charge_e
        hot_charge = self.hot_pixel_rate_e_per_s * self.exposure_s
        expected += hot_charge * self.hot_pixels(photons.shape[-2:])

        electrons = np.minimum(rng.poisson(expected), self.full_well_e)
        read_out = rng.normal(electrons, self.read_noise_e)
        counts = np.rint(self.offset_counts + self.gain_counts_per_e * read_out)
        dtype = np.min_scalar_type(self._highest_count)
        return np.clip(counts, 0, self._highest_count).astype(dtype)

    def counts(self, photons: ArrayLike) -> NDArray[np.float32]:
        r"""Tell the counts that a pixel shows on average, if nothing is clipped.

        .. math:: \bar y = o + K\,(\eta\,p + d\,t)

        Parameters
        ----------
        photons : array_like
            Expected photons in each pixel, of any shape.

        Returns
        -------
        numpy.ndarray
            float32 counts of the same shape. :meth:`photons` is the way back.
        """
        electrons = self.quantum_efficiency * np.asarray(photons, dtype=float) + self.dark_charge_e
        return (self.offset_counts + self.gain_counts_per_e * electrons).astype(np.float32)

    def photons(self, counts: ArrayLike) -> NDArray[np.float32]:
        r"""Estimate the photons that gave these counts.

        The mean dark charge is taken off, so that the estimate is right on average wherever
        nothing was clipped; single values may be negative. Hot pixels stay in:

        .. math:: \hat p = \left(\frac{y - o}{K} - d\,t\right) \Big/ \eta.

        Parameters
        ----------
        counts : array_like
            Counts of any shape.

        Returns
        -------
        numpy.ndarray
            float32 photons of the same shape.
        """
        electrons = (np.asarray(counts, dtype=float) - self.offset_counts) / self.gain_counts_per_e
        return ((electrons - self.dark_charge_e) / self.quantum_efficiency).astype(np.float32)
