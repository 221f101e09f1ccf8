import json

import pytest

from aimicro import data
from aimicro.data import trained
from aimicro.data.fetching import DataMismatchError
from aimicro.train import load_model

TASKS = ["denoise_volumes", "deconvolve", "correct_aberrations", "enhance_resolution"]


@pytest.mark.parametrize("task", TASKS)
def test_a_card_tells_all_that_makes_the_network_again(task):
    card = data.card(task)
    assert card.task == task
    assert card.simulate.startswith("aimicro simulate --task ")
    assert "--seed 1 " in card.simulate  # the test volumes have seed 0
    assert card.config["seed"] == 0
    assert card.steps == 8000
    assert data.weights(task).stat().st_size == card.n_bytes <= 4e6


@pytest.mark.parametrize("task", TASKS)
def test_the_weights_are_those_of_the_network_on_the_card(task):
    network, config = load_model(data.weights(task)), data.card(task).config
    assert network.config["channels"] == config["num_channels"]
    assert network.config["groups"] == config["num_residual_groups"]
    assert network.scaling is not None


def test_a_damaged_file_is_refused(tmp_path, monkeypatch):
    source = trained._FOLDER
    (tmp_path / "deconvolve.json").write_bytes((source / "deconvolve.json").read_bytes())
    damaged = bytearray((source / "deconvolve.safetensors").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "deconvolve.safetensors").write_bytes(damaged)
    monkeypatch.setattr(trained, "_FOLDER", tmp_path)
    with pytest.raises(DataMismatchError, match=r"Expected \d+ bytes with SHA-256.*Install"):
        data.weights("deconvolve")


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match=r"Expected task as one of .*deconvolve.*, got .segment."):
        data.weights("segment")


def test_a_card_is_plain_text():
    for task in TASKS:
        found = json.loads((trained._FOLDER / f"{task}.json").read_text(encoding="utf-8"))
        assert found["psnr"] == data.card(task).psnr
