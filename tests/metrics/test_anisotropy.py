import numpy as np
import pytest
from scipy import ndimage

from aimicro.metrics import side_contrast


def gaussian(sigma, side):
    point = np.zeros(side)
    point[side // 2] = 1
    spot = ndimage.gaussian_filter(point, sigma)
    return spot / spot.sum()


KERNEL = gaussian(3, 25)


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
    narrow, right, wide = (side_contrast(stack, gaussian(sigma, 41), step=4) for sigma in (1, 3, 6))
    assert narrow < right < wide


def test_side_contrast_needs_structure_and_room():
    with pytest.raises(ValueError, match="structure"):
        side_contrast(np.ones((4, 40, 40)), KERNEL, step=4)
    with pytest.raises(ValueError, match="larger field"):
        side_contrast(np.ones((1, 40, 40)), KERNEL, step=4)
