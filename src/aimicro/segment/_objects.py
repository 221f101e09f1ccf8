"""What the classical methods share: smoothing, closing holes, numbering pieces."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aimicro import checks

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Light = npt.NDArray[np.float64]
Spacing = float | Sequence[float]

LENGTH = "Give it in the unit of spacing, by default pixels."


def pixel_of(spacing: Spacing, ndim: int) -> tuple[float, ...]:
    """Size of a pixel along each axis, or a clear error."""
    hint = "Give the size of a pixel along each axis, for example (0.3, 0.1, 0.1) in µm."
    return checks.per_axis("spacing", spacing, ndim, hint=hint)


def smoothed(values: Light, sigma: float, pixel: Sequence[float], *, name: str = "sigma") -> Light:
    """Blur with a Gaussian of this standard deviation, in the unit of the pixel size."""
    sigma = checks.number(name, sigma, low=0, hint=LENGTH)
    return np.asarray(ndimage.gaussian_filter(values, [sigma / side for side in pixel]))


def light_of(smooth: Light, empty: Mask) -> Light:
    """Light above the background, the median of empty places; where there are none, above 0."""
    return smooth - np.median(smooth[empty]) if empty.any() else smooth


def filled(mask: Mask) -> Mask:
    """The mask without holes: what the outside of the image does not reach belongs to it."""
    # By numbers of pieces: five times as fast as scipy.ndimage.binary_fill_holes.
    regions, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    return np.asarray(regions != 1)[(slice(1, -1),) * mask.ndim]


def pieces(mask: Mask) -> Labels:
    """Number what is connected along the axes."""
    labels, _ = ndimage.label(mask, output=np.int32)
    return np.asarray(labels)


def without_small(labels: Labels, min_area: float, pixel: Sequence[float]) -> Labels:
    """Leave out objects of less than an area or volume, and number the others from 1 on."""
    min_area = checks.number("min_area", min_area, low=0, hint="Give 0 to keep all objects.")
    kept = np.bincount(labels.ravel()) * np.prod(pixel) >= max(min_area, np.finfo(float).tiny)
    kept[0] = False
    return np.asarray((np.cumsum(kept) * kept).astype(np.int32)[labels])


def same_shape(name: str, values: npt.ArrayLike, shape: tuple[int, ...]) -> Light:
    """An image of the shape of another, or a clear error."""
    image = checks.intensities(name, values)
    if image.shape != shape:
        raise ValueError(f"Expected {name} of shape {shape}, got {image.shape}. Crop both alike.")
    return image
