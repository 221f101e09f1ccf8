"""Annotations in the formats of the programs that people draw them with, as label images and back.

Used in chapter 9, *Training and using a model*.
"""

import itertools
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro import checks
from aimicro.io._drawn import Drawn
from aimicro.io._geojson import feature, geojson_bytes, read_geojson
from aimicro.io._imagej_rois import read_rois, roi_bytes, write_zip
from aimicro.io.files import replacing
from aimicro.io.objects import boxes_of, groups
from aimicro.io.outlines import Outline, outlines, pixels_within
from aimicro.io.tiff import read_tiff, write_tiff

_AT_ONCE = 2**20  # pixels that are outlined at a time
_FORMATS = (".tif", ".tiff", ".zip", ".roi", ".geojson")
_LARGEST_ID = 2**31 - 1  # of the package's label images, int32
_NAMED = re.compile(r"label (\d{1,10})( slice \d+)?")


class Annotations(NamedTuple):
    """A label image, and what its objects are.

    Attributes
    ----------
    labels : ndarray of int32, (Y, X) or (Z, Y, X)
        Label image, 0 for background.
    classes : dict of int to str
        Names of classes, by the ids of those objects that have one.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.
    """

    labels: NDArray[np.int32]
    classes: dict[int, str]


def read_annotations(path: str | os.PathLike[str], shape: Sequence[int]) -> Annotations:
    """Read a label image, ImageJ's ROIs or QuPath's GeoJSON.

    A pixel belongs to an outline if its centre lies within: see `pixels_within`. Of outlines that
    overlap, the later one in the file gets the pixels, as if they were painted one after the other.

    Outlines that `write_annotations` has named ``label 7`` keep their ids, also when they come
    back from ImageJ or QuPath; others get the ids that are left, in the order of the file. In a
    stack, outlines of one such name are one object, on several planes.

    Parameters
    ----------
    path : path-like
        Ending in .tif or .tiff; in .zip or .roi, what ImageJ's ROI Manager saves, where polygons,
        freehand and traced shapes, rectangles, ovals and composites are areas; or in .geojson, with
        polygons, of which those of nuclei within cells are left out.
    shape : sequence of int
        Of the image that was annotated, ``(Y, X)`` or ``(Z, Y, X)``. Outlines do not know it.

    Returns
    -------
    Annotations
        The labels, and the names of classes where the file is GeoJSON.

    Raises
    ------
    ValueError
        If the file is none of these, damaged, or huge, if it has points, lines or outlines of
        several time points, on planes that the shape has not, or wholly beyond it; or if a label
        image is of another shape, or no label image.

    Warns
    -----
    RuntimeWarning
        With the numbers of pixels that lie in more than one outline, of outlines that reach beyond
        the image and are clipped, and of objects without any pixel.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> import tempfile
    >>> labels = np.array([[0, 4, 4], [3, 0, 4]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_annotations(f"{folder}/cells.geojson", labels, classes={4: "mitotic"})
    ...     cells = read_annotations(f"{folder}/cells.geojson", labels.shape)
    >>> cells.labels.tolist(), cells.classes
    ([[0, 4, 4], [3, 0, 4]], {4: 'mitotic'})
    """
    path, size = _checked_path(path), _checked_shape(shape)
    if path.suffix.lower() in (".tif", ".tiff"):
        return Annotations(_read_labels(path, size), {})
    try:
        drawn = read_geojson(path) if path.suffix.lower() == ".geojson" else read_rois(path)
        planes = [_plane(one, size) for one in drawn]
        _check_one_plane(drawn, planes, size)
        ids = _ids(drawn, planes)
        labels, faults = _painted(drawn, planes, ids, size)
    except OSError as error:
        raise ValueError(
            f"{path}: Expected a file that can be opened, got: {error.strerror or error}. Check "
            "its name, and that you may read it."
        ) from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if faults:
        warnings.warn(f"{path}: {faults}", RuntimeWarning, stacklevel=2)
    kinds = {number: one.kind for number, one in zip(ids, drawn, strict=True)}
    return Annotations(labels, {number: kind for number, kind in kinds.items() if kind})


