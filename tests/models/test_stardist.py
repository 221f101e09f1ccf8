import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from aimicro.models import StarDist, UNet
from aimicro.segment import stardist
from aimicro.train import ArrayPatches, Linear, Scaling, fit


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_it_is_the_u_net_with_rays_in_units_of_the_usual_one() -> None:
    network = StarDist(n_rays=5, ray_px=7, channels=4, depth=1)
    plain = UNet(out_channels=6, channels=4, depth=1)
    plain.load_state_dict(network.state_dict())
    x = torch.rand(2, 1, 8, 12)
    z = plain(x)
    torch.testing.assert_close(network(x)[:, :1], z[:, :1])
    torch.testing.assert_close(network(x)[:, 1:], 7 + 7 * z[:, 1:])


def test_rays_begin_at_the_usual_length() -> None:
    network = StarDist(n_rays=8, ray_px=20, channels=4, depth=2)
    torch.nn.init.zeros_(network.head.weight)
    torch.nn.init.zeros_(network.head.bias)
    output = network(torch.rand(1, 1, 16, 16))
    assert (output[:, 0] == 0).all()
    assert (output[:, 1:] == 20).all()


def test_it_is_ahead_of_a_u_net_that_has_to_give_pixels() -> None:
    """Discs of many sizes, and the same few steps for both."""
    y, x = np.mgrid[:144, :144]
    radius = np.random.default_rng(0).uniform(4, 11, (6, 6)).repeat(24, 0).repeat(24, 1)
    discs = np.hypot(y % 24 - 12, x % 24 - 12) < radius
    labels = (1 + y // 24 * 6 + x // 24) * discs
    image = gaussian_filter(discs.astype(np.float32), 1)
    patches = ArrayPatches(
        [image],
        [labels.astype(np.int32)],
        patch_size=(48, 48),
        batch_size=4,
        target=lambda ids: stardist.targets(ids, n_rays=8),
        scaling=Scaling(Linear(0, 1), output=None),
    )
    settings = {"channels": 6, "depth": 2}
    errors = []
    for network in (StarDist(n_rays=8, ray_px=7, **settings), UNet(out_channels=9, **settings)):
        fit(network, patches, steps=40, objective="stardist", learning_rate=3e-3)
        inputs, truth = (torch.from_numpy(part) for part in patches.batch(1000))
        deep = (truth[:, :1] > 0.6).expand(-1, 8, -1, -1)
        with torch.no_grad():
            errors.append(float((network(inputs)[:, 1:] - truth[:, 1:])[deep].abs().mean()))
    assert errors[0] < 0.7 * errors[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_rays": 2}, "n_rays of 3 or more, got 2"),
        ({"ray_px": 0}, "ray_px"),
        ({"ray_px": -3.0}, "ray_px"),
        ({"ray_px": float("nan")}, "ray_px"),
        ({"channels": 0}, "channels of 1 or more, got 0"),
    ],
)
def test_bad_sizes(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StarDist(**settings)
