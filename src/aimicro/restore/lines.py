"""The method of Richardson and Lucy for specimens of lines: of rods instead of points."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from aimicro import checks
from aimicro.restore._fourier import Blur, Spectrum, otf, spectrum, values
from aimicro.restore._variation import steps_of
from aimicro.restore.anscombe import Image
from aimicro.restore.kernel import checked, last_of, light_of
from aimicro.restore.lucy import Iteration, accelerated_from
from aimicro.simulate import Noise

_ENDS = 3.0  # standard deviations after which a rod ends
_HELD = 9  # as many images of each direction are in memory, its spectrum among them
_MOST_GB = 16


def richardson_lucy_lines(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    length_px: float = 8.0,
    n_directions: int | None = None,
    max_tilt_deg: float | None = None,
    voxel_size_um: float | Sequence[float] = 1.0,
    sparsity: float = 0.12,
    iterations: int = 30,
    refits: int = 4,
    noise: Noise | None = None,
    background: float = 0.0,
    goal: npt.ArrayLike | None = None,
    progress: bool = False,
) -> Image:
    r"""Denoise an image of thin lines: explain it by few rods, and image them again.

    A line is straight for a while. So its light can be written as that of short rods :math:`r_k`
    in some directions :math:`k`, where :math:`f_k` says how bright a rod stands at each place.
    Through a lens with the PSF :math:`h` they look like

    .. math:: m = \sum_k h \otimes r_k \otimes f_k + b.

    From even brightness, each iteration compares the image :math:`d` with :math:`m`, as that of
    Richardson and Lucy does [1]_ [2]_, and asks for few rods:

    .. math:: f_k \leftarrow \frac{f_k}{1 + \lambda} \cdot
              (h \otimes r_k)^T \otimes \frac{d}{m}.

    A rod collects the photons of its whole length, while noise rarely lies in a line. The price of
    :math:`\lambda` is that all rods come out too dim. The last iterations do without it: they
    cannot bring back what was given up, and give to the rest what it is due. Near the border, 1 is
    the fraction of a rod's light that reaches the image.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        Light in any unit, nowhere negative; with `noise`, the counts of the camera as they are.
    psf : array_like, same number of axes
        *h*, nowhere negative, with a sum of 1, sides of odd length, and its centre in the middle.
    length_px : float, default 8
        How long rods are, as the standard deviation of their light along the line, in units of
        the smallest side of a pixel or voxel; at most the longest side of the image.
    n_directions : int, optional
        In how many directions of the plane (y, x) they lie, from 0 to 180 degrees; 180 at most. By
        default 24 in an image and 12 in a volume.
    max_tilt_deg : float, optional
        For volumes: how far lines leave that plane. Rods are tilted both ways, in even steps at
        most twice as wide as from direction to direction. By default 40 degrees; 0 for lines that
        lie flat, 90 for lines that go anywhere.
    voxel_size_um : float or sequence of float
        Size of a pixel or voxel along the axes.
    sparsity : float, default 0.12
        :math:`\lambda`. Higher for fewer rods; 0 for as many as make the image likely.
    iterations : int, default 30
        How often, accelerated as in :func:`richardson_lucy`.
    refits : int, default 4
        How often after that, with :math:`\lambda = 0`.
    noise : Noise, optional
        The camera: gain, offset and read noise in counts.
    background : float
        *b*, the light that reaches every pixel, in the unit of the image.
    goal : array_like, same number of axes, optional
        Another PSF, no larger, through which the rods are imaged at the end: that of a finer
        microscope for the image that it would show. The same as `psf` if it is left out.
    progress : bool
        Show a progress bar: a volume takes minutes.

    Returns
    -------
    ndarray of float32, same shape as `image`
        *m*, what the image would be without noise, its background included; with `goal`, what
        the other microscope would show.

    Raises
    ------
    TypeError, ValueError
        If the image has other axes, a PSF does not fit it, a number is out of range, the image has
        negative pixels that no read noise explains, or all rods would need more than 16 GB.

    See Also
    --------
    richardson_lucy : The same for points, and so for specimens of any kind.

    Notes
    -----
    To explain a signal by few pieces out of many, with a price on the sum of their strengths, is
    basis pursuit [3]_; here the pieces cannot be dark, and the noise is that of photons. What is no
    line is drawn as lines all the same: the method is told what the specimen is made of, as a
    network is by its training.

    Each direction is an image of its own, and several of each are held at a time: a volume of
    16 x 128 x 128 takes 1.4 GB. Take larger ones in overlapping parts.

    Used in chapter 6, *Denoising* and *Super-resolution*, and in appendix A, *Denoising*.

    References
    ----------
    .. [1] W. H. Richardson, "Bayesian-based iterative method of image restoration", Journal of the
       Optical Society of America 62 (1972) 55-59. doi:10.1364/JOSA.62.000055
    .. [2] L. B. Lucy, "An iterative technique for the rectification of observed distributions",
       The Astronomical Journal 79 (1974) 745-754. doi:10.1086/111605
    .. [3] S. S. Chen, D. L. Donoho, M. A. Saunders, "Atomic decomposition by basis pursuit", SIAM
       Review 43 (2001) 129-159. doi:10.1137/S003614450037906X

    Examples
    --------
    >>> import numpy as np
    >>> from aimicro.simulate import airy_psf, blur
    >>> psf = airy_psf(na=1.3, wavelength_um=0.52, pixel_size_um=0.065, shape=(15, 15))
    >>> line = np.zeros((48, 48))
    >>> line[24] = 40
    >>> truth = blur(line, psf) + 1
    >>> noisy = np.random.default_rng(0).poisson(truth)
    >>> found = richardson_lucy_lines(noisy, psf, background=1)
    >>> errors = [np.sqrt(np.mean((one - truth) ** 2)) for one in (noisy, found)]
    >>> bool(errors[1] < errors[0] / 3)
    True
    """
    data, kernel = checked(image, psf)
    volume = data.ndim == 3
    if max_tilt_deg is not None and not volume:
        raise ValueError(
            f"Expected a volume (Z, Y, X) for max_tilt_deg={max_tilt_deg}, got an image of shape "
            f"{data.shape}. Nothing leaves the plane of an image: leave max_tilt_deg out."
        )
    longest = max(data.shape)
    length = checks.number("length_px", length_px, above=0, high=longest, hint="Start with 8.")
    usual = 12 if volume else 24
    around = usual if n_directions is None else n_directions
    hint = f"Start with {usual}."
    around = checks.whole("n_directions", around, low=1, high=180, hint=hint)
    tilt = 40.0 if max_tilt_deg is None else max_tilt_deg
    tilt = checks.number("max_tilt_deg", tilt, low=0, high=90, hint="Start with 40.")
    steps = steps_of(voxel_size_um, data.ndim)
    strength = np.float32(checks.number("sparsity", sparsity, low=0, hint="Start with 0.1."))
    number = checks.whole("iterations", iterations, low=1, hint="Start with 30.")
    more = checks.whole("refits", refits, low=0, hint="Start with 4.")
    hint = "Pass the PSF of the microscope whose image you want, with as many axes."
    other = (
        kernel if goal is None else checks.psf("goal", goal, ndim=data.ndim, odd=True, hint=hint)
    )
    lens = (other / other.sum()).astype(np.float32)
    if np.any(np.greater(lens.shape, kernel.shape)):
        raise ValueError(
            f"Expected a goal no larger than the PSF, of shape {kernel.shape}, got {lens.shape}. "
            "Compute both with one shape."
        )
    data, light = light_of(data, noise, background)
    rods = _Rods(kernel, data.shape, length * _directions(around, tilt if volume else None) / steps)
    iteration = Iteration(rods, data, light)
    fewer = np.reciprocal(1 + strength * iteration.weight)
    start = iteration.start() / np.float32(rods.count)
    estimates = accelerated_from(lambda f: iteration(f) * fewer, start)
    with tqdm(total=number + more, disable=not progress, unit="iteration") as bar:
        estimate = last_of(estimates, number, lambda *_: bar.update() and None)
        for _ in range(more):
            estimate = iteration(estimate)
            bar.update()
    return rods.imaged(estimate, lens) + np.float32(background)


def _directions(around: int, max_tilt_deg: float | None) -> npt.NDArray[np.float64]:
    """Vectors of length 1 along (y, x), or along (z, y, x) with tilts up to a largest."""
    if max_tilt_deg is None:
        angles = np.pi * np.arange(around) / around
        return np.stack([np.sin(angles), np.cos(angles)], axis=1)
    n_tilts = math.ceil(max_tilt_deg * around / 360)
    tilts = np.deg2rad(max_tilt_deg) * np.linspace(-1, 1, 2 * n_tilts + 1)
    # The steeper they are, the closer they stand; upright, all of them are one.
    found = []
    for tilt in tilts if max_tilt_deg < 90 else tilts[1:]:
        flat = _directions(max(1, round(around * np.cos(tilt))), None)
        found.append(np.column_stack([np.full(len(flat), np.sin(tilt)), np.cos(tilt) * flat]))
    return np.concatenate(found)


class _Rods(Blur):
    """The way from rods in all directions (K, [Z,] Y, X) to their image, and back.

    Parameters
    ----------
    psf : ndarray of float32, ([Z,] Y, X)
        With a sum of 1 and sides of odd length.
    shape : sequence of int
        Of the image.
    rods : ndarray, (K, 2) or (K, 3)
        Standard deviation of each rod along the axes, in voxels, as a vector along it.

    Attributes
    ----------
    count : int
        K.
    """

    def __init__(
        self, psf: Image, shape: Sequence[int], rods: npt.NDArray[np.floating[Any]]
    ) -> None:
        # No rod reaches farther than a spot that is as wide along each axis as any of them.
        spread = np.abs(rods).max(axis=0)
        ends = [(math.ceil(_ENDS * s),) * 2 for s in spread]
        widest = gaussian_filter(np.pad(psf, ends), spread, truncate=_ENDS)
        super().__init__(widest / widest.sum(), shape)
        self.count = len(rods)
        needed = _HELD * 4 * self.count * math.prod(self.shape) / 1e9
        if needed > _MOST_GB:
            raise ValueError(
                f"Expected rods within {_MOST_GB} GB of memory, got {self.count} directions that "
                f"need {needed:.0f} GB. Take the image in overlapping parts, or fewer directions."
            )
        sides = [fft.fftfreq(side) for side in self._room[:-1]]
        frequencies = np.meshgrid(*sides, fft.rfftfreq(self._room[-1]), indexing="ij", sparse=True)
        # The spectrum of a line that fades like a Gaussian fades like one along the line.
        self._rods = [
            np.exp(-2 * (np.pi * sum(map(operator.mul, frequencies, rod))) ** 2).astype(np.float32)
            for rod in rods
        ]
        self._otf = self._through(psf)
        self._mirrored = self._otf.conj()

    def _through(self, psf: Image) -> Spectrum:
        """The transfer function of a lens."""
        # As much of the PSF as matters within the image and its surroundings.
        far = [(side.stop - side.start) // 2 for side in self._middle]
        cut = [max(p // 2 - d, 0) for p, d in zip(psf.shape, far, strict=True)]
        near = psf[tuple(slice(c, p - c) for c, p in zip(cut, psf.shape, strict=True))]
        return otf(near, self._room, self._reach)

    def imaged(self, estimate: Image, psf: Image) -> Image:
        """The image of all rods through any lens."""
        return self._sum(estimate, self._through(psf))

    def seen(self, specimen: Image) -> Image:
        """The image of all rods."""
        return self._sum(specimen, self._otf)

    def _sum(self, estimate: Image, lens: Spectrum) -> Image:
        spread = np.zeros_like(lens)
        for rod, places in zip(self._rods, estimate, strict=True):
            spread += rod * spectrum(places, self._room)
        spread *= lens
        return values(spread, self._room, self._image)

    def back(self, image: Image) -> Image:
        """The transpose of `seen`."""
        spread = spectrum(image, self._room)
        spread *= self._mirrored
        return np.stack([values(rod * spread, self._room, self.shape) for rod in self._rods])
