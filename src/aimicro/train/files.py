"""Pairs of patches from TIFF files, which together may be larger than memory.

Images that fit into the memory granted are held there, as they are stored. Of a larger data set
only the patches are read. The patches are the same either way, bit for bit.

Used in appendix A, *Denoising*.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from aimicro.checks import one_of
from aimicro.io import Header, read_header
from aimicro.train.image_cache import ImageCache, Pixels, read_stack
from aimicro.train.patches import Patches, Target
from aimicro.train.scaling import Scaling
from aimicro.train.windows import Keep

__all__ = ["FilePatches", "read_stack", "smallest_shape"]


class FilePatches(Patches):
    """Random patches from pairs of TIFF files, which together may be larger than memory.

    Each pair is as likely to be chosen, whatever its size.

    Parameters
    ----------
    pairs : sequence of tuple of Path
        Files with an image and its truth each, `(Y, X)` or `(Z, Y, X)`, of one time point; with
        `channels` `(C, [Z,] Y, X)`. The truth is an image, a mask, labels with a `target`, or
        None for training without truth.
    patch_size : tuple of int
        Size of a patch, one number for each axis, in pixels.
    batch_size : int
        Patches in a batch.
    augment : bool
        Mirror each axis and exchange Y and X, each with probability one half, Z never with them.
    target : callable, optional
        Computes what the network learns, `(C, [Z,] Y, X)`, from the labels of a patch, after it
        was turned and mirrored.
    keep : callable, optional
        Tells of a patch of the truth whether to use it, such as `structure()`. After 512 tries
        the last one is used, with a warning.
    channels : {"none", "first"}
        Whether images have channels; the truth may have them, too.
    scaling : Scaling, optional
        How to scale intensities, for example ``Scaling(Percentile(), Percentile())``. By default
        mean and standard deviation of all images; masks and targets are left as they are.
    memory_limit_bytes : float
        A data set with more bytes of pixels is read from disk patch by patch. Compressed files
        cannot be read in part: as many of them as the limit allows are held, at least one.
    seed : int
        Seed of the random choices.
    progress : bool
        Show a progress bar if it takes long to read all images once.

    Attributes
    ----------
    in_memory : bool
        Whether all images are held in memory.

    Raises
    ------
    ValueError
        For files that are no such pairs, images smaller than a patch, NaN or infinite pixels,
        images without structure, and labels without a `target`.

    Warns
    -----
    RuntimeWarning
        For an image with a few pixels far beyond all others, which are clipped; by `batch`, if no
        patch was found to keep.
    UserWarning
        For compressed files that do not fit into memory.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Path, Path | None]],
        *,
        patch_size: Sequence[int],
        batch_size: int = 16,
        augment: bool = True,
        target: Target | None = None,
        keep: Keep | None = None,
        channels: Literal["none", "first"] = "none",
        scaling: Scaling | None = None,
        memory_limit_bytes: float,
        seed: int = 0,
        progress: bool = False,
    ) -> None:
        one_of("channels", channels, ("none", "first"))
        headers = _headers(pairs, channels=channels == "first")
        smallest = _smallest(headers.values())
        if len(patch_size) != len(smallest) or any(np.less(smallest, patch_size)):
            raise ValueError(
                f"Expected patches that fit into the smallest image, {smallest}, got "
                f"{tuple(patch_size)}. Choose a smaller patch_size, one number for each axis."
            )
        super().__init__(
            patch_size=patch_size,
            batch_size=batch_size,
            augment=augment,
            target=target,
            keep=keep,
            seed=seed,
        )
        self._pairs, self._cache = list(pairs), ImageCache(headers, memory_limit_bytes)
        bar = tqdm(headers, "reading", unit="image", delay=5, disable=not progress)
        self._measure(scaling, iter(bar))
        self._check_there_is_structure()
        if self._cache.n_compressed:
            warnings.warn(
                f"{self._cache.n_compressed} of {len(headers)} images are compressed and do not "
                "fit into the memory granted, so they are decoded again and again. Save them "
                "without compression, or raise the memory limit.",
                UserWarning,
                stacklevel=2,
            )

    @property
    def in_memory(self) -> bool:
        """Whether all images are held in memory."""
        return self._cache.in_memory

    def _indices(self, rng: np.random.Generator) -> Iterator[int]:
        while True:
            yield int(rng.integers(len(self._pairs)))

    def _shape(self, key: Path) -> tuple[int, ...]:
        return _spatial(self._cache.headers[key])

    def _name(self, key: Path) -> str:
        return str(key)

    def _whole(self, key: Path) -> Pixels:
        return self._cache.whole(key)

    def _window(self, key: Path, window: tuple[slice, ...]) -> Pixels:
        channels = self._cache.headers[key].axes.startswith("C")
        return self._cache.window(key, (slice(None), *window) if channels else window)

    def _check_there_is_structure(self) -> None:
        for kind, paths in zip(("raw", "true"), zip(*self._pairs, strict=True), strict=True):
            found = [path for path in paths if path is not None]
            if found and all(self._facts[path].constant for path in found):
                raise ValueError(
                    f"Expected {kind} images with structure, got {len(found)} in which all pixels "
                    f"are the same, the first is {found[0]}. Check how they were saved."
                )


def smallest_shape(pairs: Sequence[tuple[Path, Path | None]]) -> tuple[int, ...]:
    """Shape of the largest patch that fits into every image. Reads no pixels.

    Parameters
    ----------
    pairs : sequence of tuple of Path
        Files with a raw and a true image each, or None for no truth.

    Returns
    -------
    tuple of int
        `(Y, X)` or `(Z, Y, X)`, in pixels.

    Raises
    ------
    ValueError
        If there is no pair, a file is no image of one channel and one time point, the shapes of a
        pair differ, or images and volumes are mixed.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """
    return _smallest(_headers(pairs).values())


def _smallest(headers: Iterable[Header]) -> tuple[int, ...]:
    return tuple(min(sizes) for sizes in zip(*map(_spatial, headers), strict=True))


def _spatial(header: Header) -> tuple[int, ...]:
    """`([Z,] Y, X)`."""
    return header.shape[header.axes.startswith("C") :]


def _headers(
    pairs: Sequence[tuple[Path, Path | None]], *, channels: bool = False
) -> dict[Path, Header]:
    """What the files tell, after a check that they are pairs of one kind."""
    if not pairs:
        raise ValueError("Expected at least one pair of images, got none.")
    headers: dict[Path, Header] = {}
    for pair in pairs:
        for path in pair:
            if path is not None and path not in headers:
                headers[path] = read_header(path, channels=channels)
        n_channels = [headers[image].shape[0] for image in (pair[0], pairs[0][0])]
        if channels and (not headers[pair[0]].axes.startswith("C") or len({*n_channels}) > 1):
            raise ValueError(
                f"Expected images with as many channels as the first, got {pair[0]} with axes "
                f"{headers[pair[0]].axes} {headers[pair[0]].shape}. Leave it out."
            )
        raw, truth = (_spatial(headers[path or pair[0]]) for path in pair)
        if raw != truth:
            raise ValueError(
                f"Expected a raw and a true image of one shape, got {pair[0]} with {raw} and "
                f"{pair[1]} with {truth}. Crop or register the pair first."
            )
        first = pairs[0][0]
        if len(raw) != len(_spatial(headers[first])):
            raise ValueError(
                f"Expected either images (Y, X) or volumes (Z, Y, X), got {first} with "
                f"{headers[first].shape} and {pair[0]} with {raw}. Train on them separately; a "
                "stack of one slice is an image."
            )
    return headers
