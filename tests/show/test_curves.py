"""Curves lie where their numbers say, and refuse what they could not draw honestly."""

import re
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from bs4 import BeautifulSoup

from aimicro import show

LABELS = {"x_label": "photons", "y_label": "PSNR (dB)", "alt": "Both rise."}


def svg(figure):
    return BeautifulSoup(figure.html, "html.parser").svg


def texts(figure):
    return [text.get_text(strip=True) for text in svg(figure).find_all("text")]


def paths(figure, colour):
    """The points of every path drawn in a colour."""
    found = []
    for path in svg(figure).find_all("path"):
        style = path.get("style", "")
        if f"stroke: {colour}" in style and "opacity" not in style and path.get("clip-path"):
            numbers = re.findall(r"[ML] (-?[\d.]+) (-?[\d.]+)", path["d"])
            found.append(np.array(numbers, dtype=float))
    return found


def test_points_lie_in_proportion():
    (line,) = paths(show.curves([0, 1, 4], {"a": [0.0, 10, 40]}, **LABELS), "#1a80c4")
    steps = np.diff(line, axis=0)
    np.testing.assert_allclose(steps[1] / steps[0], [3, 3], rtol=1e-4)
    assert steps[0, 0] > 0 > steps[0, 1]  # to the right, and up


def test_equal_ratios_are_equal_steps_on_logarithmic_axes():
    figure = show.curves([1, 10, 100], {"a": [1.0, 10, 100]}, log="xy", **LABELS)
    steps = np.diff(paths(figure, "#1a80c4")[0], axis=0)
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-4)
    assert {"1", "10", "100"} <= set(texts(figure))


def test_numbers_at_logarithmic_axes_are_plain():
    figure = show.curves([1, 2], {"a": [0.0002, 0.0009]}, log="y", **LABELS)
    assert "0.0004" in texts(figure)
    assert "tspan" not in str(svg(figure))  # no raised letters


def test_two_curves_differ_in_colour_and_dashes_and_are_named():
    figure = show.curves([1, 2], {"U-Net": [1, 2], "Best filter": [2, 3]}, **LABELS)
    assert {"U-Net", "Best filter", "photons", "PSNR (dB)", "1", "2"} <= set(texts(figure))
    assert paths(figure, "#1a80c4")
    assert paths(figure, "#d55e00")
    assert "dasharray" in str(svg(figure))


def test_a_curve_alone_needs_no_legend():
    assert "U-Net" not in texts(show.curves([1, 2], {"U-Net": [1, 2]}, **LABELS))


def test_names_stand_beside_their_points_or_nowhere():
    lines = {"Widefield": ([2], [40]), "STED": ([200], [600])}
    given = {"points": list(lines), "log": "xy", **LABELS}
    beside = svg(show.curves(None, lines, names_at="beside", **given))
    places = [t for t in beside.find_all("text") if t.get_text(strip=True) in lines]
    assert len(places) == 2
    assert not set(lines) & set(texts(show.curves(None, lines, names_at="nowhere", **given)))


def test_a_name_that_would_lie_on_another_goes_below_its_point():
    lines = {"Widefield": ([4], [40]), "Confocal": ([8], [40]), "STED": ([200], [600])}
    limits = {"x_limits": (1, 1000), "y_limits": (1, 1000)}
    figure = show.curves(
        None, lines, names_at="beside", points=list(lines), log="xy", **limits, **LABELS
    )
    height = {
        text.get_text(strip=True): float(text["y"])
        for text in svg(figure).find_all("text")
        if text.get_text(strip=True) in lines
    }
    assert height["Confocal"] > height["Widefield"] + 10  # downwards


def test_points_of_several_curves_at_one_place_are_all_seen():
    """A ring and a cross."""
    figure = show.curves([1, 2], {"a": [1, 2], "b": [1, 2]}, points=["a", "b"], **LABELS)
    drawing = svg(figure)
    markers = {use["xlink:href"][1:]: use["style"] for use in drawing.find_all("use")}
    ring, cross = (name for name, style in markers.items() if "#" in style)
    assert "fill-opacity: 0" in markers[ring]
    assert "C" not in drawing.find(id=cross)["d"]  # straight lines, which enclose nothing
    assert "z" not in drawing.find(id=cross)["d"]


def test_points_of_two_curves_are_joined():
    lines = {"promised": [1.0, 2], "left": [0.5, 0.1]}
    given = {"points": list(lines), **LABELS}
    assert not paths(show.curves([1, 2], lines, **given), "currentColor")
    figure = show.curves([1, 2], lines, joined=("promised", "left"), **given)
    joins = [np.ptp(path, axis=0) for path in paths(figure, "currentColor")]
    np.testing.assert_allclose([across for across, _ in joins], [0, 0])
    np.testing.assert_allclose(joins[1][1] / joins[0][1], 1.9 / 0.5, rtol=1e-4)


def test_points_that_do_not_lie_above_each_other_are_not_joined():
    lines = {"promised": ([1, 2], [1, 2]), "left": ([1, 3], [1, 2])}
    with pytest.raises(ValueError, match="at the same positions to join them"):
        show.curves(None, lines, joined=("promised", "left"), **LABELS)


