import base64
import io

import matplotlib
import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import Normalize
from PIL import Image

from aimicro import show
from aimicro.show.picture import Picture, nice_length

RNG = np.random.default_rng(0)
NOISE = RNG.normal(5, 2, (48, 64)).astype(np.float32)
SMOOTH = NOISE * 0 + np.linspace(0, 4, 64, dtype=np.float32)
ALT = "Noise on the left, a ramp on the right."


def soup(figure):
    return BeautifulSoup(figure.html, "html.parser")


def pair(**settings):
    settings = {"titles": ["Noise", "Ramp"], "alt": ALT, **settings}
    return show.panels([NOISE, SMOOTH], **settings)


def pixels_of(img):
    head, data = img["src"].split(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        return np.asarray(picture.convert("RGB"))


def test_structure_of_the_figure():
    page = soup(pair(notes=["18.2 dB", ""], caption="Look <here> & there."))
    figure = page.find("figure", class_="aim")
    assert figure.figcaption.string == "Look <here> & there."
    assert [p.get_text() for p in figure.select(".aim-title")] == ["A Noise", "B Ramp"]
    assert [p.get_text() for p in figure.select(".aim-note")] == ["18.2 dB"]
    assert figure.select_one(".aim-grid")["aria-label"] == ALT
    assert [img["alt"] for img in figure.find_all("img")] == ["Panel A: Noise", "Panel B: Ramp"]
    assert not page.find_all(id=True)
    assert not page.find_all("script")


def test_the_figure_is_complete_and_asks_the_network_for_nothing():
    page = soup(pair(zoom=np.s_[:8, :8], pixel_size_um=0.1, key="photons"))
    assert page.find("style") is not None
    addresses = [tag[name] for name in ("src", "href") for tag in page.find_all(attrs={name: True})]
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert "url(" not in page.style.string
    assert "@import" not in page.style.string


def test_style_and_script_stay_small():
    figure = show.slider([pair(), pair()], label="x", values=["1", "2"], alt="Nothing.")
    page = soup(figure)
    assert len(page.style.string) + len(page.script.string) < 4700


def test_mimebundle_falls_back_on_the_alt_text():
    bundle = pair()._repr_mimebundle_()
    assert bundle["text/plain"] == ALT
    assert set(bundle) == {"text/html", "text/plain"}
    assert repr(pair()) == ALT


def test_pixels_are_the_data_under_shared_limits():
    figure = pair()
    low, high = float(min(NOISE.min(), 0)), float(NOISE.max())
    assert figure.limits == ((low, high), (low, high))
    for img, data in zip(soup(figure).find_all("img"), (NOISE, SMOOTH), strict=True):
        scaled = Normalize(low, high)(data.astype(np.float64))
        expected = matplotlib.colormaps["gray"](scaled, bytes=True)[..., :3]
        np.testing.assert_array_equal(pixels_of(img), expected)


def test_each_image_under_its_own_limits():
    for img in soup(pair(limits="each")).find_all("img"):
        assert (pixels_of(img).min(), pixels_of(img).max()) == (0, 255)


def test_the_size_of_an_image_is_known_before_it_is_decoded():
    image = soup(pair(pixel_size_um=(0.3, 0.1))).img
    assert (image["width"], image["height"]) == ("64", "48")
    assert f"aspect-ratio:{64 * 0.1 / (48 * 0.3):.6g}" in image["style"]


@pytest.mark.parametrize(("width", "crisp"), [(160, True), (161, False)])
def test_only_small_images_are_enlarged_pixel_by_pixel(width, crisp):
    figure = show.panels([np.zeros((4, width))], titles=["Dark"], alt="Dark.")
    assert ("pixelated" in soup(figure).img["style"]) == crisp


def test_scale_bar_has_its_exact_share_of_the_width_once():
    bars = soup(pair(pixel_size_um=0.13, scale_bar_um=2)).select(".aim-bar span")
    assert [bar.string for bar in bars] == ["2 µm"]
    share = float(bars[0]["style"].removeprefix("width:").removesuffix("%"))
    assert share == pytest.approx(100 * 2 / (64 * 0.13), rel=1e-5)


def test_scale_bar_uses_the_pixel_size_along_x():
    bar = soup(pair(pixel_size_um=(0.3, 0.1), scale_bar_um=1)).select_one(".aim-bar span")
    assert bar["style"] == f"width:{100 / 6.4:.6g}%"


def test_panels_of_different_width_have_a_scale_bar_each():
    figure = show.panels(
        [np.zeros((8, 20)), np.zeros((8, 200))],
        titles=["Small", "Large"],
        alt=["Dark.", "Dark too."],
        pixel_size_um=0.1,
    )
    bars = soup(figure).select(".aim-bar span")
    assert [bar.string for bar in bars] == ["0.5 µm", "5 µm"]


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-3, 1e5))
def test_nice_length_is_1_2_or_5_and_fits(width):
    length = nice_length(width)
    assert 0.1199 * width < length <= 0.3 * width
    assert f"{length:.6e}"[:8] in ("1.000000", "2.000000", "5.000000")


