import csv
import io
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from safetensors import safe_open
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c

import aimicro
from aimicro.cli import main
from aimicro.cli.config import TrainingConfig, config_schema
from aimicro.io import write_tiff
from aimicro.models.rcan import RCAN
from aimicro.train import Percentile, Scaling, best_weights, load_model, preparation

SMALL = {
    "input_shape": [8, 16, 16],
    "num_channels": 4,
    "num_residual_blocks": 1,
    "num_residual_groups": 2,
    "channel_reduction": 2,
    "epochs": 4,
    "steps_per_epoch": 3,
    "initial_learning_rate": 1e-3,
    "intensity_threshold": 0,
    "metrics": ["psnr", "ssim"],
    "validation_patches": 3,
    "batch_size": 2,
    "seed": 7,
}


def save_pairs(folder: Path, n: int, shape: tuple[int, ...], seed: int) -> dict[str, str]:
    """Write noisy and clean blobs, and return the folders as a configuration names them."""
    rng = np.random.default_rng(seed)
    for kind in ("raw", "gt"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for index in range(n):
        clean = rng.random(shape).astype(np.float32)
        for axis in range(clean.ndim):
            clean = (clean + np.roll(clean, 1, axis) + np.roll(clean, 2, axis)) / 3
        noisy = rng.poisson(200 * clean).astype(np.uint16)
        for kind, image in (("raw", noisy), ("gt", clean)):
            write_tiff(folder / kind / f"{index}.tif", image, axes="ZYX"[-len(shape) :])
    return {kind: (folder / kind).as_posix() for kind in ("raw", "gt")}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """More threads only wait for each other in networks as small as these."""
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The keys of a configuration that name small training and validation volumes."""
    folder = tmp_path_factory.mktemp("data")
    return {
        "training_data_dir": save_pairs(folder / "train", 3, (8, 32, 32), seed=0),
        "validation_data_dir": save_pairs(folder / "val", 2, (8, 24, 20), seed=1),
    }


def write_config(path: Path, *settings: dict[str, Any], **more: Any) -> Path:
    merged: dict[str, Any] = dict(SMALL)
    for part in (*settings, more):
        merged |= part
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({key: value for key, value in merged.items() if value != "absent"}))
    return path


def train(folder: Path, *settings: dict[str, Any], resume: bool = False, **more: Any) -> int:
    """Train into `folder`, with a configuration that lies beside it."""
    config = write_config(folder.with_name(f"{folder.name}.json"), *settings, **more)
    return main(["train", "-c", str(config), "-o", str(folder), *["--resume"][:resume]])


def table(folder: Path) -> list[dict[str, float]]:
    text = (folder / "training.csv").read_text()
    return [
        {key: float(value) for key, value in row.items()}
        for row in csv.DictReader(io.StringIO(text))
    ]


def content(folder: Path) -> dict[str, bytes]:
    """What must not depend on when and where a training ran."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.suffix in (".safetensors", ".csv", ".json")
    }


def events(file: Path) -> Iterator[Event]:
    """Read a TensorBoard file: length, checksum, event and checksum again and again."""
    data = file.read_bytes()
    while data:
        length, *_ = struct.unpack_from("<Q", data)
        for start, end in ((0, 8), (12, 12 + length)):
            (checksum,) = struct.unpack_from("<I", data, end)
            assert checksum == masked_crc32c(data[start:end])
        yield Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]


