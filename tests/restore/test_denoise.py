import importlib
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, estimate_sigma

from aimicro.metrics import affine_fit, psnr
from aimicro.restore import METHODS, Noise, best_tuned, denoise, tune_all
from aimicro.simulate import Camera

PIXEL_METHODS = ["gaussian", "median", "bilateral"]
NOISE_METHODS = ["wavelet", "total_variation", "nonlocal_means", "block_matching"]
CAMERA = Noise(gain=2.0, offset=100.0, read_noise=3.0)  # read noise of 1.5 electrons
GOOD = np.arange(256.0).reshape(16, 16)


def strength(method, value, ndim=2):
    """This value for each parameter of the method, and a range that is as wide as the noise."""
    count = len(METHODS[method].parameters_for(ndim))
    if method == "bilateral":
        return value, 6.0
    return value if count == 1 else (value,) * count


def filaments(peak, seed=0, size=64):
    """Photons of thin wavy lines under a blur of 1.3 pixels, on a background of a tenth."""
    rng = np.random.default_rng(seed)
    image = np.zeros((size, size))
    along = np.linspace(0, size - 1, 4 * size)
    for line in range(6):
        across = rng.uniform(0, size) + 6 * np.sin(along / rng.uniform(6, 15))
        where = (along.astype(int), across.astype(int) % size)
        image[where if line % 2 else where[::-1]] = 1
    image = ndimage.gaussian_filter(image, 1.3)
    return peak * (0.1 + 0.9 * image / image.max())


def exposed(photons, seed=1, noise=CAMERA):
    rng = np.random.default_rng(seed)
    counts = noise.offset + noise.gain * rng.poisson(photons)
    return counts + rng.normal(0, noise.read_noise, photons.shape)


def in_counts(photons, noise=CAMERA):
    return noise.offset + noise.gain * photons


# --- the seven methods -----------------------------------------------------------------------


def test_every_method_says_what_its_strength_is():
    assert list(METHODS) == [*PIXEL_METHODS, *NOISE_METHODS]
    for name, method in METHODS.items():
        for parameter in (*method.parameters, *method.in_volumes):
            assert 0 < parameter.bounds[0] < parameter.bounds[1]
            assert parameter.discrete == (name == "median")
        assert method.parameters[0].unit == ("px" if name in PIXEL_METHODS else "noise sd")
    assert [str(one) for one in METHODS["gaussian"].parameters_for(2)] == ["sigma (px)"]
    in_volumes = [str(one) for one in METHODS["gaussian"].parameters_for(3)]
    assert in_volumes == ["sigma z (px)", "sigma yx (px)"]
    assert METHODS["median"].parameters_for(3) == METHODS["median"].parameters
    with pytest.raises(TypeError):
        METHODS["new"] = METHODS["median"]


def test_gaussian_and_median_are_those_of_scipy():
    image = exposed(filaments(20))
    np.testing.assert_allclose(
        denoise(image, "gaussian", 1.7), ndimage.gaussian_filter(image, 1.7), rtol=1e-5
    )
    plus = ndimage.generate_binary_structure(2, 1)
    volume_ = np.stack([image, 2 * image, image])
    np.testing.assert_allclose(
        denoise(volume_, "gaussian", (0.6, 1.7)),
        ndimage.gaussian_filter(volume_, (0.6, 1.7, 1.7)),
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        denoise(image, "median", 1), ndimage.median_filter(image, footprint=plus), rtol=1e-5
    )


def test_strengths_are_in_units_of_the_noise():
    image = exposed(filaments(20))
    sigma = estimate_sigma(image)
    np.testing.assert_allclose(
        denoise(image, "total_variation", 2),
        denoise_tv_chambolle(image, weight=2 * sigma, eps=0, max_num_iter=60),
        rtol=1e-3,
    )
    np.testing.assert_allclose(
        denoise(image, "nonlocal_means", (1.2, 0.5)),
        denoise_nl_means(image, 7, 7, 0.6 * sigma, sigma=1.2 * sigma, preserve_range=True),
        rtol=1e-5,
    )


