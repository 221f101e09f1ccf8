import numpy as np
import pytest
import torch
from torch.nn import functional as F

from aimicro.train import LOSSES

STARDIST, CELLPOSE = LOSSES["stardist"], LOSSES["cellpose"]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("shape", [(7, 9), (5, 7, 9)])
def test_stardist_is_the_published_formula(shape: tuple[int, ...]) -> None:
    """Pixel by pixel; in the background no ray counts."""
    truth, prediction = 20 * torch.rand(2, 9, *shape), torch.randn(2, 9, *shape)
    truth[:, 0] = torch.rand(2, *shape) * (torch.rand(2, *shape) < 0.5)
    errors = (prediction - truth).numpy()
    weighted = [
        [truth[b, 0][place].item(), np.abs(errors[b, 1:, *place]).mean()]
        for b in range(2)
        for place in np.ndindex(shape)
    ]
    weights, values = np.transpose(weighted)
    expected = np.average(values, weights=weights) * 0.2
    bce = F.binary_cross_entropy_with_logits(prediction[:, 0], truth[:, 0])
    assert float(STARDIST(prediction, truth)) == pytest.approx(float(bce) + expected, rel=1e-5)
    elsewhere = prediction.clone()
    elsewhere[:, 1:] += 100 * (truth[:, :1] == 0)
    assert STARDIST(elsewhere, truth) == STARDIST(prediction, truth)


def test_stardist_without_any_object_teaches_the_probability_alone() -> None:
    prediction = torch.randn(1, 5, 6, 6, requires_grad=True)
    loss = STARDIST(prediction, torch.zeros(1, 5, 6, 6))
    loss.backward()
    surprise = F.softplus(prediction.detach()[:, 0]).mean()
    assert float(loss.detach()) == pytest.approx(float(surprise))
    assert (prediction.grad[:, 0] != 0).all()
    assert (prediction.grad[:, 1:] == 0).all()


def test_cellpose_is_the_published_formula() -> None:
    truth, prediction = torch.randn(2, 3, 7, 9), torch.randn(2, 3, 7, 9)
    truth[:, 2] = (torch.rand(2, 7, 9) < 0.5).float()
    p = torch.sigmoid(prediction[:, 2])
    surprise = -torch.log(torch.where(truth[:, 2] == 1, p, 1 - p)).mean()
    squares = (prediction[:, 0] - truth[:, 0]) ** 2 + (prediction[:, 1] - truth[:, 1]) ** 2
    expected = squares.mean() / 4 + surprise
    assert float(CELLPOSE(prediction, truth)) == pytest.approx(float(expected), rel=1e-5)


def test_truth_is_the_best_answer() -> None:
    inside = (torch.rand(1, 1, 8, 8) < 0.5).float()
    sure, others = 100 * (2 * inside - 1), 5 * torch.randn(1, 2, 8, 8)
    assert STARDIST(torch.cat([sure, others], 1), torch.cat([inside, others], 1)) < 1e-9
    assert CELLPOSE(torch.cat([others, sure], 1), torch.cat([others, inside], 1)) < 1e-9


@pytest.mark.parametrize("loss", [STARDIST, CELLPOSE], ids=["stardist", "cellpose"])
def test_gradients_are_finite_where_the_network_is_sure(loss) -> None:  # type: ignore[no-untyped-def]
    for size in (-50.0, 50.0):
        prediction = torch.full((1, 4, 6, 6), size, requires_grad=True)
        value = loss(prediction, torch.eye(6).expand(1, 4, 6, 6))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(prediction.grad).all()
        assert (prediction.grad != 0).any()
