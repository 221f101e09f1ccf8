"""Real Fourier transforms as deconvolution needs them: what leaves on one side never comes in."""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft

from aimicro.restore.anscombe import Image
from aimicro.simulate.optics import fft_workers
from aimicro.simulate.varying import node_weights

Spectrum = npt.NDArray[np.complex64]

SEEN = 0.01  # fraction of its light that must reach the image before a place is estimated


class Blur:
    """The way from a specimen that goes on beyond the image to the image, and back.

    All of the PSF is used, and nothing wraps around.

    Parameters
    ----------
    psf : ndarray of float32
        With a sum of 1 and sides of odd length.
    shape : sequence of int
        Of the image.

    Attributes
    ----------
    shape : tuple of int
        Of the specimen: on all sides so much larger than the image that no place farther out
        could send 1 % of its light into it.
    field : tuple of slice
        Where the image lies in the specimen.
    """

    def __init__(self, psf: Image, shape: Sequence[int]) -> None:
        reach = [_reach(psf, axis) for axis in range(psf.ndim)]
        self.shape = tuple(n + 2 * r for n, r in zip(shape, reach, strict=True))
        self.field = tuple(slice(r, r + n) for n, r in zip(shape, reach, strict=True))
        self._image, self._reach = tuple(shape), reach
        # A voxel of the image and one of the specimen are no farther apart than `far`.
        far = [min(p // 2, n + r - 1) for p, n, r in zip(psf.shape, shape, reach, strict=True)]
        self._middle = tuple(
            slice(p // 2 - d, p // 2 + d + 1) for p, d in zip(psf.shape, far, strict=True)
        )
        self._room = room_for(n + r + d for n, r, d in zip(shape, reach, far, strict=True))
        # The specimen begins `reach` before the image, but both begin at the first voxel here.
        self._otf = otf(psf[self._middle], self._room, reach)
        self._mirrored = self._otf.conj()

    def seen(self, specimen: Image) -> Image:
        """The image of a specimen."""
        spread = spectrum(specimen, self._room)
        spread *= self._otf
        return values(spread, self._room, self._image)

    def back(self, image: Image) -> Image:
        """The transpose of `seen`: an image, spread over the specimen with the mirrored PSF."""
        spread = spectrum(image, self._room)
        spread *= self._mirrored
        return values(spread, self._room, self.shape)


class Thinned(Blur):
    """The way from a specimen in fine planes to an image of every so manieth plane, and back.

    Parameters
    ----------
    psf : ndarray of float32, (Z, Y, X)
        As for `Blur`, in steps of the specimen.
    shape : sequence of int
        Of the image.
    step : int
        Planes of the specimen from one plane of the image to the next; the first and the last are
        planes of both.
    """

    def __init__(self, psf: Image, shape: Sequence[int], step: int) -> None:
        self._fine, self._step = ((shape[0] - 1) * step + 1, *shape[1:]), step
        super().__init__(psf, self._fine)

    def seen(self, specimen: Image) -> Image:
        """The image of a specimen."""
        return super().seen(specimen)[:: self._step]

    def back(self, image: Image) -> Image:
        """The transpose of `seen`: planes that nobody recorded send nothing back."""
        fine = np.zeros(self._fine, image.dtype)
        fine[:: self._step] = image
        return super().back(fine)


def blur_of(psf: Image, shape: Sequence[int], finer: int) -> Blur:
    """The way to an image of all planes, or of every so manieth, or through a PSF that changes."""
    if psf.ndim > len(shape):
        return Varying(psf, shape)
    return Blur(psf, shape) if finer == 1 else Thinned(psf, shape, finer)


class Varying(Blur):
    """The way through a lens whose PSF changes across an image, and back.

    Parameters
    ----------
    psfs : ndarray of float32, (rows, columns, Y, X)
        Those of the nodes, each with a sum of 1, with sides of odd length.
    shape : sequence of int
        Of the image.
    """

    def __init__(self, psfs: Image, shape: Sequence[int]) -> None:
        widest = psfs.max(axis=(0, 1))
        super().__init__(widest / widest.sum(), shape)
        beyond = (self._reach[0], self._reach[1])
        self._nodes = [
            (otf(psfs[row, column][self._middle], self._room, beyond), weight)
            for row, column, weight in node_weights(tuple(shape), *psfs.shape[:2], beyond=beyond)
        ]

    def seen(self, specimen: Image) -> Image:
        """The image of a specimen: each node's part of the light goes through its PSF."""
        spread = np.zeros_like(self._otf)
        for H, weight in self._nodes:
            spread += H * spectrum(weight * specimen, self._room)
        return values(spread, self._room, self._image)

    def back(self, image: Image) -> Image:
        """The transpose of `seen`."""
        spread = spectrum(image, self._room)
        found = np.zeros(self.shape, np.float32)
        for H, weight in self._nodes:
            found += weight * values(H.conj() * spread, self._room, self.shape)
        return found


class Mirrored:
    """The spectrum of an image that is mirrored at its borders as far as the PSF extends.

    Parameters
    ----------
    psf : ndarray of float32
        With sides of odd length.
    image : ndarray of float32
        As many axes.

    Attributes
    ----------
    room : list of int
        Shape of the mirrored image.
    """

    def __init__(self, psf: Image, image: Image) -> None:
        margins = [side // 2 for side in psf.shape]
        self.room = room_for(n + 2 * m for n, m in zip(image.shape, margins, strict=True))
        sides = zip(margins, self.room, image.shape, strict=True)
        wide = np.pad(image, [(m, total - m - n) for m, total, n in sides], mode="symmetric")
        self._spectrum, self._otf = spectrum(wide, self.room), otf(psf, self.room)
        self._field = tuple(slice(m, m + n) for m, n in zip(margins, image.shape, strict=True))

    def filtered(self, response: Callable[[Spectrum], Spectrum]) -> Image:
        """The image, its spectrum multiplied by what the transfer function is answered with."""
        answer = response(self._otf) * self._spectrum
        return values(answer, self.room, self.room)[self._field].copy()


def _reach(psf: Image, axis: int) -> int:
    """How far beyond the image, along one axis, a place could send 1 % of its light into it."""
    light = psf.sum(axis=tuple(set(range(psf.ndim)) - {axis}), dtype=float)
    middle = light.size // 2
    sent = (np.cumsum(side)[::-1] for side in (light[:middle], light[:middle:-1]))
    return max(int(np.count_nonzero(fraction > SEEN)) for fraction in sent)


def room_for(sides: Iterable[int]) -> list[int]:
    """Sides of at least this length whose transforms are fast."""
    return [fft.next_fast_len(side, real=True) for side in sides]


def otf(psf: Image, room: Sequence[int], before: Sequence[int] = (0, 0, 0)) -> Spectrum:
    """Spectrum of the PSF, its centre at the first voxel of a period, or so far before it."""
    window = np.zeros(room, np.float32)
    sides = zip(psf.shape, before[: psf.ndim], room, strict=True)
    window[np.ix_(*((np.arange(p) - p // 2 - b) % n for p, b, n in sides))] = psf
    return spectrum(window, room)


def spectrum(values: Image, room: Sequence[int]) -> Spectrum:
    """``rfftn(values, room)`` without the rows that are only padding: twice as fast."""
    with fft.set_workers(fft_workers(math.prod(room))):
        spectrum = fft.rfft(values, room[-1])
        for axis in reversed(range(values.ndim - 1)):
            spectrum = fft.fft(spectrum, room[axis], axis=axis, overwrite_x=True)
    return np.asarray(spectrum)


def values(spectrum: Spectrum, room: Sequence[int], sides: Sequence[int]) -> Image:
    """``irfftn(spectrum, room)``, computed only where it lies within these sides."""
    with fft.set_workers(fft_workers(math.prod(room))):
        for axis, side in enumerate(sides[:-1]):
            rows = fft.ifft(spectrum, axis=axis, overwrite_x=True)
            spectrum = rows[(slice(None),) * axis + (slice(side),)]
        return np.asarray(fft.irfft(spectrum, room[-1])[..., : sides[-1]])


def power(H: Spectrum) -> Image:
    """How much of the power of each frequency passes."""
    return np.asarray(H.real**2 + H.imag**2, np.float32)
