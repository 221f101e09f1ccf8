import numpy as np
import pytest
from scipy import ndimage

from aimicro.inspect import photon_transfer


def light(seed: int = 0, photons: float = 60) -> np.ndarray:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).random((512, 512)), 6)
    smooth -= smooth.min()
    return photons * smooth / smooth.max()


@pytest.mark.parametrize("gain", [0.4, 2.0, 25.0])
@pytest.mark.parametrize("photons", [10, 60, 1000])
def test_gain_offset_and_photons_of_a_known_camera(gain: float, photons: float) -> None:
    expected = light(photons=photons)
    image = 100 + gain * np.random.default_rng(1).poisson(expected)
    found = photon_transfer(image)
    assert found is not None
    assert found.gain == pytest.approx(gain, rel=0.12)
    assert found.photons == pytest.approx(np.percentile(expected, 99.9), rel=0.15, abs=1)
    assert found.dark == pytest.approx(100, abs=0.05 * gain * photons + gain)


def test_unit_does_not_matter() -> None:
    image = np.random.default_rng(1).poisson(light()).astype(float)
    first, second = photon_transfer(image), photon_transfer(image * 1e-6 - 3)
    assert first is not None
    assert second is not None
    assert second.photons == pytest.approx(first.photons, rel=1e-3)


def test_read_noise_lowers_the_dark_level() -> None:
    rng = np.random.default_rng(1)
    image = 100 + 2 * (rng.poisson(light()) + rng.normal(0, 3, (512, 512)))
    found = photon_transfer(image)
    assert found is not None
    assert found.dark == pytest.approx(100 - 2 * 3**2, abs=4)


@pytest.mark.parametrize(
    "image",
    [light(), np.full((64, 64), 5.0), np.zeros((4, 4)), light() + 100 * light(3)],
    ids=["smooth", "constant", "tiny", "no noise"],
)
def test_without_noise_nothing_is_told(image: np.ndarray) -> None:
    assert photon_transfer(image) is None


def test_constant_noise_tells_nothing() -> None:
    assert photon_transfer(light() + np.random.default_rng(0).normal(0, 5, (512, 512))) is None


def test_volume_is_as_good_as_its_planes() -> None:
    volume = np.random.default_rng(1).poisson(np.stack([light(k) for k in range(3)]))
    found = photon_transfer(volume)
    assert found is not None
    assert found.gain == pytest.approx(1, rel=0.1)
