"""What arguments must be; a mistake gets an error: what was expected, what came, what to do.

Each check returns the value in the type that the code goes on with. `hint` is the next step, a
sentence of its own.

Used by every chapter.
"""

import difflib
import math
import operator
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

_OFF_CENTRE = 0.4  # of the width of a PSF, within which aberrations leave its light or its peak


def number(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    above: float = -math.inf,
    high: float = math.inf,
    below: float = math.inf,
    unit: str = "",
    hint: str = "",
) -> float:
    """Return a finite number within bounds.

    Parameters
    ----------
    name : str
        What the caller knows it as.
    value : Any
        What came.
    low, above : float
        Lower bounds: allowed itself, or not.
    high, below : float
        Upper bounds: allowed itself, or not.
    unit : str
        Of the value, for the message.
    hint : str
        What to do next.

    Returns
    -------
    float
        The number.

    Raises
    ------
    TypeError
        If it is no real number.
    ValueError
        If it is not finite, or out of bounds.

    Examples
    --------
    >>> number("pinhole_au", 1, above=0)
    1.0
    >>> number("emission_um", 520, low=0.1, high=10, unit="µm", hint="Divide nanometres by 1000.")
    Traceback (most recent call last):
    ValueError: Expected emission_um from 0.1 to 10 µm, got 520. Divide nanometres by 1000.
    """
    expected = f"Expected {name}{_range(low, above, high, below)}{_after_space(unit)}"
    # A 0-d array is a number, too; true and false are not.
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, Real) or isinstance(value, bool | np.bool_):
        raise TypeError(f"{expected}, got {_shown(value)}.{_after_space(hint)}")
    found = float(value)
    inside = low <= found <= high and above < found < below
    if not (math.isfinite(found) and inside):
        raise ValueError(f"{expected}, got {found:g}.{_after_space(hint)}")
    return found


def whole(name: str, value: Any, *, low: int, high: int | None = None, hint: str = "") -> int:
    """Return a whole number from `low` to `high`.

    Parameters
    ----------
    name : str
        What the caller knows it as.
    value : Any
        What came.
    low, high : int
        Bounds that are allowed themselves.
    hint : str
        What to do next.

    Returns
    -------
    int
        The number.

    Raises
    ------
    TypeError
        If it is no whole number.
    ValueError
        If it is out of bounds.

    Examples
    --------
    >>> whole("steps", 250 / 3, low=1)
    Traceback (most recent call last):
    TypeError: Expected steps as a whole number of 1 or more, got 83.33333333333333.
    """
    size = f"of {low} or more" if high is None else f"from {low} to {high}"
    try:
        if isinstance(value, bool | np.bool_):  # which counts as 1
            raise TypeError
        found = operator.index(value)
    except TypeError:
        raise TypeError(
            f"Expected {name} as a whole number {size}, got {_shown(value)}.{_after_space(hint)}"
        ) from None
    if found < low or (high is not None and found > high):
        raise ValueError(f"Expected {name} {size}, got {found}.{_after_space(hint)}")
    return found


def one_of(name: str, value: Any, options: Iterable[str], *, hint: str = "") -> str:
    """Return a word, if it is one of `options`; otherwise the error names the nearest of them.

    Parameters
    ----------
    name : str
        What the caller knows it as.
    value : Any
        What came.
    options : iterable of str
        The words.
    hint : str
        What to do next; by default to try the nearest word.

    Returns
    -------
    str
        The word.

    Raises
    ------
    ValueError
        If it is none of them.

    Examples
    --------
    >>> one_of("task", "segmnt", ["restore", "segment"])
    Traceback (most recent call last):
    ValueError: Expected task as one of restore, segment, got 'segmnt'. Did you mean segment?
    """
    words = list(options)
    if isinstance(value, str) and value in words:
        return value
    nearest = difflib.get_close_matches(str(value), words, n=1)
    meant = hint or (f"Did you mean {nearest[0]}?" if nearest else "")
    raise ValueError(
        f"Expected {name} as one of {', '.join(words)}, got {_shown(value)}.{_after_space(meant)}"
    )


