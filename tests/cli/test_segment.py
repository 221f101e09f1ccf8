"""``aimicro segment``: labels and measurements from TIFF files."""

import csv
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from aimicro.cli import _segmenting, main
from aimicro.cli._found import Found, write_labels
from aimicro.cli._methods import target
from aimicro.cli.config import CompleteConfig, CompleteSegmentation, write_config
from aimicro.io import TiffImage, read_annotations, read_tiff, write_tiff
from aimicro.metrics.matching import average_precision
from aimicro.models import RCAN, UNet
from aimicro.segment import measure
from aimicro.simulate import nuclei
from aimicro.train import save_model
from aimicro.train.scaling import Percentile, Scaling

SIZE = 0.25  # of a pixel, in µm
FOLDERS = {"training_data_dir": {"raw": "raw", "gt": "gt"}}
TOLD = {"task": "segment", "depth": 1, "num_channels": 1, "ndim": 2} | FOLDERS
TOLD |= {"aimicro": "0.1.0", "mixed_precision": "float32"}
CHANNELS = {"unet": 3, "stardist": 9, "cellpose": 3}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """More threads only wait for each other in networks as small as these."""
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)


def known(out_channels: int = 1, *, ndim: int = 2) -> UNet:
    """A network whose answer is known: a logit that is above 0 where the image is above one half.

    Of several channels, the first says background, the second inside, and the rest nothing.
    """
    network = UNet(ndim=ndim, out_channels=out_channels, channels=1, depth=1)
    middle = (slice(None), 0, *ndim * (1,))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for layer in (network.contract[0][0], network.contract[0][2]):
            layer.weight[middle] = 1
        network.expand[0][0].weight[(0, 0, *ndim * (1,))] = 1  # the bridge comes first
        network.expand[0][2].weight[middle] = 1
        network.head.weight[int(out_channels > 1)] = 20
        network.head.bias[int(out_channels > 1)] = -10
        if out_channels > 1:
            network.head.bias[2:] = -50
    network.scaling = Scaling(Percentile(1, 99.8), None)
    return network


def training(folder: Path, network: UNet, **settings: Any) -> Path:
    """A folder like that of a training."""
    folder.mkdir()
    settings = {"borders": 2 * (network.out_channels > 1)} | settings
    told = TOLD | {"ndim": network.ndim} | settings
    write_config(folder / "config.json", CompleteSegmentation(**told))
    save_model(folder / "weights_001_0.5.safetensors", network)
    return folder


def lone_squares(shape: tuple[int, ...] = (50, 61)) -> np.ndarray:
    labels = np.zeros(shape, np.uint16)
    for number, (y, x) in enumerate([(2, 2), (20, 30), (45, 50), (30, 5)], start=1):
        labels[..., y : y + 7, x : x + 8] = number
    return labels


def recorded(labels: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 30, labels.shape)
    return (100 + 400 * (labels > 0) + noise).astype(np.uint16)


def save(path: Path, image: np.ndarray, size: float | None = SIZE) -> Path:
    path.parent.mkdir(exist_ok=True)
    write_tiff(path, image, axes="ZYX"[-image.ndim :], pixel_size_um=size)
    return path


def segment(*arguments: object) -> int:
    m, i, o, *options = map(str, arguments)
    return main(["segment", "-m", m, "-i", i, "-o", o, *options])


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return training(tmp_path / "model", known())


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return save(tmp_path / "raw.tif", recorded(lone_squares()))


def folder_of(tmp_path: Path, *, sizes: tuple[float | None, ...] = (SIZE, SIZE)) -> Path:
    for name, size in zip("abc", sizes, strict=False):
        labels = np.roll(lone_squares(), ord(name), axis=1)
        save(tmp_path / "raws" / f"{name}.tif", recorded(labels), size)
    return tmp_path / "raws"


