import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, signal
from skimage import restoration

from aimicro.metrics import affine_fit, psnr
from aimicro.restore import (
    best_deconvolved,
    best_tuned,
    denoise,
    inverse_filter,
    richardson_lucy,
    tikhonov,
    wiener,
)
from aimicro.restore.deconvolve import DECONVOLUTIONS
from aimicro.simulate import Microscope, Noise, blur, filaments


def gaussian_psf(sigma, side, ndim=2):
    point = np.zeros((side,) * ndim)
    point[(side // 2,) * ndim] = 1
    psf = ndimage.gaussian_filter(point, sigma)
    return psf / psf.sum()


PSF = gaussian_psf(1.5, 13)
CROOKED = np.outer([1, 4, 2], [3, 1, 1, 0, 1])[:, ::-1] / 42  # no symmetry to hide a mirrored PSF


def scene(shape=(48, 56), seed=0):
    """Points and a patch, with room to the borders."""
    rng = np.random.default_rng(seed)
    image = np.zeros(shape)
    inner = tuple(slice(n // 4, -(n // 4)) for n in shape)
    image[inner] = rng.random(image[inner].shape) > 0.95
    image[tuple(slice(n // 2, n // 2 + 3) for n in shape)] = 0.5
    return (100 * image).astype(np.float32)


def seen(truth, psf=PSF):
    return np.maximum(signal.fftconvolve(truth, psf, mode="same"), 0)


def log_likelihood(image, estimate, psf, background):
    mean = seen(estimate, psf) + background
    return float(np.sum(image * np.log(mean) - mean))


SCENE = scene()
BLURRED = seen(SCENE)
DIM = np.random.default_rng(1).poisson(BLURRED / 10)
NOISY = np.random.default_rng(1).poisson(BLURRED).astype(np.float32)


# --- Richardson-Lucy -----------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_psf_of_one_voxel_gives_the_image_back(ndim):
    image = np.random.default_rng(0).random((9, 12, 10)[-ndim:]).astype(np.float32)
    point = np.zeros((5,) * ndim)
    point[(2,) * ndim] = 1
    np.testing.assert_allclose(
        richardson_lucy(image, point, iterations=3), image, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(wiener(image, point, noise_to_signal=1e-6), image, atol=1e-5)
    np.testing.assert_allclose(wiener(image, point, noise_to_signal=1), image / 2, atol=1e-5)


@pytest.mark.parametrize("psf", [PSF, CROOKED])
@pytest.mark.parametrize("accelerated", [False, True])
def test_without_noise_the_specimen_comes_back(psf, accelerated):
    blurred = seen(SCENE, psf)
    restored = richardson_lucy(blurred, psf, iterations=300, accelerated=accelerated)
    assert psnr(SCENE, restored, data_range=100) > psnr(SCENE, blurred, data_range=100) + 3


@pytest.mark.parametrize("psf", [PSF, CROOKED])
def test_away_from_the_border_it_is_that_of_scikit_image(psf):
    # scikit-image starts from a half everywhere: one iteration forgets the level, not the shape.
    theirs = restoration.richardson_lucy(NOISY.astype(float), psf, num_iter=15, clip=False)
    ours = richardson_lucy(NOISY, psf, iterations=15)
    np.testing.assert_allclose(ours[10:-10, 10:-10], theirs[10:-10, 10:-10], rtol=1e-3, atol=0.02)


def test_in_a_volume_too():
    psf = gaussian_psf(1.0, 7, ndim=3)
    image = seen(scene((24, 24, 24)), psf)
    theirs = restoration.richardson_lucy(image, psf, num_iter=10, clip=False)
    ours = richardson_lucy(image, psf, iterations=10)
    inner = (slice(5, -5),) * 3
    np.testing.assert_allclose(ours[inner], theirs[inner], rtol=2e-3, atol=0.02)


@pytest.mark.parametrize("ndim", [2, 3])
def test_where_both_are_defined_alike_it_is_scikit_images_to_four_digits(ndim):
    """In the dark: nothing beyond the border, and both start from even light of one level."""
    shape, psf = (32, 128, 128)[-ndim:], gaussian_psf(1.2, 9, ndim)
    specimen = np.zeros(shape)
    inner = tuple(slice(n // 2 - 6, n // 2 + 6) for n in shape)
    specimen[inner] = 1e3 * np.random.default_rng(0).random((12,) * ndim) ** 4
    image = np.random.default_rng(1).poisson(seen(specimen, psf)).astype(np.float32)
    image *= np.float32(0.5) / image.mean()  # scikit-image starts from a half everywhere
    theirs = restoration.richardson_lucy(image.astype(np.float64), psf, num_iter=6, clip=False)
    ours = richardson_lucy(image, psf, iterations=6)
    assert np.abs(ours - theirs).max() < 1e-4 * theirs.max()


def iterated(image, psf, iterations, background=0.0, tv=0.0):
    """Richardson-Lucy by plain convolution, on a canvas from which no light is lost."""
    beyond = [(side // 2, side // 2) for side in psf.shape]
    field = tuple(
        slice(side // 2, side // 2 + n) for side, n in zip(psf.shape, image.shape, strict=True)
    )
    mirrored = psf[(slice(None, None, -1),) * psf.ndim]
    share = signal.convolve(np.ones(image.shape), mirrored)
    estimate = np.full(share.shape, np.maximum(image - background, 0).mean())
    estimate[share <= 0.01] = 0
    for _ in range(iterations):
        wide = np.pad(estimate, beyond)
        expected = signal.convolve(wide, psf, mode="valid")[field] + background
        back = signal.convolve(image / expected, mirrored)
        divisor = 1.0
        if tv:
            slopes = [np.diff(estimate, axis=a, append=estimate.take([-1], a)) for a in (0, 1)]
            size = np.sqrt(sum(s**2 for s in slopes) + (0.01 * image.max()) ** 2)
            flow = [s / size for s in slopes]
            pull = np.minimum(tv / np.maximum(share, 0.01), max(tv, 0.05))
            divisor = 1 - pull * sum(np.diff(f, axis=a, prepend=0) for a, f in enumerate(flow))
        estimate = estimate * back / np.maximum(share, 0.01) / divisor
    return estimate[field]


@pytest.mark.parametrize("tv", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("psf", [PSF[3:-3, 3:-3] / PSF[3:-3, 3:-3].sum(), CROOKED])
def test_an_iteration_is_its_formula(psf, tv):
    restored = richardson_lucy(NOISY, psf, iterations=3, background=2, total_variation=tv)
    expected = iterated(NOISY, psf, 3, background=2.0, tv=tv)
    np.testing.assert_allclose(restored, expected, rtol=1e-3, atol=1e-3)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    photons=st.floats(0.02, 100),
    unit=st.sampled_from([1e-4, 1.0, 1e4]),
    psf=st.sampled_from([PSF, CROOKED]),
)
def test_the_estimate_is_not_negative_and_its_light_is_that_of_the_image(seed, photons, unit, psf):
    # In a frame so wide that all light of the specimen reaches the image.
    specimen = np.pad(scene((24, 20), seed), 16) * photons / 100
    image = unit * np.random.default_rng(seed).poisson(seen(specimen, psf))
    restored = richardson_lucy(image, psf, iterations=5)
    assert restored.min() >= 0
    assert restored.sum(dtype=float) == pytest.approx(image.sum(), rel=1e-4)


@pytest.mark.parametrize("background", [0.0, 5.0])
def test_no_iteration_makes_the_image_less_likely(background):
    # Structures away from the borders: what the estimate holds beyond them is next to nothing.
    image = np.random.default_rng(2).poisson(BLURRED + background).astype(np.float32)
    likelihood = []
    richardson_lucy(
        image,
        PSF,
        iterations=60,
        background=background,
        each=lambda _, f: likelihood.append(log_likelihood(image, f, PSF, background + 1e-3)),
    )
    slack = 1e-6 * abs(likelihood[-1])
    assert np.diff(likelihood).min() > -slack
    assert likelihood[-1] > likelihood[0] + 100


def test_each_sees_every_estimate_and_may_keep_it():
    kept = {}
    last = richardson_lucy(NOISY, PSF, iterations=4, each=kept.__setitem__)
    assert list(kept) == [1, 2, 3, 4]
    np.testing.assert_array_equal(kept[4], last)
    np.testing.assert_array_equal(kept[2], richardson_lucy(NOISY, PSF, iterations=2))


def test_accelerated_gets_there_in_fewer_iterations():
    def likelihood(iterations, accelerated):
        restored = richardson_lucy(NOISY, PSF, iterations=iterations, accelerated=accelerated)
        return log_likelihood(NOISY, restored, PSF, 1e-3)

    assert likelihood(30, True) > likelihood(90, False)
    first = [richardson_lucy(NOISY, PSF, iterations=1, accelerated=a) for a in (True, False)]
    np.testing.assert_array_equal(*first)


def test_a_background_is_not_taken_for_structure():
    image = np.random.default_rng(3).poisson(BLURRED + 50)
    with_it = richardson_lucy(image, PSF, iterations=100, background=50)
    without = richardson_lucy(image, PSF, iterations=100)
    assert with_it[:8].mean() < 2 < 45 < without[:8].mean()
    assert np.abs(with_it - SCENE).mean() < np.abs(without - SCENE).mean()


# --- the camera ----------------------------------------------------------------------------

CAMERA = Noise(gain=2.0, offset=100.0, read_noise=3.0)


def counts_of(light, rng):
    """What `CAMERA` makes of expected photoelectrons."""
    rng = np.random.default_rng(rng)
    return 2 * rng.poisson(light) + rng.normal(100, 3, np.shape(light))


def test_read_noise_is_counted_as_photons():
    """The formula of Snyder, Hammoud and White, in electrons, brought back to counts."""
    counts = np.maximum(counts_of(BLURRED / 5, 1), 96)  # all above 0 in the formula
    electrons = (counts - 100) / 2 + 1.5**2
    expected = 2 * iterated(electrons, PSF, 4, background=3.0 + 1.5**2)
    restored = richardson_lucy(counts, PSF, iterations=4, noise=CAMERA, background=6.0)
    np.testing.assert_allclose(restored, expected, rtol=1e-3, atol=2e-3)


def test_a_camera_without_read_noise_only_counts_from_elsewhere_and_in_its_unit():
    plain = richardson_lucy(NOISY, PSF, iterations=5, total_variation=0.01, background=1.0)
    camera = Noise(gain=4.0, offset=100.0)
    counts = 4 * NOISY + 100
    restored = richardson_lucy(
        counts, PSF, iterations=5, noise=camera, total_variation=0.01, background=4.0
    )
    np.testing.assert_allclose(restored, 4 * plain, rtol=1e-4, atol=1e-3)
    for run, value in ((inverse_filter, "cut_off"), (tikhonov, "smoothness")):
        at = {value: 0.1}
        np.testing.assert_allclose(
            run(counts, PSF, noise=camera, background=4.0, **at),
            4 * run(NOISY, PSF, background=1.0, **at),
            rtol=1e-4,
            atol=1e-3,
        )


def test_an_empty_field_gets_no_false_light():
    """Half of its counts are below the offset: cut off there, the rest would look like light."""
    counts = counts_of(np.zeros((64, 64)), 2)
    restored = richardson_lucy(counts, PSF, iterations=50, noise=CAMERA)
    clipped = richardson_lucy(np.maximum(counts - 100, 0), PSF, iterations=50)
    assert restored.min() >= 0
    assert clipped.mean() == pytest.approx(3 / np.sqrt(2 * np.pi), rel=0.1)
    assert restored.mean() < clipped.mean() / 3  # what is left is that no light is below 0


def test_the_camera_brings_dim_specimens_closer_to_the_truth():
    truth = SCENE / 10
    counts = counts_of(seen(truth), 3)
    told, clipped = (
        max(psnr(truth, affine_fit(truth, f).image, data_range=10) for f in run)
        for run in (
            [richardson_lucy(counts, PSF, iterations=n, noise=CAMERA) for n in (5, 10, 20, 40)],
            [richardson_lucy(np.maximum(counts - 100, 0), PSF, iterations=n) for n in (5, 10, 20)],
        )
    )
    assert told > clipped


def test_counts_below_the_offset_need_read_noise():
    with pytest.raises(
        ValueError, match=r"image from 100 up, got values down to 95\. .*read noise"
    ):
        richardson_lucy(NOISY + 95, PSF, iterations=1, noise=Noise(2.0, 100.0, 0.0))
    assert np.isfinite(richardson_lucy(NOISY + 95, PSF, iterations=1, noise=CAMERA)).all()
    for call in (richardson_lucy, wiener, inverse_filter, tikhonov):
        key = {richardson_lucy: "iterations", wiener: "noise_to_signal", inverse_filter: "cut_off"}
        with pytest.raises(TypeError, match=r"noise with gain, offset and read_noise, got float"):
            call(NOISY, PSF, noise=3.0, **{key.get(call, "smoothness"): 1})


# --- total variation -----------------------------------------------------------------------


def objective(image, estimate, psf, background, strength, spacing=(1, 1)):
    """What Richardson-Lucy with total variation makes small."""
    slopes = [
        np.diff(estimate, axis=a, append=estimate.take([-1], a)) / step
        for a, step in enumerate(spacing)
    ]
    variation = np.sqrt(sum(s.astype(float) ** 2 for s in slopes)).sum()
    return strength * variation - log_likelihood(image, estimate, psf, background)


@pytest.mark.parametrize("strength", [0.01, 0.03])
def test_iterations_lower_the_objective_of_total_variation(strength):
    image = np.random.default_rng(2).poisson(BLURRED + 5).astype(np.float32)
    kept = []
    richardson_lucy(
        image,
        PSF,
        iterations=100,
        background=5,
        total_variation=strength,
        each=lambda _, f: kept.append(objective(image, f, PSF, 5, strength)),
    )
    # No theorem, as the slopes are those of the estimate before; but it falls by a thousand.
    assert np.diff(kept).max() < 0.5
    assert kept[-1] < kept[0] - 900
    plain = richardson_lucy(image, PSF, iterations=100, background=5)
    assert kept[-1] < objective(image, plain, PSF, 5, strength)


def test_total_variation_brings_a_dim_patch_closer_to_the_truth_and_keeps_its_edge():
    truth = np.zeros((48, 48), np.float32)
    truth[16:32, 16:32] = 10
    image = np.random.default_rng(5).poisson(seen(truth) + 1)
    plain = best_deconvolved(image, truth, PSF, "richardson_lucy", data_range=10, background=1)
    smooth = richardson_lucy(image, PSF, iterations=200, background=1, total_variation=0.05)
    assert psnr(truth, smooth, data_range=10) > plain.psnr + 1
    assert np.diff(smooth[20:28, 10:22], axis=1).max(axis=1).min() > 3


def test_accelerated_works_with_total_variation():
    psf = gaussian_psf(3.0, 25)
    specimen = np.random.default_rng(0).random((64, 64)) > 0.99
    image = np.random.default_rng(5).poisson(seen(1e3 * specimen, psf) + 1).astype(np.float32)

    def value(iterations, accelerated):
        at = {"iterations": iterations, "background": 1, "total_variation": 0.003}
        restored = richardson_lucy(image, psf, accelerated=accelerated, **at)
        return objective(image, restored, psf, 1, 0.003)

    assert value(20, True) < value(60, False)


def test_total_variation_knows_how_far_apart_planes_are():
    psf = gaussian_psf(1.0, 5, ndim=3)
    image = np.random.default_rng(0).poisson(seen(scene((12, 16, 16)), psf))

    def restored(size, strength=0.05):
        at = {"iterations": 10, "total_variation": strength}
        return richardson_lucy(image, psf, voxel_size_um=size, **at)

    np.testing.assert_array_equal(restored((0.3, 0.1, 0.1)), restored((6.0, 2.0, 2.0)))
    np.testing.assert_array_equal(restored(0.2), restored((1, 1, 1)))

    def roughness(f):
        return np.abs(np.diff(f, axis=0)).sum()

    far, near = restored((9, 1, 1)), restored((1, 1, 1))
    assert roughness(near) < roughness(far) < roughness(restored(1, 0.0))


@pytest.mark.parametrize("strength", [-0.1, 0.3, math.nan, None])
def test_total_variation_is_from_0_to_a_fifth(strength):
    with pytest.raises((TypeError, ValueError), match=r"total_variation from 0 to 0\.2, got"):
        richardson_lucy(NOISY, PSF, iterations=1, total_variation=strength)


def test_a_voxel_has_a_size_for_each_axis():
    with pytest.raises(ValueError, match=r"voxel_size_um as one number or 2, .* \(y, x\)"):
        richardson_lucy(NOISY, PSF, iterations=1, voxel_size_um=(0.3, 0.1, 0.1))


# --- borders -------------------------------------------------------------------------------


def test_structures_that_the_border_cuts_neither_ring_nor_dim():
    wide = ndimage.gaussian_filter(np.random.default_rng(4).random((96, 96)), 3)
    wide = 1000 * (wide - wide.min()) + 20  # light comes in from beyond the border everywhere
    cut = (slice(24, -24),) * 2
    image = seen(wide)[cut]
    restored = richardson_lucy(image, PSF, iterations=40)
    border = np.ones(image.shape, bool)
    border[4:-4, 4:-4] = False
    error = np.abs(restored / wide[cut] - 1)
    naive = restoration.richardson_lucy(image, PSF, num_iter=40, clip=False)
    assert error[border].mean() < 0.1
    assert error[border].mean() < np.abs(naive / wide[cut] - 1)[border].mean() / 3
    assert restored[border].mean() == pytest.approx(wide[cut][border].mean(), rel=0.02)


def test_a_structure_just_outside_the_field_is_not_drawn_inside():
    wide = np.full((64, 64), 1.0)
    wide[32, 17] = 2000  # three pixels beyond the left border of the field
    image = seen(wide)[20:-20, 20:-20]
    restored = richardson_lucy(image, PSF, iterations=100)
    naive = restoration.richardson_lucy(image, PSF, num_iter=100, clip=False)
    assert restored.max() < 2 < 20 < image.max() < naive.max()
    assert restored.mean() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("shape", [(2, 40, 40), (9, 40, 40)])
def test_the_psf_may_be_larger_than_the_image(shape):
    psf = gaussian_psf(2.0, 21, ndim=3)
    large = np.pad(scene((9, 40, 40)), ((20, 20), (0, 0), (0, 0)))
    image = seen(large, psf)[20 : 20 + shape[0]]
    image = image[:, 10:-10, 14:-14] + 1
    restored = richardson_lucy(image, psf, iterations=3)
    np.testing.assert_allclose(restored, iterated(image, psf, 3), rtol=1e-3, atol=1e-3)
    for sharper in (
        wiener(image, psf, noise_to_signal=1e-3),
        inverse_filter(image, psf, cut_off=0.05),
        tikhonov(image, psf, smoothness=1e-3),
    ):
        assert sharper.shape == image.shape
        assert np.abs(np.diff(sharper)).mean() > 1.5 * np.abs(np.diff(image)).mean()


def test_a_constant_image_stays_constant():
    image = np.full((20, 24), 7.0)
    restored = richardson_lucy(image, PSF, iterations=10)
    # The estimate ends where less than 1 % of the light reaches the image: its corners make up.
    np.testing.assert_allclose(restored, image, rtol=0.02)
    np.testing.assert_allclose(restored[6:-6, 6:-6], image[6:-6, 6:-6], rtol=1e-3)
    np.testing.assert_allclose(wiener(image, PSF, noise_to_signal=0.25), image / 1.25, rtol=1e-4)


def test_no_light_gives_no_light_and_no_warning():
    nothing = np.zeros((16, 16), np.uint16)
    assert not richardson_lucy(nothing, PSF, iterations=3, accelerated=True).any()
    assert not richardson_lucy(nothing + 5, PSF, iterations=3, background=9).any()
    assert not wiener(nothing, PSF, noise_to_signal=0.1).any()


# --- Wiener --------------------------------------------------------------------------------


@pytest.mark.parametrize("psf", [gaussian_psf(0.7, 9), CROOKED])
def test_without_noise_wiener_inverts_the_blur(psf):
    restored = wiener(seen(SCENE, psf), psf, noise_to_signal=1e-6)
    assert np.abs(restored - SCENE).max() < 1


@pytest.mark.parametrize("ratio", [0.003, 0.3])
@pytest.mark.parametrize("psf", [PSF, CROOKED])
def test_away_from_the_border_wiener_is_that_of_scikit_image(psf, ratio):
    image = np.pad(NOISY, 32)
    point = np.zeros((3, 3))
    point[1, 1] = 1  # the same at all frequencies, instead of scikit-image's Laplacian
    theirs = restoration.wiener(image, psf, ratio, reg=point, clip=False)
    ours = wiener(image, psf, noise_to_signal=ratio)
    np.testing.assert_allclose(ours[32:-32, 32:-32], theirs[32:-32, 32:-32], atol=1e-3)


# --- tuning against the truth --------------------------------------------------------------


def test_the_best_iteration_is_the_best_of_separate_runs():
    tuned = best_deconvolved(DIM, SCENE, PSF, "richardson_lucy", data_range=100)
    apart = [richardson_lucy(DIM, PSF, iterations=n + 1) for n in range(len(tuned.tried))]
    scores = [psnr(SCENE, affine_fit(SCENE, f).image, data_range=100) for f in apart]
    assert [value for _, value in tuned.tried] == scores
    assert tuned.psnr == max(scores)
    assert tuned.strength == 1 + np.argmax(scores)
    assert not tuned.at_bound
    np.testing.assert_array_equal(tuned.image, apart[int(tuned.strength) - 1])


def test_the_search_ends_past_the_peak_or_at_the_bound():
    tuned = best_deconvolved(DIM, SCENE, PSF, "richardson_lucy", data_range=100)
    assert len(tuned.tried) < 100
    assert tuned.tried[-1][1] < tuned.psnr - 0.3 <= min(v for _, v in tuned.tried[-2:-1])
    short = best_deconvolved(
        BLURRED, SCENE, PSF, "richardson_lucy", data_range=100, most_iterations=7
    )
    assert (short.strength, short.at_bound, len(short.tried)) == (7, True, 7)


def test_no_ratio_of_a_fine_search_is_much_better():
    tuned = best_deconvolved(NOISY, SCENE, PSF, "wiener", data_range=100, affine=False)
    ratios = np.geomspace(1e-5, 1, 60)
    images = [wiener(NOISY, PSF, noise_to_signal=ratio) for ratio in ratios]
    assert tuned.psnr > max(psnr(SCENE, i, data_range=100) for i in images) - 0.01
    assert tuned.psnr == psnr(SCENE, tuned.image, data_range=100)
    np.testing.assert_array_equal(tuned.image, wiener(NOISY, PSF, noise_to_signal=tuned.strength))


@pytest.mark.parametrize("method", DECONVOLUTIONS)
def test_the_affine_score_does_not_care_for_the_unit_of_the_truth(method):
    first = best_deconvolved(NOISY, SCENE, PSF, method, data_range=100)
    other = best_deconvolved(NOISY, 3 * SCENE - 20, PSF, method, data_range=300)
    assert other.strength == pytest.approx(first.strength, rel=1e-4)
    assert other.psnr == pytest.approx(first.psnr, abs=1e-3)
    np.testing.assert_allclose(other.image, first.image, rtol=1e-3, atol=1e-3)
    plain = best_deconvolved(NOISY, SCENE, PSF, method, data_range=100, affine=False)
    assert plain.psnr <= first.psnr + 1e-6


def test_a_ratio_at_either_end_of_the_search_is_reported():
    exact = best_deconvolved(seen(SCENE, CROOKED), SCENE, CROOKED, "wiener", data_range=100)
    assert (exact.strength, exact.at_bound) == (1e-6, True)
    noise = np.random.default_rng(7).normal(0, 100, SCENE.shape)
    truth = ndimage.gaussian_filter(noise, 8)
    lost = best_deconvolved(noise, truth, PSF, "wiener", data_range=100)
    assert (lost.strength, lost.at_bound) == (10, True)


def test_gaussian_is_the_best_tuned_filter_and_may_do_nothing():
    tuned = best_deconvolved(NOISY, SCENE, PSF, "gaussian", data_range=100)
    assert tuned.tried == best_tuned(NOISY, SCENE, "gaussian", data_range=100, affine=True).tried
    clean = best_deconvolved(BLURRED, BLURRED, PSF, "gaussian", data_range=100)
    assert clean.strength == 0
    np.testing.assert_array_equal(clean.image, denoise(BLURRED, "gaussian", 0))


@pytest.mark.parametrize("method", DECONVOLUTIONS)
def test_several_images_share_one_strength_and_may_have_their_own_psf(method):
    scenes = [SCENE, scene((40, 44), seed=5)]
    psfs = [PSF, gaussian_psf(1.0, 9)]
    rng = np.random.default_rng(6)
    images = [rng.poisson(seen(s, h)) for s, h in zip(scenes, psfs, strict=True)]
    together = best_deconvolved(images, scenes, psfs, method, data_range=100)
    scores = [
        psnr(t, affine_fit(t, i).image, data_range=100)
        for t, i in zip(scenes, together.image, strict=True)
    ]
    assert together.psnr == np.mean(scores)
    assert [i.shape for i in together.image] == [(48, 56), (40, 44)]
    one_psf = best_deconvolved(images, scenes, PSF, method, data_range=100)
    listed = best_deconvolved(images, scenes, [PSF, PSF], method, data_range=100)
    assert one_psf.tried == listed.tried
    single = best_deconvolved(images[:1], scenes[:1], PSF, method, data_range=100)
    alone = best_deconvolved(images[0], scenes[0], PSF, method, data_range=100)
    np.testing.assert_array_equal(single.image[0], alone.image)


def test_deconvolution_beats_denoising_on_a_widefield_volume():
    microscope = Microscope("widefield")
    specimen = filaments((12, 48, 48), pixel_size_um=microscope.voxel_size_um, rng=0)
    psf = microscope.psf((11, 47, 47))
    image = np.random.default_rng(0).poisson(400 * blur(specimen, psf))
    best = {
        method: best_deconvolved(image, specimen, psf, method, data_range=1).psnr
        for method in DECONVOLUTIONS
    }
    assert best["richardson_lucy"] > best["wiener"] > best["gaussian"]
    assert best["richardson_lucy"] > best["gaussian"] + 2


# --- bad input -----------------------------------------------------------------------------

CALLS = {
    "richardson_lucy": lambda image, psf: richardson_lucy(image, psf, iterations=1),
    "wiener": lambda image, psf: wiener(image, psf, noise_to_signal=0.1),
    "best": lambda image, psf: best_deconvolved(image, SCENE, psf, "wiener", data_range=1),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("psf", "error", "message"),
    [
        (np.full((4, 5), 0.05), ValueError, r"sides of odd length, got shape \(4, 5\)\. "),
        (2 * PSF, ValueError, r"sum of 1, got a smallest value of .* a sum of 2\. .* by its sum"),
        (np.diag([-0.5, 1, 0.5]), ValueError, r"from 0 up .* smallest value of -0\.5"),
        (
            np.ones((1, 1, 1)),
            ValueError,
            r"psf of shape \(Y, X\) .*, got \(1, 1, 1\)\. Pass a PSF of the same number",
        ),
        (np.where(PSF > 0.05, np.nan, PSF), ValueError, r"psf with finite pixels, got \d+ of"),
        (PSF.astype(complex), TypeError, "psf as an image of real numbers, got complex128"),
        (np.ones((0, 3)), ValueError, r"psf .* with pixels in it, got \(0, 3\)"),
    ],
)
def test_what_is_no_psf_is_refused(call, psf, error, message):
    with pytest.raises(error, match=message):
        call(NOISY, psf)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("move", "told"), [((8, 0), r"\+8\.0, \+0\.0"), ((0, -2), r"\+0\.0, -2\.0")]
)
def test_a_psf_off_centre_is_refused_and_not_taken_for_a_shift(call, move, told):
    """A measured bead cropped to odd sides: all that it restores would lie elsewhere."""
    bead = np.roll(np.pad(PSF, 10), move, (0, 1))
    with pytest.raises(ValueError, match=rf"centre {told} voxels .*y, x.* crop it around"):
        call(NOISY, bead)


@pytest.mark.filterwarnings("ignore:Expected voxels of at most")
def test_light_that_aberrations_move_aside_is_no_shift():
    """Deep in water the light of a STED spot lies to one side of its peak, where the point is."""
    psf = Microscope("sted", voxel_size_um=(0.2, 0.05, 0.05), sample_index=1.33)
    kernel = psf.psf((33, 65, 65), depth_um=20)
    assert kernel.sum(axis=(1, 2)) @ (np.arange(33) - 16) > 3
    assert kernel.argmax() == kernel.size // 2
    assert richardson_lucy(np.ones((8, 16, 16)), kernel, iterations=1).any()


@pytest.mark.parametrize("move", [(3, 0, 0), (0, 2, 0), (0, 0, -4)])
def test_also_that_of_a_microscope(move):
    psf = Microscope("confocal").psf((15, 31, 31))
    image = np.ones((8, 16, 16))
    with pytest.raises(ValueError, match="light around the middle voxel"):
        richardson_lucy(image, np.roll(psf, move, (0, 1, 2)), iterations=1)


@pytest.mark.parametrize(
    "optics",
    [
        {},
        {"aberrations": {"vertical coma": 1.0, "primary spherical": 0.8}},
        {"aberrations": {"horizontal coma": -1.5, "oblique astigmatism": 1.0}},
        {"sample_index": 1.33},
    ],
)
def test_the_light_of_an_aberrated_psf_may_lie_elsewhere(optics):
    depth = {"depth_um": 20} if "sample_index" in optics else {}
    psf = Microscope("widefield", **optics).psf((41, 41, 41), **depth)
    assert richardson_lucy(np.ones((8, 16, 16)), psf, iterations=1).shape == (8, 16, 16)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (
            np.where(NOISY > 20, np.nan, NOISY),
            ValueError,
            r"image with finite pixels, got \d+ of \d+ NaN",
        ),
        (NOISY > 3, TypeError, "image as intensities, got a mask"),
        (NOISY[0], ValueError, r"shape \(Y, X\) or \(Z, Y, X\) .* got \(56,\)"),
        (NOISY[None, None], ValueError, r"got \(1, 1, 48, 56\)"),
        (np.ones((0, 8)), ValueError, r"with pixels in it, got \(0, 8\)"),
    ],
)
def test_what_is_no_image_is_refused(call, image, error, message):
    with pytest.raises(error, match=message):
        call(image, PSF)


@pytest.mark.parametrize("iterations", [0, -3, 2.5, math.nan, None])
def test_iterations_are_a_whole_number_above_zero(iterations):
    errors, message = (TypeError, ValueError), f"iterations .*of 1 or more, got {iterations}"
    with pytest.raises(errors, match=message):
        richardson_lucy(NOISY, PSF, iterations=iterations)
    with pytest.raises(errors, match=f"most_{message}"):
        best_deconvolved(
            NOISY, SCENE, PSF, "richardson_lucy", data_range=1, most_iterations=iterations
        )


def test_only_light_can_be_explained():
    with pytest.raises(
        ValueError, match=r"image from 0 up, got values down to -2\. Give the noise of the"
    ):
        richardson_lucy(BLURRED - 2, PSF, iterations=1)
    for background in (-1, math.nan, math.inf, "10"):
        message = f"background of 0 or more, got {background!r}"
        with pytest.raises((TypeError, ValueError), match=message):
            richardson_lucy(NOISY, PSF, iterations=1, background=background)


@pytest.mark.parametrize("ratio", [0, -1, 1e-13, math.nan, math.inf, None])
def test_a_ratio_of_noise_to_signal_is_above_zero(ratio):
    message = f"noise_to_signal of 1e-12 or more, got {ratio}"
    with pytest.raises((TypeError, ValueError), match=message):
        wiener(NOISY, PSF, noise_to_signal=ratio)


def test_images_truths_and_psfs_must_match():
    with pytest.raises(ValueError, match="one of richardson_lucy, wiener, gaussian, got 'median'"):
        best_deconvolved(NOISY, SCENE, PSF, "median", data_range=1)
    with pytest.raises(ValueError, match="one PSF or as many as images, got 2 for 1"):
        best_deconvolved(NOISY, SCENE, [PSF, PSF], "wiener", data_range=1)
    for method in DECONVOLUTIONS:
        with pytest.raises(ValueError, match="got 2 images and 1 truths"):
            best_deconvolved([NOISY, NOISY], SCENE, PSF, method, data_range=1)
        with pytest.raises(ValueError, match="got 0 images and 0 truths"):
            best_deconvolved([], [], PSF, method, data_range=1)
        with pytest.raises(ValueError, match=r"one shape, got \(48, 55\) and \(48, 56\)"):
            best_deconvolved(NOISY, SCENE[:, :-1], PSF, method, data_range=1)
        with pytest.raises(ValueError, match="data_range above 0, got 0"):
            best_deconvolved(NOISY, SCENE, PSF, method, data_range=0)
