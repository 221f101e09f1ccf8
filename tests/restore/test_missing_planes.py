"""Deconvolution of volumes whose planes were stepped over."""

import numpy as np
import pytest
from scipy import ndimage

from aimicro.restore import fista, richardson_lucy
from aimicro.restore._fourier import Blur, Thinned
from aimicro.simulate import blur


def spot():
    point = np.zeros((17, 9, 9), np.float32)
    point[8, 4, 4] = 1
    psf = ndimage.gaussian_filter(point, (2.5, 1, 1))
    return psf / psf.sum()


PSF = spot()
METHODS = {
    "lucy": lambda image, **how: richardson_lucy(image, PSF, accelerated=True, **how),
    "fista": lambda image, **how: fista(image, PSF, weight=0.001, **how),
}


def test_seen_is_every_so_manieth_plane_of_the_whole_blur():
    specimen = np.random.default_rng(0).random((9, 12, 14)).astype(np.float32)
    thinned, whole = Thinned(PSF, (3, 12, 14), 4), Blur(PSF, (9, 12, 14))
    wide = np.zeros(thinned.shape, np.float32)
    wide[thinned.field] = specimen
    assert thinned.shape == whole.shape
    assert np.allclose(thinned.seen(wide), whole.seen(wide)[::4], atol=1e-6)


def test_back_is_the_transpose_of_seen():
    thinned = Thinned(PSF, (3, 12, 14), 4)
    rng = np.random.default_rng(0)
    specimen = rng.normal(size=thinned.shape).astype(np.float32)
    image = rng.normal(size=(3, 12, 14)).astype(np.float32)
    there = np.vdot(thinned.seen(specimen), image)
    assert there == pytest.approx(np.vdot(specimen, thinned.back(image)), rel=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_a_point_on_a_plane_that_nobody_recorded_is_found_there(name):
    truth = np.zeros((29, 24, 24), np.float32)
    truth[14, 12, 12] = 1000  # half-way between two planes
    found = METHODS[name](blur(truth, PSF)[::4], iterations=80, finer=4)
    assert found.shape == truth.shape
    assert np.unravel_index(found.argmax(), found.shape) == (14, 12, 12)
    assert found.sum() == pytest.approx(1000, rel=0.2)  # planes between hold it loosely
    assert found[11:18].sum() > 0.99 * found.sum()


@pytest.mark.parametrize("name", METHODS)
def test_one_plane_for_each_is_what_it_was_before(name):
    image = np.random.default_rng(0).random((6, 12, 12)).astype(np.float32)
    assert np.array_equal(
        METHODS[name](image, iterations=5, finer=1), METHODS[name](image, iterations=5)
    )


@pytest.mark.parametrize("name", METHODS)
def test_planes_can_be_missing_from_volumes_only_and_in_whole_numbers(name):
    with pytest.raises(ValueError, match="finer"):
        METHODS[name](np.ones((6, 12, 12)), iterations=1, finer=0)
    flat = PSF.sum(axis=0)
    with pytest.raises(ValueError, match="Only planes"):
        if name == "lucy":
            richardson_lucy(np.ones((12, 12)), flat, iterations=1, finer=4)
        else:
            fista(np.ones((12, 12)), flat, weight=0, iterations=1, finer=4)
