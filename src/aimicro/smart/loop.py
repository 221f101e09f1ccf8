"""The loop: a plan, a reaction that adds to it, a budget that ends it, a guard that steps in."""

import heapq
import math
import time
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aimicro import checks
from aimicro.smart.event import check_event
from aimicro.smart.frame import Cost, Frame

Reaction = Callable[[Frame], Iterable[Any] | None]
"""Looks at a frame and returns the events that it wants on top of the plan."""
Guard = Callable[[Frame], str | None]
"""Looks at a frame and returns why the reaction must stop, or None."""

_MOST_EVENTS = 10_000  # of one reaction; more is a generator without an end


class Driven(Protocol):
    """What the loop asks of a microscope."""

    time_s: float

    def cost(self, event: Any, *, not_before_s: float = 0.0) -> Cost:
        """Tell what an event would cost if it came next."""

    def snap(self, event: Any, *, not_before_s: float = 0.0) -> Frame:
        """Carry out an event."""


@dataclass(frozen=True)
class Budget:
    """What a run may spend: the event that would exceed it is not started.

    Attributes
    ----------
    dose : float, default infinite
        Light, summed over all frames.
    minutes : float, default infinite
        Time from the start of the run to the end of its last frame.

    Raises
    ------
    ValueError
        If neither is finite, or one is not above 0.

    Notes
    -----
    Used in chapter 7, *Event-driven acquisition*.
    """

    dose: float = math.inf
    minutes: float = math.inf

    def __post_init__(self) -> None:
        if self.dose == self.minutes == math.inf:
            raise ValueError(
                "Expected a budget of dose or minutes, got neither. Say where the run ends."
            )
        for name in ("dose", "minutes"):
            if getattr(self, name) != math.inf:
                checks.number(name, getattr(self, name), above=0)


@dataclass(frozen=True, eq=False)
class Log:
    """What a run has done.

    Attributes
    ----------
    frames : tuple of Frame
        In the order in which they were taken.
    reacted : numpy.ndarray
        ``(n,)`` bool, whether a reaction asked for the frame, not the plan.
    waited_s : numpy.ndarray
        ``(n,)`` seconds by which each exposure started later than its event allowed.
    reaction_s : numpy.ndarray
        ``(n,)`` seconds on the wall clock that the reaction took to look at each frame.
    ended : str
        Why the run ended: "plan", "dose" or "minutes".
    guarded : str or None
        Why the guard stopped the reaction, if it did.
    guarded_s : float or None
        When it did, in seconds on the clock of the microscope.

    Notes
    -----
    Used in chapter 7, *Event-driven acquisition*.
    """

    frames: tuple[Frame, ...]
    reacted: NDArray[np.bool_]
    waited_s: NDArray[np.float64]
    reaction_s: NDArray[np.float64]
    ended: str
    guarded: str | None
    guarded_s: float | None

    @property
    def times_s(self) -> NDArray[np.float64]:
        """When each exposure started, in seconds."""
        return np.array([frame.time_s for frame in self.frames])

    @property
    def doses(self) -> NDArray[np.float64]:
        """Light of each frame; ``doses.cumsum()`` is what was spent by then."""
        return np.array([frame.dose for frame in self.frames])

    @property
    def centres_um(self) -> NDArray[np.float64]:
        """``(n, 2)`` middle ``(y, x)`` of each view in µm."""
        sides = [np.divide(np.subtract(frame.image.shape, 1), 2) for frame in self.frames]
        places = [frame.position_um(*s) for frame, s in zip(self.frames, sides, strict=True)]
        return np.array(places).reshape(-1, 2)


class _Next(NamedTuple):
    """An event whose turn it is."""

    event: Any
    due_s: float
    reacted: bool


class _Queue:
    """The plan in its own order, and what the reactions put in between."""

    def __init__(self, plan: Iterable[Any], start_s: float) -> None:
        self._plan, self._extra = iter(plan), list[tuple[float, int, Any]]()
        self._order, self._latest_s = count(), start_s
        self._ahead: Any = next(self._plan, None)
        if self._ahead is None:
            raise ValueError(
                "Expected a plan with events in it, got none. Make one with smart.time_lapse(...); "
                "a generator that was used once is empty."
            )
        self._check_ahead()

    def _check_ahead(self) -> None:
        """Refuse a plan that goes back in time."""
        check_event(self._ahead)
        due = self._ahead.min_start_time
        if due is not None:
            if due < self._latest_s:
                raise ValueError(
                    f"Expected the next min_start_time of the plan from {self._latest_s:g} s, got "
                    f"{due:g}. Sort the plan by time, and let it start after the microscope's "
                    "time_s."
                )
            self._latest_s = float(due)

    def add(self, events: Iterable[Any] | None, frame: Frame, ready_s: float) -> None:
        """Take what a reaction asks for once it is ready."""
        asked = list(islice(events or (), _MOST_EVENTS + 1))
        if len(asked) > _MOST_EVENTS:
            raise ValueError(
                f"Expected at most {_MOST_EVENTS} events of one reaction, got more. Let it return "
                "the next few events, and look again."
            )
        for event in asked:
            check_event(event)
            due = 0.0 if event.min_start_time is None else float(event.min_start_time)
            if event.min_start_time is not None and due < frame.time_s:
                raise ValueError(
                    f"Expected a reaction with min_start_time from {frame.time_s:g} s, when its "
                    f"frame was taken, got {due:g}. Add the frame's time_s to it."
                )
            heapq.heappush(self._extra, (max(due, ready_s), next(self._order), event))

    def clear(self) -> None:
        """Drop what the reactions have asked for."""
        self._extra.clear()

    def next(self, clock_s: float) -> _Next | None:
        """Return whose turn it is: the earlier one, or the reaction's if both could start."""
        planned_s = math.inf
        if self._ahead is not None:
            planned_s = max(self._ahead.min_start_time or 0.0, clock_s)
        if self._extra and max(self._extra[0][0], clock_s) <= planned_s:
            due_s, _, event = heapq.heappop(self._extra)
            return _Next(event, due_s, True)
        if self._ahead is None:
            return None
        event, self._ahead = self._ahead, next(self._plan, None)
        if self._ahead is not None:
            self._check_ahead()
        return _Next(event, float(event.min_start_time or 0.0), False)


