"""Collections of real images as arrays, each with a simulated twin for where they cannot be had."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import label

from aimicro import checks
from aimicro.data import twins
from aimicro.data.fetching import DataSet, DataUnavailableError, about, fetch
from aimicro.io import read_tiff

FIELDS = (
    "A16_s2_w15AF20A10-82AE-48FA-AC50-7AE8AC3AA544",
    "B21_s4_w1521471E0-9BD7-492A-8739-9C782C2585B0",
    "D04_s2_w1E05C134E-BAFE-4FD7-8116-2D05E0839879",
    "E19_s2_w1752F162C-2C91-4A67-BF4F-D073C3D88291",
    "G01_s2_w1FBE52723-8BDF-4346-89BB-216A4A69ED1C",
    "H06_s4_w16261E805-AF5F-4785-BB65-C77B61FF39F7",
    "I15_s5_w11265571E-AA95-4E58-82CF-A75E3F240956",
    "J20_s5_w15709AA91-01B9-4959-963A-9D1D574D12E4",
)
CROWDS = (90, 120, 140, 110, 100, 130, 160, 150)  # nuclei in the twin of each field
CHANNELS = {"nuclei": "BPAE_B", "actin": "BPAE_G", "mitochondria": "BPAE_R"}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where images come from; printed, it tells title, licence, citation and caution.

    Attributes
    ----------
    about : DataSet
        What the real images are, and on which terms they may be used.
    simulated : bool
        Whether the simulated twin stands in for them.
    """

    about: DataSet
    simulated: bool

    @property
    def credit(self) -> str:
        """A sentence for captions: whom to cite, or that the images are simulated."""
        return "Simulated twin." if self.simulated else f"Images: {self.about.citation}."

    def __str__(self) -> str:
        if self.simulated:
            return (
                "The real images could not be had, so a simulated twin stands in for them. "
                f"It imitates: {self.about.title}."
            )
        parts = {"Licence": self.about.licence, "Cite": self.about.citation}
        parts["Caution"] = self.about.caution
        return "\n".join([f"{self.about.title}.", *(f"{k}: {v}" for k, v in parts.items())])


