"""Least squares without negative light: against their formulas, and against independent solvers."""

import math

import numpy as np
import pytest
from scipy import ndimage, optimize, signal
from skimage import restoration

from aimicro.metrics import psnr
from aimicro.restore import (
    REGULARISERS,
    fista,
    inverse_filter,
    richardson_lucy,
    tikhonov,
    tikhonov_miller,
    wiener,
)
from aimicro.restore.fista import fista_estimates
from aimicro.restore.kernel import checked
from aimicro.restore.tikhonov import tikhonov_miller_estimates
from aimicro.simulate import Noise

POINT = np.zeros((13, 13))
POINT[6, 6] = 1
PSF = ndimage.gaussian_filter(POINT, 1.5)
PSF /= PSF.sum()
CROOKED = np.outer([1, 4, 2], [3, 1, 1, 0, 1])[:, ::-1] / 42


def patches(shape=(40, 44), light=10.0):
    """Two even patches on a dark ground, far enough from the borders."""
    truth = np.zeros(shape, np.float32)
    truth[12:26, 14:24] = light
    truth[18:30, 26:32] = light / 2
    return truth


def seen(truth, psf=PSF):
    return signal.convolve(truth, psf, mode="same")


TRUTH = patches()
NOISY = (seen(TRUTH) + np.random.default_rng(0).normal(0, 0.3, TRUTH.shape)).astype(np.float32)


def matrix(psf, shape):
    """The blur of an image so small that it can be written down, from a specimen that goes on."""
    beyond = [n + side - 1 for n, side in zip(shape, psf.shape, strict=True)]
    columns = []
    for k in range(math.prod(beyond)):
        point = np.zeros(beyond)
        point.flat[k] = 1
        columns.append(signal.convolve(point, psf, mode="valid").ravel())
    return np.array(columns).T, beyond


def laplacian(shape):
    """Neighbours minus voxel; nothing flows over the border."""
    columns = []
    for k in range(math.prod(shape)):
        point = np.zeros(shape)
        point.flat[k] = 1
        columns.append(ndimage.convolve(point, [[0, 1, 0], [1, -4, 1], [0, 1, 0]], mode="nearest"))
    return np.array(columns).reshape(len(columns), -1).T


# --- filters -------------------------------------------------------------------------------


@pytest.mark.parametrize("psf", [PSF, CROOKED])
@pytest.mark.parametrize("strength", [0.003, 0.3])
def test_away_from_the_border_tikhonov_is_wieners_with_the_laplacian_of_scikit_image(psf, strength):
    image = np.pad(NOISY, 32)
    theirs = restoration.wiener(image, psf, strength, clip=False)
    ours = tikhonov(image, psf, smoothness=strength)
    np.testing.assert_allclose(ours[32:-32, 32:-32], theirs[32:-32, 32:-32], atol=2e-3)


def test_tikhonov_knows_how_far_apart_planes_are():
    volume = np.random.default_rng(0).random((9, 16, 16))
    psf = np.ones((1, 1, 1))
    far, near = (tikhonov(volume, psf, smoothness=1, voxel_size_um=size) for size in ((9, 1, 1), 1))
    rough = [np.abs(np.diff(f, axis=0)).mean() for f in (volume, far, near)]
    assert rough[0] > rough[1] > 1.5 * rough[2]
    again = tikhonov(volume, psf, smoothness=1, voxel_size_um=(1.8, 0.2, 0.2))
    np.testing.assert_allclose(again, far, atol=1e-5)


