"""Where a patch is cut, how it is turned, and whether there is enough in it.

Used in chapter 6, *Denoising*, and in appendix A.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
Keep = Callable[[Pixels], bool]


def structure(intensity: float = 0.25, area: float = 0.5) -> Keep:
    """Keep patches that show enough, as the published 3D-RCAN does.

    Parameters
    ----------
    intensity : float
        Pixels of the scaled truth above this count as structure; 0 or less takes any patch.
    area : float
        Fraction of a patch's pixels that must be structure.

    Returns
    -------
    callable
        For `keep` of `ArrayPatches` and `FilePatches`.

    Notes
    -----
    Used in appendix A, *Denoising*.

    Examples
    --------
    >>> structure(0.5, 0.25)(np.array([[0.0, 0.0], [0.1, 0.6]]))
    True
    """

    def keep(patch: Pixels) -> bool:
        """Whether enough pixels of the patch are bright."""
        return intensity <= 0 or bool(np.count_nonzero(patch > intensity) >= area * patch.size)

    keep.__name__ = f"structure({intensity:g}, {area:g})"  # as a checkpoint records it
    return keep


def random_window(
    shape: tuple[int, ...], patch_size: tuple[int, ...], rng: np.random.Generator
) -> tuple[slice, ...]:
    """Choose where to cut a patch: each place in an image of this shape is as likely."""
    spare = [size - patch + 1 for size, patch in zip(shape, patch_size, strict=True)]
    corner = rng.integers(spare)
    return tuple(slice(c, c + s) for c, s in zip(corner, patch_size, strict=True))


def augment(
    raw: Pixels, truth: Pixels, ndim: int, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Mirror each of the last `ndim` axes and exchange Y and X, each with probability one half.

    So all eight ways to turn and mirror a square are as likely. Z never changes places with Y or
    X, since a microscope resolves it differently.
    """
    mirror = tuple(axis - ndim for axis in range(ndim) if rng.integers(2))
    raw, truth = np.flip(raw, mirror), np.flip(truth, mirror)
    if rng.integers(2):
        raw, truth = raw.swapaxes(-1, -2), truth.swapaxes(-1, -2)
    return raw, truth
