import math

import numpy as np
import torch
from torch import nn

from aimicro.models import ImageText
from aimicro.train import SimulatedPatches, contrastive, fit


class Placed(nn.Module):
    """Gives images the places that it was built with."""

    def __init__(self, image, table, scale=1.0):
        super().__init__()
        self.out = image, table, torch.tensor(scale)

    def forward(self, x):
        return self.out


BAGS = torch.eye(3)[:, :, None, None]


def loss(network, bags=BAGS):
    return contrastive()(network, torch.zeros(len(bags), 1, 8, 8), bags).item()


def test_it_is_the_cross_entropy_of_the_pairs():
    axes = torch.eye(3)
    expected = -math.log(math.e / (math.e + 2))  # its own similarity is 1, the others' 0
    assert math.isclose(loss(Placed(axes, axes)), expected, rel_tol=1e-6)
    assert loss(Placed(axes, axes, 50.0)) < 1e-6
    assert loss(Placed(axes.roll(1, 0), axes)) > loss(Placed(axes, axes))


def test_equal_captions_share_what_is_right():
    bags = BAGS[[0, 0, 1]]
    image = torch.eye(3)[[0, 0, 1]]
    shared = loss(Placed(image, torch.eye(3), 50.0), bags)
    assert math.isclose(shared, 2 / 3 * math.log(2), rel_tol=1e-4)  # one bit for each of the two


def test_pairs_are_learned():
    def draw(n, rng):
        kind = rng.integers(2, size=n)
        noise = rng.normal(size=(n, 1, 16, 16))
        smooth = np.cumsum(noise, axis=3) / 3
        images = np.where(kind[:, None, None, None], smooth, noise)
        return images, np.eye(2)[kind][:, :, None, None]

    torch.manual_seed(0)
    network = ImageText(words=2, features=4, channels=4)
    pairs = SimulatedPatches(draw, patch_size=(16, 16), batch_size=16)
    fit(network, pairs, steps=60, learning_rate=1e-2, objective=contrastive(), device="cpu")
    images, bags = map(torch.from_numpy, pairs.batch(999))
    with torch.no_grad():
        near = (network(images)[0] @ network.read(torch.eye(2)).T).argmax(dim=1)
    assert (near == bags[:, 1, 0, 0]).float().mean() > 0.9