@pytest.mark.parametrize("psf", [ndimage.zoom(PSF, 1)[4:-4, 4:-4], CROOKED])
def test_the_inverse_filter_undoes_a_blur_that_passes_everything(psf):
    psf = psf / psf.sum() * 0.4
    psf[tuple(n // 2 for n in psf.shape)] += 0.6  # so that no frequency is lost
    restored = inverse_filter(seen(TRUTH, psf), psf, cut_off=0.1)
    np.testing.assert_allclose(restored, TRUTH, atol=1e-3)


def test_the_inverse_filter_leaves_out_what_hardly_passes():
    """Of a wave the filter gives all back, or nothing."""
    x = np.arange(60)  # and 4 beside for the mirror: a period of 64
    box = np.ones((1, 3)) / 3  # passes (1 + 2 cos ω) / 3
    for period, passed in ((8, (1 + math.sqrt(2)) / 3), (4, 1 / 3)):
        wave = np.tile(np.cos(2 * np.pi * (x + 0.5) / period), (16, 1))  # mirrored, it goes on
        image = passed * wave
        for cut_off, kept in ((0.9 * passed, 1), (1.1 * passed, 0)):
            restored = inverse_filter(image, box, cut_off=cut_off)
            np.testing.assert_allclose(restored, kept * wave, atol=1e-4)


def test_noise_grows_with_a_lower_cut_off():
    errors = [
        psnr(TRUTH, inverse_filter(NOISY, PSF, cut_off=c), data_range=10)
        for c in (0.01, 0.05, 0.2, 0.9)
    ]
    assert errors[0] < errors[1] < errors[2] > errors[3]


# --- Tikhonov-Miller -----------------------------------------------------------------------


@pytest.mark.parametrize("strength", [0.01, 0.3])
def test_tikhonov_miller_finds_what_a_solver_of_constrained_least_squares_finds(strength):
    image = np.random.default_rng(1).normal(1, 1, (5, 6)).astype(np.float32)
    psf = np.array([[1, 2, 0], [3, 6, 2], [1, 2, 1]]) / 18
    blur, shape = matrix(psf, image.shape)
    rows = np.vstack([blur, math.sqrt(strength) * laplacian(shape)])
    data = np.append(image.ravel(), np.zeros(rows.shape[1]))
    exact = optimize.nnls(rows, data)[0].reshape(shape)[1:-1, 1:-1]
    restored = tikhonov_miller(image, psf, smoothness=strength, iterations=1000)
    np.testing.assert_allclose(restored, exact, atol=2e-3)


def test_tikhonov_miller_is_tikhonov_where_nothing_is_negative():
    image = seen(TRUTH) + 50
    filtered = tikhonov(image, PSF, smoothness=0.1)
    restored = tikhonov_miller(image, PSF, smoothness=0.1, iterations=300)
    inner = (slice(8, -8),) * 2
    np.testing.assert_allclose(restored[inner], filtered[inner], atol=0.05)


def test_without_negative_light_less_rings():
    restored = tikhonov_miller(NOISY, PSF, smoothness=0.003, iterations=100)
    filtered = tikhonov(NOISY, PSF, smoothness=0.003)
    assert restored.min() >= 0 > -0.3 > filtered.min()
    assert psnr(TRUTH, restored, data_range=10) > psnr(TRUTH, filtered, data_range=10) + 1


# --- FISTA ---------------------------------------------------------------------------------


def cost(estimate, blur, image, weight, regulariser):
    """Half the squared error, and the weighted regulariser."""
    error = blur @ estimate.ravel() - image.ravel()
    if regulariser == "l1":
        return error @ error / 2 + weight * np.abs(estimate).sum()
    slopes = [np.diff(estimate, axis=a, append=estimate.take([-1], a)) for a in (0, 1)]
    return error @ error / 2 + weight * np.hypot(*slopes).sum()


def test_l1_finds_what_a_solver_of_constrained_least_squares_finds():
    """Where nothing is negative, the sum is linear: it completes a square."""
    image = np.random.default_rng(1).normal(1, 1, (5, 6)).astype(np.float32)
    psf = np.array([[1, 2, 0], [3, 6, 2], [1, 2, 1]]) / 18
    blur, shape = matrix(psf, image.shape)
    result = optimize.minimize(
        lambda f: cost(f, blur, image, 0.1, "l1"),
        np.ones(blur.shape[1]),
        jac=lambda f: blur.T @ (blur @ f - image.ravel()) + 0.1,
        bounds=[(0, None)] * blur.shape[1],
        method="L-BFGS-B",
        options={"maxiter": 5000, "ftol": 1e-14, "gtol": 1e-9},
    )
    restored = fista(image, psf, regulariser="l1", weight=0.1, iterations=2000)
    np.testing.assert_allclose(restored, result.x.reshape(shape)[1:-1, 1:-1], atol=5e-3)


@pytest.mark.parametrize("weight", [0.1, 2.0])
def test_without_blur_tv_is_the_denoiser_of_scikit_image(weight):
    image = np.random.default_rng(2).normal(TRUTH + 5, 1).astype(np.float32)
    point = np.ones((1, 1))
    theirs = restoration.denoise_tv_chambolle(image, weight, eps=1e-9, max_num_iter=3000)
    ours = fista(image, point, weight=weight, iterations=300)
    np.testing.assert_allclose(ours, theirs, atol=0.02)


@pytest.mark.parametrize("regulariser", REGULARISERS)
def test_the_error_falls_with_the_square_of_the_iterations(regulariser):
    """The theorem of Beck and Teboulle: 2 |f_0 - f*|² / (k + 1)²."""
    image = seen(patches()[8:34, 8:38], CROOKED).astype(np.float32)
    wide = np.pad(image, [(1, 1), (2, 2)])

    def total(f):
        error = signal.convolve(np.pad(f, [(1, 1), (2, 2)]), CROOKED, mode="same")
        error = error[1:-1, 2:-2] - image
        slopes = [np.diff(f, axis=a, append=f.take([-1], a)) for a in (0, 1)]
        size = np.hypot(*slopes) if regulariser == "tv" else f
        return (error.astype(float) ** 2).sum() / 2 + 0.05 * size.sum()

    values = []
    best = fista(
        image,
        CROOKED,
        regulariser=regulariser,
        weight=0.05,
        iterations=400,
        each=lambda _, f: values.append(total(f)),
    )
    distance = ((best - image.mean()) ** 2).sum() + wide.size * image.mean() ** 2
    k = np.arange(1, 401)
    assert np.all(np.array(values) - values[-1] <= 2 * distance / (k + 1) ** 2 + 0.01 * values[-1])
    assert values[-1] < values[0] / 2


@pytest.mark.parametrize("regulariser", REGULARISERS)
@pytest.mark.parametrize("psf", [np.ones((1, 1)), PSF])
@pytest.mark.parametrize("weight", [0.02, 0.2])
def test_monotone_never_raises_the_sum_and_ends_as_low(regulariser, psf, weight):
    """With dark borders: of what lies beyond the image, the estimate holds next to nothing."""
    image = np.pad(NOISY, 14).astype(np.float32)
    values = {}
    for monotone in (False, True):
        values[monotone] = []

        def total(_, f, kept=values[monotone]):
            error = ndimage.convolve(f, psf, mode="constant") - image
            slopes = [np.diff(f, axis=a, append=f.take([-1], a)) for a in (0, 1)]
            size = np.hypot(*slopes) if regulariser == "tv" else f
            kept.append((error.astype(float) ** 2).sum() / 2 + weight * size.sum(dtype=float))

        at = {"regulariser": regulariser, "weight": weight, "iterations": 120}
        fista(image, psf, monotone=monotone, each=total, **at)
    assert np.diff(values[True]).max() <= 1e-5 * values[True][0]
    assert values[True][-1] <= 1.002 * values[False][-1]


def test_tv_brings_patches_closer_to_the_truth_than_smoothness_and_keeps_their_edge():
    tv = fista(NOISY, PSF, weight=0.05, iterations=150)
    smooth = max(
        psnr(TRUTH, tikhonov_miller(NOISY, PSF, smoothness=s, iterations=100), data_range=10)
        for s in (1e-4, 1e-3, 1e-2)
    )
    assert tv.min() >= 0
    assert psnr(TRUTH, tv, data_range=10) > smooth + 0.5
    assert np.diff(tv[14:24, 8:20], axis=1).max(axis=1).min() > 4


def test_l1_finds_few_points():
    rng = np.random.default_rng(3)
    truth = np.zeros((48, 48), np.float32)
    truth[tuple(rng.integers(8, 40, (2, 8)))] = 100
    image = seen(truth) + rng.normal(0, 0.3, truth.shape)
    restored = fista(image, PSF, regulariser="l1", weight=0.1, iterations=300)
    assert np.count_nonzero(restored > 1) < 60 < np.count_nonzero(image > 1)
    assert restored[ndimage.binary_dilation(truth > 0, np.ones((3, 3)))].sum() > 0.8 * truth.sum()


# --- what all have in common ---------------------------------------------------------------

CALLS = {
    "inverse_filter": lambda image, psf, **k: inverse_filter(image, psf, cut_off=0.1, **k),
    "wiener": lambda image, psf, **k: wiener(image, psf, noise_to_signal=0.1, **k),
    "tikhonov": lambda image, psf, **k: tikhonov(image, psf, smoothness=0.1, **k),
    "tikhonov_miller": lambda image, psf, **k: tikhonov_miller(
        image, psf, smoothness=0.1, iterations=5, **k
    ),
    "tv": lambda image, psf, **k: fista(image, psf, weight=0.1, iterations=5, **k),
    "l1": lambda image, psf, **k: fista(
        image, psf, regulariser="l1", weight=0.1, iterations=5, **k
    ),
    "richardson_lucy": lambda image, psf, **k: richardson_lucy(image, psf, iterations=5, **k),
}
each_method = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
LINEAR = {name: call for name, call in CALLS.items() if name != "richardson_lucy"}


@each_method
def test_the_camera_and_the_background_are_checked(call):
    with pytest.raises(TypeError, match=r"noise with gain, offset and read_noise, got float"):
        call(TRUTH, PSF, noise=3.0)
    for background in (-1, math.nan, "10"):
        with pytest.raises((TypeError, ValueError), match="background of 0 or more, got"):
            call(TRUTH, PSF, background=background)


@pytest.mark.parametrize("call", LINEAR.values(), ids=LINEAR)
def test_offset_and_background_are_taken_off(call):
    camera = Noise(gain=2.0, offset=100.0, read_noise=3.0)
    np.testing.assert_allclose(
        call(NOISY + 105, PSF, noise=camera, background=5.0), call(NOISY, PSF), atol=1e-3
    )


@each_method
def test_a_psf_of_one_voxel_and_a_constant_image_change_little(call):
    flat = np.full((20, 24), 7.0, np.float32)
    restored = call(flat, PSF)
    assert restored.dtype == np.float32
    np.testing.assert_allclose(restored[6:-6, 6:-6], flat[6:-6, 6:-6], rtol=0.1)
    np.testing.assert_allclose(call(flat, np.ones((1, 1))), flat, rtol=0.1)
    assert not call(np.zeros((8, 9), np.uint16), PSF).any()


@each_method
@pytest.mark.parametrize("shape", [(2, 12, 14), (7, 12, 14), (7, 3, 14)])
def test_a_volume_may_be_smaller_than_the_psf(call, shape):
    psf = ndimage.gaussian_filter(np.pad([[[1.0]]], 10), 2)
    volume = np.random.default_rng(0).random(shape)
    restored = call(volume, psf / psf.sum())
    assert restored.shape == shape
    assert np.isfinite(restored).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iterations": 0}, "iterations of 1 or more, got 0"),
        ({"weight": -1}, "weight of 0 or more, got -1"),
        ({"weight": math.nan}, "weight of 0 or more, got nan"),
        ({"regulariser": "hessian"}, "regulariser as one of tv, l1, got 'hessian'"),
        ({"voxel_size_um": (1, 1, 1)}, "voxel_size_um as one number or 2"),
    ],
)
def test_bad_numbers_of_fista(change, message):
    with pytest.raises(ValueError, match=message):
        fista(NOISY, PSF, **({"weight": 0.1, "iterations": 1} | change))


