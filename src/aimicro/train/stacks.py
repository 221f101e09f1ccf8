"""Pairs of patches from TIFF files, normalised and chosen as the published 3D-RCAN does.

Images that fit into the memory granted are held there, as they are stored. Of a larger data set
only the patches are read. The patches are the same either way, bit for bit.

Used in appendix A, *Denoising*.
"""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from aimicro.train._stack_files import Header, Pixels, Shelf, read_header, read_stack
from aimicro.train.patches import (
    LEAST_SCALE,
    Array,
    Normalisation,
    check_can_be_turned,
    percentile_normalisation,
    random_window,
    turned_alike,
)

__all__ = ["StackPatches", "read_stack", "smallest_shape"]

TRIES = 512


class StackPatches:
    """Random patches from pairs of TIFF files, which together may be larger than memory.

    Every image is normalised by its own percentiles. A patch is used if enough of its truth is
    structure; after 512 tries the last one is used, with a warning. The batch of a step is a
    function of `seed` and the step alone.

    Parameters
    ----------
    pairs
        Files with a raw and a true image each, `(Y, X)` or `(Z, Y, X)`, of one channel and one
        time point. Each pair is as likely to be chosen, whatever its size.
    patch_size
        Size of a patch, one number for each axis, in pixels.
    batch_size
        Patches in a batch.
    augment
        Mirror each axis and exchange Y and X, each with probability one half, Z never with them.
    intensity_threshold
        Pixels of the normalised truth above this count as structure; 0 or less takes any patch.
    area_ratio_threshold
        Share of a patch's pixels that must be structure.
    p_min, p_max
        Percentiles of an image that become 0 and 1.
    memory_limit_bytes
        A data set with more bytes of pixels is read from disk patch by patch. Compressed files
        cannot be read in part: as many of them as the limit allows are held, at least one.
    seed
        Seed of the random choices.
    progress
        Show a progress bar if it takes long to read all images once, for their percentiles.

    Attributes
    ----------
    in_memory : bool
        Whether all images are held in memory.
    normalisation : Normalisation
        The identity: patches come normalised, since every image has percentiles of its own.

    Raises
    ------
    ValueError
        For files that are no such pairs, images smaller than a patch, NaN or infinite pixels, and
        images without structure.

    Warns
    -----
    RuntimeWarning
        By `batch`, if no patch with enough structure was found.

    Notes
    -----
    Used in appendix A, *Denoising*.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Path, Path]],
        *,
        patch_size: tuple[int, ...],
        batch_size: int = 1,
        augment: bool = True,
        intensity_threshold: float = 0.25,
        area_ratio_threshold: float = 0.5,
        p_min: float = 2.0,
        p_max: float = 99.9,
        memory_limit_bytes: float,
        seed: int = 0,
        progress: bool = False,
    ) -> None:
        headers = _headers(pairs)
        smallest = _smallest(headers.values())
        if len(patch_size) != len(smallest) or any(np.less(smallest, patch_size)):
            raise ValueError(
                f"Expected patches that fit into the smallest image, {smallest}, got "
                f"{tuple(patch_size)}. Choose a smaller patch_size, one number for each axis."
            )
        if batch_size < 1:
            raise ValueError(f"Expected a batch_size of 1 or more, got {batch_size}.")
        if augment:
            check_can_be_turned(patch_size)
        self.patch_size, self.batch_size = tuple(patch_size), batch_size
        self.augment, self.seed, self.normalisation = augment, seed, Normalisation()
        self.intensity_threshold = intensity_threshold
        self.area_ratio_threshold = area_ratio_threshold
        self._pairs, self._shelf = list(pairs), Shelf(headers, memory_limit_bytes)
        self._normalisations = {
            path: _normalisation(path, self._shelf.whole(path), p_min, p_max)
            for path in tqdm(headers, "reading", unit="image", delay=5, disable=not progress)
        }
        self._check_there_is_structure()
        if self._shelf.n_compressed:
            warnings.warn(
                f"{self._shelf.n_compressed} of {len(headers)} images are compressed and do not "
                "fit into the memory granted, so they are decoded again and again. Save them "
                "without compression, or raise the memory limit.",
                UserWarning,
                stacklevel=2,
            )

    @property
    def in_memory(self) -> bool:
        """Whether all images are held in memory."""
        return self._shelf.in_memory

    def batch(self, step: int) -> tuple[Array, Array]:
        """Raw and true patches of one step, each `(B, 1, [Z,] Y, X)`, normalised."""
        rng = np.random.default_rng([self.seed, step])
        pairs = [self._patch(rng) for _ in range(self.batch_size)]
        raw, truth = (np.stack(patches)[:, np.newaxis] for patches in zip(*pairs, strict=True))
        return raw, truth

    def _patch(self, rng: np.random.Generator) -> tuple[Array, Array]:
        for _ in range(TRIES):
            raw, truth = self._pairs[rng.integers(len(self._pairs))]
            window = random_window(self._shelf.headers[truth].shape, self.patch_size, rng)
            pixels = self._shelf.window(truth, window)
            if self._is_structure(pixels, self._normalisations[truth]):
                break
        else:
            warnings.warn(
                f"Failed to sample a valid patch in {TRIES} tries, so the last one is used. Lower "
                "intensity_threshold or area_ratio_threshold.",
                RuntimeWarning,
                stacklevel=3,
            )
        patches = (
            self._normalisations[raw].apply(self._shelf.window(raw, window)),
            self._normalisations[truth].apply(pixels),
        )
        return turned_alike(*patches, rng) if self.augment else patches

    def _is_structure(self, pixels: Pixels, normalisation: Normalisation) -> bool:
        if self.intensity_threshold <= 0:
            return True
        # In the unit of the file, so that a patch that is not used need not be normalised.
        threshold = normalisation.offset + self.intensity_threshold * normalisation.scale
        n_bright = np.count_nonzero(pixels > threshold)
        return bool(n_bright >= self.area_ratio_threshold * pixels.size)

    def _check_there_is_structure(self) -> None:
        for kind, paths in zip(("raw", "true"), zip(*self._pairs, strict=True), strict=True):
            if all(_is_flat(self._normalisations[path]) for path in paths):
                raise ValueError(
                    f"Expected {kind} images with structure, got {len(paths)} in which all pixels "
                    f"are the same, the first is {paths[0]}. Check how they were saved."
                )


def smallest_shape(pairs: Sequence[tuple[Path, Path]]) -> tuple[int, ...]:
    """Shape of the largest patch that fits into every image. Reads no pixels.

    Parameters
    ----------
    pairs
        Files with a raw and a true image each.

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
    return tuple(min(sizes) for sizes in zip(*(header.shape for header in headers), strict=True))


