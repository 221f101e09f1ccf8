"""What an objective does to a specimen: the point spread function, and blurring with it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from scipy.special import j1
from threadpoolctl import ThreadpoolController

from aimicro import checks
from aimicro.simulate import _limits
from aimicro.simulate.pupil import Pupil

MODELS = ("scalar", "vectorial")


def airy_psf(
    *,
    na: float,
    wavelength_um: float,
    pixel_size_um: float,
    shape: tuple[int, int] | None = None,
) -> NDArray[np.float32]:
    r"""Compute the in-focus point spread function of a diffraction-limited widefield microscope.

    The light of a point, at a distance :math:`r` from its centre, is the Airy pattern [1]_

    .. math:: h(r) \propto \left[\frac{2 J_1(v)}{v}\right]^2,
              \qquad v = \frac{2\pi\,\mathrm{NA}}{\lambda}\, r.

    It is dark at :math:`r = 0.61\,\lambda/\mathrm{NA}`, and as wide as
    :math:`0.51\,\lambda/\mathrm{NA}` at half its height. Each value is the mean over a square
    pixel, not the value at its centre, because that is what a camera collects.

    Parameters
    ----------
    na : float
        Numerical aperture of the objective, above 0 and up to 1.7.
    wavelength_um : float
        Wavelength of the emitted light in vacuum, in µm: 0.52 for green.
    pixel_size_um : float
        Size in µm of a camera pixel seen in the specimen: camera pixel / magnification.
    shape : (int, int), optional
        ``(Y, X)`` in pixels. By default a square with an odd side, the smallest that holds the
        circle with 99 % of the light, which has a radius of 10.1 λ/NA.

    Returns
    -------
    numpy.ndarray
        float32 image that sums to 1, with its centre at ``shape // 2``.

    Raises
    ------
    ValueError
        If a number is outside its range.

    Warns
    -----
    UserWarning
        If the pixels are larger than the Nyquist limit λ/(4 NA).

    Notes
    -----
    The formula is scalar and paraxial: right at low NA, an approximation at high NA. It knows
    nothing of polarisation, defocus or aberrations. Light outside the window is shared out over
    it, since the sum is 1.

    Used in chapter 6, *Denoising*.

    References
    ----------
    .. [1] M. Born, E. Wolf, "Principles of Optics", 7th edition (1999), section 8.5.2.
       https://doi.org/10.1017/CBO9781139644181

    Examples
    --------
    >>> psf = airy_psf(na=1.4, wavelength_um=0.52, pixel_size_um=0.08, shape=(65, 65))
    >>> np.unravel_index(psf.argmax(), psf.shape) == (32, 32)
    True
    """
    _check_optics(na, wavelength_um, pixel_size_um)
    if shape is None:
        # The circle v holds all but J0²(v) + J1²(v) ≈ 2/(πv) of the light: set it to 1 %.
        radius_um = (2 / (np.pi * 0.01)) * wavelength_um / (2 * np.pi * na)
        side = 2 * int(np.ceil(radius_um / pixel_size_um)) + 1
        shape = (side, side)
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(
            f"Expected a shape (Y, X) of at least one pixel each, got {tuple(shape)}. "
            f"Leave it out for one that holds 99 % of the light."
        )

    # Four samples along a pixel integrate it; their number is even, so that none falls on v = 0.
    nodes, weights = np.polynomial.legendre.leggauss(4)
    y, x = (
        (np.arange(length)[:, None] - length // 2 + nodes / 2) * pixel_size_um for length in shape
    )
    v = 2 * np.pi * na / wavelength_um * np.hypot(y[:, :, None, None], x)  # (Y, 4, X, 4)
    psf = np.einsum("yaxb,a,b->yx", (2 * j1(v) / v) ** 2, weights, weights)
    return np.asarray(psf / psf.sum(), dtype=np.float32)


def psf(
    pupil: Pupil,
    shape: Sequence[int],
    *,
    voxel_size_um: float | Sequence[float],
    model: str = "scalar",
    pixel_integrated: bool = False,
) -> NDArray[np.float32]:
    r"""Compute the widefield point spread function of an objective, from its pupil.

    A point fills the pupil with light, and every spatial frequency :math:`\mathbf k` in it adds a
    plane wave to the field in the image:

    .. math:: h(x, y, z) \propto \left| \int_{|\mathbf k| \le \mathrm{NA}/\lambda}
              A(\mathbf k)\, e^{i\varphi(\mathbf k)}\,
              e^{-2\pi i z \sqrt{(n/\lambda)^2 - |\mathbf k|^2}}\,
              e^{2\pi i (k_x x + k_y y)}\, \mathrm d^2 k \right|^2.

    The vectorial model [1]_ knows that light is polarised across its direction. It adds up the
    intensities of the three components of the electric field for a molecule that tumbles or, the
    same by reciprocity, for unpolarised light that is focused.

    Parameters
    ----------
    pupil : Pupil
        The objective, with its aberrations.
    shape : sequence of int
        ``(Z, Y, X)`` in voxels, or ``(Y, X)`` for the plane in focus.
    voxel_size_um : float or sequence of float
        Size in µm in the order of `shape`, or one number for all axes.
    model : {"scalar", "vectorial"}
        Whether to treat light as a scalar wave or as a vector. A scalar spot is too narrow: by
        3 % at an NA of 0.6 in air or 0.9 in oil, by 9 % at 1.4 in oil.
    pixel_integrated : bool, default False
        Whether a value is the mean over a pixel in y and x, as a camera collects it, or the
        intensity at its centre.

    Returns
    -------
    numpy.ndarray
        float32 array of `shape` that sums to 1, with the geometric focus at ``shape // 2``. The
        plane at a higher z index is focused deeper into the specimen.

    Raises
    ------
    ValueError
        If the model is unknown, or shape or voxel size are not what they have to be.

    Warns
    -----
    UserWarning
        If voxels are larger than the Nyquist limit: λ/(4 NA) in y and x,
        λ/(2 (n - √(n² - NA²))) in z.

    Notes
    -----
    The integral is a sum over a grid in the pupil whose cells at the edge count as far as they are
    inside. The grid is so fine that the copies of the spot, which a sum over a grid has, stay
    well outside the window. Two products with small matrices then give each plane [2]_, so that
    voxels may have any size. Light outside the window is shared out over it, since the sum is 1.

    In the vectorial model the surface between specimen and immersion medium also reflects, by the
    formulas of Fresnel.

    Used in chapter 6, *Image formation*.

    References
    ----------
    .. [1] B. Richards, E. Wolf, "Electromagnetic diffraction in optical systems, II", Proc. R.
       Soc. Lond. A 253, 358 (1959). https://doi.org/10.1098/rspa.1959.0200
    .. [2] R. Soummer, L. Pueyo, A. Sivaramakrishnan, R. J. Vanderbei, "Fast computation of
       Lyot-style coronagraph propagation", Opt. Express 15, 15935 (2007).
       https://doi.org/10.1364/OE.15.015935

    Examples
    --------
    >>> pupil = Pupil(na=1.4, wavelength_um=0.52)
    >>> h = psf(pupil, (16, 33, 33), voxel_size_um=(0.2, 0.08, 0.08), model="vectorial")
    >>> h.shape, [int(i) for i in np.unravel_index(h.argmax(), h.shape)]
    ((16, 33, 33), [8, 16, 16])
    """
    if model not in MODELS:
        raise ValueError(f"Expected model 'scalar' or 'vectorial', got {model!r}. Choose one.")
    grid, voxel = _checked_grid(pupil, shape, voxel_size_um)
    # Gauss' rule: two samples along a pixel, of equal weight, integrate it.
    samples = 2 if pixel_integrated else 1
    if math.prod(grid) > _KEPT_VOXELS:
        return _spot(pupil, grid, voxel, model, samples).reshape(tuple(shape))
    own = replace(pupil)  # the mapping of aberrations in the caller's may change
    return _kept_spot(own, grid, voxel, model, samples).reshape(tuple(shape)).copy()


def _spot(
    pupil: Pupil,
    grid: tuple[int, int, int],
    voxel: tuple[float, float, float],
    model: str,
    samples: int,
) -> NDArray[np.float32]:
    """The point spread function with so many samples along a pixel."""
    z, y, x = (
        (np.arange(length) - length // 2) * step for length, step in zip(grid, voxel, strict=True)
    )
    nodes, _ = np.polynomial.legendre.leggauss(samples)
    y = np.add.outer(y, nodes / 2 * voxel[1]).ravel()
    x = np.add.outer(x, nodes / 2 * voxel[2]).ravel()

    half_window_um = float(max(-y[0], -x[0]))
    _limits.memory(f"a PSF of shape {tuple(grid)}", len(y) * len(x) * 96 + np.prod(grid) * 8, 1)
    k, inside, rho, theta = _pupil_grid(pupil, (z[0], z[-1]), half_window_um)
    to_y, to_x = (np.exp(2j * np.pi * np.outer(axis, k)).astype(np.complex64) for axis in (y, x))
    components = _components(pupil, rho, theta, model)
    wave = inside * np.exp(1j * (pupil.phase(rho, theta) + z[0] * pupil.defocus(rho)))
    one_deeper = np.exp(1j * voxel[0] * pupil.defocus(rho))

    volume = np.empty(grid, dtype=np.float32)
    # Two threads gain a third on products as small as these, and lose tenfold where another
    # program has one of the processors.
    with _threads().limit(limits=1, user_api="blas"):
        for plane in volume:
            field = to_y @ (components * wave.astype(np.complex64)) @ to_x.T  # (component, y, x)
            intensity = np.sum(field.real**2 + field.imag**2, axis=0)
            pixels = intensity.reshape(grid[1], len(nodes), grid[2], len(nodes))
            plane[:] = pixels.mean(axis=(1, 3))
            wave *= one_deeper
    volume /= volume.sum(dtype=float)
    return volume


# A microscope that images one specimen after another asks for the same spot every time, and one
# with a bent wavefront for that and the perfect one.
_kept_spot = lru_cache(maxsize=2)(_spot)
_KEPT_VOXELS = 2**21  # 8 MiB: larger ones would fill the memory


@cache
def _threads() -> ThreadpoolController:
    """Who has threads: found once, since looking through all libraries takes as long as a plane."""
    return ThreadpoolController()


def otf(psf: ArrayLike) -> NDArray[np.complex64]:
    r"""Compute the optical transfer function: how much of each spatial frequency gets through.

    .. math:: H(\mathbf k) = \sum_{\mathbf x} h(\mathbf x)\, e^{-2\pi i\, \mathbf k \mathbf x}
              \Big/ \sum_{\mathbf x} h(\mathbf x)

    Parameters
    ----------
    psf : array_like
        Point spread function with any number of axes and its centre at ``shape // 2``.

    Returns
    -------
    numpy.ndarray
        complex64 array of the same shape, with frequency 0 at ``shape // 2``, where it is 1. The
        step along an axis is 1 / (length · voxel size), in cycles per µm. It is real where the
        PSF is symmetric.

    Raises
    ------
    ValueError
        If a value is not finite, or the sum is not above 0.

    Notes
    -----
    No light gets through beyond 2 NA/λ in the plane; what there is comes from cutting the PSF off
    at the border of its window.

    Used in chapter 6, *Image formation*.

    Examples
    --------
    >>> h = psf(Pupil(na=1.4, wavelength_um=0.52), (65, 65), voxel_size_um=0.06)
    >>> float(abs(otf(h))[32, 32])
    1.0
    """
    psf = np.asarray(psf, dtype=float)
    total = psf.sum()
    if not (np.isfinite(total) and total > 0):
        raise ValueError(
            f"Expected a PSF of finite values with a sum above 0, got a sum of {total}. "
            f"Look for NaN and for a background that was taken off twice."
        )
    spectrum = fft.fftn(fft.ifftshift(psf), workers=fft_workers(psf.size))
    return np.asarray(fft.fftshift(spectrum) / total, dtype=np.complex64)


def strehl_ratio(pupil: Pupil) -> float:
    r"""Compute how bright the focus is, as a fraction of what it would be without aberrations.

    .. math:: S = \left| \frac{\int A\, e^{i\varphi}\, \mathrm d^2 k}
              {\int A\, \mathrm d^2 k} \right|^2 \approx e^{-\sigma^2}

    with the variance :math:`\sigma^2` of the phase over the pupil, which is the sum of the squared
    coefficients of its Zernike modes [1]_. Both are of the scalar wave at the geometric focus.

    Parameters
    ----------
    pupil : Pupil
        The objective, with its aberrations.

    Returns
    -------
    float
        Strehl ratio, from 0 to 1.

    Notes
    -----
    Of any mix of Noll's modes 2 to 15 the law is within 2 % up to σ = 0.35 rad, and of a single
    one up to 0.5 rad. Mixes that heap up in one place of the pupil are brighter than it says, by
    at most 7.5 % at 0.5 rad. The next term of the series, κ₄/12 in the exponent with the fourth
    cumulant κ₄ of the phase, accounts for that.

    Used in chapter 6, *Image formation*.

    References
    ----------
    .. [1] M. Born, E. Wolf, "Principles of Optics", 7th edition (1999), section 9.1.
       https://doi.org/10.1017/CBO9781139644181

    Examples
    --------
    >>> pupil = Pupil(na=1.2, wavelength_um=0.52, refractive_index=1.33, aberrations={11: 0.4})
    >>> round(strehl_ratio(pupil), 2), round(float(np.exp(-(0.4**2))), 2)
    (0.85, 0.85)
    """
    nodes, weights = np.polynomial.legendre.leggauss(64)
    rho = pupil.edge * np.sqrt((nodes + 1) / 2)  # equal steps of ρ² have equal area
    theta = np.arange(256) * 2 * np.pi / 256
    amplitude = weights * pupil.amplitude(rho)
    wave = np.exp(1j * pupil.phase(rho[:, None], theta)).mean(axis=1)
    return float(abs(amplitude @ wave / amplitude.sum()) ** 2)


def blur(specimen: ArrayLike, psf: ArrayLike) -> NDArray[np.float32]:
    r"""Blur a specimen with a point spread function.

    The image is the linear convolution, cut to the field of view:

    .. math:: g(\mathbf x) = \sum_{\mathbf u} f(\mathbf u)\, h(\mathbf x - \mathbf u).

    Nothing wraps around: light that leaves the field is lost, and none comes in from outside, so
    the image darkens within a PSF radius of the border. Away from it the light is conserved.

    Parameters
    ----------
    specimen : array_like
        ``(Y, X)``, or ``(Z, Y, X)`` with a 3D `psf`: amount of fluorophore, not negative.
    psf : array_like
        Same number of axes, no longer than `specimen` along any; not negative, with a sum of 1, and
        its centre at ``shape // 2``.

    Returns
    -------
    numpy.ndarray
        float32 image of the shape of `specimen`, nowhere negative.

    Raises
    ------
    ValueError
        If the PSF is larger than the specimen, has another number of axes or another sum, or lies
        off its centre, so that it would move the image; or a value is negative or not finite.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> point = np.zeros((65, 65))
    >>> point[32, 32] = 1000
    >>> psf = airy_psf(na=1.4, wavelength_um=0.52, pixel_size_um=0.08, shape=(65, 65))
    >>> bool(np.allclose(blur(point, psf), 1000 * psf, atol=1e-4))
    True
    """
    light = checks.image("specimen", specimen, low=0).astype(np.float32)
    hint = "Take as many axes as the specimen has: blur a stack of images one by one."
    kernel = checks.psf("psf", psf, ndim=light.ndim, hint=hint).astype(np.float32)
    if np.any(np.greater(kernel.shape, light.shape)):
        raise ValueError(
            f"Expected a PSF no larger than the specimen of shape {light.shape}, got shape "
            f"{kernel.shape}. Compute the PSF with a smaller shape, or enlarge the specimen."
        )
    return convolve(light, kernel)


def convolve(specimen: NDArray[np.float32], psf: NDArray[np.float32]) -> NDArray[np.float32]:
    """Do what :func:`blur` does, with a specimen and a PSF that need no check."""
    sides = list(zip(specimen.shape, psf.shape, strict=True))
    # Half a PSF beyond the specimen is enough: what wraps around falls before the cut.
    padded = [fft.next_fast_len(length + side // 2, real=True) for length, side in sides]
    _limits.memory(f"the convolution of {specimen.shape} with {psf.shape}", math.prod(padded), 16)
    cut = tuple(slice(side // 2, side // 2 + length) for length, side in sides)
    with fft.set_workers(fft_workers(math.prod(padded))):
        spectrum = fft.rfftn(specimen, padded)
        spectrum *= fft.rfftn(psf, padded)
        image: NDArray[np.float32] = fft.irfftn(spectrum, padded, overwrite_x=True)[cut]
    return np.maximum(image, 0)  # round-off of the FFT


def fft_workers(n_values: int) -> int:
    """Say on how many cores a Fourier transform of so many values is fastest.

    Parameters
    ----------
    n_values : int
        Numbers that are transformed.

    Returns
    -------
    int
        1 for less than 2**18, a plane of 512 x 512: handing them to threads takes longer than
        transforming them. -1, which is SciPy's word for all cores, for more.

    Notes
    -----
    Used in chapter 6, *Image formation*.
    """
    return -1 if n_values >= 2**18 else 1


def _check_optics(na: float, wavelength_um: float, pixel_size_um: float) -> None:
    """Check the three numbers of an objective and its camera."""
    hint = "Read it off the objective, where it stands after the magnification."
    checks.number("numerical aperture na", na, above=0, high=1.7, hint=hint)
    _limits.wavelength("wavelength_um", wavelength_um)
    _limits.pixel("pixel_size_um", pixel_size_um)
    _limits.warn_above(wavelength_um / (4 * na), "pixels of at most λ/(4 NA)", pixel_size_um)


def _pupil_grid(
    pupil: Pupil, ends_um: tuple[float, float], half_window_um: float
) -> tuple[NDArray[np.float64], ...]:
    """Spatial frequencies along an axis, and cover, radius and angle of the pupil's cells.

    A sum over cells of width dk shows the spot again at every distance 1/dk. At twice the size of
    window and spot the copies do not reach into the window.
    """
    radius = pupil.na * pupil.edge / pupil.wavelength_um

    def grid(cells: int) -> tuple[NDArray[np.float64], ...]:
        steps = np.arange(-cells, cells + 1)
        distance = np.hypot(steps[:, None], steps) / cells
        inside = np.clip((1 - distance) * cells + 0.5, 0, 1)
        rho = pupil.edge * np.minimum(distance, 1)  # a cell on the edge counts with its inner part
        return steps * radius / cells, inside, rho, np.arctan2(steps[:, None], steps)

    k, inside, rho, theta = coarse = grid(64)
    spot_um = 0.0
    for depth in ends_um:
        slopes = np.gradient(pupil.phase(rho, theta) + depth * pupil.defocus(rho), k, k)
        # Light leaves a point of the pupil sideways by the slope of the phase. Where it grazes the
        # surface of the specimen the slope has no limit, but there is next to no light.
        spot_um = max(spot_um, np.quantile(np.hypot(*slopes)[inside > 0], 0.9) / (2 * np.pi))
    cells = int(np.ceil(2 * radius * (half_window_um + spot_um)))
    _limits.memory(f"a pupil for a window of ±{half_window_um:g} µm", (2 * cells + 1) ** 2, 200)
    return coarse if cells <= 64 else grid(cells)


def _components(
    pupil: Pupil, rho: NDArray[np.float64], theta: NDArray[np.float64], model: str
) -> NDArray[np.float32]:
    """Amplitudes whose fields add up in intensity: one, or the five of Richards and Wolf."""
    if model == "scalar":
        return pupil.amplitude(rho)[None].astype(np.float32)
    n, n_s = pupil.refractive_index, pupil.n_sample
    cos, cos_s = pupil.cos_angle(rho), pupil.cos_angle(rho, sample=True)
    sin_s = pupil.na * rho / n_s
    # Fresnel: what passes the surface of the specimen on the way in, and by reciprocity what a
    # molecule sends out; 1 if there is no surface. The field across the plane of incidence (s)
    # stays in the image plane, the other (p) tilts.
    s = 2 * n * cos / (n * cos + n_s * cos_s)
    p = 2 * n * cos / (n_s * cos + n * cos_s)
    sin_phi, cos_phi = np.sin(theta), np.cos(theta)
    fields = (
        p * cos_s * cos_phi**2 + s * sin_phi**2,
        p * cos_s * sin_phi**2 + s * cos_phi**2,
        (p * cos_s - s) * sin_phi * cos_phi * np.sqrt(2),  # x from y, and y from x
        p * sin_s * cos_phi,
        p * sin_s * sin_phi,
    )
    return (np.stack(fields) / np.sqrt(cos)).astype(np.float32)


def _checked_grid(
    pupil: Pupil, shape: Sequence[int], voxel_size_um: float | Sequence[float]
) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """Shape and voxel size with three axes each."""
    shape = _limits.voxels(shape)
    size = np.array(_limits.voxel("voxel_size_um", voxel_size_um, len(shape)))
    na, n, wavelength_um = pupil.na * pupil.edge, pupil.refractive_index, pupil.wavelength_um
    _limits.warn_above(wavelength_um / (4 * na), "pixels of at most λ/(4 NA)", size[-2:].max())
    planes, rows, columns = (1, *map(int, shape))[-3:]
    if planes > 1:
        axial_um = wavelength_um / (2 * (n - np.sqrt(n**2 - na**2)))
        _limits.warn_above(axial_um, "planes at most λ/(2 (n - √(n² - NA²)))", size[0])
    dz, dy, dx = (1.0, *map(float, size))[-3:]
    return (planes, rows, columns), (dz, dy, dx)
