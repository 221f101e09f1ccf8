import io
import json
import os
import re
import shutil
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from aimicro.cli import main
from aimicro.io import read_tiff, write_tiff

DATA = os.environ.get("AIMICRO_DATA_DIR")
Folder = Path
Report = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)


def simulated(folder: Path, task: str, shape: str) -> Path:
    arguments = ["--task", task, "-n", "5", "--shape", shape]
    assert main(["simulate", *arguments, "-o", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def restore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated(tmp_path_factory.mktemp("restore"), "denoise", "112,112")


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated(tmp_path_factory.mktemp("segment"), "segment", "160,160")


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Give a copy of one of the clean sets, to be spoilt."""
    return Path(shutil.copytree(request.getfixturevalue(request.param), tmp_path / "set"))


def check(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, Report]:
    capsys.readouterr()
    status = main(["check", *map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


def troubles(report: Report) -> set[tuple[str, str]]:
    return {(one["check"], one["level"]) for one in report["findings"] if one["level"] != "fine"}


def change(path: Path, function: Callable[[Any], Any]) -> None:
    image = read_tiff(path)
    changed = np.ascontiguousarray(function(image.data))
    write_tiff(path, changed, axes=image.axes, pixel_size_um=image.pixel_size_um)


def of(folder: Path, split: str, kind: str) -> list[Path]:
    return sorted((folder / split / kind).glob("*.tif"))


# ---- faults, each planted alone


def shifted(folder: Path) -> Path:
    path = of(folder, "train", "raw")[1]
    change(path, lambda image: np.roll(image, (0, 4), axis=(0, 1)))
    return path


def saturated(folder: Path) -> Path:
    path = of(folder, "train", "raw")[0]
    change(path, lambda image: np.minimum(image, int(np.percentile(image, 98))))
    return path


def swapped(folder: Path) -> Path:
    first, second, *_ = of(folder, "train", "gt")
    keep = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(keep)
    return folder / "train/raw" / first.name


def turned(folder: Path) -> Path:
    path = of(folder, "train", "gt")[0]
    change(path, np.rot90)
    return folder / "train/raw" / path.name


def without_partner(folder: Path) -> Path:
    of(folder, "train", "gt")[0].unlink()
    return of(folder, "train", "raw")[0]


def other_shape(folder: Path) -> Path:
    path = of(folder, "train", "raw")[0]
    change(path, lambda image: image[:, :-10])
    return path


def other_type(folder: Path) -> Path:
    path = of(folder, "train", "raw")[0]
    change(path, lambda image: image.astype(np.uint8))
    return path


def copied(folder: Path) -> Path:
    for kind in ("raw", "gt"):
        shutil.copy(of(folder, "train", kind)[0], of(folder, "val", kind)[0])
    return of(folder, "val", "raw")[0]


def copied_and_turned(folder: Path) -> Path:
    for kind in ("raw", "gt"):
        path = of(folder, "val", kind)[0]
        shutil.copy(of(folder, "train", kind)[1], path)
        change(path, np.rot90)
        path.rename(path.with_name("another.tif"))
    return folder / "val/raw/another.tif"


def copied_and_cropped(folder: Path) -> Path:
    for kind in ("raw", "gt"):
        path = of(folder, "test", kind)[0]
        shutil.copy(of(folder, "train", kind)[1], path)
        change(path, lambda image: image[20:, 31:])
    return of(folder, "test", "raw")[0]


def constant(folder: Path) -> Path:
    path = of(folder, "train", "raw")[0]
    change(path, lambda image: np.full_like(image, 7))
    return path


def not_a_number(folder: Path) -> Path:
    path = of(folder, "train", "gt")[0]
    change(path, lambda image: np.where(image == image.max(), np.nan, image))
    return path


def far_pixel(folder: Path) -> Path:
    path = of(folder, "train", "gt")[0]
    change(path, lambda image: np.where(image == image.max(), np.float32(1e9), image))
    return path


def colours(folder: Path) -> Path:
    path = of(folder, "train", "raw")[0]
    image = read_tiff(path).data
    picture = np.stack([image.astype(np.uint8)] * 3, axis=-1)
    tifffile.imwrite(path, picture, photometric="rgb")
    return path


def cut_short(folder: Path) -> Path:
    path = of(folder, "train", "raw")[0]
    path.write_bytes(path.read_bytes()[:5000])
    return path


def nothing_to_validate(folder: Path) -> str:
    for path in folder.glob("val/*/*"):
        path.unlink()
    return "val/raw"


def no_truth_folder(folder: Path) -> str:
    shutil.rmtree(folder / "val/gt")
    return "val/gt"


def own_truth(folder: Path) -> Path:
    path = of(folder, "train", "raw")[0]
    shutil.copy(path, folder / "train/gt" / path.name)
    return path


def other_pixel_size(folder: Path) -> Path:
    path = of(folder, "train", "raw")[0]
    write_tiff(path, read_tiff(path).data, axes="YX", pixel_size_um=(0.2, 0.2))
    truth = folder / "train/gt" / path.name
    write_tiff(truth, read_tiff(truth).data, axes="YX", pixel_size_um=(0.2, 0.2))
    return path


def parts_by_name(folder: Path) -> Path:
    for split, part in (("train", 3), ("val", 4)):
        for kind in ("raw", "gt"):
            path = of(folder, split, kind)[0]
            path.rename(path.with_name(f"embryo2_z{part:03d}.tif"))
    return folder / "train/raw/embryo2_z003.tif"


def labels_among_intensities(folder: Path) -> Path:
    path = of(folder, "train", "gt")[0]

    def outlined(image: Any) -> Any:
        smooth = gaussian_filter(image, 3)
        low, high = np.percentile(smooth, (60, 85))
        return (3 * (smooth > low) + 4 * (smooth > high)).astype(np.float32)

    change(path, outlined)
    return path


def hole(folder: Path) -> Path:
    path = of(folder, "train", "gt")[0]

    def pierced(labels: Any) -> Any:
        changed = labels.copy()
        y, x = np.argwhere(labels == 1).mean(axis=0).astype(int)
        assert (labels[y - 3 : y + 4, x - 3 : x + 4] == 1).all()
        changed[y - 1 : y + 2, x - 1 : x + 2] = 0
        return changed

    change(path, pierced)
    return path


def two_pieces(folder: Path) -> Path:
    path = of(folder, "train", "gt")[0]
    # Two objects that do not touch get one number.
    change(path, lambda labels: np.where(labels == labels.max(), labels[labels > 0].min(), labels))
    return path


def float_labels(folder: Path) -> Path:
    path = of(folder, "train", "gt")[0]
    change(path, lambda labels: labels.astype(np.float32))
    return path


def jpeg_labels(folder: Path) -> Path:
    path = of(folder, "train", "gt")[0]
    labels = read_tiff(path).data
    grey = (255 * (labels / labels.max())).astype(np.uint8)
    small = path.with_suffix(".jpg")
    Image.fromarray(grey).save(small, quality=60)
    write_tiff(path, np.asarray(Image.open(small)), axes="YX", pixel_size_um=(0.25, 0.25))
    small.unlink()
    return path


def no_objects(folder: Path) -> Path:
    path = of(folder, "train", "gt")[0]
    change(path, np.zeros_like)
    return path


def one_number(folder: Path) -> Path:
    path = of(folder, "train", "gt")[0]
    change(path, lambda labels: (labels > 0).astype(labels.dtype))
    return path


def larger_objects(folder: Path) -> str:
    rng = np.random.default_rng(0)
    for raw, truth in zip(of(folder, "val", "raw"), of(folder, "val", "gt"), strict=True):
        change(truth, lambda labels: np.kron(labels, np.ones((2, 2), labels.dtype)))
        light = gaussian_filter(20.0 * (read_tiff(truth).data > 0), 2) + 2
        camera = 96 + 2 * rng.poisson(light).astype(np.uint16)
        write_tiff(raw, camera, axes="YX", pixel_size_um=(0.25, 0.25))
    return "val"


FAULTS: list[tuple[str, Callable[[Path], Path | str], set[tuple[str, str]]]] = [
    ("restore", shifted, {("registration", "mend")}),
    ("restore", saturated, {("saturation", "look")}),
    ("restore", swapped, {("registration", "mend")}),
    ("restore", turned, {("registration", "mend")}),
    ("restore", without_partner, {("pairs", "mend")}),
    ("restore", other_shape, {("shape", "mend")}),
    ("restore", other_type, {("type", "look")}),
    ("restore", copied, {("splits", "mend")}),
    ("restore", copied_and_turned, {("splits", "mend")}),
    ("restore", copied_and_cropped, {("splits", "mend")}),
    ("restore", constant, {("content", "mend")}),
    ("restore", not_a_number, {("reading", "mend")}),
    ("restore", far_pixel, {("content", "look")}),
    ("restore", colours, {("reading", "mend")}),
    ("restore", cut_short, {("reading", "mend")}),
    ("restore", nothing_to_validate, {("pairs", "mend")}),
    ("restore", no_truth_folder, {("pairs", "mend")}),
    ("restore", own_truth, {("content", "mend")}),
    ("restore", other_pixel_size, {("pixel size", "look")}),
    ("restore", parts_by_name, {("splits", "look")}),
    ("restore", labels_among_intensities, {("content", "mend")}),
    ("segment", shifted, {("registration", "mend")}),
    ("segment", swapped, {("registration", "mend")}),
    ("segment", copied_and_turned, {("splits", "mend")}),
    ("segment", hole, {("labels", "look")}),
    ("segment", two_pieces, {("labels", "look")}),
    ("segment", float_labels, {("labels", "mend")}),
    ("segment", jpeg_labels, {("labels", "mend")}),
    ("segment", no_objects, {("labels", "look")}),
    ("segment", one_number, {("labels", "look")}),
    ("segment", larger_objects, {("sizes", "look")}),
]


@pytest.mark.parametrize("task", ["restore", "segment"])
def test_a_clean_set_is_fine(
    task: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    status, report = check(capsys, request.getfixturevalue(task), "--strict")
    assert not troubles(report)
    assert (status, report["task"]) == (0, task)


@pytest.mark.parametrize(
    ("folder", "plant", "expected"),
    FAULTS,
    ids=[f"{folder}-{plant.__name__}" for folder, plant, _ in FAULTS],
    indirect=["folder"],
)
def test_a_fault_is_found_and_named_and_no_other(
    folder: Path,
    plant: Callable[[Path], Path | str],
    expected: set[tuple[str, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    culprit = plant(folder)
    status, report = check(capsys, folder)
    found = [one for one in report["findings"] if one["level"] != "fine"]
    assert troubles(report) == expected, found
    assert status == int("mend" in {level for _, level in expected})
    told = " ".join(f"{one['what']} {' '.join(one['files'])}" for one in found)
    assert str(culprit) in told
    named = {file.split(" (")[0] for one in found for file in one["files"]}
    if isinstance(culprit, Path) and plant is not swapped:
        assert named == {str(culprit)}


def test_only_strict_fails_for_what_is_to_be_looked_at(
    tmp_path: Path, restore: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(restore, tmp_path / "set"))
    other_type(folder)
    assert [check(capsys, folder, *strict)[0] for strict in ([], ["--strict"])] == [0, 1]


class TestWhichImages:
    def test_raw_and_gt_without_splits(
        self, restore: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status, report = check(capsys, restore / "train")
        assert status == 0
        assert troubles(report) == {("pairs", "look")}  # none to validate on

    def test_options_name_the_folders_of_each_split(
        self, restore: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        named = [part for split in ("train", "val") for part in
                 ("--raw", restore / split / "raw", "--truth", restore / split / "gt")]  # fmt: skip
        status, report = check(capsys, *named)
        assert status == 0
        assert report["checks"][0]["summary"] == "train 3, val 1"

    def test_configuration_names_them_and_a_network(
        self, restore: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = write_config(tmp_path, restore, input_shape=[64, 64])
        status, report = check(capsys, "-c", config)
        summaries = {one["check"]: one["summary"] for one in report["checks"]}
        assert (status, summaries["pairs"]) == (0, "train 3, val 1")
        # Two groups of one block: 2 + 1 + 2 x (2 + 1) convolutions of 3 x 3, see RCAN.
        assert "patches of (64, 64)" in summaries["training"]
        assert summaries["training"].endswith("19 px")

    @pytest.mark.parametrize("plant", [without_partner, nothing_to_validate, other_shape, copied])
    def test_says_what_train_says(
        self,
        plant: Callable[[Path], Path | str],
        restore: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        folder = Path(shutil.copytree(restore, tmp_path / "set"))
        plant(folder)
        config = write_config(tmp_path, folder, input_shape=[32, 32])
        assert check(capsys, "-c", config)[0] == 1
        assert main(["train", "-c", str(config), "-o", str(tmp_path / "model")]) == 2

    def test_a_patch_that_train_refuses_is_told(
        self, restore: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = write_config(tmp_path, restore, input_shape=[32, 64])
        status, report = check(capsys, "-c", config)
        assert (status, troubles(report)) == (1, {("training", "mend")})
        assert main(["train", "-c", str(config), "-o", str(tmp_path / "model")]) == 2
        assert report["findings"][0]["what"] in capsys.readouterr().err

    def test_narrow_field_is_told(self, segment: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert not troubles(check(capsys, segment, "--receptive-field", "200")[1])
        status, report = check(capsys, segment, "--receptive-field", "20")
        assert (status, troubles(report)) == (0, {("sizes", "look")})


class TestLargeImages:
    @pytest.mark.parametrize(
        ("folder", "plant"),
        [("restore", far_pixel), ("segment", float_labels)],
        indirect=["folder"],
    )
    def test_strips_make_no_difference(
        self, folder: Path, plant: Callable[[Path], Path], capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        plant(folder)
        saturated(folder)
        whole = check(capsys, folder)
        monkeypatch.setattr("aimicro.io.large.LARGE", 1000)
        monkeypatch.setattr("aimicro.io.large._PART", 2000)
        assert check(capsys, folder) == whole

    def test_memory_does_not_grow_with_the_images(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mapped files do not count; the labels are compressed, and stored as float32."""
        for name, value in {"io.large.LARGE": 2**10, "io.large._PART": 2**12,
                            "inspect.noise._LARGEST": 2**14, "inspect.noise._FIELD": 32,
                            "inspect.registration._LARGEST": 2**14,
                            "inspect.copies._FINE": 64}.items():  # fmt: skip
            monkeypatch.setattr(f"aimicro.{name}", value)
        peaks, rng = [], np.random.default_rng(0)
        for n in (8, 8, 48):  # the first one fills caches
            ids = np.arange(1, 10 * n + 1).reshape(n, 10)
            labels = np.kron(ids, np.pad(np.ones((16, 20)), 6)).astype(np.float32)
            raw = rng.poisson(10 + 90 * (labels > 0)).astype(np.uint16)
            for kind, image in (("raw", raw), ("gt", labels)):
                (tmp_path / kind).mkdir(exist_ok=True)
                packed = "zlib" if kind == "gt" else None
                tifffile.imwrite(tmp_path / kind / "a.tif", image, compression=packed)
            tracemalloc.start()
            _, report = check(capsys, tmp_path)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[2] - peaks[1] < raw.nbytes / 4
        summaries = {one["check"]: one["summary"] for one in report["checks"]}
        assert summaries["labels"] == "480 objects in 1 images"
        assert summaries["photons"].endswith("looked at 16 fields of 32 x 32 px, in 1 of 1 pairs")
        seen = "looked at 128 x 128 px in the middle, in 1 of 1 pairs"
        assert summaries["registration"].endswith(seen)


class TestReport:
    def test_page_picture_and_record(
        self, segment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = Path(shutil.copytree(segment, tmp_path / "set"))
        for kind in ("raw", "gt"):  # names that trouble pictures
            of(folder, "train", kind)[0].rename(folder / "train" / kind / "日本 $x$ µm.tif")
        culprit = shifted(folder)
        report = tmp_path / "new/report"
        capsys.readouterr()
        assert main(["check", str(folder), "-o", str(report)]) == 1
        page = capsys.readouterr().out
        assert page == (report / "check.txt").read_text(encoding="utf-8")
        assert "✗ mend registration" in page
        assert str(culprit) in page
        assert re.search(r"y [+-]0\.\d, x -(3\.[7-9]|4\.[0-3]) px", page)
        assert json.loads((report / "check.json").read_text())["status"] == 1
        with Image.open(report / "check.png") as picture:
            assert min(picture.size) > 300
            assert (np.asarray(picture)[..., 0] > np.asarray(picture)[..., 1] + 100).any()  # red
        assert sorted(path.name for path in report.iterdir()) == [
            "check.json", "check.png", "check.txt"]  # fmt: skip

    def test_only_its_own_report_is_replaced(
        self, restore: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "check.json").write_text('{"command": "check", "aimicro": "0.0.1"}')
        assert main(["check", str(restore / "train"), "-o", str(tmp_path)]) == 0
        (tmp_path / "check.json").write_text('{"command": "another"}')
        before = (tmp_path / "check.txt").read_bytes()
        assert main(["check", str(restore / "train"), "-o", str(tmp_path)]) == 2
        assert "Choose another -o" in capsys.readouterr().err
        assert (tmp_path / "check.txt").read_bytes() == before

    def test_nothing_of_the_images_is_changed(
        self, restore: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = {path: path.read_bytes() for path in restore.rglob("*") if path.is_file()}
        check(capsys, restore)
        assert before == {p: p.read_bytes() for p in restore.rglob("*") if p.is_file()}

    def test_terminal_without_unicode(self, restore: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        monkeypatch.setattr(sys, "stdout", terminal)
        assert main(["check", str(restore / "train")]) == 0
        terminal.seek(0)
        assert "+ fine reading" in terminal.read()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Expected one of FOLDER, --raw with --truth, and -c, got none"),
        (["{set}", "--raw", "{set}"], "got 2 of them"),
        (["--raw", "{set}"], "Expected --truth as often as --raw, got 0 and 1"),
        (["{set}/nowhere"], "Expected a folder, got"),
        (["{set}/train/raw"], "Expected images to check, got none"),
        (["{set}", "--receptive-field", "0"], "Expected --receptive-field of 1 or more px"),
        (["-c", "{set}/nowhere.json"], "nowhere.json"),
    ],
)
def test_a_wrong_command_is_one_line_and_status_2(
    arguments: list[str], told: str, restore: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *(part.format(set=restore) for part in arguments)]) == 2
    out, err = capsys.readouterr()
    assert told in err
    assert err.count("\n") == 1
    assert not out


def write_config(place: Path, folder: Path, **settings: Any) -> Path:
    """Write a configuration with a small network."""
    path = place / "config.json"
    sets = {
        f"{key}_data_dir": {kind: str(folder / split / kind) for kind in ("raw", "gt")}
        for key, split in (("training", "train"), ("validation", "val"))
    }
    small = {"num_channels": 4, "num_residual_blocks": 1, "num_residual_groups": 2,
             "channel_reduction": 2, "epochs": 1, "steps_per_epoch": 1}  # fmt: skip
    path.write_text(json.dumps(sets | small | settings))
    return path


@pytest.mark.skipif(not DATA, reason="needs AIMICRO_DATA_DIR")
class TestRealImages:
    @pytest.mark.parametrize("kind", ["valid", "corrupt", "shapes"])
    def test_odd_files_are_told_and_never_crash(
        self, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        odd = tmp_path / kind
        odd.mkdir()
        for path in sorted(Path(str(DATA), "tiff_oddities", kind).iterdir())[::5]:
            (odd / path.name).symlink_to(path)
        status, report = check(capsys, "--raw", odd, "--truth", odd)
        assert status == 1  # those that are read are their own truth
        assert {one["level"] for one in report["findings"]} >= {"mend"}

    def test_confocal_pairs_lie_a_little_apart(self, capsys: pytest.CaptureFixture[str]) -> None:
        pairs = Path(str(DATA), "fmd_confocal_pairs")
        status, report = check(capsys, "--raw", pairs / "noisy", "--truth", pairs / "gt")
        assert status == 0
        assert troubles(report) == {("pairs", "look"), ("registration", "look")}
