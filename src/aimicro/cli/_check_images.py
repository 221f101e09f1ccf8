"""What ``aimicro check`` measures of each image, one pair at a time; large ones stay on disk."""

import math
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
    middle_of,
    noise_boxes,
    photon_transfer,
    saturation,
    shift_between,
    thumbnail,
)
from aimicro.io import converted, digest, parts
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
    seen: dict[str, str] = field(default_factory=dict)  # checks that looked at a part, and at which


def measured(splits: Sequence[Split], findings: Findings, scratch: Path) -> list[Pair]:
    """Read and measure all pairs; one that cannot be read is a finding.

    What a large image needs for a while, where it is compressed, lies in the folder `scratch`.
    """
    places = [(split.name, *pair) for split in splits for pair in split.pairs]
    found = []
    for name, raw, truth in tqdm(places, "checking", unit="pair", delay=2):
        pair = _pair(name, raw, truth, findings, scratch)
        found += [pair] if pair else []
    n_files = len({path for _, *paths in places for path in paths})
    findings.summaries["reading"] = f"{n_files} images, {len(found)} of {len(places)} pairs whole"
    return found


def _pair(split: str, raw: Path, truth: Path, findings: Findings, scratch: Path) -> Pair | None:
    read = [_read(path, findings, scratch) for path in (raw, truth)]
    if read[0] is None or read[1] is None:
        return None
    image, pixels = _image(raw, *read[0], scratch, is_truth=False)
    true_image, true = _image(truth, *read[1], scratch, is_truth=True)
    pair = Pair(split, image, true_image)
    pair.photons, pair.landmarks = photon_transfer(pixels), landmarks(pixels)
    pair.seen["photons"] = _part(noise_boxes(pixels.shape), pixels.shape)
    if pixels.shape == true.shape:
        middle = middle_of(pixels.shape)
        drawn = true[middle] if true_image.kind == "image" else true[middle] > 0
        pair.shift = shift_between(pixels[middle], drawn)
        pair.seen["registration"] = _part([middle], pixels.shape)
    if true_image.kind in ("labels", "mask", "float labels"):
        pair.objects = measure_objects(true)
    return pair


def _part(boxes: Sequence[tuple[slice, ...]], shape: tuple[int, ...]) -> str:
    """Which part of an image was looked at, in words; nothing where it was all of it."""
    sides = [side.stop - side.start for side in boxes[0]]
    if len(boxes) * math.prod(sides) >= math.prod(shape):
        return ""
    if sides[-2:] == list(shape[-2:]):
        return f"{len(boxes)} of {shape[0]} planes"
    size = f"{' x '.join(map(str, sides))} px"
    return f"{len(boxes)} fields of {size}" if len(boxes) > 1 else f"{size} in the middle"


def _read(
    path: Path, findings: Findings, scratch: Path
) -> tuple[NDArray[Any], tuple[float | None, ...]] | None:
    """Read an image as aimicro train does, or tell in its words why not."""
    try:
        image = read_stack(path, scratch=scratch)
    except (ValueError, TypeError, OSError, MemoryError) as fault:
        words = str(getattr(fault, "plain", fault)).removeprefix(f"{path}: ")
        told = _HOUSE_STYLE.fullmatch(words)
        expected, came, todo = told.groups() if told else ("Files that can be read", words, "")
        findings.add("reading", MEND, f"{expected}.", todo, file=path, detail=came)
        return None
    return image.data, image.pixel_size_um


def _image(
    path: Path,
    pixels: NDArray[Any],
    size: tuple[float | None, ...],
    scratch: Path,
    *,
    is_truth: bool,
) -> tuple[Image, NDArray[Any]]:
    """Measure an image; return also what is compared: usual intensities, or whole numbers."""
    whole = _whole(pixels, scratch) if is_truth else None
    kind = "image" if whole is None else _kind(whole, stored=pixels.dtype)
    usual = usual_range(pixels) if kind == "image" else None
    compared = _usual(pixels, usual, scratch) if whole is None or kind == "image" else whole
    measured = Image(
        path=path,
        kind=kind,
        shape=pixels.shape,
        dtype=pixels.dtype,
        pixel_size_um=size,
        levels=levels(pixels),
        saturation=saturation(pixels) if kind == "image" else None,
        usual=usual,
        digest=digest(pixels),
        small=thumbnail(compared, foreground=kind != "image"),
        shown=_shown(pixels),
        histogram=_histogram(compared),
    )
    return measured, compared


def _usual(pixels: NDArray[Any], usual: tuple[float, float] | None, scratch: Path) -> NDArray[Any]:
    """Clip the few pixels that are far beyond all others, as training does."""
    if usual is None:
        return pixels
    kind = np.clip(np.zeros(1, pixels.dtype), *usual).dtype
    return converted(pixels, kind, scratch, change=lambda part: np.clip(part, *usual))


def _whole(truth: NDArray[Any], scratch: Path) -> NDArray[Any] | None:
    """The numbers of a truth that are whole, in whatever they are stored; None for others."""
    if truth.dtype == bool:
        return truth.view(np.uint8)
    if truth.min() < 0:
        return None
    if truth.dtype.kind != "f":
        return truth
    fractions = any(np.any(part != np.rint(part)) for part in parts(truth))
    if fractions or float(truth.max()) >= 2**31:
        return None
    return converted(truth, np.int32, scratch)


def _kind(truth: NDArray[Any], *, stored: np.dtype[Any]) -> Kind:
    """Tell what whole numbers are: intensities, or objects, and in which numbers."""
    low, high = truth.min(), truth.max()
    if low == high:
        return "empty" if low == 0 else "image"
    if stored.kind == "b":
        return "mask"
    if not looks_like_labels(truth):
        return "image"
    if stored.kind == "f":
        return "float labels"
    two = all(np.all((part == low) | (part == high)) for part in parts(truth))
    return "mask" if two else "labels"


def _histogram(pixels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count the pixels of each value, part by part."""
    # As rounded as the pixels, so that none lies beyond.
    ends = float(np.float32(pixels.min())), float(np.float32(pixels.max()))
    counts = np.zeros(_BINS, np.int64)
    for part in parts(pixels):
        counts += np.histogram(part.astype(np.float32), _BINS, ends)[0]
    return counts, np.histogram_bin_edges(np.zeros(0, np.float32), _BINS, ends)


def _shown(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Make a small picture, from dark to bright; of a volume the brightest along z."""
    step = max(1, -(-max(pixels.shape[-2:]) // _SHOWN))
    seen = pixels[..., ::step, ::step].astype(np.float32)
    plane = seen.max(axis=0) if seen.ndim == 3 else seen
    low, high = np.percentile(plane, (0.5, 99.8))
    return np.asarray(np.clip((plane - low) / ((high - low) or 1), 0, 1), np.float32)
