"""What focus measures share: noise, a fading border, and how fine a frequency is."""

import numpy as np
from numpy.typing import NDArray

from aimicro.simulate import Noise

_FADING = 0.25  # of each side fades to nothing at its ends: what lies beyond is not known


def variance(values: NDArray[np.float64], noise: Noise) -> float:
    """Mean variance of the noise of an image."""
    photons = max(float(values.mean()) - noise.offset, 0.0)
    return max(noise.gain * photons + noise.read_noise**2, 1e-12)


def window(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return weights that fade at the border."""
    # Here, because it takes long to load: every start of the command line would wait for it.
    from scipy.signal.windows import tukey

    weights: NDArray[np.float64] = np.outer(tukey(shape[0], _FADING), tukey(shape[1], _FADING))
    return weights


def frequencies(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Cycles per pixel of what ``rfft2`` gives."""
    rows, columns = np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1])
    across: NDArray[np.float64] = np.hypot(rows[:, None], columns)
    return across
