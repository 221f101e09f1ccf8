"""What a restoration leaves unexplained: a look at the raw image before anybody acts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from aimicro import checks
from aimicro.simulate import Noise


def unexplained(
    raw: ArrayLike, restored: ArrayLike, *, noise: Noise, sigma: float
) -> NDArray[np.float32]:
    r"""Tell where the raw image holds light that the restored one does not.

    .. math:: u = \frac{G_\sigma * (I - \hat{I}) / \sqrt{v}}{\lVert G_\sigma \rVert_2}, \qquad
              v = g\,(\hat{I} - o) + r^2

    If the restoration is right, what it took away is noise, and *u* has mean 0 and standard
    deviation 1 everywhere. An event that was smoothed away stands out.

    Parameters
    ----------
    raw, restored : array_like, (Y, X)
        The image as the camera took it, and as it was restored, in one unit and without
        deconvolution: the restored image estimates the expected raw one.
    noise : Noise
        Of the camera, in that unit.
    sigma : float
        Size in pixels of what is looked for, the standard deviation of a Gaussian spot.

    Returns
    -------
    ndarray of float32, (Y, X)
        In standard deviations of the noise.

    Raises
    ------
    TypeError
        If an image is not made of real numbers.
    ValueError
        If the images are not 2D or differ in shape, or `sigma` is not above 0.

    Notes
    -----
    Used in chapter 7, *Adaptive acquisition*.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> expected = np.full((64, 64), 9.0)
    >>> event = expected.copy()
    >>> event[30:33, 30:33] += 9
    >>> quiet, loud = (
    ...     unexplained(rng.poisson(e), expected, noise=Noise(), sigma=1.5)
    ...     for e in (expected, event)
    ... )
    >>> bool(quiet.max() < 5 < loud[31, 31]), bool(0.8 < quiet.std() < 1.2)
    (True, True)
    """
    seen = checks.intensities("raw", raw, ndim=2)
    believed = checks.intensities("restored", restored, ndim=2)
    if seen.shape != believed.shape:
        raise ValueError(
            f"Expected a restored image of shape {seen.shape}, got {believed.shape}. "
            "Restore without changing the size."
        )
    width = checks.number("sigma", sigma, above=0, unit="pixels")
    variance = noise.gain * np.maximum(believed - noise.offset, 0) + noise.read_noise**2
    floor = noise.gain * 0.1 + noise.read_noise**2  # where nothing is believed to be
    rest = (seen - believed) / np.sqrt(np.maximum(variance, floor))
    impulse = np.zeros(2 * int(np.ceil(4 * width)) + 3)
    impulse[len(impulse) // 2] = 1
    spread = np.sum(ndimage.gaussian_filter1d(impulse, width) ** 2)  # in 2D, squared norm = this²
    found: NDArray[np.float32] = (ndimage.gaussian_filter(rest, width) / spread).astype(np.float32)
    return found
