"""How sharp an image is, and where the sharpest of three snaps would be."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from aimicro import checks
from aimicro.simulate import Noise
from aimicro.smart._spectra import frequencies, variance

MEASURES = ("normalised variance", "brenner", "spectral")

_BAND = (0.02, 0.12)  # cycles per pixel: detail of cells, which defocus takes away


def sharpness(image: ArrayLike, measure: str, *, noise: Noise) -> float:
    r"""Measure how sharp an image is, by one of three rules.

    - "normalised variance": variance over squared mean, the best of eighteen measures in [1]_;
    - "brenner": mean squared difference of pixels two apart, over squared mean [2]_;
    - "spectral": mean power at 0.02 to 0.12 cycles per pixel, over squared mean.

    What the noise adds to each on average is taken off, since it would not change with focus.

    Parameters
    ----------
    image : array_like, (Y, X)
        Intensities.
    measure : str
        One of `MEASURES`.
    noise : Noise
        Of the camera, in the unit of the image.

    Returns
    -------
    float
        From a small positive number up; only comparisons have a meaning.

    Raises
    ------
    TypeError
        If the image is not made of real numbers.
    ValueError
        If the image is not 2D, or the measure unknown.

    Notes
    -----
    Used in chapter 7, *Adaptive acquisition*.

    References
    ----------
    .. [1] Y. Sun, S. Duthaler, B. J. Nelson, "Autofocusing in computer microscopy: Selecting the
       optimal focus algorithm", Microscopy Research and Technique 65 (2004) 139-149.
       https://doi.org/10.1002/jemt.20118
    .. [2] J. F. Brenner et al., "An automated microscope for cytologic research: a preliminary
       evaluation", Journal of Histochemistry and Cytochemistry 24 (1976) 100-111. https://doi.org/10.1177/24.1.1254907

    Examples
    --------
    >>> y, x = np.mgrid[:64, :64]
    >>> blobs = [100 + 50 * np.cos(x / 4) * np.cos(y / 4) * c for c in (1, 0.5)]
    >>> [round(sharpness(b, "normalised variance", noise=Noise(gain=0.01)), 4) for b in blobs]
    [0.0647, 0.0161]
    """
    values = checks.intensities("image", image, ndim=2)
    checks.one_of("measure", measure, MEASURES)
    mean, spread = float(values.mean()), variance(values, noise)
    if measure == "brenner":
        steps = [np.square(values[2:] - values[:-2]), np.square(values[:, 2:] - values[:, :-2])]
        found = float(sum(step.mean() for step in steps)) - 4 * spread
    elif measure == "spectral":
        across = frequencies(values.shape)
        power = np.abs(np.fft.rfft2(values - mean)) ** 2 / values.size
        found = float(power[(across > _BAND[0]) & (across < _BAND[1])].mean()) - spread
    else:
        found = float(values.var()) - spread
    return max(found, 1e-6 * spread, 1e-12) / max(mean - noise.offset, 1e-6) ** 2


def peak(positions: Sequence[float], values: Sequence[float]) -> float:
    """Find the top of a parabola through the logarithms of three values.

    Parameters
    ----------
    positions : three floats
        Evenly spaced, rising.
    values : three floats
        Above 0.

    Returns
    -------
    float
        Where the top is, at most one step outside. If the three do not turn down, one step
        outside on the side of the larger end: go there, and look again.

    Raises
    ------
    ValueError
        If there are not three, they are not evenly spaced, or a value is not above 0.

    Notes
    -----
    Exact for a sharpness that falls like a Gaussian.

    Used in chapter 7, *Adaptive acquisition*.

    Examples
    --------
    >>> round(peak([-5, 0, 5], np.exp([-49 / 50, -4 / 50, -9 / 50]).tolist()), 6)
    2.0
    """
    places, heights = np.asarray(positions, float), np.asarray(values, float)
    if places.shape != (3,) or heights.shape != (3,) or not np.all(heights > 0):
        raise ValueError(
            f"Expected three positions and three values above 0, got {values}. Take three snaps."
        )
    steps = np.diff(places)
    if steps[0] <= 0 or not np.isclose(*steps):
        raise ValueError(f"Expected evenly spaced, rising positions, got {positions}. Sort them.")
    low, middle, high = np.log(heights)
    bend = low - 2 * middle + high
    side = 2.0 * np.sign(high - low) if bend >= 0 else 0.5 * (low - high) / bend
    return float(places[1] + steps[0] * np.clip(side, -2, 2))