def per_axis(
    name: str,
    value: Any,
    ndim: int,
    *,
    whole_from: int | None = None,
    unit: str = "",
    hint: str = "",
) -> tuple[Any, ...]:
    """Return a number for each axis: finite lengths above 0, or whole numbers.

    Parameters
    ----------
    name : str
        What the caller knows it as.
    value : Any
        One number for all axes, or as many as axes in the order ([z,] y, x).
    ndim : int
        Axes.
    whole_from : int, optional
        Ask for whole numbers of this or more.
    unit : str
        Of the value, for the message.
    hint : str
        What to do next.

    Returns
    -------
    tuple of float, or of int
        One for each axis.

    Raises
    ------
    TypeError
        For what is no number.
    ValueError
        If there are not `ndim`, or one is out of bounds.

    Examples
    --------
    >>> per_axis("voxel_size_um", [0.2, 0.1, 0.1], 3)
    (0.2, 0.1, 0.1)
    >>> per_axis("tile", 64, 2, whole_from=1)
    (64, 64)
    """
    array = np.asarray(value, dtype=object)
    if array.ndim > 1 or (array.ndim == 1 and array.size != ndim):
        raise ValueError(
            f"Expected {name} as one number or {ndim}, one for each axis "
            f"({', '.join('zyx'[-ndim:])}), got {_shown(value)}.{_after_space(hint)}"
        )
    values = [array.item()] * ndim if array.ndim == 0 else list(array)
    if whole_from is not None:
        return tuple(whole(name, one, low=whole_from, hint=hint) for one in values)
    return tuple(number(name, one, above=0, unit=unit, hint=hint) for one in values)


def image(
    name: str,
    values: npt.ArrayLike,
    *,
    ndim: int | Sequence[int] | None = (2, 3),
    low: float = -math.inf,
    finite: bool = True,
    film: bool = False,
    hint: str = "",
) -> npt.NDArray[Any]:
    """Return an image as an array of real, finite numbers.

    Parameters
    ----------
    name : str
        What the caller knows it as.
    values : array_like
        What came, for example `(Y, X)` or `(Z, Y, X)`.
    ndim : int, sequence of int or None
        How many axes it may have; None for any number.
    low : float
        The lowest value allowed.
    finite : bool
        Refuse NaN and infinite pixels, for which all pixels are looked at.
    film : bool
        Whether the first axis is time; a list then holds frames.
    hint : str
        What to do next where the number of axes is wrong.

    Returns
    -------
    ndarray
        In the type that it had; not a copy.

    Raises
    ------
    TypeError
        For what is no image of real numbers, and for a list of images.
    ValueError
        For another number of axes, no pixels, NaN or infinite ones, or one below `low`.

    Examples
    --------
    >>> image("truth", [[1, 2], [3, 4]]).shape
    (2, 2)
    """
    # A list of images would become a volume, in silence.
    listed = values if isinstance(values, list | tuple) and not film else ()
    if any(isinstance(one, np.ndarray) and one.ndim > 1 for one in listed):
        raise TypeError(
            f"Expected {name} as one image, got a {type(listed).__name__} of {len(listed)}. "
            "Give one at a time; planes of a volume become one with numpy.stack."
        )
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"Expected {name} as an image of real numbers, got {array.dtype}. Convert it first."
        )
    allowed = (ndim,) if isinstance(ndim, int) else tuple(ndim or ())
    if array.size == 0 or (allowed and array.ndim not in allowed):
        expected = " or ".join(_axes(n, film) for n in allowed) or "any length"
        hint = hint or "Choose one channel and one time point."
        raise ValueError(
            f"Expected {name} of shape {expected} with pixels in it, got {array.shape}. {hint}"
        )
    if finite and array.dtype.kind == "f" and not _is_finite(array):
        bad = int(array.size - np.count_nonzero(np.isfinite(array)))
        raise ValueError(
            f"Expected {name} with finite pixels, got {bad} of {array.size} NaN or infinite. "
            "Decide what they mean and replace them, for example with numpy.nan_to_num."
        )
    if low > -math.inf and float(array.min()) < low:
        raise ValueError(
            f"Expected {name} without pixels below {low:g}, got {array.min():g}. "
            "Subtract the offset of the camera, or replace them."
        )
    return array


def intensities(
    name: str,
    values: npt.ArrayLike,
    *,
    ndim: int | Sequence[int] | None = (2, 3),
    low: float = -math.inf,
    hint: str = "",
) -> npt.NDArray[np.float64]:
    """Return an image of intensities, no mask, in double precision.

    Parameters
    ----------
    name : str
        What the caller knows it as.
    values : array_like
        What came, for example `(Y, X)` or `(Z, Y, X)`.
    ndim : int, sequence of int or None
        How many axes it may have; None for any number.
    low : float
        The lowest value allowed.
    hint : str
        What to do next where the number of axes is wrong.

    Returns
    -------
    ndarray of float64
        A copy.

    Raises
    ------
    TypeError, ValueError
        As for `image`; and for a mask of true and false.

    Examples
    --------
    >>> intensities("image", [[1, 2], [3, 4]]).dtype
    dtype('float64')
    """
    array = image(name, values, ndim=ndim, low=low, hint=hint)
    if array.dtype.kind == "b":
        raise TypeError(
            f"Expected {name} as intensities, got a mask of true and false. "
            "Convert it first, for example with astype(float)."
        )
    return array.astype(np.float64)


