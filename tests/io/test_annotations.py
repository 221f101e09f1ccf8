"""Label images as ImageJ, QuPath and others keep them: the same back, or one clear line."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import roifile
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.draw import ellipse

from aimicro.io import read_annotations, write_annotations

FORMATS = ["zip", "geojson", "tif"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("annotations")


def area(ring) -> float:
    """By the shoelace formula, of corners x, y."""
    x, y = np.asarray(ring, float).T
    return (x @ np.roll(y, -1) - np.roll(x, -1) @ y) / 2


def save(path: Path, *rois: roifile.ImagejRoi) -> Path:
    """As ImageJ's ROI Manager does."""
    with zipfile.ZipFile(path, "w") as archive:
        for place, roi in enumerate(rois):
            archive.writestr(f"{place:04d}.roi", roi.tobytes())
    return path


def roi(corners, kind=roifile.ROI_TYPE.POLYGON, **more) -> roifile.ImagejRoi:
    made = roifile.ImagejRoi.frompoints(np.array(corners), name="drawn")
    made.roitype = kind
    for name, value in more.items():
        setattr(made, name, value)
    return made


def box(kind, left, top, right, bottom, **more) -> roifile.ImagejRoi:
    sides = {"left": left, "top": top, "right": right, "bottom": bottom}
    return roifile.ImagejRoi(roitype=kind, **sides, **more)


SQUARE = [(1, 2), (4, 2), (4, 4), (1, 4)]  # x, y: 3 wide, 2 high


def features(*coordinates, kind="Polygon", **properties) -> dict:
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": properties,
                "geometry": {"type": kind, "coordinates": c},
            }
            for c in coordinates
        ],
    }


def as_json(folder: Path, content) -> Path:
    path = folder / "drawn.geojson"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


# ---- there and back


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=25, deadline=None)
@given(
    arrays(
        np.uint16,
        array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=6),
        elements=st.sampled_from([0, 1, 7, 65_535]),
    )
)
def test_labels_come_back(folder, suffix, labels):
    path = folder / f"labels.{suffix}"
    write_annotations(path, labels)
    found = read_annotations(path, labels.shape)
    assert found.labels.dtype == np.int32
    assert (found.labels == labels).all()
    assert found.classes == {}


def test_areas_are_numbers_of_pixels(folder):
    """By the shoelace formula from what roifile and a plain JSON reader find."""
    labels = np.zeros((60, 50), int)
    labels[ellipse(20, 20, 15, 12)] = 3
    labels[ellipse(20, 20, 6, 4)] = 9
    labels[40:50, 5:20] = 4
    n_pixels = np.bincount(labels.ravel())
    write_annotations(folder / "a.zip", labels)
    for one in roifile.roiread(folder / "a.zip"):
        total = sum(area(ring) for ring in one.coordinates(multi=True))
        assert total == n_pixels[int(one.name.removeprefix("label "))]
    write_annotations(folder / "a.geojson", labels)
    for one in json.loads((folder / "a.geojson").read_text())["features"]:
        rings = one["geometry"]["coordinates"]
        assert all(ring[0] == ring[-1] for ring in rings)
        total = sum(area(ring) for ring in rings)
        assert total == n_pixels[int(one["properties"]["name"].removeprefix("label "))]


def test_what_imagej_finds(folder):
    labels = np.zeros((9, 9), int)
    labels[2:5, 1:4] = 5
    labels[7, 1], labels[8, 2] = 6, 6
    write_annotations(folder / "a.zip", labels)
    one, two = roifile.roiread(folder / "a.zip")
    assert (one.name, one.roitype, one.position) == ("label 5", roifile.ROI_TYPE.TRACED, 0)
    assert one.coordinates().tolist() == [[1, 2], [4, 2], [4, 5], [1, 5]]
    assert two.composite
    assert (two.left, two.top, two.right, two.bottom) == (1, 7, 3, 9)
    assert two.multi_coordinates.tolist()[:7] == [0, 1, 7, 1, 2, 7, 1]  # move, line, …
    write_annotations(folder / "b.zip", labels[None])
    assert [one.position for one in roifile.roiread(folder / "b.zip")] == [1, 1]


