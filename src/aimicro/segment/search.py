"""The search for the parameters of a method that come closest to the truth."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Parameter:
    """One number that a method is tuned by.

    Attributes
    ----------
    name : str
        The argument's.
    values : tuple of float
        To be tried first, rising and above 0; the best is looked for up to their ends.
    start : float
        One of them, from which the search sets out.
    unit : str
        Pixels, or none.
    dimension : int
        How it grows with the objects: 0 not at all, 1 as their radius, and -1 as their size.

    Notes
    -----
    Used in chapter 9, *From a threshold to a U-Net*.

    Examples
    --------
    >>> str(Parameter("sigma", (0.5, 1.0, 2.0), 1.0, "px"))
    'sigma (px)'
    """

    name: str
    values: tuple[float, ...]
    start: float
    unit: str = ""
    dimension: int = 0

    def of(self, radius: float, ndim: int) -> "Parameter":
        """The same for objects of a radius, where it was for those of 1."""
        scale = radius ** (ndim if self.dimension < 0 else self.dimension)
        values = tuple(scale * value for value in self.values)
        return replace(self, values=values, start=scale * self.start, dimension=0)

    def __str__(self) -> str:
        """Name and unit, for a table."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def between(self, value: float) -> list[float]:
        """Half of the way, in ratios, from a value of the grid to its neighbours."""
        at = self.values.index(value)
        beside = self.values[max(at - 1, 0) : at] + self.values[at + 1 : at + 2]
        return [math.sqrt(value * other) for other in beside]


def search(
    score: Callable[[Mapping[str, float]], float],
    parameters: Sequence[Parameter],
    *,
    quick: Callable[[Mapping[str, float]], float] | None = None,
) -> dict[str, float]:
    """Tune one parameter after another: over the grid, then again between its best values.

    Parameters
    ----------
    score : callable
        Takes a value for each parameter, by name, and tells how good they are.
    parameters : sequence of Parameter
        What is tuned, that which matters most first.
    quick : callable, optional
        A score that takes less time, with which the grid is searched.

    Returns
    -------
    dict
        The best values that were tried.

    Notes
    -----
    Some thirty trials for five parameters, where a full grid takes thousands. What is found is the
    best along each axis, and no more: where parameters work together, a better place may lie
    across.

    Used in chapter 9, *From a threshold to a U-Net*.

    Examples
    --------
    >>> a, b = (Parameter(name, (1, 4, 16), 4) for name in "ab")
    >>> search(lambda at: -abs(at["a"] - 9) - abs(at["b"] - 1), [a, b])
    {'a': 8.0, 'b': 1}
    """
    best = {one.name: one.start for one in parameters}
    for judge, refine in ((quick or score, False), (score, True)):
        top = judge(best)
        for one in parameters:
            here = best[one.name]
            for value in one.between(here) if refine else one.values:
                trial = best | {one.name: value}
                if value != here and (reached := judge(trial)) > top:
                    best, top = trial, reached
    return best