def test_bilateral_is_the_weighted_mean_of_its_definition():
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, (9, 8))
    image[:, 4:] += 30
    noise = estimate_sigma(image)
    padded = np.pad(image, 3, mode="symmetric")
    expected = np.empty_like(image)
    offset = np.arange(-3, 4)
    nearness = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.2**2))
    for y, x in np.ndindex(image.shape):
        window = padded[y : y + 7, x : x + 7]
        weight = nearness * np.exp(-((window - image[y, x]) ** 2) / (2 * (5 * noise) ** 2))
        expected[y, x] = np.sum(weight * window) / np.sum(weight)
    np.testing.assert_allclose(
        denoise(image, "bilateral", (1.2, 5.0)), expected, rtol=1e-4, atol=1e-4
    )


def test_bilateral_keeps_an_edge_that_a_gaussian_blurs():
    edge = np.random.default_rng(0).normal(0, 1, (32, 32))
    edge[:, 16:] += 100
    steep = np.diff(denoise(edge, "bilateral", (2.0, 12.0)).mean(0))[15]
    assert steep > 98 > 30 > np.diff(denoise(edge, "gaussian", 2.0).mean(0))[15]


@pytest.mark.parametrize("method", METHODS)
def test_no_method_prefers_a_direction(method):
    # As scikit-image 0.26's bilateral filter does: its window is sheared.
    image = exposed(filaments(20, size=48))
    turned = denoise(np.rot90(image), method, strength(method, 2))
    difference = np.rot90(turned, -1) - denoise(image, method, strength(method, 2))
    assert difference.std() < 0.05 * image.std()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(48, 40), (12, 16, 20)])
@pytest.mark.parametrize("noise", [None, CAMERA])
def test_noise_goes_and_the_mean_stays(method, shape, noise):
    image = exposed(np.full(shape, 50.0))
    quiet = denoise(image, method, strength(method, 2, len(shape)), noise=noise)
    assert quiet.shape == shape
    assert quiet.dtype == np.float32
    assert quiet.std() < 0.5 * image.std()
    assert quiet.mean() == pytest.approx(image.mean(), abs=0.1 * image.std())


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=8, deadline=None)
@given(gain=st.floats(1e-3, 1e3), offset=st.floats(-10, 10), value=st.sampled_from([1, 2]))
def test_a_method_does_not_care_for_the_intensity_unit(method, gain, offset, value):
    image = exposed(filaments(30, size=32))
    shift = offset * gain * 10
    there = denoise(gain * image + shift, method, strength(method, value))
    back = gain * denoise(image, method, strength(method, value)) + shift
    np.testing.assert_allclose(there, back, atol=2e-3 * gain * image.std())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("noise", [None, CAMERA])
def test_strength_zero_gives_the_image_back(method, noise):
    image = exposed(filaments(5))
    np.testing.assert_array_equal(denoise(image, method, 0, noise=noise), image.astype(np.float32))