def test_what_qupath_finds(folder):
    labels = np.zeros((3, 9, 9), int)
    labels[1:, 2:5, 1:4] = 5
    labels[2, 7, 7] = 5
    write_annotations(folder / "a.geojson", labels, classes={5: "Größe"})
    content = json.loads((folder / "a.geojson").read_text(encoding="utf-8"))
    first, second = content["features"]
    assert first == {
        "type": "Feature",
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[1, 2], [4, 2], [4, 5], [1, 5], [1, 2]]],
            "plane": {"c": -1, "z": 1, "t": 0},
        },
        "properties": {
            "objectType": "annotation",
            "name": "label 5 slice 2",
            "classification": {"name": "Größe"},
        },
    }
    assert second["geometry"]["type"] == "MultiPolygon"
    assert len(second["geometry"]["coordinates"]) == 2
    found = read_annotations(folder / "a.geojson", labels.shape)
    assert (found.labels == labels).all()
    assert found.classes == {5: "Größe"}


def test_label_images_are_small_and_exact(folder):
    for ids, kind in ((65_535, np.uint16), (65_536, np.uint32)):
        labels = np.array([[0, ids], [3, 0]])
        write_annotations(folder / "a.tif", labels, pixel_size_um=0.5)
        with tifffile.TiffFile(folder / "a.tif") as tif:
            assert tif.pages[0].dtype == kind
            assert tif.pages[0].compression == 1
            assert tif.is_imagej == (kind == np.uint16)
        assert (read_annotations(folder / "a.tif", (2, 2)).labels == labels).all()
    tifffile.imwrite(folder / "a.tif", labels.astype(np.float32))  # as MorphoLibJ stores labels
    assert (read_annotations(folder / "a.tif", (2, 2)).labels == labels).all()


def test_one_object_as_one_roi(folder):
    write_annotations(folder / "a.roi", np.pad([[8]], 2))
    assert read_annotations(folder / "a.roi", (5, 5)).labels[2, 2] == 8
    with pytest.raises(ValueError, match=r"one object.*got 2.*Write a \.zip"):
        write_annotations(folder / "a.roi", [[1, 2]])


def test_the_same_labels_give_the_same_bytes(folder):
    for suffix in FORMATS:
        contents = []
        for name in ("a", "b"):
            write_annotations(folder / f"{name}.{suffix}", [[1, 0, 2]])
            contents.append((folder / f"{name}.{suffix}").read_bytes())
        assert contents[0] == contents[1]


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_error_leaves_the_old_file(folder, suffix, monkeypatch):
    path = folder / f"old.{suffix}"
    write_annotations(path, [[1, 2]])
    before = path.read_bytes()

    def full(_):
        raise OSError("No space left on device")

    monkeypatch.setattr("aimicro.io.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_annotations(path, [[3, 4]])
    assert path.read_bytes() == before
    assert not list(folder.glob("*.tmp"))


# ---- shapes that others draw


@pytest.mark.parametrize("kind", ["POLYGON", "FREEHAND", "TRACED"])
def test_corners_of_polygons_are_upper_left_corners_of_pixels(folder, kind):
    path = save(folder / "a.zip", roi(SQUARE, roifile.ROI_TYPE[kind]))
    labels = read_annotations(path, (6, 5)).labels
    assert np.argwhere(labels).tolist() == [[y, x] for y in (2, 3) for x in (1, 2, 3)]


def test_polygons_between_pixels(folder):
    path = save(folder / "a.zip", roi([(0.6, 0.4), (2.4, 0.4), (2.4, 1.6), (0.6, 1.6)]))
    assert read_annotations(path, (3, 4)).labels.tolist() == [[0, 1, 0, 0], [0, 1, 0, 0], [0] * 4]


def test_rectangles(folder):
    whole = box(roifile.ROI_TYPE.RECT, 1, 2, 4, 4)
    between = box(
        roifile.ROI_TYPE.RECT, 0, 4, 3, 5, version=228,
        options=roifile.ROI_OPTIONS.SUB_PIXEL_RESOLUTION, xd=0.6, yd=4.2, widthd=2.0, heightd=0.6,
    )  # fmt: skip
    labels = read_annotations(save(folder / "a.zip", whole, between), (6, 5)).labels
    assert labels.tolist() == [
        [0] * 5, [0] * 5, [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 2, 2, 0, 0], [0] * 5
    ]  # fmt: skip


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 7), (20, 20), (31, 12)])
def test_ovals_have_the_pixels_whose_centres_are_in_the_ellipse(folder, width, height):
    path = save(folder / "a.zip", box(roifile.ROI_TYPE.OVAL, 3, 2, 3 + width, 2 + height))
    labels = read_annotations(path, (40, 40)).labels
    y, x = np.indices((40, 40)) + 0.5
    from_middle = ((x - 3 - width / 2) / (width / 2)) ** 2 + (
        (y - 2 - height / 2) / (height / 2)
    ) ** 2
    assert (labels == (from_middle <= 1)).all()


