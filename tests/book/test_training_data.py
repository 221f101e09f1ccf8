"""What chapter 5 reckons in its text is right."""

from pathlib import Path

import numpy as np

PAGE = Path(__file__).resolve().parents[2] / "book" / "chapter05_training_data.md"


def line(x: np.ndarray) -> np.ndarray:
    """A line across, three pixels wide at half its height."""
    return np.exp(-4 * np.log(2) * (x / 3) ** 2)


def test_what_a_shift_of_the_target_costs() -> None:
    x = np.linspace(-30, 30, 60_001)
    lost = {
        shift: np.sqrt(np.mean((line(x - shift) - line(x)) ** 2) / np.mean(line(x) ** 2))
        for shift in (0.25, 0.5)
    }
    page = PAGE.read_text(encoding="utf-8")
    assert f"About {lost[0.5]:.0%} of the line's own strength".replace("%", " %") in page
    assert f"at a quarter of a pixel still {lost[0.25]:.0%}.".replace("%", " %") in page


def test_a_bright_target_is_itself_only_so_exact() -> None:
    photons = 1000
    counts = np.random.default_rng(5).poisson(photons, 200_000)
    error = np.sqrt(np.mean((counts - photons) ** 2))
    assert round(error) == 32
    assert round(20 * np.log10(photons / error)) == 30
    page = PAGE.read_text(encoding="utf-8")
    assert r"$\sqrt{1000} \approx 32$ there, 3 % of the peak, or 30 dB" in page
