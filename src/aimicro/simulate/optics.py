"""What a perfect objective does to a specimen: the point spread function, and blurring with it."""

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import fftconvolve
from scipy.special import j1


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
        Same number of axes, no longer than `specimen` along any; not negative, summing to 1 if
        light is to be conserved, with its centre at ``shape // 2``.

    Returns
    -------
    numpy.ndarray
        float32 image of the shape of `specimen`, nowhere negative.

    Raises
    ------
    ValueError
        If the PSF is larger than the specimen or has another number of axes, or a value is
        negative or not finite.

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
    specimen = np.asarray(specimen, dtype=np.float32)
    psf = np.asarray(psf, dtype=np.float32)
    if psf.ndim != specimen.ndim:
        raise ValueError(
            f"Expected a PSF with as many axes as the specimen, {specimen.ndim}, got {psf.ndim}. "
            f"Blur a stack of images one by one."
        )
    if np.any(np.greater(psf.shape, specimen.shape)):
        raise ValueError(
            f"Expected a PSF no larger than the specimen of shape {specimen.shape}, got shape "
            f"{psf.shape}. Compute the PSF with a smaller shape, or enlarge the specimen."
        )
    for name, array in (("specimen", specimen), ("PSF", psf)):
        if not (np.isfinite(array).all() and (array >= 0).all()):
            raise ValueError(
                f"Expected a {name} of finite values from 0 up, got values from {array.min()} to "
                f"{array.max()}. Subtract the background and clip at 0 before blurring."
            )
    centre_to_centre = tuple(
        slice(side // 2, side // 2 + length)
        for side, length in zip(psf.shape, specimen.shape, strict=True)
    )
    image: NDArray[np.float32] = fftconvolve(specimen, psf)[centre_to_centre]
    return np.maximum(image, 0)  # round-off of the FFT


def _check_optics(na: float, wavelength_um: float, pixel_size_um: float) -> None:
    """Check the three numbers of an objective and its camera."""
    if not 0 < na <= 1.7:
        raise ValueError(
            f"Expected a numerical aperture above 0 and up to 1.7, got {na}. "
            f"Read it off the objective, where it stands after the magnification."
        )
    if not 0.1 <= wavelength_um <= 10:
        raise ValueError(
            f"Expected wavelength_um between 0.1 and 10 µm, got {wavelength_um}. "
            f"Divide nanometres by 1000."
        )
    if not (pixel_size_um > 0 and np.isfinite(pixel_size_um)):
        raise ValueError(
            f"Expected pixel_size_um above 0, got {pixel_size_um}. "
            f"Divide the camera's pixel size in µm by the magnification."
        )
    nyquist_um = wavelength_um / (4 * na)
    if pixel_size_um > nyquist_um * (1 + 1e-9):  # at the limit, whatever its last digit, is fine
        warnings.warn(
            f"Expected pixels of at most λ/(4 NA) = {nyquist_um:.4f} µm (Nyquist), got "
            f"{pixel_size_um} µm. Finer detail will alias: take smaller pixels or a lower NA.",
            UserWarning,
            stacklevel=3,
        )
