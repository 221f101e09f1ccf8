"""A PSF as others left it, made fit for deconvolution: its centre in the middle, its sum 1."""

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from aimicro import checks
from aimicro.restore.anscombe import Image

_NOTHING = 1e-7  # of the brightest voxel: logarithms need a little everywhere


def centred_psf(psf: npt.ArrayLike) -> Image:
    r"""Redraw a round PSF around the centre of its light, in a window with a middle.

    A PSF whose light lies half a voxel off shifts the specimen by as much, between the voxels, and
    what cannot lie there comes out smeared. To shift the PSF itself would smear that: it is but a
    few voxels wide. But it is round. So its voxels tell its brightness at many distances *r* from
    the axis, and from that curve it is drawn anew,

    .. math:: h'(z, y, x) = h(z + c_z, r), \qquad r = \sqrt{y^2 + x^2},

    interpolated in the logarithm, along *r* and along *z*.

    Parameters
    ----------
    psf : array_like, (Y, X) or (Z, Y, X)
        In any unit, nowhere negative, round about the optical axis; sides of any length.

    Returns
    -------
    ndarray of float32, (Y, X) or (Z, Y, X)
        Sides of odd length, those of even length one longer; the centre of light in the middle,
        and a sum of 1. Along z it need not be symmetric.

    Raises
    ------
    TypeError, ValueError
        If it is no image or volume, has negative values or values that are not finite, or no
        light.

    Notes
    -----
    Not for a PSF with coma or astigmatism: it would come out round.

    Used in chapter 6, *Undoing a known blur, step by step*.

    References
    ----------
    F. N. Fritsch, R. E. Carlson, "Monotone piecewise cubic interpolation", SIAM Journal on
    Numerical Analysis 17 (1980) 238-246. doi:10.1137/0717021, the interpolation.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.indices((10, 10))
    >>> spot = np.exp(-((y - 4.6) ** 2 + (x - 4.6) ** 2) / 3)
    >>> centred_psf(spot).shape, int(centred_psf(spot).argmax()) == 60
    ((11, 11), True)
    """
    hint = "Pass one PSF, as an image or a volume."
    light = checks.intensities("psf", psf, hint=hint).astype(np.float64)
    if light.min() < 0 or light.sum() <= 0:
        raise ValueError(
            f"Expected psf from 0 up with some light, got values from {light.min():g} to "
            f"{light.max():g}. Subtract the background of a measured one, and clip it at 0."
        )
    flat = light.ndim == 2
    planes = light[None] if flat else light
    z, y, x = _centre(planes)
    depth, height, width = (side + 1 - side % 2 for side in planes.shape)
    logs = np.log(planes + _NOTHING * planes.max())
    across = _redrawn(logs, (y, x), (height, width))
    if depth > 1:
        places = np.clip(np.arange(depth) - depth // 2 + z, 0, len(planes) - 1)
        across = PchipInterpolator(np.arange(len(planes)), across, axis=0)(places)
    drawn = np.maximum(np.exp(across) - _NOTHING * planes.max(), 0)
    drawn = drawn[0] if flat else drawn
    return np.asarray(drawn / drawn.sum(), np.float32)


def _centre(planes: npt.NDArray[np.float64]) -> list[float]:
    """The centre of light along each axis, in voxels."""
    total = planes.sum()
    return [
        float(planes.sum(axis=tuple({0, 1, 2} - {axis})) @ np.arange(side) / total)
        for axis, side in enumerate(planes.shape)
    ]


def _redrawn(
    planes: npt.NDArray[np.float64], centre: tuple[float, float], sides: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Each plane as it would be with its centre in the middle of a window."""
    y, x = np.indices(planes.shape[1:])
    distances, which = np.unique(
        np.hypot(y - centre[0], x - centre[1]).ravel().round(6), return_inverse=True
    )
    known = np.asarray(distances)
    if len(known) == 1:
        return planes
    each = np.bincount(which)
    curves = [np.bincount(which, plane.ravel()) / each for plane in planes]
    if known[0] > 0:  # no voxel lies on the axis, where a round peak is a parabola
        part = known[0] ** 2 / (known[1] ** 2 - known[0] ** 2)
        curves = [np.insert(curve, 0, curve[0] + part * (curve[0] - curve[1])) for curve in curves]
        known = np.insert(known, 0, 0.0)
    rows, columns = np.indices(sides)
    wanted = np.hypot(rows - sides[0] // 2, columns - sides[1] // 2).clip(known[0], known[-1])
    return np.stack([PchipInterpolator(known, curve)(wanted) for curve in curves])