def test_composites_have_holes_and_parts(folder):
    path = [0, 0, 0, 1, 5, 0, 1, 5, 5, 1, 0, 5, 4, 0, 1, 1, 1, 1, 4, 1, 4, 4, 1, 4, 1, 4]
    whole = box(roifile.ROI_TYPE.RECT, 0, 0, 5, 5, shape_roi_size=len(path))
    whole.multi_coordinates = np.array(path, np.float32)
    labels = read_annotations(save(folder / "a.zip", whole), (5, 5)).labels
    assert (labels == np.pad(np.zeros((3, 3), int), 1, constant_values=1)).all()


def test_one_roi_as_a_file(folder):
    roi(SQUARE).tofile(folder / "a.roi")
    assert read_annotations(folder / "a.roi", (5, 5)).labels.sum() == 6


def test_names_that_tell_no_id_get_one_that_is_left(folder):
    corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
    names = ["label 2", "0001-0002", "label 2", "label 99999999999", "label 4 slice 1"]
    rois = [roi(np.add(corners, (k, 0)), name=name) for k, name in enumerate(names)]
    assert read_annotations(save(folder / "a.zip", *rois), (1, 5)).labels.tolist() == [
        [2, 1, 3, 5, 4]
    ]


def test_planes_of_a_stack(folder):
    """A stack of slices has positions; one with channels or time has slices besides."""
    simple, hyper = roi(SQUARE, position=2), roi(SQUARE, position=11, c_position=2, z_position=3)
    path = save(folder / "a.zip", simple, hyper)
    assert read_annotations(path, (3, 5, 5)).labels.max(axis=(1, 2)).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"one image, got them on 2 planes.*\(Z, Y, X\)"):
        read_annotations(path, (5, 5))
    with pytest.raises(ValueError, match="on the 2 planes of the stack, got 'drawn' on plane 3"):
        read_annotations(path, (2, 5, 5))
    save(path, roi(SQUARE))
    with pytest.raises(ValueError, match=r"got 'drawn' on none.*choose its slice"):
        read_annotations(path, (3, 5, 5))
    save(path, roi(SQUARE, t_position=1), roi(SQUARE, t_position=2))
    with pytest.raises(ValueError, match="2 time points"):
        read_annotations(path, (5, 5))


def test_geojson_of_qupath(folder):
    """A class within a class, a locked object with a measurement, and coordinates in hundredths."""
    content = features(
        [[[1, 0.02], [3.98, 0], [4, 2], [1, 2], [1, 0.02]]],
        classification={"names": ["Tumor", "Positive"]}, isLocked=True, measurements={"Area": 6.0},
    )  # fmt: skip
    found = read_annotations(as_json(folder, content), (2, 5))
    assert found.labels.tolist() == [[0, 1, 1, 1, 0]] * 2
    assert found.classes == {1: "Tumor: Positive"}
    for other in (content["features"], content["features"][0]):
        assert (read_annotations(as_json(folder, other), (2, 5)).labels == found.labels).all()


def test_polygons_of_a_multipolygon_may_overlap(folder):
    square = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]
    content = features([[square], [np.add(square, (1, 0)).tolist()]], kind="MultiPolygon")
    assert read_annotations(as_json(folder, content), (2, 3)).labels.all()


def test_files_without_objects(folder):
    for suffix in FORMATS:
        write_annotations(folder / f"a.{suffix}", np.zeros((4, 5), int))
        assert not read_annotations(folder / f"a.{suffix}", (4, 5)).labels.any()


