import numpy as np
import pytest
import torch

from aimicro.models import MultiWiener
from aimicro.restore import wiener
from aimicro.train import load_model, save_model

SIDE = 11
y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
PSFS = np.array([np.exp(-(y**2 + x**2) / (2 * width**2)) for width in (0.8, 1.5, 2.5)])
PSFS /= PSFS.sum(axis=(1, 2), keepdims=True)


def network(**more: float) -> MultiWiener:
    return MultiWiener(filters=3, size=SIDE, channels=4, depth=1, **more)  # type: ignore[arg-type]


def test_each_filter_is_the_classical_one_away_from_the_border() -> None:
    image = np.random.default_rng(0).random((64, 48)).astype(np.float32)
    filters = network(noise_to_signal=0.02).start_from(PSFS).wiener
    with torch.no_grad():
        found = filters(torch.from_numpy(image)[None, None])[0].numpy()
    for k, psf in enumerate(PSFS):
        expected = wiener(image, psf, noise_to_signal=0.02)
        inner = np.s_[16:-16, 16:-16]  # borders are mirrored alike, as far as rings reach
        assert np.abs(found[k][inner] - expected[inner]).max() < 0.02 * np.ptp(expected)


def test_untrained_the_filters_hand_the_image_through() -> None:
    image = torch.rand(2, 1, 32, 40)
    filters = network(noise_to_signal=1e-6).wiener
    with torch.no_grad():
        assert torch.allclose(filters(image), image.expand(-1, 3, -1, -1), atol=1e-4)


def test_kernels_and_regularisation_learn() -> None:
    torch.manual_seed(0)
    net = network().start_from(PSFS)
    net(torch.rand(1, 1, 32, 32)).square().mean().backward()
    for parameter in (net.wiener.kernels, net.wiener.regularisation):
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0


def test_it_comes_back_from_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    net = network().start_from(PSFS).eval()
    save_model(tmp_path / "net.safetensors", net)
    again = load_model(tmp_path / "net.safetensors")
    image = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(net(image), again(image))


@pytest.mark.parametrize(
    ("psfs", "says"),
    [
        (PSFS[:2], "Expected psfs"),
        (PSFS * 2, "sum of 1"),
        (PSFS - 0.01, "from 0 up"),
        (PSFS * np.nan, "from 0 up"),
    ],
)
def test_bad_psfs_are_refused(psfs: np.ndarray, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        network().start_from(psfs)


@pytest.mark.parametrize(
    "more", [{"size": 10}, {"size": 1}, {"filters": 0}, {"noise_to_signal": 0}]
)
def test_what_cannot_be_built_is_refused(more: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        MultiWiener(**more)  # type: ignore[arg-type]
