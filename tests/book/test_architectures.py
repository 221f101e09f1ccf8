"""What chapter 4 reckons in its text is right."""

import re
from pathlib import Path

import numpy as np
import torch

from aimicro.models import UNet
from aimicro.train.mask_losses import binary_cross_entropy, focal, soft_dice

PAGE = (Path(__file__).resolve().parents[2] / "book" / "chapter04_architectures.md").read_text(
    encoding="utf-8"
)


def said(pattern: str) -> list[float]:
    """The numbers of a sentence of the page."""
    found = re.search(pattern, PAGE)
    assert found, pattern
    return [float(number.replace(",", "")) for number in found.groups()]


def test_the_cheapest_answer_is_the_mean_or_the_median() -> None:
    truths = np.repeat([100.0, 0.0], [4, 6])
    answers = np.arange(101.0)
    squared = ((answers[:, None] - truths) ** 2).mean(axis=1)
    absolute = np.abs(answers[:, None] - truths).mean(axis=1)
    assert said(r"it is the mean, (\d+): the error is then ([\d,]+) on average, and ([\d,]+) for a "
                r"gap or ([\d,]+) for a line") == [
        squared.argmin(), squared.min(), squared[0], squared[100]
    ]  # fmt: skip
    median = said(r"the median, (\d+): on average (\d+) wrong, against (\d+) for an answer of 40")
    assert median == [absolute.argmin(), absolute.min(), absolute[40]]


def test_what_the_lazy_network_pays() -> None:
    truth = torch.zeros(1, 1, 100, 100)
    truth[..., :10, :10] = 1
    lazy = torch.full_like(truth, np.log(0.01 / 0.99))
    guessing, saying = said(r"guessing at 0\.5 costs ([\d.]+)\. The lazy answer costs ([\d.]+)\.")
    assert guessing == round(float(binary_cross_entropy(torch.zeros_like(truth), truth)), 2)
    assert saying == round(float(binary_cross_entropy(lazy, truth)), 3)
    assert 0.9 < 1 - saying / guessing < 0.95  # nine tenths of the way
    assert said(r"the lazy answer costs ([\d.]+) of 1") == [round(float(soft_dice(lazy, truth)), 2)]


def test_a_pixel_that_is_nearly_right_counts_a_hundredth() -> None:
    truth = torch.ones(1, 1, 8, 8)
    nearly = torch.full_like(truth, np.log(0.9 / 0.1))
    share = focal(gamma=2)(nearly, truth) / focal(gamma=0)(nearly, truth)
    assert np.isclose(float(share), 0.01)
    assert "one that is 90 % right counts a hundredth" in PAGE


def test_how_far_the_plans_see() -> None:
    assert said(r"After ten layers an answer depends on (\d+) pixels across") == [2 * 10 + 1]
    assert said(r"After three halvings a window of 3 pixels covers (\d+)") == [3 * 2**3]
    sees = 2 * UNet(depth=3).receptive_radius + 1
    assert said(r"Your U-Net sees (\d+)") == said(r"with three halvings; it sees (\d+)") == [sees]
    assert said(r"Nuclei (\d+) µm wide, ([\d.]+) µm pixels") == [12, 0.3]
    assert round(12 / 0.3) == 40
