import numpy as np
import pytest
from scipy import ndimage

from aimicro.simulate import Noise
from aimicro.train import axial_kernel, lateral_pairs, side_contrast, stretched


def gaussian(sigmas, shape):
    point = np.zeros(shape)
    point[tuple(side // 2 for side in shape)] = 1
    spot = ndimage.gaussian_filter(point, sigmas)
    return spot / spot.sum()


KERNEL = gaussian([3], (25,))


# --- the kernel ----------------------------------------------------------------------------


def test_the_kernel_of_a_gaussian_spot_is_the_gaussian_of_the_missing_variance():
    kernel = axial_kernel(gaussian([5, 1.5, 1.5], (51, 15, 15)))
    place = np.arange(51) - 25
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    assert kernel @ place == pytest.approx(0, abs=0.05)
    assert kernel @ place**2 == pytest.approx(5**2 - 1.5**2, rel=0.02)
    assert np.all(kernel >= 0)


def test_the_kernel_of_a_round_spot_blurs_nothing():
    kernel = axial_kernel(gaussian([2, 2, 2], (17, 17, 17)))
    assert kernel[8] == pytest.approx(1, abs=1e-3)


def test_the_kernel_makes_the_axial_profile_of_the_lateral_one():
    psf = gaussian([4, 2, 2], (41, 21, 21))
    across = np.pad(psf.sum(axis=(0, 1)), 10)
    made = np.convolve(across, axial_kernel(psf), mode="same")
    assert np.allclose(made, psf.sum(axis=(1, 2)), atol=1e-3)


@pytest.mark.parametrize("shape", [(10, 9, 9), (9, 9)])
def test_the_kernel_needs_the_spot_of_a_volume_with_a_middle(shape):
    with pytest.raises(ValueError, match="Expected"):
        axial_kernel(np.full(shape, 1 / np.prod(shape)))


# --- interpolation -------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slope_stays_one_and_recorded_planes_stay_as_they_were(axis):
    slope = np.moveaxis(np.arange(5.0)[:, None, None] * np.ones((5, 3, 4)), 0, axis)
    fine = np.moveaxis(stretched(slope, step=4, axis=axis), axis, 0)
    assert np.allclose(fine[:, 1, 2], np.arange(17) / 4)


def test_one_plane_and_a_step_of_one_leave_everything_as_it_is(rng=np.random.default_rng(0)):
    volume = rng.normal(size=(4, 3, 3)).astype(np.float32)
    assert np.array_equal(stretched(volume, step=1), volume)
    assert np.array_equal(stretched(volume[:1], step=4), volume[:1])


# --- the pairs -----------------------------------------------------------------------------


def test_a_line_across_is_blurred_with_the_kernel_and_one_along_is_not():
    plane = np.zeros((1, 41, 41))
    plane[0, 20] = 1
    blurred, turned = lateral_pairs(plane, KERNEL, step=1, rng=0).blurred
    assert np.allclose(blurred[8:33, 20], KERNEL, atol=1e-6)
    assert np.allclose(turned[:, 20], 1, atol=1e-6)


def test_no_light_is_lost():
    stack = np.random.default_rng(0).random((2, 40, 44))
    pairs = lateral_pairs(stack, KERNEL, step=1, rng=0)
    for blurred, sharp in zip(*pairs, strict=True):
        assert blurred.sum() == pytest.approx(sharp.sum(), rel=1e-5)


def test_every_row_between_lies_on_a_straight_line():
    stack = np.random.default_rng(0).random((1, 41, 30))
    blurred = lateral_pairs(stack, KERNEL, step=4, rng=0).blurred[0]
    assert np.allclose(blurred[2::4], (blurred[:-1:4] + blurred[4::4]) / 2, atol=1e-6)


def test_the_blurred_rows_are_as_noisy_as_recorded_ones():
    camera = Noise(gain=2, offset=100, read_noise=3)
    rng = np.random.default_rng(0)
    stack = 100 + 2 * rng.poisson(30, (12, 128, 128)) + rng.normal(0, 3, (12, 128, 128))
    pairs = lateral_pairs(stack, KERNEL, step=4, noise=camera, rng=1)
    rows = np.stack(pairs.blurred)[:, 16:-16:4]
    assert rows.var() == pytest.approx(stack.var(), rel=0.05)
    quiet = np.stack(lateral_pairs(stack, KERNEL, step=4, rng=1).blurred)[:, 16:-16:4]
    assert quiet.var() == pytest.approx(np.sum(KERNEL**2) * stack.var(), rel=0.2)


def test_the_same_seed_gives_the_same_noise():
    stack = np.full((2, 20, 20), 50.0)
    one, same, other = (
        lateral_pairs(stack, KERNEL, step=4, noise=Noise(), rng=seed).blurred[0]
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same) and not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"stack": np.ones((20, 20))}, "whole stack"),
        ({"stack": np.full((2, 20, 20), np.nan)}, "NaN"),
        ({"kernel": [0.5, 0.2]}, "sum of 1"),
        ({"kernel": [[1.0]]}, "axial_kernel"),
        ({"step": 0}, "step"),
        ({"step": 20}, "larger field"),
    ],
)
def test_what_cannot_make_pairs_is_refused(changed, message):
    given = {"stack": np.ones((2, 20, 20)), "kernel": KERNEL, "step": 4} | changed
    stack, kernel, step = given["stack"], given["kernel"], given["step"]
    with pytest.raises((TypeError, ValueError), match=message):
        lateral_pairs(stack, kernel, step=step, rng=0)


# --- all directions equally bad ------------------------------------------------------------


def stack_of(sigmas, step=4, seed=0):
    """A specimen of blobs of these half-axes, blurred along z, and thinned."""
    blobs = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(96, 96, 96)), sigmas)
    return ndimage.convolve1d(blobs / blobs.std(), KERNEL, axis=0)[::step]


def test_a_specimen_without_orientation_has_a_side_contrast_of_one():
    found = [side_contrast(stack_of((4, 4, 4), seed=seed), KERNEL, step=4) for seed in range(3)]
    assert np.mean(found) == pytest.approx(1, abs=0.15)


def test_flat_structure_has_more_and_upright_structure_less():
    flat, upright = (stack_of(sigmas) for sigmas in ((3, 8, 8), (8, 3, 3)))
    assert side_contrast(flat, KERNEL, step=4) > 1.5
    assert side_contrast(upright, KERNEL, step=4) < 1 / 1.5


def test_a_kernel_too_narrow_gives_less_and_one_too_wide_more():
    stack = stack_of((4, 4, 4))
    narrow, right, wide = (
        side_contrast(stack, gaussian([sigma], (41,)), step=4) for sigma in (1, 3, 6)
    )
    assert narrow < right < wide


def test_side_contrast_needs_structure_and_room():
    with pytest.raises(ValueError, match="structure"):
        side_contrast(np.ones((4, 40, 40)), KERNEL, step=4)
    with pytest.raises(ValueError, match="larger field"):
        side_contrast(np.ones((1, 40, 40)), KERNEL, step=4)