@pytest.mark.parametrize(
    ("micrometres", "text"), [(0.05, "50 nm"), (0.5, "0.5 µm"), (20, "20 µm"), (2000, "2 mm")]
)
def test_unit_of_the_scale_bar(micrometres, text):
    picture = Picture(
        np.zeros((2, 2)), "gray", (0, 1), "Dark.", (micrometres, micrometres), bar_um=micrometres
    )
    assert f">{text}<" in picture.html()


def test_zoom_frames_the_part_and_shows_its_pixels():
    page = soup(pair(zoom=np.s_[12:36, 16:-16], limits=(0, 10), pixel_size_um=0.1))
    frame = page.select_one(".aim-zoom")
    assert frame["style"] == "top:25%;height:50%;left:25%;width:50%;"
    whole, detail = page.select(".aim-panel")[0].find_all("img")
    np.testing.assert_array_equal(pixels_of(detail), pixels_of(whole)[12:36, 16:48])
    assert detail["alt"] == "Panel A: Noise (detail)"
    assert [b.string for b in page.select(".aim-bar span")] == ["1 µm", "0.5 µm"]


def test_labels_and_outlines():
    labels = np.zeros(NOISE.shape, np.int32)
    labels[4:20, 4:20], labels[30:40, 30:50] = 1, 7
    page = soup(
        show.panels(
            [NOISE, labels],
            titles=["Image", "Labels"],
            alt=ALT,
            cmap=["gray", "labels"],
            outlines=[labels, None],
        )
    )
    image, overlay, filled = page.find_all("img")
    assert overlay["alt"] == "Outlines of 2 objects"
    assert pixels_of(image).shape == pixels_of(overlay).shape
    assert (pixels_of(filled).any(axis=-1) == (labels > 0)).all()


def test_key_names_the_limits_and_what_was_cut():
    figure = show.panels(
        [NOISE, NOISE - 5],
        titles=["Image", "Error"],
        alt=ALT,
        cmap=["gray", "RdBu_r"],
        limits={"gray": (0, 6), "RdBu_r": (-1234.4, 1234.4)},
        key="photons",
    )
    texts = [span.get_text(" ") for span in soup(figure).select(".aim-key span")]
    assert texts == ["A  ≤ 0 ≥ 6 photons", "B  −1,234 1,234 photons"]


def test_key_is_drawn_once_for_panels_drawn_alike():
    texts = [
        s.get_text(" ") for s in soup(pair(limits=(-20, 30), key="photons")).select(".aim-key span")
    ]
    assert texts == ["−20 30 photons"]


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (4, 4), (5, 3), (6, 3), (8, 4), (12, 4)])
def test_columns_make_even_rows(count, columns):
    figure = show.panels([NOISE] * count, titles=["Noise"] * count, alt=ALT)
    assert soup(figure).select_one(".aim-grid")["style"] == f"--n:{columns}"


