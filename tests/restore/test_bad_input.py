"""Whatever deconvolves refuses what is no image and no PSF, and says what to do instead."""

import numpy as np
import pytest
from scipy import ndimage, signal

from aimicro.restore import (
    DECONVOLVERS,
    Noise,
    RestorationTask,
    best_classical,
    best_deconvolved,
    fista,
    inverse_filter,
    log_likelihood,
    richardson_lucy,
    tikhonov,
    tikhonov_miller,
    wiener,
)

POINT = np.zeros((13, 13))
POINT[6, 6] = 1
PSF = ndimage.gaussian_filter(POINT, 1.5)
PSF /= PSF.sum()
TRUTH = np.zeros((24, 26), np.float32)
TRUTH[8:15, 9:13] = 20
IMAGE = np.maximum(signal.convolve(TRUTH, PSF, mode="same"), 0).astype(np.float32)


def ranked(image, psf, **told):
    """Through the task that all methods of the book get."""
    task = RestorationTask(
        name="bad input",
        images=[image],
        truths=[np.zeros(np.shape(image), np.float32) + 1],
        noise=told.pop("noise", Noise()),
        data_range=20,
        only_noise=False,
        psfs={"told": psf},
        **told,
    )
    return best_classical(task, workers=1).best.images[0]


def tuned(method):
    """With the best strength for a truth."""

    def call(image, psf, **told):
        truth = np.zeros(np.shape(image), np.float32)
        truth[(slice(1, 3),) * truth.ndim] = 9
        return best_deconvolved(
            image, truth, psf, method, data_range=20, most_iterations=3, **told
        ).image

    return call


# Each takes an image, a PSF and what is told of camera and background.
CALLS = {
    "inverse_filter": lambda image, psf, **k: inverse_filter(image, psf, cut_off=0.1, **k),
    "wiener": lambda image, psf, **k: wiener(image, psf, noise_to_signal=0.1, **k),
    "tikhonov": lambda image, psf, **k: tikhonov(image, psf, smoothness=0.1, **k),
    "tikhonov_miller": lambda image, psf, **k: tikhonov_miller(
        image, psf, smoothness=0.1, iterations=5, **k
    ),
    "fista, tv": lambda image, psf, **k: fista(image, psf, weight=0.1, iterations=5, **k),
    "fista, l1": lambda image, psf, **k: fista(
        image, psf, regulariser="l1", weight=0.1, iterations=5, **k
    ),
    "fista, monotone": lambda image, psf, **k: fista(
        image, psf, weight=0.1, iterations=5, monotone=True, **k
    ),
    "richardson_lucy": lambda image, psf, **k: richardson_lucy(image, psf, iterations=5, **k),
    "richardson_lucy, accelerated": lambda image, psf, **k: richardson_lucy(
        image, psf, iterations=5, accelerated=True, **k
    ),
    "richardson_lucy, tv": lambda image, psf, **k: richardson_lucy(
        image, psf, iterations=5, total_variation=0.02, **k
    ),
    "log_likelihood": lambda image, psf, **k: log_likelihood(image, psf, iterations=3, **k),
    "best_deconvolved, richardson_lucy": tuned("richardson_lucy"),
    "best_deconvolved, wiener": tuned("wiener"),
    "best_classical": ranked,
}
LIGHT_ONLY = ("richardson_lucy", "log_likelihood")  # multiply, so they need light from 0 up
each_call = pytest.mark.parametrize("name", CALLS)


def test_no_deconvolution_of_the_ranking_is_forgotten():
    """Each row of `best_classical` is one of the calls, which are all there are."""
    named = {
        "Richardson-Lucy": "richardson_lucy",
        "Richardson-Lucy with total variation": "richardson_lucy, tv",
        "Tikhonov-Miller": "tikhonov_miller",
        "FISTA with total variation": "fista, tv",
        "FISTA with few bright voxels": "fista, l1",
        "Wiener": "wiener",
        "Tikhonov": "tikhonov",
        "inverse filter": "inverse_filter",
    }
    assert set(named) == set(DECONVOLVERS)
    assert set(named.values()) < set(CALLS)


