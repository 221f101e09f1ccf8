"""Zernike polynomials against formulas written out by hand, exact arithmetic and their algebra."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimicro.simulate.zernike import (
    NAMES,
    nm_to_noll,
    nm_to_osa,
    noll_to_nm,
    noll_to_osa,
    osa_to_nm,
    osa_to_noll,
    wavefront,
    zernike,
)

# Table I of Noll (1976), with x = ρ cos θ and y = ρ sin θ multiplied out.
BY_HAND = {
    1: lambda x, y: 1 + 0 * x,
    2: lambda x, y: 2 * x,
    3: lambda x, y: 2 * y,
    4: lambda x, y: np.sqrt(3) * (2 * x**2 + 2 * y**2 - 1),
    5: lambda x, y: 2 * np.sqrt(6) * x * y,
    6: lambda x, y: np.sqrt(6) * (x**2 - y**2),
    7: lambda x, y: np.sqrt(8) * (3 * (x**2 + y**2) - 2) * y,
    8: lambda x, y: np.sqrt(8) * (3 * (x**2 + y**2) - 2) * x,
    9: lambda x, y: np.sqrt(8) * (3 * x**2 * y - y**3),
    10: lambda x, y: np.sqrt(8) * (x**3 - 3 * x * y**2),
    11: lambda x, y: np.sqrt(5) * (6 * (x**2 + y**2) ** 2 - 6 * (x**2 + y**2) + 1),
    12: lambda x, y: np.sqrt(10) * (4 * (x**2 + y**2) - 3) * (x**2 - y**2),
    13: lambda x, y: np.sqrt(10) * (4 * (x**2 + y**2) - 3) * 2 * x * y,
    14: lambda x, y: np.sqrt(10) * (x**4 - 6 * x**2 * y**2 + y**4),
    15: lambda x, y: np.sqrt(10) * 4 * (x**3 * y - x * y**3),
}


def disc(pixels):
    """Cartesian coordinates of a disc this wide, and the share of each pixel that is inside."""
    axis = (np.arange(pixels) + 0.5) * 2 / pixels - 1
    parts = axis[:, None] + ((np.arange(16) + 0.5) / 16 - 0.5) * 2 / pixels
    inside = np.hypot(parts[:, :, None, None], parts) <= 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return x, y, inside.mean(axis=(1, 3))


@pytest.mark.parametrize("j", BY_HAND)
def test_first_15_noll_modes_are_those_written_by_hand(j):
    x, y, _ = disc(64)
    ours = zernike(j, np.hypot(x, y), np.arctan2(y, x))
    np.testing.assert_allclose(ours, BY_HAND[j](x, y), atol=1e-12)


def test_orthonormal_on_a_disc_of_256_pixels():
    # All modes up to order 6. Pixels at the border count as far as they are inside, and those with
    # their centre outside have the value of the edge, as in the pupil of a PSF.
    x, y, weight = disc(256)
    weight = weight / weight.sum()
    rho, theta = np.minimum(np.hypot(x, y), 1), np.arctan2(y, x)
    modes = np.stack([zernike(j, rho, theta).ravel() for j in range(1, 29)])
    np.testing.assert_allclose((modes * weight.ravel()) @ modes.T, np.eye(28), atol=1e-3)


@pytest.mark.parametrize("j", [1, 4, 11, 37, 200, 1000])
def test_orthonormal_at_any_order(j):
    # Gauss and equal angles integrate these polynomials exactly, up to round-off.
    nodes, weights = np.polynomial.legendre.leggauss(100)
    rho, theta = np.sqrt((nodes + 1) / 2)[:, None], np.arange(256) * 2 * np.pi / 256
    mode = zernike(j, rho, theta)
    for other in range(1, 80):
        product = weights / 2 @ (mode * zernike(other, rho, theta)).mean(axis=1)
        assert product == pytest.approx(float(j == other), abs=1e-10)


@pytest.mark.parametrize(("n", "m"), [(12, 4), (41, 7), (100, 0), (101, 99), (120, -30)])
def test_high_orders_against_exact_arithmetic(n, m):
    for rho in (Fraction(1, 10), Fraction(7, 10), Fraction(95, 100), Fraction(1)):
        half = (n - abs(m)) // 2
        exact = sum(
            (-1) ** s * comb(n - s, s) * comb(n - 2 * s, half - s) * rho ** (n - 2 * s)
            for s in range(half + 1)
        )
        theta = 0.3
        angular = np.cos(m * theta) if m >= 0 else np.sin(-m * theta)
        expected = np.sqrt((n + 1) * (2 if m else 1)) * float(exact) * angular
        ours = zernike(nm_to_noll(n, m), float(rho), theta)
        assert ours == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_indices_of_the_standards():
    # Noll's table, and the pyramid of ANSI Z80.28.
    noll = [(0, 0), (1, 1), (1, -1), (2, 0), (2, -2), (2, 2), (3, -1), (3, 1), (3, -3), (3, 3)]
    noll += [(4, 0), (4, 2), (4, -2), (4, 4), (4, -4), (5, 1), (5, -1), (5, 3), (5, -3), (5, 5)]
    assert [noll_to_nm(j) for j in range(1, 21)] == noll
    assert [osa_to_nm(j) for j in range(15)] == [
        (n, m) for n in range(5) for m in range(-n, n + 1, 2)
    ]
    assert [noll_to_osa(j) for j in range(1, 12)] == [0, 2, 1, 4, 3, 5, 7, 8, 6, 9, 12]


@given(j=st.integers(1, 10**12))
@settings(max_examples=200, deadline=None)
def test_indices_there_and_back(j):
    assert nm_to_noll(*noll_to_nm(j)) == j
    assert nm_to_osa(*osa_to_nm(j)) == j
    assert osa_to_noll(noll_to_osa(j)) == j
    n, m = noll_to_nm(j)
    assert abs(m) <= n
    assert (n - m) % 2 == 0
    assert m == 0 or (m > 0) == (j % 2 == 0)


def test_osa_index_is_taken():
    rho, theta = np.linspace(0, 1, 9), 0.4
    np.testing.assert_array_equal(
        zernike(12, rho, theta, index="osa"), zernike(11, rho, theta, index="noll")
    )
    np.testing.assert_array_equal(
        wavefront({8: 0.3}, rho, theta, index="osa"), 0.3 * zernike(8, rho, theta)
    )


def test_wavefront_adds_modes_by_index_and_by_name():
    rho, theta = np.linspace(0, 1, 9)[:, None], np.linspace(0, 6, 7)
    phase = wavefront({"primary spherical": 0.5, 4: -0.1, "vertical coma": 0.2}, rho, theta)
    by_hand = 0.5 * zernike(11, rho, theta) - 0.1 * zernike(4, rho, theta)
    np.testing.assert_allclose(phase, by_hand + 0.2 * zernike(7, rho, theta), atol=1e-14)
    assert phase.shape == (9, 7)
    assert phase.dtype == np.float64
    np.testing.assert_array_equal(wavefront({}, rho, theta), np.zeros((9, 7)))


def test_names_say_which_way_a_mode_lies():
    x, y = np.array([0.6, 0.0]), np.array([0.0, 0.6])

    def by_name(name, x, y):
        return wavefront({name: 1}, np.hypot(x, y), np.arctan2(y, x))

    for name in NAMES:
        if "horizontal" in name:
            assert by_name(name, x, y)[0] == pytest.approx(-by_name(name, -x, y)[0])
            assert by_name(name, x, y)[1] == pytest.approx(0, abs=1e-12)
        if "vertical" in name and ("tilt" in name or "coma" in name):
            assert by_name(name, x, y)[0] == pytest.approx(0, abs=1e-12)
        if "oblique" in name and "trefoil" not in name:
            assert by_name(name, x, y) == pytest.approx([0, 0], abs=1e-12)
    assert len(set(NAMES.values())) == len(NAMES)


@given(a=st.lists(st.floats(-2, 2), min_size=14, max_size=14))
@settings(max_examples=20, deadline=None)
def test_variance_of_a_wavefront_is_the_sum_of_squares(a):
    nodes, weights = np.polynomial.legendre.leggauss(12)
    rho, theta = np.sqrt((nodes + 1) / 2)[:, None], np.arange(16) * 2 * np.pi / 16
    phase = wavefront(dict(enumerate(a, start=2)), rho, theta)
    assert weights / 2 @ (phase**2).mean(axis=1) == pytest.approx(np.sum(np.square(a)), abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: zernike(0, 0, 0), "the Noll index of 1 or more, got 0"),
        (
            lambda: zernike(-1, 0, 0, index="osa"),
            "the OSA index of 0 or more, got -1",
        ),
        (lambda: noll_to_nm(4.0), "whole number of 1 or more, got 4.0"),
        (lambda: noll_to_nm(True), "whole number of 1 or more, got True"),
        (lambda: nm_to_noll(3, 2), "in steps of 2, got n = 3, m = 2"),
        (lambda: nm_to_osa(2, 4), "frequency m from -2 to 2, got 4"),
        (lambda: nm_to_osa(-2, 0), "order n of 0 or more, got -2"),
        (
            lambda: zernike(4, 0, 0, index="fringe"),
            "Expected index as one of noll, osa, got 'fringe'",
        ),
        (lambda: wavefront({"comma": 1}, 0, 0), "got 'comma'. Did you mean .*coma"),
        (
            lambda: wavefront({4: np.nan}, 0, 0),
            "the coefficient of mode 4 as a finite number, got nan",
        ),
        (lambda: wavefront({"defocus": np.inf}, 0, 0), "of mode 'defocus' as .* got inf"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((TypeError, ValueError), match=message) as told:
        call()
    assert "\n" not in str(told.value)
