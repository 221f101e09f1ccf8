import json

import pytest

from aimicro import data
from aimicro.data import trained
from aimicro.data.fetching import DataMismatchError
from aimicro.metrics import average_precision
from aimicro.predict import predict
from aimicro.segment import unet
from aimicro.simulate import invented_nuclei
from aimicro.train import load_model

TASKS = ["denoise_volumes", "deconvolve", "correct_aberrations", "enhance_resolution"]


@pytest.mark.parametrize("task", TASKS)
def test_a_card_tells_all_that_makes_the_network_again(task):
    card = data.card(task)
    assert card.task == task
    assert card.simulate.startswith("aimicro simulate --task ")
    assert "--seed 1 " in card.simulate  # the test volumes have seed 0
    assert card.config["seed"] == 0
    assert card.steps == (10_000 if task == "correct_aberrations" else 8000)
    assert data.weights(task).stat().st_size == card.n_bytes <= 4e6


@pytest.mark.parametrize("task", TASKS)
def test_the_weights_are_those_of_the_network_on_the_card(task):
    network, config = load_model(data.weights(task)), data.card(task).config
    assert network.config["channels"] == config["num_channels"]
    assert network.config["groups"] == config["num_residual_groups"]
    assert network.scaling is not None


def test_the_network_of_invented_nuclei_is_that_of_its_card():
    card, network = data.card("invented_nuclei"), load_model(data.weights("invented_nuclei"))
    assert card.steps == 6000
    assert card.psnr is None
    assert 0.5 < card.mean_ap < 1
    assert data.weights("invented_nuclei").stat().st_size == card.n_bytes <= 1e6
    assert network.config["channels"] == card.config["num_channels"]
    assert network.config["depth"] == card.config["depth"]
    assert network.config["out_channels"] == 3
    assert network.scaling is not None


def test_it_finds_nuclei_that_it_has_never_seen():
    network = load_model(data.weights("invented_nuclei"))
    images, truths = zip(*(invented_nuclei(rng=30_000 + k) for k in range(12)), strict=True)
    found = [unet.segment(predict(network, i), threshold=0.3, seed_threshold=0.9) for i in images]
    assert average_precision(truths, found, thresholds=[0.5])[0] > 0.7


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
