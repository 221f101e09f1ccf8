"""Images of a bead in several planes."""

import warnings

import numpy as np
import pytest

from aimicro.simulate import PhaseDiversity, Pupil, psf, random_strengths

OBJECTIVE = Pupil(na=1.1, wavelength_um=0.52, refractive_index=1.33)
BEAD = PhaseDiversity(pupil=OBJECTIVE)


def test_it_draws_what_psf_draws():
    strengths = random_strengths(1, BEAD.modes, rms_rad=0.8, place_rad=0.3, rng=0)[0]
    aberrations = dict(zip(BEAD.modes, map(float, strengths), strict=True))
    pupil = Pupil(na=1.1, wavelength_um=0.52, refractive_index=1.33, aberrations=aberrations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = psf(pupil, (3, 24, 24), voxel_size_um=(0.8, 0.11, 0.11))
    for plane, oracle in zip(BEAD.expected(strengths), expected, strict=True):
        shape, oracle = plane / plane.sum(), oracle / oracle.sum()
        assert np.abs(shape - oracle).max() < 0.02 * oracle.max()


def test_light_is_lost_only_beside_the_window():
    focus = PhaseDiversity(pupil=OBJECTIVE, defocus_um=(0.0,))
    inside = focus.expected(np.zeros(10), photons=500).sum()
    assert 470 < inside < 501


def test_tilt_moves_and_keeps_the_spot():
    shift = np.zeros(10)
    shift[0] = 2 * np.pi * OBJECTIVE.na / OBJECTIVE.wavelength_um * 0.11 / 2  # one pixel in x
    straight, moved = BEAD.expected(np.stack([np.zeros(10), shift]))[:, 1]
    across = [np.abs(np.roll(straight, step, axis=1) - moved).max() for step in (-1, 1)]
    assert min(across) < 0.01 * straight.max()


@pytest.mark.parametrize("mode", [5, 6, 11])
def test_in_focus_even_modes_have_no_sign(mode):
    twins = np.zeros((2, 10))
    twins[:, BEAD.modes.index(mode)] = 0.7, -0.7
    plus, minus = BEAD.expected(twins)
    assert np.abs(plus[1] - minus[1]).max() < 1e-4 * plus[1].max()
    assert np.abs(plus[0] - minus[0]).max() > 0.1 * plus[0].max()


def test_derivatives_are_those_of_differences():
    strengths = random_strengths(1, BEAD.modes, rms_rad=0.8, place_rad=0.3, rng=1)[0]
    images, slopes = BEAD.derivatives(strengths)
    np.testing.assert_allclose(images, BEAD.expected(strengths), atol=1e-7)
    for mode, slope in enumerate(slopes):
        step = 0.02 * (np.arange(10) == mode)
        change = (BEAD.expected(strengths + step) - BEAD.expected(strengths - step)) / 0.04
        assert np.abs(change - slope).max() < 0.02 * np.abs(slopes).max()


def test_strengths_have_the_length_that_is_asked_for():
    drawn = random_strengths(50, BEAD.modes, rms_rad=(0.2, 0.9), place_rad=0.5, rng=0)
    length = np.linalg.norm(drawn[:, 3:], axis=1)
    assert length.min() >= 0.2 - 1e-6
    assert length.max() <= 0.9 + 1e-6
    assert np.abs(drawn[:, :3]).max() <= 0.5
    np.testing.assert_array_equal(
        drawn, random_strengths(50, BEAD.modes, rms_rad=(0.2, 0.9), place_rad=0.5, rng=0)
    )


def test_bad_input():
    with pytest.raises(ValueError, match="10 finite strengths"):
        BEAD.expected(np.zeros(9))
    with pytest.raises(ValueError, match="window"):
        PhaseDiversity(pupil=OBJECTIVE, side=64)
    for wrong in ({"side": 23}, {"defocus_um": ()}, {"modes": ()}):
        with pytest.raises(ValueError, match="even side, a defocus for each image and a mode"):
            PhaseDiversity(pupil=OBJECTIVE, **wrong)
    with pytest.raises(ValueError, match="Noll"):
        PhaseDiversity(pupil=OBJECTIVE, modes=(0,))
    with pytest.raises(ValueError, match="mode from 5 up"):
        random_strengths(1, (2, 3), rms_rad=1, rng=0)
    with pytest.raises(ValueError, match="rms_rad"):
        random_strengths(1, (5, 6), rms_rad=-1, rng=0)
