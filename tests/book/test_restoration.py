"""Chapter 6: what its figures show is what their captions and alternative texts say."""

import base64
import re
import runpy
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "book" / "figures"
CHAPTER = (ROOT / "book" / "chapter06_restoration.md").read_text(encoding="utf-8")
DRAWN = {
    "three_ways_to_denoise": 3,
    "three_ways_to_deconvolve": 3,
    "three_ways_against_bent_waves": 3,
    "finer_than_the_lens": 4,
}


def pictures(name: str) -> list[np.ndarray]:
    """Return the pictures in a drawing, in reading order, as grey values."""
    drawn = (FIGURES / f"{name}.svg").read_text(encoding="utf-8")
    codes = re.findall(r'base64,([^"]*)"', drawn)
    return [np.asarray(Image.open(BytesIO(base64.b64decode(code))), float) for code in codes]


@pytest.mark.parametrize("name", DRAWN)
def test_the_alternative_text_tells_of_every_row(name: str):
    drawn = (FIGURES / f"{name}.svg").read_text(encoding="utf-8")
    letters = re.findall(r'font-weight="700">([a-d])<', drawn)
    assert letters == list("abcd"[: DRAWN[name]])
    alt = re.search(rf"figures/{name}\.svg\n.*?:alt: ([^\n]*)", CHAPTER, re.DOTALL)
    assert alt is not None
    assert re.findall(r"(?<= )([a-d]), ", alt[1]) == letters


@pytest.mark.parametrize("name", DRAWN)
def test_the_script_draws_what_the_page_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    script = runpy.run_path(str(ROOT / "scripts" / "make_restoration_figures.py"))
    monkeypatch.setitem(script["write"].__globals__, "FIGURES", tmp_path)
    script["FIGURE_OF"][name]()
    monkeypatch.setitem(globals(), "FIGURES", tmp_path)
    again = pictures(name)
    monkeypatch.undo()
    for shown, drawn in zip(pictures(name), again, strict=True):
        assert np.abs(shown - drawn).max() <= 1


def test_only_the_last_picture_of_a_row_differs():
    supervised, hidden, twice = np.array_split(np.arange(9), 3)
    shown = pictures("three_ways_to_denoise")
    assert np.array_equal(shown[supervised[1]], shown[hidden[1]])  # the answers
    assert np.array_equal(shown[supervised[1]], shown[twice[1]])
    assert np.array_equal(shown[supervised[0]], shown[twice[0]])  # the dim images
    assert np.abs(shown[supervised[2]] - shown[twice[2]]).mean() > 5
    orange = (shown[hidden[0]] == (240, 163, 10)).all(axis=-1)
    asked = ~(shown[hidden[2]] == (205, 212, 220)).all(axis=-1)
    assert np.array_equal(orange, asked)
    assert 0.02 < orange.mean() < 0.08


def test_blurred_again_the_answer_gives_the_recording():
    shown = pictures("three_ways_to_deconvolve")
    recording, answer, again = shown[3:6]
    misfit = {"answer": recording - answer, "again": recording - again}
    assert np.abs(misfit["again"]).mean() < 0.7 * np.abs(misfit["answer"]).mean()
