import numpy as np
import pytest
from numpy.testing import assert_allclose

from aimicro.restore import richardson_lucy, wiener
from aimicro.restore._fourier import Blur, Varying
from aimicro.simulate import varying_blur


def spots(widths: np.ndarray, side: int = 15) -> np.ndarray:
    """Round spots of these widths, one for each node."""
    y, x = np.mgrid[:side, :side] - side // 2
    psfs = np.exp(-(y**2 + x**2) / (2 * widths[..., None, None] ** 2))
    return (psfs / psfs.sum(axis=(-2, -1), keepdims=True)).astype(np.float32)


WIDTHS = np.array([[2.5, 1.8, 2.5], [1.8, 0.7, 1.8], [2.5, 1.8, 2.5]])


def test_back_is_the_transpose_of_seen() -> None:
    rng = np.random.default_rng(0)
    lens = Varying(spots(WIDTHS), (32, 40))
    specimen = rng.random(lens.shape, dtype=np.float32)
    image = rng.random((32, 40), dtype=np.float32)
    there, back = np.vdot(lens.seen(specimen), image), np.vdot(specimen, lens.back(image))
    assert there == pytest.approx(back, rel=1e-5)


def test_what_it_sees_is_what_the_simulator_makes() -> None:
    specimen = np.zeros((48, 48), np.float32)
    specimen[10:38:4, 10:38:5] = 9
    lens = Varying(spots(WIDTHS), (48, 48))
    wide = np.zeros(lens.shape, np.float32)
    wide[lens.field] = specimen
    assert_allclose(lens.seen(wide), varying_blur(specimen, spots(WIDTHS)), atol=2e-5)


@pytest.mark.parametrize("more", [{}, {"total_variation": 0.01}, {"accelerated": True}])
def test_with_equal_nodes_it_is_the_plain_method(more: dict[str, float]) -> None:
    image = np.random.default_rng(1).poisson(20, (40, 40)).astype(np.float32)
    psf = spots(np.full((2, 2), 1.5))
    plain = richardson_lucy(image, psf[0, 0], iterations=8, **more)  # type: ignore[arg-type]
    varying = richardson_lucy(image, psf, iterations=8, **more)  # type: ignore[arg-type]
    assert Blur(psf[0, 0], image.shape).shape == Varying(psf, image.shape).shape
    assert_allclose(varying, plain, rtol=2e-3, atol=1e-3)


def test_it_sharpens_corner_and_middle_where_one_psf_cannot() -> None:
    specimen = np.zeros((65, 65), np.float32)
    specimen[8:60:8, 8:60:8] = 400
    psfs = spots(WIDTHS)
    image = varying_blur(specimen, psfs)
    told = richardson_lucy(image, psfs, iterations=60)
    middle = richardson_lucy(image, psfs[1, 1], iterations=60)
    corner = wiener(image, psfs[0, 0], noise_to_signal=1e-3)
    errors = [np.square(found - specimen).mean() for found in (told, middle, corner)]
    assert errors[0] < 0.6 * min(errors[1:])


@pytest.mark.parametrize(
    ("image", "psf", "says"),
    [
        (np.ones((8, 20, 20)), spots(WIDTHS), "plane by plane"),
        (np.ones((20, 20)), 2 * spots(WIDTHS), "sum of 1"),
        (np.ones((20, 20)), spots(WIDTHS)[:1], "two rows"),
    ],
)
def test_bad_input_is_refused(image: np.ndarray, psf: np.ndarray, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        richardson_lucy(image, psf, iterations=2)
