"""Real images for the book: fetched once by pinned address, checked, and never without a word."""

from aimicro.data.fetching import (
    DataMismatchError,
    DataSet,
    DataUnavailableError,
    about,
    fetch,
)

__all__ = ["DataMismatchError", "DataSet", "DataUnavailableError", "about", "fetch"]
