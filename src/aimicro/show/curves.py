"""Curves of numbers against a number: data in, a chart of the book out."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal, cast

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator
from numpy.typing import ArrayLike, NDArray

from aimicro import checks
from aimicro.show.charts import chart, styled
from aimicro.show.checks import checked_number, checked_text
from aimicro.show.figure import Figure

Line = ArrayLike | tuple[ArrayLike, ArrayLike]
Lines = Mapping[str, Line] | Mapping[str, Mapping[str, Line]]
Marks = float | Sequence[float] | Mapping[str, float] | None
Pair = tuple[float | None, float | None]

# Numbers written at a logarithmic axis that spans less than this: as many as there is room for.
STEPS = ((6, (1, 2, 3, 4, 6, 8)), (10, (1, 2, 3, 5)), (100, (1, 2, 5)), (math.inf, (1,)))
WIDTH_IN = 4.8  # fits a phone
LETTERS = 50  # of a legend, side by side in this width
FEW = 16  # values that get a marker each
MANY = 200  # points that get small dots
# None of them covers another at the same place.
POINTS: tuple[dict[str, Any], ...] = (
    {"marker": "o", "mfc": "none", "ms": 7},
    {"marker": "x", "ms": 5},
    {"marker": "D", "mfc": "none", "ms": 9},
    {"marker": "+", "ms": 9},
    {"marker": "s", "mfc": "none", "ms": 4},
)


@dataclass(frozen=True)
class _Curve:
    name: str
    x: NDArray[Any]
    y: NDArray[Any]


def curves(
    x: ArrayLike | None,
    lines: Lines,
    *,
    x_label: str,
    y_label: str | Sequence[str],
    alt: str,
    caption: str = "",
    log: str = "",
    hline: Marks = None,
    vline: Marks = None,
    span: tuple[float, float] | None = None,
    bands: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    points: Collection[str] = (),
    joined: tuple[str, str] | None = None,
    reference: str | None = None,
    x_ticks: Sequence[float] | None = None,
    y_ticks: Sequence[float] | None = None,
    x_limits: Pair | None = None,
    y_limits: Pair | Sequence[Pair] | None = None,
    names_at: Literal["above", "beside", "nowhere"] = "above",
    height: float = 2.6,
) -> Figure:
    """Draw curves, in one chart or in several side by side.

    Parameters
    ----------
    x : array_like, shape (N,), or None
        Positions shared by the curves; None where each curve brings its own.
    lines : mapping
        Values of each curve by its name, or, for charts side by side, a mapping from their titles
        to such mappings. A curve is an array of shape (N,), or a tuple (x, y) of two arrays.
    x_label : str
        What x is, with its unit.
    y_label : str or sequence of str
        What the values are, with their unit. One for each chart gives each an axis of its own.
    alt : str
        What a reader who cannot see the chart has to know: its axes, and what happens.
    caption : str
        What to notice.
    log : "", "x", "y" or "xy"
        Axes with equal steps for equal ratios.
    hline, vline : float, sequence of float or {name: float}, optional
        Thin lines across the charts; names go to the legend.
    span : (float, float), optional
        A range of x that is shaded.
    bands : mapping, optional
        Lower and upper end of the uncertainty, by the name of the curve.
    points : collection of str
        Names of curves drawn as points, without a line.
    joined : (str, str), optional
        Two curves whose points at one x are joined by a thin line.
    reference : str, optional
        The curve that the others are measured against, drawn thin in the colour of the text.
    x_ticks, y_ticks : sequence of float, optional
        Values written at the axes. By default all positions of x if they are few.
    x_limits, y_limits : (float or None, float or None), optional
        Ends of an axis; for y also one pair a chart.
    names_at : "above", "beside" or "nowhere"
        Where the names stand: above the charts, if there are two or more; or beside the first
        point of each curve.
    height : float
        Height in inches, without the legend; the width fits a phone.

    Returns
    -------
    Figure
        The chart, in the colours of the page. Curves of up to 16 values have a marker at each.

    Raises
    ------
    ValueError
        If there is no curve, a curve is not as long as its x, has infinite values or, on a
        logarithmic axis, none above 0, if a name is not that of a curve, or if joined curves have
        not the same x. NaN leaves a gap.

    Notes
    -----
    Used in every chapter with charts.

    Examples
    --------
    >>> from aimicro import show
    >>> show.curves(
    ...     [3, 12, 50],
    ...     {"Measured": [11, 18, 24], "U-Net": [24, 28, 31]},
    ...     x_label="photons",
    ...     y_label="PSNR (dB)",
    ...     log="x",
    ...     alt="PSNR against light: both rise, the U-Net lies above.",
    ... )
    PSNR against light: both rise, the U-Net lies above.
    """
    if log not in ("", "x", "y", "xy"):
        raise ValueError(f"Expected log as '', 'x', 'y' or 'xy', got {log!r}.")
    checks.one_of("names_at", names_at, ("above", "beside", "nowhere"))
    groups = _groups(x, lines)
    names = list(dict.fromkeys(curve.name for group in groups.values() for curve in group))
    _check_names(names, [*points, *(bands or {}), *(joined or ()), *filter(None, [reference])])
    _check_positive(groups, log)
    labels = [y_label] if isinstance(y_label, str) else list(y_label)
    if len(labels) > 1:
        checked_number(labels, len(groups), "y_label")
    x_ticks = _few(groups, log) if x_ticks is None else x_ticks
    with styled():
        fig = Canvas()
        axes = fig.subplots(1, len(groups), sharex=True, sharey=len(labels) == 1, squeeze=False)[0]
        for ax, (title, group) in zip(axes, groups.items(), strict=True):
            ax.set(title=title, xlabel=checked_text(x_label, "x_label"))
            _marks(ax, hline, vline, span)
            for curve in group:
                style = _style(curve, names, points, reference)
                _draw(ax, curve, style, (bands or {}).get(curve.name), names_at == "beside")
            _join(ax, group, joined)
            _scales(ax, group, log, x_ticks, y_ticks)
            if x_limits is not None:
                ax.set_xlim(*x_limits)
        for ax, label in zip(axes, labels, strict=False):
            ax.set_ylabel(checked_text(label, "y_label"))
        for ax, pair in zip(axes, _pairs(y_limits, len(axes)), strict=True):
            if pair is not None:
                ax.set_ylim(*pair)
        rows = _legend(fig, axes) if names_at == "above" else 0
        fig.set_size_inches(WIDTH_IN, height + 0.25 * rows)
        if names_at == "beside":
            _keep_apart(fig, [text for ax in axes for text in ax.texts])
        return chart(fig, alt=alt, caption=caption)


def training(
    history: Any,
    *,
    alt: str,
    caption: str = "",
    y_label: str = "loss",
    names: tuple[str, str] = ("training", "validation"),
    log: str = "y",
    y_limits: Pair | None = None,
) -> Figure:
    """Draw the losses of a training, or of several side by side.

    Parameters
    ----------
    history : History, path, or mapping
        What `fit` returned, or the ``training.csv`` that the command line wrote; or a mapping
        from titles to such.
    alt : str
        What a reader who cannot see the chart has to know.
    caption : str
        What to notice.
    y_label : str
        Which loss it is.
    names : (str, str)
        What the patches are called that it learned from, and those that it did not.
    log : "", "x", "y" or "xy"
        Axes with equal steps for equal ratios.
    y_limits : (float or None, float or None), optional
        Ends of the loss's axis.

    Returns
    -------
    Figure
        The chart.

    Raises
    ------
    ValueError
        If there is no training in it, or a file has not the columns of one.

    Notes
    -----
    Used in every chapter that trains.
    """
    several = history if isinstance(history, Mapping) else {"": history}
    read = {title: _losses(one) for title, one in several.items()}
    lines = {
        title: {name: (steps, loss) for name, loss in zip(names, losses, strict=True) if len(loss)}
        for title, (_, steps, *losses) in read.items()
    }
    clock = next(iter(read.values()))[0] if read else "step"
    return curves(
        None,
        lines,
        x_label=clock,
        y_label=y_label,
        log=log,
        y_limits=y_limits,
        alt=alt,
        caption=caption,
    )


def _losses(history: Any) -> tuple[str, Any, Any, Any]:
    """Return the name of the clock, its values, and the losses in training and validation."""
    if not isinstance(history, str | PathLike):
        return "step", history.step, history.train_loss, history.validation_loss
    table = np.atleast_1d(np.genfromtxt(history, delimiter=",", names=True))
    found = table.dtype.names or ()
    clock = "epoch" if "epoch" in found else "step"
    if not {clock, "training_loss", "validation_loss"} <= set(found):
        raise ValueError(
            f"Expected the columns epoch, training_loss and validation_loss in {history}, got "
            f"{found}. Name the training.csv that aimicro train wrote."
        )
    return clock, table[clock], table["training_loss"], table["validation_loss"]


def _groups(x: ArrayLike | None, lines: Lines) -> dict[str, list[_Curve]]:
    """Return the curves of each chart, by its title."""
    nested = any(isinstance(line, Mapping) for line in lines.values())
    groups: Mapping[str, Any] = lines if nested else {"": lines}
    found = {
        title: [_curve(name, x, line) for name, line in group.items()]
        for title, group in groups.items()
    }
    if not found or not all(found.values()):
        raise ValueError(
            "Expected at least one curve in each chart, got none. Pass {name: values}."
        )
    return found


def _curve(name: str, x: ArrayLike | None, line: Line) -> _Curve:
    """Return one curve as arrays."""
    own = isinstance(line, tuple) and len(line) == 2 and np.ndim(line[0]) == 1
    given, values = line if isinstance(line, tuple) and own else (x, line)
    if given is None:
        raise ValueError(f"Expected x for {name!r}, got None. Pass x, or the curve as (x, y).")
    along, up = (np.asarray(a, dtype=np.float64) for a in (given, values))
    if along.ndim != 1 or along.shape != up.shape or not up.size:
        raise ValueError(
            f"Expected as many values as positions for {name!r}, got shapes {up.shape} and "
            f"{along.shape}. Pass one value for each position."
        )
    if not np.isfinite(along).all() or np.isinf(up).any():
        raise ValueError(
            f"Expected finite numbers for {name!r}, got infinite ones. Leave them out, or put NaN "
            "for a gap in the curve."
        )
    return _Curve(name, along, up)


def _check_names(names: Sequence[str], asked: Sequence[str]) -> None:
    """Refuse to style a curve that is not there."""
    for name in asked:
        checks.one_of("the name of a curve", name, names)


def _check_positive(groups: Mapping[str, Sequence[_Curve]], log: str) -> None:
    """Refuse what a logarithmic axis would drop without a word."""
    for curve in (curve for group in groups.values() for curve in group):
        for axis, values in (("x", curve.x), ("y", curve.y)):
            if axis in log and np.nanmin(values) <= 0:
                raise ValueError(
                    f"Expected values above 0 on the logarithmic {axis} axis, got "
                    f"{np.nanmin(values):g} in {curve.name!r}. Leave log={axis!r} out."
                )


def _draw(
    ax: Axes,
    curve: _Curve,
    style: dict[str, Any],
    band: tuple[ArrayLike, ArrayLike] | None,
    named: bool,
) -> None:
    """Draw a curve, with its uncertainty behind it, and its name beside it."""
    if band is not None:
        low, high = (np.asarray(end, dtype=float) for end in band)
        ax.fill_between(curve.x, low, high, color=style["color"], alpha=0.2, lw=0)
    ax.plot(curve.x, curve.y, label=curve.name, **style)
    if named:
        start = (float(curve.x[0]), float(curve.y[0]))
        ax.annotate(curve.name, start, xytext=(0, 8), textcoords="offset points", ha="center")


def _join(ax: Axes, group: Sequence[_Curve], joined: tuple[str, str] | None) -> None:
    """Join the points of two curves by thin lines."""
    ends = [curve for curve in group if curve.name in (joined or ())]
    if len(ends) == 2:
        first, second = ends
        if not np.array_equal(first.x, second.x):
            raise ValueError(
                f"Expected the points of {first.name!r} and {second.name!r} at the same positions "
                f"to join them, got {first.x.tolist()} and {second.x.tolist()}. Leave joined out."
            )
        ax.vlines(first.x, first.y, second.y, color="k", lw=0.8, zorder=1)


def _keep_apart(fig: Canvas, names: Sequence[Text]) -> None:
    """Move a name that lies on another from above its point to below it."""
    fig.draw_without_rendering()
    for place, name in enumerate(names):
        box = name.get_window_extent()
        if any(box.overlaps(other.get_window_extent()) for other in names[:place]):
            name.set(position=(0, -8), verticalalignment="top")


def _style(
    curve: _Curve, names: Sequence[str], points: Collection[str], reference: str | None
) -> dict[str, Any]:
    """Return how a curve is drawn: colour, dashes and marker go by the place of its name."""
    if curve.name == reference:
        return {"color": "k", "ls": ":", "lw": 1.5}
    others = [name for name in names if name != reference]
    place = others.index(curve.name)
    style = {**_cycle()[place % len(_cycle())], "marker": "osD^v"[place % 5], "ms": 5}
    if curve.name in points:
        many = len(curve.x) > MANY
        return style | {"ls": "", **({"ms": 2, "alpha": 0.5} if many else POINTS[place % 5])}
    return style if len(curve.x) <= FEW else style | {"marker": ""}


def _cycle() -> list[dict[str, Any]]:
    """Return colours and dashes of the style."""
    return [
        {"color": one["color"], "ls": one["linestyle"]}
        for one in matplotlib.rcParams["axes.prop_cycle"]
    ]


def _marks(ax: Axes, hline: Marks, vline: Marks, span: tuple[float, float] | None) -> None:
    """Draw the thin lines across a chart, and shade a range."""
    if span is not None:
        ax.axvspan(*span, color="0.5", alpha=0.15, lw=0)
    for draw, marks in ((ax.axhline, hline), (ax.axvline, vline)):
        if marks is None:
            continue
        if isinstance(marks, Mapping):
            named = list(marks.items())
        else:
            named = [("_", value) for value in np.atleast_1d(np.asarray(marks))]
        for name, value in named:
            draw(float(value), color="k", lw=1, ls="-", label=name, zorder=1)


def _scales(
    ax: Axes,
    group: Sequence[_Curve],
    log: str,
    x_ticks: Sequence[float] | None,
    y_ticks: Sequence[float] | None,
) -> None:
    """Set the steps of the axes, and write plain numbers at them."""
    for name, axis, ticks in (("x", ax.xaxis, x_ticks), ("y", ax.yaxis, y_ticks)):
        if name in log:
            ax.set(**{f"{name}scale": "log"})
            values = np.concatenate([getattr(curve, name) for curve in group])
            ratio = np.nanmax(values) / np.nanmin(values)
            steps = next(steps for most, steps in STEPS if ratio < most)
            axis.set_major_locator(LogLocator(subs=steps))
            axis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
            axis.minorticks_off()
        if ticks is not None:
            axis.set_ticks(ticks, [_plain(tick) for tick in ticks])
            axis.minorticks_off()


def _plain(value: float) -> str:
    """Write a number without powers of ten in raised letters, which take a font of their own."""
    return f"{value:g}".replace("-", "−")


def _few(groups: Mapping[str, Sequence[_Curve]], log: str) -> Sequence[float] | None:
    """Return the positions of all curves if they can be written below each chart."""
    values = np.unique([x for group in groups.values() for curve in group for x in curve.x])
    if not 2 <= len(values) <= (8 if len(groups) == 1 else 4):
        return None
    places = np.log(values) if "x" in log else values
    gaps = np.diff(places) / np.ptp(places)
    return values.tolist() if gaps.min() > 0.6 / len(values) else None


def _pairs(limits: Pair | Sequence[Pair] | None, count: int) -> Sequence[Pair | None]:
    """Return the ends of the axis of each chart."""
    if limits is None:
        return [None] * count
    if not isinstance(limits[0], Sequence):
        return [cast(Pair, limits)] * count
    return checked_number(cast(Sequence[Pair], limits), count, "y_limits")


def _legend(fig: Canvas, axes: Sequence[Axes]) -> int:
    """Write the names above the charts; return in how many rows."""
    handles: dict[str, Any] = {}
    for ax in axes:
        handles.update(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    if len(handles) < 2:
        return 0
    longest = max(map(len, handles)) + 7  # with room for the sample of the line
    columns = max(1, min(len(handles), LETTERS // longest))
    fig.legend(
        list(handles.values()),
        list(handles),
        loc="outside upper center",
        ncols=columns,
        columnspacing=1,
    )
    return math.ceil(len(handles) / columns)