@each_call
@pytest.mark.parametrize(
    ("psf", "error", "message"),
    [
        (np.full((4, 5), 0.05), ValueError, r"sides of odd length, got shape \(4, 5\)\. "),
        (2 * PSF, ValueError, r"sum of 1, got a smallest value of .* a sum of 2\. "),
        (0 * PSF, ValueError, r"sum of 1, .* a sum of 0\. "),
        (np.diag([-0.5, 1, 0.5]), ValueError, r"from 0 up .* smallest value of -0\.5"),
        (np.ones((1, 1, 1)), ValueError, r"psf of shape \(Y, X\) .*, got \(1, 1, 1\)"),
        (np.where(PSF > 0.05, np.nan, PSF), ValueError, r"psf with finite pixels, got \d+ of"),
        (np.where(PSF > 0.05, np.inf, PSF), ValueError, r"psf with finite pixels, got \d+ of"),
        (np.roll(np.pad(PSF, 10), 8, 0), ValueError, r"centre \+8\.0, \+0\.0 voxels"),
        (np.ones((0, 3)), ValueError, r"psf .* with pixels in it, got \(0, 3\)"),
        (PSF > 0.01, TypeError, "psf as intensities, got a mask"),
    ],
)
def test_what_is_no_psf_is_refused(name, psf, error, message):
    with pytest.raises(error, match=message):
        CALLS[name](IMAGE, psf)


@each_call
@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.where(IMAGE > 2, np.nan, IMAGE), ValueError, r"with finite pixels, got \d+ of"),
        (IMAGE > 3, TypeError, "as intensities, got a mask"),
        (IMAGE + 1j, TypeError, "real numbers|complex"),
        (IMAGE[0], ValueError, r"shape \(Y, X\) or \(Z, Y, X\)|psf of shape"),
        (np.stack([[IMAGE]] * 2), ValueError, r"\(Y, X\) or \(Z, Y, X\)"),
        (np.ones((0, 8)), ValueError, r"with pixels in it, got \(0, 8\)"),
    ],
)
def test_what_is_no_image_is_refused(name, image, error, message):
    with pytest.raises(error, match=message):
        CALLS[name](image, PSF)


@each_call
@pytest.mark.parametrize("level", [0.0, 7.0])
def test_an_image_without_photons_or_structure_gives_no_structure(name, level):
    flat = np.full((24, 26), level, np.float32)
    restored = np.asarray(CALLS[name](flat, PSF))
    assert np.isfinite(restored).all()
    if restored.ndim and name != "best_classical":  # which images nothing, and fits to a truth
        assert np.ptp(restored) <= 0.15 * level
        assert restored.max() <= 1.1 * level


@each_call
def test_a_negative_image_is_light_to_none_and_noise_to_least_squares(name):
    noise_only = np.random.default_rng(0).normal(0, 1, (24, 26)).astype(np.float32)
    multiplies = name.startswith(LIGHT_ONLY) or name.endswith("richardson_lucy")
    if multiplies or name == "best_classical":
        with pytest.raises(ValueError, match=r"image from 0 up, got values down to .* read noise"):
            CALLS[name](noise_only, PSF)
        told = CALLS[name](noise_only + 100, PSF, noise=Noise(1.0, 100.0, 1.0))
        assert np.isfinite(told).all()
    else:
        assert np.isfinite(CALLS[name](noise_only, PSF)).all()


@each_call
def test_a_psf_larger_than_the_image_is_used_as_it_is(name):
    wide = ndimage.gaussian_filter(np.pad([[1.0]], 20), 3)
    restored = CALLS[name](IMAGE + 1, wide / wide.sum())
    assert np.isfinite(restored).all()
