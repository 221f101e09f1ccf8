"""Rods instead of points: the same algorithm for points, better where there are lines."""

import numpy as np
import pytest

from aimicro.metrics import mean_psnr, psnr
from aimicro.restore import Noise, denoise, fista, richardson_lucy, richardson_lucy_lines
from aimicro.restore.lines import _directions, _Rods
from aimicro.simulate import (
    Camera,
    Microscope,
    airy_psf,
    blur,
    filaments,
    simulate_pair,
    vesicles,
)

PIXEL = 0.065
PSF = airy_psf(na=1.3, wavelength_um=0.52, pixel_size_um=PIXEL, shape=(31, 31))
CAMERA = Camera()
NOISE = Noise(
    gain=1 / CAMERA.quantum_efficiency,
    read_noise=CAMERA.read_noise_e / CAMERA.quantum_efficiency,
)


def taken(sharp, photons, rng):
    """What a camera measures of a specimen in photons, and what it should have been."""
    image = blur(sharp, PSF)
    truth = photons * image / image.max() + 1
    return CAMERA.photons(CAMERA.expose(truth, rng=rng)), truth


def test_rods_without_length_are_points():
    """Then each direction is the same, and the estimate that of Richardson and Lucy."""
    noisy, _ = taken(filaments((48, 48), pixel_size_um=PIXEL, n=3, rng=0), 20, 0)
    options = {"noise": NOISE, "background": 1.0}
    points = richardson_lucy(noisy, PSF, iterations=12, accelerated=True, **options)
    rods = richardson_lucy_lines(
        noisy, PSF, length_px=1e-3, n_directions=1, sparsity=0, iterations=12, refits=0, **options
    )
    inner = (slice(16, -16),) * 2  # beyond the image, light was estimated, too
    np.testing.assert_allclose(rods[inner], blur(points, PSF)[inner] + 1, rtol=2e-3)


LARGE = airy_psf(na=1.3, wavelength_um=0.52, pixel_size_um=PIXEL)
DEEP = Microscope("widefield", na=1.3, emission_um=0.52, voxel_size_um=(0.2, PIXEL, PIXEL)).psf(
    shape=(15, 31, 31)
)


@pytest.mark.parametrize(
    ("shape", "psf", "tilt"),
    [
        ((40, 53), PSF, None),
        ((12, 90), PSF, None),
        ((40, 53), LARGE, None),
        ((12, 90), LARGE, None),
        ((5, 20, 33), DEEP, 60),
    ],
)
def test_back_is_the_transpose_of_seen(shape, psf, tilt):
    """Also where the PSF is larger than the image."""
    rods = _Rods((psf / psf.sum()).astype(np.float32), shape, 5 * _directions(7, tilt))
    rng = np.random.default_rng(0)
    estimate = rng.random((rods.count, *rods.shape), np.float32)
    image = rng.random(shape, np.float32)
    one, other = np.vdot(rods.seen(estimate), image), np.vdot(estimate, rods.back(image))
    assert one == pytest.approx(other, rel=1e-4)


