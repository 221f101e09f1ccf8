"""Features against scikit-image, against what is known of simple images, and bad input."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import feature, filters

from aimicro.segment.features import SIGMAS, feature_names, features

SHAPES = [(70, 90), (9, 40, 33), (3, 5)]  # the last is smaller than most filters


def plain(image, sigmas):
    """The same by scikit-image, in double precision, one after the other."""
    found, image = [], np.asarray(image, np.float64)
    axes = range(image.ndim)
    pairs = list(combinations_with_replacement(axes, 2))
    for sigma in sigmas:
        blurred = filters.gaussian(image, sigma, preserve_range=True)
        slopes = np.gradient(blurred)
        options = {"mode": "nearest", "use_gaussian_derivatives": False}
        bends = feature.hessian_matrix(image, sigma, **options)
        tensor = [
            filters.gaussian(slopes[i] * slopes[j], sigma / 2, preserve_range=True)
            for i, j in pairs
        ]
        found += [
            blurred,
            np.sqrt(sum(slope**2 for slope in slopes)),
            sum(bend for bend, (i, j) in zip(bends, pairs, strict=True) if i == j),
            filters.difference_of_gaussians(image, 0.66 * sigma, sigma, mode="nearest"),
            *feature.structure_tensor_eigenvalues(tensor),
            *feature.hessian_matrix_eigvals(bends),
        ]
    return np.stack(found)


@pytest.mark.parametrize("shape", SHAPES)
def test_equal_to_scikit_image(shape):
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    ours, theirs = features(image), plain(image, SIGMAS)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-7)  # a last digit of the image's
    # Each by its own measure, but none closer than single precision tells values of nearly 1 apart.
    last = np.finfo(np.float32).eps / 2
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-4 * np.abs(other).max() + last)


def test_equal_to_multiscale_basic_features():
    """Brightness and the Hessian of scikit-image's own function, which smooths its edges more."""
    image = np.random.default_rng(0).random((60, 50), dtype=np.float32)
    theirs = feature.multiscale_basic_features(image, edges=False, sigma_min=1, sigma_max=4)
    ours = features(image, sigmas=(1, 2, 4)).reshape(3, 8, 60, 50)[:, [0, 6, 7]]
    np.testing.assert_allclose(ours.reshape(9, 60, 50), np.moveaxis(theirs, -1, 0), atol=1e-6)


@pytest.mark.parametrize("shape", [(60, 60), (40, 40, 40)])
def test_near_the_derivatives_of_a_gaussian(shape):
    """Which is what ilastik filters with: within 10 % in noise, from a sigma of 3 pixels on."""
    image = np.random.default_rng(0).random(shape)
    names = feature_names(len(shape), sigmas=[3])
    named = dict(zip(names, features(image, sigmas=[3]), strict=True))
    for name, theirs in {
        "gradient 3": ndimage.gaussian_gradient_magnitude(image, 3, mode="nearest"),
        "Laplacian 3": ndimage.gaussian_laplace(image, 3, mode="nearest"),
    }.items():
        inner = (slice(2, -2),) * len(shape)
        ours, theirs = named[name][inner], theirs[inner]
        assert np.std(ours - theirs) < 0.12 * np.std(theirs), name


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_paraboloid_has_the_same_bends_everywhere(ndim):
    """A Gaussian adds a constant to it, so its slopes are known, and so are its eigenvalues."""
    bends = np.array([3.0, -1.0, 2.0])[-ndim:]
    places = np.indices((61,) * ndim) - 30.0
    image = sum(bend * place**2 / 2 for bend, place in zip(bends, places, strict=True))
    middle = (slice(None), *(30,) * ndim)
    found = dict(
        zip(feature_names(ndim, sigmas=[2]), features(image, sigmas=[2])[middle], strict=True)
    )
    assert found["gradient 2"] == pytest.approx(0, abs=1e-3)
    assert found["Laplacian 2"] == pytest.approx(bends.sum(), rel=1e-3)
    eigenvalues = [found[f"Hessian {rank} 2"] for rank in range(1, ndim + 1)]
    np.testing.assert_allclose(eigenvalues, sorted(bends, reverse=True), rtol=1e-3)


def test_planes_farther_apart():
    """Of an image that is a function of place, features depend on the place, not on the grid."""
    z, y, x = np.meshgrid(*(np.arange(0, 48.0, step) for step in (2, 1, 1)), indexing="ij")
    dense = np.meshgrid(*[np.arange(0, 48.0)] * 3, indexing="ij")

    def waves(z, y, x):
        return np.sin(z / 6) + np.cos((y + 2 * x + z) / 9)

    sparse = features(waves(z, y, x), sigmas=[4], spacing=(2, 1, 1))
    whole = features(waves(*dense), sigmas=[4])[:, ::2]
    assert sparse.shape == whole.shape
    for one, other in zip(sparse, whole, strict=True):
        np.testing.assert_allclose(one[8:-8], other[8:-8], atol=0.06 * np.abs(other).max())


def test_channels_one_after_the_other():
    image = np.random.default_rng(0).random((2, 30, 40))
    both = features(image, sigmas=[1, 2], channels=True)
    each = [features(channel, sigmas=[1, 2]) for channel in image]
    np.testing.assert_array_equal(both, np.concatenate(each))
    names = feature_names(2, sigmas=[1, 2], n_channels=2)
    assert len(names) == len(both) == len(set(names))
    assert names[0] == "channel 1: Gaussian 1"


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 90), st.integers(2, 90), st.floats(0.3, 20), st.floats(-1e4, 1e4))
def test_an_offset_moves_the_brightness_only(height, width, sigma, offset):
    image = np.random.default_rng(0).random((height, width))
    plain, moved = (features(image + add, sigmas=[sigma]) for add in (0, offset))
    close = 1e-6 * (1 + abs(offset))  # digits of float32
    np.testing.assert_allclose(moved[0], plain[0] + offset, atol=close)
    np.testing.assert_allclose(moved[1:], plain[1:], atol=4 * close)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 3), st.floats(0.5, 8))
def test_a_turned_image_has_turned_features(turns, sigma):
    image = np.random.default_rng(1).random((40, 40))
    turned = features(np.rot90(image, turns), sigmas=[sigma])
    np.testing.assert_allclose(
        turned, np.rot90(features(image, sigmas=[sigma]), turns, axes=(1, 2)), atol=1e-5
    )


@pytest.mark.parametrize(
    ("image", "options", "error", "message"),
    [
        (np.zeros((4, 5, 6, 7)), {}, ValueError, r"got \(4, 5, 6, 7\).*channels=True"),
        (np.zeros((5, 6)), {"channels": True}, ValueError, r"got \(5, 6\)"),
        (np.zeros((1, 5, 6)), {}, ValueError, r"two pixels or more.*single plane as \(Y, X\)"),
        (np.zeros((0, 5)), {}, ValueError, "with pixels in it"),
        (np.full((5, 5), np.nan), {}, ValueError, "25 of 25 NaN"),
        (np.zeros((5, 5), complex), {}, TypeError, "real numbers, got complex128"),
        (np.zeros((5, 5)), {"sigmas": []}, ValueError, "one or more"),
        (np.zeros((5, 5)), {"sigmas": 3}, ValueError, "a list of one or more, got 3"),
        (np.zeros((5, 5)), {"sigmas": [1, 0]}, ValueError, "sigma above 0, got 0"),
        (np.zeros((5, 5)), {"spacing": (1, 1, 1)}, ValueError, "one number or 2"),
    ],
)
def test_bad_images(image, options, error, message):
    with pytest.raises(error, match=message):
        features(image, **options)
