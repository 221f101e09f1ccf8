"""What ``aimicro check`` measures of each image, one pair in memory at a time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from aimicro.cli._check_folders import Split
from aimicro.cli._findings import MEND, Findings
from aimicro.inspect import (
    Levels,
    Objects,
    PhotonTransfer,
    Saturation,
    Shift,
    landmarks,
    levels,
    measure_objects,
    photon_transfer,
    saturation,
    shift_between,
    thumbnail,
)
from aimicro.io import digest
from aimicro.train.files import read_stack
from aimicro.train.plausible import looks_like_labels, usual_range

Kind = Literal["image", "labels", "mask", "float labels", "empty"]
_HOUSE_STYLE = re.compile("(Expected .*?), (got .*?)[.] (.*)")  # so are all refusals worded
_BINS = 64
_SHOWN = 160  # pixels of an image in the picture


@dataclass(frozen=True, eq=False)
class Image:
    """What is kept of an image when its pixels are gone.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    kind : str
        What its values seem to be.
    shape, dtype, pixel_size_um
        As `read_stack` gives them.
    levels, saturation, usual, constant
        How its pixels fill the type; `usual` where a few are far beyond all others.
    digest : str
        Of shape and pixels.
    small, shown : ndarray
        A thumbnail to compare, and one to look at from 0 to 1.
    histogram : tuple of ndarray
        Numbers of pixels, and the edges between their values.
    """

    path: Path
    kind: Kind
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pixel_size_um: tuple[float | None, ...]
    levels: Levels
    saturation: Saturation | None
    usual: tuple[float, float] | None
    digest: str
    small: NDArray[np.float32]
    shown: NDArray[np.float32]
    histogram: tuple[NDArray[np.int64], NDArray[np.float64]]

    @property
    def constant(self) -> bool:
        """Whether all pixels are the same."""
        return self.levels.lowest == self.levels.highest


@dataclass(eq=False)
class Pair:
    """A raw image and its truth, and what they tell of each other."""

    split: str
    raw: Image
    truth: Image
    shift: Shift | None = None
    photons: PhotonTransfer | None = None
    objects: Objects | None = None
    landmarks: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))


def measured(splits: Sequence[Split], findings: Findings) -> list[Pair]:
    """Read and measure all pairs; one that cannot be read is a finding."""
    places = [(split.name, *pair) for split in splits for pair in split.pairs]
    found = []
    for name, raw, truth in tqdm(places, "checking", unit="pair", delay=2):
        pair = _pair(name, raw, truth, findings)
        found += [pair] if pair else []
    n_files = len({path for _, *paths in places for path in paths})
    findings.summaries["reading"] = f"{n_files} images, {len(found)} of {len(places)} pairs whole"
    return found


def _pair(split: str, raw: Path, truth: Path, findings: Findings) -> Pair | None:
    read = [_read(path, findings) for path in (raw, truth)]
    images = [
        None if one is None else _image(path, *one, is_truth=is_truth)
        for path, one, is_truth in zip((raw, truth), read, (False, True), strict=True)
    ]
    if read[0] is None or read[1] is None or images[0] is None or images[1] is None:
        return None
    pair = Pair(split, images[0], images[1])
    pixels, true = _usual(read[0][0], pair.raw.usual), _usual(read[1][0], pair.truth.usual)
    pair.photons, pair.landmarks = photon_transfer(pixels), landmarks(pixels)
    if pixels.shape == true.shape:
        drawn = true if pair.truth.kind == "image" else true > 0
        pair.shift = shift_between(pixels, drawn)
    if pair.truth.kind in ("labels", "mask", "float labels"):
        pair.objects = measure_objects(true.astype(np.int64))
    return pair


def _read(path: Path, findings: Findings) -> tuple[NDArray[Any], tuple[float | None, ...]] | None:
    """Read an image as aimicro train does, or tell in its words why not."""
    try:
        image = read_stack(path)
    except (ValueError, TypeError, OSError, MemoryError) as fault:
        words = str(getattr(fault, "plain", fault)).removeprefix(f"{path}: ")
        parts = _HOUSE_STYLE.fullmatch(words)
        expected, came, todo = parts.groups() if parts else ("Files that can be read", words, "")
        findings.add("reading", MEND, f"{expected}.", todo, file=path, detail=came)
        return None
    return image.data, image.pixel_size_um


def _image(
    path: Path, pixels: NDArray[Any], size: tuple[float | None, ...], *, is_truth: bool
) -> Image:
    kind = _kind(pixels) if is_truth else "image"
    usual = usual_range(pixels) if kind == "image" else None
    drawn = _usual(pixels, usual) if kind == "image" else pixels > 0
    return Image(
        path=path,
        kind=kind,
        shape=pixels.shape,
        dtype=pixels.dtype,
        pixel_size_um=size,
        levels=levels(pixels),
        saturation=saturation(pixels) if kind == "image" else None,
        usual=usual,
        digest=digest(pixels),
        small=thumbnail(drawn),
        shown=_shown(pixels),
        histogram=np.histogram(drawn.astype(np.float32), _BINS),
    )


def _usual(pixels: NDArray[Any], usual: tuple[float, float] | None) -> NDArray[Any]:
    """Clip the few pixels that are far beyond all others, as training does."""
    return np.clip(pixels, *usual) if usual else pixels


def _kind(truth: NDArray[Any]) -> Kind:
    """Tell what a truth is: intensities, or objects, and in which numbers."""
    low, high = float(truth.min()), float(truth.max())
    if low == high:
        return "empty" if low == 0 else "image"
    if truth.dtype == bool:
        return "mask"
    whole = truth
    if truth.dtype.kind == "f":
        if low < 0 or high >= 2**31 or np.any(truth != np.rint(truth)):
            return "image"
        whole = truth.astype(np.int64)
    if low < 0 or not looks_like_labels(whole):
        return "image"
    if truth.dtype.kind == "f":
        return "float labels"
    return "mask" if np.all((truth == low) | (truth == high)) else "labels"


def _shown(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Make a small picture, from dark to bright; of a volume the brightest along z."""
    plane = pixels.max(axis=0) if pixels.ndim == 3 else pixels
    step = max(1, -(-max(plane.shape) // _SHOWN))
    plane = plane[::step, ::step].astype(np.float32)
    low, high = np.percentile(plane, (0.5, 99.8))
    return np.asarray(np.clip((plane - low) / ((high - low) or 1), 0, 1), np.float32)
