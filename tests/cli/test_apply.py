import csv
import json
import math
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aimicro.cli import main
from aimicro.cli._applying import _cut
from aimicro.cli._channels import Channel, affine_to, score
from aimicro.cli.config import CompleteConfig, write_config
from aimicro.io import read_tiff, write_tiff
from aimicro.metrics.restoration import affine_fit, mse, psnr, ssim
from aimicro.models import RCAN
from aimicro.predict import predict, tiles
from aimicro.train import save_model
from aimicro.train.scaling import Linear, Percentile, Scaling

SIZE = (0.3, 0.1, 0.1)  # of a voxel, in µm


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """More threads only wait for each other in networks as small as these."""
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)


def linear(gain: float, *, ndim: int = 3) -> RCAN:
    """A network whose answer is known: gain * x + (1 - gain) / 2, for gain 1 its input."""
    network = RCAN(ndim=ndim, channels=1, blocks=1, groups=1, reduction=1)
    middle = (slice(0, 1), slice(0, 1), *ndim * (slice(1, 2),))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.head.weight[middle] = 1
        network.tail.weight[middle] = gain
    return network


def training(folder: Path, network: RCAN, *, name: str = "weights_001_0.5", **changes) -> Path:
    """A folder like that of a training."""
    folder.mkdir(exist_ok=True)
    names = {"num_channels": "channels", "num_residual_blocks": "blocks"}
    names |= {"num_residual_groups": "groups", "channel_reduction": "reduction"}
    settings = {key: network.config[ours] for key, ours in names.items()}
    settings |= {"ndim": network.ndim, "input_shape": (4, 16, 16)[-network.ndim :]}
    settings |= {"training_data_dir": {"raw": "raw", "gt": "gt"}, "mixed_precision": "float32"}
    settings |= {"p_min": 2.0, "p_max": 99.9, "aimicro": "0.1.0"}
    write_config(folder / "config.json", CompleteConfig(**settings | changes))
    save_model(folder / f"{name}.safetensors", network)
    return folder


def stack(shape: tuple[int, ...], *, seed: int = 0) -> np.ndarray:
    """An image in camera counts."""
    image = np.random.default_rng(seed).gamma(2.0, 300.0, shape) + 100
    return image.astype(np.uint16)


def normalised(image: np.ndarray, p_min: float = 2, p_max: float = 99.9) -> np.ndarray:
    """By the formula of the publication, written a second time."""
    low, high = np.percentile(image, [p_min, p_max])
    return (image - low) / (high - low + 1e-6)


def save(path: Path, image: np.ndarray) -> Path:
    axes = "ZYX"[-image.ndim :]
    write_tiff(path, image, axes=axes, pixel_size_um=SIZE[-image.ndim :])
    return path


def apply(model: Path, source: Path, output: Path, *options: object) -> np.ndarray:
    """Run the command and return what it wrote."""
    arguments = ["-m", model, "-i", source, "-o", output, *options]
    assert main(["apply", *map(str, arguments)]) == 0
    return read_tiff(output).data if output.is_file() else np.array([])


