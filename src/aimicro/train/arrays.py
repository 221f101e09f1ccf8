"""Patches from images in memory.

Used in chapter 6, *Denoising*.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro.checks import one_of
from aimicro.io import TiffImage
from aimicro.train.patches import Patches, Target
from aimicro.train.scaling import Scaling
from aimicro.train.windows import Keep, Pixels


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
        return np.asarray(self._arrays[key][(Ellipsis, *window)])  # type: ignore[arg-type]


def _many(images: Any) -> list[Any]:
    """A list is many images, an array is one."""
    return [images] if isinstance(images, np.ndarray | TiffImage) else list(images)


def _array(image: ArrayLike | TiffImage) -> Pixels:
    return np.asarray(image.data if isinstance(image, TiffImage) else image)
