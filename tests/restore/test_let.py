import math

import numpy as np
import pytest
from scipy import ndimage

from aimicro.metrics import psnr
from aimicro.restore import Noise, anscombe, best_tuned, inverse_anscombe, pure_let, sure_let
from aimicro.restore._haar import SlidingHaar
from aimicro.restore.let import _Parts
from aimicro.simulate import airy_psf, blur, filaments

NOISE = Noise(gain=2.0, offset=100.0, read_noise=3.0)


def field(peak, seed=1):
    """Photons of the filaments of the book, on a background of one photon."""
    psf = airy_psf(na=1.3, wavelength_um=0.52, pixel_size_um=0.065)
    sharp = filaments((192, 192), pixel_size_um=0.065, n=8, rng=seed)
    image = blur(sharp, psf)[32:-32, 32:-32]
    return 1 + peak * image / image.max()


def exposed(photons, rng, noise=NOISE):
    counts = noise.offset + noise.gain * np.random.default_rng(rng).poisson(photons)
    return counts + np.random.default_rng(rng + 1).normal(0, noise.read_noise, photons.shape)


def even(truth, sigma, rng=0):
    return truth + np.random.default_rng(rng).normal(0, sigma, truth.shape)


METHODS = {
    "sure": lambda image: sure_let(image, sigma=3.0),
    "pure": lambda image: pure_let(image, noise=NOISE),
}


# --- the wavelets --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(16, 16), (21, 34), (1, 9), (3, 16, 20), (7, 12, 9)])
def test_all_wavelets_together_are_the_image(shape):
    image = np.random.default_rng(0).normal(size=shape)
    haar = SlidingHaar(shape, 4)
    sums, total = image, 0
    for level in haar.levels:
        sums, bands = haar.split(sums, level)
        total = total + sum(haar.join(band, level, signs) for signs, band in bands.items())
    np.testing.assert_allclose(total + haar.join(sums, level, (0,) * len(level.axes)), image)


def test_wavelets_are_differences_of_sums_of_pixels():
    image = np.random.default_rng(0).normal(size=(12, 12))
    haar = SlidingHaar(image.shape, 2)
    sums, _ = haar.split(image, haar.levels[0])
    sums, bands = haar.split(sums, haar.levels[1])
    box = image[3:7, 5:9]
    assert sums[3, 5] == pytest.approx(box.sum())
    assert bands[1, 0][3, 5] == pytest.approx(box[:2].sum() - box[2:].sum())
    diagonal = box[:2, :2].sum() - box[:2, 2:].sum() - box[2:, :2].sum() + box[2:, 2:].sum()
    assert bands[1, 1][3, 5] == pytest.approx(diagonal)


def test_thin_stacks_are_halved_less_often_along_z():
    haar = SlidingHaar((6, 40, 33), 4)
    assert [level.axes for level in haar.levels] == [(0, 1, 2), (1, 2), (1, 2), (1, 2)]
    assert [level.pixels for level in haar.levels] == [8, 32, 128, 512]


@pytest.mark.parametrize("signs", [(1, 0), (0, 1), (1, 1)])
def test_a_parent_has_no_pixel_of_its_wavelet(signs):
    image = np.random.default_rng(0).normal(size=(16, 16))
    haar = SlidingHaar(image.shape, 2)
    changed = image.copy()
    changed[5:7, 4:6] += 9

    def parent(image):
        sums, _ = haar.split(image, haar.levels[0])
        return haar.around(sums, haar.levels[0], signs)[5, 4]

    assert parent(changed) == pytest.approx(parent(image))


# --- the estimate of the error -------------------------------------------------------------

SMALL = ndimage.gaussian_filter(np.random.default_rng(3).random((8, 24)) > 0.9, 1.0, output=float)


