"""A PSF redrawn about its centre: against the one that was drawn there."""

import numpy as np
import pytest

from aimicro.restore import centred_psf, richardson_lucy


def gaussian(shape, centre, sigma=1.6):
    axes = np.indices(shape)
    square = sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True))
    return np.exp(-square / (2 * sigma**2))


@pytest.mark.parametrize("centre", [(9.6, 9.6), (9.5, 10.3), (10, 10)])
@pytest.mark.parametrize("unit", [1.0, 5e4])
def test_a_gaussian_off_centre_is_the_centred_one(centre, unit):
    exact = gaussian((21, 21), (10, 10))
    drawn = centred_psf(unit * gaussian((20, 20), centre))
    assert drawn.shape == (21, 21)
    assert drawn.dtype == np.float32
    assert drawn.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(drawn, exact / exact.sum(), atol=0.04 * (exact / exact.sum()).max())


def test_a_volume_is_centred_along_z_too_and_may_be_longer_on_one_side():
    z = (np.arange(20) - 9.5)[:, None, None]
    volume = gaussian((20, 16, 16), (9.5, 7.6, 7.6), sigma=2.0)
    drawn = centred_psf(volume)
    assert drawn.shape == (21, 17, 17)
    for axis, side in enumerate(drawn.shape):
        light = drawn.sum(axis=tuple({0, 1, 2} - {axis}))
        assert light @ np.arange(side) == pytest.approx(side // 2, abs=0.03)
    skewed = np.where(z < 0, volume * np.exp(-0.2 * z), volume)
    drawn = centred_psf(skewed)
    assert drawn[9, 8, 8] != pytest.approx(drawn[11, 8, 8], rel=0.02)


def test_a_centred_one_stays():
    psf = gaussian((17, 17), (8, 8))
    psf /= psf.sum()
    np.testing.assert_allclose(centred_psf(psf), psf, atol=1e-6)
    np.testing.assert_allclose(centred_psf(centred_psf(psf)), psf, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 1), (5, 1, 1), (1, 6, 6)])
def test_short_sides(shape):
    drawn = centred_psf(np.ones(shape))
    assert all(side % 2 for side in drawn.shape)
    assert drawn.sum() == pytest.approx(1)


def test_a_point_comes_out_sharper_with_the_centred_one():
    off = gaussian((24, 24), (11.5, 11.5), sigma=1.2)
    true = gaussian((25, 25), (12, 12), sigma=1.2)
    image = 1e4 * np.pad(true / true.sum(), 8)
    restored = {
        name: richardson_lucy(image, psf, iterations=200).max()
        for name, psf in {
            "off": np.pad(off, ((0, 1), (0, 1))) / off.sum(),
            "centred": centred_psf(off),
        }.items()
    }
    assert restored["centred"] > 1.5 * restored["off"]


@pytest.mark.parametrize(
    ("psf", "error", "message"),
    [
        (np.zeros((5, 5)), ValueError, "psf from 0 up with some light"),
        (np.diag([-1.0, 3, 1]), ValueError, r"got values from -1 to 3\. Subtract"),
        (np.full((3, 3), np.nan), ValueError, "psf with finite pixels"),
        (np.ones(5), ValueError, r"shape \(Y, X\) or \(Z, Y, X\)"),
        (np.ones((3, 3), bool), TypeError, "psf as intensities, got a mask"),
    ],
)
def test_what_is_no_psf(psf, error, message):
    with pytest.raises(error, match=message):
        centred_psf(psf)
