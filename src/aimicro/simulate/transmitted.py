"""Unstained cells in transmitted light: brightfield and phase contrast."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt, find_objects, gaussian_filter

from aimicro import checks
from aimicro.simulate import _limits

_HELP = "Look up its meaning and unit in help(transmitted_light)."


def cell_thickness(
    labels: ArrayLike, *, pixel_size_um: float, height_um: float = 3.0
) -> NDArray[np.float32]:
    r"""Give labelled cells a thickness: each becomes a dome like a drop on a cover slip.

    At a distance :math:`d` from the outline of a cell, whose inmost point lies :math:`D` deep,

    .. math:: t = t_0 \sqrt{1 - (1 - d/D)^2}.

    Parameters
    ----------
    labels : array_like
        ``(Y, X)`` whole numbers, 0 for background.
    pixel_size_um : float
        Pixel size in µm.
    height_um : float, default 3
        Largest thickness :math:`t_0` of every cell in µm.

    Returns
    -------
    numpy.ndarray
        ``(Y, X)`` float32 thickness in µm, 0 in the background. Its creases are smoothed over a
        twentieth of the width of a cell, so that the outline is a little soft.

    Raises
    ------
    ValueError
        If the labels are no image, or a length is not positive.

    Notes
    -----
    A cell that the border of the field cuts off is taken to go on beyond it. The thickness of
    cells in a stack is that of their labelled planes: ``(labels > 0).sum(axis=0) * dz``.

    Used in chapter 1, *One sample, many microscopes*.

    Examples
    --------
    >>> labels = np.zeros((64, 64), int)
    >>> labels[16:48, 16:48] = 1
    >>> thickness_um = cell_thickness(labels, pixel_size_um=0.25, height_um=4)
    >>> bool(3.5 < thickness_um.max() <= 4)
    True
    """
    hint = "For a stack sum the labelled planes: (labels > 0).sum(axis=0) * dz."
    labels = checks.labels("labels", labels, ndim=2, hint=hint)
    _limits.pixel("pixel_size_um", pixel_size_um)
    checks.number("height_um", height_um, above=0, unit="µm")
    thickness_um = np.zeros(labels.shape, np.float32)
    for i, tight in enumerate(find_objects(labels), start=1):
        if tight is None:
            continue
        box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in tight)
        own = labels[box] == i
        if own.all():  # no outline in sight
            dome, width = np.ones(own.shape), 0.0
        else:
            depth = distance_transform_edt(own)
            width = depth.max()
            dome = np.sqrt(1 - (1 - depth / width) ** 2)
        thickness_um[box] += height_um * gaussian_filter(dome * own, width / 10, mode="nearest")
    return np.minimum(thickness_um, np.float32(height_um))


def phase_map(
    thickness_um: ArrayLike, *, refractive_index_difference: float = 0.03, wavelength_um: float
) -> NDArray[np.float32]:
    r"""Compute by how much a thin object delays light.

    .. math:: \varphi = \frac{2\pi}{\lambda}\, \Delta n\, t

    Parameters
    ----------
    thickness_um : array_like
        Thickness :math:`t` in µm, of any shape.
    refractive_index_difference : float, default 0.03
        Refractive index of the object less that of what surrounds it. Cells in water: 0.02 to
        0.05.
    wavelength_um : float
        Wavelength :math:`\lambda` in vacuum, in µm.

    Returns
    -------
    numpy.ndarray
        float32 phase of the same shape in radians, positive where the object delays light.

    Raises
    ------
    ValueError
        If the wavelength is not positive, or the index difference is no number.

    Notes
    -----
    Used in chapter 1, *One sample, many microscopes*.

    Examples
    --------
    >>> phase_rad = phase_map([0.0, 3.0], refractive_index_difference=0.03, wavelength_um=0.55)
    >>> phase_rad.round(2).tolist()
    [0.0, 1.0299999713897705]
    """
    _limits.wavelength("wavelength_um", wavelength_um)
    hint = "Give the index of the object less that of what surrounds it: 0.03 for cells."
    checks.number("refractive_index_difference", refractive_index_difference, hint=hint)
    factor = 2 * np.pi * refractive_index_difference / wavelength_um
    return np.asarray(factor * np.asarray(thickness_um, dtype=float), dtype=np.float32)


def transmitted_light(
    phase_rad: ArrayLike,
    *,
    absorption: ArrayLike | None = None,
    pixel_size_um: float,
    na: float = 0.5,
    wavelength_um: float = 0.55,
    refractive_index: float = 1.33,
    contrast: Literal["brightfield", "phase"] = "brightfield",
    condenser: float = 0.5,
    defocus_um: float = 0.0,
    ring: tuple[float, float] = (0.5, 0.6),
    ring_transmission: float = 0.25,
) -> NDArray[np.float32]:
    r"""Image a thin object in brightfield or in Zernike's phase contrast.

    The object multiplies the light by :math:`T = e^{i\varphi - a}`. Each point of the condenser
    aperture sends a plane wave with the spatial frequency :math:`\mathbf s`, whose image passes
    the pupil :math:`P`. Points do not interfere with one another, so intensities add up [1]_:

    .. math:: I(\mathbf x) = \frac{1}{N} \sum_{\mathbf s}
              \left| \int \hat T(\mathbf k)\, P(\mathbf k + \mathbf s)\,
              e^{2\pi i\, \mathbf k \mathbf x}\, d\mathbf k \right|^2, \qquad
              N = \sum_{\mathbf s} |P(\mathbf s)|^2.

    In the pupil lies the exact defocus phase
    :math:`2\pi z \sqrt{(n/\lambda)^2 - |\mathbf k|^2}`. In phase contrast light comes from a
    ring, and a plate in the pupil advances what passes through the image of that ring by a
    quarter of a wave and weakens it. That is the direct light: it then meets the light that the
    object scattered in opposite phase, and denser parts look dark [2]_.

    Parameters
    ----------
    phase_rad : array_like
        ``(Y, X)`` phase :math:`\varphi` in radians, positive where the object delays the light.
    absorption : array_like, optional
        ``(Y, X)`` absorption :math:`a` of the amplitude, from 0 up: light passes with the fraction
        :math:`e^{-2a}`. By default none.
    pixel_size_um : float
        Pixel size in µm; at most λ/(4 NA).
    na : float, default 0.5
        Numerical aperture of the objective, below the refractive index.
    wavelength_um : float, default 0.55
        Wavelength :math:`\lambda` in vacuum, in µm.
    refractive_index : float, default 1.33
        Refractive index :math:`n` of what surrounds the object, water by default.
    contrast : {"brightfield", "phase"}, default "brightfield"
        What stands in condenser and pupil.
    condenser : float, default 0.5
        Numerical aperture of the condenser as a fraction of that of the objective, from 0 for
        coherent light, in brightfield.
    defocus_um : float, default 0
        How far the plane in focus lies behind the object, in the direction of the light, in µm.
    ring : (float, float), default (0.5, 0.6)
        Inner and outer radius of the phase ring as fractions of the aperture, in phase contrast.
    ring_transmission : float, default 0.25
        Fraction of the intensity that the phase ring lets through.

    Returns
    -------
    numpy.ndarray
        ``(Y, X)`` float32 intensity, 1 where there is no object. Multiply by the photons of a
        pixel of the empty field before exposing a camera.

    Raises
    ------
    ValueError
        If a number is out of range, or an image has a wrong shape or values.

    Warns
    -----
    UserWarning
        If the pixels are larger than the Nyquist limit λ/(4 NA).

    Notes
    -----
    The object is taken to be thin and to be mirrored at the border of the field. The source is 40
    points: spread over the condenser's disc, or for phase contrast along the middle of the ring. A
    ring much narrower than the default needs a wide field, more than :math:`\lambda/NA` over its
    width, or it loses contrast. Two special
    cases show what to expect of a weak object in coherent light with a wide open pupil. Out of
    focus its curvature becomes visible, with opposite sign on either side [3]_,

    .. math:: I \approx 1 - \frac{\lambda z}{2\pi n}\, \nabla^2 \varphi,

    and phase contrast makes its phase itself visible: with the transmission :math:`\tau` of the
    ring, :math:`I \approx 1 - 2\varphi/\sqrt{\tau}`. Wide and flat parts of an object scatter
    light so little aside that it falls on the ring too. This gives the bright halo around cells
    and the fading of their inside that real phase contrast shows.

    Used in chapter 1, *One sample, many microscopes*.

    References
    ----------
    .. [1] M. Born, E. Wolf, "Principles of Optics", 7th edition (1999), section 10.6.2.
       https://doi.org/10.1017/CBO9781139644181
    .. [2] F. Zernike, "Phase contrast, a new method for the microscopic observation of
       transparent objects", Physica 9 (1942) 686–698.
       https://doi.org/10.1016/S0031-8914(42)80035-X
    .. [3] M. R. Teague, "Deterministic phase retrieval: a Green's function solution", Journal of
       the Optical Society of America 73 (1983) 1434–1441. https://doi.org/10.1364/JOSA.73.001434

    Examples
    --------
    >>> empty = transmitted_light(np.zeros((64, 64)), pixel_size_um=0.2, contrast="phase")
    >>> bool(np.allclose(empty, 1, atol=1e-5))
    True
    """
    optics = _Optics(
        na=na,
        wavelength_um=wavelength_um,
        refractive_index=refractive_index,
        contrast=contrast,
        condenser=condenser,
        defocus_um=defocus_um,
        ring=ring,
        ring_transmission=ring_transmission,
    )
    optics.check(pixel_size_um)
    hint = "Sum a stack along z first."
    phase = checks.image("phase_rad", phase_rad, ndim=2, hint=hint).astype(float)
    absorbed = np.asarray(0.0 if absorption is None else absorption)
    if absorption is not None:
        checks.image("absorption", absorbed, ndim=2, low=0, hint=hint)
        if absorbed.shape != phase.shape:
            raise ValueError(
                f"Expected absorption of shape {phase.shape}, that of phase_rad, got "
                f"{absorbed.shape}. Give both for the same field."
            )

    margin = int(np.ceil(optics.reach_um / pixel_size_um))
    sides = [scipy.fft.next_fast_len(side + 2 * margin) for side in phase.shape]
    _limits.memory(f"an image of shape {phase.shape} with its margin", math.prod(sides), 64)
    after = [n - side - margin for n, side in zip(sides, phase.shape, strict=True)]
    transmission = np.exp(1j * phase) * np.exp(-absorbed.astype(float))
    transmission = np.pad(transmission, [(margin, n) for n in after], mode="symmetric")
    image = _image(transmission.astype(np.complex64), pixel_size_um, optics)
    inside = tuple(slice(margin, margin + side) for side in phase.shape)
    return np.asarray(image[inside], dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class _Optics:
    """Condenser and objective; see :func:`transmitted_light`."""

    na: float
    wavelength_um: float
    refractive_index: float
    contrast: str
    condenser: float
    defocus_um: float
    ring: tuple[float, float]
    ring_transmission: float

    def check(self, pixel_size_um: float) -> None:
        """Refuse what no microscope has, and warn of pixels that are too large."""
        _limits.pixel("pixel_size_um", pixel_size_um)
        _limits.wavelength("wavelength_um", self.wavelength_um)
        checks.number("refractive_index", self.refractive_index, low=1, high=2, hint=_HELP)
        hint = "It lies below the refractive index: take the objective's own immersion."
        checks.number("na", self.na, above=0, below=self.refractive_index, hint=hint)
        checks.one_of("contrast", self.contrast, ("brightfield", "phase"))
        checks.number("condenser", self.condenser, low=0, high=1, hint=_HELP)
        inner, outer = self.ring
        checks.number("the inner radius of ring", inner, low=0, below=1, hint=_HELP)
        checks.number("the outer radius of ring", outer, above=inner, high=1, hint=_HELP)
        checks.number("ring_transmission", self.ring_transmission, above=0, high=1, hint=_HELP)
        checks.number("defocus_um", self.defocus_um, unit="µm", hint=_HELP)
        limit_um = self.wavelength_um / (4 * self.na)
        _limits.warn_above(limit_um, "pixels of at most λ/(4 NA)", pixel_size_um)

    @property
    def cutoff(self) -> float:
        """Radius of the pupil, in cycles per µm."""
        return self.na / self.wavelength_um

    @property
    def reach_um(self) -> float:
        """How far from a point its light matters."""
        tilt = self.na / np.sqrt(self.refractive_index**2 - self.na**2)
        return float(4 / self.cutoff + abs(self.defocus_um) * tilt)

    def pupil(
        self, ky: NDArray[np.float32], kx: NDArray[np.float32], step: float
    ) -> NDArray[np.complex64]:
        """What passes at each spatial frequency; edges are soft over a `step`."""
        k: NDArray[np.float32] = np.hypot(ky[:, None], kx)
        light = _step(self.cutoff - k, step).astype(np.complex64)
        if self.contrast == "phase":
            inner, outer = (radius * self.cutoff for radius in self.ring)
            on_ring = np.minimum(_step(k - inner, step), _step(outer - k, step))
            light *= 1 + (-1j * np.sqrt(self.ring_transmission) - 1) * on_ring
        if self.defocus_um:
            kz = np.sqrt(np.maximum((self.refractive_index / self.wavelength_um) ** 2 - k**2, 0))
            light *= np.exp(np.complex64(2j * np.pi * self.defocus_um) * kz)
        return light

    def source(self) -> NDArray[np.float64]:
        """Points of the condenser aperture as (y, x), in cycles per µm.

        They come in opposite pairs, so that an object in focus shows no slope as brightness.
        """
        pair = np.arange(20)
        if self.contrast == "phase":
            angle, radius = pair * np.pi / 20, np.full(20, np.mean(self.ring))
        elif self.condenser == 0:
            return np.zeros((1, 2))
        else:  # seeds of a sunflower share out the area evenly
            angle = pair * np.pi * (3 - np.sqrt(5))
            radius = self.condenser * np.sqrt((pair + 0.5) / 20)
        half = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=-1)
        return self.cutoff * np.concatenate([half, -half])


def _image(
    transmission: NDArray[np.complex64], pixel_size_um: float, optics: _Optics
) -> NDArray[np.float32]:
    """Intensity in the light of all points of the source, 1 where there is no object."""
    sides, cutoff = transmission.shape, optics.cutoff
    spectrum = scipy.fft.fft2(transmission)
    ky, kx = (scipy.fft.fftfreq(n, pixel_size_um).astype(np.float32) for n in sides)
    step = float(max(ky[1], kx[1]))
    image, direct = np.zeros(sides, np.float32), 0.0
    for sy, sx in optics.source():
        rows = np.flatnonzero(np.abs(ky + sy) <= cutoff + step)
        columns = np.flatnonzero(np.abs(kx + sx) <= cutoff + step)
        pupil = optics.pupil(ky[rows] + sy, kx[columns] + sx, step)
        field = np.zeros((len(rows), sides[1]), np.complex64)
        field[:, columns] = spectrum[np.ix_(rows, columns)] * pupil
        lines = np.zeros(sides, np.complex64)
        lines[rows] = scipy.fft.ifft(field, axis=1, overwrite_x=True)
        field = scipy.fft.ifft(lines, axis=0, overwrite_x=True)
        image += field.real**2 + field.imag**2
        direct += float(np.abs(optics.pupil(ky[:1] + sy, kx[:1] + sx, step)[0, 0]) ** 2)
    return image / direct


def _step(distance: NDArray[np.floating], width: float) -> NDArray[np.float32]:
    """Return 1 inside and 0 outside, with an edge of the width of a sample in the pupil."""
    return np.asarray(np.clip(0.5 + distance / width, 0, 1), dtype=np.float32)
