"""Block matching that is told what correlated noise looks like."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from aimicro.metrics import psnr
from aimicro.restore import bm3d, bm3d_correlated
from aimicro.restore.correlated import _told

RNG = np.random.default_rng(0)
SHAPE = (48, 48)


def stripes(n: int = 4) -> list[NDArray[np.float64]]:
    """Noise that lasts along X, with a standard deviation of 1."""
    made = [gaussian_filter(RNG.normal(size=SHAPE), (0, 2), mode="wrap") for _ in range(n)]
    return [noise / noise.std() for noise in made]


def specimen() -> NDArray[np.float64]:
    """Four bright bars down, and four across."""
    y, x = np.indices(SHAPE)
    return 6.0 * ((x % 12 < 4) | (y % 12 < 4))


@pytest.mark.parametrize("name", ["bior1.5", "dct"])
def test_white_noise_is_the_same_in_all_coefficients(name: str) -> None:
    """The bases have norm 1, so that white noise stays what it is."""
    white = [RNG.normal(scale=3, size=(128, 128)).astype(np.float32) for _ in range(4)]
    assert _told(name, white, 0.5)[1] == pytest.approx(1.5, rel=0.1)


def test_noise_that_is_constant_along_lines_sits_in_the_patterns_that_are() -> None:
    """Each row of a block has one value: a pattern that varies along X sees nothing of it."""
    lines = [np.repeat(RNG.normal(size=(64, 1)), 64, axis=1).astype(np.float32) for _ in range(3)]
    sd = _told("dct", lines, 1)[1].reshape(8, 8)
    assert sd[:, 0].min() > 1 > 0.01 > sd[:, 1:].max()


def test_with_white_noise_it_is_about_as_good_as_bm3d() -> None:
    truth = specimen()
    noisy = truth + RNG.normal(size=SHAPE)
    told = bm3d_correlated(noisy, noise=list(RNG.normal(size=(4, *SHAPE))))
    both = [psnr(truth, image, data_range=6) for image in (told, bm3d(noisy, sigma=1))]
    assert abs(both[0] - both[1]) < 1


def test_it_removes_stripes_that_bm3d_keeps() -> None:
    truth, (own, *others) = specimen(), stripes()
    told = bm3d_correlated(truth + own, noise=others)
    assert psnr(truth, told, data_range=6) > 1 + psnr(
        truth, bm3d(truth + own, sigma=1), data_range=6
    )


def test_the_unit_does_not_matter() -> None:
    own, *others = stripes()
    image = specimen() + own
    other_unit = bm3d_correlated(100 * image + 7, noise=[100 * n for n in others])
    assert other_unit == pytest.approx(100 * bm3d_correlated(image, noise=others) + 7, rel=1e-2)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"noise": []}, "at least one picture in noise"),
        ({"noise": [np.ones((8, 9))]}, "pictures of noise of shape"),
        ({"noise": [np.ones(SHAPE)]}, "Expected noise"),
        ({"image": np.ones((6, 48)), "noise": [RNG.normal(size=(6, 48))]}, "8 x 8"),
        ({"image": np.full(SHAPE, np.nan)}, "image"),
        ({"strength": 0}, "strength"),
    ],
)
def test_bad_input_is_named(changed: dict[str, Any], message: str) -> None:
    arguments = {"image": specimen(), "noise": stripes(1)} | changed
    with pytest.raises(ValueError, match=message):
        bm3d_correlated(arguments.pop("image"), **arguments)
