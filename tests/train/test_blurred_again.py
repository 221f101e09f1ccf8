from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from aimicro.models import UNet
from aimicro.simulate import airy_psf, blur
from aimicro.train import ArrayPatches, Linear, Scaling, blurred_again, fit
from aimicro.train.blurred_again import variation

PSF = airy_psf(na=0.7, wavelength_um=0.6, pixel_size_um=0.2, shape=(9, 9))


class Says(nn.Module):
    """A network that gives the same answer to everything."""

    def __init__(self, answer: np.ndarray) -> None:
        super().__init__()
        self.answer = nn.Parameter(torch.from_numpy(answer.astype(np.float32))[None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.answer.expand_as(x)


@pytest.fixture(name="light")
def drawn() -> np.ndarray:
    return np.random.default_rng(0).random((24, 26))


def recording(light: np.ndarray, background: float = 0.0) -> torch.Tensor:
    return torch.from_numpy(blur(light, PSF) + np.float32(background))[None, None]


def test_the_truth_explains_its_recording(light: np.ndarray) -> None:
    objective = blurred_again(PSF, background=0.5, noise="gaussian")
    x = recording(light, 0.5)
    assert objective(Says(light), x, x) < 1e-10
    assert objective(Says(light[::-1].copy()), x, x) > 1e-4


def test_it_is_the_unlikelihood_of_photons(light: np.ndarray) -> None:
    counts = np.random.default_rng(1).poisson(5 * blur(light, PSF) + 2).astype(np.float32)
    expected = (5 * blur(light, PSF) + 2)[4:-4, 4:-4]
    by_hand = np.mean(expected - counts[4:-4, 4:-4] * np.log(expected))
    x = torch.from_numpy(counts)[None, None]
    found = blurred_again(PSF, background=2)(Says(5 * light), x, x).item()
    assert np.isclose(found, by_hand, rtol=1e-4)


def test_no_other_brightness_is_more_likely_than_the_true_one(light: np.ndarray) -> None:
    objective, x = blurred_again(PSF), recording(light)
    losses = [objective(Says(a * light), x, x).item() for a in (0.8, 0.95, 1, 1.05, 1.2)]
    assert int(np.argmin(losses)) == 2


def test_light_below_zero_costs(light: np.ndarray) -> None:
    x = recording(np.zeros_like(light))
    objective = blurred_again(PSF, noise="gaussian")
    below = -np.eye(*light.shape)
    assert objective(Says(below), x, x) > objective(Says(-below), x, x)


def test_truth_and_smoothness_are_added(light: np.ndarray) -> None:
    x, network = recording(light), Says(light)
    target = network.answer.detach() + 0.1
    plain = blurred_again(PSF)(network, x, target).item()
    assert np.isclose(blurred_again(PSF, truth=3)(network, x, target).item() - plain, 0.03)
    smooth = blurred_again(PSF, smoothness=2)(network, x, target).item() - plain
    assert np.isclose(smooth, 2 * variation(network.answer).item(), rtol=1e-4)


def test_variation_of_a_volume_is_its_slope() -> None:
    z, y, x = np.mgrid[:6, :7, :8]
    ramp = torch.from_numpy(2.0 * z + 3 * y + 6 * x)[None, None]
    assert np.isclose(float(variation(ramp)), 7)


def test_a_network_learns_without_truth() -> None:
    lights = [np.random.default_rng(k).random((32, 32)) ** 4 for k in range(4)]
    images = [blur(light, PSF) for light in lights]
    scaling = Scaling(Linear(), Linear())
    patches = ArrayPatches(images, None, patch_size=(16, 16), batch_size=4, scaling=scaling)
    torch.manual_seed(0)
    network = UNet(channels=4, depth=1)
    objective = blurred_again(PSF, noise="gaussian")
    history = fit(network, patches, steps=60, objective=objective, validate_every=20)
    assert history.train_loss[-1] < 0.5 * history.train_loss[0]


def test_other_settings_have_another_name() -> None:
    wider = np.full((9, 9), 1 / 81)
    names = {
        blurred_again(psf, **settings).__name__
        for psf in (PSF, wider)
        for settings in ({}, {"background": 1}, {"smoothness": 1}, {"noise": "gaussian"})
    }
    assert len(names) == 8


def test_patches_must_be_larger_than_the_psf() -> None:
    x = torch.ones(1, 1, 9, 20)
    with pytest.raises(ValueError, match=r"patches larger than the PSF, \(9, 9\), got \(9, 20\)"):
        blurred_again(PSF)(nn.Identity(), x, x)


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (2 * PSF, "sum of 1"),
        (PSF - 0.1, "from 0 up"),
        (np.where(PSF.max() == PSF, np.inf, PSF), "finite"),
        (np.full((4, 4), 1 / 16), "odd length"),
    ],
)
def test_bad_psfs_are_refused(psf: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        blurred_again(psf)


@pytest.mark.parametrize(
    "settings", [{"noise": "pink"}, {"smoothness": -1}, {"background": np.nan}, {"truth": -1}]
)
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        blurred_again(PSF, **settings)
