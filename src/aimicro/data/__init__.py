"""Real images for the book: fetched once by pinned address, checked, and never without a word.

A collection is a function that returns arrays: ``cells = data.nuclei()``. Where the files cannot
be had, it returns a simulated twin, and says so when printed.
"""

from aimicro.data.collections import (
    Blurred,
    Collection,
    Film,
    bars,
    bead,
    confocal_and_widefield,
    denoising_pairs,
    epidermis,
    nuclei,
)
from aimicro.data.fetching import (
    DataMismatchError,
    DataSet,
    DataUnavailableError,
    about,
    fetch,
    is_here,
    registered,
)
from aimicro.data.fields import FieldSplit, Leak, find_leaks, split_by_field
from aimicro.data.trained import Card, card, weights

__all__ = [
    "Blurred",
    "Card",
    "Collection",
    "DataMismatchError",
    "DataSet",
    "DataUnavailableError",
    "FieldSplit",
    "Film",
    "Leak",
    "about",
    "bars",
    "bead",
    "card",
    "confocal_and_widefield",
    "denoising_pairs",
    "epidermis",
    "fetch",
    "find_leaks",
    "is_here",
    "nuclei",
    "registered",
    "split_by_field",
    "weights",
]
