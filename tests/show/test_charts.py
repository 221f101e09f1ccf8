import io
import itertools
import re

import matplotlib
import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from PIL import Image

from aimicro import show
from aimicro.show.charts import INK

ALT = "PSNR rises with the light."


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context():
        matplotlib.use("agg")
        show.use_style()
        yield
        plt.close("all")


def drawn(scale=1.0, figsize=None):
    fig, ax = plt.subplots(figsize=figsize)
    ax.plot([1, 2, 3], [scale, 10, 100], marker="o", label="U-Net")
    ax.axhline(20, color="k")
    ax.set(xlabel="Photons, σ in µm", ylabel="PSNR (dB)", yscale="log", title="<Light>")
    ax.legend()
    return fig


def soup(figure):
    return BeautifulSoup(figure.html, "html.parser")


def test_the_chart_is_a_named_image_whose_text_is_text():
    svg = soup(show.chart(drawn(), alt='A "rise".', caption="Look.")).svg
    assert (svg["role"], svg["aria-label"]) == ("img", 'A "rise".')
    texts = {text.get_text(strip=True) for text in svg.find_all("text")}
    assert {"Photons, σ in µm", "PSNR (dB)", "<Light>", "U-Net"} <= texts


def test_text_and_axes_take_the_colour_of_the_page():
    html = str(soup(show.chart(drawn(), alt=ALT)).svg)
    assert "currentColor" in html
    for fixed in (INK, "#000000", "#ffffff", "white"):
        assert fixed not in html.lower()


def test_series_keep_their_colours():
    html = str(soup(show.chart(drawn(), alt=ALT)).svg)
    assert f"stroke: {series()[0]}" in html


def test_the_chart_fits_its_place_without_a_rule_for_the_rest_of_the_page():
    svg = soup(show.chart(drawn(), alt=ALT)).svg
    assert svg["viewbox"] == "0 0 360 216"
    assert svg["style"] == "width:480px"
    assert svg.find("style") is None
    assert svg.find("metadata") is None
    assert not svg.parent.has_attr("tabindex")


def test_a_wide_chart_can_be_scrolled_with_the_keyboard():
    svg = soup(show.chart(drawn(figsize=(10, 3)), alt=ALT)).svg
    assert svg["style"] == "width:960px;min-width:684px"
    assert svg.parent["tabindex"] == "0"


def test_the_same_chart_gives_the_same_html():
    assert show.chart(drawn(), alt=ALT).html == show.chart(drawn(), alt=ALT).html


def test_charts_on_one_page_share_no_identifiers_and_find_their_own():
    pages = [soup(show.chart(drawn(scale), alt=ALT)).svg for scale in (1.0, 2.0)]
    ids = [[tag["id"] for tag in page.find_all(id=True)] for page in pages]
    assert ids[0]
    assert len(set(ids[0] + ids[1])) == len(ids[0]) + len(ids[1])
    for page, own in zip(pages, ids, strict=True):
        used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', str(page)))
        assert used == set(own)


def test_the_figure_is_closed_and_has_a_picture_for_places_without_html():
    fig = drawn()
    bundle = show.chart(fig, alt=ALT)._repr_mimebundle_()
    assert not plt.fignum_exists(fig.number)
    assert bundle["text/plain"] == ALT
    assert isinstance(bundle["image/png"], str)
    with Image.open(io.BytesIO(show.chart(drawn(), alt=ALT).png)) as picture:
        assert picture.size == (720, 432)
        assert picture.convert("RGB").getpixel((2, 2)) == (255, 255, 255)


@pytest.mark.parametrize("thing", [None, plt])
def test_only_figures_can_be_charts(thing):
    with pytest.raises(TypeError, match=r"Matplotlib figure, got .* Pass fig"):
        show.chart(thing, alt=ALT)


def test_a_chart_needs_words():
    with pytest.raises(ValueError, match="Expected alt to be a text, got ''"):
        show.chart(drawn(), alt="")


def test_no_spine_is_drawn_at_the_top_or_on_the_right():
    spines = plt.subplots()[1].spines
    assert not spines["top"].get_visible()
    assert not spines["right"].get_visible()


# The colours of the style, by the definitions of WCAG 2 and of Machado, Oliveira and Fernandes
# (2009, doi:10.1109/TVCG.2009.113; matrices of full severity).
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    dark, light = sorted(TO_XYZ[1] @ linear(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def cielab(colour, vision):
    seen = np.clip(np.array(VISION[vision]) @ linear(colour), 0, 1)
    x, y, z = np.cbrt(np.maximum(TO_XYZ @ seen / [0.9505, 1, 1.089], 1e-6))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def series():
    *colours, ink = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    assert ink == INK
    return colours


@pytest.mark.parametrize("page", ["#ffffff", "#14181e", "#121212"])
def test_series_stand_out_on_light_and_dark_pages(page):
    assert min(contrast(colour, page) for colour in series()) >= 3


@pytest.mark.parametrize("vision", VISION)
def test_series_stay_apart_for_colour_blind_readers(vision):
    pairs = itertools.combinations(series(), 2)
    assert min(np.linalg.norm(cielab(a, vision) - cielab(b, vision)) for a, b in pairs) > 12


def test_lines_differ_in_their_dashes_too():
    cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()
    assert len(set(map(str, cycle["linestyle"]))) == len(cycle["color"]) == 5