@pytest.fixture(scope="module")
def trained(data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "new" / "model"
    assert train(folder, data) == 0
    return folder


class TestThresholds:
    """Those that no patch passes stop a training, and some that fit are named."""

    @pytest.fixture
    def sparse(self, tmp_path: Path) -> dict[str, Any]:
        """Thin lines: a bright voxel in twelve."""
        folder = tmp_path / "sparse"
        for kind in ("raw", "gt"):
            (folder / kind).mkdir(parents=True)
            for k in range(2):
                image = np.random.default_rng(k).normal(100, 3, (8, 32, 32)).astype(np.float32)
                image[:, :, ::12] += 900
                write_tiff(folder / kind / f"{k}.tif", image + (kind == "raw"), axes="ZYX")
        dirs = {kind: (folder / kind).as_posix() for kind in ("raw", "gt")}
        return {"training_data_dir": dirs, "epochs": 1, "steps_per_epoch": 1}

    def test_what_is_named_works(
        self, sparse: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "out"
        assert train(folder, sparse, intensity_threshold=0.25, area_ratio_threshold=0.5) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert "got intensity_threshold 0.25 and area_ratio_threshold 0.5, which none of" in line
        assert not folder.exists() or not list(folder.iterdir())
        named = dict(re.findall(r'"(\w+_threshold)": ([\d.]+)', line))
        assert set(named) == {"area_ratio_threshold", "intensity_threshold"}
        for name, value in named.items():
            others = {"intensity_threshold": 0.25, "area_ratio_threshold": 0.5}
            # A warning, of patches that cannot be found, would be an error here.
            assert train(tmp_path / name, sparse, **others | {name: float(value)}) == 0

    def test_where_nothing_is_bright_any_patch_is_advised(
        self, sparse: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert train(tmp_path / "out", sparse, intensity_threshold=5, area_ratio_threshold=1) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert 'write "intensity_threshold": 0, which takes any patch.' in line


class TestFolder:
    def test_weights_are_kept_of_every_epoch_that_was_the_best_so_far(self, trained: Path) -> None:
        losses = [row["validation_loss"] for row in table(trained)]
        best = [n for n, loss in enumerate(losses) if loss < min(losses[:n], default=np.inf)]
        names = {f"weights_{n + 1:03d}_{losses[n]:.8f}.safetensors" for n in best}
        assert {path.name for path in trained.glob("weights*")} == names
        assert (
            best_weights(trained).name
            == f"weights_{best[-1] + 1:03d}_{min(losses):.8f}.safetensors"
        )

    def test_weights_are_loaded_and_better_than_none(
        self, trained: Path, data: dict[str, Any]
    ) -> None:
        model = load_model(best_weights(trained))
        expected = {"ndim": 3, "channels": 4, "blocks": 1, "groups": 2, "reduction": 2}
        assert model.config == expected | {"in_channels": 1, "out_channels": 1}
        assert model.scaling == Scaling(Percentile(2, 99.9), Percentile(2, 99.9))
        torch.manual_seed(7)
        untrained = RCAN(**model.config)
        raw, truth = (
            tifffile.imread(Path(data["validation_data_dir"][kind]) / "0.tif")[:, :20].astype(float)
            for kind in ("raw", "gt")
        )
        raw, truth = (
            (x - np.percentile(x, 2)) / np.ptp(np.percentile(x, [2, 99.9])) for x in (raw, truth)
        )
        with torch.no_grad():
            errors = [
                float(
                    np.abs(
                        network(torch.from_numpy(raw).float()[None, None]).numpy() - truth
                    ).mean()
                )
                for network in (model, untrained)
            ]
        assert errors[0] < errors[1]

    def test_configuration_is_complete(self, trained: Path, data: dict[str, Any]) -> None:
        written = json.loads((trained / "config.json").read_text())
        settled = {"ndim": 3, "p_min": 2.0, "p_max": 99.9, "aimicro": aimicro.__version__}
        settled["pixel_size_um"] = None  # the files do not tell
        expected = TrainingConfig.model_validate(SMALL | data).model_dump(mode="json")
        assert written == expected | settled

    def test_images_of_several_pixel_sizes_get_a_warning(self, tmp_path: Path) -> None:
        """The network may be meant to know several, so it is trained, and refuses none later."""
        folders = save_pairs(tmp_path, 2, (8, 32, 32), seed=0)
        for name, size in (("0.tif", 0.1), ("1.tif", 0.2)):
            image = tifffile.imread(Path(folders["raw"]) / name)
            write_tiff(Path(folders["raw"]) / name, image, axes="ZYX", pixel_size_um=size)
        once = {"training_data_dir": folders, "epochs": 1, "steps_per_epoch": 1}
        with pytest.warns(
            UserWarning, match=r"of one pixel size, got 0.1 x 0.1 x 0.1 µm and 0.2 x"
        ):
            assert train(tmp_path / "m", once) == 0
        assert json.loads((tmp_path / "m" / "config.json").read_text())["pixel_size_um"] is None

    def test_table_has_a_row_an_epoch(self, trained: Path) -> None:
        rows = table(trained)
        assert list(rows[0]) == [
            "epoch", "learning_rate", "training_loss", "validation_loss", "psnr", "ssim",
        ]  # fmt: skip
        assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
        assert [row["learning_rate"] for row in rows] == [1e-3, 5e-4, 2.5e-4, 1.25e-4]
        assert all(-1 < row["ssim"] < 1 for row in rows)

    def test_tensorboard_sees_what_the_table_has(self, trained: Path) -> None:
        (file,) = trained.glob("events.out.tfevents.*")
        seen: dict[int, dict[str, float]] = {}
        for event in events(file):
            for value in event.summary.value:
                seen.setdefault(event.step, {})[value.tag] = value.simple_value
        for row in table(trained):
            epoch = int(row.pop("epoch"))
            assert seen.pop(epoch) == pytest.approx(row, rel=1e-6)
        assert not seen

    def test_tensorboard_knows_the_file(self, trained: Path) -> None:
        """A reader of TensorBoard takes files with this in their name, and this first event."""
        (file,) = trained.glob("*tfevents*")
        assert next(events(file)).file_version == "brain.Event:2"

    def test_file_that_another_program_shows_does_not_end_the_training(
        self, data: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Windows forbids to replace what is open elsewhere."""
        replace = Path.replace

        def forbidden(path: Path, target: Path) -> Path:
            if target.suffix == ".csv" and not forgiven:
                raise PermissionError(13, "in use", str(target))
            return replace(path, target)

        forgiven: list[bool] = []
        monkeypatch.setattr(Path, "replace", forbidden)
        assert train(tmp_path / "m", data, epochs=2) == 0
        assert not (tmp_path / "m" / "training.csv").exists()
        forgiven.append(True)
        assert train(tmp_path / "m", data, epochs=2, resume=True) == 0
        assert len(table(tmp_path / "m")) == 2

    def test_plot_can_be_opened(self, trained: Path) -> None:
        with Image.open(trained / "training.png") as picture:
            assert np.asarray(picture.convert("L")).std() > 10

    def test_nothing_else_is_left(self, trained: Path) -> None:
        known = r"weights_\d{3}_\d\.\d{8}\.safetensors|last\.safetensors|config\.json|"
        known += r"training\.(csv|png)|events\.out\.tfevents\..*"
        assert all(re.fullmatch(known, path.name) for path in trained.iterdir())


class TestSettings:
    def test_progress_and_result(
        self, data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert train(tmp_path / "m", data, epochs=2) == 0
        out, err = capsys.readouterr()
        assert re.search(r"6/6 \[\d\d:\d\d<\d\d:\d\d.*loss=", err)  # elapsed, and time left
        best = best_weights(tmp_path / "m").name
        told = "the training finished after 2 epochs; its best weights are"
        assert out == f"{tmp_path / 'm'}: {told} {best}.\n"

    def test_without_validation_the_training_loss_decides(
        self, data: dict[str, Any], tmp_path: Path
    ) -> None:
        assert train(tmp_path / "m", data, validation_data_dir="absent", epochs=3) == 0
        rows = table(tmp_path / "m")
        assert list(rows[0]) == ["epoch", "learning_rate", "training_loss", "psnr", "ssim"]
        best = f"{min(row['training_loss'] for row in rows):.8f}"
        assert best_weights(tmp_path / "m").name.endswith(f"_{best}.safetensors")

    @pytest.mark.parametrize("shape", [(32, 32), (1, 32, 32), (2, 32, 32)])
    def test_images_and_thin_stacks_can_be_trained_on(
        self, tmp_path: Path, shape: tuple[int, ...]
    ) -> None:
        data = {"training_data_dir": save_pairs(tmp_path / "data", 2, shape, seed=3)}
        patch = [*shape[:-2], 16, 16]
        assert train(tmp_path / "m", data, input_shape=patch, epochs=1, loss="mae+ssim") == 0
        assert load_model(best_weights(tmp_path / "m")).ndim == len(shape)
        assert all(np.isfinite(list(row.values())).all() for row in table(tmp_path / "m"))

    @pytest.mark.parametrize("epochs", [1, 2, 3])
    def test_fewer_than_four_epochs(
        self, data: dict[str, Any], tmp_path: Path, epochs: int
    ) -> None:
        assert train(tmp_path / "m", data, epochs=epochs, steps_per_epoch=1) == 0
        rates = [1e-3 * 0.5**epoch for epoch in range(epochs)]
        assert [row["learning_rate"] for row in table(tmp_path / "m")] == rates

    def test_learning_rate_is_that_of_the_configuration(
        self, data: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also where the share of the steps done, as a fraction, just misses a whole epoch."""
        seen = []
        step = torch.optim.Adam.step

        def noted(optimiser: torch.optim.Adam) -> None:
            seen.append(optimiser.param_groups[0]["lr"])
            step(optimiser)

        monkeypatch.setattr(torch.optim.Adam, "step", noted)
        assert 15 / 22 * 22 < 15  # the third of the epochs from which on the rate is halved
        assert train(tmp_path / "m", data, epochs=22, steps_per_epoch=1, batch_size=1) == 0
        assert seen == pytest.approx([1e-3 * 0.5 ** (epoch // 5) for epoch in range(22)])

    def test_stops_early_if_validation_gets_no_better(
        self, data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With a truth that is upside down, each step that learns makes the validation worse."""
        save_pairs(tmp_path / "val", 1, (8, 32, 32), seed=4)
        file = tmp_path / "val" / "gt" / "0.tif"
        write_tiff(file, -tifffile.imread(file), axes="ZYX")
        upside_down = {kind: str(tmp_path / "val" / kind) for kind in ("raw", "gt")}
        settings = {"epochs": 50, "steps_per_epoch": 4, "early_stopping_patience": 2,
                    "validation_data_dir": upside_down, "initial_learning_rate": 0.01}  # fmt: skip
        assert train(tmp_path / "m", data, settings) == 0
        losses = [row["validation_loss"] for row in table(tmp_path / "m")]
        assert len(losses) == np.argmin(losses) + 3 < 50
        assert f"stopped early after {len(losses)} epochs" in capsys.readouterr().out

    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_precision_and_loss_reach_the_training(
        self, data: dict[str, Any], tmp_path: Path, precision: str
    ) -> None:
        settings = {"mixed_precision": precision, "loss": "ssim", "epochs": 1}
        assert train(tmp_path / "m", data, settings) == 0
        with safe_open(tmp_path / "m" / "last.safetensors", framework="np") as file:
            progress = json.loads(file.metadata()["aimicro"])["progress"]
        assert progress["settings"]["bfloat16"] == (precision == "bfloat16")
        assert progress["settings"]["objective"] == "ssim"

    def test_streaming_from_disk_gives_the_same_weights(
        self, trained: Path, data: dict[str, Any], tmp_path: Path
    ) -> None:
        assert train(tmp_path / "m", data, memory_limit_gb=1e-6) == 0
        ours, theirs = content(tmp_path / "m"), content(trained)
        assert ours.pop("config.json") != theirs.pop("config.json")
        assert ours == theirs

    def test_patches_are_cut_to_the_smallest_image(
        self, data: dict[str, Any], tmp_path: Path
    ) -> None:
        with pytest.warns(UserWarning, match=r"input_shape \[16, 48, 40\] cut to \[8, 32, 32\], s"):
            assert train(tmp_path / "m", data, input_shape=[16, 48, 40], epochs=1) == 0
        assert json.loads((tmp_path / "m" / "config.json").read_text())["input_shape"] == [
            8,
            32,
            32,
        ]

    def test_configuration_of_a_training_can_be_used_for_another(
        self, trained: Path, tmp_path: Path
    ) -> None:
        arguments = ["-c", str(trained / "config.json"), "-o", str(tmp_path / "again")]
        assert main(["train", *arguments]) == 0
        assert content(tmp_path / "again") == content(trained)

    def test_schema_is_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            main(["train", "--schema"])
        assert caught.value.code == 0
        assert json.loads(capsys.readouterr().out) == config_schema()

    def test_schema_may_be_cut_by_its_reader(self) -> None:
        command = f"{sys.executable} -m aimicro train --schema | true"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        assert done.stderr == ""


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("aimicro train: ")
    return line.removeprefix("aimicro train: ")


class TestExistingTraining:
    def test_is_kept(
        self, trained: Path, data: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = {path.name: path.read_bytes() for path in trained.iterdir()}
        assert train(trained, data) == 2
        assert re.search("Expected no training in .*--resume.*another -o", complaint(capsys))
        assert {path.name: path.read_bytes() for path in trained.iterdir()} == before

    def test_weights_alone_are_a_training_too(
        self, data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "m"
        folder.mkdir()
        (folder / "weights_001_0.10000000.safetensors").touch()
        assert train(folder, data) == 2
        assert "got weights_001_0.10000000.safetensors" in complaint(capsys)
        assert train(folder, data, resume=True) == 2
        assert "config.json: Expected the configuration that aimicro train wrote" in complaint(
            capsys
        )

    def test_is_not_resumed_with_other_settings(
        self, trained: Path, data: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = content(trained)
        assert train(trained, data, resume=True, epochs=5, loss="mse") == 2
        assert "began, got epochs 5, was 4; loss mse, was mae. Resume with" in complaint(capsys)
        assert content(trained) == before

    def test_is_not_resumed_without_its_latest_state(
        self, trained: Path, data: dict[str, Any], tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        """It would begin at epoch 1, over the old table."""
        folder = shutil.copytree(trained, tmp_path / "m")
        (folder / "last.safetensors").unlink()
        before = content(folder)
        assert train(folder, data, resume=True) == 2
        assert "Expected last.safetensors to go on from, got none" in complaint(capsys)
        assert content(folder) == before

    def test_is_resumed_with_the_same_images_elsewhere(
        self, data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert train(tmp_path / "m", data, epochs=2) == 0
        before = content(tmp_path / "m")
        moved = {}
        for key, folders in data.items():
            for kind, folder in folders.items():
                copy = shutil.copytree(folder, tmp_path / key / kind)
                moved.setdefault(key, {})[kind] = str(copy)
        assert train(tmp_path / "m", moved, epochs=2, resume=True) == 0
        assert content(tmp_path / "m") == before

    @pytest.mark.parametrize("native", [True, False])
    def test_is_resumed_on_a_machine_with_other_short_numbers(
        self, data: dict[str, Any], tmp_path: Path, native: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(preparation, "native_bfloat16", lambda _: native)
        assert train(tmp_path / "m", data, epochs=2) == 0
        before = content(tmp_path / "m")
        monkeypatch.setattr(preparation, "native_bfloat16", lambda _: not native)
        slow = pytest.warns(RuntimeWarning, match="goes on in bfloat16, as it began")
        with slow if native else nullcontext():
            assert train(tmp_path / "m", data, epochs=2, resume=True) == 0
        assert content(tmp_path / "m") == before

    def test_is_not_resumed_with_other_images_under_the_same_name(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        data = {"training_data_dir": save_pairs(tmp_path / "data", 2, (8, 32, 32), seed=0)}
        assert train(tmp_path / "m", data, epochs=2) == 0
        before = content(tmp_path / "m")
        save_pairs(tmp_path / "data", 2, (8, 32, 32), seed=1)
        capsys.readouterr()
        assert train(tmp_path / "m", data, epochs=2, resume=True) == 2
        assert "last.safetensors: " in complaint(capsys)
        assert content(tmp_path / "m") == before

    def test_that_is_finished_says_so(
        self, trained: Path, data: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = content(trained)
        # The limit of memory changes no number, so it may differ.
        assert train(trained, data, resume=True, memory_limit_gb=1.0) == 0
        assert "the training was finished already, after 4 epochs" in capsys.readouterr().out
        assert content(trained) == before

    def test_is_not_resumed_where_there_is_none_but_begun(
        self, trained: Path, data: dict[str, Any], tmp_path: Path
    ) -> None:
        """So a job that is always started with --resume runs whenever it was killed."""
        assert train(tmp_path / "m", data, resume=True) == 0
        assert content(tmp_path / "m") == content(trained)

    def test_other_files_of_the_reader_do_not_matter(
        self, data: dict[str, Any], tmp_path: Path
    ) -> None:
        (tmp_path / "m").mkdir()
        (tmp_path / "m" / "notes.txt").write_text("mine")
        assert train(tmp_path / "m", data, epochs=1) == 0
        assert (tmp_path / "m" / "notes.txt").read_text() == "mine"


class TestBadInput:
    """Each gets one line and exit status 2, and nothing is written."""

    @pytest.fixture
    def refused(
        self, data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> Callable[..., str]:
        def refused(**settings: Any) -> str:
            assert train(tmp_path / "model", data, **settings) == 2
            assert not list(tmp_path.glob("model/*"))
            return complaint(capsys)

        return refused

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"training_data_dir": {"raw": "no", "gt": "no"}}, "got 'no', which does not exist"),
            ({"epoch": 3}, r'Expected a known key, got "epoch"\. The nearest is epochs'),
            ({"training_data_dir": {"raw": "x"}}, "gt: Expected a path, got nothing"),
            ({"input_shape": [16, 16]}, r"input_shape: Expected 3 numbers .*, got \[16, 16\]"),
            ({"validation_data_dir": "absent", "early_stopping_patience": 2},
             "early_stopping_patience: Expected validation images to judge by, got none. Add"),
            ({"input_shape": [8, 16, 24]},
             r'got \[8, 16, 24\]\. Write "input_shape": \[8, 16, 16\], or "data_augmentation": f'),
            ({"num_channels": 2_000_000}, r"fit into memory, got: .* Choose a smaller input_shape"),
        ],
    )  # fmt: skip
    def test_settings(
        self, refused: Callable[..., str], settings: dict[str, Any], message: str
    ) -> None:
        assert re.search(message, refused(**settings))

    def test_labels_are_no_truth_to_restore(
        self, refused: Callable[..., str], tmp_path: Path
    ) -> None:
        """The network would learn their numbers."""
        folders = save_pairs(tmp_path / "labelled", 2, (32, 32), seed=5)
        labels = np.zeros((32, 32), np.uint16)
        for number, corner in enumerate([(1, 2), (3, 18), (14, 5), (20, 20)], start=3):
            labels[tuple(slice(start, start + 10) for start in corner)] = number
        for index in range(2):
            write_tiff(Path(folders["gt"], f"{index}.tif"), labels, axes="YX")
        told = refused(
            training_data_dir=folders, validation_data_dir="absent", input_shape=[16, 16]
        )
        assert "gt/0.tif: Expected intensities" in told
        assert "labels" in told

    def test_extreme_pixels_are_told_with_their_file(
        self, data: dict[str, Any], tmp_path: Path
    ) -> None:
        """And do no harm: they mark missing data, or a dead line of a sensor."""
        folders = save_pairs(tmp_path / "data", 2, (8, 32, 32), seed=5)
        for kind in ("raw", "gt"):
            file = Path(folders[kind], "1.tif")
            image = tifffile.imread(file).astype(np.float32)
            image[2, 3, 4] = 1e9
            write_tiff(file, image, axes="ZYX")
        with pytest.warns(RuntimeWarning, match=r"1.tif: 1 of 8192 pixels lie far") as caught:
            assert train(tmp_path / "m", data, training_data_dir=folders) == 0
        assert len(caught) == 2
        assert max(row["training_loss"] for row in table(tmp_path / "m")) < 2

    def test_images_that_are_trained_on_do_not_judge(
        self, refused: Callable[..., str], data: dict[str, Any]
    ) -> None:
        told = refused(validation_data_dir=data["training_data_dir"])
        assert "Expected validation images that are not trained on, got 3 that are" in told
        raw = data["training_data_dir"]["raw"]
        told = refused(training_data_dir={"raw": raw, "gt": raw})
        assert "Expected raw images and their truth, got 3 that are their own truth" in told

    def test_pairs_whose_names_tell_that_they_are_none(
        self, refused: Callable[..., str], data: dict[str, Any], tmp_path: Path
    ) -> None:
        folders = save_pairs(tmp_path / "shifted", 3, (8, 32, 32), seed=5)
        Path(folders["gt"], "0.tif").rename(Path(folders["gt"], "3.tif"))
        told = refused(training_data_dir=folders)
        assert "got 3 of 3 with different ones: 0.tif with 1.tif, 1.tif with 2.tif" in told
        settings = {"training_data_dir": folders, "pair_by_order": True, "epochs": 1}
        assert train(tmp_path / "m", data, settings) == 0

    def test_folder_without_tiff(self, refused: Callable[..., str], tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        folders = {kind: str(tmp_path / "empty") for kind in ("raw", "gt")}
        assert "Expected images ending in .tif or .tiff, got none" in refused(
            training_data_dir=folders
        )

    def test_different_counts(
        self, refused: Callable[..., str], data: dict[str, Any], tmp_path: Path
    ) -> None:
        folders = data["training_data_dir"] | {
            "gt": save_pairs(tmp_path / "few", 2, (8, 32, 32), seed=5)["gt"]
        }
        assert "Expected as many raw as true images, got 3 in" in refused(training_data_dir=folders)

    def test_images_of_a_pair_differ_in_shape(
        self, refused: Callable[..., str], data: dict[str, Any], tmp_path: Path
    ) -> None:
        folders = data["training_data_dir"] | {
            "gt": save_pairs(tmp_path / "wide", 3, (8, 32, 33), seed=5)["gt"]
        }
        told = refused(training_data_dir=folders)
        for kind, shape in (("raw", "(8, 32, 32)"), ("gt", "(8, 32, 33)")):
            assert f"{Path(folders[kind], '0.tif')} with {shape}" in told

    def test_images_and_volumes_are_mixed(
        self, refused: Callable[..., str], tmp_path: Path
    ) -> None:
        save_pairs(tmp_path / "mixed", 2, (8, 32, 32), seed=5)
        folders = save_pairs(tmp_path / "mixed", 1, (32, 32), seed=5)
        told = refused(training_data_dir=folders)
        assert "Expected either images (Y, X) or volumes (Z, Y, X)" in told
        assert "Expected validation images with 3 axes like the training images, got" in refused(
            validation_data_dir=save_pairs(tmp_path / "flat", 1, (32, 32), seed=5)
        )

    @pytest.mark.parametrize("key", ["training_data_dir", "validation_data_dir"])
    def test_smallest_image_makes_patches_that_cannot_be_turned(
        self, refused: Callable[..., str], tmp_path: Path, key: str, data: dict[str, Any]
    ) -> None:
        narrow = save_pairs(tmp_path / "narrow", 1, (8, 32, 12), seed=5)
        if key == "validation_data_dir":  # validation patches are not turned
            assert train(tmp_path / "m", data, validation_data_dir=narrow, epochs=1) == 0
            return
        told = refused(training_data_dir=narrow)
        assert told == (
            "input_shape: Expected patches as wide as high to turn them, got input_shape "
            "[8, 16, 16] cut to [8, 16, 12], since the smallest image is (8, 32, 12). Write "
            '"input_shape": [8, 12, 12], or "data_augmentation": false.'
        )

    @pytest.mark.parametrize(
        ("image", "options", "message"),
        [
            (np.zeros((32, 32, 3), np.uint8), {"photometric": "rgb"}, "got YXS (32, 32, 3)"),
            (np.zeros((2, 8, 32, 32), np.uint8), {"ome": True, "metadata": {"axes": "CZYX"}},
             "got CZYX (2, 8, 32, 32)"),
            (np.zeros((8, 32, 32), np.uint8), {"imagej": True, "metadata": {"axes": "TYX"}},
             "got TYX (8, 32, 32). Save each channel and time point as a file of its own"),
            (np.zeros((2, 8, 32, 32), np.uint8), {}, "got QQYX (2, 8, 32, 32)"),
            (np.full((8, 32, 32), np.nan, np.float32), {}, "got 8192 of 8192 NaN or infinite"),
            (np.zeros((8, 32, 32), complex), {}, "Expected real numbers"),
        ],
    )  # fmt: skip
    def test_images_that_are_no_volumes_of_intensities(
        self,
        refused: Callable[..., str],
        tmp_path: Path,
        image: np.ndarray,
        options: dict[str, Any],
        message: str,
    ) -> None:
        folders = save_pairs(tmp_path / "bad", 1, (8, 32, 32), seed=5)
        for kind in ("raw", "gt"):
            tifffile.imwrite(Path(folders[kind]) / "bad.tif", image, **options)
        told = refused(training_data_dir=folders)
        assert message in told
        assert "bad.tif: Expected" in told

    def test_all_images_are_constant(self, refused: Callable[..., str], tmp_path: Path) -> None:
        folders = save_pairs(tmp_path / "flat", 1, (8, 32, 32), seed=5)
        write_tiff(Path(folders["gt"]) / "0.tif", np.full((8, 32, 32), 7.0), axes="ZYX")
        told = refused(training_data_dir=folders)
        assert "Expected true images with structure, got 1 in which all pixels are the same" in told

    def test_output_that_is_a_file(
        self, data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "model").write_text("mine")
        assert train(tmp_path / "model", data) == 2
        assert "File exists" in complaint(capsys)
        assert (tmp_path / "model").read_text() == "mine"

    def test_output_folder_that_holds_the_configuration(
        self, data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The complete configuration would take its place."""
        config = write_config(tmp_path / "config.json", data)
        before = config.read_bytes()
        arguments = ["train", "-c", str(config), "-o", str(tmp_path)]
        assert main(arguments) == 2
        assert "got config.json. Add --resume to go on with it, or" in complaint(capsys)
        assert main([*arguments, "--resume"]) == 2
        assert (
            "aimicro train wrote beside its weights, got one of another kind. Choose"
            in complaint(capsys)
        )
        assert config.read_bytes() == before

    def test_training_that_diverges(
        self, data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert train(tmp_path / "model", data, initial_learning_rate=1e30, epochs=9) == 2
        *_, last = capsys.readouterr().err.splitlines()
        assert re.search("aimicro train: Expected a finite loss.* Lower the learning_rate", last)

    @pytest.mark.parametrize("missing", ["-c", "-o"])
    def test_options_that_are_missing(
        self, missing: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as caught:
            main(["train", *{"-c": ["-o", "x"], "-o": ["-c", "x"]}[missing]])
        assert caught.value.code == 2
        assert f"are required: {missing}/" in complaint(capsys)


CHILDREN = """
    import json, os, resource, signal, sys, threading, time
    from pathlib import Path
    from tqdm import tqdm
    from aimicro.cli import main

    def train(folder):
        return main(["train", "-c", sys.argv[1], "-o", str(folder), "--resume"])

    def started(folder, file_size=None):
        pid = os.fork()
        if pid:
            return pid
        # tqdm's own lock is shared by all children, and one that is killed may hold it for ever.
        tqdm.set_lock(threading.RLock())
        if file_size:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
        os._exit(train(folder))

    def ended(pid):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def changed(path):
        return path.stat().st_mtime_ns if path.exists() else 0

    whole, killed, full = (Path(sys.argv[2], name) for name in ("whole", "killed", "full"))
    # In this process, so that the children find PyTorch loaded.
    status = {"whole": [train(whole)], "killed": [], "full": []}
    for epochs, delay in ((0, 0.0), (1, 0.0), (2, 0.02), (2, 0.04), (1, 0.06)):
        pid = started(killed)
        while not (killed / "config.json").exists():
            time.sleep(0.001)
        for _ in range(epochs):
            before = changed(killed / "last.safetensors")
            while changed(killed / "last.safetensors") == before:
                time.sleep(0.001)
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        status["killed"].append(ended(pid))
    status["killed"].append(ended(started(killed)))
    for file_size in (20_000, None):
        status["full"].append(ended(started(full, file_size)))
    print(json.dumps(status))
"""


Ran = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def ran(data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Train once in peace, once killed five times, and once on a disk that is full."""
    folder = tmp_path_factory.mktemp("interrupted")
    config = write_config(folder / "config.json", data, epochs=12, input_shape=[16, 16, 16])
    command = [sys.executable, "-c", textwrap.dedent(CHILDREN), str(config), str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    return folder, done


def test_warnings_take_one_line(ran: Ran) -> None:
    first = ran[1].stderr.splitlines()[0]
    told = "input_shape [16, 16, 16] cut to [8, 16, 16], since the smallest image is (8, 32, 32)."
    assert first == f"aimicro train: warning: {told}"


class TestInterruption:
    def test_killed_training_ends_with_the_same_weights(self, ran: Ran) -> None:
        folder, done = ran
        status = json.loads(done.stdout.splitlines()[-1])
        assert status["whole"] == [0]
        assert status["killed"] == [-signal.SIGKILL] * 5 + [0]
        assert content(folder / "killed") == content(folder / "whole")

    def test_table_has_neither_gaps_nor_doubles(self, ran: Ran) -> None:
        folder, _ = ran
        assert [row["epoch"] for row in table(folder / "killed")] == list(range(1, 13))

    def test_tensorboard_hides_what_was_noted_twice(self, ran: Ran) -> None:
        """An event that starts a session hides all earlier ones of its step and later."""
        folder, _ = ran
        seen: dict[int, dict[str, float]] = {}
        for file in sorted((folder / "killed").glob("events*")):
            for event in events(file):
                if event.session_log.status == SessionLog.START:
                    seen = {step: tags for step, tags in seen.items() if step < event.step}
                for value in event.summary.value:
                    assert value.tag not in seen.setdefault(event.step, {})
                    seen[event.step][value.tag] = value.simple_value
        assert sorted(seen) == list(range(1, 13))

    def test_full_disk_is_told_in_one_line_and_nothing_is_lost(self, ran: Ran) -> None:
        folder, done = ran
        status = json.loads(done.stdout.splitlines()[-1])
        assert status["full"] == [2, 0]
        (told,) = [line for line in done.stderr.splitlines() if "Expected" in line]
        assert told == (
            f"aimicro train: {folder / 'full'}: Expected room on the disk, got 'File too large'. "
            "Make room and go on with --resume: what was written before is whole."
        )
        assert "Traceback" not in done.stderr
        assert content(folder / "full") == content(folder / "whole")


def test_other_commands_start_without_torch() -> None:
    code = """
        import sys
        from aimicro.cli import main
        for arguments in (["--version"], ["train", "--help"], ["train", "--schema"]):
            try:
                main(arguments)
            except SystemExit as end:
                assert end.code == 0
        assert main(["simulate", "--task", "denoise", "-n", "1", "-o", "x"]) == 2
        sys.exit("torch" in sys.modules)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(command, capture_output=True).returncode == 0
