"""Pairs of small windows, cut at random from pairs of images: what a network is trained on.

Used in chapter 6, *Denoising*.
"""

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro.checks import one_of, whole
from aimicro.io import TiffImage
from aimicro.train.plausible import digest, looks_like_labels, usual_range
from aimicro.train.scaling import Linear, Percentile, Scaling

Array = NDArray[np.float32]
Pixels = NDArray[Any]
Target = Callable[[Pixels], Pixels]
Keep = Callable[[Pixels], bool]

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

    def with_scaling(self, scaling: Scaling) -> Self:
        """The same patches in another scale."""
        other = copy.copy(self)
        other._scale(scaling)
        return other

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
                "labels, a number for each object. Give a target that computes from labels what "
                "the network is to learn. If they are intensities, convert them to float32; for a "
                "mask, use labels > 0."
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

    def _patch(self, indices: Iterator[int], rng: np.random.Generator) -> tuple[Array, Array]:
        for _ in range(TRIES):
            image, truth = self._pairs[next(indices)]
            key, scale = (image, self.scaling.input) if truth is None else (truth, self._output)
            window = random_window(self._shape(key), self.patch_size, rng)
            judged = self._cut(key, scale, window)
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


class ArrayPatches(Patches):
    """Random patches from pairs of images in memory, turned and mirrored at random.

    A large image is chosen more often than a small one.

    Parameters
    ----------
    images : sequence of array_like or TiffImage, or ndarray
        Images `(Y, X)` or volumes `(Z, Y, X)`, with `channels` `(C, [Z,] Y, X)`. A list is many
        images, an array is one. They are not copied, and may differ in size. Error messages name
        the files of what `aimicro.io.read_tiff` returns.
    truth : sequence of array_like or TiffImage, ndarray, or None
        As many: images in the same unit (for example photons), masks of true and false, or label
        images with a `target`. None for training without truth: the input is also the target.
    patch_size : tuple of int
        Size of a patch, one number for each axis, in pixels.
    batch_size : int
        Patches in a batch.
    augment : bool
        Mirror each axis and exchange Y and X, each with probability one half, Z never with them.
    target : callable, optional
        Computes what the network learns, `(C, [Z,] Y, X)`, from the labels of a patch, after it
        was turned and mirrored.
    channels : {"none", "first"}
        Whether images begin with an axis of channels.
    keep : callable, optional
        Tells of a patch of the truth (scaled; of the image where there is no truth) whether to use
        it. After 512 tries the last one is used, with a warning.
    scaling : Scaling, optional
        How to scale intensities. By default mean and standard deviation of all `images`, for
        input and output; masks and targets are left as they are.
    seed : int
        Seed of the random choices.

    Raises
    ------
    ValueError
        For pairs that do not match, images smaller than a patch, NaN or infinite pixels, labels
        without a `target`.

    Warns
    -----
    RuntimeWarning
        For an image with a few pixels far beyond all others, which are clipped; by `batch`, if no
        patch was found to keep.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noisy, clean = rng.random((2, 3, 64, 64))
    >>> patches = ArrayPatches(list(noisy), list(clean), patch_size=(32, 32), batch_size=4)
    >>> images, truth = patches.batch(0)
    >>> images.shape, truth.dtype
    ((4, 1, 32, 32), dtype('float32'))
    """

    def __init__(
        self,
        images: Sequence[ArrayLike | TiffImage] | NDArray[Any],
        truth: Sequence[ArrayLike | TiffImage] | NDArray[Any] | None,
        *,
        patch_size: Sequence[int] = (64, 64),
        batch_size: int = 16,
        augment: bool = True,
        target: Target | None = None,
        channels: Literal["none", "first"] = "none",
        keep: Keep | None = None,
        scaling: Scaling | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            patch_size=patch_size,
            batch_size=batch_size,
            augment=augment,
            target=target,
            keep=keep,
            seed=seed,
        )
        one_of("channels", channels, ("none", "first"))
        if target is not None and truth is None:
            raise ValueError(
                "Expected truth for the target to compute from, got None. Give labels."
            )
        sources, truths = _many(images), [] if truth is None else _many(truth)
        if not sources or (truth is not None and len(sources) != len(truths)):
            raise ValueError(
                f"Expected as many raw as true images, got {len(sources)} and {len(truths)}. "
                "Every raw image needs its partner."
            )
        self._arrays = [_array(image) for image in (*sources, *truths)]
        n = len(sources)
        self._names = [
            getattr(image, "name", "") or f"pair {index % n}"
            for index, image in enumerate((*sources, *truths))
        ]
        self._pairs = [(index, None if truth is None else n + index) for index in range(n)]
        for pair in self._pairs:
            self._check(*pair, has_channels=channels == "first")
        self._measure(scaling)

    def _check(self, image: int, truth: int | None, *, has_channels: bool) -> None:
        name, shape, n = self._names[image], self._arrays[image].shape, len(self.patch_size)
        if len(shape) != n + has_channels:
            hint = (
                " A list is many images, an array is one: for a stack of images give list(stack)."
                if len(self._pairs) == 1
                else ""
            )
            raise ValueError(
                f"{name}: Expected an image with {n + has_channels} axes for patches of "
                f"{self.patch_size}, got shape {shape}. Choose another patch_size or axis.{hint}"
            )
        of_truth = shape if truth is None else self._arrays[truth].shape
        if of_truth[-n:] != shape[-n:] or not n <= len(of_truth) <= n + has_channels:
            raise ValueError(
                f"{name}: Expected a raw and a true image of one shape, got {shape} and "
                f"{of_truth}. Crop or register the pair first."
            )
        if any(np.less(shape[-n:], self.patch_size)):
            raise ValueError(
                f"{name}: Expected an image of at least one patch, {self.patch_size}, got {shape}. "
                "Choose smaller patches or leave this image out."
            )

    def _indices(self, rng: np.random.Generator) -> Iterator[int]:
        # A large image has more to show than a small one, so it is chosen more often.
        sizes = np.array([self._arrays[image].size for image, _ in self._pairs], np.float64)
        while True:
            yield from rng.choice(len(sizes), size=self.batch_size, p=sizes / sizes.sum())

    def _shape(self, key: int) -> tuple[int, ...]:
        return self._arrays[key].shape[-len(self.patch_size) :]

    def _name(self, key: int) -> str:
        return self._names[key]

    def _whole(self, key: int) -> Pixels:
        return self._arrays[key]

    def _window(self, key: int, window: tuple[slice, ...]) -> Pixels:
        return self._arrays[key][(..., *window)]