def test_nuclei_are_found_by_two_commands(tmp_path: Path) -> None:
    """From images and labels to a network, and from that to labels."""
    for index in range(3):
        image, labels = nuclei((48, 48), n=4, pixel_size_um=1, rng=index, radius_um=5)
        noisy = np.random.default_rng(index).poisson(20 + 200 * image).astype(np.uint16)
        split = "train" if index else "test"
        save(tmp_path / f"{split}_raw" / f"{index}.tif", noisy)
        save(tmp_path / f"{split}_gt" / f"{index}.tif", labels.astype(np.uint16))
    folders = {kind: str(tmp_path / f"train_{kind}") for kind in ("raw", "gt")}
    config = {"training_data_dir": folders, "borders": 0, "mixed_precision": "float32"}
    config |= {"num_channels": 4, "depth": 1, "input_shape": [32, 32], "batch_size": 2}
    config |= {"epochs": 1, "steps_per_epoch": 60, "initial_learning_rate": 1e-2}
    (tmp_path / "c.json").write_text(json.dumps(config))
    arguments = ["-c", str(tmp_path / "c.json"), "-o", str(tmp_path / "m")]
    assert main(["train", "--task", "segment", *arguments]) == 0
    options = ("-g", tmp_path / "test_gt", "--min-pixels", 20)
    assert segment(tmp_path / "m", tmp_path / "test_raw", tmp_path / "out", *options) == 0
    (row,) = rows(tmp_path / "out" / "scores.csv")
    assert float(row["ap50"]) >= 0.5


