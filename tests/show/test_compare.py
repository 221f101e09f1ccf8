"""Comparisons carry their scores, and outlines tell found from missed and invented."""

import re

import numpy as np
import pytest
from bs4 import BeautifulSoup

from aimicro import metrics, show

TRUTH = np.tile(np.arange(32.0), (24, 1))
OPTIONS = {"data_range": 10, "alt": "Ramps."}


def page(figure):
    return BeautifulSoup(figure.html, "html.parser")


def notes(figure):
    return [note.get_text() for note in page(figure).select(".aim-note")]


def titles(figure):
    return [title.get_text(" ", strip=True) for title in page(figure).select(".aim-title")]


def test_every_result_has_its_score_and_the_truth_is_known():
    figure = show.compare({"Measured": TRUTH + 1, "U-Net": TRUTH + 0.1}, TRUTH, **OPTIONS)
    assert notes(figure) == ["20.0 dB", "40.0 dB", "known"]
    assert titles(figure) == ["A Measured", "B U-Net", "C Truth"]
    assert figure.limits == ((0.0, 32.0),) * 3


def test_errors_are_drawn_below_with_their_sign():
    results = {"bright": TRUTH + 1, "dark": TRUTH - 2}
    figure = show.compare(results, TRUTH, errors=True, key="photons", **OPTIONS)
    assert titles(figure)[3:] == ["D Error: bright", "E Error: dark"]
    assert figure.limits[3:] == ((-2.0, 2.0),) * 2
    assert "--n:3" in page(figure).select_one(".aim-grid")["style"]  # each below its result
    fixed = show.compare(results, TRUTH, errors=True, error_limit=4, limits=(0, 9), **OPTIONS)
    assert fixed.limits == ((0.0, 9.0),) * 3 + ((-4.0, 4.0),) * 2


def test_a_volume_is_measured_whole_and_seen_from_above():
    volume = np.stack([TRUTH, TRUTH + 5])
    wrong = volume.copy()
    wrong[0] += 1  # hidden behind the brighter plane
    figure = show.compare({"a": wrong}, volume, limits=(0, 50), **OPTIONS)
    assert notes(figure)[0] == f"{metrics.psnr(volume, wrong, data_range=10):.1f} dB"
    image = page(figure).select_one("img")
    assert (image["height"], image["width"]) == ("24", "32")
    side = show.compare({"a": wrong}, volume, view=lambda v: v[:, 3], **OPTIONS)
    assert page(side).select_one("img")["height"] == "2"


def test_brightness_can_be_left_out_of_the_comparison():
    noisy = TRUTH + np.random.default_rng(0).normal(0, 1, TRUTH.shape)
    plain = show.compare({"a": noisy}, TRUTH, affine=True, **OPTIONS)
    scaled = show.compare({"a": 3 * noisy + 7}, TRUTH, affine=True, **OPTIONS)
    assert notes(plain) == notes(scaled)


def test_lines_can_be_replaced_and_the_score_chosen():
    given = {"score": "ssim", "notes": {"Truth": "mean of 50"}, **OPTIONS}
    assert notes(show.compare({"a": TRUTH}, TRUTH, **given)) == ["SSIM 1.000", "mean of 50"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": {"a": TRUTH[:5]}}, "of the truth's shape"),
        ({"score": "pnsr"}, "Did you mean psnr"),
        ({"notes": {"b": ""}}, "the name of a note as one of a, Truth"),
        ({"alt": ""}, "Expected alt"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, message):
    given = {"images": {"a": TRUTH}, "truth": TRUTH, **OPTIONS, **change}
    with pytest.raises(ValueError, match=message):
        show.compare(given.pop("images"), given.pop("truth"), **given)


def test_a_slider_is_drawn_for_every_value():
    figure = show.slider_of(
        lambda n: show.panels([TRUTH / n], titles=["Ramp"], alt=f"Over {n}."),
        (n for n in (1, 2, 4)),
        label="Light",
        text="{} photons",
        alt="Ramps.",
        start=1,
    )
    frames = page(figure).select(".aim-frame")
    assert [frame["data-value"] for frame in frames] == ["1 photons", "2 photons", "4 photons"]
    assert "aim-on" in frames[1]["class"]


def scene():
    truth, prediction = np.zeros((2, 40, 60), dtype=int)
    truth[5:15, 5:15], truth[5:15, 40:50] = 3, 7
    prediction[5:15, 6:16], prediction[28:36, 20:28] = 1, 2
    return truth, prediction, metrics.match(truth, prediction, threshold=0.5)


def outlines(figure, colour):
    svg = page(figure).svg
    return [
        np.array(re.findall(r"[ML] (-?[\d.]+) (-?[\d.]+)", path["d"]), dtype=float)
        for path in svg.find_all("path")
        if f"stroke: {colour}" in path.get("style", "") and path.get("clip-path")
    ]


def test_found_invented_and_missed_are_outlined_where_they_are():
    truth, prediction, matching = scene()
    figure = show.matches(np.ones((40, 60)), truth, prediction, matching, alt="Three squares.")
    (found,), (invented,), (missed,) = (
        outlines(figure, c) for c in ("#56b4e9", "#ff9a3c", "#e89ac7")
    )
    pixel = np.ptp(found[:, 0]) / 10
    assert np.ptp(invented[:, 0]) == pytest.approx(8 * pixel, rel=0.01)
    shift = missed[:, 0].mean() - found[:, 0].mean()
    assert shift == pytest.approx(34 * pixel, rel=0.02)  # 40 - 6
    assert (invented[:, 1].min() - found[:, 1].min()) == pytest.approx(23 * pixel, rel=0.02)
    words = [text.get_text(strip=True) for text in page(figure).svg.find_all("text")]
    assert words.count(".82") == 1
    assert {"found 1", "invented 1", "missed 1"} <= set(words)


def test_outlines_of_another_matching_are_refused():
    truth, prediction, matching = scene()
    image = np.ones((40, 60))
    with pytest.raises(ValueError, match="Match the part that is shown"):
        show.matches(image, truth, prediction * 5, matching, alt="None.")
    with pytest.raises(TypeError, match="Match first"):
        show.matches(image, truth, prediction, 0.5, alt="None.")
    with pytest.raises(ValueError, match="Expected labels of shape"):
        show.matches(image, truth[:5], prediction, matching, alt="None.")
    with pytest.raises(ValueError, match="Expected alt"):
        show.matches(image, truth, prediction, matching, alt="")
