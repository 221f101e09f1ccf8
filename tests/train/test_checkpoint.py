import json
import os
import pickle
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from aimicro.models import UNet
from aimicro.predict import predict
from aimicro.train import CheckpointError, Linear, Scaling, best_weights, load_model, save_model


class OtherNet(UNet):
    """Another architecture with the same arguments."""


def trained() -> UNet:
    torch.manual_seed(0)
    network = UNet(channels=4, depth=1)
    network.scaling = Scaling(Linear(100, 30))
    return network


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_model(path, trained(), seed=5)
    return path


def rewrite_header(path: Path, **changes: object) -> None:
    """Change entries of the header and leave the tensors as they are."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    ours = json.loads(header["__metadata__"]["aimicro"]) | changes
    header["__metadata__"]["aimicro"] = json.dumps(ours)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def test_loaded_network_predicts_the_same(file: Path) -> None:
    image = np.random.default_rng(0).normal(100, 30, size=(32, 32))
    np.testing.assert_array_equal(predict(load_model(file), image), predict(trained(), image))


def test_file_tells_what_it_holds(file: Path) -> None:
    with safe_open(file, framework="np") as opened:
        header = json.loads(opened.metadata()["aimicro"])
    assert header["architecture"] == "UNet"
    assert header["config"] == trained().config
    linear = {"kind": "linear", "offset": 100, "scale": 30}
    assert header["scaling"] == {"input": linear, "output": {**linear, "offset": 0, "scale": 1}}
    assert header["seed"] == 5
    assert set(header["versions"]) == {"aimicro", "torch"}


def test_truncated_file_is_refused_wherever_it_is_cut(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    for length in {0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1}:
        cut = tmp_path / "cut.safetensors"
        cut.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=rf"cut\.safetensors: .*got {length} bytes"):
            load_model(cut)


def test_the_file_tells_which_class_to_build(tmp_path: Path) -> None:
    save_model(tmp_path / "other.safetensors", OtherNet(channels=4, depth=1))
    assert type(load_model(tmp_path / "other.safetensors")) is OtherNet


def test_a_class_that_was_not_imported_is_named(file: Path) -> None:
    rewrite_header(file, architecture="TheirNet")
    with pytest.raises(CheckpointError, match=r"got weights of 'TheirNet'\. Import the module"):
        load_model(file)


@pytest.mark.parametrize(
    ("version", "todo"), [(3, "Update aimicro"), (1, "Train once more, or use that one")]
)
def test_other_formats_are_refused(file: Path, version: int, todo: str) -> None:
    rewrite_header(file, format_version=version, versions={"aimicro": "9.0"})
    with pytest.raises(
        CheckpointError, match=rf"format 2, got format {version}, written by aimicro 9\.0\. {todo}"
    ):
        load_model(file)


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": ["UNet"]},
        {"architecture": None},
        {"config": [1]},
        {"config": {"channels": "4"}},
        {"config": {"channels": None, "depth": 1}},
        {"config": {"channels": 4, "depth": -1}},
        {"scaling": 3},
        {"scaling": {}},
        {"scaling": {"input": 7, "output": None}},
        {"scaling": {"input": {"kind": "linear", "offset": "x"}, "output": None}},
        {"scaling": {"input": {"kind": "linear", "scale": float("nan")}, "output": None}},
        {"scaling": {"input": {"kind": "cubic"}, "output": None}},
        {"scaling": {"input": None, "output": None}},
        {"scaling": {"input": {"kind": "linear"}, "output": {}}},
        {"versions": "1.0"},
        {"versions": {}},
        {"format_version": "2"},
        {"format_version": None},
        {"progress": "far"},
        {"seed": "seven"},
    ],
    ids=repr,
)
def test_a_damaged_header_is_refused(file: Path, changes: dict[str, object]) -> None:
    rewrite_header(file, **changes)
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: expected"):
        load_model(file)


def test_damaged_bytes_never_escape_as_another_error(file: Path, tmp_path: Path) -> None:
    """Bytes of the header replaced, removed or repeated: a good network, or a CheckpointError."""
    rng = random.Random(0)
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    damaged = tmp_path / "damaged.safetensors"
    refused = 0
    for _ in range(600):
        place = rng.randrange(8 + length)
        middle = rng.choice([b"", bytes([rng.randrange(256)]), b'"', b"}", b"[", b"9" * 9, b"null"])
        rest = content[place + rng.choice([0, 1, len(middle)]) :]
        damaged.write_bytes(content[:place] + middle + rest)
        try:
            load_model(damaged)
        except CheckpointError:
            refused += 1
    assert refused > 300


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    network = trained()
    torch.nn.init.constant_(next(network.parameters()), float("nan"))
    save_model(tmp_path / "nan.safetensors", network)
    with pytest.raises(CheckpointError, match=r"nan\.safetensors: expected finite weights"):
        load_model(tmp_path / "nan.safetensors")


@pytest.mark.parametrize(
    "config",
    [{"channels": 8, "depth": 1}, {"channels": 4, "depth": 1, "swish": True}, {"channels": 0}],
)
def test_configuration_that_does_not_fit_is_refused(file: Path, config: dict[str, int]) -> None:
    rewrite_header(file, config=config)
    with pytest.raises(CheckpointError, match="expected weights that fit UNet") as caught:
        load_model(file)
    assert "\n" not in str(caught.value)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    with pytest.raises(CheckpointError, match=r"weights\.pt: expected a checkpoint of aimicro"):
        load_model(path)


def test_a_path_that_is_no_utf_8(file: Path, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path / "m") + b"\xff"))
    folder.mkdir()
    odd = folder / file.name
    odd.write_bytes(file.read_bytes())
    assert load_model(odd).config == load_model(file).config


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors: .*Check the path"):
        load_model(tmp_path / "none.safetensors")


def test_failed_write_leaves_the_old_file_and_no_scraps(file: Path) -> None:
    before = file.read_bytes()
    broken = trained()
    broken.config["depth"] = object()  # cannot be written as JSON
    with pytest.raises(TypeError):
        save_model(file, broken)
    assert file.read_bytes() == before
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_what_is_no_network_of_the_book_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"subclass of aimicro.models.Network to store, got Linear"):
        save_model(tmp_path / "x.safetensors", torch.nn.Linear(1, 1))


def test_best_weights_are_those_with_the_smallest_loss_in_their_name(tmp_path: Path) -> None:
    for name in (
        "last", "weights_001_0.25000000", "weights_002_0.03000000", "weights_010_0.20000000",
        "weights_011_nan", "0",
    ):  # fmt: skip
        (tmp_path / f"{name}.safetensors").touch()
    (tmp_path / "weights_012_0.00000001.hdf5").touch()
    (tmp_path / ".weights_013_0.00000001.tmp").touch()
    assert best_weights(tmp_path).name == "weights_002_0.03000000.safetensors"
    assert best_weights(str(tmp_path)) == best_weights(tmp_path)


def test_of_weights_with_the_same_loss_the_latest_are_best(tmp_path: Path) -> None:
    for epoch in (3, 12, 1000, 999):
        (tmp_path / f"weights_{epoch:03d}_0.00000000.safetensors").touch()
    assert best_weights(tmp_path).name == "weights_1000_0.00000000.safetensors"


def test_other_names_count_where_there_are_no_weights_with_a_loss(tmp_path: Path) -> None:
    (tmp_path / "mine.safetensors").touch()
    assert best_weights(tmp_path).name == "mine.safetensors"


def test_folder_without_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    with pytest.raises(FileNotFoundError, match=r"weights_EPOCH_LOSS\.safetensors.*a folder"):
        best_weights(tmp_path)
    with pytest.raises(FileNotFoundError, match="got no such folder"):
        best_weights(tmp_path / "none")
