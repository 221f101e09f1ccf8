"""Pairs of small windows, cut at random from pairs of images: what a network is trained on.

Used in chapter 6, *Denoising*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro.io import TiffImage
from aimicro.train._percentiles import percentiles

Array = NDArray[np.float32]

LEAST_SCALE = 1e-6  # added to the range of percentiles, so that a constant image becomes 0


@dataclass(frozen=True)
class Normalisation:
    """One shift and one scale for all images: `(image - offset) / scale`.

    The same two numbers serve the raw and the true images, are stored with the network, and are
    undone after prediction, so that intensities keep their unit and images stay comparable.

    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> normalisation = Normalisation.of([np.array([[100.0, 300.0]])])
    >>> normalisation
    Normalisation(offset=200.0, scale=100.0)
    >>> normalisation.undo(normalisation.apply(np.array([150.0])))
    array([150.], dtype=float32)
    """

    offset: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, images: Sequence[ArrayLike]) -> Self:
        """Mean and standard deviation of the pixels of all `images`."""
        pixels = np.concatenate([np.asarray(image, np.float64).ravel() for image in images])
        # A constant image has no scale of its own: leave its unit alone.
        return cls(offset=float(pixels.mean()), scale=float(pixels.std()) or 1.0)

    def apply(self, image: ArrayLike) -> Array:
        """From the image's unit to the network's."""
        return ((np.asarray(image, np.float64) - self.offset) / self.scale).astype(np.float32)

    def undo(self, image: ArrayLike) -> Array:
        """From the network's unit back to the image's."""
        return (np.asarray(image, np.float64) * self.scale + self.offset).astype(np.float32)


def percentile_normalisation(image: ArrayLike, p_min: float, p_max: float) -> Normalisation:
    """Normalise one image by two of its percentiles, as the published 3D-RCAN does.

    Parameters
    ----------
    image
        `(Y, X)` or `(Z, Y, X)`, in any unit, finite; a large one is read but not copied.
    p_min, p_max
        Percentiles, in percent of the pixels, that become 0 and (almost) 1.

    Returns
    -------
    Normalisation
        Nothing is clipped: the brightest pixels come out above 1. A constant image becomes 0.

    Raises
    ------
    ValueError
        If the percentiles are not in order, or not between 0 and 100.

    Notes
    -----
    Used in appendix A, *Denoising*.

    Examples
    --------
    >>> image = np.arange(1001.0)
    >>> percentile_normalisation(image, 2, 99.9).apply(image)[[20, 999]]
    array([0., 1.], dtype=float32)
    """
    if not 0 <= p_min < p_max <= 100:
        raise ValueError(
            f"Expected percentiles from 0 to 100, p_min below p_max, got {p_min} and {p_max}. The "
            "defaults are 2 and 99.9."
        )
    pixels = np.asarray(image)
    pixels = pixels.view(np.uint8) if pixels.dtype == bool else pixels
    low, high = percentiles(pixels, (p_min, p_max))
    return Normalisation(offset=low, scale=high - low + LEAST_SCALE)


class Patches(Protocol):
    """What `fit` asks of patches, whether their images are in memory or on disk."""

    patch_size: tuple[int, ...]
    batch_size: int
    seed: int
    normalisation: Normalisation

    def batch(self, step: int) -> tuple[Array, Array]:
        """Raw and true patches of one step, each `(B, 1, [Z,] Y, X)`, normalised."""
        ...


def random_window(
    shape: tuple[int, ...], patch_size: tuple[int, ...], rng: np.random.Generator
) -> tuple[slice, ...]:
    """Choose where to cut a patch: each place in an image of this shape is as likely."""
    spare = [size - patch + 1 for size, patch in zip(shape, patch_size, strict=True)]
    corner = rng.integers(spare)
    return tuple(slice(c, c + s) for c, s in zip(corner, patch_size, strict=True))


def turned_alike(raw: Array, truth: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Mirror each axis and exchange Y and X, each with probability one half.

    So all eight ways to turn and mirror a square are as likely. Z never changes places with Y or
    X, since a microscope resolves it differently.
    """
    mirror = tuple(axis for axis in range(raw.ndim) if rng.integers(2))
    raw, truth = np.flip(raw, mirror), np.flip(truth, mirror)
    if rng.integers(2):
        raw, truth = raw.swapaxes(-1, -2), truth.swapaxes(-1, -2)
    return raw, truth


def check_can_be_turned(patch_size: tuple[int, ...]) -> None:
    """Refuse to augment patches in which Y and X cannot change places."""
    if patch_size[-1] != patch_size[-2]:
        raise ValueError(
            f"Expected patches as wide as high to turn them, got {patch_size}. "
            "Choose equal Y and X, or augment=False."
        )


