import json
import math
import runpy
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import aimicro
from aimicro.benchmarks import (
    STRENGTHS_RAD,
    TASKS,
    benchmark,
    lines_in_volumes,
    restoration_task,
    stronger_aberrations,
)
from aimicro.benchmarks.tasks import unsearched_stronger_aberrations, unweighed_aberrations
from aimicro.restore import DECONVOLVERS, METHODS, log_likelihood
from aimicro.restore.classical import SELF_TUNED
from aimicro.simulate import simulate_pair

ROOT = Path(__file__).resolve().parents[2]


def smooth(image):
    return gaussian_filter(image, 1.4)


@pytest.fixture(scope="module")
def result():
    return benchmark("denoise", smooth, name="my filter")


def test_a_function_is_scored_beside_all_methods_of_the_book(result):
    task = restoration_task("denoise")
    assert result.psnr == pytest.approx(task.score([smooth(image) for image in task.images]))
    assert {"as measured", "my filter", *task.record} == result.scores.keys()
    assert list(result.scores.values()) == sorted(result.scores.values(), reverse=True)
    # The tuned Gaussian is at least as good, and none is worse than what the camera gave.
    assert task.measured < result.psnr <= result.scores["Gaussian"] + 0.01


def test_a_notebook_shows_a_table_and_a_picture(result):
    shown = result._repr_mimebundle_()
    assert "<table>" in shown["text/html"]
    assert "my filter" in shown["text/html"]
    assert "The first test image as measured, after BM3D" in shown["text/html"]
    place = list(result.scores).index("my filter") + 1
    assert shown["text/plain"] == f"{result.psnr:.2f} dB, place {place} of {len(result.scores)}"


def test_the_function_cannot_spoil_the_test_images():
    def spoils(image):
        image[...] = 0
        return image

    before = restoration_task("denoise").images[0]
    result = aimicro.benchmark("denoise", spoils)
    assert result.psnr == min(result.scores.values())
    np.testing.assert_array_equal(restoration_task("denoise").images[0], before)


def test_what_cannot_be_scored():
    with pytest.raises(TypeError, match="Expected a function of an image, got str"):
        benchmark("denoise", "median")
    with pytest.raises(ValueError, match=r"Expected task .*denoise"):
        benchmark("denoize", smooth)
    with pytest.raises(ValueError, match="Expected a name of its own, got 'PURE-LET'"):
        benchmark("denoise", smooth, name="PURE-LET")
    with pytest.raises(ValueError, match=r"return shape \(128, 128\), got \(126, 128\)"):
        benchmark("denoise", lambda image: image[1:-1])
    with pytest.raises(ValueError, match="what the function returns"):
        benchmark("denoise", lambda image: image * np.nan)


RECORDS = resources.files("aimicro.benchmarks") / "records"


def test_every_test_set_has_a_record_and_there_is_no_other():
    assert {f"{name}.json" for name in TASKS} == {file.name for file in RECORDS.iterdir()}


@pytest.mark.parametrize("name", TASKS)
def test_a_record_has_every_method_that_applies(name):
    methods = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))["methods"]
    assert {"Gaussian", "Gaussian, Anscombe"} <= set(methods)
    assert all(any(method.startswith(title) for method in methods) for title in DECONVOLVERS)
    if name.startswith("denoise"):
        denoisers = [name for name in methods if f"{name}, Anscombe" in methods]
        assert len(denoisers) == len(METHODS)
        assert set(SELF_TUNED) <= set(methods)


@pytest.mark.long
def test_the_recorded_wavefronts_are_as_likely_as_recorded():
    """What takes minutes for all is done again for the likeliest and the next of one volume."""
    file = resources.files("aimicro.benchmarks") / "wavefronts.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    recorded = np.array(record["log_likelihoods"])
    task, _, psfs, psf_through = unweighed_aberrations()
    assert recorded.shape == (len(task.images), len(psfs))
    likeliest, following = np.argsort(-recorded[0])[:2]
    known = {"noise": task.noise, "background": task.background}
    fits = [
        log_likelihood(task.images[0], psfs[k], iterations=record["iterations"], **known)
        for k in (likeliest, following)
    ]
    assert fits[1] - fits[0] == pytest.approx(recorded[0, following], abs=2)
    found = psf_through(record["searched"][0])
    searched = log_likelihood(task.images[0], found, iterations=record["iterations"], **known)
    assert searched > fits[0] + 400


@pytest.mark.long
def test_what_is_recorded_of_lines_comes_again():
    """Both volumes take minutes: a corner of one."""
    script = runpy.run_path(str(ROOT / "scripts" / "tell_lines.py"))
    record = json.loads(script["RECORD"].read_text(encoding="utf-8"))
    recorded = lines_in_volumes()
    assert recorded.parameters == record["parameters"] == script["SETTINGS"]
    assert recorded.psnr == record["psnr"]
    corner = script["corner_of"](restoration_task("denoise_volumes"))
    assert script["asked"](corner) == pytest.approx(record["psnr of a corner"], abs=0.02)


@pytest.mark.long
def test_the_recorded_search_finds_a_flat_wave_and_takes_strong_bends_for_weak_ones():
    file = resources.files("aimicro.benchmarks") / "wavefronts.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    found = record["stronger"]
    strengths = np.array([math.hypot(*wavefront.values()) for wavefront in found])
    assert strengths[0] < 0.02
    assert (strengths[1:] < 0.8 * np.array(STRENGTHS_RAD[1:])).all()
    sweep, psf_through = unsearched_stronger_aberrations()
    known = {"noise": sweep.noise, "background": sweep.background}
    for image, wavefront in zip(sweep.images[1:4], found[1:4], strict=True):
        searched, flat = (
            log_likelihood(image, psf_through(each), iterations=record["iterations"], **known)
            for each in (wavefront, {})
        )
        assert searched > flat + 300


def test_the_search_takes_every_bend_for_a_weaker_one():
    """So a measured wavefront beats it, as the tutorial says."""
    file = resources.files("aimicro.benchmarks") / "wavefronts.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    order = {"photons": 200, "shape": (24, 64, 64), "voxel_size_um": (0.3, 0.115, 0.115)}
    ratios = []
    for k, found in enumerate(record["searched"]):
        pair = simulate_pair("deaberrate", rng=np.random.default_rng([0, 2, k]), **order)
        bent = pair.parameters["microscope"]["aberrations"]
        assert set(found) == set(bent)
        ratios.append(math.hypot(*found.values()) / math.hypot(*bent.values()))
    assert max(ratios) < 1
    assert np.mean(ratios) < 0.8


def test_the_stronger_bends_are_those_of_one_field():
    task = stronger_aberrations()
    assert len(task.images) == len(task.psfs["searched PSF"]) == len(STRENGTHS_RAD)
    assert all(np.array_equal(task.truths[0], truth) for truth in task.truths)
    peaks = [float(np.percentile(image, 99.9)) for image in task.images]
    assert peaks == sorted(peaks, reverse=True)  # the more it is bent, the dimmer
