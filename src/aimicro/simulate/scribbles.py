"""A simulated user who paints strokes, as one does to teach a pixel classifier."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from aimicro import checks

Labels: TypeAlias = npt.NDArray[np.int32]
Mask: TypeAlias = npt.NDArray[np.bool_]
Places: TypeAlias = npt.NDArray[np.int_]

_UNSTEADINESS = 0.15  # radians by which a hand turns from pixel to pixel, as standard deviation


def scribble(
    classes: npt.ArrayLike,
    *,
    n_strokes: int,
    length_px: float = 30,
    width_px: float = 3,
    rng: np.random.Generator | int,
) -> Labels:
    """Paint short smooth strokes into every class of an image, and stay within the class.

    A stroke begins anywhere in its class, apart from the other strokes of the class. It goes both
    ways from there, bends a little, and ends at the border of the class.

    Parameters
    ----------
    classes : array_like of int, (Y, X) or (Z, Y, X)
        Class of each pixel, from 1 up; 0 is never painted. For labels of objects, for example
        ``1 + (labels > 0)``: background is class 1.
    n_strokes : int
        Strokes in each class.
    length_px : float, default 30
        Length of a stroke in pixels, where it is not cut short.
    width_px : float, default 3
        Width of the brush in pixels. Where the class is narrower, so is the stroke.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    ndarray of int32
        Class where something was painted, and 0 elsewhere. In a volume each stroke lies in one
        plane, as on a screen.

    Raises
    ------
    TypeError
        If `classes` is no image of whole numbers, or a number is none.
    ValueError
        If there is no class, `n_strokes` is below 1, length or width is not above 0, or a class has
        no room for so many strokes.

    Notes
    -----
    Used in chapter 8, *Six ways to segment one image set* and *The microglia case*.

    Examples
    --------
    >>> halves = np.repeat([[1], [2]], [40, 40], axis=0) * np.ones((1, 80), int)
    >>> painted = scribble(halves, n_strokes=2, rng=0)
    >>> np.unique(painted).tolist(), bool((painted == halves)[painted > 0].all())
    ([0, 1, 2], True)
    """
    array = checks.labels("classes", classes, hint="Paint on one image or volume at a time.")
    checks.whole("n_strokes", n_strokes, low=1, hint="Try 3.")
    checks.number("length_px", length_px, above=0, hint="Try 30.")
    checks.number("width_px", width_px, above=0, hint="Try 3.")
    present = np.unique(array[array > 0])
    if not len(present):
        raise ValueError(
            "Expected classes from 1 up, got 0 everywhere, which is not painted. Add 1 if "
            "background is to be a class."
        )
    random = np.random.default_rng(rng)
    brush = _ball(width_px / 2, (0,) * (array.ndim - 2) + (1, 1))  # flat in a volume
    apart = _ball(width_px + 2, (1,) * array.ndim)  # from the middle of one to that of another
    painted = np.zeros(array.shape, np.int32)
    for one in present:
        free: Mask = np.asarray(array == one)  # where the middle of a brush may be
        for done in range(n_strokes):
            places = np.flatnonzero(free)
            if not len(places):
                raise ValueError(
                    f"Expected room for {n_strokes} strokes in class {one}, got room for {done}. "
                    "Ask for fewer, shorter or thinner ones."
                )
            start = np.array(np.unravel_index(random.choice(places), free.shape))
            line = _line(start, free, length_px / 2, random)
            pixels = _around(line, brush, free.shape)
            painted[pixels] = np.where(array[pixels] == one, one, painted[pixels])
            free[_around(line, apart, free.shape)] = False
    return painted


def _line(start: Places, free: Mask, half_px: float, rng: np.random.Generator) -> Places:
    """Pixels (n, ndim) of a line that a hand draws in one plane, both ways from its start."""
    away = rng.uniform(0, 2 * np.pi)
    line = [start[None]]
    for begin in (away, away + np.pi):
        turns = rng.normal(0, _UNSTEADINESS, size=round(half_px))
        angle = begin + np.cumsum(turns)
        path = np.repeat(start[None], len(angle), axis=0)
        path[:, -2] += np.round(np.cumsum(np.sin(angle))).astype(int)
        path[:, -1] += np.round(np.cumsum(np.cos(angle))).astype(int)
        inside: Mask = np.all((path >= 0) & (path < free.shape), axis=1)
        inside[inside] = free[tuple(path[inside].T)]
        line.append(path[np.logical_and.accumulate(inside)])
    return np.concatenate(line)


def _ball(radius: float, along: tuple[int, ...]) -> Places:
    """Steps (n, ndim) from the middle of a ball to its pixels; flat where `along` is 0."""
    reach = np.arange(-int(radius), int(radius) + 1)
    axes = np.meshgrid(*(reach if each else [0] for each in along), indexing="ij")
    steps = np.stack(axes, axis=-1).reshape(-1, len(along))
    ball: Places = steps[(steps**2).sum(axis=1) <= radius**2]
    return ball


def _around(line: Places, ball: Places, shape: tuple[int, ...]) -> tuple[Places, ...]:
    """Index of all pixels of an image that balls along a line cover."""
    pixels = (line[:, None] + ball).reshape(-1, len(shape))
    return tuple(pixels[((pixels >= 0) & (pixels < shape)).all(axis=1)].T)
