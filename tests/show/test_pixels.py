import io

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.colors import Normalize
from PIL import Image

from aimicro.show import pixels

MAPS = (*pixels.SEQUENTIAL, *pixels.DIVERGING)


def decoded(png: bytes, mode: str = "RGB") -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert(mode))


@pytest.mark.parametrize("cmap", MAPS)
@settings(max_examples=15, deadline=None)
@given(image=arrays(np.float64, (7, 5), elements=st.floats(-9, 9)))
def test_every_pixel_has_the_colour_that_matplotlib_gives_its_value(cmap, image):
    limits = (-4.0, 6.0)
    png = pixels.png(pixels.colour_indices(image, limits), pixels.palette(cmap))
    expected = matplotlib.colormaps[cmap](Normalize(*limits)(image), bytes=True)[..., :3]
    np.testing.assert_array_equal(decoded(png), expected)


def test_png_is_a_palette_picture_of_one_byte_a_pixel():
    index = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    with Image.open(io.BytesIO(pixels.png(index, pixels.palette("magma")))) as picture:
        assert (picture.mode, picture.size) == ("P", (60, 40))


def test_values_beyond_the_limits_take_the_outermost_colours():
    index = pixels.colour_indices(np.array([[-5.0, 0.0, 1.0, 99.0]]), (0.0, 1.0))
    assert index.tolist() == [[0, 0, 255, 255]]


def test_a_constant_image_is_drawn_in_the_lowest_colour():
    assert pixels.colour_indices(np.full((2, 2), 3.0), (3.0, 3.0)).tolist() == [[0, 0], [0, 0]]


def test_boolean_and_unsigned_images_do_not_wrap_around():
    assert pixels.colour_indices(np.array([[False, True]]), (0.0, 1.0)).tolist() == [[0, 255]]
    counts = np.array([[0, 10, 20]], dtype=np.uint16)
    assert pixels.colour_indices(counts, (10.0, 20.0)).tolist() == [[0, 0, 255]]


def test_no_label_takes_the_colour_of_the_background():
    labels = np.arange(30, dtype=np.uint8).reshape(1, 30)
    rgb = decoded(pixels.png(pixels.colour_indices(labels, None), pixels.palette("labels")))
    assert rgb[0, 0].tolist() == [0, 0, 0]
    assert (rgb[0, 1:].max(axis=-1) > 100).all()
    assert (rgb[0, 1:-1] != rgb[0, 2:]).any(axis=-1).all()  # neighbours in number differ


def test_outlines_lie_inside_the_objects_and_the_rest_is_transparent():
    labels = np.zeros((7, 9), int)
    labels[1:6, 1:4], labels[1:6, 4:8] = 1, 2
    edges = pixels.outline(labels)
    expected = labels.copy()
    expected[2:5, 2:3] = expected[2:5, 5:7] = 0
    np.testing.assert_array_equal(edges, expected)
    index = pixels.colour_indices(edges, None)
    alpha = decoded(pixels.png(index, pixels.palette("labels"), clear=True), "RGBA")[..., 3]
    np.testing.assert_array_equal(alpha, np.where(edges > 0, 255, 0))


LOW = np.array([[0.0, 2.0]])
HIGH = np.array([[1.0, 8.0]])
SIGNED = np.array([[-3.0, 1.0]])


@pytest.mark.parametrize(
    ("cmaps", "limits", "expected"),
    [
        (["gray", "gray", "RdBu_r"], "shared", [(0, 8), (0, 8), (-3, 3)]),
        (["gray", "magma", "RdBu_r"], "shared", [(0, 2), (1, 8), (-3, 3)]),
        (["gray", "gray", "gray"], "each", [(0, 2), (1, 8), (-3, 1)]),
        (["gray", "gray", "gray"], (0, 5), [(0, 5)] * 3),
        (["gray", "gray", "gray"], np.array([0, 5]), [(0, 5)] * 3),
        (["gray", "gray", "RdBu_r"], {"gray": (0, 1)}, [(0, 1), (0, 1), (-3, 3)]),
        (["RdBu_r"] * 3, (-2, 2), [(-2, 2)] * 3),
    ],
)
def test_limits(cmaps, limits, expected):
    assert pixels.display_limits([LOW, HIGH, SIGNED], cmaps, limits) == expected


@pytest.mark.parametrize(
    ("cmaps", "limits", "message"),
    [
        (["gray"], "auto", "limits 'shared', 'each' or .* got 'auto'"),
        (["gray"], (1, 1), "low < high, got"),
        (["gray"], (0, np.nan), "low < high, got"),
        (["gray"], (0, 1, 2), r"low < high, got \(0, 1, 2\)"),
        (["RdBu_r"], (-1, 2), r"symmetric about zero, got \(-1.0, 2.0\). Pass \(-2.0, 2.0\)"),
        (["gray", "RdBu_r"], (0, 1), "limits for each of the colour maps"),
        (["gray"], {"magma": (0, 1)}, r"colour maps in use \(\['gray'\]\), got \['magma'\]"),
    ],
)
def test_limits_that_cannot_be_used(cmaps, limits, message):
    with pytest.raises(ValueError, match=message):
        pixels.display_limits([LOW, HIGH][: len(cmaps)], cmaps, limits)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("jet", "edges where the data have none"), ("hsv", "same colour"), ("tab10", "not known")],
)
def test_maps_that_mislead_are_refused_with_the_reason(name, reason):
    with pytest.raises(ValueError, match=f"got '{name}', which .*{reason}"):
        pixels.checked_cmap(name)


@pytest.mark.parametrize("cmap", pixels.SEQUENTIAL)
def test_sequential_maps_rise_evenly_in_lightness(cmap):
    rgb = pixels.palette(cmap) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    assert (np.diff((linear @ [0.2126, 0.7152, 0.0722])[::8]) > 0).all()
