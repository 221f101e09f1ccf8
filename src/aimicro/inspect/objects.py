"""What a label image says of its objects, and what may be wrong with them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimicro import checks
from aimicro.io import boxes_of

_LARGEST = 2**25  # pixels of an object's box that are looked at
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of a label image.

    Attributes
    ----------
    ids : ndarray of int
        Of all objects, sorted.
    sizes : ndarray of int
        Their pixels.
    diameters : ndarray of float
        Of circles, or of spheres, with as many pixels.
    widths : ndarray of int
        The longest side of their bounding boxes along y and x, which a network must see at once.
    in_pieces : ndarray of int
        Ids of objects whose pixels do not all touch, not even at corners.
    with_holes : ndarray of int
        Ids of objects that enclose background.
    unsearched : ndarray of int
        Ids of objects in whose bounding boxes are more than 2**25 pixels, too many to be held in
        memory: neither pieces nor holes were looked for.
    """

    ids: Integers
    sizes: Integers
    diameters: npt.NDArray[np.float64]
    widths: Integers
    in_pieces: Integers
    with_holes: Integers
    unsearched: Integers

    def __len__(self) -> int:
        return len(self.ids)


def measure_objects(labels: npt.ArrayLike) -> Objects:
    """Measure the objects of a label image, and look for holes and pieces.

    Parameters
    ----------
    labels : array_like of int, (Y, X) or (Z, Y, X)
        0 for background, and an id for each object. May be mapped from a file: it is read strip by
        strip, and then object by object.

    Returns
    -------
    Objects
        Sizes, and the ids of objects with holes or in pieces.

    Raises
    ------
    TypeError, ValueError
        If `labels` is no label image.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> found = measure_objects([[1, 1, 1, 0, 5], [1, 0, 1, 0, 0], [1, 1, 1, 0, 5]])
    >>> found.ids, found.with_holes, found.in_pieces
    (array([1, 5]), array([1]), array([5]))
    """
    image = checks.labels("labels", labels)
    found = boxes_of(image)
    ids = found.ids.astype(np.int64)
    in_pieces, with_holes, unsearched = (np.zeros(len(ids), bool) for _ in range(3))
    for place, number in enumerate(found.ids):
        crop = image[found.box(place)]
        if crop.size > _LARGEST:
            unsearched[place] = True
            continue
        mask = crop == number
        in_pieces[place] = ndimage.label(mask, np.ones((3,) * mask.ndim))[1] > 1
        with_holes[place] = (ndimage.binary_fill_holes(mask) & (crop == 0)).any()
    return Objects(
        ids=ids,
        sizes=found.sizes,
        diameters=_diameters(found.sizes, image.ndim),
        widths=(found.stops - found.starts)[:, -2:].max(axis=1),
        in_pieces=ids[in_pieces],
        with_holes=ids[with_holes],
        unsearched=ids[unsearched],
    )


def _diameters(sizes: Integers, ndim: int) -> npt.NDArray[np.float64]:
    if ndim == 2:
        return np.asarray(2 * np.sqrt(sizes / np.pi))
    return np.asarray(np.cbrt(6 * sizes / np.pi))
