"""Whether two images show the same field: copies, turned or cropped ones, and second exposures."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.transform import resize

from aimicro import checks
from aimicro.io import Strip, strips

Hashes = npt.NDArray[np.uint64]
_APART, _SIDE = 11, 7  # pixels: landmarks are the brightest within, and known by what is around
_FEWEST_LEVELS = 6  # around a landmark; with fewer, one is like another
_KEPT = 2048  # landmarks of an image
_FACTORS = np.random.default_rng(0).integers(2**63, size=_SIDE**2, dtype=np.uint64) | np.uint64(1)
_AROUND, _AT_ONCE = np.ones((3, 3), np.uint8), 2**14  # neighbours; windows in memory
_FINE = 1024  # pixels along an axis, of which a thumbnail is made
_COARSE = 6  # pixels of a thumbnail; what varies more slowly is illumination


def landmarks(image: npt.ArrayLike) -> Hashes:
    """Return numbers for the neighbourhoods of bright spots, by which copies are recognised.

    A landmark is a pixel that is the brightest of 11 x 11, and brighter than all that touch it. The
    order of the brightness of the 7 x 7
    pixels around it is its number, the same in all eight orientations. Noise does not repeat, so
    that two images share landmarks only where they show the same recording: copied, turned,
    mirrored, cropped, shifted, and with another contrast or bit depth. Of many landmarks those with
    the 2,048 lowest numbers are kept, the same ones in both images [1]_.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Intensities as they were recorded.

    Returns
    -------
    ndarray of uint64
        Sorted; empty where all neighbourhoods have fewer than 6 levels.

    Raises
    ------
    TypeError, ValueError
        If `image` is none.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    References
    ----------
    .. [1] A. Z. Broder, "On the resemblance and containment of documents", Proceedings of
       Compression and Complexity of SEQUENCES, 21-29 (1997). doi:10.1109/SEQUEN.1997.666900

    Examples
    --------
    >>> image = np.random.default_rng(0).poisson(50, (128, 128))
    >>> shared_landmarks(landmarks(image), landmarks(np.rot90(image)))
    1.0
    >>> shared_landmarks(landmarks(image), landmarks(image[30:, 40:])) > 0.8
    True
    """
    pixels = checks.image("image", image)
    kept = np.zeros(0, np.uint64)
    if min(pixels.shape[-2:]) >= _SIDE:
        for strip in strips(pixels, around=_APART // 2 + 1):
            kept = np.unique(np.concatenate([kept, _of_strip(strip)]))[:_KEPT]
    return kept


def shared_landmarks(first: Hashes, second: Hashes) -> float:
    """Fraction of the landmarks of one image that another has, too.

    Parameters
    ----------
    first, second : ndarray of uint64
        What `landmarks` returned for two images.

    Returns
    -------
    float
        Of the image with fewer of them, among those that both can have kept; 0 where it has none.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> shared_landmarks(np.array([1, 2, 3, 4], np.uint64), np.array([3, 4], np.uint64))
    1.0
    """
    if not (first.size and second.size):
        return 0.0
    full = [hashes[-1] for hashes in (first, second) if hashes.size == _KEPT]
    limit = min(full, default=max(first[-1], second[-1]))
    first, second = first[first <= limit], second[second <= limit]
    n = min(first.size, second.size)
    return np.intersect1d(first, second, assume_unique=True).size / n if n else 0.0


def thumbnail(
    image: npt.ArrayLike, *, side: int = 32, foreground: bool = False
) -> npt.NDArray[np.float32]:
    """Return the structure of an image in a few pixels, without noise and illumination.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Of any real type; of a volume the mean along z.
    side : int
        Pixels along both axes, also where the image is no square.
    foreground : bool
        Of labels, look at where there are objects, not at their ids.

    Returns
    -------
    ndarray of float32
        `(side, side)`, with a mean of 0 and a norm of 1, or zeros.

    Raises
    ------
    TypeError, ValueError
        If `image` is none, or `side` below 8.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> thumbnail(np.eye(64), side=16).shape
    (16, 16)
    """
    pixels = checks.image("image", image)
    side = checks.whole("side", side, low=8)
    plane = _projected(pixels, foreground=foreground)
    small = resize(plane, (side, side), order=1, anti_aliasing=True, preserve_range=True)
    small = small - ndimage.gaussian_filter(small, _COARSE)
    small = small - small.mean()
    norm = float(np.sqrt((small**2).sum()))
    least = 1e-9 * (abs(float(plane.max())) + abs(float(plane.min())))  # rounding of a flat image
    return np.asarray(small / norm if norm > least else 0 * small, np.float32)


def likeness(first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Correlate thumbnails of many images with each other, in all eight orientations.

    Parameters
    ----------
    first, second : array_like, (N, side, side) and (M, side, side)
        Thumbnails, as `thumbnail` returns them.

    Returns
    -------
    ndarray of float32
        `(8, N, M)`, from -1 to 1. The second image is as it is, turned by 90°, 180° and 270°, and
        the same after it is transposed.

    Raises
    ------
    ValueError
        If they are no stacks of squares of one size.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> one = thumbnail(np.random.default_rng(0).random((64, 64)))
    >>> likeness([one], [np.rot90(one)]).round(2).argmax()
    np.int64(3)
    """
    ours, theirs = np.asarray(first, np.float32), np.asarray(second, np.float32)
    if ours.ndim != 3 or ours.shape[1:] != theirs.shape[1:] or ours.shape[1] != ours.shape[2]:
        raise ValueError(
            f"Expected stacks of square thumbnails of one size, got {ours.shape} and "
            f"{theirs.shape}. Stack them with numpy.stack."
        )
    n_pixels = ours.shape[1] ** 2  # not -1, which no stack without images can tell
    rows = ours.reshape(-1, n_pixels)
    turned = _orientations(theirs)
    return np.stack([rows @ each.reshape(-1, n_pixels).T for each in turned])