def test_charts_side_by_side_share_the_axis_unless_each_has_a_label():
    lines = {"loss": {"a": [1, 2]}, "Dice": {"a": [0.1, 0.2]}}
    x = [1, 2]
    shared = show.curves(x, lines, **LABELS)
    own = show.curves(x, lines, **LABELS | {"y_label": ["loss, validation", "score"]})
    assert {"loss", "Dice"} <= set(texts(own))
    assert {"loss, validation", "score"} <= set(texts(own))
    heights = [[np.ptp(line[:, 1]) for line in paths(f, "#1a80c4")] for f in (shared, own)]
    assert heights[0][0] == pytest.approx(10 * heights[0][1], rel=1e-3)
    assert heights[1][0] == pytest.approx(heights[1][1], rel=1e-3)


def test_each_curve_may_bring_its_own_positions():
    figure = show.curves(None, {"a": ([0, 10], [0, 1]), "b": ([5, 10], [0, 1])}, **LABELS)
    a, b = paths(figure, "#1a80c4")[0], paths(figure, "#d55e00")[0]
    assert np.ptp(a[:, 0]) == pytest.approx(2 * np.ptp(b[:, 0]), rel=1e-3)


def test_lines_bands_and_ranges_lie_across():
    figure = show.curves(
        [0, 10],
        {"a": [0, 1], "line": [0, 0.5]},
        hline={"chance": 0.5},
        vline=[2, 4],
        span=(2, 4),
        bands={"a": ([-0.1, 0.9], [0.1, 1.1])},
        points=["a"],
        reference="line",
        **LABELS,
    )
    assert "chance" in texts(figure)
    assert not paths(figure, "#1a80c4")  # points have no line
    thin = paths(figure, "currentColor")
    flat = [p for p in thin if len(p) == 2 and np.ptp(p[:, 1]) == 0]
    upright = [p for p in thin if len(p) == 2 and np.ptp(p[:, 0]) == 0]
    assert len(flat) == 1
    assert len(upright) == 2
    assert "opacity: 0.2" in str(svg(figure))  # the band


def test_a_phone_shows_the_whole_chart_and_its_text_takes_the_colour_of_the_page():
    figure = show.curves([1, 2], {"a": [1, 2], "b": [2, 3]}, caption="Notice it.", **LABELS)
    assert float(svg(figure)["viewbox"].split()[2]) <= 360
    assert "#20262e" not in str(svg(figure))
    assert figure.caption == "Notice it."
    assert figure.png is not None


def test_the_same_numbers_give_the_same_chart_whatever_the_style_before():
    first = show.curves([1, 2], {"a": [1, 2]}, **LABELS).html
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9}):
        assert show.curves([1, 2], {"a": [1, 2]}, **LABELS).html == first
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lines": {}}, "Expected at least one curve in each chart"),
        ({"lines": {"left": {}}}, "Expected at least one curve in each chart"),
        ({"lines": {"a": [1, 2, 3]}}, r"shapes \(3,\) and \(2,\)"),
        ({"x": None}, "Expected x for 'a', got None"),
        ({"lines": {"a": [1, np.inf]}}, "Expected finite numbers for 'a'"),
        ({"log": "x", "x": [0, 1]}, "above 0 on the logarithmic x axis, got 0 in 'a'"),
        ({"names_at": "below"}, "Expected names_at as one of above, beside, nowhere"),
        ({"log": "yes"}, "Expected log as"),
        ({"reference": "Truth"}, "Expected the name of a curve as one of a"),
        ({"joined": ("a", "b")}, "Expected the name of a curve as one of a"),
        ({"points": ["b"]}, "Expected the name of a curve as one of a"),
        ({"alt": " "}, "Expected alt to be a text"),
        ({"x_label": ""}, "Expected x_label to be a text"),
        ({"y_label": ["one", "two"]}, "Expected y_label for each"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, message):
    given = {"x": [1, 2], "lines": {"a": [1, 2]}, **LABELS, **change}
    with pytest.raises(ValueError, match=message):
        show.curves(given.pop("x"), given.pop("lines"), **given)


def history(**changes):
    losses = {"step": [100, 200], "train_loss": [0.4, 0.1], "validation_loss": [0.5, 0.2]}
    return SimpleNamespace(**losses | changes)


def test_a_training_has_a_curve_for_each_loss():
    figure = show.training(history(), alt="Both fall.", y_label="mean squared error")
    assert {"training", "validation", "step", "mean squared error", "100"} <= set(texts(figure))
    assert len(paths(figure, "#1a80c4")[0]) == len(paths(figure, "#d55e00")[0]) == 2


def test_a_training_without_validation_has_one_curve():
    assert "validation" not in texts(show.training(history(validation_loss=[]), alt="It falls."))


def test_trainings_side_by_side_have_titles():
    assert {"24 images", "1 image"} <= set(
        texts(show.training({"24 images": history(), "1 image": history()}, alt="Two charts."))
    )


def test_a_training_of_the_command_line_is_read_from_its_table(tmp_path):
    path = tmp_path / "training.csv"
    path.write_text("epoch,training_loss,validation_loss\n1,0.5,0.6\n2,0.4,0.5\n")
    figure = show.training(path, alt="Both fall.", names=("training volumes", "new ones"))
    assert {"epoch", "training volumes", "new ones"} <= set(texts(figure))
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="Expected the columns epoch, training_loss"):
        show.training(path, alt="None.")
