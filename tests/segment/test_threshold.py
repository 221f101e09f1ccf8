import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.filters import threshold_local, threshold_otsu
from skimage.measure import label
from skimage.morphology import reconstruction

from aimicro.metrics import average_precision
from aimicro.segment import (
    foreground,
    local_threshold,
    log_discs,
    log_pieces,
    log_response,
    log_spots,
    otsu,
    redraw,
    watershed_by_both,
    watershed_by_distance,
    watershed_by_intensity,
)

IMAGES = arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.floats(0, 100, width=16),
)


def discs(*centres, radius=8, shape=(40, 70)):
    """Discs as labels, the later ones over the earlier."""
    y, x = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    for number, (down, right) in enumerate(centres, start=1):
        labels[(y - down) ** 2 + (x - right) ** 2 <= radius**2] = number
    return labels


def touching():
    """Two discs that overlap by 2 pixels, parted in the middle."""
    x = np.indices((40, 70))[1]
    both = discs((20, 20), (20, 34)) > 0
    return np.where(both, np.where(x < 27, 1, 2), 0).astype(np.int32)


def scene(seed=0):
    """Smooth noise, in which there is something to cut everywhere."""
    noise = np.random.default_rng(seed).normal(size=(60, 80))
    return ndimage.gaussian_filter(noise, 3) * 100


def ap(truth, found, at=0.75):
    return average_precision(truth, found, thresholds=at)


def test_the_threshold_is_that_of_scikit_image():
    image = scene()
    smooth = ndimage.gaussian_filter(image, 1.5)
    expected = smooth > threshold_otsu(smooth)
    found = foreground(image, sigma=1.5, fill_holes=False)
    np.testing.assert_array_equal(found, expected)


def test_the_local_mean_is_that_of_scikit_image():
    image = np.abs(scene()) + 50
    image[:, :2] = 0  # the background, exactly
    mean = threshold_local(image, 61, method="gaussian", param=6, mode="reflect")
    found = foreground(image, sigma=0, factor=1e-6, window=6, ratio=1.1, fill_holes=False)
    dark = image[image <= threshold_otsu(image)]
    level = np.median(dark)
    np.testing.assert_array_equal(found, (image - level > 1.1 * (mean - level)) & (image > level))


@pytest.mark.parametrize(("gain", "offset"), [(0.25, 0), (8, 0), (1, -500), (16, 4096)])
def test_an_offset_and_a_gain_of_the_camera_change_nothing(gain, offset):
    image = np.round(scene())
    first = otsu(image, factor=0.813)
    np.testing.assert_array_equal(first, otsu(gain * image + offset, factor=0.813))


def test_a_lower_factor_finds_more():
    image = scene()
    small, large = (foreground(image, factor=factor) for factor in (1.2, 0.6))
    assert (large >= small).all()
    assert large.sum() > small.sum()


def test_holes_are_those_that_scipy_fills():
    mask = np.random.default_rng(4).random((60, 60)) < 0.55
    found = foreground(mask * 9.0, sigma=0)
    np.testing.assert_array_equal(found, ndimage.binary_fill_holes(mask))
    np.testing.assert_array_equal(foreground(mask * 9.0, sigma=0, fill_holes=False), mask)


def test_small_objects_are_left_out_by_area_in_the_unit_of_spacing():
    labels = discs((10, 10), (30, 40), radius=5)
    labels[35:37, 60:62] = 3
    assert otsu(labels.clip(0, 1), sigma=0).max() == 3
    kept = otsu(labels.clip(0, 1), sigma=0, min_area=5)
    np.testing.assert_array_equal(kept, label(labels * (labels < 3), connectivity=1))
    assert otsu(labels.clip(0, 1), sigma=0, min_area=5, spacing=2).max() == 3


def test_a_local_threshold_keeps_dim_objects_beside_bright_ones():
    truth = discs((20, 15), (20, 50))
    image = 100.0 + 30 * (truth == 1) + 500 * (truth == 2)
    assert ap(truth, otsu(image)) == 0.5
    assert ap(truth, local_threshold(image, window=12, factor=0.05)) == 1


def test_a_watershed_by_distance_parts_what_touches():
    truth = touching()
    assert otsu(truth.clip(0, 1), sigma=0).max() == 1
    assert ap(truth, watershed_by_distance(truth > 0), at=0.95) == 1
    assert watershed_by_distance(truth > 0, depth=6).max() == 1  # the waist is not that narrow


