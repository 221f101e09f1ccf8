from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from aimicro.metrics import mean_psnr
from aimicro.restore import (
    DECONVOLVERS,
    METHODS,
    Noise,
    Recorded,
    RestorationTask,
    apply_classical,
    best_classical,
    denoise,
    richardson_lucy,
)
from aimicro.simulate import blur

CAMERA = Noise(gain=2, offset=100, read_noise=3)


def psf(sigma, side=13):
    point = np.zeros((side, side))
    point[side // 2, side // 2] = 1
    spot = gaussian_filter(point, sigma)
    return (spot / spot.sum()).astype(np.float32)


WIDE, NARROW = psf(1.5), psf(0.8)


def specimen():
    """A few bright spots."""
    image = np.zeros((40, 44), np.float32)
    image[tuple(np.random.default_rng(3).integers(6, 34, (2, 12)))] = 400
    return image


def counts(light, seed=1):
    """What the camera makes of it."""
    rng = np.random.default_rng(seed)
    return 2 * rng.poisson(light) + 100 + rng.normal(0, 3, light.shape)


def blurred_spots(**known):
    """Images of spots through the wide PSF; by default to be deconvolved."""
    image = counts(blur(specimen(), WIDE))
    order = {"truths": [specimen()], "affine": True, "only_noise": False} | known
    psfs = {"the PSF": WIDE}
    order = {"images": [image], "psfs": psfs} | order
    return RestorationTask(name="spots", noise=CAMERA, data_range=400, **order)


@pytest.fixture(scope="module")
def ranking():
    return best_classical(blurred_spots())


@pytest.fixture
def one_deconvolution(monkeypatch):
    """Richardson-Lucy alone, where the others would say the same and take their time."""
    name = "Richardson-Lucy"
    monkeypatch.setattr("aimicro.restore.classical.DECONVOLVERS", {name: DECONVOLVERS[name]})


def test_every_deconvolution_starts_and_the_best_comes_first(ranking):
    assert ranking.keys() == {"Gaussian", "Gaussian, Anscombe", *DECONVOLVERS}
    scores = list(ranking.scores().values())
    assert scores == sorted(scores, reverse=True)
    assert ranking.best.psnr == scores[0]
    assert ranking.best.name in DECONVOLVERS  # what knows the PSF beats what only denoises


def test_parameters_are_those_that_gave_the_images(ranking):
    task = blurred_spots()
    for method in ranking.values():
        assert task.score(method.images) == pytest.approx(method.psnr)
        assert method.seconds > 0
    plain = ranking["Richardson-Lucy"]
    again = richardson_lucy(
        task.images[0],
        WIDE,
        noise=CAMERA,
        iterations=plain.parameters["iterations"],
        accelerated=True,
    )
    np.testing.assert_array_equal(plain.images[0], again)


def test_on_the_same_images_a_tuned_method_does_the_same_and_on_others_it_keeps_its_parameters(
    ranking,
):
    again = apply_classical(blurred_spots(), ranking.best)
    assert again.psnr == pytest.approx(ranking.best.psnr)
    np.testing.assert_array_equal(again.images[0], ranking.best.images[0])
    truth = specimen()[::-1].copy()
    other = blurred_spots(images=[counts(blur(truth, WIDE), seed=2)], truths=[truth])
    applied = apply_classical(other, ranking.best)
    assert applied.parameters == ranking.best.parameters
    assert applied.psnr == pytest.approx(other.score(applied.images))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_method_does_the_same_with_any_number_of_workers(ranking, workers):
    images = [counts(blur(specimen(), WIDE), seed) for seed in (1, 2, 3)]
    task = blurred_spots(images=images, truths=[specimen()] * 3)
    two, other = (apply_classical(task, ranking.best, workers=n) for n in (2, workers))
    for image, same in zip(two.images, other.images, strict=True):
        np.testing.assert_array_equal(image, same)


def test_no_workers_do_no_work(ranking):
    with pytest.raises(ValueError, match=r"Expected workers .*, got 0\. Give the number of cores"):
        apply_classical(blurred_spots(), ranking.best, workers=0)


def test_a_method_that_does_not_apply_is_refused(ranking):
    untold = blurred_spots(psfs={})
    with pytest.raises(ValueError, match=f"applies to spots: Gaussian, .* got {ranking.best.name}"):
        apply_classical(untold, ranking.best)


def test_the_iterations_are_the_best_of_all_that_were_looked_at(ranking):
    task = blurred_spots()
    at = {}
    richardson_lucy(
        task.images[0],
        WIDE,
        noise=CAMERA,
        iterations=100,
        accelerated=True,
        each=lambda number, estimate: at.setdefault(number, task.score([estimate])),
    )
    assert ranking["Richardson-Lucy"].psnr == pytest.approx(max(at.values()), abs=0.05)


def test_every_denoiser_starts_where_there_is_only_noise():
    light = np.random.default_rng(0).uniform(5, 60, (4, 4)).repeat(8, 0).repeat(8, 1)
    task = RestorationTask(
        name="squares",
        images=[counts(light)],
        truths=[2 * light + 100],
        noise=CAMERA,
        data_range=120,
    )
    ranking = best_classical(task)
    plain = {"Gaussian", "median", "bilateral", "wavelets", "total variation", "non-local means"}
    plain |= {"BM3D"}
    assert len(plain) == len(METHODS)
    self_tuned = {"SURE-LET, Anscombe", "PURE-LET"}
    assert ranking.keys() == plain | {f"{name}, Anscombe" for name in plain} | self_tuned
    assert ranking.best.psnr > task.measured + 3
    strength = ranking["median"].parameters["radius (px)"]
    again = denoise(task.images[0], "median", strength)
    np.testing.assert_array_equal(ranking["median"].images[0], again)


def test_estimates_of_the_specimen_are_imaged_like_the_truth(one_deconvolution):
    goal = blur(specimen(), NARROW)
    task = blurred_spots(truths=[goal], goal=lambda estimate: blur(estimate, NARROW))
    told = best_classical(task)
    untold = best_classical(replace(task, goal=None))
    assert told.best.psnr > untold.best.psnr + 1


def test_of_several_psfs_each_has_its_row(one_deconvolution):
    task = blurred_spots(psfs={"right": WIDE, "wrong": NARROW})
    ranking = best_classical(task)
    right, wrong = (ranking[f"Richardson-Lucy, {which}"] for which in ("right", "wrong"))
    assert right.psnr > wrong.psnr + 0.5


def test_a_filter_that_rings_below_zero_is_imaged_as_it_is():
    task = blurred_spots(goal=lambda estimate: blur(estimate, NARROW), background=5)
    estimate = np.random.default_rng(0).normal(size=(40, 44)).astype(np.float32)
    wanted = gaussian_filter(estimate, 0)  # a copy
    linear = blur(np.maximum(wanted, 0), NARROW) - blur(np.maximum(-wanted, 0), NARROW)
    np.testing.assert_allclose(task.imaged(estimate), linear + 105, rtol=1e-5)


def recorded(ranking, seconds):
    """The same task with a record of what was found."""
    record = {
        name: Recorded(method.parameters, method.psnr, seconds) for name, method in ranking.items()
    }
    return blurred_spots(record=record)


def test_a_record_gives_the_same_scores_without_a_search(ranking):
    assert best_classical(recorded(ranking, 0.01)).scores() == pytest.approx(ranking.scores())


def test_what_takes_too_long_is_read_from_the_record_but_the_best_runs(ranking):
    again = best_classical(recorded(ranking, 100))
    assert again.scores() == pytest.approx(ranking.scores())
    assert [name for name, method in again.items() if method.images] == [ranking.best.name]
    assert again.best.name == ranking.best.name


def test_a_record_of_other_images_is_noticed(ranking):
    other = replace(recorded(ranking, 100), images=[counts(0.3 * blur(specimen(), WIDE))])
    with pytest.warns(UserWarning, match=r"as recorded, got .*these are other images"):
        best_classical(other)


def test_tasks_that_cannot_be():
    image, truth = np.ones((8, 8)), np.zeros((8, 8))
    known = {"name": "x", "noise": Noise(), "data_range": 1.0}
    with pytest.raises(ValueError, match="Expected as many"):
        RestorationTask(images=[image], truths=[truth, truth], **known)
    with pytest.raises(ValueError, match="shape"):
        RestorationTask(images=[image], truths=[truth[1:]], **known)
    with pytest.raises(
        TypeError, match="Expected noise with gain, offset and read_noise, got float"
    ):
        RestorationTask(images=[image], truths=[truth], **(known | {"noise": 1.5}))
    with pytest.raises(ValueError, match="data_range"):
        RestorationTask(images=[image], truths=[truth], **(known | {"data_range": 0}))


def test_the_score_is_the_mean_psnr():
    task = blurred_spots()
    guess = gaussian_filter(task.images[0], 1)
    assert task.score([guess]) == mean_psnr([specimen()], [guess], data_range=400, affine=True)
