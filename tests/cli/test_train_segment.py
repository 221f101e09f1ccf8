"""``aimicro train`` with labels as the truth."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from aimicro.cli import main
from aimicro.cli.config import SegmentationConfig, TrainingConfig, config_schema, read_config
from aimicro.io import write_tiff
from aimicro.models import StarDist, UNet
from aimicro.train import Percentile, Scaling, best_weights, load_model

SMALL = {
    "task": "segment", "input_shape": [16, 16], "num_channels": 2, "depth": 1, "epochs": 3,
    "steps_per_epoch": 2, "batch_size": 2, "validation_patches": 2, "seed": 3,
}  # fmt: skip
CHANNELS = {"unet": 3, "stardist": 9, "cellpose": 3}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """More threads only wait for each other in networks as small as these."""
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)


def squares(shape: tuple[int, ...] = (32, 40), *, seed: int = 0) -> np.ndarray:
    """Labels of touching and of lone squares, with gaps between the ids."""
    labels = np.zeros(shape, np.uint16)
    shift = seed % 4
    for number, (y, x) in enumerate([(2, 2), (2, 9), (18, 5), (15, 24)], start=1):
        labels[..., y + shift : y + shift + 7, x : x + 7] = 3 * number
    return labels


def recorded(labels: np.ndarray, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.poisson(50 + 100 * (labels > 0)).astype(np.uint16)


def save_pairs(
    folder: Path, n: int, *, seed: int = 0, shape: tuple[int, ...] = (32, 40)
) -> dict[str, str]:
    for index in range(n):
        labels = squares(shape, seed=seed + index)
        for kind, image in (("raw", recorded(labels, seed=seed + index)), ("gt", labels)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            write_tiff(folder / kind / f"{index}.tif", image, axes="ZYX"[-len(shape) :])
    return {kind: str(folder / kind) for kind in ("raw", "gt")}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("data")
    return {
        "training_data_dir": save_pairs(folder / "train", 2),
        "validation_data_dir": save_pairs(folder / "val", 1, seed=5),
    }


def train(folder: Path, *settings: dict[str, Any], options: tuple[str, ...] = (), **more) -> int:
    merged = dict(SMALL)
    for part in (*settings, more):
        merged |= part
    config = folder.with_name(f"{folder.name}.json")
    config.write_text(json.dumps({k: v for k, v in merged.items() if v != "absent"}))
    return main(["train", "-c", str(config), "-o", str(folder), *options])


def weights(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


class TestMethods:
    @pytest.mark.parametrize("method", CHANNELS)
    def test_networks_are_stored_with_all_that_segmenting_needs(
        self, data: dict[str, Any], tmp_path: Path, method: str
    ) -> None:
        assert train(tmp_path / "m", data, method=method, n_rays=8) == 0
        network = load_model(best_weights(tmp_path / "m"))
        assert isinstance(network, UNet)
        assert network.out_channels == CHANNELS[method]
        assert network.scaling == Scaling(Percentile(1, 99.8), None)
        told = json.loads((tmp_path / "m" / "config.json").read_text())
        losses = {"unet": "cross_entropy"}
        assert (told["task"], told["method"], told["n_rays"]) == ("segment", method, 8)
        assert (told["loss"], told["ndim"]) == (losses.get(method, method), 2)
        assert (told["p_min"], told["p_max"]) == (1, 99.8)

    def test_rays_begin_at_the_radius_of_a_typical_object(
        self, data: dict[str, Any], tmp_path: Path
    ) -> None:
        """Squares of 7 pixels are as large as discs with a radius of 7 / sqrt(pi)."""
        for name, given, expected in (("m", None, 3.95), ("told", 6.5, 6.5)):
            settings = {"method": "stardist", "n_rays": 8, "ray_px": given, "epochs": 1}
            assert train(tmp_path / name, data, settings) == 0
            network = load_model(best_weights(tmp_path / name))
            assert isinstance(network, StarDist)
            assert network.ray_px == expected
            assert json.loads((tmp_path / name / "config.json").read_text())["ray_px"] == expected

    def test_what_was_trained_as_stardist_segments(
        self, data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With the record of its own training, and no other."""
        assert train(tmp_path / "m", data, method="stardist", n_rays=8, epochs=1) == 0
        raw = str(Path(data["training_data_dir"]["raw"]) / "0.tif")
        command = ["segment", "-m", str(tmp_path / "m"), "-i", raw, "--pixel-size", "1", "-o"]
        assert main([*command, str(tmp_path / "labels.tif")]) == 0
        assert tifffile.imread(tmp_path / "labels.tif").shape == (32, 40)
        record = tmp_path / "m" / "config.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | {"ray_px": 9.5}))
        assert main([*command, str(tmp_path / "again.tif")]) == 2
        assert "with ray_px 9.5, got 3.95" in capsys.readouterr().err

    @pytest.mark.parametrize("loss", ["auto", "dice", "bce+dice", "focal", "tversky"])
    def test_masks_are_learned_with_losses_of_masks(
        self, data: dict[str, Any], tmp_path: Path, loss: str
    ) -> None:
        assert train(tmp_path / "m", data, borders=0, loss=loss, epochs=1) == 0
        assert load_model(best_weights(tmp_path / "m")).out_channels == 1
        told = json.loads((tmp_path / "m" / "config.json").read_text())
        assert told["loss"] == ("bce" if loss == "auto" else loss)

    def test_learning_lowers_the_loss(self, data: dict[str, Any], tmp_path: Path) -> None:
        """A network that learned nothing says a third for each of three classes: ln 3."""
        settings = {"epochs": 4, "steps_per_epoch": 15, "initial_learning_rate": 1e-2}
        assert train(tmp_path / "m", data, settings, num_channels=4) == 0
        loss = float(best_weights(tmp_path / "m").stem.rpartition("_")[2])
        assert loss < 0.75 * np.log(3)

    def test_volumes(self, tmp_path: Path) -> None:
        folders = save_pairs(tmp_path / "data", 2, shape=(6, 32, 40))
        with pytest.warns(UserWarning, match=r"\[7, 16, 16\] cut to \[6, 16, 16\], since the smal"):
            assert train(tmp_path / "m", training_data_dir=folders, input_shape=[7, 16, 16]) == 0
        assert load_model(best_weights(tmp_path / "m")).ndim == 3

    def test_patches_are_cut_to_what_the_network_can_halve(
        self, data: dict[str, Any], tmp_path: Path
    ) -> None:
        with pytest.warns(UserWarning, match=r"\[18, 18\] cut to \[16, 16\], a multiple of 4 that"):
            assert train(tmp_path / "m", data, input_shape=[18, 18], depth=2, epochs=1) == 0

    def test_float_labels_are_labels_if_they_are_whole(
        self, data: dict[str, Any], tmp_path: Path
    ) -> None:
        """MorphoLibJ stores them so."""
        folders = save_pairs(tmp_path / "data", 2)
        for file in Path(folders["gt"]).iterdir():
            write_tiff(file, tifffile.imread(file).astype(np.float32), axes="YX")
        for name, where in (("a", data), ("b", data | {"training_data_dir": folders})):
            assert train(tmp_path / name, where, method="stardist", n_rays=8) == 0
        assert weights(tmp_path / "a").keys() == weights(tmp_path / "b").keys()

    def test_more_ids_than_16_bits_hold(self, data: dict[str, Any], tmp_path: Path) -> None:
        folders = save_pairs(tmp_path / "data", 2)
        for file in Path(folders["gt"]).iterdir():
            labels = tifffile.imread(file).astype(np.uint32)
            write_tiff(file, np.where(labels > 0, labels + 2**16, 0).astype(np.uint32), axes="YX")
        for name, where in (("a", data), ("b", data | {"training_data_dir": folders})):
            assert train(tmp_path / name, where, method="cellpose") == 0
        assert weights(tmp_path / "a").keys() == weights(tmp_path / "b").keys()