def run(
    microscope: Driven,
    plan: Iterable[Any],
    *,
    react: Reaction | None = None,
    budget: Budget | None = None,
    guard: Guard | None = None,
    latency_s: float = 0.0,
) -> Log:
    """Carry out a plan, and what a reaction to its frames puts in between.

    Events are taken by time. The plan keeps its order; where an event of the plan and one of a
    reaction could both start, the reaction's goes first. An event that comes late is not skipped.

    Parameters
    ----------
    microscope : DrivenMicroscope
        Or anything with its `time_s`, `cost` and `snap`.
    plan : iterable of MDAEvent or useq.MDAEvent
        Times in rising order; a ``useq.MDASequence`` is one. May be endless if there is a budget.
    react : callable, optional
        ``react(frame)`` returns further events, or None. It sees all frames, its own included.
    budget : Budget, optional
        Needed if there is a reaction, or if the plan has no length.
    guard : callable, optional
        ``guard(frame)`` returns why the reaction must stop, or None. Then the reaction is asked no
        more, what it has put into the queue is dropped, and the plan goes on alone.
    latency_s : float, default 0
        Seconds from the end of a frame until what `react` answers is in the queue. Meanwhile the
        microscope goes on.

    Returns
    -------
    Log
        Frames, and how they came about.

    Raises
    ------
    TypeError
        If something is no event, or the reaction returns no events.
    ValueError
        If the plan is empty or goes back in time, a reaction asks for the past or never ends, or
        a budget is missing.

    Notes
    -----
    Used in chapter 7, *Event-driven acquisition*.

    Examples
    --------
    >>> from aimicro.simulate import CellParameters, Culture, Microscope
    >>> from aimicro.smart import DrivenMicroscope, time_lapse
    >>> culture = Culture((64, 64), CellParameters(), n=4, rng=0)
    >>> lens = Microscope("widefield", na=0.25, refractive_index=1, voxel_size_um=(0.5, 0.5))
    >>> microscope = DrivenMicroscope(culture, lens, view=(64, 64), rng=0)
    >>> plan = time_lapse(microscope.fields(), every_s=300, minutes=60, exposure=100)
    >>> log = run(microscope, plan, budget=Budget(dose=5))
    >>> len(plan), len(log.frames), log.ended
    (12, 5, 'dose')
    """
    if budget is None and (react is not None or not isinstance(plan, Sized)):
        raise ValueError(
            "Expected a budget, as a plan without a length or a reaction may never end, got none. "
            "Give budget=smart.Budget(dose=..., minutes=...)."
        )
    checks.number("latency_s", latency_s, low=0, unit="s")
    start_s, spent, ended = microscope.time_s, 0.0, "plan"
    queue = _Queue(plan, start_s)
    rows: list[tuple[Frame, bool, float, float]] = []
    guarded: tuple[str | None, float | None] = (None, None)
    while (turn := queue.next(microscope.time_s)) is not None:
        cost = microscope.cost(turn.event, not_before_s=turn.due_s)
        ended = _exceeded(budget, spent + cost.dose, (cost.end_s - start_s) / 60)
        if ended != "plan":
            break
        frame = microscope.snap(turn.event, not_before_s=turn.due_s)
        spent += frame.dose
        if react is not None and guard is not None and (reason := guard(frame)):
            guarded, react = (str(reason), frame.time_s), None
            queue.clear()
        looked_s = time.perf_counter()
        if react is not None:
            queue.add(react(frame), frame, microscope.time_s + latency_s)
        looked_s = time.perf_counter() - looked_s
        rows.append((frame, turn.reacted, frame.time_s - max(turn.due_s, start_s), looked_s))
    frames, reacted, waited, looked = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Log(
        tuple(frames),
        np.array(reacted, bool),
        np.array(waited, float),
        np.array(looked, float),
        ended,
        *guarded,
    )


def _exceeded(budget: Budget | None, dose: float, minutes: float) -> str:
    """Return what of the budget would be exceeded, or "plan"."""
    if budget is None:
        return "plan"
    # Doses are sums of many small numbers: round-off must not cost the last frame.
    if dose > budget.dose * (1 + 1e-9):
        return "dose"
    return "minutes" if minutes > budget.minutes * (1 + 1e-9) else "plan"
