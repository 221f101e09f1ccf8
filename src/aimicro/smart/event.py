"""What a microscope is to do next, in the words of useq-schema and pymmcore-plus."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aimicro import checks


@dataclass(frozen=True)
class MDAEvent:
    """One picture to be taken: where, when, and with how much light.

    Names and units are those of ``useq.MDAEvent`` [1]_, which this package takes as well. A value
    of None leaves a setting as it is.

    Attributes
    ----------
    index : mapping
        Which picture of the plan it is, for example ``{"t": 3, "p": 0}``.
    min_start_time : float, optional
        Seconds on the clock of the microscope before which it must not start.
    exposure : float, optional
        Exposure time in ms.
    x_pos, y_pos, z_pos : float, optional
        Position of the stage in µm: the middle of the view, and the height of the focus.
    channel : str, optional
        Name of the channel. The simulated culture has one colour; the name is carried along.
    metadata : mapping
        Whatever else is to be found again at the frame.

    Notes
    -----
    Used in chapter 7, *Event-driven acquisition*.

    References
    ----------
    .. [1] useq-schema, https://pymmcore-plus.github.io/useq-schema/

    Examples
    --------
    >>> MDAEvent(x_pos=40, y_pos=40, exposure=50).exposure
    50
    """

    index: Mapping[str, int] = field(default_factory=dict)
    min_start_time: float | None = None
    exposure: float | None = None
    x_pos: float | None = None
    y_pos: float | None = None
    z_pos: float | None = None
    channel: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def check_event(event: Any) -> None:
    """Refuse what is no event, or one that no microscope could carry out.

    Parameters
    ----------
    event : MDAEvent or useq.MDAEvent
        What came.

    Raises
    ------
    TypeError
        If it is no event, or a setting is no number.
    ValueError
        If the exposure is not above 0, a time is negative, a position is not finite, or the event
        asks for another action than a picture.
    """
    names = ("min_start_time", "exposure", "x_pos", "y_pos", "z_pos")
    if not all(hasattr(event, name) for name in names):
        raise TypeError(
            f"Expected an event with {', '.join(names)}, got {type(event).__name__}. "
            "Make one with smart.MDAEvent(...), or with useq.MDAEvent(...)."
        )
    action = getattr(getattr(event, "action", None), "type", "acquire_image")
    if action != "acquire_image":
        raise ValueError(
            f"Expected an event that takes a picture, got the action {action!r}. "
            "The simulated microscope has no other; leave it out."
        )
    if event.exposure is not None:
        checks.number("exposure", event.exposure, above=0, unit="ms", hint="It is in milliseconds.")
    if event.min_start_time is not None:
        hint = "It counts from the start of the microscope's clock."
        checks.number("min_start_time", event.min_start_time, low=0, unit="s", hint=hint)
    for name in names[2:]:
        if getattr(event, name) is not None:
            checks.number(name, getattr(event, name), hint="Stage positions are in µm.")


def time_lapse(
    positions: Iterable[tuple[float, float]],
    *,
    every_s: float,
    minutes: float,
    exposure: float,
    start_s: float = 0.0,
) -> list[MDAEvent]:
    """Plan rounds over positions at a fixed interval, as most microscopes do it today.

    Parameters
    ----------
    positions : iterable of (float, float)
        ``(x, y)`` of the stage in µm.
    every_s : float
        Seconds from the start of one round to the start of the next.
    minutes : float
        Minutes from the first round to the end; the last round starts before it.
    exposure : float
        Exposure time in ms.
    start_s : float, default 0
        When the first round starts, in seconds on the clock of the microscope.

    Returns
    -------
    list of MDAEvent
        In the order in which they are taken.

    Raises
    ------
    ValueError
        If there is no position, or a number is outside its range.

    Notes
    -----
    Used in chapter 7, *Event-driven acquisition*.

    Examples
    --------
    >>> plan = time_lapse([(30, 30), (90, 30)], every_s=60, minutes=3, exposure=20)
    >>> [(event.min_start_time, event.x_pos) for event in plan][-2:]
    [(120.0, 30), (120.0, 90)]
    """
    places = list(positions)
    if not places:
        raise ValueError(
            "Expected positions with one or more (x, y) in µm, got none. "
            "Take all fields of a microscope with its fields()."
        )
    checks.number("every_s", every_s, above=0, unit="s")
    checks.number("minutes", minutes, above=0)
    checks.number("exposure", exposure, above=0, unit="ms")
    checks.number("start_s", start_s, low=0, unit="s")
    rounds = -int(-60 * minutes // every_s)
    return [
        MDAEvent(
            index={"t": t, "p": p},
            min_start_time=start_s + t * float(every_s),
            exposure=exposure,
            x_pos=x,
            y_pos=y,
        )
        for t in range(rounds)
        for p, (x, y) in enumerate(places)
    ]
