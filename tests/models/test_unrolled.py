from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aimicro.models import Unrolled
from aimicro.models.unrolled import Optics
from aimicro.restore import richardson_lucy
from aimicro.simulate import airy_psf, blur
from aimicro.train import Scaling, load_model, save_model

PSF = airy_psf(na=0.7, wavelength_um=0.6, pixel_size_um=0.2, shape=(9, 9))


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def batch(image: Any) -> torch.Tensor:
    return torch.as_tensor(np.asarray(image, np.float32))[None, None]


@pytest.mark.parametrize("shape", [(20, 23), (5, 30), (6, 12, 14)])
def test_untrained_it_is_richardson_lucy(shape: tuple[int, ...]) -> None:
    counts = np.random.default_rng(0).poisson(5, shape).astype(np.float32)
    psf = PSF if len(shape) == 2 else np.stack([0.25 * PSF, 0.5 * PSF, 0.25 * PSF])
    expected = richardson_lucy(counts, psf, iterations=4, background=1.5)
    found = Unrolled(psf, iterations=4, background=1.5)(batch(counts))[0, 0].detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())


def test_optics_blur_as_the_simulator_does() -> None:
    light = np.random.default_rng(0).random((30, 26)).astype(np.float32)
    lopsided = np.arange(1, 36, dtype=np.float32).reshape(5, 7) + 20
    lopsided /= lopsided.sum()
    found = Optics(lopsided).image(batch(light))[0, 0].numpy()
    np.testing.assert_allclose(found, blur(light, lopsided)[2:-2, 3:-3], atol=1e-5)


def test_back_is_the_transpose_of_image() -> None:
    psf = np.random.default_rng(1).random((5, 7))
    optics = Optics(psf / psf.sum())
    specimen, image = torch.rand(1, 1, 14, 18), torch.rand(1, 1, 10, 12)
    one, other = (optics.image(specimen) * image).sum(), (specimen * optics.back(image)).sum()
    torch.testing.assert_close(one, other)


def test_gradients_reach_all_weights_and_not_the_psf() -> None:
    network = Unrolled(PSF, iterations=2, channels=3)
    for parameter in network.parameters():
        parameter.data += 0.01
    network(torch.rand(1, 1, 12, 12)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert not any("psf" in name for name in network.state_dict())


def test_a_file_keeps_the_psf(tmp_path: Path) -> None:
    network = Unrolled(PSF, iterations=2)
    network.scaling = Scaling()
    save_model(tmp_path / "network", network)
    again = load_model(tmp_path / "network")
    x = torch.rand(1, 1, 12, 12)
    torch.testing.assert_close(again(x), network(x))


def test_weights_go_along_to_another_psf() -> None:
    sharp = np.zeros((3, 3))
    sharp[1, 1] = 1
    other = Unrolled(sharp, iterations=2)
    other.load_state_dict(Unrolled(PSF, iterations=2).state_dict())
    x = torch.rand(1, 1, 12, 12) + 0.1
    torch.testing.assert_close(other(x), x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (PSF / 2, "sum of 1"),
        (PSF - 0.1, "from 0 up"),
        (np.where(PSF.max() == PSF, np.nan, PSF), "finite"),
        (np.full((4, 4), 1 / 16), "odd length"),
        (np.full(9, 1 / 9), "axes"),
    ],
)
def test_bad_psfs_are_refused(psf: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Unrolled(psf)


@pytest.mark.parametrize("settings", [{"iterations": 0}, {"channels": 0}, {"background": -1}])
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        Unrolled(PSF, **settings)
