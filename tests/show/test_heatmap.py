"""A shaded table says its numbers as text, dark on light and light on dark."""

import numpy as np
import pytest
from bs4 import BeautifulSoup

from aimicro import show

TABLE = np.array([[0.1, 12.0], [0.95, 3.0]])
NAMES = {"rows": ["shifted", "missed"], "columns": ["Dice", "HD95"], "alt": "Two by two."}


def test_every_number_is_a_text_in_a_colour_that_stands_out():
    figure = show.heatmap(TABLE, shade=[[0.9, 1], [0, 0.2]], decimals=[2, 0], **NAMES)
    texts = {
        text.get_text(strip=True): str(text)
        for text in BeautifulSoup(figure.html, "html.parser").svg.find_all("text")
    }
    assert {"0.10", "12", "0.95", "3", "shifted", "missed", "Dice", "HD95"} <= set(texts)
    assert "#ffffff" in texts["0.10"]
    assert "#101010" in texts["0.95"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "Expected shades from 0 to 1"),
        ({"shade": [[0.5]]}, "Expected shades from 0 to 1"),
        ({"shade": TABLE / 12, "rows": ["a"]}, r"Expected rows for each .*\(2\), got 1"),
        ({"shade": TABLE / 12, "columns": ["a"]}, r"Expected columns for each .*\(2\), got 1"),
        ({"shade": TABLE / 12, "alt": ""}, "Expected alt"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        show.heatmap(TABLE, **NAMES | change)
