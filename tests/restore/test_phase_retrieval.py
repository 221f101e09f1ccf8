"""A wavefront by likelihood, and by trials."""

import numpy as np
import pytest
from scipy.stats import chi2

from aimicro.restore import misfit, modal_search, retrieve_wavefront
from aimicro.simulate import PhaseDiversity, Pupil, random_strengths

BEAD = PhaseDiversity(pupil=Pupil(na=1.1, wavelength_um=0.52, refractive_index=1.33))


def test_without_noise_it_finds_the_wave():
    for truth in random_strengths(3, BEAD.modes, rms_rad=0.9, place_rad=0.4, rng=0):
        images = BEAD.expected(truth, photons=1e5, background=1)
        found = retrieve_wavefront(images, BEAD, background=1)
        assert np.abs(found.strengths - truth).max() < 0.01
        assert found.misfit < 0.1


def test_it_comes_close_to_the_bound_of_cramer_and_rao():
    truth = random_strengths(1, BEAD.modes, rms_rad=0.5, place_rad=0.3, rng=1)[0]
    light, slopes = BEAD.derivatives(truth)
    mean, change = 500 * light + 0.1, 500 * slopes.reshape(len(slopes), -1)
    bound = np.trace(np.linalg.inv((change / mean.ravel()) @ change.T))
    rng = np.random.default_rng(2)
    errors = [
        retrieve_wavefront(rng.poisson(mean), BEAD, background=0.1).strengths - truth
        for _ in range(60)
    ]
    n = 60 * len(truth)
    assert np.square(errors).sum() / 60 < 1.3 * bound
    assert np.square(errors).sum() / 60 > 0.7 * bound * chi2.ppf(0.001, n) / n


def test_several_starts_are_no_less_likely_than_one():
    truth = random_strengths(1, BEAD.modes, rms_rad=2.5, rng=8)[0]
    images = np.random.default_rng(3).poisson(BEAD.expected(truth, photons=500, background=0.1))
    starts = np.vstack([np.zeros(10), random_strengths(6, BEAD.modes, rms_rad=1.5, rng=4)])
    one = retrieve_wavefront(images, BEAD, background=0.1)
    several = retrieve_wavefront(images, BEAD, background=0.1, starts=starts)
    assert several.misfit <= one.misfit + 1e-3


def test_what_is_known_beforehand_pulls_to_zero():
    dark = np.random.default_rng(5).poisson(
        BEAD.expected(random_strengths(1, BEAD.modes, rms_rad=1, rng=5)[0], photons=20) + 0.1
    )
    free = retrieve_wavefront(dark, BEAD, background=0.1)
    held = retrieve_wavefront(dark, BEAD, background=0.1, spread_rad=0.05)
    assert np.linalg.norm(held.strengths) < np.linalg.norm(free.strengths)


def test_misfit_of_the_right_light_is_about_one():
    light = np.full((200, 1, 10, 10), 50.0)
    counted = np.random.default_rng(6).poisson(light)
    assert misfit(counted, light).mean() == pytest.approx(1, abs=0.03)
    assert misfit(counted, 1.5 * light).mean() > 3


@pytest.mark.parametrize("curvature", [None, 0.5])
def test_trials_find_the_top_of_a_gaussian(curvature):
    top = np.array([0.3, -0.2, 0.45])
    calls = []

    def measure(command):
        calls.append(command)
        return float(np.exp(-0.5 * ((command - top) ** 2).sum()))

    found = modal_search(measure, 3, bias_rad=0.5, curvature=curvature)
    np.testing.assert_allclose(found, top, atol=1e-9)
    assert len(calls) == 3 * (3 if curvature is None else 2)


def test_trials_without_a_top_go_to_the_better_side():
    assert modal_search(lambda c: float(np.exp(c[0] ** 2 + c[0])), 1, bias_rad=0.5)[0] == 0.5


def test_bad_input():
    with pytest.raises(ValueError, match="shape"):
        retrieve_wavefront(np.ones((2, 24, 24)), BEAD, background=0.1)
    with pytest.raises(ValueError, match="background"):
        retrieve_wavefront(np.ones((3, 24, 24)), BEAD, background=0)
    for starts in (np.zeros(9), np.zeros((2, 3)), np.zeros((0, 10)), np.zeros((1, 1, 10))):
        with pytest.raises(ValueError, match=r"Expected starts \(S, 10\)"):
            retrieve_wavefront(np.ones((3, 24, 24)), BEAD, background=0.1, starts=starts)
    with pytest.raises(ValueError, match="iterations"):
        retrieve_wavefront(np.ones((3, 24, 24)), BEAD, background=0.1, iterations=0)
    for counted, light in ((np.ones((1, 2, 2)), np.ones((1, 2, 3))), (np.ones(4), np.ones(4))):
        with pytest.raises(ValueError, match="of one shape"):
            misfit(counted, light)
    for counted, light in ((-1, 1), (1, 0), (1, np.nan)):
        with pytest.raises(ValueError, match="counted photons from 0 up"):
            misfit(np.full((1, 2, 2), counted), np.full((1, 2, 2), light))
    with pytest.raises(ValueError, match="bias_rad"):
        modal_search(lambda c: 1.0, 2, bias_rad=0)
    with pytest.raises(ValueError, match="curvature"):
        modal_search(lambda c: 1.0, 2, bias_rad=1, curvature=-1)
