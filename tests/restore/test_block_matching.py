import importlib
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from aimicro import simulate
from aimicro.metrics import psnr
from aimicro.restore import METHODS, bm3d, bm4d, denoise

RECORDED = Path(__file__).parent / "recorded" / "block_matching.json"
SDS = (0.05, 0.15)
SIDE = 80
STACK = (10, 36, 36)
# Where black is 0, the published program shrinks it to 0; no camera has its black there.
OFFSET = 0.5


def blurred(specimen, sd=1.2):
    """What a microscope makes of a specimen; the brightest pixel is 1."""
    image = ndimage.gaussian_filter(np.asarray(specimen, float), sd)
    return OFFSET + image / image.max()


def images():
    """Eight images: four that come with scikit-image, and four specimens."""

    def crop(image, y, x):
        return OFFSET + image[y : y + SIDE, x : x + SIDE] / 255

    shape, rng = (SIDE, SIDE), {"rng": 1}
    return {
        "camera": crop(data.camera(), 60, 190),
        "coins": crop(data.coins(), 20, 40),
        "moon": crop(data.moon(), 150, 150),
        "page": crop(data.page(), 60, 60),
        "filaments": blurred(simulate.filaments(shape, pixel_size_um=0.1, n=8, **rng)),
        "nuclei": blurred(simulate.nuclei(shape, pixel_size_um=0.4, n=6, **rng)[0]),
        "mitochondria": blurred(simulate.mitochondria(shape, pixel_size_um=0.15, **rng)),
        "vesicles": blurred(simulate.vesicles(shape, pixel_size_um=0.15, n=30, **rng)[0]),
    }


def volumes():
    """Eight specimens in 3D."""
    s, wide, rng = simulate, {"pixel_size_um": 0.4}, {"rng": 1}
    fine = {"pixel_size_um": 0.16, "rng": 1}
    return {
        "filaments": blurred(s.filaments(STACK, pixel_size_um=0.1, n=8, **rng)),
        "nuclei": blurred(s.nuclei(STACK, n=5, radius_um=2.5, **wide, **rng)[0]),
        "mitochondria": blurred(s.mitochondria(STACK, **fine)),
        "vesicles": blurred(s.vesicles(STACK, n=30, **fine)[0]),
        "membranes": blurred(s.membranes(STACK, **rng)[0]),
        "beads": blurred(s.beads(STACK, n=25, diameter_um=0.5, **fine)[0]),
        "cells": blurred(s.cells(STACK, radius_um=3.5, density=0.55, **wide, **rng)[0]),
        "tissue": blurred(s.tissue(STACK, pixel_size_um=1.0, n=2, **rng).image),
    }


def noisy(truth, sd):
    return truth + np.random.default_rng(0).normal(0, sd, truth.shape)


# --- against the published programs --------------------------------------------------------


@pytest.fixture(scope="module")
def recorded():
    return json.loads(RECORDED.read_text())


@pytest.mark.long
@pytest.mark.parametrize(("method", "truths"), [(bm3d, images), (bm4d, volumes)])
def test_as_good_as_the_published_program(recorded, method, truths):
    assert recorded["noise"] == list(SDS)
    published, behind = recorded[method.__name__], {}
    specimens = truths()
    assert len(specimens) == 8
    assert published.keys() == specimens.keys()
    for name, truth in specimens.items():
        for sd, theirs in zip(SDS, published[name], strict=True):
            ours = psnr(truth, method(noisy(truth, sd), sigma=sd), data_range=1)
            behind[name, sd] = theirs - ours
    assert max(behind.values()) < 0.15, behind
    assert np.mean(list(behind.values())) < 0


# --- an oracle that is slow and plain ------------------------------------------------------


def test_the_groups_are_those_of_a_search_block_by_block():
    blocks = importlib.import_module("aimicro.restore._blocks")
    image = np.random.default_rng(0).normal(0, 1, (13, 15)).astype(np.float32)
    seen = []

    def watch(rows, guides, alike):
        seen.append(guides[alike].reshape(*alike.shape, 4, 4))
        return np.zeros_like(rows), np.ones(len(rows), np.float32)

    blocks.filter_groups(image, image, blocks.Blocks((4, 4), (3, 2)), 4, watch)
    groups = {g[0].tobytes(): g for each in seen for g in np.moveaxis(each, 1, 0)}
    starts = [sorted({*range(0, n, 3), n - 1}) for n in (10, 12)]
    assert len(groups) == len(starts[0]) * len(starts[1])
    for y, x in itertools.product(*starts):
        block = image[y : y + 4, x : x + 4]
        near = itertools.product(range(y - 3, y + 4), range(x - 2, x + 3))
        windows = [image[a : a + 4, b : b + 4] for a, b in near if 0 <= a < 10 and 0 <= b < 12]
        windows.sort(key=lambda other: np.sum((other - block) ** 2))
        np.testing.assert_array_equal(groups[block.tobytes()], windows[:4])


@pytest.mark.parametrize(
    ("name", "size"),
    [("bior1.5", (8, 8)), ("dct", (4, 4, 4)), ("haar", (16,)), ("bior1.5", (1, 2))],
)
def test_bases_keep_the_sd_of_noise_and_have_the_mean_first(name, size):
    basis = importlib.import_module("aimicro.restore.bm3d").block_basis(name, size)
    n = np.prod(size)
    np.testing.assert_allclose(np.linalg.norm(basis, axis=1), np.ones(n), rtol=1e-6)
    np.testing.assert_allclose(basis @ np.ones(n), [n**0.5] + [0] * (n - 1), atol=1e-5)
    if name != "bior1.5":
        np.testing.assert_allclose(basis @ basis.T, np.eye(n), atol=1e-6)


