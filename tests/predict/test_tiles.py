import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from aimicro.models import UNet
from aimicro.predict import predict
from aimicro.predict.tiles import Tile, _default_tile, tiles
from aimicro.train.scaling import Linear, Percentile, Scaling


def network(ndim: int = 2, depth: int = 2) -> UNet:
    torch.manual_seed(0)
    return UNet(ndim=ndim, channels=4, depth=depth)


class Blur(torch.nn.Module):
    """A network whose answer SciPy knows: the mean of 5 x 5 pixels, zeros beyond the border."""

    receptive_radius = 2

    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.nn.Conv2d(1, 1, kernel_size=5, padding=2, bias=False)
        torch.nn.init.constant_(self.mean.weight, 1 / 25)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mean(x)


@pytest.mark.parametrize("tile", [64, 80, (72, 128)])
@pytest.mark.parametrize("shape", [(203, 301), (130, 64)])
def test_no_tile_size_changes_the_result(
    tile: int | tuple[int, int], shape: tuple[int, int]
) -> None:
    """Not even at the borders of the image, and for sizes that the network cannot halve."""
    image = np.random.default_rng(0).normal(size=shape)
    whole = predict(network(), image, tile=1000)
    np.testing.assert_allclose(predict(network(), image, tile=tile, overlap=3), whole, atol=2e-6)


def test_volumes_are_tiled_along_each_axis() -> None:
    volume = np.random.default_rng(0).normal(size=(26, 50, 61))
    whole = predict(network(3, depth=1), volume, tile=100)
    tiled = predict(
        network(3, depth=1), volume, tile=(26, 40, 36), halo=(0, 9, 9), overlap=(0, 4, 4)
    )
    np.testing.assert_allclose(tiled, whole, atol=2e-6)


def test_a_tile_without_halo_does_change_the_result() -> None:
    """The comparison above can fail: context that is missing shows."""
    image = np.random.default_rng(0).normal(size=(128, 128))
    seams = predict(network(), image, tile=32, halo=0, overlap=0) - predict(network(), image)
    assert np.abs(seams).max() > 1e-3


def test_equals_the_filter_that_the_network_is() -> None:
    image = np.random.default_rng(1).random((97, 64)).astype(np.float32)
    expected = ndimage.uniform_filter(image, size=5, mode="constant")
    np.testing.assert_allclose(predict(Blur(), image, tile=24, overlap=4), expected, atol=1e-6)


@settings(max_examples=200, deadline=None)
@given(
    size=st.integers(1, 400),
    tile=st.integers(1, 120),
    halo=st.integers(0, 30),
    overlap=st.integers(0, 20),
    divisor=st.sampled_from([1, 2, 4, 8]),
    alike=st.booleans(),
)
def test_fades_sum_to_one_and_tiles_stay_small(
    size: int, tile: int, halo: int, overlap: int, divisor: int, alike: bool
) -> None:
    try:
        cut = tiles((size,), tile=tile, halo=halo, overlap=overlap, divisor=divisor, alike=alike)
    except ValueError:
        assert size > tile
        assert tile - tile % divisor - 2 * halo - overlap < divisor
        return
    total = np.zeros(size)
    for part in cut:
        (window,), (fade,) = part
        assert len(fade) == window.stop - window.start <= tile
        assert window.start % divisor == 0
        total[window] += fade
        if window.start:
            assert not fade[:halo].any()
        if alike and len(cut) > 1:
            assert len(fade) > tile - tile % divisor - divisor
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_tiles_come_in_batches_of_one_shape_each_once() -> None:
    cut = tiles((7, 50, 61), tile=(7, 20, 24), overlap=3)
    batches = list(cut.batches(2))
    assert max(len(batch) for batch in batches) == 2
    for batch in batches:
        assert len({part.weight.shape for part in batch}) == 1
    total = np.zeros((7, 50, 61))
    for part in itertools.chain(*batches):
        total[part.window] += part.weight
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert [len(batch) for batch in cut.batches(1)] == [1] * len(cut)


def test_a_tile_has_a_weight_for_each_pixel() -> None:
    cut = tiles((7, 30, 33), tile=(7, 12, 16), halo=(0, 2, 0), overlap=(0, 3, 4))
    total = np.zeros((7, 30, 33))
    for part in cut:
        assert isinstance(part, Tile)
        total[part.window] += part.weight
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_tiles_of_an_image_that_fills_a_disk_are_made_one_by_one() -> None:
    cut = tiles((2000, 20000, 20000), tile=(32, 128, 128), overlap=16)
    assert len(cut) > 10**6
    assert next(iter(cut)).window == (slice(0, 32), slice(0, 128), slice(0, 128))


