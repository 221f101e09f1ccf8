"""A mirror that does not quite obey."""

import numpy as np
import pytest

from aimicro.simulate import Mirror


def test_a_perfect_mirror_obeys_up_to_its_stroke():
    mirror = Mirror(response=np.eye(3), rest=np.zeros(3), stroke_rad=0.5)
    np.testing.assert_allclose(mirror.adds([0.2, -0.7, 3]), [0.2, -0.5, 0.5])


def test_modes_leak_by_the_response():
    mirror = Mirror(response=[[1, 0.1], [0, 0.8]], rest=[0, 0.2])
    np.testing.assert_allclose(mirror.adds([[0, 1], [1, 0]]), [[0.1, 1.0], [1, 0.2]])


def test_a_loop_of_perfect_looks_ends_flat_but_for_nothing():
    mirror = Mirror.ageing(7, rng=0)
    wave, command = np.linspace(-0.4, 0.4, 7), np.zeros(7)
    for _ in range(20):
        command -= wave + mirror.adds(command)
    assert np.abs(wave + mirror.adds(command)).max() < 1e-6


def test_ageing_repeats_and_has_the_rest_asked_for():
    one, two = (Mirror.ageing(5, rest_rad=0.3, rng=3) for _ in range(2))
    np.testing.assert_array_equal(one.response, two.response)
    assert np.linalg.norm(one.adds(np.zeros(5))) == pytest.approx(0.3)


def test_bad_input():
    with pytest.raises(ValueError, match="square response"):
        Mirror(response=np.eye(3), rest=np.zeros(2))
    with pytest.raises(ValueError, match="stroke_rad"):
        Mirror(response=np.eye(2), rest=np.zeros(2), stroke_rad=0)
    for command in (np.zeros(3), 0.1, [0.1, np.nan]):
        with pytest.raises(ValueError, match="2 finite strengths"):
            Mirror(response=np.eye(2), rest=np.zeros(2)).adds(command)
    with pytest.raises(ValueError, match="gain_error"):
        Mirror.ageing(2, gain_error=-1, rng=0)
