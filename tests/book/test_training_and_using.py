"""What chapter 9 works out in its text, and says of its figures, is computed here."""

import base64
import re
import runpy
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import label

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = (ROOT / "book" / "chapter09_training_and_using.md").read_text(encoding="utf-8")
FIGURES = ROOT / "book" / "figures"


def plain(text: str) -> str:
    """Return Markdown without links and roles, in one line."""
    text = re.sub(r"\{term\}`([^`<]+?)(?: <[^>]*>)?`", r"\1", text)
    return " ".join(re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", text).split())


def test_the_code_of_the_page_runs():
    names: dict = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", CHAPTER, re.DOTALL)), names)
    assert all(names["parts"].values())
    assert sum(map(len, names["split"])) == len(names["names"]) == 24


@pytest.mark.parametrize(
    "name", ["deep_learning_or_not", "training_approach", "deployment", "where_it_fails"]
)
def test_the_list_asks_what_the_tree_asks(name: str):
    drawn = (FIGURES / f"{name}.svg").read_text(encoding="utf-8")
    lines = re.findall(r'<text x="52" y="(?:70|112)">([^<]*)</text>', drawn)
    asked = [" ".join(pair) for pair in zip(lines[::2], lines[1::2], strict=True)]
    listed = CHAPTER[CHAPTER.index(f"figures/{name}.svg") :]
    items = re.findall(r"^\d\. (.*)$", listed[: listed.index("\n:::\n")], re.MULTILINE)
    assert len(asked) == len(items) >= 3
    for question, item in zip(asked, items, strict=True):
        assert plain(item).startswith(question)


def curves() -> list[dict[str, np.ndarray]]:
    """Return the two losses of each panel, read from the drawing."""
    script = runpy.run_path(str(ROOT / "scripts" / "make_learning_curves.py"))
    drawn = (FIGURES / "learning_curves.svg").read_text(encoding="utf-8")
    low, high, height = (script[name] for name in ("LOWEST", "HIGHEST", "HEIGHT"))
    found = []
    for kind, points in re.findall(r'<polyline class="(\w+)" points="([^"]*)"', drawn):
        y = np.array([float(point.split(",")[1]) for point in points.split()])
        found.append((kind, low * (high / low) ** (1 - y / height)))
    return [dict(found[k : k + 2]) for k in range(0, 6, 2)]


def test_the_curves_underfit_fit_and_overfit():
    under, fits, over = curves()
    for losses in under.values():  # they fall little, and stay high together
        assert 0.15 < losses[-1] < losses[0]
    assert under["training"][-1] == pytest.approx(under["validation"][-1], rel=0.2)
    for losses in fits.values():  # they fall steeply, and end close to each other
        assert losses[-1] < 0.1 * under["training"][0]
    assert (
        fits["validation"][-1] < fits["training"][-1] < 2 * fits["validation"][-1]
    )  # easier field
    assert over["training"][-1] < 0.2 * fits["training"][-1]
    turn = int(over["validation"].argmin())  # after a few steps, and then it rises
    assert 0 <= turn < len(over["validation"]) / 4
    assert over["validation"][-1] > 1.5 * over["validation"][turn]
    assert over["validation"][-1] > 10 * over["training"][-1]


def test_the_kinds_of_truth_are_as_the_caption_says(shared_data: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIMICRO_DATA_DIR", str(shared_data))
        script = runpy.run_path(str(ROOT / "scripts" / "make_kinds_of_truth.py"))
        pictures = script["panels"]()
    drawn = (FIGURES / "kinds_of_truth.svg").read_text(encoding="utf-8")
    stored = re.findall(r'base64,([^"]*)"', drawn)
    for picture, code in zip(pictures.values(), stored, strict=True):
        shown = np.asarray(Image.open(BytesIO(base64.b64decode(code))), float)
        assert np.abs(shown - picture).max() <= 1
    binary, instance, semantic = (
        pictures[name].round() for name in ("binary", "instance", "semantic, three classes")
    )
    nuclei = sum(
        label((instance == colour).all(-1))[1]
        for colour in np.unique(instance.reshape(-1, 3), axis=0)
        if colour.any()
    )
    inside = np.array([0x56, 0xB4, 0xE9])
    assert label(binary.any(-1))[1] < nuclei  # touching nuclei are lost
    assert label((semantic == inside).all(-1))[1] == nuclei  # and saved by outlines


def test_the_sums_of_the_page():
    assert "$3^4 = 81$" in CHAPTER
    assert 3**4 == 81
    assert "$0.2/0.5 = 0.4$" in CHAPTER
    assert "50 pixels in your image and had 20 in training" in CHAPTER
    assert (10 / 0.2, 10 / 0.5) == (50, 20)
    layer = 256 * 256 * 32 * 4 / 1e6
    assert f"{layer:.1f} MB" in CHAPTER
    assert f"{64 * layer:.0f} MB" in CHAPTER
