"""The simulator as a microscope: a stage, a shutter, a camera, and a culture that lives on."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimicro import checks
from aimicro.simulate import Culture, Microscope
from aimicro.simulate.optics import convolve
from aimicro.smart.event import check_event
from aimicro.smart.frame import Cost, Frame, TrueDivision, Truth

_FOCUS_STEP_UM = 0.05  # heights nearer than this share a PSF
_LIGHT = 0.95  # of a point, that reaches the view from beyond its edges; the rest is faint and far


class DrivenMicroscope:
    """A microscope with a stage over a living culture, which does one event after the other.

    The culture lives in ticks of `tick_s` whether it is looked at or not, and light has no effect
    on its life: the same culture sees the same divisions under every plan, so that plans can be
    compared. Light bleaches the cells in the view, in proportion to the exposure time. What is
    left out: phototoxicity, new fluorophores, bleaching during the exposure itself.

    Parameters
    ----------
    culture : simulate.Culture
        2D; it is advanced and bleached from now on by this microscope alone.
    microscope : simulate.Microscope
        Forms the image; its pixels are those of the culture.
    view : tuple of int
        ``(Y, X)`` of the camera in pixels.
    photons_per_ms : float, default 5
        Photons per ms of exposure in a pixel of a specimen of 1; a resting cell has 0.2 to 0.3.
    background_per_ms : float, default 0.05
        Photons per ms of exposure in every pixel.
    dose_per_ms : float, default 0.01
        Dose per ms of exposure, in the exposures of the culture's half-life.
    overhead_s : float, default 0.2
        Seconds from the end of an exposure until the microscope is free: reading out, saving.
    stage_um_per_s : float, default 1000
        Speed of the stage, along the straight line from place to place.
    settle_s : float, default 0.1
        Seconds that the stage needs after a move until it stands.
    z_range_um : tuple of float, default (-20, 20)
        Lowest and highest position of the focus.
    focus_um : float or callable, default 0
        Height of the cells above the zero of the focus in µm; a function of the time in seconds
        if it drifts.
    exposure : float, default 100
        Exposure time in ms until an event brings another.
    tick_s : float, default 15
        Seconds in which the culture lives on by one step.
    rng : numpy.random.Generator or int
        Source of randomness of the camera, or its seed.

    Raises
    ------
    TypeError
        If `culture` or `microscope` is something else.
    ValueError
        If a number is outside its range, the pixels differ, or the view is larger than the culture.

    Notes
    -----
    Defaults are round numbers of no particular model.

    Used in chapter 7, *Event-driven acquisition*.

    Examples
    --------
    >>> from aimicro.simulate import CellParameters
    >>> from aimicro.smart import MDAEvent
    >>> culture = Culture((128, 128), CellParameters(), n=10, half_life_exposures=50, rng=0)
    >>> lens = Microscope("widefield", na=0.25, refractive_index=1, voxel_size_um=(0.5, 0.5))
    >>> microscope = DrivenMicroscope(culture, lens, view=(64, 64), rng=0)
    >>> frame = microscope.snap(MDAEvent(x_pos=30, y_pos=30, exposure=50, min_start_time=60))
    >>> frame.image.shape, round(frame.time_s, 2), frame.dose
    ((64, 64), 60.1, 0.5)
    """

    def __init__(
        self,
        culture: Culture,
        microscope: Microscope,
        *,
        view: Sequence[int],
        photons_per_ms: float = 5.0,
        background_per_ms: float = 0.05,
        dose_per_ms: float = 0.01,
        overhead_s: float = 0.2,
        stage_um_per_s: float = 1000.0,
        settle_s: float = 0.1,
        z_range_um: tuple[float, float] = (-20.0, 20.0),
        focus_um: float | Callable[[float], float] = 0.0,
        exposure: float = 100.0,
        tick_s: float = 15.0,
        rng: np.random.Generator | int,
    ) -> None:
        _check_parts(culture, microscope)
        self.view = checks.per_axis("view", view, 2, whole_from=8)
        if any(side > room for side, room in zip(self.view, culture.shape, strict=True)):
            raise ValueError(
                f"Expected a view within the culture of {culture.shape} pixels, got {self.view}. "
                "Take a smaller view, or a larger culture."
            )
        self.photons_per_ms = checks.number("photons_per_ms", photons_per_ms, above=0)
        self.background_per_ms = checks.number("background_per_ms", background_per_ms, low=0)
        self.dose_per_ms = checks.number("dose_per_ms", dose_per_ms, low=0)
        self.overhead_s = checks.number("overhead_s", overhead_s, low=0, unit="s")
        self.stage_um_per_s = checks.number("stage_um_per_s", stage_um_per_s, above=0, unit="µm/s")
        self.settle_s = checks.number("settle_s", settle_s, low=0, unit="s")
        self.tick_s = checks.number("tick_s", tick_s, above=0, unit="s")
        culture.parameters.check_pace(self.tick_s / 60)
        self.exposure = checks.number("exposure", exposure, above=0, unit="ms")
        self.z_range_um = _checked_range(z_range_um)
        self._focus_um = focus_um if callable(focus_um) else _constant(focus_um)

        self._culture, self._rng = culture, np.random.default_rng(rng)
        # A single plane: the distance between planes has no meaning here.
        self._lens = replace(microscope, voxel_size_um=microscope.voxel_size_um[-2:])
        self._psfs: dict[int, tuple[NDArray[np.float32], int]] = {}
        self.time_s, self.dose = 0.0, 0.0
        self._ticks = 0
        middle = (np.asarray(culture.shape) - 1) * culture.spacing / 2
        self._stage = np.array([0.0, *middle])  # z, y, x in µm
        self._labels = np.zeros(self.view, np.int32)
        self._cells = culture.cells.copy()
        self._divisions: list[TrueDivision] = []

    @property
    def pixel_size_um(self) -> tuple[float, float]:
        """Pixel size ``(y, x)`` in µm."""
        dy, dx = self._culture.spacing.tolist()
        return dy, dx

    @property
    def range_um(self) -> Mapping[str, tuple[float, float]]:
        """Lowest and highest position of the stage along "x", "y" and "z"."""
        spacing = self._culture.spacing
        half = (np.asarray(self.view) - 1) / 2 * spacing
        far = (np.asarray(self._culture.shape) - 1) * spacing - half
        (low_y, low_x), (high_y, high_x) = half.tolist(), far.tolist()
        ranges = {"x": (low_x, high_x), "y": (low_y, high_y), "z": self.z_range_um}
        return MappingProxyType(ranges)

    @property
    def truth(self) -> Truth:
        """What only the simulator knows of the last frame and of all that happened."""
        return Truth(self._labels, self._cells, tuple(self._divisions))

    def fields(self) -> list[tuple[float, float]]:
        """Return positions ``(x, y)`` in µm of views side by side, to and fro, in the culture."""
        counts = np.asarray(self._culture.shape) // self.view
        size = np.asarray(self.view) * self._culture.spacing
        first = (np.asarray(self.view) - 1) / 2 * self._culture.spacing
        rows = [first[0] + size[0] * row for row in range(counts[0])]
        columns = [first[1] + size[1] * column for column in range(counts[1])]
        return [
            (float(x), float(y))
            for row, y in enumerate(rows)
            for x in (columns[::-1] if row % 2 else columns)
        ]

    def cost(self, event: Any, *, not_before_s: float = 0.0) -> Cost:
        """Tell what an event would cost if it came next.

        Parameters
        ----------
        event : MDAEvent or useq.MDAEvent
            What to do.
        not_before_s : float, default 0
            A time before which it must not start, on top of its own.

        Returns
        -------
        Cost
            Dose, and when the microscope would be free again.

        Raises
        ------
        TypeError, ValueError
            As for :meth:`snap`.
        """
        target, exposure, start_s = self._prepared(event, not_before_s)
        end_s = start_s + self._move_s(target) + exposure / 1000 + self.overhead_s
        return Cost(exposure * self.dose_per_ms, end_s)

    def snap(self, event: Any, *, not_before_s: float = 0.0) -> Frame:
        """Wait until the event may start, move the stage, let the culture live on, and expose.

        Parameters
        ----------
        event : MDAEvent or useq.MDAEvent
            What to do. An event whose time is past starts at once.
        not_before_s : float, default 0
            A time before which it must not start, on top of its own.

        Returns
        -------
        Frame
            The picture.

        Raises
        ------
        TypeError
            If it is no event.
        ValueError
            If the position is out of the range of the stage, or another setting out of its own.
        """
        target, exposure, start_s = self._prepared(event, not_before_s)
        self.time_s = start_s + self._move_s(target)
        self._stage, self.exposure = target, exposure
        self._live_until(self.time_s)

        start = np.rint(target[1:] / self._culture.spacing - (np.asarray(self.view) - 1) / 2)
        corner = np.maximum(start.astype(int), 0)
        window = tuple(slice(a, a + side) for a, side in zip(corner, self.view, strict=True))
        photons = exposure * (
            self.photons_per_ms * self._light(window, float(target[0])) + self.background_per_ms
        )
        camera = replace(self._lens.camera, exposure_s=exposure / 1000)
        image = camera.photons(camera.expose(photons, rng=self._rng))
        dose = exposure * self.dose_per_ms
        self._cells = self._culture.cells.copy()
        self._culture.expose(dose, window)
        y_um, x_um = (corner * self._culture.spacing).tolist()
        frame = Frame(image, self.time_s, exposure, dose, event, (y_um, x_um), self.pixel_size_um)
        self.time_s += exposure / 1000 + self.overhead_s
        self.dose += dose
        return frame

    def _prepared(
        self, event: Any, not_before_s: float
    ) -> tuple[NDArray[np.float64], float, float]:
        """Check an event; where to go (z, y, x), the exposure, and the earliest start."""
        check_event(event)
        target = self._stage.copy()
        for place, axis in enumerate("zyx"):
            value = getattr(event, f"{axis}_pos")
            if value is not None:
                low, high = self.range_um[axis]
                slack = 1e-6  # round-off of positions that were computed
                checks.number(
                    f"{axis}_pos", value, low=low - slack, high=high + slack, unit="µm",
                    hint="The view must lie in the culture, and the focus in z_range_um.",
                )  # fmt: skip
                target[place] = value
        exposure = self.exposure if event.exposure is None else float(event.exposure)
        due = 0.0 if event.min_start_time is None else float(event.min_start_time)
        return target, exposure, max(self.time_s, due, not_before_s)

    def _move_s(self, target: NDArray[np.float64]) -> float:
        """Return how long the way takes."""
        way = float(np.linalg.norm(target - self._stage))
        return way / self.stage_um_per_s + self.settle_s if way > 0 else 0.0

    def _live_until(self, time_s: float) -> None:
        """Let the culture live on by whole ticks, and note who divides."""
        culture = self._culture
        while (self._ticks + 1) * self.tick_s <= time_s:
            self._ticks += 1
            before = culture.cells[["id", "centre"]].copy()
            culture.advance(self.tick_s / 60)
            born = culture.cells["id"] > before["id"].max()
            for mother, (y, x) in before[np.isin(before["id"], culture.cells["mother"][born])]:
                low, high = culture.field_um
                if low[0] <= y < high[0] and low[1] <= x < high[1]:
                    when = self._ticks * self.tick_s
                    self._divisions.append(TrueDivision(when, float(y), float(x), int(mother)))

    def _light(self, window: tuple[slice, ...], z_um: float) -> NDArray[np.float32]:
        """Draw the culture around the window, blur it, and cut out the window."""
        psf, margin = self._psf(z_um - float(self._focus_um(self.time_s)))
        around, inside = [], []
        for part, room in zip(window, self._culture.shape, strict=True):
            start = max(part.start - margin, 0)
            around.append(slice(start, min(part.stop + margin, room)))
            inside.append(slice(part.start - start, part.stop - start))
        specimen, ids = self._culture.draw(tuple(around))
        self._labels = ids[tuple(inside)].copy()
        return convolve(specimen, psf)[tuple(inside)]

    def _psf(self, defocus_um: float) -> tuple[NDArray[np.float32], int]:
        """Return the PSF of a plane so far from the focus, and how far most of its light goes."""
        step = round(defocus_um / _FOCUS_STEP_UM)
        if step not in self._psfs:
            with warnings.catch_warnings():
                # It warns that planes so far apart miss detail; here they are no stack.
                warnings.filterwarnings("ignore", "Expected planes", UserWarning)
                psf = self._out_of_focus(step * _FOCUS_STEP_UM)
            away = np.indices(psf.shape) - np.reshape(np.array(psf.shape) // 2, (2, 1, 1))
            rings = np.bincount(np.abs(away).max(axis=0).ravel(), psf.ravel()).cumsum()
            self._psfs[step] = psf, int(np.searchsorted(rings, _LIGHT * rings[-1]))
        return self._psfs[step]

    def _out_of_focus(self, defocus_um: float) -> NDArray[np.float32]:
        """Compute the PSF of a plane above or below the focus."""
        lens, distance = self._lens, abs(defocus_um)
        if distance == 0:
            return lens.psf()
        tangent = lens.na / max(np.sqrt(lens.refractive_index**2 - lens.na**2), 0.1 * lens.na)
        wider = 2 * np.ceil(tangent * distance / np.asarray(lens.voxel_size_um)).astype(int)
        sides = np.asarray(self._psf(0.0)[0].shape) + wider
        stack = replace(lens, voxel_size_um=(distance, *lens.voxel_size_um)).psf((3, *sides))
        plane: NDArray[np.float32] = stack[1 + int(np.sign(defocus_um))] / stack[1].sum()
        return plane


def _check_parts(culture: Any, microscope: Any) -> None:
    """Refuse a culture and a microscope that do not fit."""
    if not isinstance(culture, Culture) or not isinstance(microscope, Microscope):
        raise TypeError(
            "Expected a simulate.Culture and a simulate.Microscope, got "
            f"{type(culture).__name__} and {type(microscope).__name__}. Make them first."
        )
    if len(culture.shape) != 2:
        raise ValueError(
            f"Expected a culture in 2D, got shape {culture.shape}. Give it a shape of (Y, X)."
        )
    if not np.allclose(culture.spacing, microscope.voxel_size_um[-2:]):
        raise ValueError(
            f"Expected a microscope with the pixels of the culture, {culture.spacing.tolist()} µm, "
            f"got {list(microscope.voxel_size_um[-2:])}. Give both the same size."
        )


def _checked_range(z_range_um: tuple[float, float]) -> tuple[float, float]:
    """Return the ends of the focus drive, the lower first."""
    ends = np.asarray(z_range_um, dtype=object).ravel().tolist()
    hint = "Give the lowest and the highest position in µm, at most 50 µm from 0."
    if len(ends) != 2:
        raise ValueError(f"Expected z_range_um with two ends, got {z_range_um}. {hint}")
    low = checks.number("the lower end of z_range_um", ends[0], low=-50, high=50, hint=hint)
    return low, checks.number("the upper end of z_range_um", ends[1], low=low, high=50, hint=hint)


def _constant(value: float) -> Callable[[float], float]:
    """Return a height that does not drift."""
    height = checks.number("focus_um", value, low=-50, high=50, unit="µm")
    return lambda time_s: height
