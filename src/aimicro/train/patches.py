"""Pairs of small windows, cut at random from pairs of images: what a network is trained on.

Where the images lie, `aimicro.train.arrays` and `aimicro.train.files` know.

Used in chapter 6, *Denoising*.
"""

import copy
import functools
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aimicro.checks import whole
from aimicro.io import digest
from aimicro.train.plausible import looks_like_labels, usual_range
from aimicro.train.scaling import Linear, Percentile, Scaling
from aimicro.train.windows import Keep, Pixels, augment, random_window

Array = NDArray[np.float32]
Target = Callable[[Pixels], Pixels]

TRIES = 512


@dataclass(frozen=True)
class Facts:
    """What was found out about an image when all of it was read."""

    digest: str
    usual: tuple[float, float] | None
    constant: bool
    is_mask: bool


class Patches(ABC):
    """Random patches from pairs of images; the base of `ArrayPatches` and `FilePatches`.

    The batch of a step is a function of `seed` and the step alone. So the same seed gives the
    same training, and a training that was interrupted goes on with the very batch it would have
    had next.

    Parameters
    ----------
    patch_size : sequence of int
        `([Z,] Y, X)` of a patch.
    batch_size : int
        Patches in a batch.
    augment : bool
        Mirror each axis and exchange Y and X, each with probability one half, Z never with them.
    target : callable or None
        Computes from the labels of a patch, already turned, what the network is to learn:
        `(C, [Z,] Y, X)`.
    keep : callable or None
        Tells of the scaled truth of a patch whether it may be used.
    seed : int
        Chooses places, turns and mirrors.

    Attributes
    ----------
    scaling : Scaling
        How intensities become numbers for the network, and back.
    keep_scaling : bool
        Whether the caller chose it, so that a network trained before has to take it over.

    Notes
    -----
    Used in chapter 6, *Denoising*.
    """

    scaling: Scaling
    keep_scaling: bool
    _pairs: list[tuple[Any, Any]]  # keys of an image and its truth, None where there is none

    def __init__(
        self,
        *,
        patch_size: Sequence[int],
        batch_size: int,
        augment: bool,
        target: Target | None,
        keep: Keep | None,
        seed: int,
    ) -> None:
        if len(patch_size) not in (2, 3) or min(patch_size) < 1:
            raise ValueError(f"Expected a patch_size of 2 or 3 positive numbers, got {patch_size}.")
        self.patch_size = tuple(whole("patch_size", size, low=1) for size in patch_size)
        self.batch_size = whole("batch_size", batch_size, low=1)
        self.seed = whole("seed", seed, low=0)
        if augment and patch_size[-1] != patch_size[-2]:
            raise ValueError(
                f"Expected patches as wide as high to turn them, got {patch_size}. "
                "Choose equal Y and X, or augment=False."
            )
        self.augment, self.target, self.keep = augment, target, keep
        self._facts: dict[Any, Facts] = {}
        self._own: dict[Any, Linear] = {}

    def batch(self, step: int) -> tuple[Array, Array]:
        """Input and target of one step, each `(B, C, [Z,] Y, X)`, scaled."""
        rng = np.random.default_rng([self.seed, step])
        indices = self._indices(rng)
        pairs = [self._patch(indices, rng) for _ in range(self.batch_size)]
        images, targets = (np.stack(patches) for patches in zip(*pairs, strict=True))
        return images, targets

    def judged(self, n: int) -> Iterator[Pixels]:
        """Cut `n` windows at random from what `keep` judges, whatever it says of them."""
        rng = np.random.default_rng(self.seed)
        indices = self._indices(rng)
        for _ in range(n):
            yield self._window_of(indices, rng)[-1]

    def with_scaling(self, scaling: Scaling) -> Self:
        """The same patches in another scale."""
        other = copy.copy(self)
        other._scale(scaling)
        return other

    def settings(self) -> dict[str, Any]:
        """All that decides which patches are cut from the images, as a file of weights holds it."""
        return {
            "seed": self.seed,
            "batch_size": self.batch_size,
            "patch_size": list(self.patch_size),
            "augment": self.augment,
            "target": _called(self.target),
            "keep": _called(self.keep),
        }

    def digest(self) -> str:
        """A number for all pixels, whatever the files are called; it tells other images apart."""
        found = [self._digest(key) for pair in self._pairs for key in pair if key is not None]
        return digest(np.frombuffer("".join(found).encode(), np.uint8))

    def shared_with(self, other: "Patches") -> list[str]:
        """Names of images here that `other` has, too: training images must not validate."""
        theirs = {other._digest(image) for image, _ in other._pairs}
        return [self._name(image) for image, _ in self._pairs if self._digest(image) in theirs]

    def without_difference(self) -> list[str]:
        """Names of images whose truth is the very same image."""
        return [
            self._name(image)
            for image, truth in self._pairs
            if truth is not None and self._digest(image) == self._digest(truth)
        ]

    # ---- what a subclass tells of its images

    @abstractmethod
    def _indices(self, rng: np.random.Generator) -> Iterator[int]:
        """Which pairs to cut patches from, without end."""

    @abstractmethod
    def _shape(self, key: Any) -> tuple[int, ...]:
        """`([Z,] Y, X)` of an image."""

    @abstractmethod
    def _name(self, key: Any) -> str:
        """What to call an image in a message."""

    @abstractmethod
    def _whole(self, key: Any) -> Pixels:
        """All pixels of an image."""

    @abstractmethod
    def _window(self, key: Any, window: tuple[slice, ...]) -> Pixels:
        """Part of an image, all channels of it."""

    # ---- before the first batch

    def _measure(self, scaling: Scaling | None, keys: Iterator[Any] | None = None) -> None:
        """Look at all images once, and choose a scale where none is given."""
        truths = {truth for _, truth in self._pairs}
        for key in keys or [key for pair in self._pairs for key in pair if key is not None]:
            self._look_at(key, scaling, is_truth=key in truths)
        self.keep_scaling = scaling is not None
        self._scale(scaling or self._measured())

    def _look_at(self, key: Any, scaling: Scaling | None, *, is_truth: bool) -> None:
        if key in self._facts:
            return
        image = self._whole(key)
        _check_pixels(self._name(key), image, "true" if is_truth else "raw")
        if is_truth and self.target is None and looks_like_labels(image):
            raise ValueError(
                f"{self._name(key)}: Expected intensities or a mask as truth, got what looks like "
                "labels, a number for each object. If they are intensities, convert them to "
                'float32; for a mask, use labels > 0. To learn from labels, write "task": '
                '"segment" into the configuration of aimicro train; in Python, give a target that '
                "computes from them what the network is to learn."
            )
        usual = None if is_truth and self.target else usual_range(image)
        if usual:
            n = int(np.count_nonzero((image < usual[0]) | (image > usual[1])))
            warnings.warn(
                f"{self._name(key)}: {n} of {image.size} pixels lie far beyond all others, which "
                f"go from {usual[0]:g} to {usual[1]:g}. Training clips them to that; replace them "
                "if they mark missing data.",
                RuntimeWarning,
                stacklevel=5,
            )
        flat = bool(image.min() == image.max())
        self._facts[key] = Facts(digest(image), usual, flat, image.dtype == bool)
        if scaling and not (is_truth and self.target):  # while all of it is at hand
            self._own_scale(key, scaling.output if is_truth else scaling.input, image)

    def _measured(self) -> Scaling:
        """Mean and standard deviation of the raw images, for input and, if it is one, output."""
        scale = Linear.of(self._clipped(image, self._whole(image)) for image, _ in self._pairs)
        mask = any(truth is not None and self._facts[truth].is_mask for _, truth in self._pairs)
        return Scaling(scale, None if mask or self.target else scale)

    def _scale(self, scaling: Scaling) -> None:
        if self.target and scaling.output not in (None, Linear()):
            raise ValueError(
                f"Expected no scale for what the target computes, got {scaling.output}. Set "
                "output=None in the scaling."
            )
        self.scaling = scaling
        for image, truth in self._pairs:
            self._own_scale(image, scaling.input)
            if truth is not None:
                self._own_scale(truth, self._output)

    @property
    def _output(self) -> Linear | Percentile | None:
        """The scale of the truth; what a target computes from has none."""
        return None if self.target else self.scaling.output

    def _own_scale(
        self, key: Any, scale: Linear | Percentile | None, image: Pixels | None = None
    ) -> Linear | None:
        """The scale of this image; where it has one of its own, measured but once."""
        if not isinstance(scale, Percentile):
            return scale
        if (key, scale) not in self._own:
            try:
                pixels = self._whole(key) if image is None else image
                self._own[key, scale] = scale.for_image(pixels)
            except ValueError as error:
                raise ValueError(f"{self._name(key)}: {error}") from error
        return self._own[key, scale]

    def _digest(self, key: Any) -> str:
        return self._facts[key].digest

    def _clipped(self, key: Any, pixels: Pixels) -> Pixels:
        usual = self._facts[key].usual
        return np.clip(pixels, *usual) if usual else pixels

    # ---- one patch

    def _window_of(
        self, indices: Iterator[int], rng: np.random.Generator
    ) -> tuple[Any, Any, tuple[slice, ...], Pixels]:
        """A pair, where a patch could be cut from it, and what decides whether it is."""
        image, truth = self._pairs[next(indices)]
        key, scale = (image, self.scaling.input) if truth is None else (truth, self._output)
        window = random_window(self._shape(key), self.patch_size, rng)
        return image, truth, window, self._cut(key, scale, window)

    def _patch(self, indices: Iterator[int], rng: np.random.Generator) -> tuple[Array, Array]:
        for _ in range(TRIES):
            image, truth, window, judged = self._window_of(indices, rng)
            if self.keep is None or self.keep(judged):
                break
        else:
            warnings.warn(
                f"Failed to sample a valid patch in {TRIES} tries, so the last one is used. "
                "Lower intensity_threshold or area_ratio_threshold, or loosen what keep asks for.",
                RuntimeWarning,
                stacklevel=3,
            )
        raw = self._cut(image, self.scaling.input, window)
        true = raw if truth is None else judged
        if self.augment:
            raw, true = augment(raw, true, len(self.patch_size), rng)
        if self.target is not None:
            true = self._targeted(true)
        return self._with_channels(raw), self._with_channels(true)

    def _cut(
        self, key: Any, scale: Linear | Percentile | None, window: tuple[slice, ...]
    ) -> Pixels:
        pixels = self._clipped(key, self._window(key, window))
        own = self._own_scale(key, scale)
        return pixels if own is None else own.apply(pixels)

    def _targeted(self, labels: Pixels) -> Pixels:
        assert self.target is not None
        computed = np.asarray(self.target(np.ascontiguousarray(labels)))
        if computed.ndim != len(self.patch_size) + 1 or computed.shape[1:] != labels.shape:
            raise ValueError(
                f"Expected target to return (C, [Z,] Y, X) for labels of {labels.shape}, got "
                f"{computed.shape}. Give a single channel an axis of its own: result[np.newaxis]."
            )
        return computed

    def _with_channels(self, pixels: Pixels) -> Array:
        patch = np.asarray(pixels, np.float32)
        return patch if patch.ndim > len(self.patch_size) else patch[np.newaxis]


def _called(function: Callable[..., Any] | None) -> str | None:
    if function is None:
        return None
    if isinstance(function, functools.partial):  # with other settings it is another function
        settings = [
            *map(repr, function.args),
            *(f"{k}={v!r}" for k, v in function.keywords.items()),
        ]
        return f"{_called(function.func)}({', '.join(settings)})"
    return getattr(function, "__name__", type(function).__name__)


def _check_pixels(name: str, image: Pixels, kind: str) -> None:
    is_float = image.dtype.kind == "f"
    if image.dtype.kind not in "biuf" or (is_float and not np.isfinite(image).all()):
        raise ValueError(
            f"{name}: Expected real, finite pixels, got complex, NaN or infinite ones in the "
            f"{kind} image. Replace them or leave this pair out."
        )
