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


def test_learns_what_stands_in_the_middle() -> None:
    """Bright pixels on a dark ground, a window each: the classifier tells them apart."""
    network = PatchClassifier(channels=4, depth=1)
    image = torch.rand(1, 1, 48, 48)
    truth = (F.avg_pool2d(image, 3, stride=1, padding=1) > 0.5).float()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(network(image), truth).backward()
        optimizer.step()
    new = torch.rand(1, 1, 48, 48)
    expected = F.avg_pool2d(new, 3, stride=1, padding=1) > 0.5
    assert ((network(new) > 0) == expected).float().mean() > 0.8


@pytest.mark.parametrize("settings", [{"depth": 0}, {"channels": 0}, {"out_channels": 0}])
def test_bad_sizes(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="of 1 or more, got 0"):
        PatchClassifier(**settings)
