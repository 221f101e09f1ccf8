"""Images that stay in their files give the numbers that they give in memory, without filling it."""

import resource
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from aimicro.cli._channels import Channel, affine_to, score
from aimicro.io.large import NoRoomError, is_large, parts, zeros_on_disk
from aimicro.predict import predict
from aimicro.train._percentiles import percentiles_by_counting
from aimicro.train.scaling import Linear, Percentile, Scaling

TYPES = ["u1", "i1", "u2", ">u2", "i2", "f2", "u4", "i4", "f4", ">f4", "u8", "i8", "f8"]
FINITE = {"allow_nan": False, "allow_infinity": False}


def images(dtype: str) -> st.SearchStrategy[np.ndarray]:
    """Of few pixels, among which hypothesis likes to repeat values."""
    elements = FINITE if "f" in dtype else None
    return arrays(dtype, array_shapes(max_dims=3, max_side=7), elements=elements)


@settings(max_examples=150, deadline=None)
@given(image=st.sampled_from(TYPES).flatmap(images), ends=st.tuples(*[st.floats(0, 100)] * 2))
def test_percentiles_are_those_of_numpy(image: np.ndarray, ends: tuple[float, float]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):  # between the ends of what a type can hold
        np.testing.assert_array_equal(
            percentiles_by_counting(image, ends), np.percentile(image, ends)
        )


@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4", "f8"])
def test_percentiles_of_many_pixels_in_several_parts(dtype: str) -> None:
    image = np.random.default_rng(0).gamma(2, 20, (90, 150, 160)).clip(0, 127).astype(dtype)
    for view in (image, image[::-1, :, 3::2], image.T):
        expected = np.percentile(view, (0, 2, 50, 99.9, 100))
        np.testing.assert_array_equal(
            percentiles_by_counting(view, (0, 2, 50, 99.9, 100)), expected
        )


def test_large_images_are_normalised_like_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).gamma(2, 300, (20, 30, 40)).astype(np.float32)
    small = Percentile().for_image(image)
    monkeypatch.setattr("aimicro.train._percentiles._MANY", 1000)
    assert Percentile().for_image(image) == small
    assert Percentile(0, 100).for_image(image > 600) == Linear(0, 1)


@pytest.mark.parametrize("dtype", ["u1", ">u2", ">f4"])
def test_parts_make_up_the_image_whatever_its_layout(dtype: str) -> None:
    image = np.random.default_rng(0).integers(0, 255, (9, 640, 450)).astype(dtype)
    for view in (image, image[:, ::-1, ::3], image.T, image[:0], image[0, 0, 0]):
        came = [part.copy() for part in parts(view)]
        assert all(part.dtype.isnative and part.ndim == 1 for part in came)
        assert all(part.size <= 2**18 for part in came)
        np.testing.assert_array_equal(np.concatenate([*came, []]), view.ravel())
    assert len(list(parts(image))) == 10


def test_a_file_for_an_array_has_no_name_and_lives_as_long(tmp_path: Path) -> None:
    def n_mapped() -> int:
        return Path("/proc/self/maps").read_text().count(str(tmp_path))

    array = zeros_on_disk((3, 700, 800), np.float32, tmp_path)
    assert (array.shape, array.dtype, array.any()) == ((3, 700, 800), np.float32, False)
    array[1] = 7
    part = array[1, 2:4]
    assert list(tmp_path.iterdir()) == []
    assert n_mapped() == 1
    del array
    assert (part == 7).all()
    del part
    assert n_mapped() == 0


def test_a_disk_without_room_is_told_before_it_is_needed(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, limits[1]))
    try:
        with pytest.raises(NoRoomError, match=r"Expected room for 4 MB .* Make room for them, or"):
            zeros_on_disk((1000, 1000), np.float32, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with pytest.raises(NoRoomError, match=r"nowhere: Expected room for .* got: No such file"):
        zeros_on_disk((10, 10), np.uint8, tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


class Halving(torch.nn.Module):
    """A network whose answer is known."""

    receptive_radius = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 2


@pytest.mark.parametrize("scaling", [None, Scaling(Linear(90, 20), Linear(90, 20))])
@pytest.mark.parametrize("shape", [(40, 70), (9, 30, 41)])
def test_the_result_goes_where_it_is_wanted(
    tmp_path: Path, shape: tuple[int, ...], scaling: Scaling | None
) -> None:
    model = Halving()
    model.scaling = scaling
    image = np.random.default_rng(0).normal(100, 20, shape)
    out = zeros_on_disk(shape, np.float32, tmp_path)
    out[...] = np.nan  # what was there before makes no difference
    came = predict(model, image, tile=16, overlap=3, out=out)
    assert came is out
    np.testing.assert_array_equal(came, predict(model, image, tile=16, overlap=3))


@pytest.mark.parametrize(("shape", "dtype"), [((5, 6), "f4"), ((6, 5), "f8")])
def test_a_place_that_does_not_fit_is_refused(shape: tuple[int, int], dtype: str) -> None:
    with pytest.raises(ValueError, match=r"array of shape \(6, 5\) in float32 for the result, got"):
        predict(Halving(), np.zeros((6, 5)), out=np.zeros(shape, dtype))


def test_what_is_large() -> None:
    assert is_large((64, 512, 513))
    assert not is_large((64, 512, 512))


def peak_memory(function) -> int:
    """Bytes that NumPy held at most while this ran; files that are mapped do not count."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("model", [Halving(), torch.nn.Conv3d(1, 1, 3, padding=1)])
def test_prediction_from_file_to_file_holds_a_tile(tmp_path: Path, model: torch.nn.Module) -> None:
    """And what looks for NaN holds a part."""
    model.scaling = Scaling(Linear(1, 2), Linear(1, 2))
    image, out = (zeros_on_disk((60, 256, 256), kind, tmp_path) for kind in ("u2", "f4"))

    def run() -> None:
        predict(model, image, tile=(16, 64, 64), halo=2, overlap=2, out=out)

    assert peak_memory(run) < image.size / 2  # bytes; a copy in float32 has eight times as many


def test_scores_hold_a_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aimicro.cli._channels._BOX", {2: 60, 3: 20})
    peaks = []
    small = (40, 40, 40)  # twice: what the first run of all imports is no memory of a score
    for shape in [small, small, (160, 40, 40), (40, 40, 160), (10, 160, 160), (160, 160)]:
        truth, image = (zeros_on_disk(shape, np.float32, tmp_path) for _ in range(2))
        truth[...] = np.random.default_rng(0).random(shape)
        image[...] = truth**2
        channels = Channel(truth), Channel(image)
        peaks.append(peak_memory(lambda: score(channels[0], affine_to(*channels))))  # noqa: B023
    _, one, *long, thin, flat = peaks
    assert long == pytest.approx([one] * 2, rel=0.05)
    assert max(thin, flat) < one