# --- properties ----------------------------------------------------------------------------

FIELD = noisy(images()["filaments"][:48, :56], 0.15)
STACK_OF_FIELDS = noisy(volumes()["filaments"][:, :24, :28], 0.15)
BOTH = pytest.mark.parametrize(("method", "image"), [(bm3d, FIELD), (bm4d, STACK_OF_FIELDS)])


@BOTH
def test_neither_unit_nor_offset_nor_direction_matters(method, image):
    quiet = method(image, sigma=0.15)
    assert quiet.dtype == np.float32
    assert quiet.shape == image.shape
    np.testing.assert_allclose(method(1000 * image - 70, sigma=150) / 1000, quiet - 0.07, atol=2e-3)
    np.testing.assert_allclose(method(-image, sigma=0.15), -quiet, atol=2e-3)
    turned = method(np.swapaxes(image, -1, -2), sigma=0.15)
    difference = np.swapaxes(turned, -1, -2) - quiet
    assert np.sqrt(np.mean(difference**2)) < 0.1 * 0.15


@BOTH
def test_it_repeats_bit_for_bit_and_leaves_the_image_alone(method, image):
    before = image.copy()
    np.testing.assert_array_equal(method(image, sigma=0.15), method(image, sigma=0.15))
    np.testing.assert_array_equal(image, before)


@BOTH
def test_the_mean_stays_and_of_flat_noise_little_is_left(method, image):
    flat = np.random.default_rng(1).normal(20, 3, image.shape)
    quiet = method(flat, sigma=3)
    assert quiet.mean() == pytest.approx(flat.mean(), abs=0.1)
    assert quiet.std() < 0.15 * 3
    assert method(image, sigma=0.15).mean() == pytest.approx(image.mean(), abs=0.01)


@BOTH
@pytest.mark.parametrize("value", [0, 0.1, -1e6])
def test_a_constant_image_stays(method, image, value):
    flat = np.full(image.shape, value)
    np.testing.assert_allclose(method(flat, sigma=2), flat, rtol=1e-6)


@BOTH
def test_no_noise_no_change(method, image):
    np.testing.assert_array_equal(method(image, sigma=0), image.astype(np.float32))
    np.testing.assert_allclose(method(image, sigma=1e-4), image, atol=1e-3)


@pytest.mark.parametrize(
    ("method", "truth"),
    [(bm3d, images()["mitochondria"]), (bm4d, volumes()["mitochondria"])],
)
def test_better_than_every_gaussian_filter(method, truth):
    image = noisy(truth, 0.15)
    widths = np.geomspace(0.4, 3, 12)
    best = max(psnr(truth, ndimage.gaussian_filter(image, w), data_range=1) for w in widths)
    assert psnr(truth, method(image, sigma=0.15), data_range=1) > best + 1


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (8, 8), (9, 8), (3, 40), (70, 11)])
def test_small_and_narrow_images(shape):
    flat = np.random.default_rng(0).normal(5, 1, shape)
    quiet = bm3d(flat, sigma=1)
    assert quiet.shape == shape
    assert np.mean((quiet - 5) ** 2) <= np.mean((flat - 5) ** 2) * (1 + 1e-6)


@pytest.mark.parametrize("planes", [2, 3, 4, 5])
def test_of_thin_volumes_all_planes_are_used(planes):
    truth = np.stack([images()["filaments"][:40, :40]] * planes)
    image = noisy(truth, 0.15)
    together = psnr(truth, bm4d(image, sigma=0.15), data_range=1)
    one_by_one = psnr(truth, np.stack([bm3d(p, sigma=0.15) for p in image]), data_range=1)
    assert together > one_by_one + 0.3


def test_one_plane_is_an_image():
    one = bm4d(FIELD[None], sigma=0.15)[0]
    np.testing.assert_allclose(one, bm3d(FIELD, sigma=0.15), atol=1e-5)


@pytest.mark.parametrize("image", [FIELD, STACK_OF_FIELDS])
def test_the_method_of_denoise_is_both(image):
    plain = {2: bm3d, 3: bm4d}[image.ndim]
    quiet = METHODS["block_matching"].function((image / 0.15).astype(np.float32), 1.2)
    np.testing.assert_allclose(quiet * 0.15, plain(image, sigma=0.18), atol=1e-3)
    denoised = denoise(image, "block_matching", 1.0)
    assert denoised.std() < image.std()


# --- bad input -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "sigma", "error", "message"),
    [
        (np.ones((1, 8, 8)), 1, ValueError, r"shape \(Y, X\) .* got \(1, 8, 8\)\. .* with bm4d"),
        (np.ones((0, 8)), 1, ValueError, "with pixels in it"),
        (np.full((8, 8), np.nan), 1, ValueError, "finite pixels, got 64 of 64"),
        (np.ones((8, 8), bool), 1, TypeError, "got a mask"),
        (np.ones((8, 8)), -1, ValueError, "sigma of 0 or more, got -1"),
        (np.ones((8, 8)), np.nan, ValueError, "sigma of 0 or more, got nan"),
        (np.ones((8, 8)), np.ones((8, 8)), TypeError, "sigma of 0 or more, got array"),
    ],
)
def test_what_cannot_be_denoised_is_refused(bad, sigma, error, message):
    with pytest.raises(error, match=message):
        bm3d(bad, sigma=sigma)


def test_a_volume_has_three_axes():
    with pytest.raises(ValueError, match=r"shape \(Z, Y, X\) .* got \(8, 8\)\. .* with bm3d"):
        bm4d(np.ones((8, 8)), sigma=1)
