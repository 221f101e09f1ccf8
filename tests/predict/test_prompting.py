import numpy as np
import pytest
import torch

from aimicro.models import Promptable, UNet
from aimicro.predict import PromptedImage, predict
from aimicro.segment.prompts import Prompt, grid, render
from aimicro.train import Linear, Scaling


@pytest.fixture
def network() -> Promptable:
    torch.manual_seed(0)
    return Promptable(features=4, channels=2, depth=1)


def test_answers_are_those_of_the_network(network: Promptable) -> None:
    network.scaling = Scaling(Linear(2.0, 3.0), output=None)
    image = np.random.default_rng(0).random((24, 32))
    maps = render(grid(image.shape, step=4), image.shape)  # more than are answered at once
    masks, quality = PromptedImage(network, image).answer(maps)
    scaled = network.scaling.input.apply(image.astype(np.float32))
    x = torch.from_numpy(np.concatenate([scaled[None], maps.reshape(-1, 24, 32)]))[None]
    with torch.no_grad():
        expected, of_quality = network(x)
    np.testing.assert_allclose(masks, expected[0], atol=1e-5)
    np.testing.assert_allclose(quality, of_quality[0], atol=1e-5)


def test_sizes_that_do_not_divide_are_padded(network: Promptable) -> None:
    image = np.random.default_rng(0).random((21, 30))
    masks, quality = PromptedImage(network, image).answer(
        render([Prompt(points=[(20, 29)])], (21, 30))
    )
    assert masks.shape == (1, 21, 30)
    assert quality.shape == (1,)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 16, 16)), "image"),
        (np.full((16, 16), np.nan), "image"),
        (np.zeros((0, 16)), "image"),
    ],
)
def test_images_that_it_cannot_take(network: Promptable, image: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PromptedImage(network, image)


def test_channels_must_be_those_of_the_network() -> None:
    two = Promptable(in_channels=2, features=4, channels=2, depth=1)
    assert PromptedImage(two, np.zeros((2, 16, 16))).shape == (16, 16)
    with pytest.raises(ValueError, match="Expected 2 channels, got 3"):
        PromptedImage(two, np.zeros((3, 16, 16)))


def test_maps_of_another_image_and_other_networks_are_refused(network: Promptable) -> None:
    asked = PromptedImage(network, np.zeros((16, 16)))
    for maps in (np.zeros((1, 4, 16, 17)), np.zeros((4, 16, 16)), np.zeros((0, 4, 16, 16))):
        with pytest.raises(ValueError, match=r"\(P, 4, 16, 16\)"):
            asked.answer(maps)
    with pytest.raises(TypeError, match="got UNet"):
        PromptedImage(UNet(channels=2, depth=1), np.zeros((16, 16)))
    with pytest.raises(ValueError, match="got an image alone"):
        predict(network, np.zeros((16, 16)))