def test_default_tiles_fit_into_memory_and_leave_room_for_the_halo() -> None:
    assert _default_tile(2, 46, 16) == (512, 512)
    assert _default_tile(3, 6, (4, 16, 16)) == (32, 128, 128)
    deep = _default_tile(3, 38, 16)
    assert deep == (108, 156, 156)
    assert len(tiles((200, 300, 300), tile=deep, halo=38, overlap=16)) > 1


class Seen(torch.nn.Identity):
    """Notes the shapes that it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(x.shape))
        return x


def test_a_volume_is_not_one_tile() -> None:
    network = Seen()
    predict(network, np.zeros((80, 150, 100)), halo=4)
    assert len(network.shapes) > 1
    assert max(np.prod(shape) for shape in network.shapes) <= 40 * 128 * 128


def test_small_tiles_of_a_volume_come_together() -> None:
    """A single one would take the processor several times as long."""
    volume = np.random.default_rng(0).random((16, 128, 128))
    for batch_size, shapes in {
        None: [(2, 1, 16, 76, 76)] * 2,
        1: [(1, 1, 16, 76, 76), (1, 1, 16, 76, 72), (1, 1, 16, 72, 76), (1, 1, 16, 72, 72)],
        3: [(3, 1, 16, 76, 76), (1, 1, 16, 76, 76)],
    }.items():
        network = Seen()
        options = {"tile": (16, 76, 76), "halo": 6, "overlap": 8, "batch_size": batch_size}
        np.testing.assert_allclose(predict(network, volume, **options), volume, atol=1e-6)
        assert network.shapes == shapes


@pytest.mark.parametrize("batch_size", [1, 3, None])
def test_no_batch_size_changes_the_result(batch_size: int | None) -> None:
    volume = np.random.default_rng(0).normal(size=(12, 61, 74))
    whole = predict(network(3, 1), volume, tile=100)
    options = {"tile": (12, 40, 40), "overlap": 3, "batch_size": batch_size}
    np.testing.assert_allclose(predict(network(3, 1), volume, **options), whole, atol=2e-6)


def test_no_tiles_at_a_time_are_refused() -> None:
    with pytest.raises(ValueError, match="batch_size"):
        predict(torch.nn.Identity(), np.zeros((16, 16)), batch_size=0)


# ---- channels


class Channels(torch.nn.Module):
    """Two channels in; three out: both, and their sum."""

    in_channels, out_channels, ndim, receptive_radius = 2, 3, 2, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x.sum(1, keepdim=True)], 1)


def test_all_channels_come_back() -> None:
    """Not the first alone."""
    image = np.random.default_rng(0).random((2, 60, 45)).astype(np.float32)
    out = np.full((3, 60, 45), np.nan, np.float32)
    for options in ({}, {"tile": 24, "overlap": 3}, {"tile": 24, "out": out}):
        came = predict(Channels(), image, **options)
        np.testing.assert_allclose(came, [*image, image.sum(0)], rtol=1e-6)
    assert came is out
    network = UNet(channels=4, depth=1, out_channels=3)
    assert predict(network, image[0]).shape == (3, 60, 45)


@pytest.mark.parametrize("shape", [(60, 45), (3, 60, 45), (2, 5, 60, 45)])
def test_other_channels_than_those_of_the_network_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Expected 2 channels, C, .*\(Y, X\), got .* of shape"):
        predict(Channels(), np.zeros(shape))
    with pytest.raises(ValueError, match=r"Expected a real image \(Y, X\), got float64 of shape"):
        predict(network(), np.zeros((3, 60, 45)))


def test_a_network_that_changes_the_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"keeps the size .*, got \(8, 8\) for \(16, 16\)"):
        predict(torch.nn.MaxPool2d(2), np.zeros((16, 16)))


# ---- scaling


@pytest.mark.parametrize(
    ("offset", "contrast", "dtype"), [(2**31, 200, np.uint32), (1e7, 4, np.float64)]
)
def test_a_small_contrast_on_a_large_offset_is_not_rounded_away(
    offset: float, contrast: float, dtype: type
) -> None:
    """In float32, its numbers would be 256 and 1 apart."""
    low = np.random.default_rng(0).random((40, 50)) * contrast
    low = np.rint(low) if dtype is np.uint32 else low
    scaling = Scaling(Linear(offset, contrast), None)
    came = predict(Blur(), (low + offset).astype(dtype), tile=24, overlap=4, scaling=scaling)
    expected = predict(Blur(), low / contrast, tile=24, overlap=4)
    np.testing.assert_allclose(came, expected, atol=1e-6)


def test_masks_and_logits_are_left_as_they_are() -> None:
    image = np.random.default_rng(2).normal(500, 40, size=(64, 64))
    model = network()
    model.scaling = Scaling(Linear(500, 40), None)
    np.testing.assert_allclose(predict(model, image), predict(network(), (image - 500) / 40))
    own = predict(model, image, scaling=Scaling())
    np.testing.assert_array_equal(own, predict(network(), image))


def test_percentiles_are_those_of_the_image() -> None:
    image = np.random.default_rng(2).gamma(2, 300, size=(64, 64))
    low, high = np.percentile(image, (2, 99.9))
    both = predict(network(), image, scaling=Scaling(Percentile(), Percentile()))
    alone = predict(network(), (image - low) / (high - low))
    np.testing.assert_allclose(both, alone * (high - low) + low, rtol=1e-4)


def test_scaling_is_applied_and_undone() -> None:
    model = network()
    image = np.random.default_rng(2).normal(500, 40, size=(64, 64)).astype(np.float32)
    expected = predict(model, (image - 500) / 40) * 40 + 500
    model.scaling = Scaling(Linear(500, 40), Linear(500, 40))
    np.testing.assert_allclose(predict(model, image), expected, rtol=1e-5)


def test_integer_images_and_training_mode_are_no_trap() -> None:
    model = torch.nn.Sequential(torch.nn.Dropout(0.5), Blur()).train()
    image = np.full((32, 32), 200, np.uint8)
    restored = predict(model, image, halo=2)
    assert restored.dtype == np.float32
    assert restored[16, 16] == pytest.approx(200)


@pytest.mark.parametrize("fails", [False, True])
def test_each_layer_is_left_in_its_mode(fails: bool) -> None:
    model = torch.nn.Sequential(torch.nn.Dropout(0.5), Blur()).train()
    model[1].eval()
    if fails:
        model[1].mean.register_forward_hook(lambda *_: torch.zeros(2) @ torch.ones(3))
        with pytest.raises(RuntimeError):
            predict(model, np.ones((32, 32)))
    else:
        predict(model, np.ones((32, 32)), precision="bfloat16")
        assert "forward" not in vars(model[1].mean)
    assert [layer.training for layer in model.modules()] == [True, True, False, False]


def test_short_numbers_leave_many_grey_levels() -> None:
    image = np.random.default_rng(0).random((60, 60))
    exact, short = (predict(network(), image, precision=p) for p in ("float32", "bfloat16"))
    assert 0 < np.abs(exact - short).max() < 0.05 * np.ptp(exact)
    assert len(np.unique(short)) > 500  # in bfloat16, some 20
    with pytest.raises(ValueError, match="precision as one of float32, bfloat16, got 'fp16'"):
        predict(network(), image, precision="fp16")


@pytest.mark.parametrize("slices", [1, 2, 5])
def test_thin_volumes_are_never_computed_with_short_numbers(slices: int) -> None:
    """Where the network is deeper than the volume, PyTorch gets them wrong."""
    volume = np.random.default_rng(0).random((slices, 24, 24))
    model = network(3, depth=1)  # halves it once
    exact, short = (predict(model, volume, precision=p) for p in ("float32", "bfloat16"))
    assert np.array_equal(exact, short) == (slices < 5)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros(5), r"Expected a real image \(Y, X\), got .*shape \(5,\)"),
        (np.zeros((2, 2, 3, 4)), r"shape \(2, 2, 3, 4\). Choose channels"),
        (np.zeros((0, 7)), r"shape \(0, 7\)"),
        (np.zeros((4, 4), complex), "got complex128"),
        (np.array([[1, np.nan], [np.inf, 0]]), "got 2 NaN or infinite ones of 4"),
    ],
)
def test_bad_images_are_refused(image: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predict(network(), image)


def test_bad_tiles_are_refused() -> None:
    image = np.zeros((100, 100))
    with pytest.raises(ValueError, match=r"Expected tiles of 70 pixels or more .* got 48"):
        predict(network(), image, tile=48)
    with pytest.raises(ValueError, match=r"Expected tile as one number or 2, .*\(1, 2, 3\)"):
        predict(network(), image, tile=(1, 2, 3))
    with pytest.raises(TypeError, match=r"Expected halo as a whole number of 0 or more, got 2.5"):
        predict(network(), image, halo=2.5)


@pytest.mark.parametrize("tile", [np.int64(80), np.array([80, 96]), [80, np.uint8(96)]])
def test_numbers_of_numpy_are_numbers(tile: object) -> None:
    image = np.random.default_rng(0).normal(size=(100, 120))
    came = predict(network(), image, tile=tile, overlap=np.int32(4))
    np.testing.assert_allclose(came, predict(network(), image), atol=2e-6)
