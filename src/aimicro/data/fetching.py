"""Real images for the book: fetched once by pinned address, checked, and never without a word.

The files are listed in ``registry.tsv`` with size, SHA-256 and address. Nothing is downloaded on
import, or when the folder named by the environment variable ``AIMICRO_DATA_DIR`` holds the file.
"""

import csv
import difflib
import logging
import os
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


_DATA_SETS = {
    "bbbc039_nuclei": DataSet(
        title="Eight fields of U2OS nuclei, Hoechst, widefield 20x (images/, 520 x 696 pixels, "
        "uint16), and nuclei outlined by experts (masks_png/): each connected piece of one value "
        "in the first channel is a nucleus",
        licence="CC0 1.0",
        citation="Caicedo, Roth, Goodman, Becker, Karhohs, Broisin, Molnar, McQuin, Singh, Theis, "
        "Carpenter: Evaluation of Deep Learning Strategies for Nucleus Segmentation in "
        "Fluorescence Images. Cytometry Part A 95, 952-965 (2019), doi:10.1002/cyto.a.23863. "
        "Image set BBBC039v1 of the Broad Bioimage Benchmark Collection",
        doi="10.1002/cyto.a.23863",
        url="https://github.com/DeepTrackAI/cell_counting_dataset",
        caution="The files do not tell the pixel size. A few per cent of the outlined pieces are "
        "smaller than 25 pixels: crumbs of the annotation, which many leave out, and say so.",
    ),
    "fmd_confocal_pairs": DataSet(
        title="One field of fixed BPAE cells in three channels, confocal: one noisy frame (noisy/) "
        "and the mean of 50 registered frames (gt/), 512 x 512 pixels, uint8",
        licence="Not settled: the copy comes with Apache-2.0; the original deposit is said by "
        "others who use it to be CC BY-SA 4.0",
        citation="Zhang, Zhu, Nichols, Wang, Zhang, Smith, Howard: A Poisson-Gaussian Denoising "
        "Dataset With Real Fluorescence Microscopy Images. CVPR 2019, pp. 11710-11718, "
        "arXiv:1812.10366. Data: Mannam, Zhang, Howard: Fluorescence Microscopy Denoising (FMD) "
        "dataset, University of Notre Dame, 2019, doi:10.7274/r0-ed2r-4052",
        doi="10.7274/r0-ed2r-4052",
        url="https://github.com/jason-lequyer/Noise2Fast",
        caution="The licence could not be confirmed at the deposit itself: ask there before you "
        "publish the images. The truth is a mean of 50 frames, and keeps about a seventh of the "
        "noise of one. The files do not tell the pixel size.",
    ),
    "psf_bead_measured": DataSet(
        title="One fluorescent bead, a measured point spread function: 61 planes of 128 x 128 "
        "pixels, uint16",
        licence="MIT",
        citation="Test data of pyCUDAdecon, copyright 2019 Talley Lambert, "
        "https://github.com/tlambert03/pycudadecon",
        doi="",
        url="https://github.com/tlambert03/pycudadecon",
        caution="The file tells neither the pixel size, nor the objective, nor the wavelength, nor "
        "the size of the bead. Compare shapes, not lengths. Light out of focus is missing, so the "
        "microscope had a pinhole or a light sheet.",
    ),
    "tracking_mouse_epidermis": DataSet(
        title="Epidermis of a mouse paw, filmed in the living animal: lineages of 4,728 detections "
        "in 15 frames with 404 divisions, and labels of 5 frames of 256 x 256 pixels of them",
        licence="Apache-2.0",
        citation="Yamamoto, Cockburn, Greco, Kawaguchi: Probing the rules of cell coordination in "
        "live tissues by interpretable machine learning based on graph neural networks. PLOS "
        "Computational Biology 18, e1010477 (2022), doi:10.1371/journal.pcbi.1010477. The labels "
        "were cropped for the examples of laptrack, https://github.com/yfukai/laptrack",
        doi="10.1371/journal.pcbi.1010477",
        url="https://github.com/NoneqPhysLivingMatterLab/cell_interaction_gnn",
        caution="How far the lineages were corrected by hand was not checked. Eight divisions have "
        "three daughters. Cells that the edge of the crop cuts have a label, but no track.",
    ),
}


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
    if collection not in _DATA_SETS:
        raise _unknown("collection", collection, _DATA_SETS)
    return _DATA_SETS[collection]


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
    if name not in registry:
        raise _unknown("file", name, registry)
    file = registry[name]
    folder = os.environ.get("AIMICRO_DATA_DIR")
    if folder and (local := Path(folder) / name).is_file():
        return _checked(local, file)
    return _cached(file, Path(pooch.os_cache("aimicro")), progress=progress)


@cache
def _registry() -> dict[str, _RemoteFile]:
    text = resources.files("aimicro").joinpath("data/registry.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    files = (_RemoteFile(r["name"], int(r["bytes"]), r["sha256"], r["url"]) for r in rows)
    return {file.name: file for file in files}


def _unknown(kind: str, name: str, known: Iterable[str]) -> ValueError:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)
    return ValueError(
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
