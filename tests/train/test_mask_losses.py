from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from aimicro.train import LOSSES, cross_entropy, focal, tversky

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def mask_and_logits(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    return (torch.rand(shape) < 0.3).float(), 2 * torch.randn(shape)


def one_hot(classes: torch.Tensor, n: int) -> torch.Tensor:
    """Classes (B, [Z,] Y, X) as (B, n, [Z,] Y, X)."""
    return F.one_hot(classes, n).movedim(-1, 1).float()


def test_cross_entropy_is_the_mean_surprise() -> None:
    logits, mask = torch.randn(3, 1, 6, 7), (torch.rand(3, 1, 6, 7) < 0.4).float()
    p = torch.sigmoid(logits)
    surprise = -torch.log(torch.where(mask == 1, p, 1 - p)).mean()
    assert float(LOSSES["bce"](logits, mask)) == pytest.approx(float(surprise), rel=1e-5)
    assert float(LOSSES["bce"](torch.zeros_like(mask), mask)) == pytest.approx(np.log(2))
    assert torch.isfinite(LOSSES["bce"](torch.full((1, 1, 2, 2), -200.0), torch.ones(1, 1, 2, 2)))


def test_best_answer_of_cross_entropy_is_the_probability_and_of_dice_the_decision() -> None:
    """600 of 1000 alike pixels are so, and the network can only give all the same logit."""
    mask = (torch.arange(1000) < 600).float().reshape(1, 1, 20, 50)
    chances = torch.linspace(0.01, 0.99, 99)
    for name, best in (("bce", 0.6), ("dice", 0.99)):
        losses = [float(LOSSES[name](torch.full_like(mask, p), mask)) for p in chances.logit()]
        assert float(chances[np.argmin(losses)]) == pytest.approx(best)


def test_soft_dice_of_sure_logits_is_that_of_the_mask() -> None:
    mask, found = torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)
    mask[0, 0, :4], found[0, 0, 2:6] = 1, 1  # 16 of 32 and 32 pixels; nothing in the other patch
    expected = (1 - (2 * 16 + 1) / (32 + 32 + 1)) / 2
    assert float(LOSSES["dice"](200 * found - 100, mask)) == pytest.approx(expected)
    assert float(LOSSES["dice"](200 * mask - 100, mask)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", ["bce", "dice", "bce+dice", "focal", "tversky"])
def test_following_the_gradient_leads_to_the_mask(name: str) -> None:
    torch.manual_seed(0)
    mask = (torch.rand(1, 1, 3, 9, 9) < 0.2).float()
    logits = torch.randn_like(mask).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.3)
    for _ in range(80):
        optimiser.zero_grad()
        LOSSES[name](logits, mask).backward()
        optimiser.step()
    assert torch.equal(logits.detach() > 0, mask == 1)


def test_focal_is_the_published_formula() -> None:
    """Written with the probability of the truth, as there; torchvision computes the same."""
    mask, logits = mask_and_logits(2, 1, 5, 6, 7)
    p = torch.sigmoid(logits.double())
    of_truth = torch.where(mask == 1, p, 1 - p)
    for gamma, alpha in ((2.0, 0.25), (0.5, 0.6), (5.0, 0.9)):
        weight = torch.where(mask == 1, alpha, 1 - alpha)
        expected = (-weight * (1 - of_truth) ** gamma * torch.log(of_truth)).mean()
        assert float(focal(gamma, alpha)(logits, mask)) == pytest.approx(float(expected), rel=1e-5)
    assert LOSSES["focal"](logits, mask) == focal(2, 0.25)(logits, mask)


def test_focal_without_focus_is_cross_entropy() -> None:
    mask, logits = mask_and_logits(2, 1, 8, 9)
    half = float(LOSSES["bce"](logits, mask)) / 2
    assert float(focal(0, 0.5)(logits, mask)) == pytest.approx(half, rel=1e-5)
    weighted = F.binary_cross_entropy_with_logits(logits, mask, pos_weight=torch.tensor(4.0))
    assert float(focal(0, 0.8)(logits, mask)) == pytest.approx(float(weighted) / 5, rel=1e-5)


def test_focal_counts_what_is_right_a_hundredth() -> None:
    logits, mask = torch.full((1, 1, 1, 1), 0.9).logit(), torch.ones(1, 1, 1, 1)
    assert float(focal(2, 0.5)(logits, mask)) == pytest.approx(-np.log(0.9) / 200, rel=1e-4)


def test_tversky_of_halves_is_dice() -> None:
    mask, logits = mask_and_logits(3, 1, 8, 9)
    dice = float(LOSSES["dice"](logits, mask))
    assert float(tversky(0.5, 0.5)(logits, mask)) == pytest.approx(dice, rel=1e-5)


