"""Objectives that hide pixels, and learn to denoise without truth."""

import numpy as np
import pytest
import torch

from aimicro.models import UNet
from aimicro.models.network import Network
from aimicro.train import ArrayPatches, Objective, blind_spot, fit, j_invariant
from aimicro.train.self_supervised import _mean_around, _spots

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


class Filter(Network):
    """One filter of 5 x 5 pixels, which copies as easily as it averages."""

    ndim, in_channels, out_channels, divisor, receptive_radius = 2, 1, 1, 1, 2

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 1, 5, padding=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)  # type: ignore[no-any-return]


class Noted(torch.nn.Module):
    """Hands its input through, and keeps it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = x.detach().clone()
        return x


@pytest.mark.parametrize("shape", [(3, 1, 20, 30), (2, 2, 6, 10, 12)])
def test_blind_spots_hold_a_neighbour(shape: tuple[int, ...]) -> None:
    """Pixels are numbered, so that the replaced ones tell where they come from."""
    n = int(np.prod(shape[2:]))
    x = torch.arange(float(n)).reshape(1, 1, *shape[2:]).expand(shape).contiguous()
    network = Noted()
    loss = blind_spot(fraction=0.05, radius=2)(network, x, torch.full_like(x, np.nan))
    seen, original = network.seen.numpy(), x.numpy()
    for patch, truth in zip(seen, original, strict=True):
        assert all(np.array_equal(patch[0], channel) for channel in patch)
        changed = np.flatnonzero(patch[0] != truth[0])
        assert len(changed) == round(0.05 * n)  # never by itself
        to, by = (
            np.array(np.unravel_index(index, shape[2:]))
            for index in (changed, patch[0].ravel()[changed].astype(int))
        )
        assert np.abs(to - by).max() == 2
    errors = (seen - original)[seen != original] ** 2
    assert float(loss) == pytest.approx(errors.mean(), rel=1e-5)


def test_every_neighbour_is_as_likely_also_at_the_border() -> None:
    x = torch.zeros(4000, 1, 3, 4)
    places, neighbours = (index[:, 0] for index in _spots(x, 1.0, 1))
    for place, expected in (
        (0, {1, 4, 5}),  # a corner
        (5, {0, 1, 2, 4, 6, 8, 9, 10}),
        (11, {6, 7, 10}),
    ):
        found = neighbours[places == place]
        values, counts = found.unique(return_counts=True)
        assert set(values.tolist()) == expected
        assert counts.numpy() == pytest.approx(4000 / len(expected), rel=0.15)


@pytest.mark.parametrize("objective", [blind_spot(), j_invariant()])
def test_hidden_pixels_denoise_without_truth(objective: Objective) -> None:
    x = np.arange(32) * np.ones((32, 1))
    waves = np.sin(x / 3 + RNG.uniform(0, 6, size=(24, 1, 1))).astype(np.float32)
    noisy = waves + RNG.normal(0, 0.5, waves.shape).astype(np.float32)
    network = Filter()
    training = ArrayPatches(list(noisy[:20]), None, patch_size=(32, 32))
    settings = {"learning_rate": 0.02, "precision": "float32", "device": "cpu"}
    fit(network, training, steps=120, objective=objective, **settings)  # type: ignore[arg-type]
    scale = network.scaling.input
    with torch.no_grad():
        restored = network(torch.from_numpy(scale.apply(noisy[20:]))[:, None])[:, 0]
    error = np.mean((network.scaling.output.undo(restored.numpy()) - waves[20:]) ** 2)
    assert error < 0.05  # the noisy images have 0.25; a filter that sees its pixel ends near 0.1


@pytest.mark.parametrize("objective", [blind_spot(0.1, 2, hide=1), j_invariant(3)])
def test_validation_of_hidden_pixels_is_the_same_each_time(objective: Objective) -> None:
    noisy = RNG.random((2, 16, 16))
    training = ArrayPatches(list(noisy), None, patch_size=(16, 16), batch_size=2)
    settings = {"objective": objective, "learning_rate": 1e-12, "precision": "float32"}
    history = fit(
        UNet(channels=2, depth=1),
        training,
        validation=training,
        steps=4,
        validate_every=1,
        **settings,  # type: ignore[arg-type]
    )
    assert history.validation_loss == pytest.approx([history.validation_loss[0]] * 4, rel=1e-6)
    assert len(set(np.round(history.train_loss, 4))) == 4


@pytest.mark.parametrize("axis", [-1, -2])
def test_pixels_beside_are_hidden_along_an_axis(axis: int) -> None:
    """All of a line, by values from elsewhere, and nothing across it."""
    x = torch.arange(40.0 * 50).reshape(1, 1, 40, 50)
    network = Noted()
    blind_spot(fraction=1e-6, radius=1, hide=3, axis=axis)(network, x, x)
    changed = np.argwhere((network.seen != x).numpy()[0, 0])
    along, across = changed[:, axis], changed[:, -3 - axis]
    assert len(set(across)) == 1
    assert 4 <= len(changed) <= 7  # at a border there are fewer; one may have got its own value
    assert np.ptp(along) <= 6


def test_lines_of_noise_are_learned_unless_they_are_hidden() -> None:
    """Noise that is the same for four pixels along X can be read off the neighbours."""
    rng = np.random.default_rng(0)  # whichever tests ran before
    x = np.arange(32) * np.ones((32, 1))
    waves = np.sin(x.T / 3 + rng.uniform(0, 6, size=(24, 1, 1))).astype(np.float32)
    grains = rng.normal(0, 0.5, (24, 32, 8)).repeat(4, axis=2)
    noisy = (waves + grains).astype(np.float32)
    error = {}
    for hide in (0, 4):
        torch.manual_seed(0)
        network = Filter()
        patches = ArrayPatches(list(noisy[:20]), None, patch_size=(32, 32), augment=False)
        objective = blind_spot(hide=hide)
        settings = {"learning_rate": 0.02, "precision": "float32", "device": "cpu"}
        fit(network, patches, steps=200, objective=objective, **settings)  # type: ignore[arg-type]
        assert network.scaling is not None
        with torch.no_grad():
            shown = network.scaling.input.apply(noisy[20:])
            restored = network(torch.from_numpy(shown)[:, None])[:, 0].numpy()
        error[hide] = np.mean((network.scaling.output.undo(restored) - waves[20:]) ** 2)
    assert error[4] < error[0] / 2


@pytest.mark.parametrize("shape", [(3, 2, 16, 20), (2, 1, 6, 9, 12), (1, 1, 2, 2)])
def test_a_grid_is_hidden_behind_the_mean_of_its_neighbours(shape: tuple[int, ...]) -> None:
    x, network = torch.rand(shape), Noted()
    loss = j_invariant(3)(network, x, torch.full_like(x, torch.nan))
    hidden = (network.seen != x).numpy()
    places = np.argwhere(hidden[0, 0])
    assert all((channel == hidden[0, 0]).all() for patch in hidden for channel in patch)
    assert np.array_equal(places % 3, places[:1] % 3 * np.ones_like(places))
    assert len(places) == np.prod([len(set(column)) for column in places.T])
    for place in places:
        window = tuple(slice(max(i - 1, 0), i + 2) for i in place)
        around = x[0, 0][window].numpy()
        own = float(x[0, 0][tuple(place)])
        expected = (around.sum() - own) / (around.size - 1)
        assert float(network.seen[0, 0][tuple(place)]) == pytest.approx(expected, abs=1e-5)
    assert float(loss) == pytest.approx(((network.seen - x).numpy()[hidden] ** 2).mean(), rel=1e-5)


def test_all_pixels_of_a_grid_have_their_turn() -> None:
    x, seen = torch.rand(1, 1, 8, 8), np.zeros((8, 8), bool)
    for _ in range(60):
        network = Noted()
        j_invariant(2)(network, x, x)
        seen |= (network.seen != x).numpy()[0, 0]
    assert seen.all()


def test_the_mean_around_a_pixel_does_not_depend_on_it() -> None:
    x = torch.rand(1, 1, 5, 6, requires_grad=True)
    _mean_around(x)[0, 0, 2, 3].backward()
    assert x.grad is not None
    assert float(x.grad[0, 0, 2, 3]) == pytest.approx(0, abs=1e-6)
    assert float(x.grad.sum()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("objective", "arguments", "message"),
    [
        (blind_spot, {"fraction": 0}, "Expected fraction above 0 to 0.5, got 0"),
        (blind_spot, {"fraction": 1}, "Expected fraction above 0 to 0.5, got 1"),
        (blind_spot, {"fraction": 0.2, "hide": 2}, "Take a fraction of at most 0.1"),
        (blind_spot, {"radius": 0.5}, "Expected radius as a whole number"),
        (blind_spot, {"hide": -1}, "Expected hide of 0 or more, got -1"),
        (blind_spot, {"axis": 0}, "Expected axis from -3 to -1, got 0"),
        (j_invariant, {"width": 1}, "Expected width of 2 or more, got 1"),
    ],
)
def test_bad_arguments_are_refused(objective, arguments, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((TypeError, ValueError), match=message):
        objective(**arguments)


def test_an_axis_that_images_lack_is_refused() -> None:
    x = torch.rand(1, 1, 8, 8)
    with pytest.raises(ValueError, match="one of the 2 of the patches, got -3"):
        blind_spot(hide=1, axis=-3)(torch.nn.Identity(), x, x)


def test_a_line_that_would_be_hidden_whole_is_refused() -> None:
    x = torch.rand(1, 1, 16, 7)
    with pytest.raises(ValueError, match=r"longer than the 7 pixels .* got 7"):
        blind_spot(hide=3)(torch.nn.Identity(), x, x)
    assert torch.isfinite(blind_spot(hide=3, axis=-2)(torch.nn.Identity(), x, x))
    assert torch.isfinite(blind_spot()(torch.nn.Identity(), x[..., :1], x[..., :1]))