@pytest.mark.parametrize("shape", [(6, 8), (4, 3, 4)])
@pytest.mark.parametrize(("gain", "read_noise"), [(0, 1.5), (2, 0), (2, 3)])
def test_covariances_are_those_of_taking_photons_out_of_each_pixel(shape, gain, read_noise):
    mean = 1 + 30 * SMALL.ravel()[: math.prod(shape)].reshape(shape)
    z = exposed(mean, 0, Noise(gain=gain or 1, read_noise=read_noise))

    def images(z):
        return _Parts.of(z, gain, read_noise**2).images

    expected, step = 0, 1e-5
    for pixel in np.ndindex(shape):
        one = np.zeros(shape)
        one[pixel] = 1
        there = (slice(None), *pixel)
        less = z - gain * one
        change = (images(less + step * one) - images(less - step * one))[there] / (2 * step)
        photons = z[pixel] * (images(z) - images(less))[there]
        expected = expected + photons + read_noise**2 * change
    found = _Parts.of(z, gain, read_noise**2).covariances
    assert abs(found).max() > 1
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("gain", "read_noise", "photons"), [(0, 1.5, 9), (2, 0, 0.5), (2, 3, 1)])
def test_the_expected_error_is_the_true_one_on_average(gain, read_noise, photons):
    mean = photons * (0.3 + 3 * SMALL)
    truth = mean * (gain or 1)
    rng = np.random.default_rng(0)
    weights = rng.uniform(-0.5, 0.7, 22)  # any will do, but not chosen for each image
    guessed, true = [], []
    for _ in range(200):
        light = gain * rng.poisson(mean) if gain else truth
        z = light + rng.normal(0, read_noise, mean.shape)
        image, mse = _Parts.of(z, gain, read_noise**2).weighted(weights)
        guessed.append(mse)
        true.append(np.mean((image - truth) ** 2))
    off = np.subtract(guessed, true)
    error = off.std() / math.sqrt(len(off))
    assert error < 0.08 * np.mean(true)  # else the next line would say nothing
    assert abs(off.mean()) < 3.5 * error


@pytest.mark.parametrize("method", METHODS)
def test_a_large_image_knows_its_own_error(method):
    photons = np.kron([[1, 1], [1, 1]], field(100))
    truth = 100 + 2 * photons
    image = even(truth, 3.0) if method == "sure" else exposed(photons, 0)
    found = METHODS[method](image)
    assert found.mse == pytest.approx(np.mean((found.image - truth) ** 2), rel=0.1)


def test_more_noise_than_told_is_more_error_than_there_is():
    truth = field(50)
    told = [sure_let(even(truth, 3.0), sigma=s).mse for s in (2.8, 3.0)]
    assert 0.6 * (9 - 2.8**2) < told[0] - told[1] < 9 - 2.8**2


# --- the images ----------------------------------------------------------------------------


@pytest.mark.parametrize("peak", [12, 50])
def test_it_beats_filters_that_were_tuned_on_the_truth(peak):
    photons = field(peak)
    counts, truth = exposed(photons, 0), 100 + 2 * photons
    found = psnr(truth, pure_let(counts, noise=NOISE).image, data_range=2 * peak)
    assert found > psnr(truth, counts, data_range=2 * peak) + 7
    for method in ("gaussian", "total_variation"):
        assert found > best_tuned(counts, truth, method, data_range=2 * peak).psnr + 0.5


def test_even_noise_and_noise_that_was_made_even():
    photons = field(200)
    counts, truth = exposed(photons, 0), 100 + 2 * photons
    camera = {"gain": 2, "offset": 100, "read_noise": 3}
    stabilised = inverse_anscombe(sure_let(anscombe(counts, **camera), sigma=1).image, **camera)
    informed = psnr(truth, stabilised, data_range=400)
    assert informed > best_tuned(counts, truth, "gaussian", data_range=400, noise=NOISE).psnr + 1
    dim = even(field(12), 2.5)
    tuned = best_tuned(dim, field(12), "gaussian", data_range=12)
    assert psnr(field(12), sure_let(dim, sigma=2.5).image, data_range=12) > tuned.psnr + 0.3


