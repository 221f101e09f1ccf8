"""A bead through a bent wavefront, in focus and beside it: what phase retrieval looks at."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro import checks
from aimicro.simulate import _limits
from aimicro.simulate.pupil import Pupil
from aimicro.simulate.zernike import zernike

_CELLS = 12  # from the middle of the pupil to its edge; the spot repeats after 12 λ/NA


@dataclass(frozen=True, kw_only=True)
class PhaseDiversity:
    r"""Images of a bead in several planes, as a function of the wavefront.

    One image in focus does not tell a wavefront: of :math:`\varphi(\mathbf k)` and
    :math:`-\varphi(-\mathbf k)` it is the same. Images with a known defocus :math:`z_p` do [1]_:

    .. math:: h_p(\mathbf x) \propto \left| \sum_{\mathbf k} A\,
              e^{i \sum_j a_j Z_j + i z_p d(\mathbf k)}\, e^{2\pi i \mathbf k \mathbf x} \right|^2.

    Attributes
    ----------
    pupil : Pupil
        The objective; the modes come on top of its own aberrations.
    pixel_size_um : float
        Size of a pixel in the specimen, in µm.
    defocus_um : tuple of float
        How much deeper than the bead each image is focused, in µm.
    side : int
        Height and width of the images in pixels, even; the bead is at pixel ``side // 2``.
    modes : tuple of int
        Noll indices of the modes. Tilt (2, 3) moves the spot, defocus (4) sharpens it in another
        plane: they say where the bead is, the others how the wave is bent.

    Raises
    ------
    ValueError
        For a number out of range, or a mode that is none.

    Notes
    -----
    It computes what :func:`aimicro.simulate.psf` does for one wavefront, in the scalar model, for
    many at once: light that falls beside the window is lost.

    Used in chapter 6, *Measuring and correcting a wavefront*.

    References
    ----------
    .. [1] B. M. Hanser, M. G. L. Gustafsson, D. A. Agard, J. W. Sedat, "Phase-retrieved pupil
       functions in wide-field fluorescence microscopy", J. Microsc. 216, 32 (2004).
       https://doi.org/10.1111/j.0022-2720.2004.01393.x

    Examples
    --------
    >>> bead = PhaseDiversity(pupil=Pupil(na=1.1, wavelength_um=0.52, refractive_index=1.33))
    >>> images = bead.expected(np.zeros((5, 10)), photons=500)
    >>> images.shape, bool(images[:, 1].max() > images[:, 0].max())
    ((5, 3, 24, 24), True)
    """

    pupil: Pupil
    pixel_size_um: float = 0.11
    defocus_um: tuple[float, ...] = (-0.8, 0.0, 0.8)
    side: int = 24
    modes: tuple[int, ...] = tuple(range(2, 12))

    def __post_init__(self) -> None:
        _limits.pixel("pixel_size_um", self.pixel_size_um)
        side = checks.whole("side", self.side, low=2)
        if side % 2 or not self.defocus_um or not self.modes:
            raise ValueError(
                f"Expected an even side, a defocus for each image and a mode, got side={side}, "
                f"{len(self.defocus_um)} defocus_um and {len(self.modes)} modes. Begin with the "
                "defaults."
            )
        for place in self.defocus_um:
            checks.number("defocus_um", place, hint="Count from the bead into the specimen.")
        radius_um = side * self.pixel_size_um / 2
        reach_um = _CELLS * self.pupil.wavelength_um / self.pupil.na / 2
        if radius_um > 0.75 * reach_um:
            raise ValueError(
                f"Expected a window of at most ±{0.75 * reach_um:.1f} µm for this objective, got "
                f"±{radius_um:.1f} µm. Take fewer or smaller pixels."
            )
        for mode in self.modes:
            zernike(mode, 0, 0)  # a mode that is none ends here

    @cached_property
    def _grid(self) -> tuple[NDArray[np.complex64], NDArray[np.complex64], NDArray[np.complex64]]:
        """Waves `(planes, K, K)` without modes; modes `(M, K, K)`; and the way to the image."""
        pupil = self.pupil
        steps = np.arange(-_CELLS, _CELLS + 1)
        distance = np.hypot(steps[:, None], steps) / _CELLS
        inside = np.clip((1 - distance) * _CELLS + 0.5, 0, 1)
        rho = pupil.edge * np.minimum(distance, 1)
        theta = np.arctan2(steps[:, None], steps)
        phase = np.multiply.outer(self.defocus_um, pupil.defocus(rho)) + pupil.phase(rho, theta)
        step = pupil.na * pupil.edge / pupil.wavelength_um / _CELLS  # cycles per µm
        amplitude = inside * pupil.amplitude(rho)
        amplitude *= self.pixel_size_um * step / np.linalg.norm(amplitude)  # Parseval: sum of 1
        polynomials = np.stack([zernike(mode, rho, theta) for mode in self.modes])
        place_um = (np.arange(self.side) - self.side // 2) * self.pixel_size_um
        to_image = np.exp(2j * np.pi * np.outer(place_um, steps * step))
        waves = amplitude * np.exp(1j * phase)
        return (waves.astype("complex64"), polynomials.astype("float32"),
                to_image.astype("complex64"))  # fmt: skip

    def expected(
        self, strengths: ArrayLike, *, photons: float = 1.0, background: float = 0.0
    ) -> NDArray[np.float32]:
        """Expected photons in each pixel.

        Parameters
        ----------
        strengths : array_like, (..., M)
            Strength of each of `modes`, in radians RMS.
        photons : float
            Photons of the bead in each image, those beside the window among them.
        background : float
            Photons per pixel that do not come from the bead.

        Returns
        -------
        numpy.ndarray
            float32, ``(..., planes, Y, X)``.

        Raises
        ------
        ValueError
            If there are not as many strengths as modes, or one is not finite.
        """
        field = self._field(self._waves(strengths))
        return np.asarray(photons * (field.real**2 + field.imag**2) + background, np.float32)

    def derivatives(self, strengths: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        r"""Images of one photon, and how they change with each mode.

        .. math:: \frac{\partial |E|^2}{\partial a_j} = 2\,\mathrm{Re}\left[E^*\, F(i Z_j P)\right]

        Parameters
        ----------
        strengths : array_like, (M,)
            Strength of each of `modes`, in radians RMS.

        Returns
        -------
        images, slopes : numpy.ndarray
            float32, ``(planes, Y, X)`` and ``(M, planes, Y, X)``.

        Raises
        ------
        ValueError
            If there are not as many strengths as modes, or one is not finite.
        """
        wave = self._waves(strengths)
        field = self._field(wave)
        changed = self._field(1j * self._grid[1][:, None] * wave)
        slopes = 2 * (field.real * changed.real + field.imag * changed.imag)
        return field.real**2 + field.imag**2, slopes

    def _waves(self, strengths: ArrayLike) -> NDArray[np.complex64]:
        """In the pupil, `(..., planes, K, K)`."""
        given = np.asarray(strengths, np.float32)
        if given.shape[-1:] != (len(self.modes),) or not np.isfinite(given).all():
            raise ValueError(
                f"Expected {len(self.modes)} finite strengths, one for each mode, got shape "
                f"{given.shape}. Give radians RMS, 0 for a mode that is not there."
            )
        waves, polynomials, _ = self._grid
        bent = np.exp(1j * np.tensordot(given, polynomials, axes=1))
        return np.asarray(waves * bent[..., None, :, :], np.complex64)

    def _field(self, waves: NDArray[np.complex64]) -> NDArray[np.complex64]:
        to_image = self._grid[2]
        return np.asarray(to_image @ waves @ to_image.T)


def random_strengths(
    n: int,
    modes: Sequence[int],
    *,
    rms_rad: float | tuple[float, float],
    rng: np.random.Generator | int,
    place_rad: float = 0.0,
) -> NDArray[np.float32]:
    """Draw wavefronts in random directions, with the bead a little beside its place.

    Parameters
    ----------
    n : int
        How many.
    modes : sequence of int
        Noll indices. Those from 5 up make up the wavefront; 2 to 4 are the place of the bead.
    rms_rad : float or (float, float)
        Length of the wavefront in radians RMS: of all, or from one to another.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.
    place_rad : float
        Tilt and defocus are drawn evenly between minus and plus so many radians RMS.

    Returns
    -------
    numpy.ndarray
        float32, ``(n, len(modes))``, in radians RMS.

    Raises
    ------
    ValueError
        For a number out of range, or modes of which none is 5 or above.

    Notes
    -----
    Used in chapter 6, *Measuring and correcting a wavefront*.

    Examples
    --------
    >>> drawn = random_strengths(3, range(2, 12), rms_rad=0.8, rng=0)
    >>> bool(np.allclose(np.linalg.norm(drawn, axis=1), 0.8))
    True
    """
    n = checks.whole("n", n, low=1)
    low, high = rms_rad if isinstance(rms_rad, tuple) else (rms_rad, rms_rad)
    checks.number("rms_rad", low, low=0)
    checks.number("rms_rad", high, low=low)
    checks.number("place_rad", place_rad, low=0)
    bent = np.asarray(modes) >= 5
    if not bent.any():
        raise ValueError(f"Expected a mode from 5 up, got {list(modes)}. Add astigmatism, 5 and 6.")
    rng = np.random.default_rng(rng)
    drawn = rng.normal(size=(n, len(bent))) * bent
    drawn *= rng.uniform(low, high, (n, 1)) / np.linalg.norm(drawn, axis=1, keepdims=True)
    drawn += rng.uniform(-place_rad, place_rad, drawn.shape) * ~bent
    return drawn.astype(np.float32)
