"""A microscope in a few numbers, and the images that it takes of a specimen."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro import checks
from aimicro.simulate import _limits, modalities, optics
from aimicro.simulate._sampling import along_z, central, downsample, mean, nearest, slab_fractions
from aimicro.simulate.camera import Camera
from aimicro.simulate.modalities import MODALITIES, SCANNED, Light
from aimicro.simulate.optics import convolve
from aimicro.simulate.pupil import Pupil

Volume = NDArray[np.float32]


class Acquisition(NamedTuple):
    """What an image costs in time and in light.

    Attributes
    ----------
    seconds : float
        Time to record it.
    exposures_per_voxel : float
        How often a voxel of the specimen is lit, which bleaches it and harms the cell.
    frames : int
        Images that are recorded; structured illumination computes a plane from several.
    """

    seconds: float
    exposures_per_voxel: float
    frames: int


@dataclass(frozen=True, eq=False)
class Recording:
    """An image and all that is known of it, on the grid of the image.

    Attributes
    ----------
    truth : numpy.ndarray
        ``(Z, Y, X)`` or ``(Y, X)`` float32 specimen.
    noise_free : numpy.ndarray
        float32 expected photons of the same shape, background included.
    measured : numpy.ndarray
        Counts of the camera, of the same shape.
    psf : numpy.ndarray
        float32 point spread function at the middle of the specimen's depth. It sums to 1, with
        its centre at ``shape // 2``.
    labels : numpy.ndarray or None
        int32 labels of the same shape as `truth`, 0 for background, if any were given.
    voxel_size_um : tuple of float
        Size in µm along the axes of the image, in their order.
    microscope : Microscope
        What took the image.

    Notes
    -----
    Used in chapter 1, *One sample, many microscopes*, and chapter 6, *Image formation*.
    """

    truth: Volume
    noise_free: Volume
    measured: NDArray[np.uint8 | np.uint16 | np.uint32]
    psf: Volume
    labels: NDArray[np.int32] | None
    voxel_size_um: tuple[float, ...]
    microscope: "Microscope"

    @property
    def photons(self) -> Volume:
        """The measured image in photons, which may be negative where it is dark."""
        return self.microscope.camera.photons(self.measured)


@dataclass(frozen=True)
class Microscope:
    r"""A microscope: one objective, one colour, and the way it forms an image.

    The image of a specimen :math:`o` is

    .. math:: i = p\,\Big(\sum_k \big(w_k\, e^{-d/L}\, o\big) * f_k\Big) + b,
              \qquad \sum_k w_k(d) = 1,

    with the photons :math:`p`, the background :math:`b`, the point spread function (PSF)
    :math:`f_k` of slab :math:`k` at its depth, the fraction :math:`w_k` that a slab has in a plane
    at depth :math:`d`, and the attenuation length :math:`L`. The camera adds its noise.

    Attributes
    ----------
    modality : str
        How the image is formed: "widefield", "confocal", "two-photon", "light-sheet", "sted" or
        "structured illumination". :mod:`aimicro.simulate.modalities` has the formula of each.
    na : float, default 1.3
        Numerical aperture of the objective, for excitation and detection.
    excitation_um : float, optional
        Vacuum wavelength in µm of the light that excites, where that is focused (confocal, STED,
        two-photon). By default 0.488, and 0.92 for two-photon excitation.
    emission_um : float, default 0.525
        Vacuum wavelength in µm of the fluorescence.
    depletion_um : float, optional
        Vacuum wavelength in µm of the doughnut of STED, by default 0.592.
    refractive_index : float, default 1.518
        Refractive index under the objective: 1.518 for oil, 1.33 for water, 1 for air.
    sample_index : float, optional
        Refractive index of the specimen. Where it differs from `refractive_index`, the image gets
        worse with depth. By default they are equal.
    voxel_size_um : tuple of float, default (0.2, 0.08, 0.08)
        Size of a voxel of the image in µm, ``(z, y, x)``, or ``(y, x)`` for 2D only.
    pinhole_au : float, optional
        Diameter of the pinhole of a confocal or STED microscope in Airy units of
        1.22 λ_emission/NA, by default 1.
    sheet_thickness_um : float, optional
        Thickness of the light sheet in µm, full width at half maximum, by default 2.
    saturation : float, optional
        How far STED narrows the spot: the factor ξ in d/√(1 + ξ), by default 20.
    model : {"scalar", "vectorial"}, default "scalar"
        How :func:`~aimicro.simulate.optics.psf` treats polarisation.
    aberrations : mapping, optional
        Zernike modes and their strength in radians RMS at `emission_um`. Light of another
        wavelength sees the same path in µm. Keys are Noll indices or names, as in
        :class:`~aimicro.simulate.optics.Pupil`.
    attenuation_length_um : float, default inf
        Depth in µm over which the light falls to 1/e, on its way in and out together.
    dwell_us : float, optional
        Time in µs that a scanning microscope spends on a voxel, by default 1.
    camera : Camera, optional
        The detector, for all modalities alike.

    Raises
    ------
    ValueError
        If a field is outside its range or has no meaning for the modality, or that is unknown.

    Notes
    -----
    With the spots :math:`h_{ex}` and :math:`h_{em}` of the light that goes in and comes out, as
    :func:`~aimicro.simulate.optics.psf` computes them, the PSFs are

    - widefield: :math:`h_{em}`, collected by camera pixels;
    - confocal: :math:`h_{ex}\,(h_{em} \otimes \text{pinhole})` [1]_;
    - two-photon: :math:`h_{ex}^2` [2]_;
    - light-sheet: :math:`h_{em}\, 2^{-(2z/t)^2}` with the thickness :math:`t` [3]_;
    - STED: the confocal one times :math:`2^{-\xi D}`, where the doughnut :math:`D`, the focus of a
      vortex, is scaled to :math:`(2r/d)^2` about its zero. So it depletes half at :math:`r = d/2`
      if :math:`\xi = 1`, and the width :math:`d` becomes :math:`d/\sqrt{1 + \xi}` [4]_;
    - structured illumination: :math:`h_{em}(2x, 2y, 0)\,\operatorname{sinc}^2(2z/a)` with
      :math:`a = \lambda/(n - \sqrt{n^2 - \mathrm{NA}^2})`, half of widefield's width along each
      axis. It passes frequencies up to twice those of widefield, in the plane and along z, and
      no plane out of focus, as after an ideal reconstruction of 3D data [5]_.

    These are models, and leave things out. All: PSFs sum to 1 whatever the modality and depth, so
    the light that a pinhole, a doughnut or an aberration costs has to be taken off `photons`.
    Light-sheet: a real sheet gets thicker along its way. STED: no aberration of the doughnut, a
    perfect zero, no depletion along z, no bleaching by the strong beam. Structured illumination:
    no stripes of a real reconstruction, the noise of a plain camera image instead of that of a
    reconstruction, and aberrations act in the plane only.

    Used in chapter 1, *One sample, many microscopes*, and chapter 6, *Image formation*.

    References
    ----------
    .. [1] R. H. Webb, "Confocal optical microscopy", Reports on Progress in Physics 59 (1996),
       427-471. https://doi.org/10.1088/0034-4885/59/3/003
    .. [2] W. Denk, J. H. Strickler, W. W. Webb, "Two-photon laser scanning fluorescence
       microscopy", Science 248 (1990), 73-76. https://doi.org/10.1126/science.2321027
    .. [3] J. Huisken et al., "Optical sectioning deep inside live embryos by selective plane
       illumination microscopy", Science 305 (2004), 1007-1009.
       https://doi.org/10.1126/science.1100035
    .. [4] B. Harke et al., "Resolution scaling in STED microscopy", Optics Express 16 (2008),
       4154-4162. https://doi.org/10.1364/OE.16.004154
    .. [5] M. G. L. Gustafsson et al., "Three-dimensional resolution doubling in wide-field
       fluorescence microscopy by structured illumination", Biophysical Journal 94 (2008),
       4957-4970. https://doi.org/10.1529/biophysj.107.120345

    Examples
    --------
    >>> specimen = np.zeros((16, 64, 64))
    >>> specimen[8, 32, 32] = 100
    >>> recording = Microscope("confocal").image(specimen, photons=50, background=2, rng=0)
    >>> recording.measured.shape, recording.measured.dtype
    ((16, 64, 64), dtype('uint16'))
    >>> bool(np.isclose(recording.noise_free.max(), 2 + 50 * 100 * recording.psf.max()))
    True
    """

    modality: str
    _: KW_ONLY
    na: float = 1.3
    excitation_um: float | None = None
    emission_um: float = 0.525
    depletion_um: float | None = None
    refractive_index: float = 1.518
    sample_index: float | None = None
    voxel_size_um: tuple[float, ...] = (0.2, 0.08, 0.08)
    pinhole_au: float | None = None
    sheet_thickness_um: float | None = None
    saturation: float | None = None
    model: str = "scalar"
    aberrations: Mapping[int | str, float] = field(default_factory=dict, hash=False)
    attenuation_length_um: float = np.inf
    dwell_us: float | None = None
    camera: Camera = field(default_factory=Camera)

    def __post_init__(self) -> None:
        lower = str(self.modality).lower()
        hint = f"Did you mean {lower}?" if lower in MODALITIES else ""
        checks.one_of("modality", self.modality, MODALITIES, hint=hint)
        checks.one_of("model", self.model, optics.MODELS)
        size = np.ravel(self.voxel_size_um).tolist()
        if len(size) not in (2, 3):
            raise ValueError(
                f"Expected voxel_size_um (z, y, x) or (y, x), got {self.voxel_size_um}. "
                f"Divide the camera's pixel size in µm by the magnification."
            )
        voxel = _limits.voxel("voxel_size_um", size, len(size))
        object.__setattr__(self, "voxel_size_um", voxel)
        object.__setattr__(self, "aberrations", dict(self.aberrations))  # the caller's may change
        self._check_fields()
        self.pupil(self.emission_um)  # checks the objective and its aberrations
        if self.modality != "sted":
            return
        saturation = self._own("saturation")
        finest_um = self.excitation_wavelength_um / (4 * self.na * np.sqrt(1 + saturation))
        if max(self.voxel_size_um[-2:]) > finest_um * (1 + 1e-9):
            warnings.warn(
                f"Expected voxels of at most λ/(4 NA √(1 + ξ)) = {finest_um:.4f} µm along y and x "
                f"(Nyquist), got {self.voxel_size_um}. Take smaller voxels or a lower saturation.",
                UserWarning,
                stacklevel=3,
            )

    def _check_fields(self) -> None:
        """Check what the pupil and the camera do not check themselves."""
        for name, (where, _) in _OWN.items():
            value = getattr(self, name)
            if value is not None and self.modality not in where:
                raise ValueError(
                    f"Expected no {name} for {self.modality}, where it has no meaning, got "
                    f"{value}. Leave it out; it belongs to {', '.join(sorted(where))}."
                )
        for name in ("excitation_um", "emission_um", "depletion_um"):
            if getattr(self, name) is not None:
                _limits.wavelength(name, getattr(self, name))
        for name in ("sheet_thickness_um", "dwell_us"):
            if getattr(self, name) is not None:
                checks.number(name, getattr(self, name), above=0)
        for name in ("pinhole_au", "saturation"):
            if getattr(self, name) is not None:
                checks.number(name, getattr(self, name), low=0)
        if self.attenuation_length_um != np.inf:
            checks.number("attenuation_length_um", self.attenuation_length_um, above=0, unit="µm")

    def _own(self, name: str) -> float:
        """Return a field of this modality, or its default."""
        value = getattr(self, name)
        return float(_OWN[name][1] if value is None else value)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Build the microscope that ``aimicro simulate`` has noted for a pair.

        Parameters
        ----------
        record : mapping
            ``"microscope"`` of a pair in ``simulation.json``.

        Returns
        -------
        Microscope
            The same, aberrations and camera included.

        Raises
        ------
        TypeError
            If the record has a field that no microscope has.
        ValueError
            If a field is outside its range.

        Notes
        -----
        Used in appendix A, *Deconvolution*.

        Examples
        --------
        >>> record = {"modality": "confocal", "na": 1.2, "attenuation_length_um": "inf"}
        >>> Microscope.from_record(record).attenuation_length_um
        inf
        """
        # JSON has no infinity, so it stands there as a word.
        fields: dict[str, Any] = {
            name: np.inf if value == "inf" else value for name, value in record.items()
        }
        if "camera" in fields:
            fields["camera"] = Camera(**fields["camera"])
        return cls(**fields)

    def psf(
        self,
        shape: Sequence[int] | None = None,
        *,
        image_shape: Sequence[int] | None = None,
        depth_um: float = 0.0,
    ) -> Volume:
        """Compute the point spread function.

        Parameters
        ----------
        shape : sequence of int, optional
            ``(Z, Y, X)``, or ``(Y, X)`` for the plane in focus. By default an odd shape that
            follows from the optics and the voxel size, as in Notes.
        image_shape : sequence of int, optional
            ``(Z, Y, X)`` or ``(Y, X)`` of an image, instead of `shape`: the PSF that
            :meth:`image` and :meth:`expected` blur a specimen of this shape with. With widefield
            it has more planes than by default if the image has; deconvolution needs all of them.
        depth_um : float, default 0
            Depth below the coverslip in µm, of the middle plane for an image. It matters if
            `sample_index` is given.

        Returns
        -------
        numpy.ndarray
            float32 PSF that sums to 1, with the focus at ``shape // 2``.

        Raises
        ------
        ValueError
            If a shape has not two or three axes, or one of them is empty, or if both are given.

        Warns
        -----
        UserWarning
            If the voxels are too large for the detail that the modality shows.

        Notes
        -----
        By default the PSF reaches 4 λ/(n - √(n² - NA²)) up and down from the focus, or 1.5 times
        the thickness of the sheet, and sideways as far as the light spreads over that distance.
        So it holds 99 % of all light with two photons, a light sheet or structured illumination,
        97 % of a confocal PSF and 91 % of a STED PSF with a saturation of 20, and shares out the
        rest. With widefield there is no end: each plane has the same light, and the window 99.5 %
        of that in its planes. In 2D it holds 98 % or more.

        Used in chapter 6, *Image formation*, and appendix A, *Deconvolution*.

        Examples
        --------
        >>> Microscope("widefield").psf(image_shape=(32, 128, 128)).shape
        (31, 127, 127)
        """
        if shape is not None and image_shape is not None:
            raise ValueError(
                f"Expected shape or image_shape, got both, {shape} and {image_shape}. "
                "Give the shape of the PSF, or that of the image that it shall blur."
            )
        if shape is None:
            shape = self._window(None if image_shape is None else _limits.voxels(image_shape))
        shape = _limits.voxels(shape)
        self._voxel(len(shape))
        planes, rows, columns = (1, *shape)[-3:]
        psf = self._spot((planes, rows, columns), depth_um).reshape(shape)
        return np.asarray(psf / psf.sum(dtype=float), dtype=np.float32)

    def image(
        self,
        specimen: ArrayLike,
        *,
        photons: float,
        background: float = 0.0,
        labels: ArrayLike | None = None,
        rng: np.random.Generator | int,
        depth_um: float = 0.0,
        slabs: int = 1,
        oversampling: int | Sequence[int] = 1,
    ) -> Recording:
        """Take an image of a specimen.

        Parameters
        ----------
        specimen : array_like
            ``(Z, Y, X)`` or ``(Y, X)`` amount of fluorophore, from 0 up. Planes are taken from
            the coverslip downwards. A 2D specimen lies in focus.
        photons : float
            Expected photons in a voxel where the specimen, blurred with the PSF, is 1.
        background : float, default 0
            Expected photons in each voxel from elsewhere.
        labels : array_like of int, optional
            Labels of the shape of `specimen`, 0 for background, to keep with the image.
        rng : numpy.random.Generator or int
            Source of randomness, or its seed.
        depth_um : float, default 0
            Depth of the first plane below the coverslip in µm.
        slabs : int, default 1
            Depths at which the PSF is computed. One: the middle of the specimen. More: from the
            first plane to the last, and the light of a plane in between is shared linearly
            between the PSFs of its two neighbours. It costs a convolution each.
        oversampling : int or sequence of int, default 1
            Voxels of the specimen along a voxel of the image, for each axis. The specimen's
            shape must be a multiple of it.

        Returns
        -------
        Recording
            Truth, expected photons, counts, PSF and labels on the grid of the image.

        Raises
        ------
        ValueError
            If an array or number is outside its range, or shapes do not fit.

        Warns
        -----
        UserWarning
            If the voxels are too large for the detail that the modality shows.

        Notes
        -----
        Nothing comes in from outside the specimen, and nothing wraps around: the image darkens
        towards the borders. The PSF has its default shape, cut to that of the specimen. For
        widefield, and wherever `sample_index` is given, it has as many planes as the specimen (an
        odd number), so that a point is seen up to half a stack out of focus.

        From a finer specimen, a camera pixel collects all light that falls on it, while a
        scanning microscope samples the middle of the voxel. Either focuses on the middle plane.
        The truth is the mean over the voxel; a label is the one in the middle.
        """
        truth = _checked_specimen(specimen)
        if labels is not None:
            labels = _checked_labels(labels, truth.shape)
        _check_light(photons=photons, background=background, depth_um=depth_um)
        upsampling = _checked_oversampling(oversampling, truth.shape)
        voxel = self._voxel(truth.ndim)
        light, psf, depths = self._collect(truth, depth_um, slabs, upsampling)
        noise_free = float(photons) * light + float(background)
        truth = downsample(truth, upsampling, (mean, mean, mean))
        if labels is not None:
            labels = downsample(labels, upsampling, (nearest, nearest, nearest))
        if slabs > 1 or max(upsampling) > 1:
            psf = self.psf(self._window(truth.shape), depth_um=float(depths.mean()))
        return Recording(
            truth=truth,
            noise_free=noise_free,
            measured=self.camera.expose(noise_free, rng=rng),
            psf=psf,
            labels=labels,
            voxel_size_um=voxel,
            microscope=self,
        )

    def expected(
        self,
        specimen: ArrayLike,
        *,
        depth_um: float = 0.0,
        slabs: int = 1,
        oversampling: int | Sequence[int] = 1,
    ) -> Volume:
        """Return the light that :meth:`image` expects, per photon, without background or camera.

        Parameters
        ----------
        specimen : array_like
            ``(Z, Y, X)`` or ``(Y, X)`` amount of fluorophore, from 0 up.
        depth_um : float, default 0
            Depth of the first plane below the coverslip in µm.
        slabs : int, default 1
            Depths at which the PSF is computed.
        oversampling : int or sequence of int, default 1
            Voxels of the specimen along a voxel of the image, for each axis.

        Returns
        -------
        numpy.ndarray
            float32 image: the specimen as the microscope blurs it.

        Raises
        ------
        ValueError
            If an array or number is outside its range, or shapes do not fit.

        Notes
        -----
        Used in chapter 6, *Image formation*.

        Examples
        --------
        >>> specimen = np.zeros((64, 64))
        >>> specimen[32, 32] = 1
        >>> light = Microscope("widefield").expected(specimen)
        >>> light.shape, bool(0.98 < light.sum() <= 1.001)
        ((64, 64), True)
        """
        truth = _checked_specimen(specimen)
        _check_light(depth_um=depth_um)
        upsampling = _checked_oversampling(oversampling, truth.shape)
        self._voxel(truth.ndim)
        return self._collect(truth, depth_um, slabs, upsampling)[0]

    def acquisition(self, shape: Sequence[int]) -> Acquisition:
        """Tell what an image costs in time and in light.

        A camera takes one frame of ``camera.exposure_s`` per plane. Structured illumination takes
        15 (three angles, five phases), or 9 for a 2D image (three phases). A scanning microscope
        spends `dwell_us` on each voxel. Way back, switching and reading out come for free.

        Widefield, confocal, STED and structured illumination light the whole depth for each
        plane. A light sheet lights its own thickness, and two-photon excitation its focus. Only
        the light that excites is counted, not the far stronger beam that depletes in STED.

        Parameters
        ----------
        shape : sequence of int
            ``(Z, Y, X)`` or ``(Y, X)`` of the image in voxels.

        Returns
        -------
        Acquisition
            Seconds, exposures of a voxel, and frames.

        Raises
        ------
        ValueError
            If the shape has not two or three axes, or one of them is empty.

        Examples
        --------
        >>> Microscope("widefield").acquisition((50, 512, 512))
        Acquisition(seconds=5.0, exposures_per_voxel=50.0, frames=50)
        >>> Microscope("light-sheet").acquisition((50, 512, 512)).exposures_per_voxel
        10.0
        """
        shape = _limits.voxels(shape)
        self._voxel(len(shape))  # a volume needs a distance between planes
        planes = shape[0] if len(shape) == 3 else 1
        patterns = 1
        if self.modality == "structured illumination":
            patterns = 15 if planes > 1 else 9
        frames = planes * patterns
        if self.modality in SCANNED:
            seconds = float(np.prod(shape)) * self._own("dwell_us") * 1e-6
        else:
            seconds = frames * self.camera.exposure_s
        lit = min(float(planes), max(1.0, self._lit_depth_um / self.spacing_um[0]))
        return Acquisition(seconds, patterns * lit, frames)

    def _collect(
        self, specimen: Volume, depth_um: float, slabs: int, upsampling: tuple[int, ...]
    ) -> tuple[Volume, Volume, Light]:
        """Expected light on the grid of the image, the last PSF, and the depths of all planes."""
        voxel, fine = self._voxel(specimen.ndim), self
        if max(upsampling) > 1:
            fine = replace(self, voxel_size_um=_divide(voxel, upsampling))
        planes = specimen.shape[0] if specimen.ndim == 3 else 1
        depths = depth_um + fine.spacing_um[0] * np.arange(planes)
        light, psf = fine._light(specimen, depths, slabs)
        collect = central if self.modality in SCANNED else mean
        return downsample(light, upsampling, (central, collect, collect)), psf, depths

    def _light(self, specimen: Volume, depths: Light, slabs: int) -> tuple[Volume, Volume]:
        """Blur each slab with the PSF of its depth; the sum, and the last PSF."""
        glow = specimen * along_z(np.exp(-depths / self.attenuation_length_um), specimen.ndim)
        window = self._window(specimen.shape)
        light = np.zeros_like(specimen)
        for depth_um, fraction in slab_fractions(depths, slabs):
            psf = self.psf(window, depth_um=depth_um)
            light += convolve(glow * along_z(fraction, specimen.ndim), psf)
        return light, psf

    def _spot(self, shape: tuple[int, int, int], depth_um: float) -> Light:
        """Spot of light that the modality makes of a point, of any sum."""
        dz, dy, dx = self.spacing_um
        match self.modality:
            case "two-photon":
                wavelength_um = self.excitation_wavelength_um
                return modalities.two_photon(self._focus(wavelength_um, shape, depth_um))
            case "confocal":
                return self._confocal(shape, depth_um)
            case "sted":
                y, x = modalities.distances(shape[1], dy), modalities.distances(shape[2], dx)
                depletion = modalities.doughnut(
                    np.hypot(y[:, None], x), self.na, self._own("depletion_um"), self._width_um()
                )
                saturation = self._own("saturation")
                return modalities.sted(self._confocal(shape, depth_um), depletion, saturation)
            case "structured illumination":
                wavelength_um, in_focus = self.emission_um / 2, (1, *shape[1:])
                pupil = replace(
                    self.pupil(self.emission_um, depth_um / 2), wavelength_um=wavelength_um
                )
                lateral = self._through(pupil, in_focus, pixel_integrated=True)
                return modalities.structured_illumination(lateral, shape[0], self.axial_unit_um, dz)
        emission = self._focus(self.emission_um, shape, depth_um, pixel_integrated=True)
        if self.modality == "light-sheet":
            return modalities.light_sheet(emission, self._own("sheet_thickness_um"), dz)
        return emission

    def _confocal(self, shape: tuple[int, int, int], depth_um: float) -> Light:
        """Confocal spot; the emission is computed as far around as the pinhole reaches."""
        radius_um = self._own("pinhole_au") * 0.61 * self.emission_um / self.na
        pinhole = modalities.pinhole(radius_um, *self.spacing_um[1:])
        z, y, x = (have + hole - 1 for have, hole in zip(shape, pinhole.shape, strict=True))
        excitation = self._focus(self.excitation_wavelength_um, shape, depth_um)
        emission = self._focus(self.emission_um, (z, y, x), depth_um)
        return modalities.confocal(excitation, emission, pinhole)

    def _width_um(self) -> float:
        """Full width at half maximum of the perfect confocal spot."""
        pixel = self.excitation_wavelength_um / (50 * self.na)
        perfect = replace(
            self,
            modality="confocal",
            aberrations={},
            sample_index=None,
            voxel_size_um=(pixel, pixel),
            depletion_um=None,
            saturation=None,
        )
        profile = perfect.psf((1, 81))[0, 40:]
        return float(2 * pixel * np.interp(-profile[0] / 2, -profile, np.arange(41)))

    def _focus(
        self,
        wavelength_um: float,
        shape: tuple[int, int, int],
        depth_um: float,
        *,
        pixel_integrated: bool = False,
    ) -> Volume:
        """Spot of light of this wavelength, on the way in or out."""
        pupil = self.pupil(wavelength_um, depth_um)
        return self._through(pupil, shape, pixel_integrated=pixel_integrated)

    def _through(
        self, pupil: Pupil, shape: tuple[int, int, int], *, pixel_integrated: bool
    ) -> Volume:
        return optics.psf(
            pupil,
            shape,
            voxel_size_um=self.spacing_um,
            model=self.model,
            pixel_integrated=pixel_integrated,
        )

    @property
    def excitation_wavelength_um(self) -> float:
        """Wavelength that excites: `excitation_um`, or the default of the modality."""
        if self.excitation_um is not None:
            return self.excitation_um
        return 0.92 if self.modality == "two-photon" else 0.488

    @property
    def axial_unit_um(self) -> float:
        """Finest axial period that one focus holds, λ/(n - √(n² - NA²))."""
        n = self.refractive_index
        return float(self._widest_um / (n - np.sqrt(n**2 - self.na**2)))

    @property
    def _widest_um(self) -> float:
        """Wavelength of the widest spot that the PSF is made of."""
        return self.excitation_wavelength_um if self.modality == "two-photon" else self.emission_um

    @property
    def _lit_depth_um(self) -> float:
        """Depth that is lit while one plane is recorded."""
        if self.modality == "light-sheet":
            return self._own("sheet_thickness_um")
        if self.modality == "two-photon":
            return 0.64 * self.axial_unit_um  # full width at half maximum of sinc⁴
        return np.inf

    @property
    def spacing_um(self) -> tuple[float, float, float]:
        """Voxel size of a volume; for a microscope in 2D, of its only plane."""
        dz, dy, dx = (1.0, *self.voxel_size_um)[-3:]
        return dz, dy, dx

    def _voxel(self, ndim: int) -> tuple[float, ...]:
        """Voxel size of an image with so many axes."""
        if len(self.voxel_size_um) < ndim:
            raise ValueError(
                f"Expected voxel_size_um (z, y, x) for a volume, got {self.voxel_size_um}. "
                f"Add the distance between planes in µm."
            )
        return self.voxel_size_um[-ndim:]

    def _window(self, specimen: tuple[int, ...] | None) -> tuple[int, ...]:
        """Choose an odd shape for the PSF that is no larger than the specimen."""
        ndim = len(self.voxel_size_um if specimen is None else specimen)
        # A single focus spreads into a cone; a product of two is dark in its outer half.
        rings, cone = (5.0, 1.0) if self.modality in ("widefield", "light-sheet") else (2.5, 0.5)
        depth_um = 4 * self.axial_unit_um
        if self.modality == "light-sheet":
            depth_um = 1.5 * self._own("sheet_thickness_um")
        if specimen is not None and (self.modality == "widefield" or self.sample_index is not None):
            depth_um = specimen[0] * self.spacing_um[0] / 2
        if ndim == 2:
            depth_um = 0.0
        tangent = self.na / max(np.sqrt(self.refractive_index**2 - self.na**2), 0.1 * self.na)
        radius_um = rings * self._widest_um / self.na + cone * tangent * depth_um
        reach = np.divide((depth_um, radius_um, radius_um), self.spacing_um)[-ndim:]
        sides = 2 * np.ceil(reach).astype(int) + 1
        if specimen is not None:
            room = np.array(specimen)
            sides = np.minimum(sides, room - 1 + room % 2)
        return tuple(sides.tolist())

    def pupil(self, wavelength_um: float, depth_um: float = 0.0) -> Pupil:
        """Return the pupil for light of this wavelength from this depth, both in µm."""
        # An aberration is a path: the shorter the wave, the more radians.
        stretch = self.emission_um / wavelength_um
        return Pupil(
            na=self.na,
            wavelength_um=wavelength_um,
            refractive_index=self.refractive_index,
            aberrations={mode: stretch * value for mode, value in self.aberrations.items()},
            sample_index=self.sample_index,
            depth_um=depth_um,
        )


