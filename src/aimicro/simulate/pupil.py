"""The pupil of an objective: which directions of light get through, and how late they arrive."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro import checks
from aimicro.simulate import _limits
from aimicro.simulate.zernike import wavefront


@dataclass(frozen=True, kw_only=True)
class Pupil:
    r"""An objective as its pupil: a disc of directions with a phase.

    Light that leaves the focus at an angle :math:`\theta` to the axis crosses the pupil at the
    radius :math:`\rho = n \sin\theta / \mathrm{NA}`. There its phase is

    .. math:: \varphi = \sum_j a_j Z_j(\rho, \vartheta) + \frac{2\pi}{\lambda}\, d
              \left[\sqrt{n_s^2 - (\mathrm{NA}\,\rho)^2} - \sqrt{n^2 - (\mathrm{NA}\,\rho)^2}
              \right].

    The second term is what a specimen of another refractive index :math:`n_s` does to light from
    a depth :math:`d` in it [1]_ [2]_: mostly spherical aberration and a shift of the focus.

    Attributes
    ----------
    na : float
        Numerical aperture, above 0 and below `refractive_index`.
    wavelength_um : float
        Wavelength in vacuum, in µm.
    refractive_index : float, default 1.518
        Index :math:`n` of the immersion medium, from 1 (air) to 2. The default is oil.
    aberrations : mapping of int or str to float, optional
        Zernike modes, by index or name, in radians RMS. See
        :func:`aimicro.simulate.zernike.wavefront`.
    index : {"noll", "osa"}
        Whose indices the whole numbers in `aberrations` are.
    apodisation : bool, default False
        Whether the amplitude grows as :math:`1/\sqrt{\cos\theta}` towards the edge, so that an
        objective which obeys the sine condition keeps the energy [3]_. The vectorial model of
        :func:`aimicro.simulate.optics.psf` has it always.
    sample_index : float, optional
        Index :math:`n_s` of the specimen, from 1 to 2; by default that of the immersion medium.
        Light with :math:`\mathrm{NA}\,\rho > n_s` does not exist in the specimen and is blocked.
    depth_um : float, default 0
        Depth :math:`d` of the light source below the coverslip, in µm. It matters only if
        `sample_index` differs from `refractive_index`.
    refocused : bool, default True
        Whether to take the shift of the focus out of the phase, so that a structure is imaged
        where it is. Without, it appears :attr:`focal_shift_um` away, as at a real microscope
        whose stage is believed.

    Raises
    ------
    ValueError
        If a number is outside its range, or an aberration is unknown or not finite.

    Notes
    -----
    The phase is that of light on its way out of the specimen, and z grows into the specimen, away
    from the objective. So positive defocus moves the bright spot to lower z.

    Used in chapter 6, *Image formation*.

    References
    ----------
    .. [1] S. Hell, G. Reiner, C. Cremer, E. H. K. Stelzer, "Aberrations in confocal fluorescence
       microscopy induced by mismatches in refractive index", J. Microsc. 169, 391 (1993).
       https://doi.org/10.1111/j.1365-2818.1993.tb03315.x
    .. [2] S. F. Gibson, F. Lanni, "Experimental test of an analytical model of aberration in an
       oil-immersion objective lens used in three-dimensional light microscopy", J. Opt. Soc. Am.
       A 9, 154 (1992). https://doi.org/10.1364/JOSAA.9.000154
    .. [3] B. Richards, E. Wolf, "Electromagnetic diffraction in optical systems, II", Proc. R.
       Soc. Lond. A 253, 358 (1959). https://doi.org/10.1098/rspa.1959.0200

    Examples
    --------
    >>> oil = Pupil(na=1.3, wavelength_um=0.52, sample_index=1.33, depth_um=10)
    >>> round(oil.focal_shift_um, 1)  # of 10 µm
    2.3
    """

    na: float
    wavelength_um: float
    refractive_index: float = 1.518
    aberrations: Mapping[int | str, float] = field(default_factory=dict, hash=False)
    index: str = "noll"
    apodisation: bool = False
    sample_index: float | None = None
    depth_um: float = 0.0
    refocused: bool = True

    def __post_init__(self) -> None:
        n = checks.number("refractive_index", self.refractive_index, low=1, high=2,
                          hint="Air has 1, water 1.33, oil 1.518.")  # fmt: skip
        hint = "It lies below the refractive index: take the objective's own immersion."
        checks.number("numerical aperture na", self.na, above=0, below=n, hint=hint)
        _limits.wavelength("wavelength_um", self.wavelength_um)
        if self.sample_index is not None:
            hint = "Water has 1.33; leave it out if the specimen matches the immersion medium."
            checks.number("sample_index", self.sample_index, low=1, high=2, hint=hint)
        hint = "Count from the coverslip into the specimen."
        checks.number("depth_um", self.depth_um, low=0, hint=hint)
        object.__setattr__(self, "aberrations", dict(self.aberrations))  # the caller's may change
        wavefront(self.aberrations, 0, 0, index=self.index)  # unknown modes and NaN end here

    @property
    def edge(self) -> float:
        """Radius at which the pupil ends: 1, or less where the specimen's index limits the NA."""
        return min(1.0, self.n_sample / self.na)

    @property
    def n_sample(self) -> float:
        """Refractive index of the specimen, which is that of the immersion medium by default."""
        return self.refractive_index if self.sample_index is None else self.sample_index

    @cached_property
    def focal_shift_um(self) -> float:
        """How much deeper than `depth_um` one must focus, in µm, because the indices differ.

        Where the axis is brightest, aberrations of the objective apart. It is negative where the
        specimen has the higher index.
        """
        rho = self.edge * np.sqrt((np.arange(2048) + 0.5) / 2048)  # rings of equal area
        path_um = self._mismatch_um(rho)
        if not path_um.any():
            return 0.0
        # Rays from the centre of the pupil and from near its edge meet the axis at these ends.
        axial = self._axial(rho[[0, 1638]], self.refractive_index)
        start, stop = self.depth_um * (axial / self._axial(rho[[0, 1638]], self.n_sample) - 1)
        for _ in range(2):  # first roughly, then finely
            shifts = np.linspace(start, stop, 256)
            phase = 2 * np.pi / self.wavelength_um * path_um + shifts[:, None] * self.defocus(rho)
            best = shifts[np.abs(np.exp(1j * phase).sum(axis=1)).argmax()]
            step = shifts[1] - shifts[0]
            start, stop = best - step, best + step
        return float(best)

    def amplitude(self, rho: ArrayLike) -> NDArray[np.float64]:
        """Amplitude at radius `rho`, inside the edge: 1 without apodisation."""
        rho = np.asarray(rho, float)
        if not self.apodisation:
            return np.ones(rho.shape)
        return self.cos_angle(rho) ** -0.5

    def phase(self, rho: ArrayLike, theta: ArrayLike) -> NDArray[np.float64]:
        """Phase in radians at radius `rho` and angle `theta`, for light from the nominal focus."""
        rho = np.asarray(rho, float)
        path_um = self._mismatch_um(rho)
        modes = wavefront(self.aberrations, rho, theta, index=self.index)
        shift_um = self.focal_shift_um if self.refocused else 0.0
        mismatch = 2 * np.pi / self.wavelength_um * path_um + shift_um * self.defocus(rho)
        return modes + mismatch

    def defocus(self, rho: ArrayLike) -> NDArray[np.float64]:
        r"""Phase in radians that a µm of defocus adds at radius `rho`, exact at any NA.

        .. math:: -\frac{2\pi}{\lambda} \sqrt{n^2 - (\mathrm{NA}\,\rho)^2}
        """
        axial = self._axial(np.asarray(rho, float), self.refractive_index)
        return -2 * np.pi / self.wavelength_um * axial

    def cos_angle(self, rho: ArrayLike, *, sample: bool = False) -> NDArray[np.float64]:
        """Cosine of the angle to the axis at radius `rho`, in the immersion or in the sample."""
        n = self.n_sample if sample else self.refractive_index
        return self._axial(np.asarray(rho, float), n) / n

    def _axial(self, rho: NDArray[np.float64], n: float) -> NDArray[np.float64]:
        """Refractive index times cosine of the angle: waves per vacuum wavelength along z."""
        return np.asarray(np.sqrt(np.maximum(n**2 - (self.na * rho) ** 2, 0)))

    def _mismatch_um(self, rho: NDArray[np.float64]) -> NDArray[np.float64]:
        """Path that the specimen adds because it is not the immersion medium."""
        in_sample = self._axial(rho, self.n_sample)
        return self.depth_um * (in_sample - self._axial(rho, self.refractive_index))
