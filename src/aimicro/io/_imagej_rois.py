"""Outlines as ImageJ's ROI Manager saves and opens them.

Corners are whole numbers, x first, of the upper left corners of pixels. A shape of one ring is what
the wand draws, a traced ROI; one with holes or parts is a composite. See ImageJ's RoiDecoder.
"""

import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from aimicro.io._drawn import FARTHEST, LARGEST_FILE, Drawn, read_bytes, ring

_RINGS = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED)
_LARGEST = 60_535  # the format has 16 bits, of which ImageJ takes those above as negative
_MOVE, _LINE, _CLOSE = 0, 1, 4  # commands of a composite


def read_rois(path: Path) -> list[Drawn]:
    """Return what is drawn in a .roi or a .zip."""
    raw = read_bytes(path)
    if path.suffix.lower() == ".roi":
        return [_decoded(path.stem, raw)]
    if not zipfile.is_zipfile(io.BytesIO(raw)):
        raise ValueError(
            f"Expected a ZIP of ROIs, got {len(raw)} bytes that begin with {raw[:4]!r}. Save it "
            "again in ImageJ's ROI Manager with More > Save."
        )
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        entries = archive.infolist()
        # macOS adds folders and ._NAME.roi, which is no ROI.
        rois = [one for one in entries if one.filename.lower().endswith(".roi")]
        rois = [one for one in rois if not Path(one.filename).name.startswith(".")]
        if entries and not rois:
            raise ValueError(
                f"Expected files ending in .roi in the ZIP, got {entries[0].filename!r}. Save the "
                "ROI Manager's list with More > Save."
            )
        unpacked = sum(one.file_size for one in rois)
        if unpacked > LARGEST_FILE:
            raise ValueError(
                f"Expected ROIs of at most {LARGEST_FILE >> 20} MiB together, got "
                f"{unpacked >> 20}. Share them out among several files."
            )
        return [_decoded(Path(one.filename).stem, _unpacked(archive, one)) for one in rois]


def roi_bytes(name: str, rings: Sequence[NDArray[np.int64]], plane: int | None) -> bytes:
    """Return a shape as the content of a .roi file, on a plane of a stack counted from 0."""
    corners = np.concatenate(rings)
    if corners.max() > _LARGEST:
        raise ValueError(
            f"Expected an image of at most {_LARGEST} pixels a side for ImageJ's ROIs, got "
            f"{name!r} at {corners.max()}. Write .geojson or .tif."
        )
    if len(rings) == 1 and len(corners) < 2**16:
        roi = ImagejRoi.frompoints(corners[:, ::-1].astype(np.int32), name=name)
        roi.roitype = ROI_TYPE.TRACED
    else:
        roi = ImagejRoi()
        roi.name, roi.roitype = name, ROI_TYPE.RECT
        roi.top, roi.left = corners.min(axis=0).tolist()
        roi.bottom, roi.right = corners.max(axis=0).tolist()
        roi.multi_coordinates = _path(rings)
        roi.shape_roi_size = roi.multi_coordinates.size
    roi.position = 0 if plane is None else plane + 1
    return roi.tobytes()


def write_zip(file: BinaryIO, rois: Iterable[tuple[str, bytes]]) -> None:
    """Write a ZIP that is the same for the same ROIs: without the time of day."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in rois:
            archive.writestr(zipfile.ZipInfo(f"{name}.roi"), content, zipfile.ZIP_DEFLATED)


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(entry)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError) as error:
        raise ValueError(
            f"Expected {entry.filename!r} whole and without a password, got: {error}. Copy the "
            "file again from its source."
        ) from error


def _decoded(stem: str, raw: bytes) -> Drawn:
    """Decode one ROI, or say in one line why it encloses no pixels."""
    try:
        roi = ImagejRoi.frombytes(raw)
        name = roi.name or stem
        unlike = _no_area(roi)
        polygon = [] if unlike else _corners(roi)
    except Exception as error:  # broken bytes meet every exception there is
        raise ValueError(
            f"Expected an intact ROI of ImageJ as {stem!r}, got '{type(error).__name__}: {error}'. "
            "Draw it again, or delete it in the ROI Manager."
        ) from error
    if unlike:
        raise ValueError(
            f"Expected ROIs that enclose an area, got {name!r}, {unlike}. Delete it in the ROI "
            "Manager, or make an area of it."
        )
    plane = roi.z_position or roi.position  # the latter where the stack has slices only
    rings = [ring(repr(name), corners) for corners in polygon]
    return Drawn(name, [rings], plane - 1 if plane else None, roi.t_position or None)


def _no_area(roi: ImagejRoi) -> str:
    """What a ROI is that has no outline of straight lines."""
    if roi.subtype in (ROI_SUBTYPE.TEXT, ROI_SUBTYPE.ARROW, ROI_SUBTYPE.IMAGE):
        return f"of the kind {roi.subtype.name.lower()}"
    if roi.options & ROI_OPTIONS.SPLINE_FIT and roi.roitype in _RINGS:
        return "a spline: turn it into a polygon with Edit > Selection > Interpolate"
    if roi.roitype == ROI_TYPE.RECT and roi.rounded_rect_arc_size:
        return "a rectangle with rounded corners"
    if roi.roitype in (*_RINGS, ROI_TYPE.RECT, ROI_TYPE.OVAL):
        return ""
    return f"of the type {roi.roitype.name.lower()}"


def _corners(roi: ImagejRoi) -> list[NDArray[np.float64]]:
    """Rings of corners x, y."""
    if roi.composite:
        return [path for path in roi.coordinates(multi=True) if len(path) > 2]
    if roi.roitype in _RINGS:
        return [np.asarray(roi.coordinates())]
    box: tuple[float, ...] = (roi.left, roi.top, roi.right - roi.left, roi.bottom - roi.top)
    if roi.subpixelrect:
        box = (roi.xd, roi.yd, roi.widthd, roi.heightd)
    x, y, width, height = box
    if not (0 < width < FARTHEST and 0 < height < FARTHEST):
        raise ValueError(f"a box of {width:g} x {height:g} pixels")
    if roi.roitype == ROI_TYPE.OVAL:
        return [oval(x, y, width, height)]
    return [np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])]


def oval(x: float, y: float, width: float, height: float) -> NDArray[np.float64]:
    """Return the outline, x first, of the pixels whose centres lie in an ellipse or on it."""
    rows = np.arange(np.floor(y), np.ceil(y + height))
    from_middle = (rows + 0.5 - y - height / 2) / (height / 2)
    half = width / 2 * np.sqrt(np.clip(1 - from_middle**2, 0, None))
    rows, half = rows[np.abs(from_middle) <= 1], half[np.abs(from_middle) <= 1]
    middle = x + width / 2
    left = np.ceil(middle - half - 0.5)
    right = np.maximum(left, np.floor(middle + half - 0.5) + 1)
    down = np.stack([np.repeat(right, 2), np.stack([rows, rows + 1], axis=1).ravel()], axis=1)
    up = np.stack([np.repeat(left, 2), np.stack([rows, rows + 1], axis=1).ravel()], axis=1)[::-1]
    return np.concatenate([down, up])


def _path(rings: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
    """Commands and corners of a composite, x first."""
    path: list[float] = []
    for corners in rings:
        for place, (y, x) in enumerate(corners.tolist()):
            path += [_LINE if place else _MOVE, x, y]
        path.append(_CLOSE)
    return np.array(path, np.float32)
