"""Heat that spreads inside objects, all of them at once, and the way uphill to its source."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects

Labels = npt.NDArray[np.integer]
Heat = npt.NDArray[np.float64]
_Masks = npt.NDArray[np.bool_]
_Box = tuple[slice, ...]

# Numbers that a batch of objects may have: with them, all that a step touches fits a cache.
_BATCH = 2**15
# Of the heat: what a gradient in double precision can be by rounding alone.
_ROUNDING = 1e-12


def steps_for(boxes: Iterable[_Box]) -> int:
    """Steps enough for the largest object: twice the way along both sides of its box."""
    return 2 * max((sum(_sides(box)) + 2 for box in boxes), default=0)


def unit_flows(labels: Labels, steps: int | None = None) -> Heat:
    """Directions (dy, dx) of length 1 up the heat of each object 1, 2, …, and 0 outside.

    By default, heat spreads for as many steps as the largest of them needs.
    """
    heat = np.zeros([side + 2 for side in labels.shape])  # cold around the image
    middle = heat[1:-1, 1:-1]
    boxes = find_objects(labels)
    steps = steps_for(boxes) if steps is None else steps
    for batch in _batches(boxes):
        masks = _stacked(labels, batch, boxes)
        warm = _diffuse(masks, _sources(masks), steps)
        for n, one in enumerate(batch):
            box = boxes[one]
            h, w = _sides(box)
            np.copyto(middle[box], warm[:h, :w, n], where=masks[:h, :w, n])
    # Over a border that two objects share, the heat of both counts, as in the published program.
    flows = np.stack([heat[2:, 1:-1] - heat[:-2, 1:-1], heat[1:-1, 2:] - heat[1:-1, :-2]])
    length = np.hypot(*flows)
    uphill = (labels > 0) & (length > _ROUNDING * middle)
    return np.asarray(np.divide(flows, length, out=np.zeros_like(flows), where=uphill))


def _batches(boxes: list[_Box]) -> Iterator[list[int]]:
    """Indices of objects whose boxes are of similar size, so that one for all wastes little."""
    order = sorted(range(len(boxes)), key=lambda one: _sides(boxes[one]), reverse=True)
    while order:
        many = max(1, _BATCH // max(_sides(boxes[order[0]])) ** 2)
        yield order[:many]
        order = order[many:]


def _stacked(labels: Labels, batch: list[int], boxes: list[_Box]) -> _Masks:
    """Masks (Y, X, N); objects come last, so that NumPy adds long rows of numbers."""
    sides = [_sides(boxes[one]) for one in batch]
    masks = np.zeros((*np.max(sides, axis=0), len(batch)), bool)
    for n, (one, (h, w)) in enumerate(zip(batch, sides, strict=True)):
        masks[:h, :w, n] = labels[boxes[one]] == one + 1
    return masks


def _sources(masks: _Masks) -> tuple[npt.NDArray[np.intp], ...]:
    """Pixel (y, x) of each mask nearest to its centre, in whole pixels; the first of several."""
    area = masks.sum(axis=(0, 1))
    height, width, _ = masks.shape
    y, x = np.arange(height)[:, np.newaxis, np.newaxis], np.arange(width)[:, np.newaxis]
    y0, x0 = (np.round((masks * axis).sum(axis=(0, 1)) / area) for axis in (y, x))
    away = np.where(masks, (y - y0) ** 2 + (x - x0) ** 2, np.inf)
    nearest = away.reshape(-1, len(area)).argmin(axis=0)
    return np.unravel_index(nearest, masks.shape[:2])


def _diffuse(masks: _Masks, sources: tuple[npt.NDArray[np.intp], ...], steps: int) -> Heat:
    """Heat (Y, X, N): each step warms the source by 1, then averages 3 x 3 pixels in the mask."""
    height, width, many = masks.shape
    ninth = masks / 9  # what leaves the mask is lost
    heat = np.zeros((height + 2, width + 2, many))
    columns = np.empty((height, width + 2, many))
    middle = heat[1:-1, 1:-1]
    for _ in range(steps):
        middle[(*sources, np.arange(many))] += 1
        # The outer two first: mirrored masks then have mirrored heat to the last bit.
        np.add(heat[:-2], heat[2:], out=columns)
        columns += heat[1:-1]
        np.add(columns[:, :-2], columns[:, 2:], out=middle)
        middle += columns[:, 1:-1]
        middle *= ninth
    return middle


def _sides(box: _Box) -> tuple[int, int]:
    """Height and width of a box."""
    return box[0].stop - box[0].start, box[1].stop - box[1].start
