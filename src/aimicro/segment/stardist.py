"""StarDist: each pixel of an object tells how far its border is in many directions.

The distances draw a polygon around every pixel that is probably inside an object; in volumes, where
the directions point all around, a polyhedron. Of those that overlap, the most probable one is kept.
An outline cannot leak into a neighbour; but only shapes that a point inside sees as a whole can be
drawn.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from skimage.draw import polygon

from aimicro import checks
from aimicro.segment import _polyhedra
from aimicro.segment._objects import Spacing, pixel_of
from aimicro.segment._polygons import kept_polygons
from aimicro.segment._rays import Floats, directions, fill_lengths, fill_probability, numbered

FEWEST_RAYS = {2: 3, 3: 5}  # by axes: with fewer, the centre is not inside the outline
_SHORTEST = 1e-3  # pixels: a polygon has an area, whatever the network says


@dataclass(frozen=True, eq=False)
class Polygons:
    """Star-shaped outlines of objects, in volumes polyhedra; the most probable first.

    Attributes
    ----------
    points : ndarray of int32, (N, 2 or 3)
        The pixels ([z,] y, x) that the rays start from.
    probability : ndarray of float32, (N,)
        That the pixel is inside an object, near its centre.
    distances : ndarray of float32, (N, n_rays)
        Length of each ray in pixels.
    spacing : float or sequence of float, default 1
        Size of a voxel along (z, y, x), as for `targets`.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.
    """

    points: npt.NDArray[np.int32]
    probability: Floats
    distances: Floats
    spacing: Spacing = 1.0

    def __len__(self) -> int:
        return len(self.points)

    @property
    def corners(self) -> Floats:
        """Corners ([z,] y, x) of each outline in pixels, (N, n_rays, 2 or 3)."""
        return self._exact_corners().astype(np.float32)

    def _exact_corners(self) -> npt.NDArray[np.float64]:
        steps = directions(self.distances.shape[1], self._voxel())
        return np.asarray(self.points[:, None] + self.distances[..., None] * steps, np.float64)

    def _voxel(self) -> tuple[float, ...]:
        return _voxel_of(self.spacing, self.points.shape[1])

    def paint(self, shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
        """Labels of an image: where outlines overlap, the more probable one is on top.

        The faces of a polyhedron lie deeper than its corners. So that an object is as large as it
        should be, rays are drawn longer, by the factor with which the polyhedron of a ball has the
        ball's volume: 1.07 for 32 rays, 1.02 for 96.

        Parameters
        ----------
        shape : tuple of int
            Pixels of the image, ([Z,] Y, X).

        Returns
        -------
        ndarray of int32, ([Z,] Y, X)
            0 for background; id *i* is the *i*-th outline, counted from 1.
        """
        labels = np.zeros(shape, np.int32)
        if labels.ndim == 3:
            _polyhedra.paint(labels, self.points, self.distances, self._voxel())
            return labels
        # Exact, so that they are the same where only a part of the image is painted.
        for number, corners in reversed(list(enumerate(self._exact_corners(), start=1))):
            labels[polygon(corners[:, 0], corners[:, 1], shape)] = number
        return labels


def targets(labels: npt.ArrayLike, *, n_rays: int = 32, spacing: Spacing = 1.0) -> Floats:
    r"""Turn labels into what a network learns: object probability and distances to the border.

    The probability is the Euclidean distance *d* to the border of the object, over the largest one
    in it, :math:`p = d / \max d`. Ray *k* goes along a unit vector *u*, in steps of one pixel for
    as long as the nearest pixel is one of the same object. After *m* steps it has the length

    .. math:: m + \frac{1}{2 \max_i |u_i|} .

    In images *u* is :math:`(\sin, \cos)(2 \pi k / n)` in (y, x). In volumes the directions wind
    around the z axis from pole to pole, each turned by the golden angle.

    Parameters
    ----------
    labels : array_like of int, ([Z,] Y, X)
        Ids of objects, 0 for background. They need not be consecutive.
    n_rays : int
        Rays, 3 or more; in volumes 5 or more.
    spacing : float or sequence of float, default 1
        Size of a voxel along (z, y, x), in any unit; only its ratios matter. Where voxels are
        longer along z, directions are even in space, and more of them lead aside.

    Returns
    -------
    ndarray of float32, (1 + n_rays, [Z,] Y, X)
        Probability from 0 to 1, then the lengths of the rays in pixels; 0 in the background.

    Raises
    ------
    TypeError
        If the labels are no whole numbers, or `n_rays` is none.
    ValueError
        If the labels are not 2D or 3D, are empty or negative, there are fewer rays than an outline
        needs, or `spacing` does not fit: pixels of an image are square.

    See Also
    --------
    segment : The way back.

    Notes
    -----
    The frame of the image is no border for the probability, but ends the rays: both as in the
    published program, to whose distances in images these are equal. In volumes it measures up to
    the middle of the first voxel that is outside, half a voxel farther. A stack of binary masks
    (one-hot) is no label image: ``masks.argmax(axis=0)`` with the background first.

    Used in chapter 9, *Training and using a model*.

    References
    ----------
    U. Schmidt, M. Weigert, C. Broaddus, G. Myers, "Cell detection with star-convex polygons",
    MICCAI 2018, 265-273. doi:10.1007/978-3-030-00934-2_30

    M. Weigert, U. Schmidt, R. Haase, K. Sugawara, G. Myers, "Star-convex polyhedra for 3D object
    detection and segmentation in microscopy", WACV 2020, 3655-3662.
    doi:10.1109/WACV45572.2020.9093435

    Examples
    --------
    >>> square = np.zeros((7, 7), np.int32)
    >>> square[1:6, 1:6] = 1
    >>> targets(square, n_rays=4)[:, 3, 4].tolist()
    [0.6666666865348816, 1.5, 2.5, 3.5, 2.5]
    """
    hint = "Give the labels of one image or volume, not a colour picture or a stack of masks."
    ids = numbered(checks.labels("labels", labels, hint=hint))
    hint = "The published models have 32, for volumes also 96."
    n_rays = checks.whole("n_rays", n_rays, low=FEWEST_RAYS[ids.ndim], hint=hint)
    voxel = _voxel_of(spacing, ids.ndim)
    target = np.zeros((1 + n_rays, *ids.shape), np.float32)
    fill_probability(target[0], ids, voxel)
    fill_lengths(target[1:], ids, voxel)
    return target


def polygons(
    output: npt.ArrayLike,
    *,
    probability_threshold: float = 0.5,
    overlap_threshold: float = 0.4,
    logits: bool = True,
    spacing: Spacing = 1.0,
) -> Polygons:
    r"""Choose, among the outlines of all pixels, one for each object.

    Each pixel with a probability above the threshold is a candidate. The most probable one is
    kept, and leaves out all those with which it shares too much,

    .. math:: \frac{|A \cap B|}{\min(|A|, |B|)} > \text{overlap\_threshold};

    then the most probable of the rest, and so on.

    Parameters
    ----------
    output : array_like, (1 + n_rays, [Z,] Y, X)
        What a network predicts: object probability, and distances in pixels as in `targets`.
    probability_threshold : float
        Pixels that are more probable are candidates; from 0 to below 1.
    overlap_threshold : float
        Fraction of the smaller outline that two objects may share, from 0 to 1.
    logits : bool
        Whether the first channel holds logits, as networks return them, or probabilities.
    spacing : float or sequence of float, default 1
        Size of a voxel along (z, y, x), the same as for `targets`.

    Returns
    -------
    Polygons
        Those that are kept, in volumes polyhedra, the most probable first; none if there is no
        candidate.

    Raises
    ------
    TypeError
        If the output is not made of real numbers, or a threshold is no number.
    ValueError
        If the output has another shape, a NaN or an infinity, or probabilities that are none, a
        threshold is out of range, or `spacing` does not fit.

    See Also
    --------
    segment : The same, painted as labels.

    Notes
    -----
    Areas are those of the polygons. Volumes are, too, but what two polyhedra share is counted in
    voxels: in up to 4,096 of the better one.

    Distances under 0.001 pixels, negative ones among them, count as 0.001, and those longer than
    the image's diagonal as that. Of equally probable pixels, the upper left one is first. Unlike in
    the published program, pixels near the frame are candidates, too, and the corners of polygons
    are not cut to whole pixels before areas are measured: it keeps all that cover no whole pixel.

    Used in chapter 9, *Training and using a model*.

    References
    ----------
    U. Schmidt, M. Weigert, C. Broaddus, G. Myers, "Cell detection with star-convex polygons",
    MICCAI 2018, 265-273. doi:10.1007/978-3-030-00934-2_30

    M. Weigert, U. Schmidt, R. Haase, K. Sugawara, G. Myers, "Star-convex polyhedra for 3D object
    detection and segmentation in microscopy", WACV 2020, 3655-3662.
    doi:10.1109/WACV45572.2020.9093435

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
    voxel = _voxel_of(spacing, scores.ndim)
    hint = "It is a fraction of the smaller polygon: give 0.4 for a start."
    share = checks.number("overlap_threshold", overlap_threshold, low=0, high=1, hint=hint)
    pixels = np.flatnonzero(scores > (logit(least) if logits else least))
    flat = scores.ravel()[pixels]
    rays = distances.reshape(len(distances), -1)[:, pixels].astype(np.float32)
    rays = rays.clip(_SHORTEST, math.hypot(*scores.shape), out=rays)
    shape = scores.shape
    if scores.ndim == 2:
        kept = kept_polygons(rays, pixels, flat, shape=shape, threshold=share)
    else:
        kept = _polyhedra.kept_polyhedra(
            rays, pixels, flat, spacing=voxel, shape=shape, threshold=share
        )
    return Polygons(
        points=np.stack(np.unravel_index(pixels[kept], scores.shape), axis=1).astype(np.int32),
        probability=expit(flat[kept]) if logits else flat[kept],
        distances=rays[:, kept].T,
        spacing=spacing,
    )