_POINTS = frozenset({"confocal", "sted"})
_OWN: Mapping[str, tuple[frozenset[str], float]] = {
    "excitation_um": (SCANNED, 0.488),
    "depletion_um": (frozenset({"sted"}), 0.592),
    "pinhole_au": (_POINTS, 1.0),
    "sheet_thickness_um": (frozenset({"light-sheet"}), 2.0),
    "saturation": (frozenset({"sted"}), 20.0),
    "dwell_us": (SCANNED, 1.0),
}
"""Fields that only some modalities have, and their defaults there."""


def _checked_specimen(specimen: ArrayLike) -> Volume:
    image = np.array(specimen, dtype=np.float32)  # a copy, which the recording keeps
    _limits.voxels(image.shape)
    bad = ~(image >= 0) | np.isinf(image)
    if bad.any():
        raise ValueError(
            f"Expected a specimen of finite values from 0 up, got {np.isnan(image).sum()} NaN, "
            f"{np.isinf(image).sum()} infinite and {(image < 0).sum()} negative of {image.size}. "
            f"Subtract its background, clip at 0, and look for NaN where it was computed."
        )
    return image


def _checked_labels(labels: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int32]:
    labels = np.asarray(labels)
    if labels.shape != shape or labels.dtype.kind not in "iu":
        raise ValueError(
            f"Expected whole-numbered labels of the specimen's shape {shape}, got {labels.dtype} "
            f"of shape {labels.shape}. Give one label per voxel of the specimen, 0 for background."
        )
    return labels.astype(np.int32)


def _check_light(**numbers: float) -> None:
    for name, value in numbers.items():
        checks.number(name, value, low=0, hint="Look up its meaning in help(Microscope.image).")


def _checked_oversampling(
    oversampling: int | Sequence[int], shape: tuple[int, ...]
) -> tuple[int, ...]:
    factors: tuple[int, ...] = checks.per_axis(
        "oversampling", oversampling, len(shape), whole_from=1
    )
    if any(side % factor for side, factor in zip(shape, factors, strict=True)):
        raise ValueError(
            f"Expected oversampling that divides the specimen's shape {shape}, got "
            f"{oversampling}. Crop or pad the specimen."
        )
    return factors


def _divide(voxel: tuple[float, ...], upsampling: tuple[int, ...]) -> tuple[float, ...]:
    return tuple(size / factor for size, factor in zip(voxel, upsampling, strict=True))
