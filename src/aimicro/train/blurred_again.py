"""An objective without truth: what a network makes, blurred again, must look like the recording.

Used in chapter 6, *Deep deconvolution*.
"""

import zlib

import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import number, one_of
from aimicro.models.unrolled import Optics
from aimicro.train.objectives import Objective
from aimicro.train.self_supervised import named

_LEAST = 1e-3  # light that a blurred prediction has at least


def blurred_again(
    psf: npt.ArrayLike,
    *,
    background: float = 0.0,
    noise: str = "poisson",
    smoothness: float = 0.0,
    truth: float = 0.0,
) -> Objective:
    r"""Train a network to deconvolve with the known PSF in place of true images.

    The prediction *f* for the recording *d* is blurred with the PSF *h*. With
    :math:`m = h \otimes f + b` the objective is the mean of

    .. math:: m - d \ln m \;+\; \min(f, 0)^2 \;+\; \lambda\,|\nabla f| \;+\; \tau\,(f - t)^2,

    where the first two terms are the unlikelihood of the recording under photon noise, or
    :math:`(m - d)^2` in their place. The next forbids light below 0; total variation holds the
    noise down; the last compares with a truth *t*, where there is one.

    Parameters
    ----------
    psf : array_like, (Y, X) or (Z, Y, X)
        *h*, nowhere negative, with a sum of 1, sides of odd length, and its centre in the middle.
        It must be smaller than a patch.
    background : float
        *b*, light of every pixel that does not come from the specimen, in the unit of the scaled
        image.
    noise : {"poisson", "gaussian"}
        Whether noise is that of photons, or the same everywhere.
    smoothness : float
        :math:`\lambda`, of total variation; 0 for none. Start with 0.01.
    truth : float
        :math:`\tau`, how much the truth counts. With 0 no truth is needed:
        ``ArrayPatches(images, None, …)``.

    Returns
    -------
    Objective
        Function of network, input and target. It refuses patches that are not larger than the PSF.

    Raises
    ------
    TypeError, ValueError
        For a PSF that is not as described, and numbers below 0.

    Notes
    -----
    Scale recordings and predictions by the same number and without an offset,
    ``Scaling(Linear(0, peak), Linear(0, peak))``, and divide the background by it. Recording and
    blurred prediction are compared where all light that reaches a pixel comes from within the
    patch: not in a margin as wide as the radius of the PSF.

    That the recording is explained does not say that the prediction is true: what the microscope
    does not pass on costs nothing here, neither where it lacks nor where it is invented.

    Used in chapter 6, *Deep deconvolution*.

    References
    ----------
    C. Qiao et al., "Zero-shot learning enables instant denoising and super-resolution in optical
    fluorescence microscopy", Nature Communications 15 (2024).
    doi:10.1038/s41467-024-48575-9

    Examples
    --------
    >>> import numpy as np
    >>> objective = blurred_again(np.full((3, 3), 1 / 9), noise="gaussian")
    >>> even = torch.ones(1, 1, 8, 8)
    >>> round(float(objective(nn.Identity(), even, even)), 6)
    0.0
    """
    optics = Optics(psf)
    background = number("background", background, low=0, hint="0 is for none.")
    smoothness = number("smoothness", smoothness, low=0, hint="Start with 0.01.")
    truth = number("truth", truth, low=0, hint="0 is for training without truth.")
    photons = one_of("noise", noise, ("poisson", "gaussian")) == "poisson"

    def objective(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """How unlikely the recording is, and how rough the prediction."""
        if any(side <= p for side, p in zip(x.shape[2:], optics.psf.shape, strict=True)):
            raise ValueError(
                f"Expected patches larger than the PSF, {tuple(optics.psf.shape)}, got "
                f"{tuple(x.shape[2:])}. "
                "Choose a larger patch_size, or cut off the rim of the PSF and divide by its sum."
            )
        prediction = network(x).float()
        margin = tuple(slice(r, -r or None) for r in optics.radius)
        recording = x.float()[(slice(None), slice(None), *margin)]
        expected = optics.to(x.device).image(prediction) + background
        if photons:
            expected = expected.clamp(min=_LEAST)
            loss: Tensor = (expected - recording * expected.log()).mean()
        else:
            loss = F.mse_loss(expected, recording)
        loss = loss + (prediction.clamp(max=0) ** 2).mean()
        if smoothness:
            loss = loss + smoothness * variation(prediction)
        if truth:
            loss = loss + truth * F.mse_loss(prediction, target)
        return loss

    checksum = f"PSF {zlib.crc32(optics.psf.numpy().tobytes()):08x}"
    weights = f"{background:g}, {noise}, {smoothness:g}, {truth:g}"
    return named(objective, f"blurred_again({checksum}, {weights})")


def variation(image: Tensor) -> Tensor:
    """Mean slope of an image, rounded off where it is level.

    Parameters
    ----------
    image : Tensor
        `(B, C, [Z,] Y, X)`.

    Returns
    -------
    Tensor
        One number.

    Notes
    -----
    Used in chapter 6, *Deep deconvolution*.

    Examples
    --------
    >>> ramp = torch.arange(8.0).repeat(1, 1, 8, 1)
    >>> round(float(variation(ramp)), 3)
    1.0
    """
    inside = (slice(None), slice(None), *(slice(None, -1) for _ in image.shape[2:]))
    squares = torch.stack(
        [(image.diff(dim=axis)[_cut(inside, axis)]) ** 2 for axis in range(2, image.dim())]
    )
    return (squares.sum(dim=0) + 1e-6).sqrt().mean()


def _cut(inside: tuple[slice, ...], axis: int) -> tuple[slice, ...]:
    """All axes without their last pixel but the one along which there was a difference."""
    return tuple(slice(None) if i == axis else part for i, part in enumerate(inside))
