import pytest
import torch
from torch.nn import functional as F

from aimicro.models import PatchClassifier


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(("depth", "window"), [(1, 9), (2, 21), (3, 45)])
def test_all_pixels_at_once_are_all_windows_one_by_one(depth: int, window: int) -> None:
    network = PatchClassifier(in_channels=2, out_channels=3, channels=3, depth=depth).double()
    assert network.window == window
    image = torch.rand(1, 2, 30, 27, dtype=torch.float64)
    radius = window // 2
    padded = F.pad(image, 4 * [radius], mode="replicate")
    windows = padded.unfold(2, window, 1).unfold(3, window, 1)  # (1, C, Y, X, window, window)
    windows = windows[0].permute(1, 2, 0, 3, 4).reshape(-1, 2, window, window)
    with torch.no_grad():
        one_by_one = network.classify(windows).reshape(30, 27, 3).permute(2, 0, 1)
        at_once = network(image)[0]
    torch.testing.assert_close(at_once, one_by_one, rtol=1e-10, atol=1e-12)


def test_receptive_radius_is_exact() -> None:
    network = PatchClassifier(channels=3, depth=2).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()  # so that no ReLU cuts a path
    image = torch.rand(1, 1, 64, 64, dtype=torch.float64)
    changed = image.clone()
    changed[0, 0, 32, 32] += 100
    with torch.no_grad():
        moved = (network(changed) != network(image))[0, 0].nonzero()
    assert int((moved - 32).abs().max()) == network.receptive_radius == 10


def noisy_blobs() -> tuple[torch.Tensor, torch.Tensor]:
    """Record blobs, and say where they are, (1, 1, 48, 48)."""
    smooth = F.avg_pool2d(torch.rand(1, 1, 56, 56), kernel_size=9, stride=1)
    truth = (smooth > smooth.median()).float()
    return truth + torch.randn_like(truth), truth


def test_a_window_tells_more_than_its_middle() -> None:
    """Where noise is as strong as the signal, no threshold can do what the classifier learns."""
    network = PatchClassifier(channels=8, depth=1)
    image, truth = noisy_blobs()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.005)
    for _ in range(100):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(network(image), truth).backward()
        optimizer.step()
    image, truth = noisy_blobs()
    right = ((network(image) > 0) == truth).float().mean()
    assert right > ((image > 0.5) == truth).float().mean() + 0.08


@pytest.mark.parametrize("settings", [{"depth": 0}, {"channels": 0}, {"out_channels": 0}])
def test_bad_sizes(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="of 1 or more, got 0"):
        PatchClassifier(**settings)