@dataclass(frozen=True, kw_only=True, repr=False)
class Collection(Source):
    """Images with their truth.

    Attributes
    ----------
    images : tuple of ndarray
        The images, in the type of their files.
    truth : tuple of ndarray
        Clean images or labels, one for each image; empty where there is none.
    names : tuple of str
        What each image is called.
    pixel_size_um : tuple of float or None
        Size of a pixel (or voxel), in the order ([z,] y, x); None where it is not known.
    about : DataSet
        What the real images are, and on which terms they may be used.
    simulated : bool
        Whether the simulated twin stands in for them.
    """

    images: tuple[NDArray[Any], ...]
    truth: tuple[NDArray[Any], ...]
    names: tuple[str, ...]
    pixel_size_um: tuple[float, ...] | None = None

    def __repr__(self) -> str:
        kind = "simulated" if self.simulated else "real"
        return f"<Collection of {len(self)} {kind} images: {', '.join(self.names)}>"

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, which: slice | Sequence[int]) -> "Collection":
        """Return a part of the collection, such as ``cells[:4]`` or ``cells[0, 2, 4]``."""
        if not isinstance(which, slice | tuple | list):
            raise TypeError(
                f"Expected a slice or several places, got {which!r}. "
                "Take one image from .images and .truth."
            )
        places = range(len(self))[which] if isinstance(which, slice) else which

        def some(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(values[k] for k in places) if values else ()

        return replace(
            self, images=some(self.images), truth=some(self.truth), names=some(self.names)
        )

    def split(self, *sizes: int) -> tuple["Collection", ...]:
        """Share the images out, in their order, so that no image is in two parts.

        Parameters
        ----------
        *sizes : int
            Images in each part, such as 4, 2, 2 for training, validation and test.

        Returns
        -------
        tuple of Collection
            One for each size.

        Raises
        ------
        ValueError
            If there are too few images.
        """
        for size in sizes:
            checks.whole("each size", size, low=1)
        if sum(sizes) > len(self):
            raise ValueError(
                f"Expected parts of {len(self)} images together at most, got {sizes}. "
                "Ask for fewer, or for a larger collection."
            )
        ends = np.cumsum(sizes).tolist()
        return tuple(self[end - size : end] for end, size in zip(ends, sizes, strict=True))


@dataclass(frozen=True, kw_only=True, repr=False)
class Film(Source):
    """A published lineage, and labels of a part of the film.

    Attributes
    ----------
    cells : ndarray, shape (N, 5)
        One row a detection: frame, id of the track, id of the mother (0 for none), y and x in
        pixels.
    labels : ndarray of int, shape (T, Y, X)
        Labels of the first frames, in a crop.
    about : DataSet
        What the real cells are, and on which terms they may be used.
    simulated : bool
        Whether the simulated twin stands in for them.
    """

    cells: NDArray[Any]
    labels: NDArray[Any]

    def __repr__(self) -> str:
        kind = "simulated" if self.simulated else "real"
        return f"<Film of {len(self.cells)} {kind} detections>"


@dataclass(frozen=True, kw_only=True, repr=False)
class Blurred(Source):
    """A blurred volume with its truth and the PSF that blurred it.

    Attributes
    ----------
    image : ndarray of float32, shape (Z, Y, X)
        As a camera would give it.
    truth : ndarray of float32, same shape
        The specimen, in a unit of its own.
    psf : ndarray of float32, shape (Z, Y, X)
        As it came: with sides of even length, and a sum that is not 1.
    about : DataSet
        What the images are, and on which terms they may be used.
    simulated : bool
        Whether the simulated twin stands in for them.
    """

    image: NDArray[Any]
    truth: NDArray[Any]
    psf: NDArray[Any]

    def __repr__(self) -> str:
        kind = "simulated twin" if self.simulated else "published"
        return f"<Blurred volume of {self.image.shape}, {kind} (not real light)>"


def nuclei(n: int = 8, *, min_pixels: int = 25, crowded_twin: bool = False) -> Collection:
    """Return fields of U2OS nuclei with outlines by experts (BBBC039).

    Parameters
    ----------
    n : int
        How many of the eight fields.
    min_pixels : int
        Smaller pieces of the annotation are crumbs, and taken as background; 0 keeps all.
    crowded_twin : bool
        Where the images cannot be had: a twin of 170 large nuclei in every field, instead of 90 to
        160 smaller ones.

    Returns
    -------
    Collection
        Images (520, 696) in counts, and labels, numbered from 1. Where they cannot be had, the
        simulated twin.

    Notes
    -----
    Used in chapter 10, *How sure is the model*, *Matching* and *Overlap*.

    Examples
    --------
    >>> cells = nuclei(4)
    >>> cells.names[:2], cells.truth[0].shape
    (('A16_s2', 'B21_s4'), (520, 696))
    """
    checks.whole("n", n, low=1, high=len(FIELDS))
    least = checks.whole("min_pixels", min_pixels, low=0)
    try:
        pairs, simulated = [_outlined(name) for name in FIELDS[:n]], False
    except DataUnavailableError:
        simulated = True
        if crowded_twin:
            pairs = [twins.crowded_nuclei(seed) for seed in range(n)]
        else:
            pairs = [twins.nuclei(crowd) for crowd in CROWDS[:n]]
    return Collection(
        images=tuple(image for image, _ in pairs),
        truth=tuple(_without_crumbs(labels, least) for _, labels in pairs),
        names=tuple(name[:6] for name in FIELDS[:n]),
        about=about("bbbc039_nuclei"),
        simulated=simulated,
    )


def denoising_pairs() -> Collection:
    """Return one confocal field in three channels, dim and as the mean of 50 frames (FMD).

    Returns
    -------
    Collection
        Nuclei, actin and mitochondria: images and truth (512, 512) in counts. Where they cannot
        be had, the simulated twin: three fields of filaments.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> len(denoising_pairs().names)
    3
    """
    try:
        pairs = [
            tuple(
                read_tiff(fetch(f"fmd_confocal_pairs/{kind}/{file}.tif")).data.astype(np.float64)
                for kind in ("noisy", "gt")
            )
            for file in CHANNELS.values()
        ]
        names, simulated = tuple(CHANNELS), False
    except DataUnavailableError:
        pairs, simulated = [twins.denoising_pair(seed) for seed in range(len(CHANNELS))], True
        names = tuple(f"filaments {seed + 1}" for seed in range(len(CHANNELS)))
    return Collection(
        images=tuple(frame for frame, _ in pairs),
        truth=tuple(mean for _, mean in pairs),
        names=names,
        about=about("fmd_confocal_pairs"),
        simulated=simulated,
    )


def bead() -> Collection:
    """Return one fluorescent bead, a measured point spread function.

    Returns
    -------
    Collection
        One image (61, 128, 128) in counts, without truth. Where it cannot be had, the simulated
        twin.

    Notes
    -----
    Used in chapter 6, *Image formation*.

    Examples
    --------
    >>> bead().images[0].shape[0]
    61
    """
    try:
        stack = read_tiff(fetch("psf_bead_measured/psf.tif"), axes="ZYX").data
        simulated = False
    except DataUnavailableError:
        stack, simulated = twins.bead(), True
    terms = about("psf_bead_measured")
    return Collection(images=(stack,), truth=(), names=("bead",), about=terms, simulated=simulated)


def bars() -> Blurred:
    """Return six bars, a synthetic benchmark of deconvolution (EPFL, reduced).

    Returns
    -------
    Blurred
        Image, truth and PSF (32, 64, 64). Where they cannot be had, the simulated twin.

    Notes
    -----
    Used in chapter 6, *Undoing a known blur, step by step*.

    Examples
    --------
    >>> bars().psf.shape
    (32, 64, 64)
    """
    folder = "deconv_bars_bead"
    try:
        image, truth, psf = (
            read_tiff(fetch(f"{folder}/bars-25pct__{kind}.tif"), axes="ZYX").data
            for kind in ("data", "actual", "kernel")
        )
        simulated = False
    except DataUnavailableError:
        (image, truth, psf), simulated = twins.bars(), True
    return Blurred(image=image, truth=truth, psf=psf, about=about(folder), simulated=simulated)


def confocal_and_widefield() -> Collection:
    """Return one nucleus, imaged by a widefield microscope and, as its reference, a confocal one.

    Returns
    -------
    Collection
        One image, widefield, and one truth, confocal, each (45, 130, 133) in counts and not yet
        registered. Where they cannot be had, the simulated twin.

    Notes
    -----
    Used in chapter 6, *Undoing a known blur, step by step*.

    Examples
    --------
    >>> confocal_and_widefield().images[0].shape
    (45, 130, 133)
    """
    folder = "neubias_confocal_widefield"
    try:
        stack = read_tiff(fetch(f"{folder}/xyzc_16bit__dna_conf_wf.tif"), axes="ZCYX").data
        widefield, confocal, simulated = stack[:, 1], stack[:, 0], False
    except DataUnavailableError:
        (widefield, confocal), simulated = twins.confocal_and_widefield(), True
    return Collection(
        images=(widefield,),
        truth=(confocal,),
        names=("nucleus",),
        pixel_size_um=twins.NUCLEUS_VOXEL_UM,
        about=about(folder),
        simulated=simulated,
    )


def epidermis() -> Film:
    """Return a published lineage of cells in the epidermis of a mouse.

    Returns
    -------
    Film
        Cells and labels of five frames (256, 256). Where they cannot be had, the simulated twin.

    Notes
    -----
    Used in chapter 10, *Tracking*.

    Examples
    --------
    >>> epidermis().labels.shape
    (5, 256, 256)
    """
    folder = "tracking_mouse_epidermis"
    try:
        table = np.load(fetch(f"{folder}/W-R1_lineage.npy"))
        labels = np.load(fetch(f"{folder}/W-R1_labels_crop.npy"))
        cells, simulated = table[:, [0, 3, 2, 5, 4]], False  # frame, cell, mother, y, x
    except DataUnavailableError:
        (cells, labels), simulated = twins.epidermis(), True
    return Film(cells=cells, labels=labels, about=about(folder), simulated=simulated)


def _outlined(name: str) -> twins.Pair:
    """Return a field in counts, and its nuclei as experts outlined them."""
    image = read_tiff(fetch(f"bbbc039_nuclei/images/IXMtest_{name}.tif")).data
    with Image.open(fetch(f"bbbc039_nuclei/masks_png/IXMtest_{name}.png")) as picture:
        mask = np.asarray(picture)
    return image, label(mask[..., 0])


def _without_crumbs(labels: NDArray[Any], least: int) -> NDArray[Any]:
    """Return labels without small objects, numbered from 1."""
    kept = np.bincount(labels.ravel()) >= max(least, 1)
    kept[0] = False
    ids = np.where(kept, np.cumsum(kept, dtype=np.int32), 0)
    return np.asarray(ids[labels], dtype=np.int32)