def _projected(pixels: npt.NDArray[Any], *, foreground: bool) -> npt.NDArray[np.float64]:
    """Mean along z; planes with more than 1,024 pixels along an axis are binned to that."""
    shape = pixels.shape[-2:]
    edges = [np.linspace(0, n, min(n, _FINE) + 1).astype(int) for n in shape]
    total = np.zeros([len(each) - 1 for each in edges])
    for strip in strips(pixels):
        rows = strip.pixels > 0 if foreground else strip.pixels
        sums = np.add.reduceat(rows, edges[1][:-1], axis=1, dtype=np.float64)
        bins = np.searchsorted(edges[0], np.arange(len(rows)) + strip.first, side="right") - 1
        first = np.unique(bins, return_index=True)[1]
        total[bins[first]] += np.add.reduceat(sums, first, axis=0)
    n_planes = pixels.size // (shape[0] * shape[1])
    n_pixels = n_planes * np.outer(np.diff(edges[0]), np.diff(edges[1]))
    return np.asarray(total / n_pixels)


def _orientations(stack: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Turn and transpose the planes of a stack in all eight ways."""
    both = (stack, stack.transpose(0, 2, 1))
    return [np.rot90(each, k, axes=(1, 2)) for each in both for k in range(4)]


def _of_strip(strip: Strip) -> Hashes:
    edge, pixels = _SIDE // 2, strip.pixels
    brightest = pixels == ndimage.maximum_filter(pixels.astype(np.float64), _APART)
    # In a plateau every pixel is the brightest.
    brightest &= ndimage.convolve(brightest.astype(np.uint8), _AROUND, mode="constant") == 1
    brightest[: strip.own.start] = brightest[strip.own.stop :] = False  # in other strips
    rows, columns = np.nonzero(brightest[edge:-edge, edge:-edge])
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (_SIDE, _SIDE))
    parts = (slice(start, start + _AT_ONCE) for start in range(0, len(rows), _AT_ONCE))
    found = [_hashes(windows[rows[part], columns[part]]) for part in parts]
    return np.concatenate([np.zeros(0, np.uint64), *found])


def _hashes(windows: npt.NDArray[np.generic]) -> Hashes:
    """Return a number for each window, the lowest of those of its eight orientations."""
    ranks = _ranks(windows.reshape(-1, _SIDE**2))
    ranks = ranks[ranks.max(axis=1, initial=0) >= _FEWEST_LEVELS - 1]
    around = _orientations(ranks.reshape(-1, _SIDE, _SIDE))
    # Sums of unsigned numbers wrap around, as they should.
    sums = [
        (each.reshape(-1, _SIDE**2).astype(np.uint64) * _FACTORS).sum(axis=1) for each in around
    ]
    return np.asarray(np.min(sums, axis=0), np.uint64)


def _ranks(rows: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Number the values of each row by size; equal ones have one number."""
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    steps = np.zeros(rows.shape, np.int64)
    steps[:, 1:] = np.cumsum(ordered[:, 1:] != ordered[:, :-1], axis=1)
    ranks = np.empty_like(steps)
    np.put_along_axis(ranks, order, steps, axis=1)
    return ranks
