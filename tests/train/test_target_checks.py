from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from aimicro.models import UNet
from aimicro.train import (
    LOSSES,
    ArrayPatches,
    Checkpoint,
    CheckpointError,
    cross_entropy,
    fit,
    focal,
    structure,
    supervised,
    tversky,
)
from aimicro.train.target_checks import check_targets

LABELS = np.kron([[0, 7, 7], [3, 0, 3], [9, 9, 0]], np.ones((6, 6), np.int32)).astype(np.int32)
IMAGE = LABELS + np.random.default_rng(0).normal(0, 1, LABELS.shape)

MASK = (LABELS > 0)[None, None].astype(np.float32)
CLASSES = np.concatenate([1 - MASK, MASK], axis=1)
RAYS = np.concatenate([MASK / 2, *[4 * MASK] * 8], axis=1)
FLOWS = np.concatenate([3 * MASK, -4 * MASK, MASK], axis=1)
FITTING = {
    **dict.fromkeys(("mse", "mae", "ssim", "mae+ssim"), 9 * MASK),
    **dict.fromkeys(("bce", "dice", "bce+dice", "focal", "tversky"), MASK),
    "cross_entropy": CLASSES,
    "stardist": RAYS,
    "cellpose": FLOWS,
}


def network(channels: int) -> UNet:
    return UNet(out_channels=channels, channels=2, depth=1)


def check(objective: str, target: np.ndarray, channels: int | None = None) -> None:
    model = network(channels or target.shape[1])
    check_targets(objective, model, [(target[:, :1], target)])


def test_targets_that_fit_are_taken() -> None:
    assert FITTING.keys() == LOSSES.keys()
    for name, target in FITTING.items():
        check(name, target)
        check(LOSSES[name].__name__, target)
        with pytest.raises(ValueError, match=r"with 5 channels, as this network has"):
            check(name, target, channels=5)


@pytest.mark.parametrize(
    "target",
    [
        CLASSES * 0.5 + 0.25,  # probabilities
        CLASSES * (1 + 9 * MASK),  # weights of pixels
    ],
)
def test_classes_may_be_probabilities_or_have_weights(target: np.ndarray) -> None:
    check("cross_entropy", target)


@pytest.mark.parametrize(
    ("objectives", "target", "message"),
    [
        (
            ("bce", "dice", "bce+dice", "focal(1, 0.5)", "tversky(1, 1)", "binary_cross_entropy"),
            LABELS[None, None].astype(np.float32),
            "targets from 0 to 1 for the objective .*, got ones from 0 to 9",
        ),
        (("cross_entropy",), MASK, "two or more, .*, got 1. For a mask, take the objective bce"),
        (("cross_entropy", "cross_entropy(1, 2)"), CLASSES + MASK, "sums from 1 to 3"),
        (("cross_entropy()",), 0 * CLASSES, "sums from 0 to 0"),
        (("cross_entropy",), CLASSES - 2 * CLASSES[:, ::-1], "values from -2 to 1"),
        (("stardist",), RAYS[:, :3], "4 channels or more, a probability and three rays, .* got 3"),
        (("stardist",), 3 * RAYS, "from 0 to 1 in channel 0 .* got ones from 0 to 1.5"),
        (("stardist",), RAYS[:, ::-1], "from 0 to 1 in channel 0"),
        (("cellpose",), FLOWS[:, 1:], "3 channels or more, a flow along each axis .* got 2"),
        (("cellpose",), FLOWS[:, ::-1], "from 0 to 1 in the last channel .* from 0 to 3"),
    ],
)
def test_targets_of_another_objective_are_refused(
    objectives: tuple[str, ...], target: np.ndarray, message: str
) -> None:
    for objective in objectives:
        with pytest.raises(ValueError, match=message):
            check(objective, target)


def test_rays_have_no_length_below_zero() -> None:
    shorter = RAYS.copy()
    shorter[:, 4] -= 1
    with pytest.raises(ValueError, match=r"Expected rays of 0 pixels or more .*, got -1"):
        check("stardist", shorter)


def test_of_other_objectives_nothing_is_known() -> None:
    """A network may give a mean and a variance for a target of one channel."""
    check("my_own", 9 * MASK, channels=2)
    check("blind_spot(0.02, 5)", MASK, channels=2)


def one_hot(labels: np.ndarray, *, width: int = 0) -> np.ndarray:
    inside = (labels > width)[np.newaxis]
    return np.concatenate([~inside, inside]).astype(np.float32)


def patches(**arguments: object) -> ArrayPatches:
    settings = {"patch_size": (12, 12), "batch_size": 2, "target": one_hot, **arguments}
    return ArrayPatches([IMAGE], [LABELS], **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "objective", ["cross_entropy", supervised(cross_entropy()), supervised(focal(1)), "dice"]
)
def test_channels_that_do_not_fit_are_refused_before_the_work(objective: object) -> None:
    calls: list[int] = []
    model = network(3)
    model.register_forward_hook(lambda *_: calls.append(1))
    with pytest.raises(ValueError, match=r"3 channels, .* got 2 .* Build .* out_channels=2"):
        fit(model, patches(), steps=1, objective=objective)  # type: ignore[arg-type]
    assert not calls


@pytest.mark.parametrize("objective", ["cross_entropy", "bce+dice", supervised(tversky(1, 1))])
def test_labels_are_learned(objective: object) -> None:
    torch.manual_seed(0)
    settings = {"steps": 20, "validate_every": 10, "learning_rate": 1e-2, "precision": "float32"}
    history = fit(network(2), patches(), objective=objective, **settings)  # type: ignore[arg-type]
    assert history.train_loss[1] < history.train_loss[0]


def test_keep_is_asked_about_the_labels_of_a_patch() -> None:
    _, target = patches(batch_size=64, keep=structure(0.5, 0.7)).batch(0)
    assert target[:, 1].mean(axis=(1, 2)).min() >= 0.7
    _, target = patches(batch_size=64).batch(0)
    assert target[:, 1].mean(axis=(1, 2)).min() < 0.7


def test_training_does_not_go_on_with_another_setting_of_the_target(tmp_path: Path) -> None:
    file = Checkpoint(tmp_path / "training.safetensors", resume=True)
    settings = {"steps": 2, "objective": "cross_entropy", "checkpoint": file}
    narrow, wide = (patches(target=partial(one_hot, width=width)) for width in (1, 2))
    fit(network(2), narrow, **settings)  # type: ignore[arg-type]
    fit(network(2), narrow, **settings)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=r"target = one_hot\(width=2\), got one with one_hot"):
        fit(network(2), wide, **settings)  # type: ignore[arg-type]
