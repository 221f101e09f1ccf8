"""Outlines drawn by hand: what people give to a network as the truth is not the truth.

Used in chapters 8 and 9.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.measure import find_contours

from aimicro import checks

Labels = npt.NDArray[np.int32]

_STROKE = 6.0  # pixels along an outline within which the hand goes wrong the same way


def annotate(
    labels: npt.ArrayLike,
    *,
    tremor_px: float = 1.0,
    missed_fraction: float = 0.0,
    merged_fraction: float = 0.0,
    bias_px: float = 0.0,
    rng: np.random.Generator | int,
) -> Labels:
    r"""Outline objects as somebody with a mouse would.

    Some objects are overlooked, small ones rather than large ones, and some that touch are taken
    for one. Then each outline moves outwards by

    .. math:: b + t \, u(s),

    with the bias *b*, the tremor *t*, and a random function *u* of the way *s* along the outline:
    smooth, closed, of variance 1.

    Parameters
    ----------
    labels : array_like of int, (Y, X) or (Z, Y, X)
        The true objects. A volume is outlined plane by plane, after it was decided for whole
        objects which are missed or merged.
    tremor_px : float
        Standard deviation of the displacement, in pixels.
    missed_fraction : float
        Fraction of the objects that are left out, from 0 to 1. The chance of each falls with its
        size as 1 / pixels.
    merged_fraction : float
        Fraction of the touching pairs that become one object, from 0 to 1.
    bias_px : float
        Pixels by which all outlines lie outside the true ones, or inside if negative.
    rng : numpy.random.Generator or int
        Draws all chances: two annotators are two seeds, and maybe two biases.

    Returns
    -------
    ndarray of int32
        The objects as drawn, with the ids of the truth; of a merged pair, the lower one. Without
        tremor, bias, misses and merges, the labels as they came.

    Raises
    ------
    TypeError
        If `labels` are no labels, or a setting is no number.
    ValueError
        If they are RGB, one-hot or empty, or a setting is out of its range.

    See Also
    --------
    aimicro.simulate.mistakes : The mistakes of a network, one at a time.

    Notes
    -----
    Where two outlines cross, a pixel belongs to the one whose line it is farther inside. The
    border of the image is no outline. An object may vanish where a bias goes inwards by more than
    its radius.

    Used in chapter 8, *Six ways to segment one image set*.

    Examples
    --------
    >>> y, x = np.mgrid[:40, :40]
    >>> disc = ((y - 20) ** 2 + (x - 20) ** 2 < 100).astype(np.int32)
    >>> drawn = annotate(disc, tremor_px=0, bias_px=2, rng=0)
    >>> [round(float(np.sqrt(each.sum() / np.pi)), 1) for each in (disc, drawn)]
    [9.9, 12.0]
    """
    truth = checks.labels("labels", labels, hint="Annotate one image at a time.").astype(np.int32)
    tremor = checks.number("tremor_px", tremor_px, low=0, hint="Give pixels, for example 1.")
    bias = checks.number("bias_px", bias_px, hint="Give pixels, for example -0.5.")
    hint = "Give 0.25 for a quarter."
    missed = checks.number("missed_fraction", missed_fraction, low=0, high=1, hint=hint)
    merged = checks.number("merged_fraction", merged_fraction, low=0, high=1, hint=hint)
    random = np.random.default_rng(rng)
    seen = _merged(_overlooked(truth, missed, random), merged, random)
    if tremor == bias == 0:
        return seen
    planes = seen if seen.ndim == 3 else seen[np.newaxis]
    drawn = [_outlined(plane, tremor, bias, random) for plane in planes]
    return np.stack(drawn).reshape(truth.shape)


def _overlooked(truth: Labels, fraction: float, rng: np.random.Generator) -> Labels:
    """Without some of the objects; the smaller, the likelier to be missed."""
    ids, pixels = np.unique(truth[truth > 0], return_counts=True)
    if not len(ids):
        return truth
    chances = 1 / pixels / (1 / pixels).sum()
    gone = rng.choice(ids, round(fraction * len(ids)), replace=False, p=chances)
    return np.where(np.isin(truth, gone), 0, truth).astype(np.int32)


def _merged(truth: Labels, fraction: float, rng: np.random.Generator) -> Labels:
    """With some pairs that touch under one id."""
    pairs = _touching(truth)
    joined = truth.copy()
    for pair in rng.permutation(pairs)[: round(fraction * len(pairs))]:
        # Either may have got another id before: its pixels tell.
        one, other = (int(joined[truth == number][0]) for number in pair)
        joined[joined == max(one, other)] = min(one, other)
    return joined


def _touching(labels: Labels) -> npt.NDArray[np.int32]:
    """Pairs of ids that have a border in common, one a row."""
    met = [np.zeros((0, 2), np.int32)]
    for axis in range(labels.ndim):
        turned = np.moveaxis(labels, axis, 0)
        sides = np.stack([turned[:-1], turned[1:]], axis=-1).reshape(-1, 2)
        met.append(sides[(sides > 0).all(axis=1) & (sides[:, 0] != sides[:, 1])])
    return np.unique(np.sort(np.concatenate(met), axis=1), axis=0)


def _outlined(plane: Labels, tremor: float, bias: float, rng: np.random.Generator) -> Labels:
    """Each object of a plane within its displaced outline."""
    drawn = np.zeros_like(plane)
    inside = np.zeros(plane.shape)  # how far within the line that a pixel belongs to so far
    margin = math.ceil(max(bias, 0) + 4 * tremor) + 2  # no displacement reaches farther
    ids = np.unique(plane[plane > 0])
    ranks = np.where(plane > 0, np.searchsorted(ids, plane) + 1, 0)
    for rank, tight in enumerate(ndimage.find_objects(ranks), start=1):
        box = tuple(slice(max(s.start - margin, 0), s.stop + margin) for s in tight)
        depth = _depth(ranks[box] == rank, tremor, bias, rng)
        deeper = depth > inside[box]
        drawn[box][deeper] = ids[rank - 1]
        inside[box][deeper] = depth[deeper]
    return drawn


def _depth(
    mask: npt.NDArray[np.bool_], tremor: float, bias: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """How far each pixel lies within the displaced outline; below 0 where it is outside."""
    # One more pixel to each side continues an object that the border of the image cuts.
    lines = find_contours(np.pad(mask, 1, mode="edge").astype(float), 0.5)
    if not lines:
        return np.where(mask, np.inf, -np.inf)
    moved = np.concatenate([bias + tremor * _wave(line, rng) for line in lines])
    away, nearest = cKDTree(np.concatenate(lines) - 1).query(np.argwhere(np.ones_like(mask)))
    distance = np.where(mask.ravel(), away, -away)
    return np.asarray(distance + moved[nearest]).reshape(mask.shape)


def _wave(line: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A smooth random function along a closed line, of mean 0 and variance 1."""
    steps = np.linalg.norm(np.diff(line, axis=0, append=line[:1]), axis=1)
    sigma = _STROKE / max(float(steps.mean()), 0.1)  # in vertices
    kernel = ndimage.gaussian_filter1d(np.eye(1, len(line))[0], sigma, mode="wrap")
    noise = ndimage.gaussian_filter1d(rng.normal(size=len(line)), sigma, mode="wrap")
    return np.asarray(noise / np.linalg.norm(kernel))