def test_in_a_thin_volume_it_beats_the_gaussian():
    photons = np.stack([1 + (field(12) - 1) * share for share in (0.2, 0.6, 1, 0.6, 0.2)])
    counts, truth = exposed(photons, 0), 100 + 2 * photons
    found = pure_let(counts, noise=NOISE).image
    tuned = best_tuned(counts, truth, "gaussian", data_range=24)
    assert psnr(truth, found, data_range=24) > tuned.psnr + 0.5


@pytest.mark.parametrize("method", METHODS)
def test_no_direction_is_preferred(method):
    image = exposed(field(12)[:48, :56], 0)
    found = METHODS[method](image)
    for turn in (np.transpose, np.flipud, np.fliplr, np.rot90):
        there = METHODS[method](turn(image))
        np.testing.assert_allclose(there.image, turn(found.image), atol=2e-2)
        assert there.mse == pytest.approx(found.mse, rel=1e-2)


def test_the_unit_does_not_matter():
    image = exposed(field(12)[:48, :56], 0)
    sure, pure = (method(image) for method in METHODS.values())
    scaled = sure_let(0.01 * image - 5, sigma=0.03)
    np.testing.assert_allclose(100 * (scaled.image + 5), sure.image, atol=2e-3)
    assert 1e4 * scaled.mse == pytest.approx(sure.mse, rel=1e-3)
    noise = Noise(gain=0.02, offset=-4, read_noise=0.03)
    scaled = pure_let(0.01 * image - 5, noise=noise)
    np.testing.assert_allclose(100 * (scaled.image + 5), pure.image, atol=2e-3)
    assert 1e4 * scaled.mse == pytest.approx(pure.mse, rel=1e-3)


def test_without_noise_the_image_stays():
    image = field(12)
    np.testing.assert_array_equal(sure_let(image, sigma=0).image, image.astype(np.float32))
    assert sure_let(image, sigma=0).mse == 0
    np.testing.assert_allclose(sure_let(image, sigma=1e-4).image, image, atol=1e-3)
    bright = pure_let(1e8 * image, noise=Noise()).image
    np.testing.assert_allclose(bright, 1e8 * image, atol=3e4)  # three noise units


@pytest.mark.parametrize("value", [0, 100, 107])
@pytest.mark.parametrize("shape", [(16, 16), (1, 4), (4, 5, 6)])
def test_an_even_image_stays(value, shape):
    for method in METHODS.values():
        found = method(np.full(shape, value))
        np.testing.assert_allclose(found.image, value, atol=1e-4)
        assert found.image.shape == shape
        assert found.image.dtype == np.float32
    dark = pure_let(np.full(shape, 0), noise=Noise())
    assert (dark.image.max(), dark.mse) == (0, 0)


# --- bad input -----------------------------------------------------------------------------


def test_what_cannot_be_denoised_is_refused():
    image = np.ones((8, 8))
    with pytest.raises(ValueError, match="sigma of 0 or more, got -1"):
        sure_let(image, sigma=-1)
    with pytest.raises(TypeError, match=r"sigma .* got '1'"):
        sure_let(image, sigma="1")
    with pytest.raises(TypeError, match=r"read_noise, got float\. Describe"):
        pure_let(image, noise=3.0)
    for method in METHODS.values():
        with pytest.raises(ValueError, match=r"at least 4 pixels .* got shape \(3, 3\)"):
            method(image[:3, :3])
        with pytest.raises(ValueError, match=r"got \(8,\)"):
            method(image[0])
        with pytest.raises(ValueError, match="NaN or infinite"):
            method(np.where(np.eye(8) > 0, np.nan, image))
        with pytest.raises(TypeError, match="image of real numbers"):
            method(image.astype(complex))
        with pytest.raises(TypeError, match="mask"):
            method(image > 3)
