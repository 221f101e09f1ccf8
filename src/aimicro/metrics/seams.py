"""Whether the borders of the tiles show in an image that was restored tile by tile."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aimicro import checks

_FEWEST = 4  # pixels from border to border: fewer leave none that are not beside one


def seams(
    image: npt.ArrayLike, *, tile: int | Sequence[int], start: int | Sequence[int] = 0
) -> float:
    r"""Measure how much an image jumps where its tiles meet, against how much it jumps elsewhere.

    From each pixel to the next, the jump is what the step has that the steps before and after it do
    not explain. So slopes do not count, but edges do, on borders and elsewhere alike.

    .. math::

        j_k = (x_k - x_{k-1}) - \tfrac12 \left[ (x_{k-1} - x_{k-2}) + (x_{k+1} - x_k) \right],
        \qquad S = \frac{\mathrm{mean}_{k \in B} |j_k|}{\mathrm{mean}_{k \in E} |j_k|}

    *B* are the pixels at which a tile begins, *E* those more than one pixel from a border.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Restored image, in any unit. No truth is needed.
    tile : int or sequence of int
        Distance from border to border along all axes, or along each, in pixels: 4 or more. This is
        the size of a tile less halo and overlap.
    start : int or sequence of int, default 0
        Where the first tile begins.

    Returns
    -------
    float
        *S*: about 1 without seams, however many edges the image has, and 2 where the image jumps
        twice as much at borders. Infinity where it jumps at borders alone, and 1 where nowhere.

    Raises
    ------
    TypeError
        If the image is not made of real numbers, or is a mask, or a size is no whole number.
    ValueError
        If the image is not 2D or 3D or has a pixel that is not finite, if a tile is smaller than 4
        pixels or a start negative, or if no axis has a border.

    Notes
    -----
    One image of a few tiles scatters about 1 by a fifth or so, more where edges are few. A specimen
    that itself repeats with the tiles, like the posts of a device, has seams too.

    Used in chapter 6, *When restoration lies*.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(256, 256))
    >>> round(seams(noise, tile=64), 1)
    1.0
    >>> stepped = noise + 5 * (np.arange(256) // 64)
    >>> seams(stepped, tile=64) > 1.4
    True
    """
    pixels = checks.intensities("image", image)
    hint = "Give the distance from border to border in pixels."
    sizes = checks.per_axis("tile", tile, pixels.ndim, whole_from=_FEWEST, hint=hint)
    starts = checks.per_axis("start", start, pixels.ndim, whole_from=0)
    borders, elsewhere = [], []
    for axis, (size, first) in enumerate(zip(sizes, starts, strict=True)):
        if pixels.shape[axis] < _FEWEST:
            continue
        step = np.diff(np.moveaxis(pixels, axis, 0), axis=0)
        jump = np.abs(step[1:-1] - (step[:-2] + step[2:]) / 2)
        place = (np.arange(2, len(jump) + 2) - first) % size  # 0 where a tile begins
        borders.append(jump[place == 0].ravel())
        elsewhere.append(jump[(place > 1) & (place < size - 1)].ravel())
    if not sum(part.size for part in borders):
        raise ValueError(
            f"Expected an image with borders of tiles, got shape {pixels.shape} and tiles of "
            f"{sizes}. {hint}"
        )
    at, off = (float(np.concatenate(parts).mean()) for parts in (borders, elsewhere))
    if off == 0:
        return 1.0 if at == 0 else math.inf
    return at / off
