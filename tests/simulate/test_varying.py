import numpy as np
import pytest
from numpy.testing import assert_allclose

from aimicro.simulate import airy_psf, blur, varying_blur
from aimicro.simulate.varying import node_weights

PSF = airy_psf(na=0.6, wavelength_um=0.6, pixel_size_um=0.25, shape=(11, 11))
WIDE = np.full((11, 11), 1 / 121, np.float32)


def nodes(rows: int, columns: int, psf=PSF) -> np.ndarray:  # type: ignore[no-untyped-def]
    return np.broadcast_to(psf / psf.sum(), (rows, columns, 11, 11)).copy()


def test_where_all_nodes_are_alike_it_is_a_plain_blur() -> None:
    specimen = np.random.default_rng(0).random((40, 50), dtype=np.float32)
    for shape in ((2, 2), (3, 5)):
        assert_allclose(
            varying_blur(specimen, nodes(*shape)), blur(specimen, PSF / PSF.sum()), atol=1e-5
        )


def test_a_point_at_a_node_gets_its_psf_and_one_between_two_their_mean() -> None:
    psfs = nodes(3, 3)
    psfs[1, 1] = WIDE
    point = np.zeros((41, 41))
    point[20, 20] = 1  # the node in the middle
    assert_allclose(varying_blur(point, psfs)[15:26, 15:26], WIDE, atol=1e-6)
    point = np.zeros((41, 41))
    point[20, 10] = 1  # half way to the one at its left
    assert_allclose(varying_blur(point, psfs)[15:26, 5:16], (WIDE + psfs[0, 0]) / 2, atol=1e-6)


def test_every_point_keeps_its_light() -> None:
    rng = np.random.default_rng(1)
    psfs = rng.random((3, 4, 7, 9))
    psfs /= psfs.sum(axis=(2, 3), keepdims=True)
    specimen = np.zeros((30, 30))
    specimen[6:-6, 6:-6] = rng.random((18, 18))
    assert varying_blur(specimen, psfs).sum() == pytest.approx(specimen.sum(), rel=1e-5)


def test_weights_are_one_together_beyond_the_field_too() -> None:
    weights = [weight for *_, weight in node_weights((20, 31), 3, 4, beyond=(5, 2))]
    assert weights[0].shape == (30, 35)
    assert_allclose(sum(weights), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("psfs", "says"),
    [
        (PSF, "a PSF|one PSF needs blur"),
        (nodes(1, 3), "two rows and columns"),
        (nodes(2, 2)[:, :, 1:], "odd length"),
        (2 * nodes(2, 2), "sum of 1"),
        (nodes(2, 2) - 0.01, "from 0 up"),
        (nodes(2, 2) * np.nan, "finite|NaN"),
        (np.pad(nodes(2, 2), ((0, 0), (0, 0), (20, 20), (20, 20))), "no larger than the specimen"),
    ],
)
def test_bad_psfs_are_refused(psfs: np.ndarray, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        varying_blur(np.ones((40, 40)), psfs)


@pytest.mark.parametrize(
    "specimen", [-np.ones((20, 20)), np.ones((3, 20, 20)), np.full((20, 20), np.nan)]
)
def test_bad_specimens_are_refused(specimen: np.ndarray) -> None:
    with pytest.raises(ValueError, match="specimen"):
        varying_blur(specimen, nodes(2, 2))
