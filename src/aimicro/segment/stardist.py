"""StarDist: each pixel of an object tells how far its border is in many directions.

The distances draw a polygon around every pixel that is probably inside an object. Of polygons that
overlap, the most probable one is kept. An outline cannot leak into a neighbour; but only shapes
that a point inside sees as a whole can be drawn.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from skimage.draw import polygon

from aimicro import checks
from aimicro.segment._rays import Floats, directions, fill_lengths, fill_probability, numbered
from aimicro.segment._suppression import suppress

_SHORTEST = 1e-3  # pixels: a polygon has an area, whatever the network says


@dataclass(frozen=True, eq=False)
class Polygons:
    """Star-shaped outlines of objects, the most probable first.

    Attributes
    ----------
    points : ndarray of int32, (N, 2)
        The pixels (y, x) that the rays start from.
    probability : ndarray of float32, (N,)
        That the pixel is inside an object, near its centre.
    distances : ndarray of float32, (N, n_rays)
        Length of each ray in pixels.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.
    """

    points: npt.NDArray[np.int32]
    probability: Floats
    distances: Floats

    def __len__(self) -> int:
        return len(self.points)

    @property
    def corners(self) -> Floats:
        """Corners (y, x) of each polygon in pixels, (N, n_rays, 2)."""
        return self._exact_corners().astype(np.float32)

    def _exact_corners(self) -> npt.NDArray[np.float64]:
        rays = self.distances[..., None] * directions(self.distances.shape[1])
        return np.asarray(self.points[:, None] + rays, np.float64)

    def paint(self, shape: tuple[int, int]) -> npt.NDArray[np.int32]:
        """Labels of an image: where polygons overlap, the more probable one is on top.

        Parameters
        ----------
        shape : tuple of int
            Pixels of the image, (Y, X).

        Returns
        -------
        ndarray of int32, (Y, X)
            0 for background; id *i* is the *i*-th polygon, counted from 1.
        """
        labels = np.zeros(shape, np.int32)
        # Exact, so that they are the same where only a part of the image is painted.
        for number, corners in reversed(list(enumerate(self._exact_corners(), start=1))):
            labels[polygon(corners[:, 0], corners[:, 1], shape)] = number
        return labels


def targets(labels: npt.ArrayLike, *, n_rays: int = 32) -> Floats:
    r"""Turn labels into what a network learns: object probability and distances to the border.

    The probability is the Euclidean distance *d* to the border of the object, over the largest one
    in it, :math:`p = d / \max d`. Ray *k* goes along :math:`(\sin, \cos)(2 \pi k / n)` in (y, x),
    in steps of one pixel for as long as the nearest pixel is one of the same object. After *m*
    steps it has the length

    .. math:: m + \frac{1}{2 \max(|\sin|, |\cos|)} .

    Parameters
    ----------
    labels : array_like of int, (Y, X)
        Ids of objects, 0 for background. They need not be consecutive.
    n_rays : int
        Rays, 3 or more.

    Returns
    -------
    ndarray of float32, (1 + n_rays, Y, X)
        Probability from 0 to 1, then the lengths of the rays in pixels; 0 in the background.

    Raises
    ------
    TypeError
        If the labels are no whole numbers, or `n_rays` is none.
    ValueError
        If the labels are not 2D, are empty or negative, or there are fewer than 3 rays.

    See Also
    --------
    segment : The way back.

    Notes
    -----
    The frame of the image is no border for the probability, but ends the rays: both as in the
    published program, to whose distances these are equal. A stack of binary masks (one-hot) is
    no label image: ``masks.argmax(axis=0)`` with the background first.

    Used in chapter 9, *Training and using a model*.

    References
    ----------
    U. Schmidt, M. Weigert, C. Broaddus, G. Myers, "Cell detection with star-convex polygons",
    MICCAI 2018, 265-273. doi:10.1007/978-3-030-00934-2_30

    Examples
    --------
    >>> square = np.zeros((7, 7), np.int32)
    >>> square[1:6, 1:6] = 1
    >>> targets(square, n_rays=4)[:, 3, 4].tolist()
    [0.6666666865348816, 1.5, 2.5, 3.5, 2.5]
    """
    hint = "Give the labels of one 2D image, not a colour picture or a stack of masks."
    found = checks.labels("labels", labels, ndim=2, hint=hint)
    n_rays = checks.whole("n_rays", n_rays, low=3, hint="The published models have 32.")
    ids = numbered(found)
    target = np.zeros((1 + n_rays, *ids.shape), np.float32)
    fill_probability(target[0], ids)
    fill_lengths(target[1:], ids)
    return target


def polygons(
    output: npt.ArrayLike,
    *,
    probability_threshold: float = 0.5,
    overlap_threshold: float = 0.4,
    logits: bool = True,
) -> Polygons:
    r"""Choose, among the polygons of all pixels, one for each object.

    Each pixel with a probability above the threshold is a candidate. The most probable one is
    kept, and leaves out all those with which it shares too much,

    .. math:: \frac{|A \cap B|}{\min(|A|, |B|)} > \text{overlap\_threshold};

    then the most probable of the rest, and so on.

    Parameters
    ----------
    output : array_like, (1 + n_rays, Y, X)
        What a network predicts: object probability, and distances in pixels as in `targets`.
    probability_threshold : float
        Pixels that are more probable are candidates; from 0 to below 1.
    overlap_threshold : float
        Fraction of the smaller polygon that two objects may share, from 0 to 1.
    logits : bool
        Whether the first channel holds logits, as networks return them, or probabilities.

    Returns
    -------
    Polygons
        The polygons that are kept, the most probable first; none if there is no candidate.

    Raises
    ------
    TypeError
        If the output is not made of real numbers, or a threshold is no number.
    ValueError
        If the output has another shape, a NaN or an infinity, or probabilities that are none, or a
        threshold is out of range.

    See Also
    --------
    segment : The same, painted as labels.

    Notes
    -----
    Distances under 0.001 pixels, negative ones among them, count as 0.001, and those longer than
    the image's diagonal as that. Of equally probable pixels, the upper left one is first. Unlike in
    the published program, pixels near the frame are candidates, too, and the corners of polygons
    are not cut to whole pixels before areas are measured: it keeps all that cover no whole pixel.

    Used in chapter 9, *Training and using a model*.

    References
    ----------
    U. Schmidt, M. Weigert, C. Broaddus, G. Myers, "Cell detection with star-convex polygons",
    MICCAI 2018, 265-273. doi:10.1007/978-3-030-00934-2_30

    Examples
    --------
    >>> square = np.zeros((7, 7), np.int32)
    >>> square[1:6, 1:6] = 1
    >>> found = polygons(targets(square, n_rays=4), logits=False)
    >>> found.points.tolist(), found.distances.tolist()
    ([[3, 3]], [[2.5, 2.5, 2.5, 2.5]])
    """
    scores, distances = _checked(output, logits)
    hint = "It is a probability: give 0.5 for a start."
    least = checks.number("probability_threshold", probability_threshold, low=0, below=1, hint=hint)
    hint = "It is a fraction of the smaller polygon: give 0.4 for a start."
    share = checks.number("overlap_threshold", overlap_threshold, low=0, high=1, hint=hint)
    pixels = np.flatnonzero(scores > (logit(least) if logits else least))
    flat = scores.ravel()[pixels]
    rays = distances.reshape(len(distances), -1)[:, pixels].astype(np.float32)
    rays = rays.clip(_SHORTEST, math.hypot(*scores.shape), out=rays)
    kept = suppress(rays, pixels, flat, shape=scores.shape, threshold=share)
    return Polygons(
        points=np.stack(np.unravel_index(pixels[kept], scores.shape), axis=1).astype(np.int32),
        probability=expit(flat[kept]) if logits else flat[kept],
        distances=rays[:, kept].T,
    )


def segment(
    output: npt.ArrayLike,
    *,
    probability_threshold: float = 0.5,
    overlap_threshold: float = 0.4,
    logits: bool = True,
) -> npt.NDArray[np.int32]:
    """Turn a network's output into labels: the polygons that are kept, painted.

    Parameters
    ----------
    output : array_like, (1 + n_rays, Y, X)
        What a network predicts: object probability, and distances in pixels as in `targets`.
    probability_threshold : float
        Pixels that are more probable are candidates; from 0 to below 1.
    overlap_threshold : float
        Fraction of the smaller polygon that two objects may share, from 0 to 1.
    logits : bool
        Whether the first channel holds logits, as networks return them, or probabilities.

    Returns
    -------
    ndarray of int32, (Y, X)
        0 for background; id 1 is the most probable object. Where objects overlap, the more
        probable one is on top; an id is missing where others hide an object.

    Raises
    ------
    TypeError, ValueError
        As `polygons`.

    See Also
    --------
    polygons : The outlines, to draw or export them.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> labels = np.zeros((16, 16), np.int32)
    >>> labels[2:9, 2:9], labels[9:14, 5:12] = 7, 4
    >>> found = segment(targets(labels), logits=False)
    >>> bool(((found > 0) == (labels > 0)).all()), int(found.max())
    (True, 2)
    """
    found = polygons(
        output,
        probability_threshold=probability_threshold,
        overlap_threshold=overlap_threshold,
        logits=logits,
    )
    _, height, width = np.shape(output)
    return found.paint((height, width))


def _checked(output: npt.ArrayLike, logits: bool) -> tuple[Floats, npt.NDArray[Any]]:
    """Scores (Y, X) and distances (n_rays, Y, X), or a clear error."""
    array = checks.image("output", output, ndim=None)
    if array.ndim != 3 or len(array) < 4:
        raise ValueError(
            "Expected output of shape (1 + n_rays, Y, X), a probability and 3 distances or more, "
            f"got {array.shape}. Give the network's output for one image, channels first."
        )
    scores = array[0].astype(np.float32)
    if not logits and not 0 <= scores.min() <= scores.max() <= 1:
        raise ValueError(
            f"Expected probabilities from 0 to 1 in the first channel, got {scores.min():g} to "
            f"{scores.max():g}. Give logits=True if they are logits."
        )
    return scores, array[1:]