def test_what_is_lost_is_counted(folder):
    over, beyond = roi([(2, 3), (5, 3), (5, 5), (2, 5)]), roi([(-2, 0), (1, 0), (1, 1), (-2, 1)])
    tiny = roi([(3.6, 0.1), (3.9, 0.1), (3.9, 0.4)])
    path = save(folder / "a.zip", roi(SQUARE), over, beyond, tiny)
    with pytest.warns(
        RuntimeWarning,
        match="2 pixels lie in more than one.*; 1 outlines reach.*; 1 objects have no pixel",
    ):
        labels = read_annotations(path, (6, 6)).labels
    assert np.bincount(labels.ravel()).tolist() == [36 - 11, 4, 6, 1]


# ---- what is refused


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (roi(SQUARE, roifile.ROI_TYPE.POINT), "enclose an area, got 'drawn', of the type point"),
        (roi(SQUARE, roifile.ROI_TYPE.POLYLINE), "of the type polyline"),
        (roi(SQUARE, options=roifile.ROI_OPTIONS.SPLINE_FIT), "a spline.*Interpolate"),
        (box(roifile.ROI_TYPE.RECT, 0, 0, 4, 4, rounded_rect_arc_size=2), "rounded corners"),
        (roi(np.add(SQUARE, 50)), r"within an image of shape \(6, 6\), got 'drawn' at y 52 to 54"),
        (
            roi(np.add(SQUARE, 0.5), subpixel_coordinates=np.full((4, 2), np.nan, np.float32)),
            "got some far from any image, or no numbers",
        ),
        (roi(SQUARE[:2]), "three corners"),
        (box(roifile.ROI_TYPE.OVAL, 2, 2, 2, 5), "intact ROI.*a box of 0 x 3 pixels"),
        (
            box(
                roifile.ROI_TYPE.OVAL,
                0,
                0,
                4,
                4,
                version=228,
                widthd=4.0,
                heightd=1e30,
                options=roifile.ROI_OPTIONS.SUB_PIXEL_RESOLUTION,
            ),
            r"intact ROI.*a box of 4 x 1e\+30 pixels",
        ),
    ],
)
def test_rois_without_pixels(folder, made, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_annotations(save(folder / "a.zip", made), (6, 6))
    assert str(caught.value).startswith(str(folder))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no JSON at all"),
        ("{", "no JSON at all"),
        ("\xff", "no JSON at all"),
        ("[" * 100_000, "nested too deep"),
        ("7", "a FeatureCollection, got 7"),
        ({"features": 7}, "a FeatureCollection, got 7"),
        ([7], "feature 0 with a geometry, got 7"),
        ([{"geometry": None}], "feature 0 with a geometry"),
        (features([1, 2], kind="Point"), "got 'Point'. Points and lines enclose no pixels"),
        (features([]), "feature 0 as polygons"),
        (features([[[0, 0], [1, 1]]]), "three corners x, y or more"),
        (features([[[0, 0], [1, "a"], [2, 2]]]), "three corners x, y or more"),
        (features([[[0, 0], [1, 1e99], [2, 2]]]), "far from any image"),
        ('[{"geometry":{"type":"Polygon","coordinates":[[[0,0],[NaN,1],[2,2]]]}}]', "no numbers"),
        ('[{"geometry":{"type":"Polygon","coordinates":[],"plane":{"z":-1}}}]', "feature 0"),
    ],
)  # fmt: skip
def test_what_is_no_geojson(folder, content, message):
    path = as_json(folder, content)
    if content == "\xff":
        path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ValueError, match=message) as caught:
        read_annotations(path, (6, 6))
    assert str(caught.value).startswith(str(path))