class TestOutput:
    @pytest.mark.parametrize("shape", [(50, 61), (4, 50, 61)])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_labels(self, tmp_path: Path, shape: tuple[int, ...], channels: int) -> None:
        model = training(tmp_path / "m", known(channels, ndim=len(shape)))
        raw = save(tmp_path / "raw.tif", recorded(lone_squares(shape)))
        assert segment(model, raw, tmp_path / "out.tif") == 0
        image = read_tiff(tmp_path / "out.tif")
        assert (image.axes, image.data.dtype) == ("ZYX"[-len(shape) :], np.uint16)
        assert image.pixel_size_um == pytest.approx((SIZE,) * len(shape))
        assert average_precision(lone_squares(shape), image.data, thresholds=1.0) == 1
        assert np.unique(image.data).tolist() == [0, 1, 2, 3, 4]
        with tifffile.TiffFile(tmp_path / "out.tif") as tif:
            assert tif.is_imagej

    def test_measurements_are_those_of_the_labels(
        self, model: Path, raw: Path, tmp_path: Path
    ) -> None:
        assert segment(model, raw, tmp_path / "out.tif") == 0
        labels, image = read_tiff(tmp_path / "out.tif").data, read_tiff(raw).data
        expected = measure(labels, image, pixel_size_um=SIZE)
        table = rows(tmp_path / "out_measurements.csv")
        assert list(table[0]) == ["file", *expected]
        assert [row["file"] for row in table] == ["raw.tif"] * 4
        for name in ("label", "area_um2", "centroid_y_um", "intensity_mean"):
            assert [float(row[name]) for row in table] == pytest.approx(expected[name].tolist())
        assert float(table[0]["area_um2"]) == pytest.approx(7 * 8 * SIZE**2)

    def test_pixels_of_unknown_size_are_the_unit(
        self, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        raw = save(tmp_path / "raw.tif", recorded(lone_squares()), None)
        with pytest.warns(UserWarning, match="does not tell the size of its pixels"):
            assert segment(model, raw, tmp_path / "a.tif") == 0
        (first, *_) = rows(tmp_path / "a_measurements.csv")
        assert float(first["area_px"]) == 56
        assert not any("_um" in name for name in first)
        assert segment(model, raw, tmp_path / "b.tif", "--pixel-size", 0.5) == 0
        (first, *_) = rows(tmp_path / "b_measurements.csv")
        assert float(first["area_um2"]) == 14
        assert read_tiff(tmp_path / "b.tif").pixel_size_um == pytest.approx((0.5, 0.5))

    def test_outlines_for_imagej(self, model: Path, raw: Path, tmp_path: Path) -> None:
        assert segment(model, raw, tmp_path / "out.tif", "--rois") == 0
        labels = read_tiff(tmp_path / "out.tif").data
        found = read_annotations(tmp_path / "out_rois.zip", labels.shape).labels
        np.testing.assert_array_equal(found, labels)

    def test_small_objects_can_be_left_out(self, model: Path, raw: Path, tmp_path: Path) -> None:
        assert segment(model, raw, tmp_path / "out.tif", "--min-pixels", 41) == 0
        assert read_tiff(tmp_path / "out.tif").data.max() == 3  # the border cuts one to 40

    def test_threshold(self, model: Path, raw: Path, tmp_path: Path) -> None:
        assert segment(model, raw, tmp_path / "a.tif", "--threshold", 0.0001) == 0
        assert segment(model, raw, tmp_path / "b.tif", "--threshold", 0.9999) == 0
        share = [(read_tiff(tmp_path / f"{name}.tif").data > 0).mean() for name in "ab"]
        assert share[0] > share[1]

    @pytest.mark.parametrize("method", CHANNELS)
    def test_blocks_make_no_difference(self, tmp_path: Path, method: str) -> None:
        torch.manual_seed(0)
        network = UNet(out_channels=CHANNELS[method], channels=1, depth=1)
        network.scaling = Scaling(Percentile(1, 99.8), None)
        settings = {"method": method, "n_rays": 8, "borders": 2}
        model = training(tmp_path / "m", network, **settings)
        raw = save(tmp_path / "raw.tif", recorded(lone_squares((70, 90))))
        assert segment(model, raw, tmp_path / "a.tif") == 0
        assert segment(model, raw, tmp_path / "b.tif", "-B", "12,16") == 0
        found = [read_tiff(tmp_path / f"{name}.tif").data for name in "ab"]
        np.testing.assert_array_equal(*found)

    @pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int32])
    def test_another_bit_depth(self, model: Path, tmp_path: Path, dtype: type) -> None:
        """Percentiles of the image set the scale."""
        image = recorded(lone_squares()) // (3 if dtype is np.uint8 else 1)
        raw = save(tmp_path / "raw.tif", image.astype(dtype))
        assert segment(model, raw, tmp_path / "out.tif") == 0
        found = read_tiff(tmp_path / "out.tif").data
        assert average_precision(lone_squares(), found, thresholds=1.0) == 1

    @pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 2)])
    def test_images_smaller_than_the_stride(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        model = training(tmp_path / "m", known())
        raw = save(tmp_path / "raw.tif", np.arange(np.prod(shape), dtype=np.uint16).reshape(shape))
        assert segment(model, raw, tmp_path / "out.tif") == 0
        assert read_tiff(tmp_path / "out.tif").data.shape == shape

    def test_no_objects(self, model: Path, tmp_path: Path) -> None:
        raw = save(tmp_path / "raw.tif", np.full((30, 30), 7, np.uint16))
        truth = save(tmp_path / "truth.tif", np.zeros((30, 30), np.uint16))
        assert segment(model, raw, tmp_path / "out.tif", "-g", truth, "--rois") == 0
        assert not read_tiff(tmp_path / "out.tif").data.any()
        text = (tmp_path / "out_measurements.csv").read_text()
        assert text.startswith("file,label,area_um2,")
        assert len(text.splitlines()) == 1
        (row,) = rows(tmp_path / "out_scores.csv")
        assert (row["objects_true"], row["objects_found"], row["ap50"]) == ("0", "0", "1")

    def test_scores(self, model: Path, raw: Path, tmp_path: Path) -> None:
        truth = lone_squares()
        truth[truth == 1] = 0
        truth[10:14, 50:55] = 9
        save(tmp_path / "truth.tif", truth)
        assert segment(model, raw, tmp_path / "out.tif", "-g", tmp_path / "truth.tif") == 0
        (row,) = rows(tmp_path / "out_scores.csv")
        assert (row["file"], row["truth"]) == ("raw.tif", "truth.tif")
        assert [row[f"ap{t}"] for t in (50, 75, 90)] == ["0.6"] * 3
        counts = ("objects_true", "objects_found", "matched50", "missed50", "invented50")
        assert [row[name] for name in counts] == ["4", "4", "3", "1", "1"]

    def test_many_objects_need_32_bits(self, tmp_path: Path) -> None:
        for n, dtype in ((2**16, np.uint16), (2**16 + 1, np.uint32)):
            labels = np.arange(n, dtype=np.int32)[np.newaxis].repeat(2, axis=0)
            image = TiffImage(labels, "YX", (None, None), "a.tif")
            write_labels(tmp_path / "a.tif", Found(labels, image, None))
            found = read_tiff(tmp_path / "a.tif").data
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, labels)


