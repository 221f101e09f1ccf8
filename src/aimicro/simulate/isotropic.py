"""Pairs that a stack makes of itself: its sharp lateral slices, blurred as its axial ones are.

A microscope sees less sharply along z than across, and steps over planes. A specimen that looks
alike from all sides shows in its lateral slices what the axial ones should look like.

Used in chapter 6, *Isotropic resolution*.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, optimize

from aimicro import checks
from aimicro.simulate.noise import Noise

Array = NDArray[np.float32]


class LateralPairs(NamedTuple):
    """What a network learns axial slices from.

    Attributes
    ----------
    blurred : list of ndarray of float32, (Y, X)
        Lateral slices as they would look along z: the first axis is the one that was blurred,
        thinned and interpolated again.
    sharp : list of ndarray of float32, (Y, X)
        The same slices as they were recorded.

    Notes
    -----
    Used in chapter 6, *Isotropic resolution*.
    """

    blurred: list[Array]
    sharp: list[Array]


def axial_kernel(psf: ArrayLike) -> Array:
    r"""What blurs a stack along z beyond the blur that it has across.

    The PSF, summed over a plane, says how a thin layer spreads along z; summed over z and y, how a
    thin upright sheet spreads along x. The kernel *k*, nowhere negative, turns the second into the
    first as nearly as it can,

    .. math:: k \otimes \textstyle\sum_{z, y} h \approx \sum_{y, x} h.

    Parameters
    ----------
    psf : array_like, (Z, Y, X)
        *h*, in voxels of one size along all axes, nowhere negative, with a sum of 1 and sides of
        odd length.

    Returns
    -------
    ndarray of float32, (Z,)
        The kernel, in steps of a voxel, with a sum of 1.

    Raises
    ------
    TypeError, ValueError
        If the PSF is not as described.

    See Also
    --------
    lateral_pairs : Blurs lateral slices with it.

    Notes
    -----
    For a Gaussian PSF, *k* is the Gaussian of variance :math:`\sigma_z^2 - \sigma_x^2`.

    Used in chapter 6, *Isotropic resolution*.

    Examples
    --------
    >>> z, y, x = np.indices((31, 15, 15)) - np.reshape((15, 7, 7), (3, 1, 1, 1))
    >>> spot = np.exp(-(z**2) / (2 * 5**2) - (y**2 + x**2) / (2 * 2**2))
    >>> kernel = axial_kernel(spot / spot.sum())
    >>> print(f"{np.sqrt(kernel @ np.arange(-15, 16) ** 2):.1f} of {np.sqrt(5**2 - 2**2):.1f}")
    4.6 of 4.6
    """
    hint = "Give the PSF of a volume, in voxels as long as they are wide."
    kernel = checks.psf("psf", psf, ndim=3, odd=True, hint=hint)
    along = kernel.sum(axis=(1, 2), dtype=float)
    across = kernel.sum(axis=(0, 1), dtype=float)
    n, half = len(along), len(across) // 2
    # Column j is the lateral profile, centred on voxel j of the axial one.
    distance = np.subtract.outer(np.arange(n), np.arange(n))
    seen = np.abs(distance) <= half
    spread = np.where(seen, across[np.clip(distance + half, 0, 2 * half)], 0)
    weights, _ = optimize.nnls(spread, along)
    return np.asarray(weights / weights.sum(), np.float32)


def stretched(stack: ArrayLike, *, step: int, axis: int = 0) -> Array:
    """Interpolate a stack, or a slice, onto a finer grid along one axis.

    Parameters
    ----------
    stack : array_like, any number of axes
        *n* planes along `axis`.
    step : int
        Into how many steps each step is divided.
    axis : int
        Along which axis; 0 is z.

    Returns
    -------
    ndarray of float32
        ``(n - 1) * step + 1`` planes along `axis`. Every `step`-th is a plane of the stack as it
        was, those between lie on straight lines.

    Raises
    ------
    TypeError, ValueError
        If the stack is not made of finite real numbers, or another argument is out of range.

    Notes
    -----
    Used in chapter 6, *Isotropic resolution*.

    Examples
    --------
    >>> stretched([0, 4, 2], step=4).tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 3.5, 3.0, 2.5, 2.0]
    """
    step = checks.whole("step", step, low=1, hint="Give the step in z over the pixel size.")
    values = np.moveaxis(checks.intensities("stack", stack, ndim=None), axis, 0)
    place = np.arange((len(values) - 1) * step + 1)
    before = np.minimum(place // step, max(len(values) - 2, 0))
    after = np.minimum(before + 1, len(values) - 1)
    part = ((place - before * step) / step).reshape(-1, *[1] * (values.ndim - 1))
    fine = values[before] * (1 - part) + values[after] * part
    return np.asarray(np.moveaxis(fine, 0, axis), np.float32)


def lateral_pairs(
    stack: ArrayLike,
    kernel: ArrayLike,
    *,
    step: int,
    noise: Noise | None = None,
    rng: np.random.Generator | int,
) -> LateralPairs:
    r"""Make training pairs for axial slices from the lateral slices of the same stack.

    Each slice (Y, X) is taken as it lies and turned by a quarter. Along its first axis it is
    blurred with the kernel, thinned to every `step`-th row, made as noisy as a recorded row, and
    interpolated again, as the stack is along z. The slice as it was recorded is the target. Nobody
    shows the network what the axial direction truly looks like.

    Parameters
    ----------
    stack : array_like, (Z, Y, X)
        As recorded, in camera counts or photons.
    kernel : array_like, (N,)
        What blurs along z beyond the blur across, in pixels of a lateral slice: `axial_kernel`.
    step : int
        Step of the stack along z, in lateral pixels.
    noise : Noise, optional
        Of the camera, in the unit of the stack. A blur averages noise away, so the variance
        :math:`(1 - \sum k^2)(g (\mathrm{mean} - o) + r^2)` is given back to each row. Without, it
        is not.
    rng : numpy.random.Generator or int
        Source of that noise, or its seed.

    Returns
    -------
    LateralPairs
        Two slices for each plane of the stack, of ``(n - 1) // step * step + 1`` of their *n* rows.

    Raises
    ------
    TypeError, ValueError
        If the stack is no volume of finite real numbers, the kernel is negative somewhere or has
        another sum than 1, or the slices are thinner than a step.

    See Also
    --------
    aimicro.predict.predict_axial : Applies the network to the axial slices.
    aimicro.metrics.side_contrast : Whether the specimen allows it.

    Notes
    -----
    Give the pairs to `aimicro.train.ArrayPatches` with ``augment=False``: exchanging the axes would
    turn the blur to the other.

    The method assumes that a specimen looks from the side as it looks from above. The weak point
    is the specimen, not the network.

    Used in chapter 6, *Isotropic resolution*.

    References
    ----------
    .. [1] M. Weigert, L. Royer, F. Jug, G. Myers, "Isotropic reconstruction of 3D fluorescence
       microscopy images using convolutional neural networks", MICCAI 2017.
       doi:10.1007/978-3-319-66185-8_15
    .. [2] M. Weigert et al., "Content-aware image restoration: pushing the limits of fluorescence
       microscopy", Nature Methods 15 (2018) 1090-1097. doi:10.1038/s41592-018-0216-7

    Examples
    --------
    >>> pairs = lateral_pairs(np.ones((2, 10, 14)), [0.25, 0.5, 0.25], step=4, rng=0)
    >>> [pair.shape for pair in pairs.blurred]
    [(9, 14), (13, 10), (9, 14), (13, 10)]
    """
    planes, weights, step = _told(stack, kernel, step)
    if min(planes.shape[1:]) <= step:
        raise ValueError(
            f"Expected slices of more than step={step} pixels, got {planes.shape[1:]}. "
            "Give a larger field."
        )
    rng = np.random.default_rng(rng)
    averaged = 1 - float(np.sum(weights**2))
    blurred, sharp = [], []
    for plane in planes:
        for slice_ in (plane, plane.T):
            rows = ndimage.convolve1d(slice_, weights, axis=0, mode="reflect")[::step]
            if noise is not None:
                light = noise.gain * np.maximum(rows - noise.offset, 0) + noise.read_noise**2
                rows = rows + rng.normal(size=rows.shape) * np.sqrt(averaged * light)
            blurred.append(stretched(rows, step=step))
            sharp.append(np.ascontiguousarray(slice_[: len(blurred[-1])]))
    return LateralPairs(blurred, sharp)


def _told(stack: ArrayLike, kernel: ArrayLike, step: int) -> tuple[Array, Array, int]:
    """A stack, a kernel and a step, or a clear error."""
    hint = "Give the whole stack; its planes are the slices."
    planes = checks.intensities("stack", stack, ndim=3, hint=hint).astype(np.float32)
    weights = checks.psf("kernel", kernel, ndim=1, hint="Compute it with axial_kernel.")
    step = checks.whole("step", step, low=1, hint="Give the step in z over the pixel size.")
    return planes, weights.astype(np.float32), step
