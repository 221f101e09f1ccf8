"""Whether a stack shows the same structure along z as across.

Used in chapter 6, *Isotropic resolution*.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from aimicro import checks


def side_contrast(stack: ArrayLike, kernel: ArrayLike, *, step: int) -> float:
    r"""Whether a specimen looks from the side as it does from above: no truth is needed.

    Blurred with the axial kernel along y and along x too, a stack is equally unsharp in all
    directions. What then still differs between them is the specimen, or the kernel is wrong. With
    the mean squared differences :math:`D` of voxels that are one step of z apart, the answer is

    .. math:: D_z / \sqrt{D_y D_x}.

    Parameters
    ----------
    stack : array_like, (Z, Y, X)
        As recorded, in any unit.
    kernel : array_like, (N,)
        As for `aimicro.simulate.lateral_pairs`.
    step : int
        Step of the stack along z, in lateral pixels.

    Returns
    -------
    float
        About 1 for a specimen without orientation and the right kernel. More where structure lies
        flat or the kernel is too wide, less where structure stands upright or it is too narrow.

    Raises
    ------
    TypeError, ValueError
        As for `aimicro.simulate.lateral_pairs`; and where nothing varies along y or x.

    Notes
    -----
    It sees only what the axial blur leaves over. Structure that is finer along z than the
    microscope can see goes unnoticed. The margins of a quarter of the kernel are left out, but at
    least a pixel.

    Used in chapter 6, *Isotropic resolution*.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> blob = ndimage.gaussian_filter(rng.normal(size=(48, 48, 48)), 4)
    >>> ratios = [side_contrast(blob[::z], [0, 1, 0], step=z) for z in (1, 4)]
    >>> [0.8 < ratio < 1.25 for ratio in ratios]
    [True, True]
    """
    hint = "Give the whole stack."
    planes = checks.intensities("stack", stack, ndim=3, hint=hint).astype(np.float32)
    hint = "Compute it with aimicro.simulate.axial_kernel."
    weights = checks.psf("kernel", kernel, ndim=1, hint=hint).astype(np.float32)
    step = checks.whole("step", step, low=1, hint="Give the step in z over the pixel size.")
    even = planes
    for axis in (1, 2):
        even = ndimage.convolve1d(even, weights, axis=axis, mode="reflect")
    margin = max(1, weights.size // 4)
    even = even[:, margin:-margin, margin:-margin]
    if min(even.shape[1:]) <= step or len(even) < 2:
        raise ValueError(
            f"Expected at least two planes, wider than step={step} pixels and the kernel, got "
            f"shape {planes.shape}. Give a larger field."
        )
    squared = []
    for axis, far in enumerate((1, step, step)):
        values = np.moveaxis(even, axis, 0)
        squared.append(float(np.mean((values[far:] - values[:-far]) ** 2, dtype=float)))
    if min(squared[1:]) == 0:
        raise ValueError("Expected a stack with structure along y and x, got none. Check it.")
    return squared[0] / float(np.sqrt(squared[1] * squared[2]))