def segment(
    output: npt.ArrayLike,
    *,
    probability_threshold: float = 0.5,
    overlap_threshold: float = 0.4,
    logits: bool = True,
    spacing: Spacing = 1.0,
) -> npt.NDArray[np.int32]:
    """Turn a network's output into labels: the outlines that are kept, painted.

    Parameters
    ----------
    output : array_like, (1 + n_rays, [Z,] Y, X)
        What a network predicts: object probability, and distances in pixels as in `targets`.
    probability_threshold : float
        Pixels that are more probable are candidates; from 0 to below 1.
    overlap_threshold : float
        Fraction of the smaller outline that two objects may share, from 0 to 1.
    logits : bool
        Whether the first channel holds logits, as networks return them, or probabilities.
    spacing : float or sequence of float, default 1
        Size of a voxel along (z, y, x), the same as for `targets`.

    Returns
    -------
    ndarray of int32, ([Z,] Y, X)
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
        spacing=spacing,
    )
    return found.paint(np.shape(output)[1:])


def _voxel_of(spacing: Spacing, ndim: int) -> tuple[float, ...]:
    """Size of a voxel along each axis, or a clear error."""
    voxel = pixel_of(spacing, ndim)
    if ndim == 2 and voxel[0] != voxel[1]:
        raise ValueError(
            f"Expected square pixels of images, got spacing {voxel}. Leave spacing out, or make "
            "the pixels square first."
        )
    return voxel


def _checked(output: npt.ArrayLike, logits: bool) -> tuple[Floats, npt.NDArray[Any]]:
    """Scores ([Z,] Y, X) and distances (n_rays, [Z,] Y, X), or a clear error."""
    array = checks.image("output", output, ndim=None)
    fewest = FEWEST_RAYS.get(array.ndim - 1)
    if fewest is None or len(array) <= fewest:
        raise ValueError(
            "Expected output of shape (1 + n_rays, [Z,] Y, X), a probability and 3 distances or "
            f"more, in volumes 5 or more, got {array.shape}. Give the network's output for one "
            "image, channels first."
        )
    scores = array[0].astype(np.float32)
    if not logits and not 0 <= scores.min() <= scores.max() <= 1:
        raise ValueError(
            f"Expected probabilities from 0 to 1 in the first channel, got {scores.min():g} to "
            f"{scores.max():g}. Give logits=True if they are logits."
        )
    return scores, array[1:]
