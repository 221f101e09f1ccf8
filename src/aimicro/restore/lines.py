"""The method of Richardson and Lucy for specimens of lines: of rods instead of points."""

import math
from collections.abc import Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import gaussian_filter

from aimicro import checks
from aimicro.restore._fourier import Blur, Spectrum, otf, spectrum, values
from aimicro.restore.anscombe import Image
from aimicro.restore.kernel import checked, light_of
from aimicro.restore.lucy import Iteration, accelerated_from
from aimicro.simulate import Noise

_ENDS = 3.0  # standard deviations after which a rod ends


def richardson_lucy_lines(
    image: npt.ArrayLike,
    psf: npt.ArrayLike,
    *,
    length_px: float = 8.0,
    n_directions: int = 24,
    sparsity: float = 0.12,
    iterations: int = 30,
    refits: int = 4,
    noise: Noise | None = None,
    background: float = 0.0,
    goal: npt.ArrayLike | None = None,
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
    image : array_like, (Y, X)
        Light in any unit, nowhere negative; with `noise`, the counts of the camera as they are.
    psf : array_like, (Y, X)
        *h*, nowhere negative, with a sum of 1, sides of odd length, and its centre in the middle.
    length_px : float, default 8
        How long rods are, as the standard deviation of their light along the line, in pixels; at
        most the longer side of the image.
    n_directions : int, default 24
        In how many directions they lie, from 0 to 180 degrees; 180 at most.
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
    goal : array_like, (Y, X), optional
        Another PSF, no larger, through which the rods are imaged at the end: that of a finer
        microscope for the image that it would show. The same as `psf` if it is left out.

    Returns
    -------
    ndarray of float32, (Y, X)
        *m*, what the image would be without noise, its background included; with `goal`, what
        the other microscope would show.

    Raises
    ------
    TypeError, ValueError
        If the image is no image (Y, X), a PSF does not fit it, a number is out of range, or the
        image has negative pixels that no read noise explains.

    See Also
    --------
    richardson_lucy : The same for points, and so for specimens of any kind.

    Notes
    -----
    To explain a signal by few pieces out of many, with a price on the sum of their strengths, is
    basis pursuit [3]_; here the pieces cannot be dark, and the noise is that of photons. What is no
    line is drawn as lines all the same: the method is told what the specimen is made of, as a
    network is by its training.

    Used in chapter 6, *Denoising* and *Super-resolution*.

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
    data, kernel = checked(checks.intensities("image", image, ndim=2), psf)
    longest = max(data.shape)
    length = checks.number("length_px", length_px, above=0, high=longest, hint="Start with 8.")
    directions = checks.whole("n_directions", n_directions, low=1, high=180, hint="Start with 24.")
    strength = np.float32(checks.number("sparsity", sparsity, low=0, hint="Start with 0.1."))
    number = checks.whole("iterations", iterations, low=1, hint="Start with 30.")
    more = checks.whole("refits", refits, low=0, hint="Start with 4.")
    hint = "Pass the PSF (Y, X) of the microscope whose image you want."
    other = kernel if goal is None else checks.psf("goal", goal, ndim=2, odd=True, hint=hint)
    lens = (other / other.sum()).astype(np.float32)
    if np.any(np.greater(lens.shape, kernel.shape)):
        raise ValueError(
            f"Expected a goal no larger than the PSF, of shape {kernel.shape}, got {lens.shape}. "
            "Compute both with one shape."
        )
    data, light = light_of(data, noise, background)
    rods = _Rods(kernel, data.shape, length, directions)
    iteration = Iteration(rods, data, light)
    fewer = np.reciprocal(1 + strength * iteration.weight)
    start = iteration.start() / np.float32(directions)
    *_, estimate = islice(accelerated_from(lambda f: iteration(f) * fewer, start), number)
    for _ in range(more):
        estimate = iteration(estimate)
    return rods.imaged(estimate, lens) + np.float32(background)


class _Rods(Blur):
    """The way from rods in all directions (K, Y, X) to their image, and back.

    Parameters
    ----------
    psf : ndarray of float32, (Y, X)
        With a sum of 1 and sides of odd length.
    shape : sequence of int
        Of the image.
    length_px : float
        Standard deviation of a rod along its direction.
    n_directions : int
        K.
    """

    def __init__(
        self, psf: Image, shape: Sequence[int], length_px: float, n_directions: int
    ) -> None:
        # No rod reaches farther, in any direction, than a round spot of its length.
        ends = math.ceil(_ENDS * length_px)
        widest = gaussian_filter(np.pad(psf, ends), length_px, truncate=_ENDS)
        super().__init__(widest / widest.sum(), shape)
        ky, kx = fft.fftfreq(self._room[0])[:, None], fft.rfftfreq(self._room[1])
        angles = np.pi * np.arange(n_directions) / n_directions
        # The spectrum of a line that fades like a Gaussian fades like one along the line.
        along = [(ky * np.sin(angle) + kx * np.cos(angle)) * length_px for angle in angles]
        self._rods = [np.exp(-2 * (np.pi * a) ** 2).astype(np.float32) for a in along]
        self._otfs = self._through(psf)

    def _through(self, psf: Image) -> list[Spectrum]:
        """Spectra of the rods as they look through a lens."""
        # As much of the PSF as matters within the image and its surroundings.
        far = [(side.stop - side.start) // 2 for side in self._middle]
        cut = [max(p // 2 - d, 0) for p, d in zip(psf.shape, far, strict=True)]
        near = psf[cut[0] : psf.shape[0] - cut[0], cut[1] : psf.shape[1] - cut[1]]
        lens = otf(near, self._room, (self._reach[0], self._reach[1]))
        return [lens * rod for rod in self._rods]

    def imaged(self, estimate: Image, psf: Image) -> Image:
        """The image of all rods through any lens."""
        return self._sum(estimate, self._through(psf))

    def seen(self, specimen: Image) -> Image:
        """The image of all rods."""
        return self._sum(specimen, self._otfs)

    def _sum(self, estimate: Image, otfs: Sequence[Spectrum]) -> Image:
        spread = np.zeros_like(otfs[0])
        for H, rods in zip(otfs, estimate, strict=True):
            spread += H * spectrum(rods, self._room)
        return values(spread, self._room, self._image)

    def back(self, image: Image) -> Image:
        """The transpose of `seen`."""
        spread = spectrum(image, self._room)
        return np.stack([values(H.conj() * spread, self._room, self.shape) for H in self._otfs])
