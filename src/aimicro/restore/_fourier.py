"""Real Fourier transforms as deconvolution needs them: on a window that leaves room for the PSF."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft

from aimicro.restore.anscombe import Image

Spectrum = npt.NDArray[np.complex64]

_NEARLY_ALL = 0.95  # of the light; widefield's tails have no end, and padding for them is slow


def reach(psf: Image) -> list[int]:
    """Distance from the centre, along each axis, within which nearly all light falls."""
    reach = []
    for axis, side in enumerate(psf.shape):
        light = psf.sum(axis=tuple(set(range(psf.ndim)) - {axis}), dtype=float)
        beside = light[side // 2 + 1 :] + light[: side // 2][::-1]
        within = light[side // 2] + np.cumsum(np.append(0, beside))
        reach.append(int(np.argmax(within > _NEARLY_ALL)))
    return reach


def room(data: Image, reach: Sequence[int]) -> list[int]:
    """Shape that reaches so far beyond the image on both sides, rounded up for fast transforms."""
    sides = zip(data.shape, reach, strict=True)
    return [fft.next_fast_len(n + 2 * r, real=True) for n, r in sides]


def otf(psf: Image, shape: Sequence[int]) -> Spectrum:
    """Spectrum of the PSF with its centre at the first voxel; what finds no room wraps around."""
    window = np.zeros(shape, np.float32)
    places = ((np.arange(p) - p // 2) % n for p, n in zip(psf.shape, shape, strict=True))
    np.add.at(window, np.ix_(*places), psf)
    return spectrum(window, shape)


def spectrum(values: Image, shape: Sequence[int]) -> Spectrum:
    """``rfftn(values, shape)`` without the rows that are only padding: twice as fast."""
    spectrum = fft.rfft(values, shape[-1], workers=-1)
    for axis in reversed(range(values.ndim - 1)):
        spectrum = fft.fft(spectrum, shape[axis], axis=axis, overwrite_x=True, workers=-1)
    return np.asarray(spectrum)


def values(spectrum: Spectrum, shape: Sequence[int], sides: Sequence[int]) -> Image:
    """``irfftn(spectrum, shape)``, computed only where it lies within these sides."""
    for axis, side in enumerate(sides[:-1]):
        rows = fft.ifft(spectrum, axis=axis, overwrite_x=True, workers=-1)
        spectrum = rows[(slice(None),) * axis + (slice(side),)]
    return np.asarray(fft.irfft(spectrum, shape[-1], workers=-1)[..., : sides[-1]])