def write_annotations(
    path: str | os.PathLike[str],
    labels: ArrayLike,
    *,
    classes: Mapping[int, str] | None = None,
    pixel_size_um: float | Sequence[float] | None = None,
) -> None:
    """Write a label image, or the outlines of its objects for ImageJ or QuPath.

    Label images are uint16, which ImageJ opens by itself, and beyond 65,535 uint32, which Fiji
    opens through Bio-Formats; never compressed with loss. Outlines run along the edges of pixels,
    so that `read_annotations` returns the same labels. Each is called ``label`` and its id. Holes
    and parts of an object are one composite ROI, or one polygon or multipolygon.

    The bytes go to a file beside `path` that takes its place once it is complete. A ZIP is written
    object by object, so that `labels` may be larger than memory.

    Parameters
    ----------
    path : path-like
        Ending in .tif, .tiff, .zip or .geojson; or in .roi, for one object.
    labels : array_like of int, (Y, X) or (Z, Y, X)
        Label image, 0 for background.
    classes : mapping of int to str, optional
        Names of classes by ids, for GeoJSON.
    pixel_size_um : float or sequence of float, optional
        Distance between pixels in µm along ([z,] y, x), for TIFF. The other formats count pixels.

    Raises
    ------
    TypeError, ValueError
        If the name has another ending, these are no labels, or the format cannot hold them, or
        what else was given.
    OSError
        If the folder is missing, or cannot be written to.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.
    """
    path, image = _checked_path(path), checks.labels("labels", labels)
    if image.max() > _LARGEST_ID:
        raise ValueError(
            f"Expected ids up to {_LARGEST_ID}, got {image.max()}. Number the objects anew."
        )
    suffix = path.suffix.lower()
    _check_extras(suffix, image, classes, pixel_size_um)
    if suffix in (".tif", ".tiff"):
        kind = np.uint16 if image.max() < 2**16 else np.uint32
        axes = "ZYX"[-image.ndim :]
        write_tiff(path, image.astype(kind), axes=axes, pixel_size_um=pixel_size_um)
        return
    objects = _objects(image)
    if suffix == ".geojson":
        content = geojson_bytes(
            [
                feature(name, [one.rings for one in parts], plane=plane, kind=_kind(parts, classes))
                for name, plane, parts in objects
            ]
        )
    else:
        rois = (
            (name, roi_bytes(name, [ring for one in parts for ring in one.rings], plane))
            for name, plane, parts in objects
        )
        content = _only(path, list(rois)) if suffix == ".roi" else b""
    with replacing(path) as file:
        if suffix == ".zip":
            write_zip(file, rois)
        else:
            file.write(content)


# ---- reading


def _read_labels(path: Path, size: tuple[int, ...]) -> NDArray[np.int32]:
    """Read a label image, which MorphoLibJ and others store as float32."""
    image = read_tiff(path, pages="Z" if len(size) == 3 else None)
    data = image.data
    if image.axes != "ZYX"[-len(size) :] or data.shape != size:
        raise ValueError(
            f"{path}: Expected labels with axes {'ZYX'[-len(size) :]} of shape {size}, got "
            f"{image.axes} {data.shape}. Check that they belong to this image, and give one "
            "number for each pixel: neither colours nor a channel for each object."
        )
    try:
        data = checks.labels("labels", checks.whole_as_integers(data))
        if data.max() > _LARGEST_ID:
            raise ValueError(
                f"Expected ids up to {_LARGEST_ID}, got {data.max()}. Number the objects anew."
            )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    return data.astype(np.int32)


def _plane(one: Drawn, size: tuple[int, ...]) -> int:
    """The plane of a stack that a shape belongs to."""
    if len(size) == 2:
        return 0
    if one.slice is None or one.slice >= size[0]:
        found = "on none" if one.slice is None else f"on plane {one.slice + 1}"
        raise ValueError(
            f"Expected outlines on the {size[0]} planes of the stack, got {one.name!r} {found}. "
            "In ImageJ, choose its slice and update it in the ROI Manager."
        )
    return one.slice


def _check_one_plane(drawn: list[Drawn], planes: list[int], size: tuple[int, ...]) -> None:
    """Refuse outlines of several planes in a single image, and of several time points."""
    several = {"time points": {one.time for one in drawn} - {None}}
    if len(size) == 2:
        several["planes"] = {one.slice for one in drawn} - {None}
    for what, found in several.items():
        if len(found) > 1:
            raise ValueError(
                f"Expected outlines of one image, got them on {len(found)} {what}. Give the shape "
                "(Z, Y, X) for the planes of a stack, or save each image's outlines to a file."
            )


def _ids(drawn: list[Drawn], planes: list[int]) -> list[int]:
    """Ids that the names tell, and for other shapes those that are left."""
    taken: set[tuple[int, int]] = set()
    ids = []
    for one, plane in zip(drawn, planes, strict=True):
        match = _NAMED.fullmatch(one.name)
        number = int(match[1]) if match else 0
        # A copy on the same plane is another object.
        free = 0 < number <= _LARGEST_ID and (number, plane) not in taken
        ids.append(number if free else 0)
        taken.add((number, plane))
    used = set(ids)
    others = (number for number in itertools.count(1) if number not in used)
    return [number or next(others) for number in ids]