# scikit-image 0.26 sets the shape of an array, which NumPy 2.5 warns of.
@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")
@pytest.mark.parametrize("depth", [0.3, 1.0, 2.5])
def test_hills_are_the_h_maxima_of_scikit_image(depth):
    mask = scene(2) > 2
    distance = ndimage.distance_transform_edt(mask)
    smooth = np.where(mask, ndimage.gaussian_filter(distance, 1), 0)
    found = watershed_by_distance(mask, smoothing=1, depth=depth)
    cross = ndimage.generate_binary_structure(2, 1)
    flooded = reconstruction(smooth - depth, smooth, footprint=cross)
    tops = label(smooth - flooded >= depth * (1 - 1e-9))
    # A piece lower than the depth has no h-maximum, and is a hill nevertheless.
    numbers = label(mask, connectivity=1)
    low = ndimage.maximum(smooth, numbers, np.arange(1, numbers.max() + 1)) < depth
    assert found.max() == tops.max() + low.sum()
    assert ((found > 0) == mask).all()


def test_a_watershed_by_intensity_parts_by_a_darker_line_whatever_the_brightness():
    truth = np.zeros((20, 40), np.int32)
    truth[5:15, 5:20], truth[5:15, 20:35] = 1, 2
    x = np.indices(truth.shape)[1]
    light = (truth > 0) * (1 + 0.4 * np.cos((x - 12) / 15 * 2 * np.pi))
    for brightness in (10, 1000):
        found = watershed_by_intensity(100 + brightness * light, truth > 0)
        assert ap(truth, found, at=0.9) == 1
    assert watershed_by_distance(truth > 0).max() == 1  # no waist, nothing to see
    assert watershed_by_intensity(100 + light, truth > 0, depth=2).max() == 1


def test_both_is_distance_where_light_has_no_weight():
    mask = scene(1) > 0
    settings = {"smoothing": 1.0, "depth": 0.7}
    found = watershed_by_both(scene(3), mask, weight=0, **settings)
    np.testing.assert_array_equal(found, watershed_by_distance(mask, **settings))


def test_spacing_makes_a_stretched_volume_the_same_one():
    z, y, x = np.indices((17, 21, 36))
    ball = (z - 8) ** 2 + (y - 10) ** 2 + (np.abs(x - 18) - 7) ** 2 < 64
    thin = ball[::2]  # every other plane
    spacing = (2, 1, 1)
    assert watershed_by_distance(thin, spacing=spacing).max() == 2
    whole = foreground(9.0 * ball, sigma=1.5)[::2]
    part = foreground(9.0 * thin, sigma=1.5, spacing=spacing)
    assert np.mean(whole != part) < 0.02
    peak = log_response(9.0 * ball, radius=8)[8].max()
    assert log_response(9.0 * thin, radius=8, spacing=spacing)[4].max() == pytest.approx(peak, 0.1)


def test_the_response_is_that_of_scipy():
    image, sigma = scene(), 4 / np.sqrt(2)
    expected = -(sigma**2) * ndimage.gaussian_laplace(image, sigma)
    np.testing.assert_allclose(log_response(image, radius=4), expected, atol=1e-9)


def test_spots_are_counted_and_weak_ones_left_out():
    truth = discs((10, 10), (10, 40), (30, 25), radius=4)
    image = ndimage.gaussian_filter(np.array([0, 10, 10, 2.0])[truth], 1)
    assert log_spots(image, radius=4, factor=0.1).max() == 3
    assert log_spots(image, radius=4, factor=0.1, threshold=0.5).max() == 2
    strong = log_spots(image, radius=4, factor=1, threshold=0.5, sigma=0)
    assert ap(np.where(truth == 3, 0, truth), strong, at=0.7) == 1


def test_equal_discs_on_blobs_are_the_objects_where_all_are_equal():
    truth = discs((12, 12), (12, 25), (30, 40), radius=6)
    light = ndimage.gaussian_filter(20.0 * (truth > 0), 2.5) + 5
    image = np.random.default_rng(0).poisson(light)
    found = log_discs(image, radius=5, size=6, threshold=0.4)
    assert ap(truth, found, at=0.75) == 1
    assert np.bincount(found.ravel())[1:].max() <= np.pi * 6.6**2  # none is larger than its disc


def test_a_volume_gets_balls():
    z, y, x = np.mgrid[:17, :17, :17]
    ball = np.hypot(np.hypot(z - 8, y - 8), x - 8) < 5
    found = log_discs(ndimage.gaussian_filter(9.0 * ball, 1), radius=5, size=5, threshold=0.5)
    assert ap(ball.astype(int), found, at=0.9) == 1


def test_pieces_part_bent_objects_that_a_threshold_joins():
    y, x = np.mgrid[:60, :80]
    wave = y - 30 - 6 * np.sin(x / 10)
    truth = np.where((x > 8) & (x < 72) & (np.abs(wave) < 6), 1 + (wave > 0), 0)
    dark = 1 - 0.6 * (np.abs(wave) < 1)  # a faint line along the bend
    image = 100 * ndimage.gaussian_filter(dark * (truth > 0), 1)
    assert otsu(image, sigma=0).max() == 1
    found = log_pieces(image, radius=2, sigma=0)
    assert found.max() == 2
    assert ap(truth, found, at=0.75) == 1


