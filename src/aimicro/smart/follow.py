"""A reaction that films what a detector finds, and a guard that watches for drift."""

import math
from collections.abc import Callable, Sized
from typing import Any

import numpy as np

from aimicro import checks
from aimicro.smart.event import MDAEvent
from aimicro.smart.frame import Frame


class Follow:
    """Film a field from the frame in which something is found until nothing is found any more.

    A film asks for its next frames only after it has looked at the last ones. So a false alarm
    costs `patience` frames, and an event is filmed for as long as it is seen, and that much longer.

    Parameters
    ----------
    find : callable
        ``find(frame)`` returns what it has found: a list, empty if there is nothing.
    every_s : float
        Seconds from frame to frame of a film.
    patience : int, default 5
        Frames in a row without a find after which a film ends.
    most : int, default 45
        Frames after which it ends anyway.
    at_once : int, default 1
        Frames that are asked for before it looks again.
    latency_s : float, default 0
        Seconds that the answer is known to take, for which the first frame is put off.

    Raises
    ------
    ValueError
        If a number is outside its range.

    Notes
    -----
    Events of a film carry ``metadata["film"]``, its number from 1.

    Used in chapter 7, *Event-driven acquisition*.
    """

    def __init__(
        self,
        find: Callable[[Frame], Sized],
        *,
        every_s: float,
        patience: int = 5,
        most: int = 45,
        at_once: int = 1,
        latency_s: float = 0.0,
    ) -> None:
        self.find = find
        self.every_s = checks.number("every_s", every_s, above=0, unit="s")
        self.patience = checks.whole("patience", patience, low=1)
        self.most = checks.whole("most", most, low=1)
        self.at_once = checks.whole("at_once", at_once, low=1)
        self.latency_s = checks.number("latency_s", latency_s, low=0, unit="s")
        self.films = 0
        self._filmed: dict[tuple[Any, Any], int] = {}  # field that is filmed: its frames so far
        self._empty: dict[tuple[Any, Any], int] = {}  # its last frames without a find

    def __call__(self, frame: Frame) -> list[MDAEvent]:
        """Return the next frames of a film, of a new one, or nothing."""
        field = (frame.event.x_pos, frame.event.y_pos)
        film = frame.event.metadata.get("film")
        if film is None and field in self._filmed:
            return []  # the film itself is looked at
        found = len(self.find(frame)) > 0
        if film is None:
            if not found:
                return []
            self.films += 1
            film, self._filmed[field] = self.films, 0
        self._empty[field] = 0 if found else self._empty.get(field, 0) + 1
        if not frame.event.metadata.get("look", True):
            return []
        taken = self._filmed[field]
        if self._empty[field] >= self.patience or taken >= self.most:
            del self._filmed[field], self._empty[field]
            return []
        count = min(self.at_once, self.most - taken)
        self._filmed[field] += count
        return [self._next(frame, film, step, step == count - 1) for step in range(count)]

    def _next(self, frame: Frame, film: int, step: int, look: bool) -> MDAEvent:
        """Return a frame of a film in the same place and light."""
        wait_s = max(self.every_s, self.latency_s) + step * self.every_s
        return MDAEvent(
            min_start_time=frame.time_s + wait_s,
            exposure=frame.exposure_ms,
            x_pos=frame.event.x_pos,
            y_pos=frame.event.y_pos,
            metadata={"film": film, "look": look},
        )


class Drift:
    """A guard: compare what the survey measures now with what it measured at the start.

    Parameters
    ----------
    measure : callable
        ``measure(frame)`` returns a number; NaN if the frame has nothing to measure.
    first : int
        Frames at the start whose median is the reference.
    last : int
        Frames, the latest, whose median is compared with it.
    low, high : float, default 0 and infinite
        The ratio of the two within which all is well.

    Raises
    ------
    ValueError
        If a number is outside its range.

    Notes
    -----
    Frames of films, which show a few fields again and again, are left out.

    Used in chapter 7, *Event-driven acquisition*.

    Examples
    --------
    >>> guard = Drift(lambda frame: float(frame.image.mean()), first=16, last=16, low=0.7)
    """

    def __init__(
        self,
        measure: Callable[[Frame], float],
        *,
        first: int,
        last: int,
        low: float = 0.0,
        high: float = math.inf,
    ) -> None:
        self.measure = measure
        self.first = checks.whole("first", first, low=1)
        self.last = checks.whole("last", last, low=1)
        self.low = checks.number("low", low, low=0, high=1)
        self.high = high if high == math.inf else checks.number("high", high, low=1)
        self.values: list[float] = []

    def __call__(self, frame: Frame) -> str | None:
        """Return why the reaction must stop, or None."""
        if "film" in frame.event.metadata:
            return None
        value = float(self.measure(frame))
        if not math.isnan(value):
            self.values.append(value)
        if len(self.values) < self.first + self.last:
            return None
        start = float(np.median(self.values[: self.first]))
        ratio = float(np.median(self.values[-self.last :])) / start if start else math.inf
        if self.low <= ratio <= self.high:
            return None
        return f"{ratio:.2f} of what it was at the start"
