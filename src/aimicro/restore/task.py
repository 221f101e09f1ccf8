"""A restoration task: images, their truths, and what anybody may know about how they came about."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from aimicro import checks
from aimicro.metrics import mean_psnr
from aimicro.restore.anscombe import Image
from aimicro.restore.kernel import checked_noise
from aimicro.simulate import Noise


@dataclass(frozen=True, eq=False, kw_only=True)
class RestorationTask:
    """Images to restore, and what is known: the same for networks and for classical methods.

    Attributes
    ----------
    name : str
        What is restored: "filaments at 12 photons".
    images : sequence of array_like, (Y, X) or (Z, Y, X)
        As measured, in camera counts or photons.
    truths : sequence of array_like
        The truth of each: a specimen, or its image without noise. With ``affine=True`` in any unit.
    noise : Noise
        The noise of the camera, in the unit of the images.
    data_range : float
        Full scale for `aimicro.metrics.psnr`, in the unit of the truths.
    affine : bool
        Whether each result is brought to the brightness of its truth before it is scored.
    only_noise : bool
        Whether an image and its truth differ by noise alone, so that there is only to denoise.
    psfs : mapping from str to array_like
        What may be taken for the PSF that made the images, by what it is: one where it is known,
        several where it has to be guessed; each for all images, or a list with one for each. Empty
        where nothing is known of it.
    goal : callable, optional
        Where the truth is an image: blurs an estimate of the specimen as the truth is blurred.
        Left out where the truth is the specimen.
    background : float
        Light in every voxel that does not come from the specimen, in the unit of the images.
    voxel_size_um : float or tuple of float
        Size of a voxel along each axis; only their ratio matters.
    record : mapping from str to Recorded, optional
        What a long search found for these images, by the labels of `best_classical`.

    Raises
    ------
    TypeError, ValueError
        If there are not as many truths as images, or none; if an image and its truth differ in
        shape; or if `noise` is no `Noise`.

    Notes
    -----
    Used in chapter 6, *Denoising*, and appendix A.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.full((32, 32), 50.0)
    >>> noisy = np.random.default_rng(1).poisson(truth)
    >>> task = RestorationTask(
    ...     name="even light", images=[noisy], truths=[truth], noise=Noise(), data_range=50
    ... )
    >>> round(task.measured)
    17
    """

    name: str
    images: Sequence[Image]
    truths: Sequence[Image]
    noise: Noise
    data_range: float
    affine: bool = False
    only_noise: bool = True
    psfs: Mapping[str, Image | Sequence[Image]] = field(default_factory=dict)
    goal: Callable[[Image], Image] | None = None
    background: float = 0.0
    voxel_size_um: float | tuple[float, ...] = 1.0
    record: Mapping[str, "Recorded"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        images, truths = checks.same_number(images=list(self.images), truths=list(self.truths))
        for name, values in (("images", images), ("truths", truths)):
            object.__setattr__(
                self, name, tuple(checks.intensities(name, v).astype(np.float32) for v in values)
            )
        checked_noise(self.noise)
        self.score(self.images)  # shapes and range are checked here, before any work

    def score(self, images: Sequence[Image]) -> float:
        """Mean PSNR in dB of results for all images."""
        return mean_psnr(self.truths, images, data_range=self.data_range, affine=self.affine)

    @cached_property
    def measured(self) -> float:
        """Mean PSNR in dB of the images as they are."""
        return self.score(self.images)

    def imaged(self, estimate: Image) -> Image:
        """An estimate of the specimen, as the truth would show it."""
        if self.goal is None:
            return estimate
        image = self.goal(np.maximum(estimate, 0))
        if estimate.min() < 0:  # filters ring below 0, and an image of less than no light is minus
            image = image - self.goal(np.maximum(-estimate, 0))  # that of the opposite
        return np.asarray(image + np.float32(self.background + self.noise.offset))


@dataclass(frozen=True)
class Recorded:
    """What a long search found for one method on the images of a task.

    Attributes
    ----------
    parameters : mapping from str to float
        The best parameters.
    psnr : float
        Decibels reached with them.
    seconds : float
        How long one run on all images took, where the record was made.

    Notes
    -----
    Used in appendix A.
    """

    parameters: Mapping[str, float]
    psnr: float
    seconds: float