class TestTask:
    def test_option_supplies_the_task_or_agrees(
        self, data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        option = ("--task", "segment")
        assert train(tmp_path / "told", data, epochs=1) == 0
        assert train(tmp_path / "given", data, task="absent", epochs=1, options=option) == 0
        assert train(tmp_path / "both", data, epochs=1, options=option) == 0
        assert weights(tmp_path / "told") == weights(tmp_path / "given")
        assert weights(tmp_path / "told") == weights(tmp_path / "both")
        capsys.readouterr()
        assert train(tmp_path / "no", data, options=("--task", "restore")) == 2
        line = capsys.readouterr().err
        assert 'Expected "task": "restore", as --task says, got "segment". Leave' in line
        complete = str(tmp_path / "told" / "config.json")
        arguments = ["train", "-c", complete, "-o", str(tmp_path / "no"), "--task", "restore"]
        assert main(arguments) == 2
        assert 'as --task says, got "segment"' in capsys.readouterr().err

    def test_configuration_of_a_training_can_be_used_for_another(
        self, data: dict[str, Any], tmp_path: Path
    ) -> None:
        assert train(tmp_path / "m", data, epochs=1) == 0
        again = ["-c", str(tmp_path / "m" / "config.json"), "-o", str(tmp_path / "again")]
        assert main(["train", *again]) == 0
        assert weights(tmp_path / "again") == weights(tmp_path / "m")

    def test_schema_tells_both(self, json_schema: Any, capsys: pytest.CaptureFixture[str]) -> None:
        for task, model in (("restore", TrainingConfig), ("segment", SegmentationConfig)):
            with pytest.raises(SystemExit):
                main(["train", "--schema", task])
            schema = json.loads(capsys.readouterr().out)
            assert schema == config_schema(task)
            assert schema["properties"].keys() == model.model_fields.keys()
            json_schema.check_schema(schema)
            for key, entry in schema["properties"].items():
                assert len(entry["description"]) > 10, key

    def test_file_chooses(self, tmp_path: Path) -> None:
        folders = {"training_data_dir": {"raw": "raw", "gt": "gt"}}
        file = tmp_path / "a.json"
        file.write_text(json.dumps(folders | {"task": "segment"}))
        assert isinstance(read_config(file), SegmentationConfig)
        file.write_text(json.dumps(folders))
        assert isinstance(read_config(file), TrainingConfig)
        assert isinstance(read_config(file, task="segment"), SegmentationConfig)


class TestInterruption:
    def test_goes_on_with_the_same_weights(
        self, data: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert train(tmp_path / "whole", data, method="stardist", n_rays=8) == 0
        step, n_steps = torch.optim.Adam.step, []

        def interrupted(optimiser: torch.optim.Adam) -> None:
            n_steps.append(1)
            if len(n_steps) == 4:  # within the second epoch
                raise KeyboardInterrupt
            step(optimiser)

        monkeypatch.setattr(torch.optim.Adam, "step", interrupted)
        assert train(tmp_path / "m", data, method="stardist", n_rays=8) == 130
        monkeypatch.undo()
        resume = ("--resume",)
        assert train(tmp_path / "m", data, method="stardist", n_rays=8, options=resume) == 0
        assert weights(tmp_path / "m") == weights(tmp_path / "whole")

    def test_is_not_resumed_as_another_method_or_task(
        self, data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert train(tmp_path / "m", data, epochs=1) == 0
        resume = ("--resume",)
        assert train(tmp_path / "m", data, method="cellpose", epochs=1, options=resume) == 2
        assert "got method cellpose, was unet; loss cellpose, was cross_ent" in (
            capsys.readouterr().err
        )
        keys = {"task": "restore", "epochs": 1, "depth": "absent", "num_channels": 8}
        assert train(tmp_path / "m", data, keys, options=resume) == 2
        assert "began, got task restore, was segment. Resume" in capsys.readouterr().err


class TestBadInput:
    """Each gets one line and exit status 2, and nothing is written."""

    @pytest.fixture
    def refused(
        self, data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> Callable[..., str]:
        def refused(*settings: dict[str, Any], **more: Any) -> str:
            assert train(tmp_path / "model", data, *settings, **more) == 2
            assert not list(tmp_path.glob("model/*"))
            (line,) = capsys.readouterr().err.splitlines()
            return line

        return refused

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"task": "segmnt"}, "task as one of restore, segment, got 'segmnt'. Did you mean"),
            ({"method": "Stardist"}, "method: Expected 'unet', 'stardist' or 'cellpose', got"),
            ({"n_rays": 2}, "n_rays: Expected 3 or more, got 2"),
            ({"ray_px": 0}, "ray_px: Expected more than 0, got 0"),
            ({"borders": -1}, "borders: Expected 0 or more, got -1"),
            ({"p_min": 99, "p_max": 2}, "Expected p_min below p_max, got 99 and 2"),
            ({"loss": "bce"}, 'of cross_entropy for "method": "unet" with "borders": 2, got bce'),
            ({"method": "stardist", "loss": "dice"}, 'of stardist for "method": "stardist", got'),
            ({"num_residual_blocks": 3}, 'a known key, got "num_residual_blocks"'),
            ({"depth": 6, "input_shape": [64, 64]}, "at least 64 pixels .* smallest is .32, 40."),
        ],
    )
    def test_settings(
        self, refused: Callable[..., str], settings: dict[str, Any], message: str
    ) -> None:
        assert re.search(message, refused(settings))

    @pytest.mark.parametrize(
        ("labels", "options", "message"),
        [
            (squares() + np.float32(0.5), {}, "Expected labels as labels, whole numbers, got flo"),
            (np.float32(2**24) * squares(), {}, "Expected labels as labels, whole numbers, got fl"),
            (np.zeros((32, 40, 3), np.uint8), {"photometric": "rgb"}, "neither colours nor a chan"),
            (squares() == np.array([3, 6, 9])[:, None, None], {"photometric": "minisblack"},
             "neither colours nor a channel for each object"),
            (np.stack([squares()] * 2), {"imagej": True, "metadata": {"axes": "CYX"}},
             "got CYX .* neither colours nor a channel"),
            (-squares().astype(np.int16), {}, "labels from 0 .background. up, got -12"),
            (squares((32, 41)), {}, r"of the shape of .*, \(32, 40\), got \(32, 41\)\. Check"),
        ],
    )  # fmt: skip
    def test_what_are_no_labels(
        self, refused: Callable[..., str], tmp_path: Path, labels: np.ndarray,
        options: dict[str, Any], message: str,
    ) -> None:  # fmt: skip
        folders = save_pairs(tmp_path / "data", 2)
        kind = np.uint8 if labels.dtype == bool else labels.dtype
        tifffile.imwrite(Path(folders["gt"], "1.tif"), labels.astype(kind), **options)
        line = refused(training_data_dir=folders, input_shape=[16, 16])
        assert re.search(message, line)
        assert "1.tif" in line

    def test_masks(self, refused: Callable[..., str], tmp_path: Path, data: dict[str, Any]) -> None:
        folders = save_pairs(tmp_path / "data", 2)
        for file in Path(folders["gt"]).iterdir():
            write_tiff(file, ((tifffile.imread(file) > 0) * 255).astype(np.uint8), axes="YX")
        line = refused(training_data_dir=folders)
        assert "Expected a number for each object, got one for all 3 pieces, as in a mask" in line
        settings = {"training_data_dir": folders, "validation_data_dir": "absent", "borders": 0}
        assert train(tmp_path / "m", data, settings, epochs=1) == 0

    def test_no_objects(self, refused: Callable[..., str], tmp_path: Path) -> None:
        folders = save_pairs(tmp_path / "data", 2)
        for file in Path(folders["gt"]).iterdir():
            write_tiff(file, np.zeros((32, 40), np.uint16), axes="YX")
        line = refused(training_data_dir=folders)
        assert "Expected objects in the label images, got none in all 2" in line

    def test_volumes_for_methods_of_images(
        self, refused: Callable[..., str], tmp_path: Path
    ) -> None:
        folders = save_pairs(tmp_path / "data", 1, shape=(6, 32, 40))
        settings = {"training_data_dir": folders, "validation_data_dir": "absent"}
        line = refused(settings, input_shape=[4, 16, 16], method="stardist")
        assert 'method: Expected "unet" for volumes, got "stardist"' in line

    def test_labels_that_were_meant_for_this_task(
        self, refused: Callable[..., str], data: dict[str, Any]
    ) -> None:
        line = refused(task="restore", num_channels=8, depth="absent")
        assert "looks like labels" in line
        assert 'write "task": "segment" into the configuration' in line
