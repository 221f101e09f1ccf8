"""Beat us: any function on the book's test sets, beside all methods of the book."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from aimicro import checks, show
from aimicro.benchmarks.tasks import restoration_task
from aimicro.restore import Ranking, RestorationTask, best_classical


@dataclass(frozen=True, repr=False)
class Benchmark:
    """How a method fares: shown by a notebook as a table and a picture.

    Attributes
    ----------
    psnr : float
        Decibels of the method, the mean over the test images.
    images : tuple of ndarray
        What it returned.
    scores : mapping from str to float
        Decibels of all methods, the best first.
    table, picture : Figure
        The scores; the first test image as measured, restored by the best classical method and by
        this one, and its truth.

    Notes
    -----
    Used in *How we judge*.
    """

    psnr: float
    images: tuple[npt.NDArray[np.float32], ...]
    scores: Mapping[str, float]
    table: show.Figure = field(repr=False)
    picture: show.Figure = field(repr=False)

    def __repr__(self) -> str:
        place = sorted(self.scores.values(), reverse=True).index(self.psnr) + 1
        return f"{self.psnr:.2f} dB, place {place} of {len(self.scores)}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Return table and picture as HTML, or the score where there is none."""
        return {"text/html": self.table.html + self.picture.html, "text/plain": repr(self)}


def benchmark(
    task: str, function: Callable[[npt.NDArray[np.float32]], npt.ArrayLike], *, name: str = "yours"
) -> Benchmark:
    """Score a function on one of the book's test sets, beside all methods of the book.

    Parameters
    ----------
    task : {"denoise", "denoise_volumes", "deconvolve", "correct_aberrations", "enhance_resolution"}
        Which test set. `restoration_task` gives it with the PSF, the noise and all else that a
        method may know; its truths are for the score alone.
    function : callable
        Takes an image as the camera recorded it, (Y, X) or (Z, Y, X), and returns the restored
        image in the same shape.
    name : str
        What the method is called in the table.

    Returns
    -------
    Benchmark
        The score, and in a notebook a table of all methods and a picture.

    Raises
    ------
    TypeError
        If `function` cannot be called.
    ValueError
        If there is no such test set, if the name is that of another method, or if the function
        returns another shape or a value that is not finite.

    Notes
    -----
    Used in *How we judge*.

    Examples
    --------
    >>> from scipy.ndimage import gaussian_filter
    >>> result = benchmark("denoise", lambda image: gaussian_filter(image, 1.6), name="my filter")
    >>> "my filter" in result.scores
    True
    """
    if not callable(function):
        raise TypeError(
            f"Expected a function of an image, got {type(function).__name__}. "
            "Pass the function itself: benchmark(task, my_function)."
        )
    test, classical = _opponents(task)
    measured = {"as measured": test.measured}
    if name in classical or name in measured:
        raise ValueError(f"Expected a name of its own, got {name!r}. Choose another name.")
    restored = tuple(_checked(function(image.copy()), image.shape) for image in test.images)
    scores = classical.scores(measured | {name: test.score(restored)})
    best = classical.best
    compared: dict[str, npt.ArrayLike] = {
        "as measured": test.images[0],
        best.name: best.images[0],
        name: restored[0],
    }
    table = show.scoreboard(
        f"Benchmark: {test.name}",
        scores,
        unit="dB PSNR",
        headline=name,
        baseline=best.name,
        caption=f"Mean of {len(test.images)} test images.",
    )
    picture = show.compare(
        compared,
        test.truths[0],
        data_range=test.data_range,
        affine=test.affine,
        alt=f"The first test image as measured, after {best.name}, after {name}, and its truth.",
        caption="The first test image, and what the best classical method and yours make of it.",
    )
    return Benchmark(scores[name], restored, scores, table, picture)


@cache
def _opponents(name: str) -> tuple[RestorationTask, Ranking]:
    """A test set and what classical methods make of it: the same for every try."""
    task = restoration_task(name)
    return task, best_classical(task)


def _checked(image: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """What a function returned, or a clear error."""
    found = checks.intensities("what the function returns", image)
    if found.shape != shape:
        raise ValueError(
            f"Expected the function to return shape {shape}, got {found.shape}. "
            "Return one restored image for each that comes in."
        )
    return found.astype(np.float32)