def test_a_rod_lies_in_its_direction_and_has_its_length():
    point = np.zeros((5, 5), np.float32)
    point[2, 2] = 1
    rods = _Rods(point, (81, 81), 6 * _directions(4, None))  # 0, 45, 90 and 135 degrees
    for number, angle in enumerate(np.deg2rad([0, 45, 90, 135])):
        estimate = np.zeros((4, *rods.shape), np.float32)
        estimate[number][rods.shape[0] // 2, rods.shape[1] // 2] = 1
        seen = rods.seen(estimate).astype(float)
        assert seen.sum() == pytest.approx(1, abs=1e-3)
        y, x = np.indices(seen.shape) - 40.0
        along, across = y * np.sin(angle) + x * np.cos(angle), y * np.cos(angle) - x * np.sin(angle)
        assert np.sum(seen * along**2) == pytest.approx(36, rel=0.02)
        assert abs(np.sum(seen * across**2)) < 0.5


@pytest.mark.parametrize(("around", "tilt"), [(12, 40), (8, 90), (5, 0), (1, 90)])
def test_directions_in_a_volume_leave_no_gap_and_come_once(around, tilt):
    found = _directions(around, tilt)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    assert np.rad2deg(np.abs(np.arcsin(found[:, 0]))).max() == pytest.approx(tilt)
    likeness = np.abs(found @ found.T)  # a rod has no front and no back
    np.fill_diagonal(likeness, 0)
    assert likeness.max(initial=0) < 1 - 1e-6
    some = np.random.default_rng(0).normal(size=(2000, 3))
    some /= np.linalg.norm(some, axis=1, keepdims=True)
    some = some[np.abs(np.arcsin(some[:, 0])) <= np.deg2rad(tilt)]
    far = np.rad2deg(np.arccos(np.minimum(np.abs(some @ found.T).max(axis=1, initial=0), 1)))
    # Half a step of 180 / around degrees in the plane, and of twice that out of it.
    assert far.max(initial=0) < np.hypot(90, 180) / around + 1


def test_a_rod_in_a_volume_knows_that_planes_are_far_apart():
    point = np.zeros((3, 3, 3), np.float32)
    point[1, 1, 1] = 1
    tilted = np.array([[np.sin(0.5), 0, np.cos(0.5)]])
    rods = _Rods(point, (31, 41, 81), 8 * tilted / [2, 1, 1])  # a step in z is two in x
    estimate = np.zeros((1, *rods.shape), np.float32)
    estimate[(0, *(n // 2 for n in rods.shape))] = 1
    seen = rods.seen(estimate).astype(float)
    z, y, x = (axis - n // 2 for axis, n in zip(np.indices(seen.shape), seen.shape, strict=True))
    assert np.sum(seen * (2.0 * z) ** 2) == pytest.approx((8 * np.sin(0.5)) ** 2, rel=0.02)
    assert np.sum(seen * x**2.0) == pytest.approx((8 * np.cos(0.5)) ** 2, rel=0.02)
    assert np.sum(seen * 2.0 * z * x) == pytest.approx(64 * np.sin(0.5) * np.cos(0.5), rel=0.02)
    assert abs(np.sum(seen * y**2.0)) < 0.01


@pytest.mark.long
def test_filaments_in_a_volume_are_closer_to_the_truth_than_by_few_bright_voxels():
    """The strongest of the methods that know no lines, tuned on the truth, imaged again."""
    leads = []
    for seed in (3, 4):
        pair = simulate_pair("denoise", shape=(10, 48, 48), rng=seed)
        microscope = Microscope.from_record(pair.parameters["microscope"])
        psf, camera = microscope.psf(image_shape=pair.raw.shape), microscope.camera
        known = {
            "noise": camera.noise,
            "background": camera.gain_counts_per_e * camera.dark_charge_e,
            "voxel_size_um": pair.voxel_size_um,
        }
        few = [
            microscope.expected(
                fista(pair.raw, psf, regulariser="l1", weight=weight, iterations=15, **known)
            )
            for weight in (0.4, 0.6, 0.8, 1.0)
        ]
        lines = richardson_lucy_lines(pair.raw, psf, length_px=4, **known)
        span = np.ptp(pair.truth)
        scores = [
            mean_psnr([pair.truth], [image], data_range=span, affine=True)
            for image in (lines, *few)
        ]
        leads.append(scores[0] - max(scores[1:]))
    assert min(leads) > 0
    assert np.mean(leads) > 0.7


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((20,), {}, r"\(Y, X\) or \(Z, Y, X\) with pixels in it, got \(20,\)"),
        ((2, 3, 9, 9), {}, r"\(Y, X\) or \(Z, Y, X\) .* got \(2, 3, 9, 9\)"),
        ((4, 9, 9), {"max_tilt_deg": 91}, "max_tilt_deg"),
        ((4, 9, 9), {"max_tilt_deg": -1}, "max_tilt_deg"),
        ((4, 9, 9), {"n_directions": 0}, "n_directions .*Start with 12"),
        ((4, 9, 9), {"voxel_size_um": (0.1, 0.1)}, "voxel_size_um"),
        ((4, 9, 9), {"goal": np.ones((1, 3, 1)) / 3}, r"no larger .*\(1, 1, 1\), got \(1, 3, 1\)"),
    ],
)
def test_bad_input_of_volumes(shape, options, message):
    with pytest.raises(ValueError, match=message):
        richardson_lucy_lines(np.ones(shape), np.ones((1,) * len(shape)), **options)


def test_rods_of_a_volume_that_need_too_much_memory_are_refused():
    volume, point = np.ones((64, 512, 512), np.float32), np.ones((1, 1, 1))
    with pytest.raises(ValueError, match=r"16 GB .* 52 directions .* overlapping parts"):
        richardson_lucy_lines(volume, point)


@pytest.mark.long
def test_filaments_are_closer_to_the_truth_than_by_block_matching():
    """On fresh fields in three lights, with one setting; the other may look at the truth."""
    for photons in (4, 12, 40):
        leads = []
        for seed in (70, 71):
            noisy, truth = taken(
                filaments((128, 128), pixel_size_um=PIXEL, n=8, rng=seed), photons, seed
            )
            found = richardson_lucy_lines(noisy, PSF, noise=NOISE, background=1)
            strengths = (1.1, 1.4, 1.7)
            best = max(
                psnr(truth, denoise(noisy, "block_matching", (s,)), data_range=photons)
                for s in strengths
            )
            leads.append(psnr(truth, found, data_range=photons) - best)
        assert np.mean(leads) > 0.5, photons


def test_what_is_no_line_suffers():
    """Of vesicles, it makes less than block matching does, which was told nothing."""
    leads = []
    for seed in (1, 2, 3):
        sharp, _ = vesicles((128, 128), pixel_size_um=PIXEL, n=12, rng=seed)
        noisy, truth = taken(sharp, 12, seed)
        found = richardson_lucy_lines(noisy, PSF, noise=NOISE, background=1)
        blocks = denoise(noisy, "block_matching", (1.4,))
        leads.append(psnr(truth, found, data_range=12) - psnr(truth, blocks, data_range=12))
    assert np.mean(leads) < -0.5


def test_refits_give_back_the_light_that_sparsity_took():
    noisy, truth = taken(filaments((96, 96), pixel_size_um=PIXEL, n=5, rng=2), 30, 2)
    options = {"noise": NOISE, "background": 1, "sparsity": 0.2}
    dim, bright = (richardson_lucy_lines(noisy, PSF, refits=refits, **options) for refits in (0, 8))
    light = (truth - 1).sum()
    assert (dim - 1).sum() < 0.9 * light
    assert (bright - 1).sum() == pytest.approx(light, rel=0.05)


def test_a_goal_is_what_a_finer_microscope_would_show():
    """The same rods through its lens: narrower lines, and those of the truth."""
    finer = airy_psf(na=1.3, wavelength_um=0.35, pixel_size_um=PIXEL, shape=(31, 31))
    sharp = filaments((96, 96), pixel_size_um=PIXEL, n=5, rng=3)
    coarse, fine = blur(sharp, PSF), blur(sharp, finer)
    coarse, fine = 60 * coarse / coarse.max() + 1, 60 * fine / coarse.max() + 1
    noisy = CAMERA.photons(CAMERA.expose(coarse, rng=3))
    options = {"noise": NOISE, "background": 1}
    same, given, found = (
        richardson_lucy_lines(noisy, PSF, goal=goal, **options) for goal in (None, PSF, finer)
    )
    np.testing.assert_array_equal(same, given)
    scores = [psnr(fine, image, data_range=60) for image in (found, same)]
    assert scores[0] > scores[1] + 3


def test_of_nothing_nothing_is_made():
    nothing = richardson_lucy_lines(np.zeros((24, 24)), PSF)
    np.testing.assert_array_equal(nothing, np.zeros((24, 24)))


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.ones((4, 20, 20)), {}, r"same number of dimensions"),
        (np.ones((20, 20)), {"max_tilt_deg": 10}, r"Expected a volume .* leave max_tilt_deg out"),
        (np.ones((20, 20)), {"voxel_size_um": (0.2, 0.1, 0.1)}, "voxel_size_um"),
        (np.full((20, 20), -1.0), {}, "do not clip them"),
        (np.ones((20, 20)), {"length_px": 0}, "length_px above 0"),
        (np.ones((20, 20)), {"length_px": 21}, "length_px .*20"),
        (np.ones((20, 20)), {"n_directions": 181}, "n_directions .*180"),
        (
            np.ones((20, 20)),
            {"goal": np.ones((33, 33)) / 33**2},
            r"no larger .*\(31, 31\), got \(33, 33\)",
        ),
        (np.ones((20, 20)), {"n_directions": 0}, "n_directions"),
        (np.ones((20, 20)), {"sparsity": -0.1}, "sparsity"),
        (np.ones((20, 20)), {"iterations": 0}, "iterations"),
        (np.ones((20, 20)), {"refits": -1}, "refits"),
        (np.ones((20, 20)), {"goal": np.ones((4, 4)) / 16}, "goal"),
        (np.full((20, 20), np.nan), {}, "NaN"),
    ],
)
def test_bad_input(image, options, message):
    with pytest.raises(ValueError, match=message):
        richardson_lucy_lines(image, PSF, **options)
