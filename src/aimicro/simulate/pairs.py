"""Pairs to train on: what a microscope records, and the truth behind it.

Each task is one short function. It draws a specimen, lets a
:class:`~aimicro.simulate.microscope.Microscope` look at it, and keeps what a network would have to
find out. ``aimicro simulate`` writes such pairs to disk.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aimicro import checks
from aimicro.simulate import _limits
from aimicro.simulate.films import Track, dividing_cells
from aimicro.simulate.microscope import Microscope, Recording
from aimicro.simulate.specimens import cells, filaments, mitochondria, vesicles

_ABERRATIONS = ("vertical astigmatism", "oblique astigmatism", "vertical coma", "horizontal coma",
                "primary spherical")  # fmt: skip
_ABERRATION_RMS_RAD = (0.5, 1.0)  # from just visible to a third of the peak
_NUCLEI_PER_UM2 = 1 / 800  # half of what a full dish has, so that there is room to divide


@dataclass(frozen=True, eq=False)
class Pair:
    """What the microscope recorded, and the truth.

    Attributes
    ----------
    raw : numpy.ndarray
        Counts of the camera.
    truth : numpy.ndarray
        float32 image in counts, without noise; or int32 labels, 0 for background.
    axes : str
        ``"ZYX"`` or ``"YX"``, or ``"TYX"`` for a film.
    voxel_size_um : tuple of float
        Size in µm along the spatial axes, in their order.
    parameters : dict
        Everything that was chosen or drawn for this pair, in plain numbers and text.
    lineage : list of Track
        Tracks of a film; empty otherwise.
    """

    raw: NDArray[Any]
    truth: NDArray[Any]
    axes: str
    voxel_size_um: tuple[float, ...]
    parameters: dict[str, Any]
    lineage: list[Track] = field(default_factory=list)


def _vesicles(shape: Sequence[int], **drawing: Any) -> NDArray[np.float32]:
    return vesicles(shape, **drawing)[0]


STRUCTURES: Mapping[str, Callable[..., NDArray[np.float32]]] = {
    "filaments": filaments,
    "mitochondria": mitochondria,
    "vesicles": _vesicles,
}


class Settings(NamedTuple):
    """What a pair is made with."""

    shape: tuple[int, ...]
    voxel_size_um: tuple[float, ...]
    photons: float
    structure: Any  # one of the names that the task accepts


def _denoise(settings: Settings, rng: np.random.Generator) -> Pair:
    """A dim confocal volume, and the same with endless light."""
    microscope = Microscope("confocal", voxel_size_um=settings.voxel_size_um)
    specimen = _specimen(settings, rng)
    recording = microscope.image(
        specimen, photons=_photons_per_unit(microscope, specimen, settings), rng=rng
    )
    return _pair(recording, recording.noise_free)


def _deconvolve(settings: Settings, rng: np.random.Generator) -> Pair:
    """A widefield volume, and the specimen itself."""
    microscope = Microscope("widefield", voxel_size_um=settings.voxel_size_um)
    specimen = _specimen(settings, rng)
    photons = _photons_per_unit(microscope, specimen, settings)
    recording = microscope.image(specimen, photons=photons, rng=rng)
    return _pair(recording, photons * specimen)


def _deaberrate(settings: Settings, rng: np.random.Generator) -> Pair:
    """A light-sheet volume through a bent wavefront, and through a flat one without noise."""
    perfect = Microscope(
        "light-sheet", na=1.1, refractive_index=1.33, voxel_size_um=settings.voxel_size_um
    )
    aberrations = random_wavefront(rng)
    specimen = _specimen(settings, rng)
    photons = _photons_per_unit(perfect, specimen, settings)
    recording = replace(perfect, aberrations=aberrations).image(specimen, photons=photons, rng=rng)
    return _pair(recording, photons * perfect.expected(specimen))


def random_wavefront(rng: np.random.Generator | int) -> dict[int | str, float]:
    """Draw a wavefront as the task "deaberrate" does: astigmatism, coma, spherical aberration.

    Parameters
    ----------
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    dict
        Strength of each mode in radians RMS, by its name, for `Microscope`: a random direction,
        0.5 to 1 radian long.

    Notes
    -----
    Used in appendix A, *Aberration correction*.

    Examples
    --------
    >>> strengths = list(random_wavefront(rng=0).values())
    >>> len(strengths), bool(0.5 <= np.linalg.norm(strengths) <= 1)
    (5, True)
    """
    rng = np.random.default_rng(rng)
    direction = rng.normal(size=len(_ABERRATIONS))
    strengths = rng.uniform(*_ABERRATION_RMS_RAD) * direction / np.linalg.norm(direction)
    return dict(zip(_ABERRATIONS, strengths.tolist(), strict=True))


def _enhance(settings: Settings, rng: np.random.Generator) -> Pair:
    """A confocal volume, and a STED volume of the same specimen without noise."""
    confocal = Microscope("confocal", voxel_size_um=settings.voxel_size_um)
    sted = replace(confocal, modality="sted", saturation=4.0)
    specimen = _specimen(settings, rng)
    photons = _photons_per_unit(confocal, specimen, settings)
    recording = confocal.image(specimen, photons=photons, rng=rng)
    return _pair(recording, photons * sted.expected(specimen))


def _segment(settings: Settings, rng: np.random.Generator) -> Pair:
    """A confocal volume of crowded cells, and their labels."""
    microscope = Microscope("confocal", na=0.45, refractive_index=1.0,
                            voxel_size_um=settings.voxel_size_um)  # fmt: skip
    specimen, labels = cells(
        settings.shape, pixel_size_um=settings.voxel_size_um, kind=settings.structure, rng=rng
    )
    photons = _photons_per_unit(microscope, specimen, settings)
    return _pair(microscope.image(specimen, photons=photons, rng=rng), labels, in_counts=False)


def _track(settings: Settings, rng: np.random.Generator) -> Pair:
    """A widefield film of dividing cells, with their labels and their lineage."""
    microscope = Microscope("widefield", na=0.25, refractive_index=1.0,
                            voxel_size_um=settings.voxel_size_um)  # fmt: skip
    frames, *shape = settings.shape
    field_um2 = np.prod(np.multiply(shape, settings.voxel_size_um))
    film = dividing_cells(
        frames,
        shape,
        pixel_size_um=settings.voxel_size_um,
        n=max(1, round(field_um2 * _NUCLEI_PER_UM2)),
        rng=rng,
    )
    photons = _photons_per_unit(microscope, film.images[0], settings)
    recordings = [microscope.image(image, photons=photons, rng=rng) for image in film.images]
    raw = np.stack([recording.measured for recording in recordings])
    parameters = {"microscope": asdict(microscope), "photons_per_unit": photons}
    return Pair(raw, film.labels, "TYX", settings.voxel_size_um, parameters, film.lineage)


class Task(NamedTuple):
    """One thing for a network to learn, with settings that make a pair in about a second."""

    make: Callable[[Settings, np.random.Generator], Pair]
    shows: str
    """What the pair consists of, in a few words."""
    structures: tuple[str, ...]
    """What can be drawn; the first is drawn if nothing is asked for."""
    shape: tuple[int, ...]
    voxel_size_um: tuple[float, ...]
    photons: float


_ORGANELLES = tuple(STRUCTURES)
TASKS: Mapping[str, Task] = {
    "denoise": Task(_denoise, "dim confocal volume, same without noise",
                    _ORGANELLES, (16, 128, 128), (0.2, 0.08, 0.08), 10),
    "deconvolve": Task(_deconvolve, "widefield volume, the specimen itself",
                       _ORGANELLES, (32, 128, 128), (0.2, 0.08, 0.08), 200),
    "deaberrate": Task(_deaberrate, "light-sheet volume through a bent wavefront, a flat one",
                       _ORGANELLES, (32, 128, 128), (0.2, 0.1, 0.1), 200),
    "enhance": Task(_enhance, "confocal volume, STED volume",
                    _ORGANELLES, (16, 128, 128), (0.15, 0.04, 0.04), 100),
    "segment": Task(_segment, "confocal volume of cells, their labels",
                    ("round", "elongated", "irregular"), (16, 128, 128), (1.0, 0.25, 0.25), 30),
    "track": Task(_track, "widefield film of dividing cells, labels and lineage",
                  ("nuclei",), (40, 256, 256), (0.5, 0.5), 50),
}  # fmt: skip


def simulate_pair(
    task: str,
    *,
    structure: str | None = None,
    shape: Sequence[int] | None = None,
    voxel_size_um: Sequence[float] | None = None,
    photons: float | None = None,
    rng: np.random.Generator | int,
) -> Pair:
    """Simulate what a microscope records of a random specimen, with the truth behind it.

    Parameters
    ----------
    task : {"denoise", "deconvolve", "deaberrate", "enhance", "segment", "track"}
        What a network shall learn from the pair. :data:`TASKS` has the defaults of each.
    structure : str, optional
        What is drawn: "filaments", "mitochondria" or "vesicles" to restore; "round", "elongated"
        or "irregular" cells to segment; "nuclei" to track.
    shape : sequence of int, optional
        ``(Z, Y, X)`` or ``(Y, X)`` in voxels; ``(T, Y, X)`` in frames and pixels for "track".
    voxel_size_um : sequence of float, optional
        Size of a voxel in µm, ``(z, y, x)``; ``(y, x)`` for images in 2D and for "track".
    photons : float, optional
        Expected photons in the brightest voxel of the raw image: as it would be without its
        aberration, and in the first frame of a film.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    Pair
        Raw image, truth, and everything that was chosen or drawn.

    Raises
    ------
    ValueError
        For an unknown task or structure, and for a shape, size or light that makes no image.

    Notes
    -----
    Truth that is an image is in counts, like the raw image, so that the two differ by noise and
    optics only. Used in chapter 6, *Image formation*, and by ``aimicro simulate``.

    Examples
    --------
    >>> pair = simulate_pair("denoise", shape=(4, 64, 64), rng=0)
    >>> pair.raw.dtype.name, pair.truth.dtype.name, pair.axes
    ('uint16', 'float32', 'ZYX')
    """
    defaults = TASKS[checks.one_of("task", task, TASKS)]
    structure = structure or defaults.structures[0]
    checks.one_of(f"structure for {task}", structure, defaults.structures)
    sides = defaults.shape if shape is None else _limits.voxels(shape)
    ndim = 2 if task == "track" else len(sides)
    if task == "track" and len(sides) != 3:
        raise ValueError(f"Expected a shape (T, Y, X) for track, got {sides}. Add the frames.")
    given = defaults.voxel_size_um[-ndim:] if voxel_size_um is None else voxel_size_um
    voxel = tuple(np.asarray(given, dtype=object).ravel())
    if len(voxel) != ndim:
        raise ValueError(
            f"Expected {ndim} voxel sizes for {task} of shape {sides}, got {voxel}. "
            f"The defaults are {defaults.voxel_size_um} and {defaults.shape}."
        )
    light = defaults.photons if photons is None else photons
    hint = f"The default is {defaults.photons:g}."
    settings = Settings(
        sides,
        _limits.voxel("voxel_size_um", voxel, ndim),
        checks.number("photons", light, above=0, hint=hint),
        structure,
    )
    _limits.memory(f"a pair of shape {sides}", math.prod(sides), 100)
    pair: Pair = defaults.make(settings, np.random.default_rng(rng))
    pair.parameters.update(settings._asdict())
    return pair


def _specimen(settings: Settings, rng: np.random.Generator) -> NDArray[np.float32]:
    return STRUCTURES[settings.structure](
        settings.shape, pixel_size_um=settings.voxel_size_um, rng=rng
    )


def _photons_per_unit(
    microscope: Microscope, specimen: NDArray[np.float32], settings: Settings
) -> float:
    """Photons per unit of fluorophore that give the brightest voxel those that are asked for."""
    return settings.photons / float(microscope.expected(specimen).max())


def _pair(recording: Recording, truth: NDArray[Any], *, in_counts: bool = True) -> Pair:
    microscope = recording.microscope
    return Pair(
        recording.measured,
        microscope.camera.counts(truth) if in_counts else truth,
        "ZYX"[-recording.measured.ndim :],
        microscope.voxel_size_um,
        {"microscope": asdict(microscope)},
    )
