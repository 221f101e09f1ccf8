"""Heat that spreads inside objects, all of them at once, and the way uphill to its source."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects

Labels = npt.NDArray[np.integer]
Heat = npt.NDArray[np.float64]
_Box = tuple[slice, ...]

# Numbers that a batch of objects may have: with them, all that a step touches fits a cache.
_BATCH = 2**15
# Of the widest object in a batch: beside it, narrower ones would be mostly empty.
_NARROWEST = 0.5
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
        strip = _Strip(labels, batch, boxes)
        warm = _diffuse(strip, steps)
        for one, mask, first in zip(batch, strip.masks, strip.first, strict=True):
            h, w = mask.shape
            np.copyto(middle[boxes[one]], warm[first : first + h, :w], where=mask)
    # Over a border that two objects share, the heat of both counts, as in the published program.
    flows = np.stack([heat[2:, 1:-1] - heat[:-2, 1:-1], heat[1:-1, 2:] - heat[1:-1, :-2]])
    length = np.hypot(*flows)
    uphill = (labels > 0) & (length > _ROUNDING * middle)
    return np.asarray(np.divide(flows, length, out=np.zeros_like(flows), where=uphill))


def _batches(boxes: list[_Box]) -> Iterator[list[int]]:
    """Indices of objects of similar width."""
    order = sorted(range(len(boxes)), key=lambda one: _sides(boxes[one])[1], reverse=True)
    batch: list[int] = []
    rows = widest = 0
    for one in order:
        h, w = _sides(boxes[one])
        if batch and (w < _NARROWEST * widest or (rows + h + 2) * (widest + 1) > _BATCH):
            yield batch
            batch, rows = [], 0
        widest = widest if batch else w
        rows += h + 1
        batch.append(one)
    if batch:
        yield batch


class _Strip:
    """Objects below one another in a single image, with a cold row between them.

    To the right there is a cold column. So in one long row of numbers the neighbours of each are a
    fixed way ahead and behind, and NumPy adds all of them in one go.

    Attributes
    ----------
    inside : ndarray of bool (Y, X)
        Where objects are.
    masks : list of ndarray of bool
        Each object in its box.
    first : list of int
        Row where it begins.
    sources : list of int
        Its pixel nearest to its centre, in whole pixels, the first of several; counted row by row.
    """

    def __init__(self, labels: Labels, batch: list[int], boxes: list[_Box]) -> None:
        sides = [_sides(boxes[one]) for one in batch]
        width = max(w for _, w in sides) + 1
        self.inside = np.zeros((sum(h + 1 for h, _ in sides) + 1, width), bool)
        self.masks, self.first, self.sources = [], [], []
        row = 1
        for one, (h, w) in zip(batch, sides, strict=True):
            mask = labels[boxes[one]] == one + 1
            y, x = np.nonzero(mask)
            nearest = ((y - np.round(y.mean())) ** 2 + (x - np.round(x.mean())) ** 2).argmin()
            self.inside[row : row + h, :w] = mask
            self.masks.append(mask)
            self.first.append(row)
            self.sources.append((row + y[nearest]) * width + x[nearest])
            row += h + 1


def _diffuse(strip: _Strip, steps: int) -> Heat:
    """Heat (Y, X): each step warms the sources by 1, then averages 3 x 3 pixels in the mask."""
    width = strip.inside.shape[1]
    heat, columns = np.zeros(strip.inside.size), np.zeros(strip.inside.size)
    above, middle, below = heat[: -2 * width], heat[width:-width], heat[2 * width :]
    column = columns[width:-width]
    before, after = columns[width - 1 : -width - 1], columns[width + 1 : -width + 1]
    ninth = strip.inside.ravel()[width:-width] / 9  # what leaves the mask is lost
    sources = np.array(strip.sources)
    for _ in range(steps):
        heat[sources] += 1
        # The outer two first: mirrored masks then have mirrored heat to the last bit.
        np.add(above, below, out=column)
        np.add(column, middle, out=column)
        np.add(before, after, out=middle)
        np.add(middle, column, out=middle)
        np.multiply(middle, ninth, out=middle)
    return heat.reshape(strip.inside.shape)


def _sides(box: _Box) -> tuple[int, int]:
    """Height and width of a box."""
    return box[0].stop - box[0].start, box[1].stop - box[1].start
