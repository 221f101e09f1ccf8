"""Seven classical denoisers, each with a strength of one or two numbers that can be tuned.

Each takes a float32 image whose noise has a standard deviation of 1. `aimicro.restore.denoise`
brings an image there and back.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pywt
from scipy.ndimage import gaussian_filter, median_filter
from skimage import restoration  # imports SciPy's statistics, a third of a second, when asked
from skimage.morphology import ball, disk

from aimicro import checks
from aimicro.restore.anscombe import Image
from aimicro.restore.bm3d import bm3d
from aimicro.restore.bm4d import bm4d
from aimicro.restore.tuning import Parameter


def _gaussian(image: Image, *sigmas: float) -> Image:
    """Mean over neighbours, weighted by nearness; along z as far as the first of two says."""
    return np.asarray(gaussian_filter(image, (*sigmas[:-1], sigmas[-1], sigmas[-1])))


def _median(image: Image, radius: float) -> Image:
    """Median in a disk or a ball."""
    footprint = disk(int(radius)) if image.ndim == 2 else ball(int(radius))
    return np.asarray(median_filter(image, footprint=footprint))


def _bilateral(image: Image, sigma: float, intensity_range: float) -> Image:
    """Mean over neighbours, weighted by nearness in space and in intensity.

    Not scikit-image's: 0.26 fills its spatial weights in rows of one length and reads them in
    rows of another, so that the window comes out sheared.
    """
    radius = math.ceil(2.5 * sigma)
    padded = np.pad(image, radius, mode="symmetric")
    total, weights = np.zeros_like(image), np.zeros_like(image)
    for shift in itertools.product(range(-radius, radius + 1), repeat=image.ndim):
        corner = [radius + step for step in shift]
        window = tuple(slice(c, c + n) for c, n in zip(corner, image.shape, strict=True))
        neighbour = padded[window]
        distance2 = sum(step**2 for step in shift) / sigma**2
        weight = np.exp(-0.5 * (distance2 + ((neighbour - image) / intensity_range) ** 2))
        total += weight * neighbour
        weights += weight
    return np.asarray(total / weights)


def _wavelet(image: Image, sigma: float) -> Image:
    """Wavelet shrinkage, averaged over shifts so that the grid of the wavelets does not show."""
    # At 12 photons, one shift alone loses 1.4 dB; with the library's Haar wavelets it loses 2.9.
    shifts = 8
    levels = min(4, pywt.dwtn_max_level([n + shifts for n in image.shape], "sym4"))
    if levels < 1:
        raise ValueError(
            f"Expected at least 6 pixels along every axis for 'wavelet', got shape {image.shape}. "
            "Denoise thin stacks plane by plane."
        )
    padded = np.pad(image, shifts, mode="symmetric")
    total = np.zeros_like(padded)
    for shift in range(shifts):
        window = (slice(shift, shift - shifts),) * image.ndim
        total[window] += restoration.denoise_wavelet(
            padded[window], sigma=sigma, wavelet="sym4", wavelet_levels=levels
        )
    return np.asarray(total[(slice(shifts, -shifts),) * image.ndim] / shifts, np.float32)


def _total_variation(image: Image, weight: float) -> Image:
    """Flatten the image and keep its edges (Chambolle)."""
    # A fixed number of steps: where the library's eps stops jumps with the weight, and with it
    # the result.
    return np.asarray(
        restoration.denoise_tv_chambolle(image, weight=weight, eps=0, max_num_iter=60)
    )


def _nonlocal_means(image: Image, sigma: float, tolerance: float) -> Image:
    """Mean over places that look alike."""
    # After an Anscombe transform at 12 photons, patches of 7 pixels do 0.5 dB better than of 5. To
    # search up to 9 pixels away gains nothing there, and less than 0.1 dB at 100 photons, and takes
    # 1.7 times as long. A volume has enough pixels in a smaller patch, and places nearby.
    size, distance = (7, 7) if image.ndim == 2 else (5, 3)
    restored = restoration.denoise_nl_means(
        image,
        patch_size=size,
        patch_distance=distance,
        h=tolerance * sigma,
        sigma=sigma,
        preserve_range=True,
    )
    return np.asarray(restored).reshape(image.shape)  # it drops axes of one pixel


def _block_matching(image: Image, sigma: float) -> Image:
    """Blocks that look alike, filtered together: BM3D, and in volumes BM4D."""
    return bm3d(image, sigma=sigma) if image.ndim == 2 else bm4d(image, sigma=sigma)


@dataclass(frozen=True)
class Method:
    """A denoiser and what makes up its strength.

    Attributes
    ----------
    function : callable
        Takes a float32 image whose noise has a standard deviation of 1, and a value for each
        parameter.
    parameters : tuple of Parameter
        Of the strength, with units and bounds.
    in_volumes : tuple of Parameter
        Those in a volume, where they are others.
    threads : bool
        Whether it computes without Python's lock, so that two run at the same time as fast as one.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> [str(parameter) for parameter in METHODS["bilateral"].parameters]
    ['spatial sigma (px)', 'range (noise sd)']
    """

    function: Callable[..., Image]
    parameters: tuple[Parameter, ...]
    in_volumes: tuple[Parameter, ...] = ()
    threads: bool = False

    def parameters_for(self, ndim: int) -> tuple[Parameter, ...]:
        """Those for images with so many axes."""
        return self.in_volumes if ndim == 3 and self.in_volumes else self.parameters


# A new method is an entry here: everything else follows from it.
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "gaussian": Method(
            _gaussian,
            (Parameter("sigma", "px", (0.2, 10.0)),),
            in_volumes=(
                Parameter("sigma z", "px", (0.2, 10.0)),
                Parameter("sigma yx", "px", (0.2, 10.0), ratio=4),
            ),
        ),
        "median": Method(
            _median, (Parameter("radius", "px", (1, 8), discrete=True),), threads=True
        ),
        "bilateral": Method(
            _bilateral,
            (
                Parameter("spatial sigma", "px", (0.3, 5.0)),
                Parameter("range", "noise sd", (0.5, 50.0), ratio=4),
            ),
            in_volumes=(  # beyond 3 px the window has thousands of voxels, each a pass
                Parameter("spatial sigma", "px", (0.3, 3.0)),
                Parameter("range", "noise sd", (0.5, 50.0), ratio=4),
            ),
        ),
        "wavelet": Method(_wavelet, (Parameter("assumed noise", "noise sd", (0.1, 20.0)),)),
        "total_variation": Method(
            _total_variation, (Parameter("weight", "noise sd", (0.05, 20.0)),)
        ),
        "nonlocal_means": Method(
            _nonlocal_means,
            (
                Parameter("assumed noise", "noise sd", (0.3, 20.0)),
                Parameter("tolerance", "of it", (0.15, 9.6), ratio=4),
            ),
            threads=True,
        ),
        # It has threads of its own.
        "block_matching": Method(
            _block_matching, (Parameter("assumed noise", "noise sd", (0.3, 5.0)),)
        ),
    }
)


def find_method(name: str) -> Method:
    """The method of that name, or an error with the nearest name."""
    return METHODS[checks.one_of("method", name, METHODS)]


def check_strength(name: str, strength: float | Sequence[float], ndim: int) -> tuple[float, ...]:
    """A value for each parameter of the method, or an error unless it can have them."""
    parameters = METHODS[name].parameters_for(ndim)
    values = list(np.atleast_1d(np.asarray(strength, dtype=object)))
    if values == [0]:
        return (0.0,) * len(parameters)
    if len(values) != len(parameters):
        names = ", ".join(map(str, parameters))
        number = "one number" if len(parameters) == 1 else f"{len(parameters)} numbers"
        raise ValueError(
            f"Expected the strength of {name!r} {'in a volume ' * (ndim == 3)}as {number}, "
            f"{names}, got {strength!r}. Give them in this order, or 0 for none."
        )
    found = tuple(
        _check_value(f"the strength of {name!r} ({one.name} in {one.unit})", value, one)
        for one, value in zip(parameters, values, strict=True)
    )
    if any(found) and not all(found):
        raise ValueError(
            f"Expected the numbers of the strength of {name!r} all above 0, or all 0, got {found}. "
            f"Start with {parameters[found.index(0)].bounds[0]:g} in place of 0."
        )
    return found


def _check_value(what: str, value: object, parameter: Parameter) -> float:
    """The value of one parameter, or an error."""
    hint = f"Its usual range is {parameter.bounds}."
    found = checks.number(what, value, low=0, hint=hint)
    if parameter.discrete and found != int(found):
        raise ValueError(f"Expected {what} as a whole number, got {value}. Round it. {hint}")
    return found