class PairedPatches:
    """Random patches from pairs of raw and true images, turned and mirrored at random.

    The batch of a step is a function of `seed` and the step alone. So the same seed gives the
    same training, and a training that was interrupted goes on with the very batch it would have
    had next.

    Parameters
    ----------
    raw, truth
        Images `(Y, X)` or volumes `(Z, Y, X)`, as many of one as of the other, in the same unit
        (for example photons). They may differ in size from pair to pair. Arrays, or what
        `aimicro.io.read_tiff` returns, whose file an error message then names.
    patch_size
        Size of a patch, one number for each axis, in pixels.
    batch_size
        Patches in a batch.
    augment
        Mirror each axis and exchange Y and X, each with probability one half, Z never with them.
    normalisation
        How to scale the intensities; measured on `raw` where none is given.
    seed
        Seed of the random choices.

    Raises
    ------
    ValueError
        For pairs that do not match, images smaller than a patch, NaN or infinite pixels.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noisy, clean = rng.random((2, 3, 64, 64))
    >>> patches = PairedPatches(noisy, clean, patch_size=(32, 32), batch_size=4)
    >>> raw, truth = patches.batch(0)
    >>> raw.shape, truth.dtype
    ((4, 1, 32, 32), dtype('float32'))
    """

    def __init__(
        self,
        raw: Sequence[ArrayLike | TiffImage] | NDArray[np.generic],
        truth: Sequence[ArrayLike | TiffImage] | NDArray[np.generic],
        *,
        patch_size: tuple[int, ...] = (64, 64),
        batch_size: int = 16,
        augment: bool = True,
        normalisation: Normalisation | None = None,
        seed: int = 0,
    ) -> None:
        raws, truths = [_array(image) for image in raw], [_array(image) for image in truth]
        names = [getattr(image, "name", f"pair {index}") for index, image in enumerate(raw)]
        _check_pairs(raws, truths, names, patch_size)
        if batch_size < 1:
            raise ValueError(f"Expected a batch_size of 1 or more, got {batch_size}.")
        if augment:
            check_can_be_turned(patch_size)
        self.normalisation = normalisation or Normalisation.of(raws)
        self.raw = [self.normalisation.apply(image) for image in raws]
        self.truth = [self.normalisation.apply(image) for image in truths]
        self.patch_size, self.batch_size = tuple(patch_size), batch_size
        self.augment, self.seed = augment, seed

    def batch(self, step: int) -> tuple[Array, Array]:
        """Raw and true patches of one step, each `(B, 1, [Z,] Y, X)`, normalised."""
        rng = np.random.default_rng([self.seed, step])
        # A large image has more to show than a small one, so it is chosen more often.
        sizes = np.array([image.size for image in self.raw], dtype=np.float64)
        chosen = rng.choice(len(sizes), size=self.batch_size, p=sizes / sizes.sum())
        pairs = [self._patch(index, rng) for index in chosen]
        raw, truth = (np.stack(patches)[:, np.newaxis] for patches in zip(*pairs, strict=True))
        return raw, truth

    def _patch(self, index: int, rng: np.random.Generator) -> tuple[Array, Array]:
        raw, truth = self.raw[index], self.truth[index]
        window = random_window(raw.shape, self.patch_size, rng)
        raw, truth = raw[window], truth[window]
        return turned_alike(raw, truth, rng) if self.augment else (raw, truth)


def _array(image: ArrayLike | TiffImage) -> NDArray[np.generic]:
    return np.asarray(image.data if isinstance(image, TiffImage) else image)


def _check_pairs(
    raws: list[NDArray[np.generic]],
    truths: list[NDArray[np.generic]],
    names: list[str],
    patch_size: tuple[int, ...],
) -> None:
    if len(patch_size) not in (2, 3) or min(patch_size) < 1:
        raise ValueError(f"Expected a patch_size of 2 or 3 positive numbers, got {patch_size}.")
    if not raws or len(raws) != len(truths):
        raise ValueError(
            f"Expected as many raw as true images, got {len(raws)} and {len(truths)}. "
            "Every raw image needs its partner."
        )
    for name, raw, truth in zip(names, raws, truths, strict=True):
        if raw.shape != truth.shape:
            raise ValueError(
                f"{name}: Expected a raw and a true image of one shape, got {raw.shape} and "
                f"{truth.shape}. Crop or register the pair first."
            )
        if raw.ndim != len(patch_size):
            raise ValueError(
                f"{name}: Expected an image with {len(patch_size)} axes for patches of "
                f"{patch_size}, got shape {raw.shape}. Choose another patch_size or axis."
            )
        if any(size < patch for size, patch in zip(raw.shape, patch_size, strict=True)):
            raise ValueError(
                f"{name}: Expected an image of at least one patch, {patch_size}, got {raw.shape}. "
                "Choose smaller patches or leave this image out."
            )
        for kind, image in (("raw", raw), ("true", truth)):
            if np.iscomplexobj(image) or not np.isfinite(image).all():
                raise ValueError(
                    f"{name}: Expected real, finite pixels, got complex, NaN or infinite ones "
                    f"in the {kind} image. Replace them or leave this pair out."
                )