def structure(intensity: float = 0.25, area: float = 0.5) -> Keep:
    """Keep patches that show enough, as the published 3D-RCAN does.

    Parameters
    ----------
    intensity : float
        Pixels of the scaled truth above this count as structure; 0 or less takes any patch.
    area : float
        Fraction of a patch's pixels that must be structure.

    Returns
    -------
    callable
        For `keep` of `ArrayPatches` and `FilePatches`.

    Notes
    -----
    Used in appendix A, *Denoising*.

    Examples
    --------
    >>> structure(0.5, 0.25)(np.array([[0.0, 0.0], [0.1, 0.6]]))
    True
    """

    def keep(patch: Pixels) -> bool:
        return intensity <= 0 or bool(np.count_nonzero(patch > intensity) >= area * patch.size)

    return keep


def random_window(
    shape: tuple[int, ...], patch_size: tuple[int, ...], rng: np.random.Generator
) -> tuple[slice, ...]:
    """Choose where to cut a patch: each place in an image of this shape is as likely."""
    spare = [size - patch + 1 for size, patch in zip(shape, patch_size, strict=True)]
    corner = rng.integers(spare)
    return tuple(slice(c, c + s) for c, s in zip(corner, patch_size, strict=True))


def augment(
    raw: Pixels, truth: Pixels, ndim: int, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Mirror each of the last `ndim` axes and exchange Y and X, each with probability one half.

    So all eight ways to turn and mirror a square are as likely. Z never changes places with Y or
    X, since a microscope resolves it differently.
    """
    mirror = tuple(axis - ndim for axis in range(ndim) if rng.integers(2))
    raw, truth = np.flip(raw, mirror), np.flip(truth, mirror)
    if rng.integers(2):
        raw, truth = raw.swapaxes(-1, -2), truth.swapaxes(-1, -2)
    return raw, truth


def _many(images: Any) -> list[Any]:
    """A list is many images, an array is one."""
    return [images] if isinstance(images, np.ndarray | TiffImage) else list(images)


def _array(image: ArrayLike | TiffImage) -> Pixels:
    return np.asarray(image.data if isinstance(image, TiffImage) else image)


def _check_pixels(name: str, image: Pixels, kind: str) -> None:
    is_float = image.dtype.kind == "f"
    if image.dtype.kind not in "biuf" or (is_float and not np.isfinite(image).all()):
        raise ValueError(
            f"{name}: Expected real, finite pixels, got complex, NaN or infinite ones in the "
            f"{kind} image. Replace them or leave this pair out."
        )
