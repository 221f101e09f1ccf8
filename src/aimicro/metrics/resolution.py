"""How fine an image is, measured in the image itself: by two recordings, or by one.

Used in chapter 6, *Image restoration*.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimicro import checks
from aimicro.metrics._checks import lengths_of

Array = npt.NDArray[np.float64]

_FEWEST = 4  # pixels along an axis that is looked along: fewer have no frequencies between
_FADED = 0.25  # of the length of an axis, half at each end, so that opposite edges meet
_SEVENTH = 1 / 7  # where the mean of both recordings has a signal-to-noise ratio of 1/3
_CHANCE = 2.0  # standard deviations that noise strays
_ENOUGH = 16  # coefficients, of which a correlation says something
_RADII, _FILTERS = 50, 10


class FourierCorrelation(NamedTuple):
    """How alike two recordings are, from coarse structure to fine.

    Attributes
    ----------
    frequency : ndarray of float64, (N,)
        Middle of each ring or shell, in cycles for each µm.
    correlation : ndarray of float64, (N,)
        From -1 to 1: of the structure in that ring.
    n_coefficients : ndarray of int, (N,)
        Independent coefficients of the ring; the correlation of pure noise strays by about one by
        the root of it.

    Notes
    -----
    Used in chapter 6, *Image restoration*.
    """

    frequency: Array
    correlation: Array
    n_coefficients: npt.NDArray[np.int64]

    def resolution(self, *, threshold: float = _SEVENTH) -> float:
        """Period of the finest structure on which both recordings agree.

        Parameters
        ----------
        threshold : float
            Correlation below which a ring counts as noise.

        Returns
        -------
        float
            In µm: where the curve, of which three rings are averaged, first falls below the
            threshold, or below what chance could make of so few coefficients. Where it never
            does, the finest period that the pixels can hold; infinite where the recordings agree
            on nothing.

        Raises
        ------
        ValueError
            For a threshold that is not between 0 and 1.

        Notes
        -----
        Used in chapter 6, *Image restoration*.
        """
        threshold = checks.number("threshold", threshold, above=0, below=1)
        # A ring with few coefficients strays, so each has as much to say as it has of them.
        weighed, count = (
            ndimage.convolve1d(values, np.ones(3), mode="constant")
            for values in (self.correlation * self.n_coefficients, 1.0 * self.n_coefficients)
        )
        above = weighed / count - np.maximum(threshold, _CHANCE / np.sqrt(count))
        told = count >= _ENOUGH
        below = np.flatnonzero(told & (above < 0))
        if not below.size:
            return float(1 / self.frequency[-1])
        end = int(below[0])
        if not told[:end].any():
            return math.inf
        crossing = np.interp(0, above[[end, end - 1]], self.frequency[[end, end - 1]])
        return float(1 / crossing)


def fourier_correlation(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    spacing: float | Sequence[float],
    axis: int | None = None,
    within_deg: float = 15.0,
) -> FourierCorrelation:
    r"""Fourier ring correlation of two images, or Fourier shell correlation of two volumes.

    Two recordings of one field share the specimen, and not the noise. Ring by ring the two Fourier
    transforms are compared, from coarse structure to fine; where the correlation has fallen to
    nothing, the recordings hold noise alone.

    .. math:: \mathrm{FRC}(q) = \frac{\mathrm{Re} \sum_{k \in q} F_1(k) F_2^*(k)}
        {\sqrt{\sum_{k \in q} |F_1(k)|^2 \sum_{k \in q} |F_2(k)|^2}}

    Parameters
    ----------
    first, second : array_like, (Y, X) or (Z, Y, X)
        Two recordings with independent noise, registered: two exposures, or one whose photons
        were split (`split_photons`).
    spacing : float or sequence of float
        Size of a pixel along each axis, in µm.
    axis : int, optional
        Look along this axis alone, 0 for the axial resolution of a volume; by default in all
        directions together.
    within_deg : float
        How far from the axis, in degrees, a direction may be, up to 90. A wider cone holds more
        coefficients, and finer structure that does not lie along the axis.

    Returns
    -------
    FourierCorrelation
        The curve, whose method `resolution` reads it.

    Raises
    ------
    TypeError
        If an image is not made of real numbers.
    ValueError
        If the shapes differ, a pixel is not finite, an image is constant or smaller than four
        pixels along an axis, both are the same, or another argument is out of range.

    Notes
    -----
    What both recordings share counts as structure: a fixed pattern of the camera, a network's
    habits, the seams of tiles. Denoised recordings agree on what the method invents, too.

    Introduced for electron micrographs; for fluorescence by Banterle et al. [1]_ and Nieuwenhuizen
    et al. [2]_, who read the curve at 1/7. Along single directions of a volume by Koho et al. [3]_.

    Used in chapter 6, *Image restoration*.

    References
    ----------
    .. [1] N. Banterle et al., "Fourier ring correlation as a resolution criterion for
       super-resolution microscopy", J. Struct. Biol. 183, 2013,
       https://doi.org/10.1016/j.jsb.2013.05.004
    .. [2] R. P. J. Nieuwenhuizen et al., "Measuring image resolution in optical nanoscopy",
       Nat. Methods 10, 2013, https://doi.org/10.1038/nmeth.2448
    .. [3] S. Koho et al., "Fourier ring correlation simplifies image restoration in fluorescence
       microscopy", Nat. Commun. 10, 2019, https://doi.org/10.1038/s41467-019-11024-z

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> cell = ndimage.gaussian_filter(rng.normal(size=(128, 128)), 2, mode="wrap")
    >>> once, again = (cell + 0.05 * rng.normal(size=cell.shape) for _ in range(2))
    >>> curve = fourier_correlation(once, again, spacing=0.1)
    >>> bool(curve.correlation[2] > 0.9), 0.4 < curve.resolution() < 0.5
    (True, True)
    """
    first, second = _recording("first", first), _recording("second", second)
    if first.shape != second.shape:
        raise ValueError(
            f"Expected two recordings of one shape, got {first.shape} and {second.shape}. "
            "Crop them to the same field."
        )
    if np.array_equal(first, second):
        raise ValueError(
            "Expected two recordings with independent noise, got the same image twice. Take a "
            "second one, or split the photons of one with split_photons."
        )
    pixel = lengths_of(spacing, first.ndim)
    ring, step = _rings(first.shape, pixel, axis=axis, within_deg=within_deg)
    looked, n_rings = ring > 0, int(ring.max())
    one, other = (np.fft.fftn(faded(image))[looked] for image in (first, second))
    totals = [
        np.bincount(ring[looked], values, minlength=n_rings + 1)[1:]
        for values in ((one * other.conj()).real, np.abs(one) ** 2, np.abs(other) ** 2)
    ]
    n_coefficients = np.bincount(ring[looked], minlength=n_rings + 1)[1:]
    held = (totals[1] > 0) & (totals[2] > 0)
    shared, power, of_other = (total[held] for total in totals)
    return FourierCorrelation(
        np.asarray(step * (1 + np.flatnonzero(held)), dtype=np.float64),
        shared / np.sqrt(power * of_other),
        # Half of the coefficients of an image of real numbers are the others again.
        np.maximum(n_coefficients[held] // 2, 1),
    )


def _rings(
    shape: tuple[int, ...], pixel: Sequence[float], *, axis: int | None, within_deg: float
) -> tuple[npt.NDArray[np.int64], float]:
    """The ring of each coefficient, 1, 2, … from coarse to fine, or 0; and their width."""
    fine = [np.fft.fftfreq(n, um) for n, um in zip(shape, pixel, strict=True)]
    frequencies = np.stack(np.meshgrid(*fine, indexing="ij"))
    radius = np.linalg.norm(frequencies, axis=0)
    extent = np.multiply(shape, pixel)
    if axis is None:
        finest, step, looked = 0.5 / max(pixel), 1 / float(extent.min()), radius > 0
    else:
        axis = checks.whole("axis", axis, low=-len(shape), high=len(shape) - 1)
        degrees = checks.number("within_deg", within_deg, above=0, high=90)
        finest, step = 0.5 / pixel[axis], 1 / float(extent[axis])
        looked = np.abs(frequencies[axis]) >= radius * (math.cos(math.radians(degrees)) - 1e-12)
    ring = np.floor(radius / step + 0.5 + 1e-9).astype(np.int64)  # one half up, in every unit
    return np.where(looked & (ring <= round(finest / step)), ring, 0), step


class Decorrelation(NamedTuple):
    """What decorrelation analysis says of an image.

    Attributes
    ----------
    resolution : float
        Period of the finest structure that stands out from the noise, in µm; infinite where none
        does.
    strength : float
        Height of the peak of the image as it is, from 0 to 1; more where there is less noise.

    Notes
    -----
    Used in chapter 6, *Image restoration*.
    """

    resolution: float
    strength: float


def decorrelation(image: npt.ArrayLike, *, spacing: float) -> Decorrelation:
    r"""Resolution of a single image, by decorrelation analysis.

    An image is compared with itself after all strengths in its Fourier transform were made equal
    and all that is finer than *r* was cut off. While the circle takes in structure, the two grow
    more alike; when it takes in noise, less. The peak is at the finest structure that there is.
    Since coarse structure outweighs fine, it is asked again of images without their coarse part.

    .. math:: d(r) = \frac{\sum_{|k| < r} |F(k)|}
        {\sqrt{\sum_k |F(k)|^2 \cdot \#\{|k| < r\}}}

    Parameters
    ----------
    image : array_like, (Y, X)
        One image, sampled finely enough: structure up to the limit of the pixels cannot be told
        from noise.
    spacing : float
        Size of a pixel in µm.

    Returns
    -------
    Decorrelation
        Resolution in µm, and how strongly the image stands out from its noise.

    Raises
    ------
    TypeError
        If the image is not made of real numbers.
    ValueError
        If it is no image `(Y, X)`, a pixel is not finite, it is constant or smaller than four
        pixels along an axis, or the spacing is not positive.

    Notes
    -----
    The highest of the peaks of ten high-pass filtered images, each searched twice, as Descloux et
    al. [1]_ propose. Just below the cut-off of a microscope next to nothing is left that could
    stand out, so the answer is about a tenth coarser than the cut-off, and more where it is noisy.

    Used in chapter 6, *Image restoration*.

    References
    ----------
    .. [1] A. Descloux et al., "Parameter-free image resolution estimation based on decorrelation
       analysis", Nat. Methods 16, 2019, https://doi.org/10.1038/s41592-019-0515-7

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> cell = ndimage.gaussian_filter(rng.normal(size=(128, 128)), 2, mode="wrap")
    >>> found = decorrelation(cell + 0.01 * rng.normal(size=cell.shape), spacing=0.1)
    >>> 0.4 < found.resolution < 1.0
    True
    """
    pixels = _recording("image", image)
    if pixels.ndim != 2:
        raise ValueError(
            f"Expected an image (Y, X), got shape {pixels.shape}. Give one slice at a time."
        )
    pixel = checks.number("spacing", spacing, above=0, unit="µm")
    grid = np.meshgrid(*(np.fft.fftfreq(n) for n in pixels.shape), indexing="ij")
    radius = 2 * np.hypot(*grid)  # 1 where the pixels end
    inside = (radius <= 1) & (radius > 0)
    power = np.abs(np.fft.fftn(faded(pixels)))[inside]
    radius = radius[inside]
    radii = np.linspace(0, 1, _RADII + 1)[1:]
    strength, at = _peak(power, radius, radii)
    # From a filter that takes away next to nothing to one that leaves the finest pixels.
    coarsest = 2 / at if at else min(pixels.shape) / 4
    best = (at, 0.0)
    for _ in range(2):
        widths = np.geomspace(coarsest, 0.15, _FILTERS)
        for width in widths:
            kept = 1 - np.exp(-0.5 * (math.pi * width * radius) ** 2)
            height, place = _peak(power * kept, radius, radii)
            if height and place > best[0]:
                best = (place, width)
        if not best[0]:
            break
        # Once more around the highest peak, in finer steps.
        radii = np.linspace(max(best[0] - 0.1, radii[0]), min(best[0] + 0.3, 1), _RADII)
        coarsest = max(2 * best[1], 0.3)
    return Decorrelation(2 * pixel / best[0] if best[0] else math.inf, strength)


def _peak(power: Array, radius: Array, radii: Array) -> tuple[float, float]:
    """Height and place of the last peak of d(r); both 0 where the curve has none."""
    order = np.argsort(radius)
    ends = np.searchsorted(radius[order], radii, side="right")
    sums = np.concatenate([[0.0], np.cumsum(power[order])])
    curve = sums[ends] / np.sqrt(np.sum(power**2) * np.maximum(ends, 1))
    top = int(curve.argmax())
    # A curve that rises up to its end has found no noise, and thus no limit.
    while top and top == len(curve) - 1:
        curve = curve[:-1]
        top = int(curve.argmax())
    if not top or curve[top:].min() > (1 - _CHANCE / math.sqrt(ends[top])) * curve[top]:
        return 0.0, 0.0
    return float(curve[top]), float(radii[top])


def faded(image: Array) -> Array:
    """An image less its mean, faded out at its edges, since a Fourier transform joins them."""
    # Here, because it takes long to load: every start of the command line would wait for it.
    from scipy.signal.windows import tukey

    image = image - image.mean()
    for axis, n in enumerate(image.shape):
        shape = [1] * image.ndim
        shape[axis] = n
        image = image * tukey(n, _FADED).reshape(shape)
    return image


def _recording(name: str, values: npt.ArrayLike) -> Array:
    """An image or a volume in which something varies, or a clear error."""
    image = checks.image(name, values, hint="Compare one image or one volume at a time.")
    if min(image.shape) < _FEWEST:
        raise ValueError(
            f"Expected {name} with at least {_FEWEST} pixels along each axis, got shape "
            f"{image.shape}. Give a larger field."
        )
    if image.min() == image.max():
        raise ValueError(
            f"Expected {name} with structure, got one in which all pixels are {image.flat[0]}. "
            "Check how it was saved."
        )
    return np.asarray(image, dtype=np.float64)