def test_one_panel_has_no_letter_and_carries_the_alt_text():
    page = soup(show.panels([NOISE], titles=["Noise"], alt="Grain everywhere."))
    assert page.select_one(".aim-title").string == "Noise"
    assert page.img["alt"] == "Grain everywhere."
    assert not page.select_one(".aim-grid").has_attr("aria-label")


def test_the_input_is_left_alone():
    before = NOISE.copy()
    pair(zoom=np.s_[:8, :8])
    np.testing.assert_array_equal(NOISE, before)


HOLE = NOISE.copy()
HOLE[3, 4:6] = np.nan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": []}, "1 to 26 images, got 0"),
        ({"images": [NOISE] * 27}, "1 to 26 images, got 27"),
        (
            {"images": [NOISE[None]]},
            r"images\[0\] of shape \(Y, X\) with .*, got \(1, 48, 64\). Take one slice",
        ),
        ({"images": [np.zeros((0, 3))]}, r"shape \(Y, X\) with pixels in it, got \(0, 3\)"),
        ({"images": [HOLE]}, r"images\[0\] with finite pixels, got 2 of 3072 NaN"),
        ({"titles": ["Noise", "Ramp"]}, r"Expected titles for each image \(1\), got 2"),
        ({"titles": "Noise"}, r"Expected titles for each image \(1\), got 'Noise'. Pass a list"),
        ({"titles": [" "]}, "Expected a title to be a text, got ' '"),
        ({"notes": ["18 dB", "19 dB"]}, r"Expected notes for each image \(1\), got 2"),
        ({"alt": ""}, "Expected alt to be a text, got ''"),
        ({"alt": ["a", "b"]}, r"Expected alt for each image \(1\), got 2"),
        ({"cmap": "jet"}, "got 'jet', which draws edges"),
        ({"cmap": ["gray", "gray"]}, r"Expected colour maps for each image \(1\), got 2"),
        ({"outlines": [np.zeros((3, 3), int)]}, r"labels of shape \(48, 64\), got \(3, 3\)"),
        ({"outlines": [np.full((48, 64), -1)]}, r"labels from 0 \(background\) up, got -1"),
        ({"pixel_size_um": 0}, "pixel_size_um above 0 µm, got 0"),
        ({"pixel_size_um": (1, 1, 1)}, r"as one number or 2, .*y, x\), got \(1, 1, 1\)"),
        ({"scale_bar_um": 5}, "pixel_size_um with scale_bar_um=5, got None"),
        ({"pixel_size_um": 0.1, "scale_bar_um": 7}, r"width of the image \(6.4 µm\), got 7"),
        ({"zoom": np.s_[90:99, 0:5]}, r"inside \(48, 64\), got"),
        ({"zoom": np.s_[0:9:2, 0:5]}, "Pass slices such as"),
        ({"zoom": np.s_[3, 0:5]}, "Pass slices such as"),
        (
            {"images": [NOISE, NOISE.T], "titles": ["a", "b"], "zoom": np.s_[:8, :8]},
            r"one shape for a shared zoom, got \[\(48, 64\), \(64, 48\)\]",
        ),
        ({"columns": 0}, "columns of 1 or more, got 0"),
    ],
)
def test_bad_input(change, message):
    arguments = {"images": [NOISE], "titles": ["Noise"], "alt": "Grain.", **change}
    with pytest.raises(ValueError, match=message):
        show.panels(arguments.pop("images"), **arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": [NOISE * 1j]}, "real numbers, got complex"),
        ({"cmap": "labels"}, "whole numbers, got float32"),
        ({"notes": [18.2]}, "notes to be texts, got 18.2. Write the unit"),
    ],
)
def test_wrong_types(change, message):
    arguments = {"images": [NOISE], "titles": ["Noise"], "alt": "Grain.", **change}
    with pytest.raises(TypeError, match=message):
        show.panels(arguments.pop("images"), **arguments)