@pytest.mark.parametrize("method", [m for m in METHODS if m != "median"])
def test_a_vanishing_strength_changes_nothing(method):
    image = exposed(filaments(5))
    np.testing.assert_allclose(
        denoise(image, method, strength(method, 1e-3)), image, atol=0.03 * image.std()
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0, 7, 0.1, -1e6])
def test_a_constant_image_stays_and_gives_no_warning(method, value):
    image = np.full((16, 16), value)
    np.testing.assert_allclose(denoise(image, method, strength(method, 2)), image, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_an_image_without_noise_gives_no_warning(method):
    stripes = np.tile([0.0, 5.0], (16, 8))
    assert np.isfinite(denoise(stripes, method, strength(method, 1))).all()


@pytest.mark.parametrize("method", METHODS)
def test_integers_and_lists_are_promoted(method):
    image = exposed(filaments(20, size=32)).astype(np.uint16)
    one = strength(method, 1)
    expected = denoise(image.astype(np.float64), method, one)
    np.testing.assert_array_equal(denoise(image, method, one), expected)
    np.testing.assert_array_equal(denoise(image.tolist(), method, one), expected)


@pytest.mark.parametrize("method", METHODS)
def test_the_input_is_left_alone(method):
    image = exposed(filaments(20, size=32))
    before = image.copy()
    denoise(image, method, strength(method, 1))
    denoise(image, method, strength(method, 1), noise=CAMERA)
    np.testing.assert_array_equal(image, before)


def test_a_single_plane_keeps_its_axes():
    plane = exposed(np.full((1, 20, 20), 9.0))
    assert denoise(plane, "nonlocal_means", (1, 0.6)).shape == (1, 20, 20)


# --- the noise model -----------------------------------------------------------------------


def test_denoising_with_the_noise_model_keeps_the_mean_of_a_dark_field():
    noise = Noise(gain=2, offset=100, read_noise=0.2)
    counts = exposed(np.full((128, 128), 0.5), noise=noise)
    quiet = denoise(counts, "gaussian", 4, noise=noise)[16:-16, 16:-16]
    assert quiet.mean() == pytest.approx(101, abs=0.05)


def test_the_noise_model_helps_where_noise_depends_on_the_signal():
    photons = filaments(300)
    counts, truth = exposed(photons), in_counts(photons)
    blind = best_tuned(counts, truth, "wavelet", data_range=600)
    informed = best_tuned(counts, truth, "wavelet", data_range=600, noise=CAMERA)
    assert informed.psnr > blind.psnr + 0.4


@pytest.mark.parametrize("method", METHODS)
def test_the_noise_of_a_simulated_camera_is_taken_as_it_is(method):
    camera = Camera(gain_counts_per_e=3, offset_counts=50, read_noise_e=1, exposure_s=1)
    counts = camera.expose(np.full((20, 20), 2.0), rng=0)
    by_hand = Noise(gain=3, offset=50, read_noise=math.sqrt(9 + 1 / 12))
    quiet = [
        denoise(counts, method, strength(method, 2), noise=noise)
        for noise in (camera.noise, by_hand)
    ]
    np.testing.assert_array_equal(*quiet)
    truth = np.full(counts.shape, 50 + 3 * (0.8 * 2 + 0.5))
    tuned = [
        best_tuned(counts, truth, method, data_range=6, noise=noise)
        for noise in (camera.noise, by_hand)
    ]
    assert tuned[0].tried == tuned[1].tried


def test_a_camera_of_the_simulator_and_its_noise_fit_together():
    camera = Camera(exposure_s=1)
    counts = camera.expose(np.full((192, 192), 0.5), rng=0)
    quiet = denoise(counts, "gaussian", 4, noise=camera.noise)[16:-16, 16:-16]
    electrons = 0.8 * 0.5 + 0.5  # quantum efficiency times photons, and the dark charge
    assert quiet.mean() == pytest.approx(100 + 2 * electrons, abs=0.06)


@pytest.mark.parametrize(
    ("noise", "name"), [(Camera(), "Camera"), ((2.0, 100.0, 3.0), "tuple"), (3.0, "float")]
)
@pytest.mark.parametrize("value", [0, 1])
def test_what_does_not_describe_noise_is_refused(noise, name, value):
    with pytest.raises(TypeError, match=rf"read_noise, got {name}\. Describe .* camera\.noise\.$"):
        denoise(GOOD, "gaussian", value, noise=noise)


# --- tuning against the truth --------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("peak", [3, 12, 100, 1000])
@pytest.mark.parametrize("noise", [None, CAMERA])
def test_the_best_strength_lies_inside_the_bounds(method, peak, noise):
    photons = filaments(peak, size=40)
    counts, truth = exposed(photons), in_counts(photons)
    tuned = best_tuned(counts, truth, method, data_range=2 * peak, noise=noise)
    # A bilateral filter that is best as a Gaussian has no widest range.
    assert not tuned.at_bound or tuned.settings.get("range (noise sd)") == 50
    assert np.all(np.array(tuned.strength).flat[0] < METHODS[method].parameters[0].bounds[1])
    raw = psnr(truth, counts, data_range=2 * peak)
    assert tuned.psnr >= raw == pytest.approx(tuned.tried[0][1], abs=1e-4)
    assert tuned.psnr == max(value for _, value in tuned.tried)
    assert tuned.psnr == psnr(truth, tuned.image, data_range=2 * peak)
    if peak <= 12:
        assert tuned.psnr > raw + 5


@pytest.mark.parametrize(
    ("method", "strengths"),
    [
        ("gaussian", np.linspace(0.2, 4, 200)),
        ("total_variation", np.linspace(0.1, 4, 60)),
        ("wavelet", np.linspace(0.3, 3, 60)),
        ("median", range(1, 9)),
    ],
)
def test_no_strength_of_a_fine_search_is_much_better(method, strengths):
    photons = filaments(12)
    counts, truth = exposed(photons), in_counts(photons)
    best = max(psnr(truth, denoise(counts, method, s), data_range=24) for s in strengths)
    assert best_tuned(counts, truth, method, data_range=24).psnr > best - 0.01


@pytest.mark.parametrize("method", ["bilateral", "nonlocal_means"])
@pytest.mark.parametrize("peak", [12, 200])
def test_no_pair_of_a_fine_grid_is_much_better(method, peak):
    photons = filaments(peak, size=40)
    counts, truth = exposed(photons), in_counts(photons)
    tuned = best_tuned(counts, truth, method, data_range=2 * peak)
    fine = [np.geomspace(*one.bounds, 12) for one in METHODS[method].parameters]
    if method == "bilateral":
        fine[0] = fine[0][:10]  # up to 3 pixels
    pairs = itertools.product(*fine)
    best = max(psnr(truth, denoise(counts, method, s), data_range=2 * peak) for s in pairs)
    assert tuned.psnr > best - 0.05


def test_a_range_that_suits_the_structure_makes_the_bilateral_filter_better_than_the_gaussian():
    truth = np.full((64, 64), 100.0)
    truth[16:48, 16:48] = 112
    noisy = truth + np.random.default_rng(0).normal(0, 3, truth.shape)
    found = tune_all(noisy, truth, ["gaussian", "bilateral"], data_range=12)
    assert found["bilateral"].psnr > found["gaussian"].psnr + 1
    assert found["bilateral"].settings["range (noise sd)"] < 6
    thin = filaments(12)  # but on thin filaments it has no plateau to average, and becomes one
    found = tune_all(exposed(thin), in_counts(thin), ["gaussian", "bilateral"], data_range=24)
    assert found["bilateral"].psnr == pytest.approx(found["gaussian"].psnr, abs=0.1)


def test_a_volume_is_blurred_less_between_planes_that_lie_apart():
    photons = np.stack([filaments(30, seed=seed, size=48) for seed in range(6)])
    tuned = best_tuned(exposed(photons), in_counts(photons), "gaussian", data_range=60)
    z, yx = tuned.strength
    assert z < 0.5 < yx
    assert tuned.settings == {"sigma z (px)": z, "sigma yx (px)": yx}
    with pytest.raises(ValueError, match=r"as many axes each, got \[2, 3\]"):
        best_tuned([photons, photons[0]], [photons, photons[0]], "gaussian", data_range=60)


def test_several_images_share_one_strength_and_a_mean_score():
    scenes = [filaments(12, seed=0, size=48), filaments(12, seed=3, size=56)]
    counts, truths = [exposed(s) for s in scenes], [in_counts(s) for s in scenes]
    together = best_tuned(counts, truths, "gaussian", data_range=24)
    alone = [
        best_tuned(c, t, "gaussian", data_range=24).psnr
        for c, t in zip(counts, truths, strict=True)
    ]
    scores = [psnr(t, i, data_range=24) for t, i in zip(truths, together.image, strict=True)]
    assert together.psnr == pytest.approx(np.mean(scores))
    assert np.mean(alone) - 0.1 < together.psnr <= np.mean(alone) + 0.01
    assert [i.shape for i in together.image] == [(48, 48), (56, 56)]
    one = best_tuned(counts[:1], truths[:1], "gaussian", data_range=24)
    np.testing.assert_array_equal(
        one.image[0], best_tuned(counts[0], truths[0], "gaussian", data_range=24).image
    )


@pytest.mark.parametrize("method", METHODS)
def test_no_denoising_wins_where_there_is_nothing_to_remove(method):
    truth = exposed(filaments(12, size=32))
    tuned = best_tuned(truth.astype(np.float32), truth.astype(np.float32), method, data_range=24)
    assert not np.any(tuned.strength)
    assert (tuned.psnr, tuned.at_bound) == (math.inf, False)


def test_a_bound_that_was_hit_is_reported():
    flat = np.full((32, 32), 50.0)
    tuned = best_tuned(exposed(flat), in_counts(flat), "gaussian", data_range=100)
    assert tuned.at_bound
    assert tuned.strength == METHODS["gaussian"].parameters[0].bounds[1]


def volume(peak, seed):
    """Photons of points and a rod under a blur, on a background of a tenth, in a thin stack."""
    rng = np.random.default_rng(seed)
    image = (rng.random((8, 24, 24)) > 0.997).astype(float)
    image[4, 3:21, 12] = 1
    image = ndimage.gaussian_filter(image, (1, 1.5, 1.5))
    return peak * (0.1 + 0.9 * image / image.max())


# Bilateral filter and non-local means search in the same way, for a minute.
@pytest.mark.parametrize("method", ["gaussian", "median", "wavelet", "total_variation"])
@pytest.mark.parametrize("peak", [3, 12, 100])
def test_in_a_volume_the_search_ends_early_with_the_same_result(method, peak, monkeypatch):
    photons = volume(peak, seed=peak)
    counts, truth = exposed(photons), photons / peak
    early = best_tuned(counts, truth, method, data_range=1, affine=True)
    # By its full name: `from aimicro.restore import denoise` is the function.
    module = importlib.import_module("aimicro.restore.denoise")
    monkeypatch.setattr(module, "_PAST_PEAK_DB", math.inf)
    full = best_tuned(counts, truth, method, data_range=1, affine=True)
    assert (early.strength, early.psnr, early.at_bound) == (full.strength, full.psnr, full.at_bound)
    np.testing.assert_array_equal(early.image, full.image)
    assert set(early.tried) <= set(full.tried)
    left_out = {np.array(one).flat[0] for one, _ in set(full.tried) - set(early.tried)}
    assert all(first > np.array(early.strength).flat[0] for first in left_out)


def test_in_a_volume_the_slowest_strengths_are_left_out():
    photons = volume(12, seed=0)
    tuned = best_tuned(exposed(photons), in_counts(photons), "median", data_range=24)
    assert tuned.tried[-1][0] < METHODS["median"].parameters[0].bounds[1]
    assert tuned.tried[-1][1] < tuned.psnr - 0.2


@pytest.mark.parametrize("photons", [filaments(30), volume(30, seed=1)], ids=["2D", "3D"])
def test_the_affine_score_does_not_care_for_the_unit_of_the_truth(photons):
    counts = exposed(photons)
    tuned = best_tuned(counts, photons / 30, "gaussian", data_range=1, affine=True)
    other = best_tuned(counts, 7 - photons, "gaussian", data_range=30, affine=True)
    np.testing.assert_allclose(other.strength, tuned.strength, rtol=1e-3)
    assert other.psnr == pytest.approx(tuned.psnr, abs=1e-3)
    fitted = affine_fit(photons / 30, tuned.image).image
    assert tuned.psnr == psnr(photons / 30, fitted, data_range=1)
    plain = best_tuned(counts, in_counts(photons), "gaussian", data_range=60)
    same_unit = best_tuned(counts, in_counts(photons), "gaussian", data_range=60, affine=True)
    assert same_unit.psnr >= plain.psnr


def test_what_was_tried_is_in_order_and_covers_the_bounds():
    photons = filaments(12, size=32)
    tuned = best_tuned(exposed(photons), in_counts(photons), "wavelet", data_range=24)
    strengths = [one for one, _ in tuned.tried]
    assert strengths == sorted(strengths)
    assert strengths[0] == 0
    assert (strengths[1], strengths[-1]) == pytest.approx(METHODS["wavelet"].parameters[0].bounds)
    ratios = np.divide(strengths[2:], strengths[1:-1])
    assert ratios.max() <= 2.5
    beside = np.abs(np.log(np.array(strengths[1:]) / tuned.strength))
    assert np.sort(beside)[1] < 0.05  # the search ended within 5 %
    assert len(strengths) < 20


def test_all_methods_at_once_are_each_alone():
    scenes = [filaments(12, seed=0, size=32), filaments(12, seed=3, size=40)]
    counts, truths = [exposed(s) for s in scenes], [in_counts(s) for s in scenes]
    methods = ["gaussian", "median", "total_variation"]
    noises = {"plain": None, "with Anscombe": CAMERA}
    tunings = tune_all(counts, truths, methods, noises=noises, data_range=24)
    assert list(tunings) == [(method, name) for method in methods for name in noises]
    for (method, name), tuned in tunings.items():
        alone = best_tuned(counts, truths, method, noise=noises[name], data_range=24)
        assert (tuned.method, tuned.tried) == (method, alone.tried)
        for one, other in zip(tuned.image, alone.image, strict=True):
            np.testing.assert_array_equal(one, other)
        assert tunings.scores()[method.replace("_", " ")][name] == tuned.psnr
    assert tunings.best.psnr == max(tuned.psnr for tuned in tunings.values())
    plain = tune_all(counts, truths, methods, data_range=24, affine=True, workers=1)
    assert list(plain) == methods
    assert plain.scores()["gaussian"] == plain["gaussian"].psnr
    assert list(tune_all(GOOD, GOOD + 1, data_range=24)) == list(METHODS)


def test_an_array_is_one_image_and_a_list_is_many():
    truth = np.stack([in_counts(filaments(12, seed=seed, size=32)) for seed in (0, 3)])
    counts = np.stack([exposed(filaments(12, seed=seed, size=32)) for seed in (0, 3)])
    volume_, planes = (
        best_tuned(*pair, "gaussian", data_range=24)
        for pair in ((counts, truth), (list(counts), list(truth)))
    )
    assert volume_.image.shape == (2, 32, 32)
    assert [i.shape for i in planes.image] == [(32, 32), (32, 32)]
    assert planes.psnr > volume_.psnr  # neighbours in a list are no planes of one specimen
    with pytest.raises(ValueError, match=r"got 1 images and 2 truths\. .* make .* a list: list"):
        best_tuned(counts, list(truth), "gaussian", data_range=24)


# --- bad input -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gausian", "Did you mean gaussian"),
        ("non_local_means", "Did you mean nonlocal_means"),
        ("bm3d", "$"),
        (None, "$"),
    ],
)
def test_an_unknown_method_gets_the_nearest_name(name, hint):
    with pytest.raises(ValueError, match=rf"one of gaussian, .*, got {name!r}\. ?{hint}"):
        denoise(GOOD, name, 1)
    with pytest.raises(ValueError, match=hint):
        best_tuned(GOOD, GOOD, name, data_range=1)
    with pytest.raises(ValueError, match=hint):
        tune_all(GOOD, GOOD, ["median", name], data_range=1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [-1, -1e-9, math.nan, math.inf])
