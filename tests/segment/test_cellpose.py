"""Cellpose's flows: back to the labels, equal to the published program, and what is refused."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage
from skimage.io import imread

try:
    from aimicro.metrics import average_precision
    from aimicro.segment import cellpose
except ModuleNotFoundError:  # where Cellpose is recorded, the package is not needed
    cellpose = None

Labels = npt.NDArray[np.int32]
Output = npt.NDArray[np.float32]

RECORDED = Path(__file__).parent / "recorded" / "cellpose.json"
EVERY = 19  # pixels inside, of which one is recorded


# ---- label images, made without the package: the script that records Cellpose makes them, too


def numbered(labels: npt.NDArray[np.integer]) -> Labels:
    ids = np.unique(labels)
    return np.searchsorted(ids, labels).astype(np.int32) + int(ids[0] > 0)


WHOLE = (slice(None), slice(None))
PART = (slice(100, 260), slice(200, 400))


def nuclei(folder: Path, index: int, part: tuple[slice, slice] = PART) -> Labels:
    """Part of a field of real nuclei; pieces under 25 pixels are debris."""
    path = sorted((folder / "bbbc039_nuclei" / "labels").glob("*.png"))[index]
    found = imread(path)[part].astype(np.int32)
    found[np.bincount(found.ravel())[found] < 25] = 0
    return numbered(found)


def bent() -> Labels:
    """Nine objects that are no stars: cut rings, crescents, and bent rods."""
    y, x = np.mgrid[-20:20, -20:20]
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    ring = (radius > 8) & (radius < 16) & (np.abs(angle) > 0.5)
    crescent = (radius < 16) & (np.hypot(y, x - 8) > 12)
    rod = (np.abs(y - x**2 / 14 + 10) < 5) & (np.abs(x) < 16)
    shapes = [ring, crescent, rod, rod.T, ring[::-1, ::-1], crescent.T, crescent[:, ::-1], ring.T]
    shapes.append(rod[::-1])
    rows = [np.hstack([n * shapes[n - 1] for n in range(k, k + 3)]) for k in (1, 4, 7)]
    return np.vstack(rows).astype(np.int32)


def touching() -> Labels:
    """Cells of a tissue without gaps, cut by the border of the image."""
    y, x = np.mgrid[:70, :90]
    seeds = np.random.default_rng(2).uniform(0, 1, (24, 2)) * (70, 90)
    return numbered(
        ((y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2).argmin(2)
    )


def small() -> Labels:
    """Objects of 1, 2, 3 and 4 pixels, one a corner, and one of two pieces."""
    labels = np.zeros((12, 20), np.int32)
    labels[0, 0], labels[3, 3:5], labels[6, 3:6], labels[9:11, 3:5] = 1, 2, 3, 4
    labels[2:9, 8:10] = labels[3:8, 14:18] = 5
    return labels


def cases(folder: Path) -> dict[str, Labels]:
    real = {f"nuclei {index}": nuclei(folder, index) for index in (0, 5)}
    return {**real, "bent": bent(), "touching": touching(), "small": small()}


def noisy(flows: npt.NDArray[np.floating], labels: Labels) -> Output:
    """What a network could say: true flows with smooth errors, and a logit."""
    random = np.random.default_rng(7)
    errors = ndimage.gaussian_filter(random.normal(0, 1, (3, *labels.shape)), (0, 1.5, 1.5))
    logit = np.where(labels > 0, 3.0, -3.0) + 12 * errors[2]
    return np.concatenate([5 * flows + 6 * errors[:2], logit[np.newaxis]]).astype(np.float32)


def balls_output() -> Output:
    """Two balls that touch: flows to their centres, and a logit."""
    place = np.mgrid[:20, :20, :36].astype(np.float32)
    logit = np.full(place.shape[1:], -4, np.float32)
    flows = np.zeros_like(place)
    for centre in [(10, 10, 10), (9, 10, 26)]:
        way = np.array(centre, np.float32)[:, None, None, None] - place
        distance = np.linalg.norm(way, axis=0)
        inside = distance < 8.2
        logit[inside] = 4
        flows[:, inside] = (5 * way / np.maximum(distance, 1))[:, inside]
    return np.concatenate([flows, logit[np.newaxis]])


def runs(labels: npt.NDArray[np.integer]) -> list[list[int]]:
    """Run-length code of labels: [id, length] of each run, ids in the order in which they come."""
    flat = labels.ravel().astype(int)
    _, first = np.unique(flat, return_index=True)
    seen = flat[np.sort(first)]
    new = dict(zip(seen[seen > 0].tolist(), range(1, len(seen) + 1), strict=False)) | {0: 0}
    starts = np.flatnonzero(np.diff(flat, prepend=-1))
    lengths = np.diff(starts, append=len(flat))
    return [[new[one], n] for one, n in zip(flat[starts].tolist(), lengths.tolist(), strict=True)]


def pixels(coded: list[list[int]], shape: tuple[int, ...]) -> Labels:
    """Undo `runs`."""
    return np.repeat(*np.array(coded, np.int32).T).reshape(shape)


# ---- against the published program


@pytest.fixture(scope="module")
def recorded() -> dict:
    """What scripts/record_cellpose.py got from Cellpose."""
    return json.loads(RECORDED.read_text())


@pytest.fixture(scope="module")
def labels_of(shared_data: Path) -> dict[str, Labels]:
    return cases(shared_data)


@pytest.fixture(scope="module")
def outputs(labels_of: dict[str, Labels]) -> dict[str, Output]:
    return {name: noisy(cellpose.targets(x)[:2] / 5, x) for name, x in labels_of.items()}


def test_flows_are_those_of_cellpose(recorded: dict, labels_of: dict[str, Labels]) -> None:
    """But where heat has no direction: theirs is then that of the rounding, ours is none."""
    assert recorded["flows"].keys() == labels_of.keys()
    for name, labels in labels_of.items():
        ours = cellpose.targets(labels)[:2][:, labels > 0][:, ::EVERY] / 5
        theirs = np.array(recorded["flows"][name])
        some = ours.any(axis=0)
        assert some.mean() > 0.97 or name == "small"
        np.testing.assert_allclose(ours[:, some], theirs[:, some], atol=1e-6, err_msg=name)


def test_pixels_end_where_they_do_in_cellpose(recorded: dict, outputs: dict[str, Output]) -> None:
    """All but the few that lie on a watershed, where single precision decides on the side."""
    for name, output in outputs.items():
        inside = output[-1] > 0
        ours = cellpose.follow(output[:2] * inside / 5, np.argwhere(inside).T)[:, ::EVERY]
        off = np.abs(ours - recorded["ends"][name]).max(axis=0)
        assert (off < 0.01).mean() > 0.98, name


@pytest.mark.parametrize(("key", "threshold"), [("masks", 0.4), ("all masks", None)])
def test_objects_are_those_of_cellpose(
    recorded: dict, outputs: dict[str, Output], key: str, threshold: float | None
) -> None:
    for name, output in outputs.items():
        ours = cellpose.segment(output, flow_threshold=threshold)
        theirs = pixels(recorded[key][name], ours.shape)
        assert theirs.max() == ours.max()
        assert theirs.max() > 3 or name == "small"
        assert average_precision(theirs, ours, thresholds=0.9) == 1, name
        same = pixels(runs(ours), ours.shape) == theirs
        assert same.mean() > 0.999, name  # a pixel on a watershed may go to either side


def test_the_filter_of_the_recorded_case_drops_objects(recorded: dict) -> None:
    assert recorded["masks"] != recorded["all masks"]


def test_flow_errors_are_those_of_cellpose(
    recorded: dict, labels_of: dict[str, Labels], outputs: dict[str, Output]
) -> None:
    """In small objects a pixel without direction counts: theirs points anywhere."""
    for name in labels_of.keys() - {"small"}:
        ours = cellpose.flow_error(labels_of[name], outputs[name][:2] / 5)
        np.testing.assert_allclose(ours, recorded["flow errors"][name], atol=0.02, err_msg=name)


def test_a_volume_gives_the_objects_of_cellpose(recorded: dict) -> None:
    ours = cellpose.segment(balls_output())
    assert ours.max() == 2
    assert runs(ours) == recorded["volume"]


# ---- back to the labels


def test_true_flows_give_real_nuclei_back(shared_data: Path) -> None:
    truths = [nuclei(shared_data, index, WHOLE) for index in (2, 4)]
    found = [cellpose.segment(cellpose.targets(x), cell_threshold=0.5) for x in truths]
    assert average_precision(truths, found, thresholds=0.75) >= 0.99


def test_true_flows_give_bent_objects_back() -> None:
    found = cellpose.segment(cellpose.targets(bent()), cell_threshold=0.5)
    assert average_precision(bent(), found, thresholds=0.75) == 1


def test_slices_of_a_volume_give_its_objects_back() -> None:
    z, y, x = np.mgrid[:26, :26, :46]
    truth = np.zeros(z.shape, np.int32)
    for n, centre in enumerate([(12, 12, 12), (13, 13, 33)], start=1):
        truth[(z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 < 10.4**2] = n
    directions = [np.moveaxis(truth, axis, 0) for axis in range(3)]
    passes = [np.stack([cellpose.targets(plane) for plane in slices]) for slices in directions]
    found = cellpose.segment(cellpose.combine_slices(*passes), cell_threshold=0.5)
    assert average_precision(truth, found, thresholds=0.9) == 1


# ---- properties


def test_other_ids_change_nothing() -> None:
    ids = np.random.default_rng(1).permutation(np.arange(1, 25)) * 80_000_000
    labels = np.concatenate([[0], ids])[touching()]
    np.testing.assert_array_equal(cellpose.targets(labels), cellpose.targets(touching()))


def test_a_moved_object_has_the_same_flows() -> None:
    moved = np.pad(bent(), ((3, 0), (0, 5)))
    found = cellpose.targets(moved)[:, 3:, :-5]
    np.testing.assert_allclose(found, cellpose.targets(bent()), atol=1e-5)


@pytest.mark.parametrize("turn", [np.flipud, np.fliplr, np.transpose])
def test_flows_turn_with_an_object(turn) -> None:
    """Of odd sides, since half a pixel is rounded to the even side."""
    y, x = np.mgrid[-12:13, -15:16]
    labels = ((y / 11) ** 2 + (x / 14) ** 2 + 0.3 * (y * x) / 154 < 1).astype(np.int32)
    dy, dx, inside = cellpose.targets(turn(labels))
    y0, x0, _ = (turn(channel) for channel in cellpose.targets(labels))
    expected = {np.flipud: (-y0, x0), np.fliplr: (y0, -x0), np.transpose: (x0, y0)}[turn]
    np.testing.assert_allclose([dy, dx], expected, atol=1e-5)
    np.testing.assert_array_equal(inside, turn(labels))


def test_flows_have_the_length_of_5_inside() -> None:
    dy, dx, inside = cellpose.targets(bent())
    length = np.hypot(dy, dx)
    assert not length[inside == 0].any()
    some = length > 0
    np.testing.assert_allclose(length[some], 5, rtol=1e-6)
    assert (inside.astype(bool) & ~some).sum() <= bent().max()  # the sources at most


def test_heat_in_a_row_flows_to_its_middle() -> None:
    dy, dx, _ = cellpose.targets(np.ones((1, 9), int))
    assert not dy.any()
    np.testing.assert_array_equal(dx[0], [5, 5, 5, 5, 0, -5, -5, -5, -5])


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 12)])
def test_no_objects_give_none(shape: tuple[int, int]) -> None:
    found = cellpose.targets(np.zeros(shape, int))
    assert found.shape == (3, *shape)
    assert found.dtype == np.float32
    assert not found.any()
    labels = cellpose.segment(found - 1)
    assert labels.dtype == np.int32
    assert labels.shape == shape
    assert not labels.any()
    assert len(cellpose.flow_error(np.zeros(shape, int), found[:2])) == 0


def test_small_and_large_objects_are_dropped_and_holes_filled() -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[2:7, 2:7], labels[10:45, 10:45] = 1, 2
    output = cellpose.targets(labels)
    found = cellpose.segment(output, cell_threshold=0.5)
    np.testing.assert_array_equal(found > 0, labels > 0)
    assert found.max() == 2
    only_large = cellpose.segment(output, cell_threshold=0.5, smallest=26)
    np.testing.assert_array_equal(only_large > 0, labels == 2)
    only_small = cellpose.segment(output, cell_threshold=0.5, largest_fraction=0.3)
    np.testing.assert_array_equal(only_small > 0, labels == 1)
    output[2, 40, 40] = 0  # a hole in what is inside
    assert cellpose.segment(output, cell_threshold=0.5)[40, 40]


def test_points_go_on_where_they_were() -> None:
    """Steps at once or one by one: settled points, which are left out, have not been cut short."""
    labels = touching()
    output = noisy(cellpose.targets(labels)[:2] / 5, labels)
    start = np.argwhere(output[-1] > 0).T
    flows = output[:2] / 5
    at_once = cellpose.follow(flows, start, steps=60)
    here = start
    for _ in range(60):
        here = cellpose.follow(flows, here, steps=1)
    assert (np.abs(here - at_once).max(axis=0) < 0.01).mean() > 0.99
    np.testing.assert_allclose(cellpose.follow(flows, start, steps=0), start, atol=1e-4)


def test_a_merged_object_has_a_large_flow_error() -> None:
    labels = np.kron([[1, 2]], np.ones((14, 14), int))
    flows = cellpose.targets(labels)[:2] / 5
    assert cellpose.flow_error(labels, flows).max() < 1e-10
    assert cellpose.flow_error(np.ones_like(labels), flows) > 0.4
    np.testing.assert_allclose(cellpose.flow_error(labels, -flows), 4, atol=0.1)


# ---- bad input


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        (np.ones((4, 4)), TypeError, "whole numbers, got float64"),
        (np.ones((4, 4), bool), TypeError, "mask of true and false"),
        (np.ones((4, 4, 3), np.uint8), ValueError, r"\(Y, X\).*got \(4, 4, 3\)"),
        (np.eye(3, dtype=int)[:, :, None], ValueError, "one label image"),
        (-np.ones((4, 4), int), ValueError, "from 0"),
        (np.ones((0, 4), int), ValueError, "pixels in it"),
    ],
)
def test_what_are_no_labels_is_refused(labels, error, words: str) -> None:
    with pytest.raises(error, match=words):
        cellpose.targets(labels)
    with pytest.raises(error, match=words):
        cellpose.flow_error(labels, np.zeros((2, 4, 4)))


GOOD = np.zeros((3, 8, 8), np.float32)


@pytest.mark.parametrize(
    ("output", "settings", "words"),
    [
        (np.zeros((2, 8, 8)), {}, r"\(3, Y, X\) or \(4, Z, Y, X\), got \(2, 8, 8\)"),
        (np.zeros((3, 4, 8, 8)), {}, "one image at a time"),
        (np.zeros((8, 8)), {}, "channels first"),
        (np.full((3, 8, 8), np.nan), {}, "NaN"),
        (GOOD, {"cell_threshold": np.inf}, "cell_threshold.*logit"),
        (GOOD, {"flow_threshold": 0}, "flow_threshold above 0.*None switches"),
        (GOOD, {"flow_threshold": -1}, "flow_threshold above 0"),
        (GOOD, {"steps": 0}, "steps"),
        (GOOD, {"smallest": -1}, "smallest"),
        (GOOD, {"largest_fraction": 0}, "largest_fraction"),
        (GOOD, {"largest_fraction": 40}, "largest_fraction"),
    ],
)
def test_bad_outputs_and_settings_are_refused(output, settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cellpose.segment(output, **settings)


@pytest.mark.parametrize(
    ("flows", "points", "words"),
    [
        (np.zeros((3, 8, 8)), np.zeros((2, 1)), "Leave out the logit"),
        (np.zeros((2, 8, 8)), np.zeros((3, 1)), r"points of shape \(2, N\)"),
        (np.zeros((2, 8, 8)), [[0.0], [7.5]], "points in the image"),
        (np.zeros((2, 8, 8)), [[0.0], [np.nan]], "points in the image"),
    ],
)
def test_bad_flows_and_points_are_refused(flows, points, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cellpose.follow(flows, points)


def test_slices_that_do_not_fit_are_refused() -> None:
    planes = [np.zeros(shape) for shape in [(4, 3, 5, 6), (5, 3, 4, 6), (6, 3, 5, 4)]]
    with pytest.raises(ValueError, match="Stack the slices"):
        cellpose.combine_slices(*planes)
    with pytest.raises(ValueError, match="Take the first two channels"):
        cellpose.flow_error(np.ones((8, 8), int), GOOD)
