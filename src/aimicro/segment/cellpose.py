r"""Cellpose: each pixel tells the way to the middle of its object.

An object of any shape becomes a field of *flows*: heat spreads from a source in its middle, and
the flow of a pixel is the direction in which it gets warmer. A network learns flows, and whether a
pixel is inside of an object. Back to objects, each pixel follows the flows; those that end in one
place are one object. Wrong ones betray themselves: their own flows are not those of the network.

Used in chapter 8, *Six ways to segment one image set*.

References
----------
C. Stringer, T. Wang, M. Michaelos, M. Pachitariu, "Cellpose: a generalist algorithm for cellular
segmentation", Nature Methods 18 (2021) 100-106. doi:10.1038/s41592-020-01018-x
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.segment import windows
from aimicro.segment._diffusion import steps_for, unit_flows
from aimicro.segment._following import drift
from aimicro.segment._gathering import gather, without, without_holes
from aimicro.segment.windows import Window, WindowObjects

__all__ = [
    "FLOW_SCALE",
    "by_windows",
    "combine_slices",
    "flow_error",
    "follow",
    "segment",
    "targets",
]

Image = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]

FLOW_SCALE = 5.0
"""Flows as the network learns them, over flows of length 1. The loss is half the squared error of
the flows plus the cross-entropy of the inside; flows of length 1 would weigh too little in it."""


def targets(labels: npt.ArrayLike) -> Image:
    r"""What the network learns of a label image: flows and the inside.

    In each object, a source of heat is put at the pixel nearest to its centre. In a step, it warms
    by 1, and each pixel takes the mean of the 3 x 3 pixels around it, where those outside of the
    object are cold. There are twice as many steps as the box around the largest object has pixels
    along both sides, and four more. With the heat *h*, the flow of a pixel is

    .. math:: u = \frac{\nabla h}{|\nabla h|}

    Parameters
    ----------
    labels : array_like of integers, (Y, X)
        Id of the object that each pixel belongs to; 0 is background.

    Returns
    -------
    ndarray of float32, (3, Y, X)
        Flows along y and x times 5, and 1 in objects, all 0 outside. Flows are 0 where heat has no
        direction, too, as in an object of one pixel.

    Raises
    ------
    TypeError
        If the image is not made of integers.
    ValueError
        If it is not 2D, empty, or has a negative id.

    Notes
    -----
    An object is what has one id, in one piece or not; a piece without the source has no heat of its
    own. Of several pixels that are equally near to the centre, the source is the first, row by row.

    The published network gives flows times 5, and so do these targets: the loss is half of the mean
    squared error of flows plus the cross-entropy of the inside, and flows of length 1 would weigh
    too little in it.

    Used in chapter 8, *Six ways to segment one image set*.

    References
    ----------
    C. Stringer, T. Wang, M. Michaelos, M. Pachitariu, "Cellpose: a generalist algorithm for
    cellular segmentation", Nature Methods 18 (2021) 100-106. doi:10.1038/s41592-020-01018-x

    Examples
    --------
    >>> targets([[0, 7, 7, 7, 0]])[1:]
    array([[[ 0.,  5.,  0., -5.,  0.]],
    <BLANKLINE>
           [[ 0.,  1.,  1.,  1.,  0.]]], dtype=float32)
    """
    numbered = _numbered(labels)
    flows = FLOW_SCALE * unit_flows(numbered)
    return np.concatenate([flows, numbered[np.newaxis] > 0]).astype(np.float32)


def segment(
    output: npt.ArrayLike,
    *,
    cell_threshold: float = 0.0,
    flow_threshold: float | None = 0.4,
    steps: int = 200,
    smallest: int = 15,
    largest_fraction: float = 0.4,
) -> Labels:
    """Label image from flows and the inside: pixels that end in one place are one object.

    Pixels inside follow the flows. A pixel in which more than ten of them end, and no fewer than in
    any of the 5 x 5 around it, is a seed; it grows five times by one pixel into those in which more
    than two end. Objects are then dropped if they are very large, if their flows are not those of
    the network (`flow_error`), or if they are small, and holes are filled.

    Parameters
    ----------
    output : array_like, (3, Y, X) or (4, Z, Y, X)
        What the network gives: flows along [z,] y, x times 5, and the logit of the inside, which is
        0 at a probability of one half. `targets` can be given, with a threshold of 0.5.
    cell_threshold : float
        Pixels with a larger logit are inside.
    flow_threshold : float, optional
        Objects with a larger flow error are dropped; None keeps them. In 3D none is computed.
    steps : int
        Steps that each pixel goes, of one pixel at most where flows have length 1.
    smallest : int
        Pixels that an object has, at least.
    largest_fraction : float
        Fraction of the image that an object fills, at most.

    Returns
    -------
    ndarray of int32, (Y, X) or (Z, Y, X)
        Objects 1, 2, …; 0 is background.

    Raises
    ------
    TypeError
        If the output is not made of real numbers, or an argument is no number.
    ValueError
        If it has another number of channels, NaN, or an argument is out of range.

    Notes
    -----
    Used in chapter 8, *Six ways to segment one image set*.

    References
    ----------
    C. Stringer, T. Wang, M. Michaelos, M. Pachitariu, "Cellpose: a generalist algorithm for
    cellular segmentation", Nature Methods 18 (2021) 100-106. doi:10.1038/s41592-020-01018-x

    Examples
    --------
    >>> labels = np.kron([[7, 5, 0], [0, 5, 9]], np.ones((16, 16), int))
    >>> found = segment(targets(labels), cell_threshold=0.5)
    >>> int(found.max()), bool((found[labels == 5] == found[0, 24]).mean() > 0.8)
    (3, True)
    """
    rules = _Rules.checked(cell_threshold, flow_threshold, steps, smallest, largest_fraction)
    values = _output(output)
    shape = values.shape[1:]
    return rules.segment(values, Window(tuple(slice(0, side) for side in shape), shape))


def by_windows(
    output: npt.NDArray[Any],
    *,
    core: Sequence[int],
    margin: int | Sequence[int],
    most: int = 2**25,
    cell_threshold: float = 0.0,
    flow_threshold: float | None = 0.4,
    steps: int = 200,
    smallest: int = 15,
    largest_fraction: float = 0.4,
) -> Iterator[WindowObjects]:
    """Objects of an output larger than memory: what `segment` finds in the whole of it.

    Where flows are read, how long heat spreads, and which objects are too large depends on the
    whole image. So with a flow threshold in 2D, all windows are gone through twice: the first time
    to see how large the largest object is.

    Parameters
    ----------
    output : ndarray, (3, Y, X) or (4, Z, Y, X)
        As for `segment`; only windows of it are read.
    core : sequence of int
        As for `aimicro.segment.by_windows`.
    margin : int or sequence of int
        As for `aimicro.segment.by_windows`: two objects wide, for a start.
    most : int, default 2**25
        As for `aimicro.segment.by_windows`.
    cell_threshold : float
        As for `segment`, and so are the others.
    flow_threshold : float, optional
        Objects with a larger flow error are dropped; None keeps them.
    steps : int
        Steps that each pixel goes.
    smallest : int
        Pixels that an object has, at least.
    largest_fraction : float
        Fraction of the whole image that an object fills, at most.

    Returns
    -------
    iterator of WindowObjects
        The objects of one core after the other.

    Raises
    ------
    TypeError, ValueError
        As `segment` and `aimicro.segment.by_windows`.

    Notes
    -----
    Positions are rounded to 24 binary digits, in a window to finer ones than in a large image.
    Where a step ends on the border of two pixels, these may differ.

    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> labels = np.kron([[7, 5, 0], [0, 5, 9]], np.ones((16, 16), int))
    >>> found = by_windows(targets(labels), core=(20, 20), margin=16, cell_threshold=0.5)
    >>> sum(len(np.unique(objects.labels)) - 1 for objects in found)
    3
    """
    rules = _Rules.checked(cell_threshold, flow_threshold, steps, smallest, largest_fraction)
    cut: _Cut = {"core": core, "margin": margin, "most": most}
    if flow_threshold is not None and output.ndim == 3:
        all_kept = replace(rules, flow_threshold=None, smallest=0)
        found = windows.by_windows(output, all_kept.segment, **cut)
        boxes = [box for objects in found for box in objects.boxes]
        rules = replace(rules, heat_steps=steps_for(boxes))
    return windows.by_windows(output, rules.segment, **cut)


class _Cut(TypedDict):
    """How an image is cut into windows."""

    core: Sequence[int]
    margin: int | Sequence[int]
    most: int


@dataclass(frozen=True)
class _Rules:
    """What decides about objects; `heat_steps` are those for the flow error, if it is known."""

    cell_threshold: float
    flow_threshold: float | None
    steps: int
    smallest: int
    largest_fraction: float
    heat_steps: int | None = None

    @classmethod
    def checked(
        cls,
        cell_threshold: float,
        flow_threshold: float | None,
        steps: int,
        smallest: int,
        largest_fraction: float,
    ) -> "_Rules":
        """Rules from what a caller gave, or a clear error."""
        if flow_threshold is not None:
            hint = "None switches the filter off."
            flow_threshold = checks.number("flow_threshold", flow_threshold, above=0, hint=hint)
        hint = "It is a logit: 0 is a probability of one half."
        return cls(
            checks.number("cell_threshold", cell_threshold, hint=hint),
            flow_threshold,
            checks.whole("steps", steps, low=1),
            checks.whole("smallest", smallest, low=0),
            checks.number("largest_fraction", largest_fraction, above=0, high=1),
        )

    def segment(self, output: npt.NDArray[Any], window: Window) -> Labels:
        """Labels of a window; what its ends may cut is only judged where it is seen whole."""
        values = _output(output)
        inside = values[-1] > self.cell_threshold
        flows = values[:-1] / np.float32(FLOW_SCALE)
        labels = np.zeros(inside.shape, np.int32)
        start = np.argwhere(inside).T
        ends = drift(flows * inside, start.astype(np.float32), self.steps, window)
        labels[inside] = gather(ends.astype(np.intp), inside.shape)
        most = self.largest_fraction * math.prod(window.image_shape)
        labels = without(labels, np.flatnonzero(np.bincount(labels.ravel()) > most))
        if self.flow_threshold is not None and labels.ndim == 2:
            errors = _flow_errors(labels, flows, self.heat_steps)
            wrong = 1 + np.flatnonzero(errors > self.flow_threshold)
            labels = without(labels, np.setdiff1d(wrong, window.at_ends(labels)))
        labels = self._without_small(labels, window)
        return self._without_small(without_holes(labels), window)

    def _without_small(self, labels: Labels, window: Window) -> Labels:
        small = np.flatnonzero(np.bincount(labels.ravel()) < self.smallest)
        return without(labels, np.setdiff1d(small, window.at_ends(labels)))


def follow(flows: npt.ArrayLike, points: npt.ArrayLike, *, steps: int = 200) -> Image:
    """Where points end that follow flows, each step as long as the flow is at that place.

    Parameters
    ----------
    flows : array_like, (2, Y, X) or (3, Z, Y, X)
        Flows along [z,] y, x in pixels a step: those of a network are divided by 5, and set to 0
        outside.
    points : array_like, (2, N) or (3, N)
        Where points start, [z,] y, x in pixels.
    steps : int
        How many.

    Returns
    -------
    ndarray of float32, (2, N) or (3, N)
        Where points end. To see the way, go on from there, a few steps at a time.

    Raises
    ------
    TypeError, ValueError
        If flows or points are no such arrays of finite numbers, a point is outside of the image, or
        `steps` is no whole number from 0 up.

    Notes
    -----
    Between pixels, flows are interpolated linearly; points stay in the image. As in the published
    program, the flow of a point is read up to half a pixel beside it: half a pixel before it at the
    start of an axis, half a pixel behind it at the end.

    Used in chapter 8, *Six ways to segment one image set*.

    Examples
    --------
    >>> flows = targets(np.ones((9, 9), int))[:2] / 5
    >>> follow(flows, [[0, 8, 4], [0, 2, 8]]).round()
    array([[4., 4., 4.],
           [4., 4., 4.]], dtype=float32)
    """
    field = checks.image("flows", flows, ndim=None).astype(np.float32)
    ndim = field.ndim - 1
    if ndim not in (2, 3) or len(field) != ndim:
        raise ValueError(
            f"Expected flows of shape (2, Y, X) or (3, Z, Y, X), got {field.shape}. Leave out the "
            "logit of the inside, which is the last channel of a network's output."
        )
    start = np.asarray(points)
    if start.dtype.kind not in "iuf" or start.shape[:1] != (ndim,) or start.ndim != 2:
        raise ValueError(
            f"Expected points of shape ({ndim}, N), rows {', '.join('zyx'[-ndim:])}, got "
            f"{start.shape} of {start.dtype}. numpy.argwhere(inside).T gives all pixels inside."
        )
    last = np.array(field.shape[1:])[:, np.newaxis] - 1
    if not ((start >= 0) & (start <= last)).all():  # NaN neither
        raise ValueError(
            f"Expected points in the image, from 0 to {last.ravel().tolist()}, got some outside. "
            "Positions are in pixels."
        )
    return drift(field, start.astype(np.float32), checks.whole("steps", steps, low=0))


def flow_error(labels: npt.ArrayLike, flows: npt.ArrayLike) -> npt.NDArray[np.float64]:
    r"""How far the flows of objects are from given ones, the test for objects that are none.

    .. math:: e_i = \frac{1}{|O_i|} \sum_{p \in O_i} |u(p) - f(p)|^2

    Parameters
    ----------
    labels : array_like of integers, (Y, X)
        Objects.
    flows : array_like, (2, Y, X)
        Flows along y and x of length 1, such as those of a network divided by 5.

    Returns
    -------
    ndarray of float64, (N,)
        A mean squared error for each object by rising id: 0 for equal flows, 4 for opposite ones,
        about 2 for flows of any direction.

    Raises
    ------
    TypeError, ValueError
        If `labels` are no labels as in `targets`, or `flows` are no finite numbers of that shape.

    Notes
    -----
    Used in chapter 8, *Six ways to segment one image set*.

    Examples
    --------
    >>> labels = np.kron([[1, 2]], np.ones((12, 12), int))
    >>> merged = np.ones_like(labels)
    >>> flows = targets(labels)[:2] / 5
    >>> flow_error(labels, flows).round(2), flow_error(merged, flows).round(2)
    (array([0., 0.]), array([0.9]))
    """
    numbered = _numbered(labels)
    field = checks.image("flows", flows, ndim=3).astype(np.float32)
    if field.shape != (2, *numbered.shape):
        raise ValueError(
            f"Expected flows of shape {(2, *numbered.shape)}, got {field.shape}. Take the first "
            "two channels of a network's output, divided by 5."
        )
    return _flow_errors(numbered, field)


def combine_slices(xy: npt.ArrayLike, xz: npt.ArrayLike, yz: npt.ArrayLike) -> Image:
    """Output for a volume from a 2D network that has seen all its slices, in three directions.

    Each flow is the mean of the two directions that show its axis; the logit is the mean of three.
    The volume's voxels must be as high as they are wide: rescale it first.

    Parameters
    ----------
    xy : array_like, (Z, 3, Y, X)
        Outputs for the slices ``volume[z]``: flows along y and x times 5, and the logit.
    xz : array_like, (Y, 3, Z, X)
        Those for ``volume[:, y]``: flows along z and x.
    yz : array_like, (X, 3, Z, Y)
        Those for ``volume[:, :, x]``: flows along z and y.

    Returns
    -------
    ndarray of float32, (4, Z, Y, X)
        Flows along z, y, x times 5 and the logit, for `segment`.

    Raises
    ------
    TypeError, ValueError
        If the outputs are no finite numbers, or their shapes do not fit each other.

    Notes
    -----
    Means, as in the paper [1]_; the published program adds.

    Used in chapter 8, *Six ways to segment one image set*.

    References
    ----------
    .. [1] C. Stringer, T. Wang, M. Michaelos, M. Pachitariu, "Cellpose: a generalist algorithm for
       cellular segmentation", Nature Methods 18 (2021) 100-106. doi:10.1038/s41592-020-01018-x

    Examples
    --------
    >>> planes = [np.zeros(shape) for shape in [(4, 3, 5, 6), (5, 3, 4, 6), (6, 3, 4, 5)]]
    >>> combine_slices(*planes).shape
    (4, 4, 5, 6)
    """
    passes = {"xy": xy, "xz": xz, "yz": yz}
    outputs = [checks.image(name, values, ndim=4) for name, values in passes.items()]
    # Slices back into the volume: (C, Z, Y, X).
    volumes = [
        np.moveaxis(values, 0, axis) for values, axis in zip(outputs, (1, 2, 3), strict=True)
    ]
    if len({volume.shape for volume in volumes}) != 1 or len(volumes[0]) != 3:
        raise ValueError(
            "Expected outputs of shapes (Z, 3, Y, X), (Y, 3, Z, X) and (X, 3, Z, Y), got "
            f"{', '.join(str(values.shape) for values in outputs)}. Stack the slices of each "
            "direction along the first axis."
        )
    (y1, x1, logit1), (z1, x2, logit2), (z2, y2, logit3) = volumes
    flows = [(z1 + z2) / 2, (y1 + y2) / 2, (x1 + x2) / 2]
    return np.stack([*flows, (logit1 + logit2 + logit3) / 3]).astype(np.float32)


def _numbered(labels: npt.ArrayLike) -> Labels:
    """Labels 1, 2, … in the order of the ids."""
    hint = "Give one label image, of which each pixel holds an id; a volume plane by plane."
    array = checks.labels("labels", labels, ndim=2, hint=hint)
    inside = array > 0
    _, index = np.unique(array[inside], return_inverse=True)
    numbered = np.zeros(array.shape, np.int32)
    numbered[inside] = index + 1
    return numbered


def _output(output: npt.ArrayLike) -> Image:
    """Channels of a network for one image, or a clear error."""
    values = checks.image("output", output, ndim=None)
    if values.ndim not in (3, 4) or len(values) != values.ndim:
        raise ValueError(
            f"Expected output of shape (3, Y, X) or (4, Z, Y, X), got {values.shape}: flows along "
            "[z,] y, x, then the logit of the inside. Give one image at a time, channels first."
        )
    return values.astype(np.float32)


def _flow_errors(
    labels: Labels, flows: Image, heat_steps: int | None = None
) -> npt.NDArray[np.float64]:
    """Mean squared error of each object, in the order of 1, 2, …."""
    squares = ((unit_flows(labels, heat_steps) - flows) ** 2).sum(axis=0)
    sums = np.bincount(labels.ravel(), weights=squares.ravel())
    return np.asarray((sums / np.maximum(np.bincount(labels.ravel()), 1))[1:])