def test_a_strength_is_zero_or_more(method, value):
    with pytest.raises(ValueError, match=f"strength of '{method}' .* 0 or more, got {value:g}"):
        denoise(GOOD, method, strength(method, value))


def test_a_strength_has_a_number_for_each_parameter_and_a_radius_is_whole():
    with pytest.raises(ValueError, match=r"'gaussian' as one number, sigma \(px\), got \[1, 2\]"):
        denoise(GOOD, "gaussian", [1, 2])
    names = r"2 numbers, spatial sigma \(px\), range \(noise sd\), got 2\. Give them in this order"
    with pytest.raises(ValueError, match=names):
        denoise(GOOD, "bilateral", 2)
    with pytest.raises(ValueError, match=r"in a volume as 2 numbers, sigma z .*, sigma yx .* 1\.5"):
        denoise(np.ones((4, 8, 8)), "gaussian", 1.5)
    with pytest.raises(ValueError, match=r"all above 0, .* got \(2\.0, 0\.0\)\. Start with 0\.5"):
        denoise(GOOD, "bilateral", (2, 0))
    with pytest.raises(TypeError, match=r"\(range in noise sd\) of 0 or more, got 'wide'"):
        denoise(GOOD, "bilateral", (2, "wide"))
    with pytest.raises(ValueError, match=r"\(radius in px\) as a whole number, got 1.5"):
        denoise(GOOD, "median", 1.5)
    np.testing.assert_array_equal(denoise(GOOD, "bilateral", (0, 0)), denoise(GOOD, "bilateral", 0))


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (
            np.where(GOOD == 3, np.nan, GOOD),
            ValueError,
            "finite pixels, got 1 of 256 NaN or infinite",
        ),
        (GOOD.astype(complex), TypeError, "image of real numbers, got complex128"),
        (GOOD > 3, TypeError, "intensities, got a mask"),
        ([GOOD, GOOD], TypeError, "image as one image, got a list of 2"),
        (np.ones(16), ValueError, r"shape \(Y, X\) or \(Z, Y, X\) .* got \(16,\)"),
        (np.ones((2, 2, 8, 8)), ValueError, r"got \(2, 2, 8, 8\)"),
        (np.ones((0, 8)), ValueError, r"with pixels in it, got \(0, 8\)"),
    ],
)
@pytest.mark.parametrize("value", [0, 1])
def test_what_is_no_image_is_refused(bad, error, message, value):
    with pytest.raises(error, match=message):
        denoise(bad, "gaussian", value)


def test_wavelets_refuse_stacks_that_are_too_thin():
    with pytest.raises(ValueError, match=r"at least 6 pixels .* got shape \(5, 16, 16\)"):
        denoise(np.ones((5, 16, 16)), "wavelet", 1)
    assert denoise(np.ones((6, 16, 16)), "wavelet", 1).shape == (6, 16, 16)


def test_images_and_truths_must_match():
    with pytest.raises(ValueError, match="got 2 images and 1 truths"):
        best_tuned([GOOD, GOOD], GOOD, "gaussian", data_range=1)
    with pytest.raises(ValueError, match="got 0 images and 0 truths"):
        best_tuned([], [], "gaussian", data_range=1)
    with pytest.raises(ValueError, match=r"one shape, got \(16, 15\) and \(16, 16\)"):
        best_tuned(GOOD, GOOD[:, :-1], "gaussian", data_range=1)
    with pytest.raises(ValueError, match="data_range above 0, got 0"):
        best_tuned(GOOD, GOOD, "gaussian", data_range=0)
    with pytest.raises(TypeError, match="data_range"):
        best_tuned(GOOD, GOOD, "gaussian")