def test_what_is_no_zip_of_rois(folder):
    path = folder / "a.zip"
    whole = roi(SQUARE).tobytes()
    for content, message in ((b"", "got 0 bytes"), (b"Iout" + whole, "got .* bytes that begin")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_annotations(path, (6, 6))
    for content, message in (
        (whole[:70], "intact ROI of ImageJ as 'cell'"),
        (b"nonsense" * 20, "intact ROI"),
        (whole[:16] + b"\xff\xff" + whole[18:], "intact ROI"),
        (b"", "intact ROI"),
    ):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("cell.roi", content)
            archive.writestr("__MACOSX/._cell.roi", b"")
        with pytest.raises(ValueError, match=message):
            read_annotations(path, (6, 6))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("image.tif", b"")
    with pytest.raises(ValueError, match=r"ending in \.roi in the ZIP, got 'image.tif'"):
        read_annotations(path, (6, 6))


def test_bombs(folder, monkeypatch):
    """What unfolds to more than the limit is refused before it is unfolded."""
    monkeypatch.setattr("aimicro.io._imagej_rois.LARGEST_FILE", 2**20)
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cell.roi", bytes(2**21))
    with pytest.raises(ValueError, match="at most 1 MiB together, got 2"):
        read_annotations(folder / "a.zip", (6, 6))
    monkeypatch.setattr("aimicro.io._drawn.LARGEST_FILE", 2**10)
    with pytest.raises(ValueError, match="at most 0 MiB, got 0"):
        read_annotations(folder / "a.zip", (6, 6))


def test_label_images_that_are_none(folder):
    path = folder / "a.tif"
    for data, message in (
        (np.zeros((4, 5), np.uint8), r"labels with axes YX of shape \(5, 4\), got YX \(4, 5\)"),
        (np.full((5, 4), 0.5, np.float32), "whole numbers, got float32"),
        (np.full((5, 4), -1, np.int16), "from 0"),
        (np.full((5, 4), 2**31, np.uint32), "up to 2147483647"),
    ):
        tifffile.imwrite(path, data)
        with pytest.raises((ValueError, TypeError), match=message) as caught:
            read_annotations(path, (5, 4))
        assert str(caught.value).startswith(str(path))
    tifffile.imwrite(path, np.zeros((5, 4, 3), np.uint8), photometric="rgb")
    with pytest.raises(ValueError, match="Expected"):
        read_annotations(path, (5, 4))


@pytest.mark.parametrize(
    ("name", "labels", "more", "message"),
    [
        ("a.png", [[1]], {}, "ending in one of .tif.*got 'a.png'"),
        ("a.zip", [[1]], {"classes": {1: "mitotic"}}, "classes for .geojson alone"),
        ("a.zip", [[1]], {"pixel_size_um": 0.1}, "no pixel_size_um for .zip"),
        ("a.geojson", [[1]], {"classes": {2: "mitotic"}}, "got one for 2"),
        ("a.geojson", [[1]], {"classes": {0: "background"}}, "got one for 0"),
        ("a.tif", [[2**31]], {}, "ids up to 2147483647, got 2147483648"),
        ("a.zip", np.eye(1, 60_600, 60_599, dtype=int), {}, "at most 60535 pixels a side.*60600"),
    ],
)
def test_what_cannot_be_written(folder, name, labels, more, message):
    with pytest.raises(ValueError, match=message):
        write_annotations(folder / name, labels, **more)


def test_what_cannot_be_read(folder):
    with pytest.raises(ValueError, match=r"missing.zip: .*can be opened, got: No such file"):
        read_annotations(folder / "missing.zip", (4, 4))
    with pytest.raises(ValueError, match=r"shape \(Y, X\) or \(Z, Y, X\), got \(4,\)"):
        read_annotations(folder / "missing.zip", (4,))
    with pytest.raises(ValueError, match="each side of shape of 1 or more, got 0"):
        read_annotations(folder / "missing.zip", (4, 0))


@pytest.mark.parametrize("shape", [(90, 70), (3, 60, 70)])
def test_large_images_are_outlined_a_few_objects_at_a_time(folder, shape, monkeypatch):
    rng = np.random.default_rng(0)
    pieces = rng.integers(0, 25, (*shape[:-2], shape[-2] // 10, shape[-1] // 10))
    labels = pieces.repeat(10, axis=-2).repeat(10, axis=-1).astype(np.uint16)
    labels[..., ::7, ::9] = 0
    labels[..., 10:50, 5:30] = 50
    write_annotations(folder / "whole.zip", labels)
    monkeypatch.setattr("aimicro.io.annotations._AT_ONCE", 1000)
    monkeypatch.setattr("aimicro.io.large._PART", 500)
    write_annotations(folder / "large.zip", labels)
    assert (folder / "large.zip").read_bytes() == (folder / "whole.zip").read_bytes()
