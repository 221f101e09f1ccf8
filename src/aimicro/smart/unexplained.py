"""What a restoration leaves unexplained: a look at the raw image before anybody acts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from aimicro import checks


def unexplained(raw: ArrayLike, restored: ArrayLike, *, sigma: float) -> NDArray[np.float32]:
    r"""Tell where the raw image holds a spot of light that the restored one does not.

    .. math:: u = \frac{G_\sigma * (I - \hat{I})}{\lVert G_\sigma \rVert_2^2} \, G_\sigma(0)

    If the restoration is right, what it took away is noise, and *u* is 0 on average everywhere.
    A spot of this width that was smoothed away appears with its height.

    Parameters
    ----------
    raw, restored : array_like, (Y, X)
        The image as the camera took it, and as it was restored, in one unit and without
        deconvolution: the restored image estimates the expected raw one.
    sigma : float
        Width in pixels of what is looked for, the standard deviation of a Gaussian spot.

    Returns
    -------
    ndarray of float32, (Y, X)
        Height of the spot that fits best at each place, in the unit of the images.

    Raises
    ------
    TypeError
        If an image is not made of real numbers.
    ValueError
        If the images are not 2D or differ in shape, or `sigma` is not above 0.

    Notes
    -----
    This is the least-squares fit for noise that is alike everywhere, the matched filter.

    Used in chapter 7, *Adaptive acquisition*.

    Examples
    --------
    >>> y, x = np.mgrid[-20:21, -20:21]
    >>> event = 7 * np.exp(-(y**2 + x**2) / (2 * 1.5**2))
    >>> hidden = unexplained(10 + event, np.full((41, 41), 10), sigma=1.5)
    >>> round(float(hidden[20, 20]), 2), round(float(hidden[0, 0]), 2)
    (7.0, 0.0)
    """
    seen = checks.intensities("raw", raw, ndim=2)
    believed = checks.intensities("restored", restored, ndim=2)
    if seen.shape != believed.shape:
        raise ValueError(
            f"Expected a restored image of shape {seen.shape}, got {believed.shape}. "
            "Restore without changing the size."
        )
    width = checks.number("sigma", sigma, above=0, hint="It is in pixels.")
    impulse = np.zeros(2 * int(np.ceil(4 * width)) + 3)
    impulse[len(impulse) // 2] = 1
    weights = ndimage.gaussian_filter1d(impulse, width)
    # Along each axis a spot of height 1 answers with sum(w²) / max(w); the filter is separable.
    answer = (float(np.sum(weights**2)) / float(weights.max())) ** 2
    found: NDArray[np.float32] = ndimage.gaussian_filter(seen - believed, width).astype(np.float32)
    return found / np.float32(answer)