def _headers(pairs: Sequence[tuple[Path, Path]]) -> dict[Path, Header]:
    """What the files tell, after a check that they are pairs of one kind."""
    if not pairs:
        raise ValueError("Expected at least one pair of images, got none.")
    headers: dict[Path, Header] = {}
    for pair in pairs:
        for path in pair:
            if path not in headers:
                headers[path] = read_header(path)
        raw, truth = (headers[path].shape for path in pair)
        if raw != truth:
            raise ValueError(
                f"Expected a raw and a true image of one shape, got {pair[0]} with {raw} and "
                f"{pair[1]} with {truth}. Crop or register the pair first."
            )
        first = pairs[0][0]
        if len(raw) != len(headers[first].shape):
            raise ValueError(
                f"Expected either images (Y, X) or volumes (Z, Y, X), got {first} with "
                f"{headers[first].shape} and {pair[0]} with {raw}. Train on them separately; a "
                "stack of one slice is an image."
            )
    return headers


def _normalisation(path: Path, image: Pixels, p_min: float, p_max: float) -> Normalisation:
    normalisation = percentile_normalisation(image, p_min, p_max)
    if _is_flat(normalisation) and image.min() < image.max():
        raise ValueError(
            f"{path}: Expected structure, got {normalisation.offset:g} in all but a few pixels: "
            f"percentiles {p_min:g} and {p_max:g} are the same, and cannot become 0 and 1. Crop "
            "the pair to its structure, or leave it out."
        )
    return normalisation


def _is_flat(normalisation: Normalisation) -> bool:
    """Whether both percentiles are the same number, as those of a constant image."""
    return normalisation.scale == LEAST_SCALE
