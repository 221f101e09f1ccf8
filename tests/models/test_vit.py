import numpy as np
import pytest
import torch

from aimicro.models import ViT, check_input
from aimicro.predict import predict
from aimicro.segment import cellpose
from aimicro.simulate import nuclei
from aimicro.train import ArrayPatches, fit


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def small(**settings: int) -> ViT:
    return ViT(**{"image_size": 32, "width": 12, "depth": 2, "heads": 3} | settings)


@pytest.mark.parametrize("shape", [(32, 32), (24, 40)])
def test_output_has_the_size_of_the_input(shape: tuple[int, int]) -> None:
    network = small(in_channels=2, out_channels=3)
    assert network(torch.rand(5, 2, *shape)).shape == (5, 3, *shape)


def test_parameter_count_is_that_of_the_formula() -> None:
    width, depth, patch, side = 12, 2, 8, 4
    linear = [(width, 3 * width), (width, width), (width, 4 * width), (4 * width, width)]
    block = sum(a * b + b for a, b in linear) + 2 * 2 * width
    ends = (patch**2 * width + width) + width * side**2 + 2 * width + (patch**2 * width + 1)
    assert sum(p.numel() for p in small().parameters()) == depth * block + ends


def test_attention_says_for_each_patch_what_it_takes_from_each() -> None:
    weights = small().attention(torch.rand(2, 1, 24, 32))
    assert weights.shape == (2, 2, 3, 3, 4, 3, 4)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=(5, 6)), torch.ones(2, 2, 3, 3, 4))


def test_the_layer_is_that_of_pytorch() -> None:
    """The same weights in `torch.nn.MultiheadAttention` give the same tokens and attention."""
    ours = small().blocks[0].look.double()
    theirs = torch.nn.MultiheadAttention(12, 3, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.ask.weight)
        theirs.in_proj_bias.copy_(ours.ask.bias)
        theirs.out_proj.load_state_dict(ours.mix.state_dict())
        x = torch.randn(2, 7, 12, dtype=torch.float64)
        expected = theirs(x, x, x, average_attn_weights=False)
        for found, value in zip(ours(x), expected, strict=True):
            torch.testing.assert_close(found, value)


def test_without_places_patches_may_be_shuffled() -> None:
    """It is the places alone that tell it which patch lies where."""
    network, image = small().double(), torch.rand(1, 1, 32, 32, dtype=torch.float64)
    turned = image.roll(8, dims=3)
    with torch.no_grad():
        assert not torch.allclose(network(turned), network(image).roll(8, dims=3))
        network.place.zero_()
        torch.testing.assert_close(network(turned), network(image).roll(8, dims=3))


def test_each_pixel_sees_the_whole_image_and_every_weight_learns() -> None:
    network = small()
    image = torch.rand(1, 1, 32, 32, requires_grad=True)
    network(image)[0, 0, 0, 0].backward()
    assert (image.grad != 0).all()
    assert network.receptive_radius == 31
    network(image).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_it_learns_flows_with_fit_and_draws_them_with_predict() -> None:
    """A vision transformer with a flow head, as Cellpose-SAM: labels, flows, network, labels."""
    fields = [nuclei((64, 64), n=5, radius_um=2.5, rng=k) for k in range(4)]
    images, labels = zip(*fields, strict=True)
    patches = ArrayPatches(
        images, labels, patch_size=(64, 64), batch_size=4, target=cellpose.targets
    )
    network = ViT(out_channels=3, image_size=64, width=32, depth=2, heads=2)
    history = fit(network, patches, steps=40, objective="cellpose", learning_rate=3e-3)
    output = predict(network, images[0][:60, :52])
    assert output.shape == (3, 60, 52)
    inside = output[2] > 0
    truth = labels[0][:60, :52] > 0
    assert np.mean(inside == truth) > 0.85 > max(truth.mean(), 1 - truth.mean())
    assert history.step[-1] == 40


def test_an_image_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match=r"divide by 8, got \(32, 30\)"):
        check_input(small(), (1, 1, 32, 30))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch": 0}, "patch of 1 or more, got 0"),
        ({"image_size": 30}, "image_size that divides by patch, 8, got 30. Try 24."),
        ({"width": 13}, "width that divides by heads, 3, got 13"),
        ({"depth": 0}, "depth of 1 or more, got 0"),
    ],
)
def test_bad_sizes(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**settings)
