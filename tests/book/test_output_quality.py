"""Chapter 10 has no kernel: what it works out by hand, and says of its figure, is computed here."""

import math
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imread
from skimage.measure import label, regionprops

from aimicro.metrics import confusion, dice, iou, match
from aimicro.simulate import mistakes

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = (ROOT / "book" / "chapter10_output_quality.md").read_text(encoding="utf-8")
FIGURE = (ROOT / "book" / "figures" / "same_dice.svg").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script(shared_data: Path) -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIMICRO_DATA_DIR", str(shared_data))
        names = runpy.run_path(str(ROOT / "scripts" / "make_same_dice.py"))
        return names | {"drawn": names["predictions"]()}


def test_the_three_predictions_share_one_dice_and_no_mistake(script: dict):
    truth, spoilt = script["drawn"]
    scores = [dice(truth > 0, predicted > 0) for predicted in spoilt.values()]
    assert np.ptp(scores) < 0.005
    small, lost, shifted = (match(truth, predicted, threshold=0.5) for predicted in spoilt.values())
    assert [pairs.tp for pairs in (small, lost, shifted)] == [7, 6, 7]
    assert np.count_nonzero(shifted := spoilt["Shifted"]) == np.count_nonzero(truth)
    assert np.argwhere(shifted).mean(0)[1] > np.argwhere(truth).mean(0)[1]  # to the right


def test_the_figure_and_its_words_say_what_the_script_finds(script: dict):
    truth, spoilt = script["drawn"]
    shown = "|".join(re.findall(r"<text[^>]*>([^<]*)", FIGURE))
    alt = re.search(r":alt: The same seven nuclei.*", CHAPTER)[0]
    for name, predicted in spoilt.items():
        said = script["said"](truth, predicted)
        assert f"{name}|{said}" in shown
        score, found, area = said.split("|")
        assert f"{score}, found {found[7:]}, mean area" in alt
        assert (percent := re.search(r"−(\d+)", area)) is None or f"{percent[1]} percent" in alt
        assert f"a {score} calls".replace("Dice ", "{term}`Dice` of ") in CHAPTER


def test_the_eight_fields_hold_about_a_thousand_nuclei(shared_data: Path):
    files = sorted((shared_data / "bbbc039_nuclei" / "masks_png").glob("*.png"))
    regions = [r for file in files for r in regionprops(label(imread(file)[..., 0]))]
    assert len(files) == 8
    assert 900 < sum(r.area >= 25 for r in regions) < 1100


@pytest.mark.parametrize(
    ("side", "said"), [(5, r"20/30 \approx 0.67"), (20, r"380/420 \approx 0.90")]
)
def test_what_a_slip_of_one_pixel_costs(side: int, said: str):
    square = np.pad(np.ones((side, side), np.int32), 2)
    score = iou(square > 0, mistakes.shift(square, (0, 1)) > 0)
    shared, together, value = re.match(r"(\d+)/(\d+) \\approx ([\d.]+)", said).groups()
    assert score == pytest.approx(int(shared) / int(together))
    assert f"{score:.2f}" == value
    assert said in CHAPTER


def test_means_of_dice_and_of_iou_name_different_winners():
    bar = np.arange(100)[None] < 50
    means = {}
    for name, shifts in {"A": (40, 0), "B": (19, 19)}.items():
        masks = [np.roll(bar, by, axis=1) for by in shifts]
        scores = [dice(bar, mask) for mask in masks]
        means[name] = np.mean(scores), np.mean([iou(bar, mask) for mask in masks])
        shown = [f"{value:.2f}" for value in (*scores, *means[name])]
        assert f"model {name} | " + " | ".join(shown) in CHAPTER.replace("**", "")
    assert means["A"][0] < means["B"][0]
    assert means["A"][1] > means["B"][1]


def test_the_prices_of_mistakes_in_tracks():
    rows = {
        "cell missed in one frame": (10, 2 * 1.5 + 1),
        "speck taken for a cell": (1,),
        "track cut": (1.5,),
        "mother cut from both daughters": (2 * 1.5,),
        "two cells trade names": (2 * 1.5, 2 * 1),
    }
    for mistake, prices in rows.items():
        price = re.search(rf"\| {mistake}[^|]*\| ([\d.]+)", CHAPTER)[1]
        assert float(price) == sum(prices)


def test_f1_and_the_stopwatch_disagree():
    truth = np.arange(1, 121) <= 100  # 100 nuclei, then 20 specks of dirt
    a, b = np.arange(120) < 90, np.ones(120, bool)
    scores = [confusion(truth[None], found[None]).f_beta(beta=1) for found in (a, b)]
    assert [f"{score:.2f}" for score in scores] == ["0.95", "0.91"]
    for said in (r"/ (2 \cdot 90 + 10) \approx 0.95", r"/ (2 \cdot 100 + 20) \approx 0.91"):
        assert said in CHAPTER
    assert 10 * 12 == 120 > 20 * 3 == 60


def test_a_tracker_without_any_division_has_a_splendid_tra():
    nothing = 10_000 * 10 + 10_000 * 1.5
    assert f"{nothing:,.0f}".replace(",", "{,}") in CHAPTER
    tra = 1 - 50 * 2 * 1.5 / nothing
    assert rf"150/115{{,}}000 \approx {tra:.3f}" in CHAPTER


def test_scatter_costs_nuclei_and_fusion_costs_the_truth():
    assert rf"\sqrt{{30^2 + 10^2}} \approx {math.hypot(30, 10):.0f}" in CHAPTER
    assert rf"(30^2 + 10^2)/30^2 \approx {(30**2 + 10**2) / 30**2:.2f}" in CHAPTER
    assert rf"100/98 - 1 \approx {100 * (100 / 98 - 1):.0f}\,\%" in CHAPTER
