"""From labels to what StarDist learns: how far each pixel is from the border of its object."""

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]
_Labels = npt.NDArray[np.integer]

_AT_ONCE = 1 << 17  # pixels: what is compared again and again stays in the processor's cache


def directions(n_rays: int) -> npt.NDArray[np.float64]:
    """Steps (y, x) of one pixel along each ray, (n_rays, 2); the first goes along x."""
    angle = np.arange(n_rays) * (2 * math.pi / n_rays)
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def numbered(labels: _Labels) -> npt.NDArray[np.int32]:
    """Ids from 1 without gaps larger than the image, so that they can be counted."""
    if labels.max() > labels.size:
        ids, rank = np.unique(labels, return_inverse=True)
        labels = rank.reshape(labels.shape) + int(ids[0] > 0)
    return labels.astype(np.int32)


def fill_probability(probability: Floats, labels: npt.NDArray[np.int32]) -> None:
    """Distance to the border over the largest in the object, (Y, X), where there is one."""
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        # With a margin, where there is one: the frame of the image is no border.
        starts = [max(side.start - 1, 0) for side in box]
        around = tuple(slice(s, side.stop + 1) for s, side in zip(starts, box, strict=True))
        mask = labels[around] == number
        whole = bool(mask.all())  # the object fills the image: only its frame is left as a border
        if whole:
            distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        else:
            distance = ndimage.distance_transform_edt(mask)
        probability[around][mask] = distance[mask] / distance.max()


def fill_lengths(lengths: Floats, labels: npt.NDArray[np.int32]) -> None:
    """Pixels from each pixel of an object to its end along each ray, (n_rays, Y, X)."""
    boxes = [box for box in ndimage.find_objects(labels) if box is not None]
    longest = max((math.hypot(*(s.stop - s.start for s in box)) for box in boxes), default=0)
    # One pixel of background around the image stops a ray before it comes back on the other
    # side: a step on the image is then a step in a row of all its pixels.
    framed = np.pad(labels, 1).astype(np.min_scalar_type(labels.max()))
    inside = (slice(1, -1), slice(1, -1))
    for length, direction in zip(lengths, directions(len(lengths)), strict=True):
        places = np.arange(1, longest + 2)[:, None] * direction
        # Halves are made exact first, so that a ray and its mirror image round to the same pixels.
        pixels = np.rint(places.round(6)).astype(np.intp)
        steps = _steps(framed, pixels @ [framed.shape[1], 1])
        # The last step ended in another object. Its border lies half a pixel before that pixel's
        # centre, along the axis that the ray follows more closely.
        half = np.float32(0.5 / np.abs(direction).max())
        np.add(steps[inside], half, out=length, where=labels > 0)


def _steps(
    framed: npt.NDArray[np.integer], shifts: npt.NDArray[np.intp]
) -> npt.NDArray[np.integer]:
    """How many shifts in a row lead each pixel to one of its own object."""
    flat = framed.ravel()
    count = np.zeros(flat.size, np.min_scalar_type(len(shifts)))
    same = np.empty(min(_AT_ONCE, flat.size), np.bool_)
    for start in range(0, flat.size, _AT_ONCE):
        stop = min(start + _AT_ONCE, flat.size)
        on = flat[start:stop] > 0
        for shift in shifts.tolist():
            low, high = max(start, -shift), min(stop, flat.size - shift)
            still, equal = on[low - start : high - start], same[: high - low]
            np.equal(flat[low:high], flat[low + shift : high + shift], out=equal)
            still &= equal
            if not still.any():
                break
            count[low:high] += still.view(np.uint8)
    return count.reshape(framed.shape)
