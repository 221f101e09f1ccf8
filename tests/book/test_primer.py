"""What chapter 2 reckons in its text is right."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from aimicro.models import UNet

PAGE = Path(__file__).resolve().parents[2] / "book" / "chapter02_primer.md"
PIXEL = np.array([0.7, 0.2, 1])  # brightness, roughness, and 1 for the bias
WEIGHTS = np.array([4, -6, -1])


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_neuron_says_what_the_figure_shows(page: str) -> None:
    assert round(expit(WEIGHTS @ PIXEL), 2) == 0.65
    assert "2.8 minus 1.2 minus 1 is 0.6" in page
    assert "Out comes 0.65" in page
    rough = WEIGHTS @ [0.7, 0.6, 1]
    assert np.isclose(rough, -1.8)
    assert round(expit(rough), 2) == 0.14
    assert "= -1.8$, and the S-curve makes 0.14 of it" in page


def test_one_step_down_the_cross_entropy(page: str) -> None:
    """The gradient is the error times the input; the step is as long as that."""
    new = WEIGHTS + (1 - expit(WEIGHTS @ PIXEL)) * PIXEL
    assert np.round(new, 2).tolist() == [4.25, -5.93, -0.65]
    assert round(expit(new @ PIXEL), 2) == 0.76
    assert re.search(r"4 to 4\.25, .* −6 to −5\.93, .* −1 to −0\.65\. .* says 0\.76", page)


def test_weights_that_are_saved_and_how_far_a_network_sees(page: str) -> None:
    assert 2 * UNet(depth=3).receptive_radius + 1 == 103
    assert "it is 103 pixels wide" in page
    assert 4.2e9 < 65_536**2 < 4.4e9
    assert 65_536 == 256**2
    assert "four billion weights for one small image" in page


def test_the_figure_holds_eighteen_cells_of_which_five_are_mitotic(page: str) -> None:
    figure = (PAGE.parent / "figures" / "with_and_without_labels.svg").read_text(encoding="utf-8")
    dots = figure.split("</defs>")[0].count("<circle")
    mitotic = figure.count('href="#mark"')
    assert (dots + mitotic, mitotic) == (18, 5)
    assert "The same 18 cells" in page
    assert "five dots" in page