def test_small_pieces_are_left_out():
    image = ndimage.gaussian_filter(np.pad(np.full((9, 9), 50.0), 20), 1)
    image[5:7, 5:7] = 60
    assert log_pieces(image, radius=3, sigma=0, factor=0.3).max() == 2
    assert log_pieces(image, radius=3, sigma=0, factor=0.3, min_area=10).max() == 1


def test_each_object_redrawn_at_half_of_its_light_has_its_size():
    truth = discs((20, 18), (20, 52), radius=9)
    blurred = 100 + ndimage.gaussian_filter(np.array([0, 50.0, 1000.0])[truth], 2)
    generous = watershed_by_distance(foreground(blurred, sigma=0, factor=0.03))
    assert ap(truth, generous, at=0.8) < 0.5
    assert ap(truth, redraw(generous, blurred, sigma=0, level=0.65), at=0.8) == 1


def test_redrawing_keeps_ids_whatever_they_are():
    labels = np.kron([[0, 1, 2]], np.ones((6, 6), int))
    image = np.random.default_rng(0).random(labels.shape) + 5 * (labels > 0)
    far = np.where(labels == 2, 2**31 - 1, 7 * labels)
    found, others = redraw(labels, image), redraw(far, image)
    assert np.array_equal(others, np.where(found == 2, 2**31 - 1, 7 * found))


@settings(max_examples=40, deadline=None)
@given(IMAGES)
def test_redrawing_never_grows_an_object(image):
    labels = otsu(image, sigma=0, factor=0.5)
    redrawn = redraw(labels, image, sigma=0, level=0.8)
    assert np.isin(redrawn[redrawn != labels], 0).all()


SEGMENTERS = {
    "otsu": otsu,
    "local_threshold": lambda image: local_threshold(image, window=5),
    "log_discs": lambda image: log_discs(image, radius=3, size=4),
    "log_pieces": lambda image: log_pieces(image, radius=3),
    "log_spots": lambda image: log_spots(image, radius=3),
    "by_distance": lambda image: watershed_by_distance(foreground(image)),
    "by_intensity": lambda image: watershed_by_intensity(image, foreground(image)),
    "by_both": lambda image: watershed_by_both(image, foreground(image)),
}


@pytest.mark.parametrize("name", SEGMENTERS)
@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (3, 7, 9)])
def test_where_all_is_alike_nothing_is_found(name, shape):
    for value in (0, 0.1, 7):
        found = SEGMENTERS[name](np.full(shape, value, np.float32))
        assert found.dtype == np.int32
        assert found.shape == shape
        assert not found.any()


@pytest.mark.parametrize("name", SEGMENTERS)
def test_what_is_no_image_is_refused(name):
    with pytest.raises(ValueError, match="with pixels in it"):
        SEGMENTERS[name](np.zeros((0, 5)))
    with pytest.raises(ValueError, match="shape"):
        SEGMENTERS[name](np.zeros((2, 3, 5, 5)))
    with pytest.raises(ValueError, match="NaN"):
        SEGMENTERS[name](np.array([[1, np.nan]]))
    with pytest.raises(TypeError, match="real numbers"):
        SEGMENTERS[name](np.zeros((5, 5), complex))


def test_a_mask_without_background_is_one_object():
    assert watershed_by_distance(np.ones((9, 9), bool)).max() == 1
    assert watershed_by_intensity(np.ones((9, 9)), np.ones((9, 9), bool)).max() == 1


def test_settings_and_masks_that_cannot_be():
    image, mask = scene(), scene() > 0
    with pytest.raises(ValueError, match=r"Expected factor above 0, got 0\. 1 is Otsu's"):
        foreground(image, factor=0)
    with pytest.raises(ValueError, match="Expected window above 0, got -3"):
        foreground(image, window=-3)
    with pytest.raises(ValueError, match="Expected spacing as one number or 2"):
        foreground(image, spacing=(1, 1, 1))
    with pytest.raises(ValueError, match="Expected min_area of 0 or more"):
        otsu(image, min_area=-1)
    with pytest.raises(TypeError, match=r"Expected mask as true and false, got float64\. Make it"):
        watershed_by_distance(image)
    with pytest.raises(ValueError, match=r"Expected image of shape \(60, 80\), got \(59, 80\)"):
        watershed_by_intensity(image[1:], mask)
    with pytest.raises(ValueError, match="Expected depth of 0 or more"):
        watershed_by_distance(mask, depth=-1)
    with pytest.raises(ValueError, match="Expected threshold above 0"):
        log_spots(image, radius=3, threshold=2)
    with pytest.raises(ValueError, match="Expected threshold above 0"):
        log_discs(image, radius=3, size=3, threshold=0)
    with pytest.raises(ValueError, match="Expected size above 0"):
        log_discs(image, radius=3, size=0)
    with pytest.raises(ValueError, match="Expected level above 0"):
        log_pieces(image, radius=3, level=2)
    with pytest.raises(TypeError, match="Expected labels as labels"):
        redraw(image, image)
