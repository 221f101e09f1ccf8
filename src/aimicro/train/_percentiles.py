"""Percentiles without the copy of the image that NumPy makes to sort it.

The pixels at a rank are found digit by digit, as by a radix sort that follows a single bucket
(D. E. Knuth, The Art of Computer Programming 3, 5.2.5, *Sorting by distribution*): so images that
stay in their files need no copy.

A private part of :mod:`aimicro.train.scaling`.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimicro.io import parts

_MANY = 2**20  # pixels, from which on this is also quicker than to sort
_DIGIT = 16  # bits that are looked at in one passage through the image


def percentiles(image: NDArray[Any], percents: Sequence[float]) -> list[float]:
    """Return what `numpy.percentile` returns for finite pixels, number for number."""
    if image.size > _MANY and image.dtype.kind in "iuf" and image.dtype.itemsize <= 8:
        return percentiles_by_counting(image, percents)
    return [float(value) for value in np.percentile(image, percents)]


def percentiles_by_counting(image: NDArray[Any], percents: Sequence[float]) -> list[float]:
    """Find the two pixels around each percentile, and interpolate between them as NumPy does."""
    places = [(image.size - 1) * (percent / 100) for percent in percents]
    neighbours = [(math.floor(place), math.ceil(place)) for place in places]
    ranks = sorted({rank for pair in neighbours for rank in pair})
    value = dict(zip(ranks, _at(image, ranks), strict=True))
    return [
        float(np.quantile(np.array([value[low], value[high]]), [place - low])[0])
        for place, (low, high) in zip(places, neighbours, strict=True)
    ]


def _at(image: NDArray[Any], ranks: Sequence[int]) -> NDArray[Any]:
    """Return the pixels that would be at these places if all were sorted.

    Pixels are taken for numbers of a few digits. The first digits are counted, which tells those of
    the pixels in question; then the second ones of the pixels that begin with them, and so on.
    """
    n_bits = 8 * image.dtype.itemsize
    digit = min(_DIGIT, n_bits)
    begins = dict.fromkeys(ranks, 0)  # the digits that are known
    places = {rank: rank for rank in ranks}  # among the pixels that begin like that
    for shift in range(n_bits - digit, -1, -digit):
        counts = _counts(image, set(begins.values()), shift, digit)
        for rank, place in places.items():
            up_to = np.cumsum(counts[begins[rank]])
            next_digit = int(np.searchsorted(up_to, place, side="right"))
            places[rank] -= int(up_to[next_digit - 1]) if next_digit else 0
            begins[rank] = begins[rank] << digit | next_digit
    keys = np.array([begins[rank] for rank in ranks], f"u{image.dtype.itemsize}")
    return _from_keys(keys, image.dtype.newbyteorder("="))


def _counts(
    image: NDArray[Any], begins: set[int], shift: int, digit: int
) -> dict[int, NDArray[np.intp]]:
    """Count the next digit of the pixels that begin with each of these digits."""
    counts = {begin: np.zeros(2**digit, np.intp) for begin in begins}
    is_first = shift + digit == 8 * image.dtype.itemsize
    for part in parts(image):
        keys = _to_keys(part)
        for begin, count in counts.items():
            chosen = keys if is_first else keys[keys >> (shift + digit) == begin]
            count += np.bincount((chosen >> shift).astype(np.uint16), minlength=2**digit)
    return counts


def _to_keys(values: NDArray[Any]) -> NDArray[np.unsignedinteger[Any]]:
    """Return whole numbers from 0 that are in the same order as the values."""
    keys: NDArray[np.unsignedinteger[Any]] = values.view(f"u{values.dtype.itemsize}")
    sign = keys.dtype.type(1 << 8 * keys.dtype.itemsize - 1)
    if values.dtype.kind == "i":
        return keys ^ sign
    if values.dtype.kind == "f":  # stored as a sign, and a size that grows with its bits
        return np.where(keys & sign, ~keys, keys | sign)
    return keys


def _from_keys(keys: NDArray[np.unsignedinteger[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Undo `_to_keys`."""
    sign = keys.dtype.type(1 << 8 * keys.dtype.itemsize - 1)
    if dtype.kind == "i":
        keys = keys ^ sign
    elif dtype.kind == "f":
        keys = np.where(keys & sign, keys ^ sign, ~keys)
    return keys.view(dtype)
