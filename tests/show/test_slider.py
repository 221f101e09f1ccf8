import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib import pyplot as plt

from aimicro import show

LIGHT = ["1 photon", "12 photons", "100 photons"]


def frame(k):
    return show.panels([np.full((4, 4), k)], titles=["Light"], alt=f"Level {k}.", caption="Not me.")


FRAMES = [frame(k) for k in range(3)]


def slider(**change):
    settings = {"label": "Light", "values": LIGHT, "alt": "It gets brighter.", **change}
    return show.slider(settings.pop("frames", FRAMES), **settings)


def soup(figure):
    return BeautifulSoup(figure.html, "html.parser")


def test_the_range_input_is_named_and_speaks_the_value():
    page = soup(slider(start=1))
    control = page.find("input")
    assert control.find_parent("label").get_text(strip=True) == "Light"
    expected = {"type": "range", "min": "0", "max": "2", "value": "1", "autocomplete": "off"}
    assert {name: control[name] for name in expected} == expected
    assert control["aria-valuetext"] == page.output.string == "12 photons"


def test_the_start_frame_alone_is_marked_as_shown():
    frames = soup(slider(start=2)).select(".aim-frame")
    assert [f["data-value"] for f in frames] == LIGHT
    assert ["aim-on" in f["class"] for f in frames] == [False, False, True]
    assert [f.img["alt"] for f in frames] == ["Level 0.", "Level 1.", "Level 2."]


def test_the_slider_is_one_figure_with_one_caption():
    page = soup(slider(caption="Move it."))
    assert len(page.find_all("figure")) == 1
    assert [c.string for c in page.find_all("figcaption")] == ["Move it."]
    group = page.find("aimicro-slider")
    assert (group["role"], group["aria-label"]) == ("group", "It gets brighter.")
    assert group["data-lm-suppress-shortcuts"] == "true"


def test_the_script_can_be_on_the_page_many_times():
    page = soup(slider())
    assert page.script.string.startswith('customElements.get("aimicro-slider") ||')
    assert not page.find_all(id=True)  # nothing that a second slider could clash with


def test_every_value_has_room():
    assert soup(slider()).output["style"] == f"min-width:{len('100 photons')}ch"


@pytest.mark.parametrize(("count", "marked"), [(20, True), (21, False)])
def test_marks_are_left_out_where_they_would_merge(count, marked):
    page = soup(slider(frames=[FRAMES[0]] * count, values=[str(k) for k in range(count)]))
    assert page.find("input").has_attr("style") == marked


def test_charts_can_be_frames_too():
    fig, other = plt.figure(), plt.figure()
    charts = [show.chart(f, alt="Empty.") for f in (fig, other)]
    figure = slider(frames=charts, values=LIGHT[:2])
    assert len(soup(figure).select(".aim-frame > .aim-chart > svg")) == 2
    assert figure.png == charts[0].png


def test_values_are_escaped():
    page = soup(slider(values=["<1", 'a "b"', "c"]))
    assert page.output.string == "<1"
    assert page.select(".aim-frame")[1]["data-value"] == 'a "b"'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": FRAMES[:1], "values": LIGHT[:1]}, "got 1 frames and 1 values"),
        ({"values": LIGHT[:2]}, "got 3 frames and 2 values"),
        ({"start": 3}, "start from 0 to 2, got 3"),
        ({"start": -1}, "start from 0 to 2, got -1"),
        ({"values": ["", "b", "c"]}, "a value to be a text, got ''"),
        ({"label": ""}, "label to be a text, got ''"),
        ({"alt": ""}, "alt to be a text, got ''"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        slider(**change)


def test_frames_are_figures():
    with pytest.raises(TypeError, match=r"show\.panels or show\.chart, got ndarray"):
        slider(frames=[np.zeros((2, 2))] * 3)