def test_tversky_of_a_decision_counts_misses_and_false_alarms() -> None:
    mask, found = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., :4, :], found[..., 1:6, :] = 1, 1  # 24 met, 16 false, 8 missed
    for alpha, beta in ((0.3, 0.7), (1, 1), (2, 0.1)):
        expected = 1 - 24.5 / (24.5 + alpha * 16 + beta * 8)
        loss = tversky(alpha, beta)(200 * found - 100, mask)
        assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert LOSSES["tversky"](found, mask) == tversky(0.3, 0.7)(found, mask)


def test_sum_of_cross_entropy_and_dice() -> None:
    mask, logits = mask_and_logits(2, 1, 8, 9)
    both = LOSSES["bce"](logits, mask) + LOSSES["dice"](logits, mask)
    assert float(LOSSES["bce+dice"](logits, mask)) == pytest.approx(float(both))


@pytest.mark.parametrize("shape", [(2, 7, 9), (2, 4, 7, 9)])
def test_cross_entropy_of_classes_is_that_of_pytorch(shape: tuple[int, ...]) -> None:
    classes = torch.randint(0, 4, shape)
    logits = 2 * torch.randn(shape[0], 4, *shape[1:])
    weights = (1.0, 0.5, 4.0, 2.0)
    for loss, weight in (
        (LOSSES["cross_entropy"], None),
        (cross_entropy(weights), torch.tensor(weights)),
    ):
        expected = F.cross_entropy(logits, classes, weight=weight)
        assert float(loss(logits, one_hot(classes, 4))) == pytest.approx(float(expected), rel=1e-5)


def test_cross_entropy_of_two_classes_is_that_of_masks() -> None:
    mask, logits = mask_and_logits(2, 1, 8, 9)
    two = torch.cat([torch.zeros_like(logits), logits], dim=1)
    found = LOSSES["cross_entropy"](two, torch.cat([1 - mask, mask], dim=1))
    assert float(found) == pytest.approx(float(LOSSES["bce"](logits, mask)), rel=1e-5)


def test_following_the_gradient_leads_to_the_classes() -> None:
    classes = torch.randint(0, 3, (1, 9, 9))
    logits = torch.randn(1, 3, 9, 9).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.3)
    for _ in range(80):
        optimiser.zero_grad()
        cross_entropy((1, 2, 3))(logits, one_hot(classes, 3)).backward()
        optimiser.step()
    assert torch.equal(logits.detach().argmax(1), classes)


@pytest.mark.parametrize("size", [50.0, 500.0])
@pytest.mark.parametrize(
    "loss",
    [
        *(LOSSES[name] for name in ("bce", "dice", "bce+dice", "tversky")),
        *(focal(), focal(0.5, 0.5), focal(0, 0.5)),
        *(cross_entropy(), cross_entropy((1, 9, 1))),
    ],
    ids=lambda loss: loss.__name__,
)
def test_gradients_are_finite_where_the_network_is_sure(
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], size: float
) -> None:
    """Right or wrong; and what is surely wrong has a gradient that mends it, where it can."""
    classes = torch.arange(12).reshape(1, 3, 4) % 3
    logits = size * (2 * one_hot((classes + torch.arange(4) % 2) % 3, 3) - 1)
    logits.requires_grad_()
    value = loss(logits, one_hot(classes, 3))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()
    if loss.__name__.split("(")[0] in ("binary_cross_entropy", "bce_dice", "cross_entropy"):
        assert (logits.grad[:, :, :, 1] != 0).any()


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (focal(1, 0.5), "focal(1, 0.5)"),
        (tversky(1, 2), "tversky(1, 2)"),
        (cross_entropy(), "cross_entropy()"),
        (cross_entropy((1, 2.5)), "cross_entropy(1, 2.5)"),
    ],
)
def test_a_checkpoint_can_tell_settings_apart(loss: Callable, name: str) -> None:
    assert loss.__name__ == name


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (focal, {"gamma": -1}, "Expected gamma of 0 or more, got -1"),
        (focal, {"alpha": 1}, "Expected alpha above 0 to below 1, got 1"),
        (focal, {"alpha": None}, "Expected alpha above 0 to below 1, got None"),
        (tversky, {"beta": 0}, "Expected beta above 0, got 0"),
        (cross_entropy, {"class_weights": (1, 0)}, "Expected class_weights above 0, got 0"),
        (cross_entropy, {"class_weights": ()}, "Expected a weight for each class, got none"),
    ],
)
def test_bad_settings_are_refused(make: Callable, arguments: dict, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make(**arguments)


def test_weights_must_be_as_many_as_classes() -> None:
    x = torch.rand(1, 3, 4, 4)
    with pytest.raises(ValueError, match="Expected a weight for each of 3 classes, got 2"):
        cross_entropy((1, 2))(x, x)