def psf(
    name: str, values: npt.ArrayLike, *, ndim: int, odd: bool = False, hint: str = ""
) -> npt.NDArray[np.float64]:
    """Return a point spread function, which keeps the light and leaves it in its place.

    Parameters
    ----------
    name : str
        What the caller knows it as.
    values : array_like
        What came, with its centre at ``shape // 2``.
    ndim : int
        How many axes it must have.
    odd : bool
        Whether its sides must be of odd length, so that its centre is a voxel.
    hint : str
        What to do next where the number of axes is wrong.

    Returns
    -------
    ndarray of float64
        A copy.

    Raises
    ------
    TypeError, ValueError
        As for `intensities`; and if a value is below 0, the sum is not 1, a side that must be odd
        is even, or both the light and its brightest voxel lie off the centre: either alone may be
        what aberrations do.

    Examples
    --------
    >>> psf("psf", np.eye(3) / 3, ndim=2).shape
    (3, 3)
    """
    kernel = intensities(name, values, ndim=ndim, hint=hint)
    total = float(kernel.sum())
    if kernel.min() < 0 or not math.isclose(total, 1, abs_tol=1e-3):
        raise ValueError(
            f"Expected {name} from 0 up with a sum of 1, got a smallest value of "
            f"{kernel.min():g} and a sum of {total:g}. Clip it at 0 and divide it by its sum."
        )
    middle = tuple(side // 2 for side in kernel.shape)
    if kernel.flat[0] == kernel.max() > 2 * kernel[middle]:
        raise ValueError(
            f"Expected {name} with its centre in the middle, got it in the first voxel, as FFTs "
            "order them. Apply numpy.fft.fftshift."
        )
    peak = np.unravel_index(kernel.argmax(), kernel.shape)
    light_off, moved = [], False
    for axis, side in enumerate(kernel.shape):
        light = kernel.sum(axis=tuple(set(range(ndim)) - {axis})) / total
        place = np.arange(side) - side // 2
        off = float(light @ place)
        allowed = max(1, _OFF_CENTRE * math.sqrt(light @ (place - off) ** 2))
        moved |= abs(off) > allowed and abs(place[peak[axis]]) > allowed
        light_off.append(off)
    if moved:
        raise ValueError(
            f"Expected {name} with its light around the middle voxel, got its centre "
            f"{', '.join(f'{off:+.1f}' for off in light_off)} voxels from there along "
            f"{', '.join('zyx'[-ndim:])}, by which the result would be moved. Subtract the "
            "background of a measured one, and crop it around its brightest voxel."
        )
    if odd and any(side % 2 == 0 for side in kernel.shape):
        raise ValueError(
            f"Expected {name} with sides of odd length, got shape {kernel.shape}. Compute it in an "
            "odd window, so that its centre is a voxel."
        )
    return kernel


def labels(
    name: str,
    values: npt.ArrayLike,
    *,
    ndim: int | Sequence[int] = (2, 3),
    film: bool = False,
    hint: str = "Compare one image at a time.",
    unread: bool = False,
) -> npt.NDArray[np.integer]:
    """Return a label image: whole numbers, 0 for background and an id for each object.

    Parameters
    ----------
    name : str
        What the caller knows it as.
    values : array_like
        What came, `(Y, X)` or `(Z, Y, X)`.
    ndim : int or sequence of int
        How many axes it may have.
    film : bool
        Whether the first axis is time.
    hint : str
        What to do next where the number of axes is wrong.
    unread : bool
        Whether to look at no pixel: an image that is mapped from a file would be read once more.
        Its ids go to `from_zero` where they are read.

    Returns
    -------
    ndarray of integers
        In the type that it had; not a copy.

    Raises
    ------
    TypeError
        For masks of true and false, and for floating-point numbers.
    ValueError
        For another number of axes, no pixels, or negative ids.

    Examples
    --------
    >>> labels("truth", [[0.2, 0.7]])
    Traceback (most recent call last):
    TypeError: Expected truth as labels, whole numbers, got float64. If they are labels, convert \
them with astype(numpy.int32); probabilities need a segmentation first.
    """
    array = image(name, values, ndim=ndim, finite=False, film=film, hint=hint)
    if array.dtype.kind == "b":
        raise TypeError(
            f"Expected {name} as labels, a number for each object, got a mask of true and false. "
            "Number its objects first: skimage.measure.label(mask)."
        )
    if array.dtype.kind == "f":
        raise TypeError(
            f"Expected {name} as labels, whole numbers, got {array.dtype}. If they are labels, "
            "convert them with astype(numpy.int32); probabilities need a segmentation first."
        )
    return array if unread else from_zero(name, array)


def from_zero(name: str, ids: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Return ids of a label image, none of them negative.

    Parameters
    ----------
    name : str
        What the caller knows the image as.
    ids : ndarray of integers
        At least one.

    Returns
    -------
    ndarray of integers
        The same.

    Raises
    ------
    ValueError
        For negative ids.

    Examples
    --------
    >>> from_zero("truth", np.array([0, -1]))
    Traceback (most recent call last):
    ValueError: Expected truth as labels from 0 (background) up, got -1. Set pixels to be left out \
to 0.
    """
    if ids.dtype.kind == "i" and ids.min() < 0:
        raise ValueError(
            f"Expected {name} as labels from 0 (background) up, got {ids.min()}. "
            "Set pixels to be left out to 0."
        )
    return ids


def whole_as_integers(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return whole numbers that a file holds as floats as integers, and anything else as it is.

    Parameters
    ----------
    values : ndarray
        Pixels, for example labels from MorphoLibJ and others, which store them as float32.

    Returns
    -------
    ndarray
        int64, or the same array: where there are fractions or NaN, and above 2**24, from where on
        float32 does not hold every number, so that two objects may have become one.

    Examples
    --------
    >>> import numpy as np
    >>> whole_as_integers(np.float32([0, 7])), whole_as_integers(np.float32([0, 0.5]))
    (array([0, 7]), array([0. , 0.5], dtype=float32))
    """
    whole = values.dtype.kind == "f" and values.max(initial=0) <= 2**24 and (values % 1 == 0).all()
    return values.astype(np.int64) if whole else values


def same_number(**images: Any) -> list[list[Any]]:
    """Return lists of images, as many in each: a list or tuple is many, an array is one.

    Parameters
    ----------
    **images : array_like, or list or tuple of them
        What came, by the names that the caller has for it.

    Returns
    -------
    list of list
        The images in the order of the names.

    Raises
    ------
    ValueError
        If there are not as many of each, or none.

    Examples
    --------
    >>> [len(each) for each in same_number(images=np.ones((2, 4, 4)), truths=np.ones((2, 4, 4)))]
    [1, 1]
    """
    lists = {n: list(v) if isinstance(v, list | tuple) else [v] for n, v in images.items()}
    counts = {len(each) for each in lists.values()}
    if counts == {0} or len(counts) != 1:
        found = " and ".join(f"{len(each)} {name}" for name, each in lists.items())
        raise ValueError(
            f"Expected as many of {' and '.join(lists)}, one or more, got {found}. Give arrays, or "
            "lists of one length; an array is one image, so make a stack of them a list: list(x)."
        )
    return list(lists.values())


def _is_finite(array: npt.NDArray[Any]) -> bool:
    """Whether all numbers are, told by two of them: no large image gets another beside it."""
    with np.errstate(invalid="ignore"):
        return bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def _axes(n: int, film: bool) -> str:
    """How a shape with so many axes is written."""
    if film:
        return _axes(n - 1, False).replace("(", "(T, ")
    return {0: "()", 1: "(X,)", 2: "(Y, X)", 3: "(Z, Y, X)", 4: "(C, Z, Y, X)"}[n]


def _range(low: float, above: float, high: float, below: float) -> str:
    """The bounds in words."""
    start = f" from {low:g}" if low > -math.inf else f" above {above:g}"
    end = f" to {high:g}" if high < math.inf else f" to below {below:g}"
    if max(low, above) == -math.inf and min(high, below) == math.inf:
        return " as a finite number"
    if max(low, above) == -math.inf:
        return f" of at most {high:g}" if high < math.inf else f" below {below:g}"
    if min(high, below) == math.inf:
        return f" of {low:g} or more" if low > -math.inf else start
    return start + end


def _after_space(text: str) -> str:
    """A sentence or a unit, where there is one."""
    return f" {text}" if text else ""


def _shown(value: Any) -> str:
    """What came, but no more of it than fits a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