def scores_in(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def halving(tmp_path: Path) -> Path:
    return training(tmp_path / "model", linear(0.5))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return save(tmp_path / "raw.tif", stack((9, 40, 33)))


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Like the raw image, with something else added, and in other units."""
    other = stack((9, 40, 33)) + 0.3 * stack((9, 40, 33), seed=1)
    return save(tmp_path / "truth.tif", (other / 1000).astype(np.float32))


class TestFilms:
    """Time points and channels are restored one by one, as if each were a file of its own."""

    SHAPES: ClassVar = {"TZYX": (3, 5, 20, 18), "ZCYX": (5, 2, 20, 18), "TZCYX": (3, 5, 2, 20, 18),
                        "TYX": (3, 20, 18), "CYX": (2, 20, 18), "TCYX": (3, 2, 20, 18)}  # fmt: skip

    @pytest.fixture
    def models(self, tmp_path: Path) -> dict[int, Path]:
        """A network for images and one for volumes."""
        return {
            ndim: training(tmp_path / f"model{ndim}", linear(0.5, ndim=ndim)) for ndim in (2, 3)
        }

    @pytest.mark.parametrize("axes", list(SHAPES))
    @pytest.mark.parametrize("ome", [False, True])
    def test_each_image_is_what_it_would_be_alone_and_lies_where_it_lay(
        self, models: dict[int, Path], tmp_path: Path, axes: str, ome: bool
    ) -> None:
        shape, ndim = self.SHAPES[axes], 3 if "Z" in axes else 2
        film = stack(shape) + 50 * np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
        film, size = film.astype(np.uint16), SIZE[-ndim:]
        write_tiff(tmp_path / "film.tif", film, axes=axes, pixel_size_um=size, ome=ome)
        apply(models[ndim], tmp_path / "film.tif", tmp_path / "out.tif", "--restored-only")
        came = read_tiff(tmp_path / "out.tif")
        assert (came.axes, came.data.shape) == (axes, shape)
        assert came.pixel_size_um == pytest.approx(size)
        order = [axes.index(axis) for axis in "TCZYX" if axis in axes]
        before, after = (np.transpose(image, order) for image in (film, came.data))
        for place in np.ndindex(before.shape[:-ndim]):
            alone = save(tmp_path / "alone.tif", before[place])
            out = tmp_path / "alone_out.tif"
            apply(models[ndim], alone, out, "--restored-only", "--overwrite")
            np.testing.assert_array_equal(after[place], read_tiff(out).data)

    def test_raw_and_restored_of_each_channel_stand_side_by_side(
        self, models: dict[int, Path], tmp_path: Path
    ) -> None:
        film = stack((3, 2, 20, 18)).astype(np.uint16)
        write_tiff(tmp_path / "film.tif", film, axes="TCYX", pixel_size_um=SIZE[-2:])
        apply(models[2], tmp_path / "film.tif", tmp_path / "out.tif")
        came = read_tiff(tmp_path / "out.tif")
        assert (came.axes, came.data.shape) == ("TCYX", (3, 4, 20, 18))
        for t, c in np.ndindex(3, 2):
            expected = normalised(film[t, c])
            np.testing.assert_allclose(came.data[t, 2 * c], expected, atol=1e-6)
            np.testing.assert_allclose(came.data[t, 2 * c + 1], expected / 2 + 0.25, atol=1e-6)
        with tifffile.TiffFile(tmp_path / "out.tif") as tif:
            labels = tif.imagej_metadata["Labels"]
        assert labels[:4] == ["raw 1", "restored 1", "raw 2", "restored 2"]

    def test_a_film_gets_the_mean_of_its_scores(
        self, models: dict[int, Path], tmp_path: Path
    ) -> None:
        film, true = (stack((3, 20, 18), seed=seed).astype(np.uint16) for seed in (0, 1))
        for name, data in (("film", film), ("truth", true)):
            write_tiff(tmp_path / f"{name}.tif", data, axes="TYX", pixel_size_um=SIZE[-2:])
        apply(models[2], tmp_path / "film.tif", tmp_path / "out.tif", "-g", tmp_path / "truth.tif")
        (row,) = scores_in(tmp_path / "out_scores.csv")
        pairs = zip(true, film, strict=True)
        expected = [mse(normalised(t), normalised(f) / 2 + 0.25) for t, f in pairs]
        assert float(row["mse_restored"]) == pytest.approx(np.mean(expected), rel=1e-4)

    def test_a_fault_names_the_time_point(
        self, models: dict[int, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        film = stack((3, 40, 33))
        film[1], film[1, 0, 0] = 0, 9  # too few differ
        write_tiff(tmp_path / "film.tif", film, axes="TYX", pixel_size_um=SIZE[-2:])
        line = refused(capsys, models[2], tmp_path / "film.tif", tmp_path / "out.tif")
        assert "film.tif, time point 2: Expected" in line
        assert not (tmp_path / "out.tif").exists()

    def test_a_truth_with_other_axes_is_refused(
        self, models: dict[int, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        film, truth = tmp_path / "film.tif", tmp_path / "truth.tif"
        for path, axes in ((film, "TYX"), (truth, "CYX")):
            data = stack((3, 20, 18)).astype(np.uint16)
            write_tiff(path, data, axes=axes, pixel_size_um=SIZE[-2:])
        line = refused(capsys, models[2], film, tmp_path / "out.tif", "-g", truth)
        assert "TYX (3, 20, 18), got CYX (3, 20, 18)" in line


class TestOutput:
    @pytest.mark.parametrize("shape", [(9, 40, 33), (40, 33), (1, 40, 33), (3, 5, 7)])
    def test_a_network_that_changes_nothing_changes_nothing(
        self, tmp_path: Path, shape: tuple[int, ...]
    ) -> None:
        model = training(tmp_path / "model", linear(1, ndim=len(shape)))
        source = save(tmp_path / "raw.tif", stack(shape))
        apply(model, source, tmp_path / "out.tif")
        image = read_tiff(tmp_path / "out.tif")
        assert image.axes == ("ZCYX" if len(shape) == 3 else "CYX")
        assert image.data.dtype == np.float32
        assert image.pixel_size_um == pytest.approx(SIZE[-len(shape) :])
        came = np.moveaxis(image.data, -3, 0)
        assert came.shape == (2, *shape)
        np.testing.assert_allclose(came[0], normalised(stack(shape)), atol=1e-6)
        np.testing.assert_allclose(came[1], normalised(stack(shape)), atol=1e-6)

    def test_channels_are_raw_restored_and_truth(
        self, halving: Path, raw: Path, truth: Path, tmp_path: Path
    ) -> None:
        came = apply(halving, raw, tmp_path / "out.tif", "-g", truth)
        assert came.shape == (9, 3, 40, 33)
        expected = normalised(read_tiff(raw).data)
        np.testing.assert_allclose(came[:, 0], expected, atol=1e-6)
        np.testing.assert_allclose(came[:, 1], expected / 2 + 0.25, atol=1e-6)
        np.testing.assert_allclose(came[:, 2], normalised(read_tiff(truth).data), atol=1e-6)

    @pytest.mark.parametrize("bits", [8, 16])
    def test_whole_numbers_are_scaled_rounded_and_clipped(
        self, halving: Path, raw: Path, tmp_path: Path, bits: int
    ) -> None:
        exact = apply(halving, raw, tmp_path / "float.tif").astype(float)
        came = apply(halving, raw, tmp_path / "out.tif", "-b", bits)
        assert came.dtype == f"uint{bits}"
        top = 2**bits - 1
        assert (exact.min() < 0, exact.max() > 1) == (True, True)
        assert np.abs(came - np.clip(top * exact, 0, top)).max() <= 0.5 + top * 1e-6

    @pytest.mark.parametrize(("bits", "top"), [(32, 1), (16, 65535), (8, 255)])
    def test_range_of_each_channel_is_normalised(
        self, halving: Path, raw: Path, truth: Path, tmp_path: Path, bits: int, top: int
    ) -> None:
        options = ("--normalize_output_range_between_zero_and_one", "-g", truth, "-b", bits)
        came = apply(halving, raw, tmp_path / "out.tif", *options)
        assert came.min(axis=(0, 2, 3)).tolist() == [0, 0, 0]
        assert came.max(axis=(0, 2, 3)).tolist() == [top, top, top]

    def test_percentiles_can_be_chosen_and_are_else_those_of_the_training(
        self, raw: Path, tmp_path: Path
    ) -> None:
        model = training(tmp_path / "model", linear(1), p_min=5.0, p_max=95.0)
        pixels = read_tiff(raw).data
        came = apply(model, raw, tmp_path / "a.tif")
        np.testing.assert_allclose(came[:, 0], normalised(pixels, 5, 95), atol=1e-6)
        came = apply(model, raw, tmp_path / "b.tif", "--p_min", 0, "--p_max", 100)
        np.testing.assert_allclose(came[:, 0], normalised(pixels, 0, 100), atol=1e-6)

    def test_scale_is_that_of_the_network(self, raw: Path, tmp_path: Path) -> None:
        """Also where it is the same for all images."""
        network = linear(0.5)
        network.scaling = Scaling(Linear(100, 500), Linear(100, 500))
        model, pixels = training(tmp_path / "model", network), read_tiff(raw).data
        came = apply(model, raw, tmp_path / "a.tif", "--raw-units")
        np.testing.assert_array_equal(came[:, 0], pixels)
        np.testing.assert_allclose(came[:, 1], predict(network, pixels), rtol=1e-5)
        came = apply(model, raw, tmp_path / "b.tif", "--p_min", 0)
        np.testing.assert_allclose(came[:, 0], normalised(pixels, 0, 99.9), atol=1e-6)

    @pytest.mark.parametrize("dtype", [np.uint32, np.float64])
    def test_a_small_contrast_on_a_large_offset(
        self, halving: Path, raw: Path, tmp_path: Path, dtype: type
    ) -> None:
        """Float32 would have steps of 256 there, or of 1."""
        pixels = read_tiff(raw).data
        moved = pixels.astype(dtype) + 2**31 if dtype is np.uint32 else 1e7 + pixels / 1000
        save(tmp_path / "moved.tif", moved)
        came = [
            apply(halving, p, tmp_path / f"out_{p.name}") for p in (raw, tmp_path / "moved.tif")
        ]
        np.testing.assert_allclose(*came, atol=2e-5)

    def test_restored_only(self, halving: Path, raw: Path, truth: Path, tmp_path: Path) -> None:
        both = apply(halving, raw, tmp_path / "both.tif")
        alone = apply(halving, raw, tmp_path / "alone.tif", "--restored-only", "-g", truth)
        assert read_tiff(tmp_path / "alone.tif").axes == "ZYX"
        np.testing.assert_array_equal(alone, both[:, 1])
        assert (tmp_path / "alone_scores.csv").exists()

    def test_best_weights_are_taken_by_their_name(self, raw: Path, tmp_path: Path) -> None:
        for epoch, loss, gain in ((1, "0.5", 2), (2, "0.09", 1), (3, "0.1", 3)):
            network = linear(gain)
            model = training(tmp_path / "model", network, name=f"weights_{epoch:03d}_{loss}")
        came = apply(model, raw, tmp_path / "out.tif")
        np.testing.assert_allclose(came[:, 1], came[:, 0], atol=1e-6)

    def test_short_numbers_leave_many_grey_levels(self, raw: Path, tmp_path: Path) -> None:
        torch.manual_seed(0)
        network = RCAN(channels=8, blocks=1, groups=2, reduction=4)
        restored = []
        for precision in ("float32", "bfloat16"):
            model = training(tmp_path / precision, network, mixed_precision=precision)
            out = tmp_path / f"{precision}.tif"
            restored.append(apply(model, raw, out, "--restored-only"))
        assert 0 < np.abs(restored[1] - restored[0]).max() < 0.01 * np.ptp(restored[0])
        assert len(np.unique(restored[1])) > 0.9 * restored[1].size


class TestUnits:
    def test_raw_units_are_those_of_the_raw_image(
        self, halving: Path, raw: Path, truth: Path, tmp_path: Path
    ) -> None:
        pixels = read_tiff(raw).data
        low, high = np.percentile(pixels, [2, 99.9])
        came = apply(halving, raw, tmp_path / "out.tif", "--raw-units", "-g", truth)
        np.testing.assert_array_equal(came[:, 0], pixels)
        halved = (normalised(pixels) / 2 + 0.25) * (high - low) + low
        np.testing.assert_allclose(came[:, 1], halved, rtol=1e-5)
        moved = normalised(read_tiff(truth).data) * (high - low) + low
        np.testing.assert_allclose(came[:, 2], moved, rtol=1e-5)
        whole = apply(halving, raw, tmp_path / "16.tif", "--raw-units", "-g", truth, "-b", 16)
        assert whole.dtype == np.uint16
        np.testing.assert_array_equal(whole, np.rint(came).clip(0, 65535))

    @pytest.mark.parametrize(
        ("image", "bits", "message"),
        [
            (stack((4, 16, 16)), 8, "from 0 to 255 for --raw-units with -b 8, got"),
            (stack((4, 16, 16)).astype(np.float32) - 1e3, 16, "to 65535 for .* Use -b 32"),
            (stack((4, 16, 16)).astype(np.float32) / 1e4, 16, "16 grey levels .*, got 0"),
        ],
    )
    def test_raw_units_that_whole_numbers_cannot_hold_are_refused(
        self, halving: Path, tmp_path: Path, image: np.ndarray, bits: int, message: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        source = save(tmp_path / "a.tif", image)
        options = ("--raw-units", "-b", bits)
        line = refused(capsys, halving, source, tmp_path / "out.tif", *options)
        assert re.search(message, line)
        apply(halving, source, tmp_path / "out.tif", "--raw-units")

    def test_rescaled_image_is_the_best_fit(
        self, halving: Path, raw: Path, truth: Path, tmp_path: Path
    ) -> None:
        came = apply(halving, raw, tmp_path / "out.tif", "-g", truth, "--rescale")
        fit = affine_fit(came[:, 2], apply(halving, raw, tmp_path / "plain.tif")[:, 1])
        assert fit.gain > 1.2
        np.testing.assert_allclose(came[:, 1], fit.image, atol=1e-6)

    def test_a_constant_image_stays_one(self, halving: Path, tmp_path: Path) -> None:
        image = np.full((5, 20, 20), 12345, np.uint16)
        source = save(tmp_path / "a.tif", image)
        came = apply(halving, source, tmp_path / "out.tif", "-g", source)
        np.testing.assert_array_equal(np.unique(came[:, (0, 2)]), [0])
        np.testing.assert_allclose(came[:, 1], 0.25, atol=1e-7)
        came = apply(halving, source, tmp_path / "raw.tif", "--raw-units")
        np.testing.assert_array_equal(came[:, 0], image)
        flag = "--normalize_output_range_between_zero_and_one"
        assert not apply(halving, source, tmp_path / "range.tif", flag).any()
        came = apply(halving, source, tmp_path / "fit.tif", "--rescale", "-g", source)
        np.testing.assert_allclose(came, 0, atol=1e-7)


class TestFormats:
    def test_imagej(self, halving: Path, raw: Path, tmp_path: Path) -> None:
        apply(halving, raw, tmp_path / "out.tif", "-b", 16)
        with tifffile.TiffFile(tmp_path / "out.tif") as tif:
            told = tif.imagej_metadata
            offsets = [page.dataoffsets[0] for page in tif.pages]
        assert (told["slices"], told["channels"], told["spacing"]) == (9, 2, 0.3)
        assert told["Labels"] == ["raw", "restored"] * 9
        assert np.unique(np.diff(offsets)).tolist() == [40 * 33 * 2]  # as ImageJ reads them

    @pytest.mark.parametrize(("bits", "kind"), [(8, "uint8"), (16, "uint16"), (32, "float")])
    def test_ome(
        self, halving: Path, raw: Path, truth: Path, tmp_path: Path, bits: int, kind: str
    ) -> None:
        apply(halving, raw, tmp_path / "out.tif", "-b", bits, "-f", "ome", "-g", truth)
        with tifffile.TiffFile(tmp_path / "out.tif") as tif:
            assert not tif.is_imagej
            assert tif.series[0].axes == "ZCYX"
            ome = ElementTree.fromstring(tif.ome_metadata)
        assert ome.tag == "{http://www.openmicroscopy.org/Schemas/OME/2016-06}OME"
        pixels = ome.find("{*}Image/{*}Pixels")
        told = pixels.attrib
        assert (told["Type"], told["DimensionOrder"]) == (kind, "XYCZT")
        assert [told[f"Size{axis}"] for axis in "XYZCT"] == ["33", "40", "9", "3", "1"]
        assert [told[f"PhysicalSize{axis}"] for axis in "XYZ"] == ["0.1", "0.1", "0.3"]
        names = [channel.attrib["Name"] for channel in pixels.iterfind("{*}Channel")]
        assert names == ["raw", "restored", "truth"]
        assert read_tiff(tmp_path / "out.tif").pixel_size_um == SIZE

    def test_pages_without_a_name_are_slices(self, halving: Path, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "plain.tif", stack((9, 40, 33)))
        save(tmp_path / "named.tif", stack((9, 40, 33)))
        came = [apply(halving, tmp_path / name, tmp_path / f"out_{name}")
                for name in ("plain.tif", "named.tif")]  # fmt: skip
        np.testing.assert_array_equal(*came)

    def test_masks_and_unknown_sizes(self, halving: Path, tmp_path: Path) -> None:
        mask = stack((5, 20, 20)) > 700
        write_tiff(tmp_path / "a.tif", mask, axes="ZYX", pixel_size_um=(None, 0.1, 0.1))
        came = apply(halving, tmp_path / "a.tif", tmp_path / "out.tif")
        np.testing.assert_allclose(came[:, 0], mask, atol=2e-6)
        image = read_tiff(tmp_path / "out.tif")
        assert image.pixel_size_um == (None, pytest.approx(0.1), pytest.approx(0.1))


class TestScores:
    @pytest.mark.parametrize("shape", [(9, 40, 33), (12, 40, 33), (40, 33), (12, 40, 8)])
    @pytest.mark.parametrize("rescale", [False, True])
    def test_are_those_of_the_channels_that_were_written(
        self, tmp_path: Path, shape: tuple[int, ...], rescale: bool
    ) -> None:
        model = training(tmp_path / "model", linear(0.5, ndim=len(shape)))
        raw = save(tmp_path / "raw.tif", stack(shape))
        truth = save(tmp_path / "truth.tif", stack(shape) + stack(shape, seed=1) // 3)
        apply(model, raw, tmp_path / "out.tif", "-g", truth, *["--rescale"] * rescale)
        (row,) = scores_in(tmp_path / "out_scores.csv")
        assert (row["file"], row["truth"]) == ("raw.tif", "truth.tif")
        assert (row["data_range"], row["affine_fit"]) == ("1", "yes" if rescale else "no")
        before, after, best = np.moveaxis(read_tiff(tmp_path / "out.tif").data, -3, 0)
        images = {"raw": affine_fit(best, before).image if rescale else before, "restored": after}
        for name, image in images.items():
            assert float(row[f"mse_{name}"]) == pytest.approx(mse(best, image), rel=1e-4)
            expected = psnr(best, image, data_range=1)
            assert float(row[f"psnr_{name}"]) == pytest.approx(expected, abs=1e-3)
            if shape == (12, 40, 8):
                assert row[f"ssim_{name}"] == ""  # no window fits
                continue
            parts = zip(best, image, strict=True) if shape[0] == 9 else [(best, image)]
            expected = np.mean([ssim(*part, data_range=1) for part in parts])
            assert float(row[f"ssim_{name}"]) == pytest.approx(expected, abs=1e-4)

    @pytest.mark.parametrize("shape", [(40, 230, 190), (9, 400, 300), (1500, 1000)])
    def test_boxes_make_no_difference(self, shape: tuple[int, ...]) -> None:
        """The images are larger than one box."""
        rng = np.random.default_rng(0)
        truth = rng.random(shape, dtype=np.float32)
        image = (truth / 2 + 0.1 * rng.random(shape) + 0.3).astype(np.float32)
        told: list[float] = []
        came = score(Channel(truth), Channel(image), each=told.append)
        assert len(told) > 1
        assert sum(told) == pytest.approx(1)
        assert came.mse == pytest.approx(mse(truth, image), rel=1e-9)
        assert came.psnr == pytest.approx(psnr(truth, image, data_range=1), abs=1e-9)
        parts = zip(truth, image, strict=True) if shape[0] == 9 else [(truth, image)]
        expected = np.mean([ssim(*part, data_range=1) for part in parts])
        assert came.ssim == pytest.approx(expected, abs=1e-9)
        fit, fitted = affine_fit(truth, image), affine_to(Channel(truth), Channel(image))
        assert (fitted.gain, fitted.offset) == pytest.approx((fit.gain, fit.offset), rel=1e-9)

    def test_equal_images(self) -> None:
        image = Channel(stack((20, 20)), gain=1e-3)
        assert score(image, image) == (math.inf, pytest.approx(1), 0)


class TestFolders:
    @pytest.fixture
    def raws(self, tmp_path: Path) -> Path:
        folder = tmp_path / "raws"
        folder.mkdir()
        for seed, name in enumerate(("a.tif", "b.TIFF", "c.TIF")):
            save(folder / name, stack((5, 20 + seed, 20), seed=seed))
        (folder / "._a.tif").write_bytes(b"what macOS leaves")
        (folder / "notes.txt").write_text("mine")
        return folder

    def test_results_have_the_names_of_the_inputs(
        self, halving: Path, raws: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        truths = shutil.copytree(raws, tmp_path / "truths")
        output = tmp_path / "new" / "folder"
        apply(halving, raws, output, "-g", truths)
        names = ["a.tif", "b.TIFF", "c.TIF"]
        assert sorted(path.name for path in output.iterdir()) == [*names, "scores.csv"]
        for seed, name in enumerate(names):
            assert read_tiff(output / name).data.shape == (5, 3, 20 + seed, 20)
        rows = scores_in(output / "scores.csv")
        assert [row["file"] for row in rows] == names
        assert [row["psnr_raw"] for row in rows] == ["inf"] * 3
        assert "100%" in (progress := capsys.readouterr().err)
        assert "3.0/3 images" in progress

    def test_other_names_are_paired_in_order_if_told(
        self, halving: Path, raws: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        truths = shutil.copytree(raws, tmp_path / "truths")
        (truths / "b.TIFF").rename(truths / "bb.tif")
        (truths / "a.tif").rename(truths / "a.tiff")
        told = refused(capsys, halving, raws, tmp_path / "out", "-g", truths)
        assert "got 1 of 3 with different ones: b.TIFF with bb.tif. Rename the images, or " in told
        apply(halving, raws, tmp_path / "out", "-g", truths, "--pair-by-order")
        assert scores_in(tmp_path / "out" / "scores.csv")[1]["truth"] == "bb.tif"

    def test_a_truth_for_each(
        self, halving: Path, raws: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        truths = shutil.copytree(raws, tmp_path / "truths")
        (truths / "b.TIFF").unlink()
        message = refused(capsys, halving, raws, tmp_path / "out", "-g", truths)
        assert re.search("got 3 in .* and 2 in", message)
        assert "Begin with b.TIFF" in message
        assert not (tmp_path / "out").exists()

    def test_an_image_at_fault_keeps_no_other_from_being_restored(
        self, halving: Path, raws: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        truths = shutil.copytree(raws, tmp_path / "truths")
        save(truths / "a.tif", stack((5, 20, 21)))
        image = stack((5, 22, 20)).astype(np.float32)
        image[2, 3, 4] = np.nan
        save(raws / "c.TIF", image)
        message = refused(capsys, halving, raws, tmp_path / "out", "-g", truths)
        assert "a truth of the shape of" in message
        assert "ZYX (5, 20, 20), got ZYX (5, 20, 21)" in message
        assert message.endswith("Left out of 3 images: a.tif, c.TIF.")
        written = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert written == ["b.TIFF", "scores.csv"]
        assert len(scores_in(tmp_path / "out" / "scores.csv")) == 1

    def test_an_image_in_several_files_is_restored_once(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        model, folder = training(tmp_path / "model", linear(1)), tmp_path / "raws"
        folder.mkdir()
        planes = stack((3, 20, 24))
        ids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{z}" for z in range(3)]
        parts = "".join(
            f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="{z}.ome.tif">{name}'
            "</UUID></TiffData>"
            for z, name in enumerate(ids)
        )
        for z, name in enumerate(ids):
            ome = (
                '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
                f'UUID="{name}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
                'Type="uint16" SizeX="24" SizeY="20" SizeZ="3" SizeC="1" SizeT="1">'
                f"{parts}</Pixels></Image></OME>"
            )
            tifffile.imwrite(folder / f"{z}.ome.tif", planes[z], description=ome, metadata=None)
        save(folder / "other.tif", stack((3, 20, 24), seed=1))
        apply(model, folder, tmp_path / "out")
        assert "2.0/2 images" in capsys.readouterr().err
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "0.ome.tif",
            "other.tif",
        ]
        came = read_tiff(tmp_path / "out" / "0.ome.tif").data
        np.testing.assert_allclose(came[:, 0], normalised(planes), atol=1e-6)

    def test_no_old_result_stays_among_new_ones(
        self, halving: Path, raws: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "out"
        apply(halving, raws, out, "-g", raws)
        (out / "mine.tif").write_text("mine")
        old = (out / "a.tif").read_bytes()
        save(raws / "b.TIFF", np.full((5, 20, 20), np.nan, np.float32))
        line = refused(capsys, halving, raws, out, "--restored-only", "-g", raws, "--overwrite")
        assert line.endswith("Left out of 3 images: b.TIFF.")
        assert sorted(p.name for p in out.iterdir()) == ["a.tif", "c.TIF", "mine.tif", "scores.csv"]
        assert [row["file"] for row in scores_in(out / "scores.csv")] == ["a.tif", "c.TIF"]
        assert (out / "a.tif").read_bytes() != old

    def test_images_with_a_result_can_be_skipped(
        self, halving: Path, raws: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out, options = tmp_path / "out", ("-g", raws, "--skip-existing")
        (raws / "c.TIF").rename(tmp_path / "later")
        apply(halving, raws, out, *options)
        before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tif*")}
        (tmp_path / "later").rename(raws / "c.TIF")
        capsys.readouterr()
        apply(halving, raws, out, *options)
        assert "1.0/1 images" in capsys.readouterr().err
        assert all((out / name).stat().st_mtime_ns == time for name, time in before.items())
        assert [row["file"] for row in scores_in(out / "scores.csv")] == [
            "a.tif",
            "b.TIFF",
            "c.TIF",
        ]
        apply(halving, raws, out, *options)
        assert "not allowed with argument" in refused(
            capsys, halving, raws, out, *options, "--overwrite"
        )

    def test_names_that_are_not_utf_8(self, halving: Path, raws: Path, tmp_path: Path) -> None:
        name = b"b\xe4r.tif".decode(errors="surrogateescape")
        (raws / "a.tif").rename(raws / name)
        apply(halving, raws, tmp_path / "out", "-g", raws)
        assert (tmp_path / "out" / name).exists()
        rows = scores_in(tmp_path / "out" / "scores.csv")
        assert [row["file"] for row in rows] == ["b.TIFF", "b\\udce4r.tif", "c.TIF"]


def refused(capsys: pytest.CaptureFixture[str], model: Path, source: Path, output: Path,
            *options: object) -> str:  # fmt: skip
    """Run the command, check that it fails with one line, and return this line."""
    arguments = ["-m", model, "-i", source, "-o", output, *options]
    capsys.readouterr()
    try:
        status = main(["apply", *map(str, arguments)])
    except SystemExit as exit_of_argparse:
        status = exit_of_argparse.code
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    *progress, line = err.splitlines()
    assert all("images [" in part for part in progress if part)
    assert line.startswith("aimicro apply: ")
    return line


class TestMistakes:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                ["-B", "4,16"],
                "--block_shape as one number or 3, one for each axis (z, y, x), got (4",
            ),
            (["-B", "0,16,16"], "Expected --block_shape of 1 or more, got 0"),
            (["-B", "0"], "Expected --block_shape of 1 or more, got 0"),
            (["-B", "4,16,x"], "expected whole numbers like 16,256,256, got 4,16,x"),
            (["-O", "1,2,3,4"], "Expected --block_overlap_shape as one number or 3"),
            (["-B", "4,16,16", "-O", "1,9,8"], "at most half the block, 4,16,16, got 1,9,8"),
            (
                ["--halo", "3,3"],
                "--halo as one number or 3, one for each axis (z, y, x), got (3, 3)",
            ),
            (["--rescale"], "without a truth there is nothing to fit the restored image to"),
            (["--rescale", "--raw-units"], "not allowed with argument --rescale"),
            (
                ["--rescale", "--normalize_output_range_between_zero_and_one"],
                "not allowed with argument --rescale",
            ),
            (["-b", "12"], "invalid choice: 12"),
            (["-f", "png"], "invalid choice: 'png'"),
            (["--p_min", "99.9"], "low below high, got 99.9 and 99.9"),
            (["--p_max", "101"], "percentiles from 0 to 100"),
            (["--p_max", "nan"], "percentiles from 0 to 100"),
            (["-i", "nowhere.tif"], "-i: Expected a file or a folder, got nowhere.tif"),
            (["-g", "nowhere.tif"], "-g: Expected a file or a folder, got nowhere.tif"),
            (["-g", "."], "-g: Expected a file, as -i is one, got the folder ."),
            (["-o", "."], "-o: Expected a file, as -i is one, got the folder ."),
            (["-i", "."], "-o: Expected a folder, as -i is one, got the file taken.tif"),
            (["-i", "empty", "-o", "new"], "-i: Expected images ending in .tif or .tiff, got none"),
            (["-o", "nowhere/out.tif"], "-o: Expected a file in a folder that exists, got"),
            (["-o", "out.png"], "-o: Expected a name ending in .tif or .tiff, got out.png"),
            (["-o", "taken.tif"], "-o: Expected no results yet, got taken.tif. Choose another -o"),
            (["-o", "raw.tif", "--overwrite"], "got raw.tif, which is an input"),
            (["-m", "empty"], "expected weights_EPOCH_LOSS.safetensors in the folder"),
            (["-m", "nowhere"], "got no such folder"),
            (["-m", "raw.tif"], "got no such folder"),
        ],
    )
    def test_in_the_options(
        self, halving: Path, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        options: list[str], message: str, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.chdir(tmp_path)
        Path("empty").mkdir()
        Path("taken.tif").write_bytes(b"mine")
        if options[0] == "-i" and len(options) == 2 and options[1] == ".":
            options = [*options, "-o", "taken.tif"]
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        assert message in refused(capsys, Path("model"), Path("raw.tif"), Path("o.tif"), *options)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before

    @pytest.mark.parametrize(
        ("axes", "shape", "message"),
        [
            ("TYX", (5, 16, 16), "got TYX (5, 16, 16). A stack of one slice is an image"),
            ("CYX", (3, 16, 16), "got CYX (3, 16, 16)"),
            ("TCYX", (2, 3, 16, 16), "say so in Fiji: Image > Properties"),
            ("YX", (16, 16), "Expected a volume (Z, Y, X), as the network was trained on"),
        ],
    )
    def test_in_the_axes_of_an_image(
        self, halving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        axes: str, shape: tuple[int, ...], message: str,
    ) -> None:  # fmt: skip
        write_tiff(tmp_path / "a.tif", stack(shape), axes=axes)
        assert message in refused(capsys, halving, tmp_path / "a.tif", tmp_path / "out.tif")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({(2, 3, 4): np.nan}, "got 1 of 1280 NaN or infinite"),
            ({...: 0, (0, 0, 0): 9}, "percentiles 2 and 99.9 are the same"),
        ],
    )
    def test_in_the_pixels_of_an_image(
        self, halving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        change: dict[object, float], message: str,
    ) -> None:  # fmt: skip
        image = stack((5, 16, 16)).astype(np.float32)
        for place, value in change.items():
            image[place] = value
        source = save(tmp_path / "a.tif", image)
        assert message in refused(capsys, halving, source, tmp_path / "out.tif")
        good = save(tmp_path / "good.tif", stack((5, 16, 16)))
        assert message in refused(capsys, halving, good, tmp_path / "out.tif", "-g", source)
        assert not list(tmp_path.glob("out*"))

    @pytest.mark.parametrize(
        ("options", "advice"),
        [
            ({"extratags": [(274, "H", 1, 3, True)]}, "mirrored or turned. Save it upright."),
            ({"photometric": "rgb"}, "Image > Color > Split Channels"),
            ({"value": np.nan}, "Replace them or leave the image out."),
        ],
    )
    def test_advice_is_for_the_command_line(
        self, halving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        options: dict[str, Any], advice: str,
    ) -> None:  # fmt: skip
        image = np.full((16, 16, 3), options.pop("value", 1), np.float32)
        tifffile.imwrite(tmp_path / "a.tif", image, **{"photometric": "minisblack"} | options)
        line = refused(capsys, halving, tmp_path / "a.tif", tmp_path / "out.tif")
        assert advice in line
        assert "=" not in line

    def test_colours_and_other_files(
        self, halving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((16, 16, 3), np.uint8), photometric="rgb")
        (tmp_path / "text.tif").write_text("no image")
        assert "got the colour samples of a picture" in refused(
            capsys, halving, tmp_path / "rgb.tif", tmp_path / "out.tif"
        )
        assert "Expected a TIFF file" in refused(
            capsys, halving, tmp_path / "text.tif", tmp_path / "out.tif"
        )

    def test_in_the_folder_of_the_model(
        self, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def line(model: Path) -> str:
            return refused(capsys, model, raw, tmp_path / "out.tif")

        other = training(tmp_path / "other", linear(1), num_residual_blocks=3)
        assert "with num_residual_blocks 3, got 1. Put both" in line(other)
        plane = training(tmp_path / "plane", linear(1, ndim=2), ndim=3)
        assert "with ndim 3, got 2" in line(plane)
        broken = training(tmp_path / "broken", linear(1))
        (broken / "weights_001_0.5.safetensors").write_bytes(b"half a file")
        assert "of another kind" in line(broken)
        bare = training(tmp_path / "bare", linear(1))
        (bare / "config.json").write_text("{}")
        assert "beside its weights, got one of another kind" in line(bare)
        (bare / "config.json").unlink()
        assert "beside its weights, got none" in line(bare)

    def test_voxels_of_another_size_than_those_of_the_training(
        self, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Of a blur in voxels the network knows one, along each axis."""
        model, out = training(tmp_path / "m", linear(1), pixel_size_um=(0.2, 0.1, 0.1)), "out.tif"
        line = refused(capsys, model, raw, tmp_path / out)
        assert f"{raw}: Expected pixels of 0.2 x 0.1 x 0.1 µm, as the network was tr" in line
        assert "got 0.3 x 0.1 x 0.1 µm. Rescale" in line
        apply(model, raw, tmp_path / out, "--any-pixel-size")

    def test_a_configuration_with_a_byte_order_mark_is_one(self, raw: Path, tmp_path: Path) -> None:
        model = training(tmp_path / "model", linear(1))
        text = (model / "config.json").read_bytes()
        (model / "config.json").write_bytes(b"\xef\xbb\xbf" + text)
        apply(model, raw, tmp_path / "out.tif")

    def test_a_folder_that_must_not_be_read(
        self, halving: Path, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Not one without weights. Root may read anything, so the refusal is imitated."""
        listed = os.listdir

        def forbidden(path: Path) -> list[str]:
            if path == halving:
                raise PermissionError(13, "Permission denied", str(path))
            return listed(path)

        monkeypatch.setattr(os, "listdir", forbidden)
        line = refused(capsys, halving, raw, tmp_path / "out.tif")
        assert f"-m: Expected a folder that can be read, got {halving}: Permission denied." in line

    def test_what_cannot_be_written_is_refused_before_the_work(
        self, halving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """A voxel size, a folder, the room on the disk."""

        def never(*_: object) -> None:
            pytest.fail("computed for nothing")

        monkeypatch.setattr(RCAN, "forward", never)
        source, out = tmp_path / "a.tif", tmp_path / "out.tif"
        huge = {"axes": "ZYX", "PhysicalSizeX": 1e6, "PhysicalSizeXUnit": "µm"}
        tifffile.imwrite(source, stack((5, 20, 20)), ome=True, metadata=huge)
        line = refused(capsys, halving, source, out)
        assert f"{source}: Expected 3 sizes for ZYX, each from 1e-5 to 1e5 µm" in line
        save(source, stack((5, 20, 20)))
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=7000))
            line = refused(capsys, halving, source, out)
            assert f"{out}: Expected room for 0.016 MB, got 0.007 MB. Make room for them" in line
        with monkeypatch.context() as patch:

            def read_only(*_: object, **__: object) -> None:
                raise PermissionError(30, "Read-only file system")

            patch.setattr("tempfile.TemporaryDirectory", read_only)
            line = refused(capsys, halving, source, out)
            assert f"-o: Expected a folder that can be written to, got {tmp_path}: Read-o" in line
        assert not list(tmp_path.glob("out*"))

    def test_results_are_kept_unless_they_shall_be_replaced(
        self, halving: Path, raw: Path, truth: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        out, table = tmp_path / "out.tif", tmp_path / "out_scores.csv"
        table.write_text("mine")
        assert f"got {table}. Choose" in refused(capsys, halving, raw, out, "-g", truth)
        apply(halving, raw, out)
        first = out.read_bytes()
        assert f"got {out} and 1 more" in refused(capsys, halving, raw, out, "-g", truth)
        assert (out.read_bytes(), table.read_text()) == (first, "mine")
        apply(halving, raw, out, "-g", truth, "--overwrite")
        assert out.read_bytes() != first
        assert len(scores_in(table)) == 1

    def test_a_full_disk(
        self, halving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A limit on the size of files stands in for the disk."""
        source, out = save(tmp_path / "raw.tif", stack((5, 100, 100))), tmp_path / "out.tif"
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        try:
            line = refused(capsys, halving, source, out)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert f"{out}: Expected to write 0.4 MB, got: " in line
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "raw.tif"]

    def test_blocks_that_do_not_fit_into_memory(
        self, halving: Path, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        def full(*_: object) -> None:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory:\n you tried")

        monkeypatch.setattr(RCAN, "forward", full)
        line = refused(capsys, halving, raw, tmp_path / "out.tif")
        assert "enough memory for (16, 28, 28) voxels at once" in line
        assert "Choose smaller blocks with -B" in line


class TestBlocks:
    @staticmethod
    def cut(ndim: int, block: tuple[int, ...], **options: object) -> dict[str, tuple[int, ...]]:
        told = {"block_shape": None, "block_overlap_shape": None, "halo": None} | options
        config = SimpleNamespace(ndim=ndim, patch_shape=lambda _: block)
        return _cut(SimpleNamespace(**told), config)

    def test_defaults_are_those_of_the_publication(self) -> None:
        cut = self.cut(3, (16, 256, 256), halo=(0, 0, 0))
        assert (cut["tile"], cut["overlap"]) == ((16, 256, 256), (2, 32, 32))
        assert len(tiles((64, 512, 512), **cut)) == 45
        assert self.cut(3, (2, 3, 480))["overlap"] == (0, 1, 60)
        assert self.cut(2, (1, 16)) == {"tile": (13, 28), "overlap": (0, 2), "halo": (6, 6)}

    @settings(max_examples=60, deadline=None)
    @given(
        image=st.tuples(*[st.integers(1, 40)] * 2),
        block=st.tuples(*[st.integers(1, 12)] * 2),
        overlap=st.tuples(*[st.integers(0, 6)] * 2),
        halo=st.tuples(*[st.integers(0, 5)] * 2),
    )
    def test_as_many_as_counted_and_no_larger_than_said(
        self, image: tuple[int, int], block: tuple[int, int], overlap: tuple[int, int],
        halo: tuple[int, int],
    ) -> None:  # fmt: skip
        overlap = tuple(min(o, b // 2) for o, b in zip(overlap, block, strict=True))
        cut, seen = self.cut(2, block, block_overlap_shape=overlap, halo=halo), []

        class Seeing(torch.nn.Identity):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                seen.extend([x.shape[2:]] * len(x))
                return x

        pixels = np.random.default_rng(0).random(image)
        np.testing.assert_allclose(predict(Seeing(), pixels, **cut), pixels, atol=1e-6)
        assert len(seen) == len(tiles(image, **cut))
        assert (np.array(seen) <= cut["tile"]).all()

    def test_no_seam_shows(self) -> None:
        """Channel attention, which sees the whole block, is held at one half."""
        torch.manual_seed(1)
        network = RCAN(channels=4, blocks=2, groups=2, reduction=4).eval()
        for module in network.modules():
            if hasattr(module, "excite"):
                torch.nn.init.zeros_(module.excite[2].weight)
        image = stack((36, 40, 40))
        scaling = Scaling(Percentile().for_image(image), None)

        def restored(*block: int, **options: tuple[int, ...]) -> np.ndarray:
            return predict(network, image, **self.cut(3, block, **options), scaling=scaling)

        whole = restored(36, 40, 40)
        span = np.ptp(whole)
        assert np.abs(restored(8, 16, 16) - whole).max() < 0.005 * span
        # As published, with zeros instead of the image around a block, they do show.
        seams = restored(8, 16, 16, halo=(0, 0, 0)) - whole
        assert np.abs(seams).max() > 0.02 * span

    @pytest.mark.parametrize("slices", [1, 2])
    def test_thin_volumes_are_never_computed_with_short_numbers(self, slices: int) -> None:
        """Where the network is deeper than the volume, PyTorch gets them wrong."""
        torch.manual_seed(0)
        network, image = RCAN(channels=4, blocks=1, groups=1, reduction=2), stack((slices, 24, 24))
        cut = self.cut(3, (16, 64, 64))
        short, long = (predict(network, image, **cut, precision=p) for p in ("bfloat16", "float32"))
        np.testing.assert_array_equal(short, long)


class TestLargeVolumes:
    """They stay in their files, and so does what is restored of them."""

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("plain", {}),
            ("imagej", {"byteorder": ">", "imagej": True}),
            ("compressed", {"compression": "zlib", "predictor": True}),
            ("tiled", {"tile": (32, 16), "compression": "lzw"}),
            ("inverted", {"photometric": "miniswhite"}),
            ("turned", {"photometric": "minisblack", "metadata": {"axes": "YXZ"}}),
        ],
    )
    def test_files_are_the_same_byte_by_byte(
        self, truth: Path, tmp_path: Path, name: str, options: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        torch.manual_seed(0)
        model = training(tmp_path / "model", RCAN(channels=2, blocks=1, groups=1, reduction=1))
        image = stack((9, 40, 33))
        stored = {"inverted": 65535 - image, "turned": np.moveaxis(image, 0, -1)}.get(name, image)
        source = tmp_path / "a.tif"
        tifffile.imwrite(source, stored, **{"metadata": {"axes": "ZYX"}} | options)
        results = []
        for large in (9 * 40 * 33, 9 * 40 * 33 - 1):
            monkeypatch.setattr("aimicro.io.large.LARGE", large)
            folder = tmp_path / str(large)
            folder.mkdir()
            apply(model, source, folder / "float.tif", "-g", truth)
            apply(model, source, folder / "16.tif", "-g", truth, "--rescale", "-b", 16)
            apply(model, source, folder / "units.tif", "--raw-units", "--restored-only")
            results.append({path.name: path.read_bytes() for path in folder.iterdir()})
        assert len(results[0]) == 5
        assert results[0] == results[1]

    @pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("out of memory")])
    def test_no_temporary_file_is_left_behind(
        self, halving: Path, tmp_path: Path, error: BaseException,
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        tifffile.imwrite(tmp_path / "a.tif", stack((5, 20, 20)), compression="zlib")
        names, during = sorted(tmp_path.iterdir()), []

        def fails(*_: object) -> None:
            during.append(sorted(tmp_path.iterdir()))
            raise error

        monkeypatch.setattr("aimicro.io.large.LARGE", 100)
        monkeypatch.setattr(RCAN, "forward", fails)
        arguments = ["-m", halving, "-i", tmp_path / "a.tif", "-o", tmp_path / "out.tif"]
        assert main(["apply", *map(str, arguments)]) == (130 if error is KeyboardInterrupt else 2)
        assert [*during, sorted(tmp_path.iterdir())] == [names, names]

    @pytest.mark.parametrize("compression", ["zlib", None])
    def test_a_full_disk(
        self, halving: Path, tmp_path: Path, compression: str | None,
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        """Of a compressed image there is no room to read it, else none for what is restored."""
        tifffile.imwrite(tmp_path / "a.tif", stack((5, 100, 100)), compression=compression)
        monkeypatch.setattr("aimicro.io.large.LARGE", 100)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, limits[1]))
        try:
            line = refused(capsys, halving, tmp_path / "a.tif", tmp_path / "out.tif")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        n_mb = 0.1 if compression else 0.2
        assert f"{tmp_path}: Expected room for {n_mb} MB that are needed for a while, got" in line
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "model"]

    @pytest.mark.long
    def test_memory_does_not_grow_with_the_planes(self, tmp_path: Path) -> None:
        """In a whole run, the kernel grants 32 MB beside the program: less than the volume.

        A block, and what the network makes of it, take 20 MB of them; so there is no room for the
        result either. Files that are mapped do not count: the kernel can drop their pages.
        """
        model = training(tmp_path / "model", linear(1), input_shape=(16, 64, 64))
        volume = np.tile(stack((16, 128, 128)).astype(np.float64), (16, 1, 1))
        source, limit = save(tmp_path / "raw.tif", volume), 32_000_000
        assert volume.nbytes > limit
        code = (
            "import re, resource, sys\n"
            "import aimicro.io.large, aimicro.cli, aimicro.cli._applying\n"
            "aimicro.io.large.LARGE = 10**6\n"
            "used = re.search(r'VmData:\\s+(\\d+) kB', open('/proc/self/status').read())[1]\n"
            f"limit = 1024 * int(used) + {limit}\n"
            "resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))\n"
            "sys.exit(aimicro.cli.main())\n"
        )
        options = ["-m", model, "-i", source, "-o", tmp_path / "out.tif", "--halo", "0,0,0"]
        run = subprocess.run(
            [sys.executable, "-c", code, "apply", *map(str, options)],
            # Nothing is kept of what is freed, and there are no threads with stacks of their own.
            env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "100000", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr[-500:]
        came = read_tiff(tmp_path / "out.tif").data[-1, 1]
        np.testing.assert_allclose(came, normalised(volume)[-1], atol=0.01)


def test_what_train_writes_can_be_applied(tmp_path: Path) -> None:
    for kind in ("raw", "gt"):
        (tmp_path / kind).mkdir()
        save(tmp_path / kind / "a.tif", stack((6, 24, 24), seed=len(kind)))
    config = {
        "training_data_dir": {kind: str(tmp_path / kind) for kind in ("raw", "gt")},
        "input_shape": [4, 16, 16],
        "num_channels": 4,
        "num_residual_blocks": 1,
        "num_residual_groups": 2,
        "channel_reduction": 2,
        "epochs": 2,
        "steps_per_epoch": 2,
        "intensity_threshold": 0,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = tmp_path / "model"
    assert main(["train", "-c", str(tmp_path / "config.json"), "-o", str(model)]) == 0
    assert json.loads((model / "config.json").read_text())["pixel_size_um"] == pytest.approx(SIZE)
    apply(model, tmp_path / "raw", tmp_path / "out", "-g", tmp_path / "gt")
    assert read_tiff(tmp_path / "out" / "a.tif").data.shape == (6, 3, 24, 24)
    (row,) = scores_in(tmp_path / "out" / "scores.csv")
    assert row["psnr_restored"] != row["psnr_raw"]


def test_help_needs_no_torch() -> None:
    code = (
        "import sys, aimicro.cli as cli\n"
        "print(cli.parser().format_help())\nsys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert "apply" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["--help"], ["apply"], ["apply", "-m", "m", "-i", "n", "-o", "o"]]
)
def test_a_closed_stderr_is_no_fault(arguments: list[str], tmp_path: Path) -> None:
    """Nor may what is told go into a file that got its number."""
    command = f"{sys.executable} -m aimicro {arguments} 2>&-"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == (0 if arguments == "--help" else 2)
    assert "Traceback" not in done.stdout


def test_a_run_with_a_closed_stderr(halving: Path, raw: Path, tmp_path: Path) -> None:
    options = f"-m {halving} -i {raw} -o {tmp_path / 'out.tif'}"
    command = f"{sys.executable} -m aimicro apply {options} >&- 2>&-"
    assert subprocess.run(["bash", "-c", command]).returncode == 0
    assert read_tiff(tmp_path / "out.tif").data.shape == (9, 2, 40, 33)