def test_bad_numbers_of_the_others():
    with pytest.raises(ValueError, match="cut_off from 1e-06 to 1, got 0"):
        inverse_filter(NOISY, PSF, cut_off=0)
    with pytest.raises(ValueError, match="smoothness of 1e-12 or more, got 0"):
        tikhonov(NOISY, PSF, smoothness=0)
    with pytest.raises(ValueError, match="smoothness of 0 or more, got -1"):
        tikhonov_miller(NOISY, PSF, smoothness=-1, iterations=1)
    with pytest.raises(TypeError, match=r"iterations as a whole number .* got 2\.5"):
        tikhonov_miller(NOISY, PSF, smoothness=1, iterations=2.5)


def test_each_sees_every_estimate_and_estimates_go_on():
    for run, estimates, at in (
        (fista, fista_estimates, {"weight": 0.1}),
        (tikhonov_miller, tikhonov_miller_estimates, {"smoothness": 0.1}),
    ):
        kept = {}
        last = run(NOISY, PSF, iterations=3, each=kept.__setitem__, **at)
        assert list(kept) == [1, 2, 3]
        np.testing.assert_array_equal(kept[3], last)
        one_by_one = estimates(*checked(NOISY, PSF), **at)
        for number in (1, 2, 3):
            np.testing.assert_array_equal(next(one_by_one), kept[number])
