"""Whether an analysis keeps its word: two images of one sample, and what must hold between them.

Nobody knows the right answer for a real image. But everybody knows what may not change it: to turn
the image, or to sample it more finely.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from aimicro import checks

Image: TypeAlias = npt.NDArray[Any]
Analysis: TypeAlias = Callable[[Image, float], float]

_EXACT = 1e-3  # of the answer: the same pixels in another order, and rounding
_NEARLY = 0.1  # filters of a few pixels see the edges of enlarged pixels
_BINS = 0.05  # Otsu's threshold and its kin count floating-point numbers in coarser bins


class Relation(NamedTuple):
    """What must hold between the answers for an image and for its twin.

    Attributes
    ----------
    name : str
        Of the twin, in a word or two.
    twin : callable
        From the image and its pixel size in µm to those of the twin.
    expected : callable
        From the answer for the image to that for the twin.
    tolerance : float
        By which part of the expected answer the twin's may differ.
    """

    name: str
    twin: Callable[[Image, float], tuple[Image, float]]
    expected: Callable[[float], float] = lambda answer: answer
    tolerance: float = _EXACT


class Finding(NamedTuple):
    """A relation that an analysis breaks.

    Attributes
    ----------
    name : str
        Of the relation.
    expected, found : float
        The answer for the twin.
    error : str
        What the analysis raised instead of an answer; empty where it gave one.
    """

    name: str
    expected: float
    found: float
    error: str = ""


def usual_relations(*, light: float | None = None, adds_up: bool | None = None) -> list[Relation]:
    """List what must hold for a size in µm, a count, a ratio or a brightness.

    The image is turned by 90° and mirrored in the plane; its numbers become floating-point ones;
    each pixel is cut in four of half the size, which leaves lengths in µm and grey levels as they
    are. Told more of the quantity, the light is doubled, and the field laid beside its mirror
    image.

    Parameters
    ----------
    light : float, optional
        The power with which the answer follows the light: 1 for a brightness above the background,
        0 for a size, a count or a ratio. Left out, the light is not changed.
    adds_up : bool, optional
        Whether two fields have twice the answer of one, as a count has, or the same, as a mean or
        a density has. Left out, no field is laid beside another.

    Returns
    -------
    list of Relation
        For `check_analysis`; add your own.

    Raises
    ------
    TypeError, ValueError
        If `light` is no finite number.

    Notes
    -----
    Used in chapter 3, *Checking code that a model wrote*.

    References
    ----------
    T. Y. Chen et al., "Metamorphic testing: A review of challenges and opportunities", ACM
    Computing Surveys 51(1), 4 (2018). https://doi.org/10.1145/3143561

    Examples
    --------
    >>> [relation.name for relation in usual_relations(light=1)]
    ['turned', 'mirrored', 'other type', 'finer pixels', 'twice the light']
    """
    found = [
        Relation("turned", lambda image, size: (np.rot90(image, axes=(-2, -1)), size)),
        Relation("mirrored", lambda image, size: (image[..., ::-1], size)),
        Relation(
            "other type", lambda image, size: (image.astype(np.float64), size), tolerance=_BINS
        ),
        Relation("finer pixels", lambda image, size: (_finer(image), size / 2), tolerance=_NEARLY),
    ]
    if light is not None:
        power = checks.number("light", light)
        found.append(Relation("twice the light", _brighter, lambda answer: answer * 2**power, 0.02))
    if adds_up is not None:
        times = 2 if adds_up else 1
        found.append(Relation("two fields", _doubled, lambda answer: answer * times, 0.02))
    return found


def check_analysis(
    measure: Analysis,
    image: npt.ArrayLike,
    *,
    pixel_size_um: float,
    relations: Iterable[Relation],
) -> list[Finding]:
    """Look for relations that an analysis breaks; the right answer need not be known.

    Besides the relations given, the analysis must answer with a finite number, answer the same when
    it is asked again, and leave the image as it is.

    Parameters
    ----------
    measure : callable
        The analysis: from an image and the size of its pixels in µm to a number. Each call gets a
        copy.
    image : array_like, (Y, X) or (Z, Y, X), or with axes before these
        A typical one. Where fields are laid beside each other, its right border should cut nothing.
    pixel_size_um : float
        Distance between pixels in µm along y and x.
    relations : iterable of Relation
        Those of `usual_relations`, and your own.

    Returns
    -------
    list of Finding
        Empty where all hold, which does not prove that the answer is right.

    Raises
    ------
    TypeError, ValueError
        If the image is none, or `pixel_size_um` is not above 0.

    Notes
    -----
    Used in chapter 3, *Checking code that a model wrote*.

    References
    ----------
    T. Y. Chen et al., "Metamorphic testing: A review of challenges and opportunities", ACM
    Computing Surveys 51(1), 4 (2018). https://doi.org/10.1145/3143561

    Examples
    --------
    The area of what is bright, in µm², whose author forgot to square the size of pixels:

    >>> image = np.pad(np.full((8, 8), 9.0), 4)
    >>> def area(image, pixel_size_um):
    ...     return (image > 4).sum() * pixel_size_um
    >>> check_analysis(area, image, pixel_size_um=0.5, relations=usual_relations(light=0))
    [Finding(name='finer pixels', expected=32.0, found=64.0, error='')]
    """
    pixels = checks.image("image", image, ndim=None)
    size = checks.number("pixel_size_um", pixel_size_um, above=0, unit="µm")
    given = pixels.copy()
    answer, error = _asked(measure, given, size)
    if error or not np.isfinite(answer):
        return [Finding("a number", np.nan, answer, error)]
    found = []
    if not np.array_equal(given, pixels):
        found.append(Finding("image kept", float(pixels.sum()), float(given.sum())))
    again = Relation("asked again", lambda image, size: (image, size), tolerance=0)
    for relation in (again, *relations):
        twin, twin_size = relation.twin(pixels.copy(), size)
        expected = relation.expected(answer)
        got, error = _asked(measure, np.ascontiguousarray(twin), twin_size)
        if error or not abs(got - expected) <= relation.tolerance * abs(expected):
            found.append(Finding(relation.name, expected, got, error))
    return found


def _asked(measure: Analysis, image: Image, pixel_size_um: float) -> tuple[float, str]:
    """The answer, or the error that came instead."""
    try:
        return float(measure(image, pixel_size_um)), ""
    except Exception as error:  # a twin may show what no image did so far
        return np.nan, f"{type(error).__name__}: {error}"


def _finer(image: Image) -> Image:
    """Each pixel cut in four."""
    return image.repeat(2, axis=-2).repeat(2, axis=-1)


def _brighter(image: Image, pixel_size_um: float) -> tuple[Image, float]:
    """Twice the light, in a type that holds it."""
    if image.dtype.kind in "iu" and int(image.max()) * 2 > np.iinfo(image.dtype).max:
        return image.astype(np.uint32) * 2, pixel_size_um
    return image * image.dtype.type(2), pixel_size_um


def _doubled(image: Image, pixel_size_um: float) -> tuple[Image, float]:
    """The field beside its mirror image."""
    return np.concatenate([image, image[..., ::-1]], axis=-1), pixel_size_um
