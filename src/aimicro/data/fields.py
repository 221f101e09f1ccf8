"""Images shared out so that no field of view is in two parts, and leaks found where one is.

Two images of a field, of its next plane or time point, or crops of it, show the same cells. A model
that was trained on one knows the other, and a score on it says nothing of new fields.

Used in chapter 9, *Training and using a model*.
"""

import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aimicro import checks
from aimicro.io import digest

Name = str | os.PathLike[str]
Field = str | Callable[[str], str]


class FieldSplit(NamedTuple):
    """Which images are for what, as their places in the list that was split.

    Attributes
    ----------
    train : tuple of int
        To learn from.
    validation : tuple of int
        To choose settings, and when to stop.
    test : tuple of int
        To be looked at once, at the end.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


class Leak(NamedTuple):
    """Two images in different parts that show the same.

    Attributes
    ----------
    parts : tuple of str
        The two parts.
    names : tuple of str
        The image in each.
    by : {"field", "content"}
        Whether the names tell of one field, or all pixels are the same.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.
    """

    parts: tuple[str, str]
    names: tuple[str, str]
    by: Literal["field", "content"]


def split_by_field(
    names: Sequence[Name],
    *,
    field: Field,
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    rng: np.random.Generator | int,
) -> FieldSplit:
    r"""Share images out at random for training, validation and test, each field of view as a whole.

    Parameters
    ----------
    names : sequence of str or path-like
        File names; with their folders, if these tell of fields.
    field : str or callable
        How a name tells of its field: a regular expression, whose groups or, without any, whose
        whole match name it; or a function that returns it.
    fractions : sequence of float
        Of the fields, not the images, for training, validation and test. Validation and test get at
        least one.
    rng : numpy.random.Generator or int
        Chooses the fields.

    Returns
    -------
    FieldSplit
        Places in `names`, in their order: ``[names[k] for k in split.train]``, and as well
        ``collection[split.train]``.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than three fields, a name does not tell its field or comes twice, or the
        fractions do not add up to 1.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> names = [f"plate1_{well}_s{site}_w1.tif" for well in "ABCDE" for site in (1, 2)]
    >>> split_by_field(names, field=r"plate\d+_[A-Z]", rng=0)
    FieldSplit(train=(0, 1, 2, 3, 6, 7), validation=(8, 9), test=(4, 5))
    """
    shares = _fractions(fractions)
    keys = _fields(names, field)
    repeated = [name for name, n in Counter(os.fspath(one) for one in names).items() if n > 1]
    if repeated:
        raise ValueError(f"Expected each image once, got {repeated[0]!r} twice. Leave one out.")
    fields = sorted(set(keys))
    if len(fields) < 3:
        raise ValueError(
            f"Expected at least 3 fields of view, one for each part, got {len(fields)} in "
            f"{len(keys)} images: {', '.join(map(repr, fields)) or 'none'}. Image more fields, or "
            "check what `field` takes from the names."
        )
    n_validation, n_test = (max(1, round(len(fields) * share)) for share in shares[1:])
    if n_validation + n_test >= len(fields):
        raise ValueError(
            f"Expected fractions that leave a field to train on, got {tuple(fractions)} of "
            f"{len(fields)} fields. Lower those of validation and test."
        )
    order = np.random.default_rng(rng).permutation(len(fields)).tolist()
    chosen = [fields[place] for place in order]
    test, validation = set(chosen[:n_test]), set(chosen[n_test : n_test + n_validation])
    parts: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for place, key in enumerate(keys):
        part = "test" if key in test else "validation" if key in validation else "train"
        parts[part].append(place)
    return FieldSplit(**{part: tuple(places) for part, places in parts.items()})


def find_leaks(
    parts: Mapping[str, Sequence[Name]],
    *,
    field: Field,
    images: Mapping[str, Sequence[NDArray[Any]]] | None = None,
) -> list[Leak]:
    r"""Find images of one field of view, and copies of one image, in different parts.

    Parameters
    ----------
    parts : mapping of str to sequence of str or path-like
        File names in each part, such as ``{"train": [...], "test": [...]}``.
    field : str or callable
        How a name tells of its field, as for `split_by_field`.
    images : mapping of str to sequence of ndarray, optional
        The pixels, in the same order, to find copies under other names. Turned, cropped or brighter
        ones are no copies.

    Returns
    -------
    list of Leak
        Empty where all is well; else, for each field and each image, one of every two parts that
        share it.

    Raises
    ------
    TypeError, ValueError
        If a name does not tell its field, or there are not as many images as names.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> parts = {"train": ["A1_z0.tif", "B2_z0.tif"], "test": ["A1_z1.tif"]}
    >>> find_leaks(parts, field=r"[A-Z]\d")
    [Leak(parts=('train', 'test'), names=('A1_z0.tif', 'A1_z1.tif'), by='field')]
    """
    names = {part: [os.fspath(name) for name in some] for part, some in parts.items()}
    leaks = _shared(names, {part: _fields(some, field) for part, some in names.items()}, "field")
    if images is None:
        return leaks
    counts = {part: len(images.get(part, ())) for part in names}
    if counts != {part: len(some) for part, some in names.items()} or set(images) - set(names):
        raise ValueError(
            f"Expected an image for each name, got {counts} images for "
            f"{ {part: len(some) for part, some in names.items()} } names. Load them in one order."
        )
    digests = {part: [digest(np.asarray(one)) for one in images[part]] for part in names}
    return leaks + _shared(names, digests, "content")


def _shared(
    names: Mapping[str, Sequence[str]],
    keys: Mapping[str, Sequence[str]],
    by: Literal["field", "content"],
) -> list[Leak]:
    """Keys that two parts have, with the first image of each."""
    first = {
        part: dict(reversed(list(zip(keys[part], some, strict=True))))
        for part, some in names.items()
    }
    return [
        Leak((one, other), (first[one][key], first[other][key]), by)
        for one, other in itertools.combinations(names, 2)
        for key in dict.fromkeys(keys[one])
        if key in first[other]
    ]


def _fields(names: Sequence[Name], field: Field) -> list[str]:
    """The field of each name, or an error that counts those that do not tell it."""
    if isinstance(names, str) or not (callable(field) or isinstance(field, str)):
        raise TypeError(
            "Expected a list of names, and field as a regular expression or a function, got "
            f"{type(names).__name__} and {type(field).__name__}. Put a single name in a list."
        )
    texts = [os.fspath(name) for name in names]
    keys = [field(text) for text in texts] if callable(field) else _matches(texts, field)
    silent = [text for text, key in zip(texts, keys, strict=True) if not key]
    if silent:
        raise ValueError(
            f"Expected a field of view in each name, got none in {len(silent)} of {len(texts)}, "
            f"such as {silent[0]!r}. Change `field` to fit all names."
        )
    return keys


def _matches(texts: Sequence[str], pattern: str) -> list[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"Expected field as a regular expression, got {pattern!r}: {error}. Try one such as "
            r"'[A-P]\d\d_s\d', and see docs.python.org/3/howto/regex.html."
        ) from error
    found = [expression.search(text) for text in texts]
    return ["" if one is None else "|".join(filter(None, one.groups())) or one[0] for one in found]


def _fractions(fractions: Sequence[float]) -> list[float]:
    hint = "Give those of training, validation and test, such as (0.7, 0.15, 0.15)."
    shares = [checks.number("fractions", one, above=0, below=1, hint=hint) for one in fractions]
    if len(shares) != 3 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise ValueError(
            f"Expected three fractions that add up to 1, got {tuple(fractions)}. {hint}"
        )
    return shares
