"""Real images for the book: fetched once by pinned address, checked, and never without a word.

The files are listed in ``registry.tsv`` with size, SHA-256 and address, and the collections are
described in ``collections.toml``. Nothing is downloaded on import, or when the folder named by the
environment variable ``AIMICRO_DATA_DIR`` holds the file.
"""

import csv
import difflib
import logging
import os
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import pooch

_log = logging.getLogger(__name__)
_CONNECT_AND_READ_SECONDS = (5, 15)


class DataUnavailableError(OSError):
    """A file that is neither in the data folder nor in the cache, and cannot be downloaded."""


class DataMismatchError(ValueError):
    """A file whose content is not the one that the registry names."""


@dataclass(frozen=True)
class DataSet:
    """What a collection of images is, and on which terms it may be used.

    Attributes
    ----------
    title : str
        What the images show.
    licence : str
        The terms as far as they are known; read `caution`, too.
    citation : str
        What to cite when the images are used.
    doi : str
        Digital object identifier of the original deposit; empty if it has none.
    url : str
        Page of the copy that is fetched.
    caution : str
        What to know before trusting or publishing them.
    """

    title: str
    licence: str
    citation: str
    doi: str
    url: str
    caution: str


@dataclass(frozen=True)
class _RemoteFile:
    name: str
    n_bytes: int
    sha256: str
    url: str


def about(collection: str) -> DataSet:
    """Tell what a collection is: title, licence, citation, cautions.

    Parameters
    ----------
    collection : str
        Name of the collection, the first part of the names of its files.

    Returns
    -------
    DataSet
        The description.

    Raises
    ------
    ValueError
        If no collection has this name.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> about("fmd_confocal_pairs").doi
    '10.7274/r0-ed2r-4052'
    """
    return _collections()[_known("collection", collection, _collections())]


def registered() -> dict[str, int]:
    """Tell which real images there are: all files of the registry.

    Returns
    -------
    dict of str to int
        Their names, as `fetch` takes them, and their sizes in bytes.

    Notes
    -----
    Used by ``aimicro ready``, before a workshop.

    Examples
    --------
    >>> sum(registered().values()) < 20e6  # what a room needs to download
    True
    """
    return {name: file.n_bytes for name, file in _registry().items()}


def is_here(name: str) -> bool:
    """Tell whether a real image is on this machine, so that `fetch` needs no network.

    Parameters
    ----------
    name : str
        Collection and path of the file, as `registered` lists them.

    Returns
    -------
    bool
        Whether ``AIMICRO_DATA_DIR`` or the cache has a file of this name.

    Raises
    ------
    ValueError
        If the registry has no such file.

    Notes
    -----
    Used by ``aimicro ready``, before a workshop.
    """
    _known("file", name, _registry())
    folder = os.environ.get("AIMICRO_DATA_DIR")
    places = [*([Path(folder)] if folder else []), Path(pooch.os_cache("aimicro"))]
    return any((place / name).is_file() for place in places)


def fetch(name: str, *, progress: bool = False) -> Path:
    """Return the path of a real image, after one download at most.

    The file is looked for in the folder that ``AIMICRO_DATA_DIR`` names, then in the cache of the
    user, then at its address. Its SHA-256 is checked wherever it comes from. Size, licence and
    citation are logged before a download.

    Parameters
    ----------
    name : str
        Collection and path of the file, such as ``"fmd_confocal_pairs/gt/BPAE_G.tif"``.
    progress : bool
        Show a progress bar during a download.

    Returns
    -------
    pathlib.Path
        The file on this machine; treat it as read-only.

    Raises
    ------
    ValueError
        If the registry has no such file.
    DataUnavailableError
        If the file is not here, and cannot be downloaded.
    DataMismatchError
        If a file has another content than the registry says.

    Notes
    -----
    Used in chapter 6, *Denoising*.
    """
    registry = _registry()
    file = registry[_known("file", name, registry)]
    folder = os.environ.get("AIMICRO_DATA_DIR")
    if folder and (local := Path(folder) / name).is_file():
        return _checked(local, file)
    return _cached(file, Path(pooch.os_cache("aimicro")), progress=progress)


@cache
def _registry() -> dict[str, _RemoteFile]:
    rows = csv.DictReader(_text("registry.tsv").splitlines(), delimiter="\t")
    files = (_RemoteFile(r["name"], int(r["bytes"]), r["sha256"], r["url"]) for r in rows)
    return {file.name: file for file in files}


@cache
def _collections() -> dict[str, DataSet]:
    tables = tomllib.loads(_text("collections.toml"))
    return {name: DataSet(**table) for name, table in tables.items()}


def _text(name: str) -> str:
    return resources.files("aimicro.data").joinpath(name).read_text(encoding="utf-8")


def _known(kind: str, name: str, known: Iterable[str]) -> str:
    """Return a name of the registry, or say which one is nearest."""
    words = list(known)
    if name in words:
        return name
    nearest = difflib.get_close_matches(name, words, n=1, cutoff=0)
    raise ValueError(
        f"Expected the name of a {kind} in the registry, got {name!r}. "
        f"The nearest one is {nearest[0]!r}."
    )


def _checked(path: Path, file: _RemoteFile) -> Path:
    sha256 = pooch.file_hash(str(path))
    if sha256 != file.sha256:
        raise DataMismatchError(
            f"{path}: Expected {file.n_bytes} bytes with SHA-256 {file.sha256}, got "
            f"{path.stat().st_size} with {sha256}. Delete the file and fetch it again."
        )
    return path


def _cached(file: _RemoteFile, cache_folder: Path, *, progress: bool) -> Path:
    """Return the file from the cache, where it is downloaded to first if need be."""
    path = cache_folder / file.name
    if path.is_file():
        return _checked(path, file)
    terms = about(file.name.partition("/")[0])
    _log.info(
        "Downloading %s, %.1f MB, from %s. Licence: %s. Cite: %s. Caution: %s",
        *(file.name, file.n_bytes / 1e6, file.url, terms.licence, terms.citation, terms.caution),
    )
    try:
        with _pooch_quiet():
            pooch.retrieve(
                file.url,
                known_hash=f"sha256:{file.sha256}",
                fname=path.name,
                path=path.parent,
                downloader=pooch.HTTPDownloader(
                    timeout=_CONNECT_AND_READ_SECONDS,
                    progressbar=progress,
                    stream=progress,  # a stream that fails would stay open
                ),
            )
    except OSError as error:  # the errors of requests are OSErrors, too
        raise DataUnavailableError(
            f"Expected {file.name} ({file.n_bytes} bytes), got it from none of AIMICRO_DATA_DIR "
            f"({os.environ.get('AIMICRO_DATA_DIR') or 'not set'}), the cache {cache_folder} and "
            f"{file.url} ({type(error).__name__}). Connect to the internet once, or save that "
            f"address as {file.name} in a folder and set AIMICRO_DATA_DIR to the folder."
        ) from error
    except ValueError as error:
        raise DataMismatchError(
            f"{file.url}: Expected {file.n_bytes} bytes with SHA-256 {file.sha256}, got something "
            "else, which was thrown away. Check that the network does not ask you to log in first."
        ) from error
    return path


@contextmanager
def _pooch_quiet() -> Iterator[None]:
    """Keep pooch from writing to stderr, which the log message above makes superfluous."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
