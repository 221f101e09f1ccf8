"""Which divisions were filmed, told by the truth that no detector sees."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro import checks
from aimicro.smart.frame import TrueDivision


def times_filmed(
    divisions: Sequence[TrueDivision],
    times_s: ArrayLike,
    centres_um: ArrayLike,
    *,
    view_um: float | Sequence[float],
    within_s: float,
) -> NDArray[np.int64]:
    """Count for each division the frames that show its place around its time.

    Parameters
    ----------
    divisions : sequence of TrueDivision
        What happened.
    times_s : array_like
        ``(n,)`` when each frame was taken, in seconds.
    centres_um : array_like
        ``(n, 2)`` middle ``(y, x)`` of each view in µm.
    view_um : float or sequence of float
        Size of a view along y and x.
    within_s : float
        Frames count from so long before the division until so long after it.

    Returns
    -------
    numpy.ndarray
        ``(len(divisions),)`` int64 numbers of frames.

    Raises
    ------
    ValueError
        If times and centres do not fit, or a length is not above 0.

    Notes
    -----
    Used in chapter 7, *Event-driven acquisition*.

    Examples
    --------
    >>> division = TrueDivision(600.0, 10.0, 10.0, mother=3)
    >>> centres = [(12, 8), (12, 8), (90, 90)]
    >>> times_filmed([division], [580, 900, 600], centres, view_um=40, within_s=60)
    array([1])
    """
    times, centres = np.asarray(times_s, float), np.asarray(centres_um, float).reshape(-1, 2)
    if times.shape != (len(centres),):
        raise ValueError(
            f"Expected as many times as centres, one for each frame, got shapes {times.shape} and "
            f"{centres.shape}. Take both from the same log."
        )
    half = np.array(checks.per_axis("view_um", view_um, 2)) / 2
    checks.number("within_s", within_s, above=0, unit="s")
    happened = np.array([(one.time_s, one.y_um, one.x_um) for one in divisions]).reshape(-1, 3)
    near = np.abs(times - happened[:, :1]) <= within_s
    inside = np.all(np.abs(centres - happened[:, None, 1:]) <= half, axis=2)
    counts: NDArray[np.int64] = np.sum(near & inside, axis=1)
    return counts
