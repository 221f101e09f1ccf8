import numpy as np
import pytest
from scipy.fft import rfftn

from aimicro.simulate import Microscope, blur, simulate_pair
from aimicro.simulate.camera import Camera
from aimicro.simulate.pairs import TASKS

SMALL = {"shape": (12, 64, 64)}


def photons(counts):
    return Camera().photons(counts)


def high_frequencies(image):
    """Share of the variance in the upper half of the frequencies along x."""
    power = np.abs(rfftn(image - image.mean())) ** 2
    return power[..., power.shape[-1] // 2 :].sum() / power.sum()


@pytest.mark.parametrize("task", TASKS)
def test_defaults_are_sampled_well_and_give_the_light_asked_for(task):
    pair = simulate_pair(task, rng=0)  # a sampling warning would be an error here
    settings = TASKS[task]
    assert pair.raw.shape == pair.truth.shape == settings.shape
    assert pair.parameters["photons"] == settings.photons
    # The wish is for the first frame of a film, and for the image without its aberration.
    raw = pair.raw[0] if task == "track" else pair.truth if task == "deaberrate" else pair.raw
    brightest = photons(raw).max()
    assert 0.8 * settings.photons < brightest < settings.photons + 6 * settings.photons**0.5 + 6


@pytest.mark.parametrize("task", TASKS)
def test_same_seed_same_bits(task):
    shape = (6, 64, 64)
    once, again, other = (simulate_pair(task, shape=shape, rng=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once.raw, again.raw)
    np.testing.assert_array_equal(once.truth, again.truth)
    assert not np.array_equal(once.truth, other.truth)


def misfit(raw, expected):
    """Mean squared residual in units of the variance that the camera explains: 1 if all of it."""
    noise = Camera().noise
    return np.mean((raw - expected) ** 2 / (noise.gain * (expected - 100) + noise.read_noise**2))


def test_denoising_leaves_only_noise_to_explain():
    pair = simulate_pair("denoise", rng=0)
    assert abs(misfit(pair.raw, pair.truth) - 1) < 0.02


def test_deconvolution_starts_from_the_truth_blurred_by_the_microscope():
    pair = simulate_pair("deconvolve", rng=0)
    specimen = photons(pair.truth).clip(0)
    microscope = Microscope("widefield", voxel_size_um=pair.voxel_size_um)
    psf = microscope.image(specimen, photons=1, rng=0).psf
    assert abs(misfit(pair.raw, Camera().counts(blur(specimen, psf))) - 1) < 0.02


def test_aberrations_are_those_told_and_spoil_the_image():
    pair = simulate_pair("deaberrate", photons=1e5, rng=3)
    modes = pair.parameters["microscope"]["aberrations"]
    assert 0.5 <= np.linalg.norm(list(modes.values())) <= 1.5
    assert high_frequencies(pair.raw) < high_frequencies(pair.truth)


def test_truth_of_enhancement_is_finer_than_the_raw_image():
    pair = simulate_pair("enhance", photons=1e5, rng=0)
    assert high_frequencies(pair.truth) > 3 * high_frequencies(pair.raw)


def test_cells_to_segment_are_brighter_than_their_surroundings():
    pair = simulate_pair("segment", rng=0)
    inside = pair.truth > 0
    assert pair.raw[inside].mean() > pair.raw[~inside].mean() + 5
    assert len(np.unique(pair.truth)) > 4


def test_structures_differ():
    images = [
        simulate_pair("denoise", structure=name, rng=0, **SMALL).truth
        for name in TASKS["denoise"].structures
    ]
    correlations = np.corrcoef([image.ravel() for image in images])
    assert correlations[np.triu_indices(3, 1)].max() < 0.5


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("denoising", {}, "Expected task as one of .* got 'denoising'. Did you mean denoise"),
        ("segment", {"structure": "rond"}, "structure for segment .* Did you mean round"),
        ("denoise", {"photons": 0}, "Expected photons above 0, got 0"),
        ("denoise", {"photons": float("nan")}, "Expected photons above 0, got nan"),
        ("denoise", {"shape": (64,)}, r"a shape \(Z, Y, X\) or \(Y, X\) .* got \(64,\)"),
        ("track", {"shape": (64, 64)}, r"a shape \(T, Y, X\) for track, got \(64, 64\)"),
        ("denoise", {"shape": (8, 32, 32), "voxel_size_um": (200, 80, 80)}, "Divide nanometres"),
        ("denoise", {"shape": (64, 99_999, 99_999)}, "within 6 GB of memory"),
        ("track", {"voxel_size_um": (1, 1, 1)}, "2 voxel sizes for track .* got"),
        ("denoise", {"shape": (0, 64, 64)}, "shape"),
        ("denoise", {"shape": 64}, r"a shape \(Z, Y, X\) or \(Y, X\) .* got \(64,\)"),
        ("denoise", {"voxel_size_um": 0.1}, r"3 voxel sizes for denoise .* got \(0.1,\)"),
    ],
)  # fmt: skip
def test_impossible_wishes_are_refused(task, options, message):
    with pytest.raises(ValueError, match=message):
        simulate_pair(task, rng=0, **options)


@pytest.mark.parametrize("task", ["denoise", "deconvolve", "deaberrate", "enhance", "segment"])
def test_pairs_of_images_in_2d(task):
    pair = simulate_pair(task, shape=np.array([96, 128]), rng=0)
    assert pair.raw.shape == pair.truth.shape == (96, 128)
    assert (pair.axes, len(pair.voxel_size_um)) == ("YX", 2)
    assert pair.parameters["shape"] == (96, 128)