class TestLargeImages:
    """They stay in their files, and objects are found window by window."""

    @pytest.fixture
    def large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("aimicro.io.large.LARGE", 1000)
        monkeypatch.setitem(_segmenting._CORE, 2, (24, 31))
        monkeypatch.setitem(_segmenting._MARGIN, 2, (8, 8))
        monkeypatch.setitem(_segmenting._CORE, 3, (2, 20, 20))
        monkeypatch.setitem(_segmenting._MARGIN, 3, (1, 8, 8))
        monkeypatch.setattr("aimicro.io.large._PART", 500)
        monkeypatch.setattr("aimicro.io.annotations._AT_ONCE", 700)
        monkeypatch.setattr(import_module("aimicro.metrics.overlap_table"), "_PART", 300)

    @pytest.mark.parametrize(
        ("method", "shape"),
        [("unet", (70, 90)), ("unet", (6, 40, 61)), ("stardist", (70, 90)), ("cellpose", (70, 90))],
    )
    def test_results_are_those_of_the_whole_image(
        self, tmp_path: Path, method: str, shape: tuple[int, ...],
        monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest,
    ) -> None:  # fmt: skip
        """Labels up to ids, and what is measured of objects across the borders of windows."""
        image, labels = nuclei(shape[-2:], n=14, pixel_size_um=1, rng=1, radius_um=6)
        labels = np.broadcast_to(labels, shape)
        rng = np.random.default_rng(0)
        to_learn = target(CompleteSegmentation(**TOLD, method=method, n_rays=8, borders=1))(labels)
        output = to_learn + rng.normal(0, 0.2, to_learn.shape).astype(np.float32)
        output[{"unet": slice(None), "stardist": 0, "cellpose": 2}[method]] *= 8
        if method != "unet":
            output[0 if method == "stardist" else 2] -= 4

        def answer(*_: object, each: Any, **__: object) -> np.ndarray:
            each(1)
            return output

        monkeypatch.setattr(_segmenting, "output_of", answer)
        network = UNet(ndim=len(shape), out_channels=len(output), channels=1, depth=1)
        network.scaling = Scaling(Percentile(1, 99.8), None)
        settings = {"method": method, "n_rays": 8, "borders": 1}
        model = training(tmp_path / "m", network, **settings)
        raw = save(tmp_path / "raw.tif", np.broadcast_to(image, shape).astype(np.float32))
        truth = tmp_path / "whole.tif"
        assert segment(model, raw, truth, "--min-pixels", 5) == 0
        request.getfixturevalue("large")
        options = ("--min-pixels", 5, "-g", truth, "--rois")
        assert segment(model, raw, tmp_path / "large.tif", *options) == 0
        whole, large = (read_tiff(tmp_path / f"{name}.tif") for name in ("whole", "large"))
        assert whole.data.max() >= 8
        assert (whole.axes, whole.pixel_size_um) == (large.axes, large.pixel_size_um)
        pairs = np.unique(np.stack([whole.data.ravel(), large.data.ravel()]), axis=1)
        assert pairs.shape[1] == len(np.unique(whole.data)) == len(np.unique(large.data))
        (row,) = rows(tmp_path / "large_scores.csv")
        assert (row["ap90"], row["invented50"]) == ("1", "0")
        tables = [self.by_place(tmp_path / f"{n}_measurements.csv") for n in ("whole", "large")]
        assert tables[0] == tables[1]
        drawn = read_annotations(tmp_path / "large_rois.zip", large.data.shape)
        np.testing.assert_array_equal(drawn.labels, large.data)

    @staticmethod
    def by_place(table: Path) -> list[dict[str, Any]]:
        """Rows without ids, and without digits of rounding."""
        found = []
        for row in rows(table):
            del row["label"]
            values = {
                n: v if n in ("file", "on_border") else f"{float(v):.6g}" for n, v in row.items()
            }
            found.append(values)
        return sorted(found, key=str)

    def test_progress_goes_on_to_the_end(
        self, model: Path, raw: Path, tmp_path: Path, large: None,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        assert segment(model, raw, tmp_path / "out.tif") == 0
        assert "100%" in capsys.readouterr().err

    def test_no_objects(self, model: Path, tmp_path: Path, large: None) -> None:
        raw = save(tmp_path / "raw.tif", np.full((40, 50), 7, np.uint16))
        assert segment(model, raw, tmp_path / "out.tif") == 0
        assert not read_tiff(tmp_path / "out.tif").data.any()
        text = (tmp_path / "out_measurements.csv").read_text()
        assert text.startswith("file,label,area_um2,")
        assert len(text.splitlines()) == 1

    @pytest.mark.long
    def test_more_objects_than_16_bits_hold(
        self, model: Path, tmp_path: Path, large: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(_segmenting._CORE, 2, (300, 400))
        image = np.full((520, 520), 100, np.uint16)
        image[::2, ::2] = 500
        raw = save(tmp_path / "raw.tif", image)
        assert segment(model, raw, tmp_path / "out.tif") == 0
        found = read_tiff(tmp_path / "out.tif").data
        assert found.dtype == np.uint32
        assert sorted(found[image > 100].tolist()) == list(range(1, 260**2 + 1))
        assert not found[image == 100].any()
        assert len(rows(tmp_path / "out_measurements.csv")) == 260**2

    def test_an_object_larger_than_any_window(
        self, model: Path, tmp_path: Path, large: None, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(_segmenting, "_LARGEST_WINDOW", 2000)
        image = np.full((80, 90), 500, np.uint16)
        image[:4] = 100
        raw = save(tmp_path / "raw.tif", image)
        before = sorted(tmp_path.iterdir())
        assert segment(model, raw, tmp_path / "out.tif") == 2
        told = capsys.readouterr().err
        assert f"{raw}: Expected objects that a window of 2000 pixels shows whole" in told
        assert sorted(tmp_path.iterdir()) == before

    @pytest.mark.long
    def test_memory_does_not_grow_with_the_image(self, tmp_path: Path) -> None:
        """In a whole run, the kernel grants 17 MB beside the program: less than the labels.

        Scores and outlines are among it, with a truth that programs like to store as float32.
        Files that are mapped do not count: the kernel can drop their pages.
        """
        model = training(tmp_path / "model", known())
        labels = np.tile(lone_squares((200, 200)), (10, 11))
        source, limit = save(tmp_path / "raw.tif", recorded(labels)), 17_000_000
        tiles = np.arange(110).reshape(10, 11).repeat(200, axis=0).repeat(200, axis=1)
        truth = np.where(labels > 0, labels + 4 * tiles, 0).astype(np.float32)
        save(tmp_path / "truth.tif", truth)
        assert 4 * labels.size > limit
        code = (
            "import re, resource, sys\n"
            "import aimicro.io.annotations, aimicro.cli, aimicro.cli._segmenting as segmenting\n"
            "import aimicro.io.large\n"
            "aimicro.io.large.LARGE = 10**6\n"
            "aimicro.io.annotations._AT_ONCE = 2**15\n"
            "segmenting._CORE[2], segmenting._MARGIN[2] = (200, 200), (40, 40)\n"
            "used = re.search(r'VmData:\\s+(\\d+) kB', open('/proc/self/status').read())[1]\n"
            f"limit = 1024 * int(used) + {limit}\n"
            "resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))\n"
            "sys.exit(aimicro.cli.main())\n"
        )
        options = ["-m", model, "-i", source, "-o", tmp_path / "out.tif", "-B", 128]
        options += ["-g", tmp_path / "truth.tif", "--rois"]
        run = subprocess.run(
            [sys.executable, "-c", code, "segment", *map(str, options)],
            # Nothing is kept of what is freed, and there are no threads with stacks of their own.
            env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "100000", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr[-500:]
        found = read_tiff(tmp_path / "out.tif").data
        np.testing.assert_array_equal(found > 0, labels > 0)
        assert found.max() == 4 * 110 == len(rows(tmp_path / "out_measurements.csv"))
        (row,) = rows(tmp_path / "out_scores.csv")
        assert (row["ap90"], row["matched50"], row["objects_true"]) == ("1", "440", "440")
        drawn = read_annotations(tmp_path / "out_rois.zip", found.shape)
        np.testing.assert_array_equal(drawn.labels, found)


class TestFolders:
    def test_one_table_for_all(
        self, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        raws = folder_of(tmp_path)
        assert segment(model, raws, tmp_path / "out") == 0
        assert {p.name for p in (tmp_path / "out").iterdir()} == {
            "a.tif", "b.tif", "measurements.csv",
        }  # fmt: skip
        table = rows(tmp_path / "out" / "measurements.csv")
        assert [row["file"] for row in table][::4] == ["a.tif", "b.tif"]
        assert "2.0/2 images" in capsys.readouterr().err

    def test_resume_and_overwrite(
        self, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        raws, out = folder_of(tmp_path), tmp_path / "out"
        assert segment(model, raws, out) == 0
        whole = {path.name: path.read_bytes() for path in out.iterdir()}
        assert segment(model, raws, out) == 2
        assert "Expected no results yet, got" in capsys.readouterr().err
        # As a run leaves it that is killed while it appends the rows of the second image.
        table = out / "measurements.csv"
        (out / "b.tif").unlink()
        table.write_bytes(table.read_bytes()[:-40])
        assert segment(model, raws, out, "--skip-existing") == 0
        assert {path.name: path.read_bytes() for path in out.iterdir()} == whole
        assert segment(model, raws, out, "--overwrite") == 0
        assert {path.name: path.read_bytes() for path in out.iterdir()} == whole

    def test_one_at_fault_does_not_keep_the_others(
        self, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        raws = folder_of(tmp_path)
        (raws / "aa.tif").write_text("no image")
        assert segment(model, raws, tmp_path / "out") == 2
        assert "Left out of 3 images: aa.tif." in capsys.readouterr().err
        assert {row["file"] for row in rows(tmp_path / "out" / "measurements.csv")} == {
            "a.tif", "b.tif",
        }  # fmt: skip

    def test_units_are_not_mixed(
        self, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        raws = folder_of(tmp_path, sizes=(SIZE, None))
        assert segment(model, raws, tmp_path / "out") == 2
        told = capsys.readouterr().err
        assert "b.tif: Expected a pixel size, as the images measured before have, got none" in told
        assert not (tmp_path / "out" / "b.tif").exists()
        assert segment(model, raws, tmp_path / "out", "--skip-existing", "--pixel-size", 1) == 0
        assert len(rows(tmp_path / "out" / "measurements.csv")) == 8


class TestBadInput:
    @pytest.fixture
    def refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
        def refused(*arguments: object) -> str:
            before = sorted(tmp_path.rglob("*"))
            assert segment(*arguments) == 2
            assert sorted(tmp_path.rglob("*")) == before
            *_, line = capsys.readouterr().err.splitlines()
            return line

        return refused

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--threshold", 1), "--threshold above 0 to below 1, got 1"),
            (("--min-pixels", -1), "--min-pixels of 0 or more, got -1"),
            (("--seed-threshold", 0.5), "no --seed-threshold .* unet without borders, got 0.5"),
            (("--overlap-threshold", 0.5), "no --overlap-threshold for a network of the method un"),
            (("--flow-threshold", 0.5), "no --flow-threshold for .* unet without borders"),
            (("--pixel-size", 0), "--pixel-size above 0 µm, got 0"),
            (("-B", "8,8,8"), "--block_shape as one number or 2"),
            (("-B", 0), "--block_shape of 1 or more, got 0"),
            (("-g", "nowhere.tif"), "-g: Expected a file or a folder, got nowhere.tif, which"),
        ],
    )
    def test_options(
        self, refused: Any, model: Path, raw: Path, tmp_path: Path, options: tuple, message: str
    ) -> None:
        assert re.search(message, refused(model, raw, tmp_path / "out.tif", *options))

    @pytest.mark.parametrize(
        ("image", "options", "message"),
        [
            (np.zeros((32, 32, 3), np.uint8), {"photometric": "rgb"}, "got YXS (32, 32, 3)"),
            (np.zeros((2, 32, 32), np.uint8), {"ome": True, "metadata": {"axes": "CYX"}},
             "got CYX (2, 32, 32)"),
            (np.zeros((5, 32, 32), np.uint8), {}, "Expected an image (Y, X), as the network was"),
            (np.full((32, 32), np.nan, np.float32), {}, "NaN or infinite"),
        ],
    )  # fmt: skip
    def test_images(
        self, refused: Any, model: Path, tmp_path: Path, image: np.ndarray, options: dict,
        message: str,
    ) -> None:  # fmt: skip
        tifffile.imwrite(tmp_path / "bad.tif", image, **options)
        line = refused(model, tmp_path / "bad.tif", tmp_path / "out.tif")
        assert message in line
        assert "bad.tif" in line

    def test_models_of_the_other_task(
        self, refused: Any, model: Path, raw: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        out = tmp_path / "out.tif"
        assert main(["apply", "-m", str(model), "-i", str(raw), "-o", str(out)]) == 2
        assert "got one that segments them" in (line := capsys.readouterr().err)
        assert "Use aimicro segment" in line
        network = RCAN(ndim=2, channels=1, blocks=1, groups=1, reduction=1)
        (tmp_path / "rcan").mkdir()
        sizes = {"num_channels": 1, "channel_reduction": 1, "num_residual_blocks": 1}
        sizes |= {"num_residual_groups": 1, "ndim": 2, "p_min": 2.0, "p_max": 99.9}
        config = CompleteConfig(**sizes, **FOLDERS, aimicro="0.1.0")
        write_config(tmp_path / "rcan" / "config.json", config)
        save_model(tmp_path / "rcan" / "weights_001_0.5.safetensors", network)
        line = refused(tmp_path / "rcan", raw, out)
        assert "got one that restores them" in line
        assert "Use aimicro apply" in line

    def test_weights_of_another_training(self, refused: Any, raw: Path, tmp_path: Path) -> None:
        model = training(tmp_path / "m", known(), method="stardist", n_rays=8)
        assert "with out_channels 9, got 1" in refused(model, raw, tmp_path / "out.tif")
        assert "expected weights_EPOCH" in refused(tmp_path, raw, tmp_path / "out.tif")

    def test_pixels_of_another_size_than_those_of_the_training(
        self, refused: Any, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:  # fmt: skip
        model = training(tmp_path / "m", known(), pixel_size_um=(2 * SIZE, 2 * SIZE))
        out = tmp_path / "out.tif"
        line = refused(model, raw, out)
        assert (
            "raw.tif: Expected pixels of 0.5 x 0.5 µm, as the network was trained on, got" in line
        )
        assert "--any-pixel-size" in line
        assert segment(model, raw, out, "--any-pixel-size") == 0
        bare = save(tmp_path / "bare.tif", recorded(lone_squares()), None)
        assert "got 0.2 x 0.2 µm" in refused(model, bare, tmp_path / "b.tif", "--pixel-size", 0.2)
        assert segment(model, bare, tmp_path / "b.tif", "--pixel-size", 0.46) == 0
        with pytest.warns(UserWarning, match="tell the size of") as told:
            assert segment(model, bare, tmp_path / "c.tif") == 0
        assert "of the training, 0.5 x 0.5 µm, got ? x ? µm" in str(told[0].message)
        folder = folder_of(tmp_path, sizes=(2 * SIZE, SIZE))
        assert segment(model, folder, tmp_path / "all") == 2
        assert "Left out of 2 images: b.tif" in capsys.readouterr().err
        assert [path.name for path in (tmp_path / "all").glob("*.tif")] == ["a.tif"]

    def test_truth_that_is_none(self, refused: Any, model: Path, raw: Path, tmp_path: Path) -> None:
        truth = save(tmp_path / "t.tif", lone_squares() + np.float32(0.5))
        line = refused(model, raw, tmp_path / "out.tif", "-g", truth)
        assert "t.tif: Expected labels as labels, whole numbers, got float32" in line

    def test_what_cannot_be_written_is_refused_before_the_work(
        self, refused: Any, model: Path, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A pixel size, the room on the disk, and the folder."""

        def never(*_: object) -> None:
            pytest.fail("computed for nothing")

        monkeypatch.setattr(UNet, "forward", never)
        out = tmp_path / "out.tif"
        bare = save(tmp_path / "bare.tif", recorded(lone_squares()), None)
        assert "from 1e-5 to 1e5 µm" in refused(model, bare, out, "--pixel-size", 1e6)
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=7000))
            assert f"{out}: Expected room for 0.0122 MB, got 0.007 MB." in refused(model, raw, out)

        def read_only(*_: object, **__: object) -> None:
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr("tempfile.mkdtemp", read_only)
        assert "Expected a folder that can be written to" in refused(model, raw, out)
        assert not out.exists()

    def test_blocks_that_do_not_fit_into_memory(
        self, refused: Any, model: Path, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory:\n you tried")

        monkeypatch.setattr(UNet, "forward", full)
        line = refused(model, raw, tmp_path / "out.tif", "-B", 32, "--halo", 0)
        assert "Expected enough memory for (34, 34) pixels at once, got too little." in line

    def test_inputs_are_never_replaced(self, refused: Any, model: Path, raw: Path) -> None:
        assert "which is an input" in refused(model, raw, raw, "--overwrite")