def _painted(
    drawn: list[Drawn], planes: list[int], ids: list[int], size: tuple[int, ...]
) -> tuple[NDArray[np.int32], str]:
    """Paint all shapes, and say in words what was lost."""
    labels = np.zeros(size, np.int32)
    shared, n_clipped = np.zeros(size, bool), 0
    for one, plane, number in zip(drawn, planes, ids, strict=True):
        n_clipped += _reaches_beyond(one, size[-2:])
        target, twice = (stack if len(size) == 2 else stack[plane] for stack in (labels, shared))
        for rings in one.polygons:
            mask, window = pixels_within(rings, size[-2:])
            earlier = target[window][mask]
            twice[window][mask] |= (earlier > 0) & (earlier != number)
            target[window][mask] = number
    found = {
        "pixels lie in more than one outline, and went to the later one": int(shared.sum()),
        "outlines reach beyond the image, and were clipped": n_clipped,
        "objects have no pixel, and were left out": len(set(ids) - set(np.unique(labels).tolist())),
    }
    faults = "; ".join(f"{n} {what}" for what, n in found.items() if n)
    return labels, f"{faults}. Draw those anew that were not meant so." if faults else ""


def _reaches_beyond(one: Drawn, size: tuple[int, ...]) -> bool:
    """Whether a shape has to be clipped; an error where nothing of it would be left."""
    corners = np.concatenate([ring for rings in one.polygons for ring in rings])
    low, high = corners.min(axis=0), corners.max(axis=0)
    if (low >= size).any() or (high <= 0).any():
        raise ValueError(
            f"Expected outlines within an image of shape {tuple(size)}, got {one.name!r} at y "
            f"{low[0]:g} to {high[0]:g}, x {low[1]:g} to {high[1]:g}. Check that they belong to "
            "this image, and were drawn at its full size."
        )
    return bool((low < 0).any() or (high > size).any())


# ---- writing


def _objects(image: NDArray[np.integer]) -> Iterator[tuple[str, int | None, list[Outline]]]:
    """Name, plane and parts of each object on each plane."""
    is_stack = image.ndim == 3
    for plane, labels in enumerate(image if is_stack else [image]):
        for number, ones in itertools.groupby(_outlines(labels), lambda one: one.label):
            # Names within a ZIP are files, so each has to be another one.
            name = f"label {number} slice {plane + 1}" if is_stack else f"label {number}"
            yield name, plane if is_stack else None, list(ones)


def _outlines(labels: NDArray[np.integer]) -> Iterator[Outline]:
    """Outlines in the order of ids; of a large plane, those of a few neighbours at a time."""
    if labels.size <= _AT_ONCE:
        yield from outlines(labels)
        return
    for first, last, box in groups(boxes_of(labels), most=_AT_ONCE):
        near = labels[box]
        own = np.where((near >= first) & (near <= last), near, near.dtype.type(0))
        corner = [side.start for side in box]
        for number, rings in outlines(own):
            yield Outline(number, tuple(ring + corner for ring in rings))


def _only(path: Path, rois: list[tuple[str, bytes]]) -> bytes:
    """The one shape that a .roi can hold."""
    if len(rois) != 1:
        raise ValueError(
            f"Expected one object on one plane for {path.name}, got {len(rois)} outlines. Write a "
            ".zip."
        )
    return rois[0][1]


def _kind(parts: list[Outline], classes: Mapping[int, str] | None) -> str | None:
    return (classes or {}).get(parts[0].label)


def _check_extras(
    suffix: str,
    image: NDArray[np.integer],
    classes: Mapping[int, str] | None,
    pixel_size_um: float | Sequence[float] | None,
) -> None:
    """Refuse what the format has no place for."""
    if classes and suffix != ".geojson":
        raise ValueError(
            f"Expected classes for .geojson alone, got them for {suffix}. Leave them out, or write "
            ".geojson."
        )
    if pixel_size_um is not None and suffix not in (".tif", ".tiff"):
        raise ValueError(
            f"Expected no pixel_size_um for {suffix}, whose corners are pixels, got "
            f"{pixel_size_um}. Leave it out."
        )
    unknown = set(classes) - set(boxes_of(image).ids.tolist()) if classes else set()
    if unknown:
        raise ValueError(
            f"Expected classes of objects in the labels, got one for {min(unknown)}. Leave it out."
        )


# ---- both


def _checked_path(path: str | os.PathLike[str]) -> Path:
    found = Path(path)
    if found.suffix.lower() not in _FORMATS:
        raise ValueError(
            f"Expected a name ending in one of {', '.join(_FORMATS)}, got {found.name!r}. Rename "
            "or convert it."
        )
    return found


def _checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(shape)
    if len(sizes) not in (2, 3):
        raise ValueError(
            f"Expected a shape (Y, X) or (Z, Y, X), got {sizes}. Leave channels and time out."
        )
    return tuple(checks.whole("each side of shape", side, low=1) for side in sizes)
