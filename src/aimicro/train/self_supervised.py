"""Objectives that need no truth: pixels are hidden from the network, which is asked for them.

Used in chapter 6, *Denoising*.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import number, whole
from aimicro.train.intensity_losses import mse

Objective = Callable[[nn.Module, Tensor, Tensor], Tensor]


def blind_spot(
    fraction: float = 0.02, radius: int = 5, *, hide: int = 0, axis: int = -1
) -> Objective:
    """Noise2Void: learn to denoise from noisy images alone.

    Some pixels are replaced by a neighbour, and the network is asked what they were. It cannot
    know their noise, so its best answer is the mean of what is under it.

    Parameters
    ----------
    fraction : float
        Of the pixels to replace, at least one in each patch. With what is hidden beside them, at
        most half: from the rest they are to be guessed.
    radius : int
        How far away the neighbour may be along each axis, in pixels; each is as likely.
    hide : int
        How many pixels to each side are hidden as well, by values from anywhere in the patch: as
        many as the noise is correlated over, such as along the lines of a scan.
    axis : int
        Along which axis, -1 for X.

    Returns
    -------
    Objective
        The mean squared error at the replaced pixels. The target is not looked at. It raises
        ValueError for patches that lack the axis, or are not longer along it than what is hidden.

    Raises
    ------
    TypeError, ValueError
        If an argument is outside its range, or more than half of the pixels would be hidden.

    Notes
    -----
    The noise must be independent from pixel to pixel, or at least of all that is not hidden; what
    is correlated is learned as structure. All channels of a pixel are replaced together. Only the
    pixels in the middle of what is hidden are asked for.

    Used in chapter 6, *Denoising*.

    References
    ----------
    A. Krull, T.-O. Buchholz, F. Jug, "Noise2Void: learning denoising from single noisy images",
    CVPR 2019, 2129-2137. doi:10.1109/CVPR.2019.00223

    C. Broaddus et al., "Removing structured noise with self-supervised blind-spot networks",
    ISBI 2020, 159-163. doi:10.1109/ISBI45749.2020.9098336 (`hide`)

    Examples
    --------
    >>> noisy = torch.rand(1, 1, 16, 16)
    >>> bool(blind_spot()(nn.Identity(), noisy, noisy) > 0)
    True
    """
    fraction = number("fraction", fraction, above=0, high=0.5, hint="Try 0.02.")
    radius = whole("radius", radius, low=1, hint="Try 5.")
    hide = whole("hide", hide, low=0, hint="Try 0 where the noise is independent.")
    axis = whole("axis", axis, low=-3, high=-1, hint="Write -1 for X, -2 for Y, -3 for Z.")
    if fraction * (2 * hide + 1) > 0.5:
        raise ValueError(
            f"Expected at most half of the pixels hidden, got {fraction:g} of them with {hide} "
            f"more to each side. Take a fraction of at most {0.5 / (2 * hide + 1):.2g}."
        )

    def objective(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """Error at the spots."""
        pixels = x.flatten(2)  # (B, C, N)
        replaced, by = _spots(x, fraction, radius)  # (B, 1, n)
        hidden, from_there = _beside(x, replaced, hide, axis)
        replaced, by, hidden, from_there = (
            index.expand(-1, x.shape[1], -1) for index in (replaced, by, hidden, from_there)
        )
        blind = pixels.scatter(2, hidden, pixels.gather(2, from_there))
        blind = blind.scatter(2, replaced, pixels.gather(2, by)).view_as(x)
        answer = network(blind).flatten(2)
        return mse(answer.gather(2, replaced), pixels.gather(2, replaced))

    lines = f", hide={hide}, axis={axis}" * (hide > 0)
    return named(objective, f"blind_spot({fraction:g}, {radius}{lines})")


def j_invariant(width: int = 4) -> Objective:
    """Noise2Self: hide every fourth pixel of a grid behind its neighbours, and ask for it.

    The grid lies elsewhere in each step, so that all pixels have their turn. What the network
    answers for a hidden pixel cannot depend on that pixel, and thus not on its noise.

    Parameters
    ----------
    width : int
        Distance of hidden pixels along each axis, in pixels.

    Returns
    -------
    Objective
        The mean squared error at the hidden pixels. The target is not looked at.

    Raises
    ------
    ValueError
        For a width below 2, which would hide all pixels.

    Notes
    -----
    As for `blind_spot`, noise must be independent from pixel to pixel. A hidden pixel becomes the
    mean of the pixels around it, its corners among them.

    Used in chapter 6, *Denoising*.

    References
    ----------
    J. Batson, L. Royer, "Noise2Self: blind denoising by self-supervision", ICML 2019.
    arXiv:1901.11365

    Examples
    --------
    >>> noisy = torch.rand(1, 1, 16, 16)
    >>> bool(j_invariant()(nn.Identity(), noisy, noisy) > 0)
    True
    """
    width = whole("width", width, low=2, hint="Try 4.")

    def objective(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """Error on the grid."""
        grid = torch.zeros_like(x, dtype=torch.bool)
        # A small patch may be narrower than the grid is wide.
        starts = [int(torch.randint(min(width, size), ())) for size in x.shape[2:]]
        every = tuple(slice(start, None, width) for start in starts)
        grid[(slice(None), slice(None), *every)] = True
        answer = network(torch.where(grid, _mean_around(x), x))
        return mse(answer[grid], x[grid])

    return named(objective, f"j_invariant({width})")


def _mean_around(x: Tensor) -> Tensor:
    """Mean of the pixels around each, without itself, of as many as there are at the border."""
    pool = F.avg_pool2d if x.ndim == 4 else F.avg_pool3d
    n = 3 ** (x.ndim - 2)
    total, count = (n * pool(each, 3, stride=1, padding=1) for each in (x, torch.ones_like(x)))
    mean: Tensor = (total - x) / (count - 1).round()
    return mean


def _beside(x: Tensor, places: Tensor, hide: int, axis: int) -> tuple[Tensor, Tensor]:
    """Pixels beside those places along an axis, and where their values come from."""
    sizes = x.shape[2:]
    if len(sizes) < -axis:
        raise ValueError(
            f"Expected axis as one of the {len(sizes)} of the patches, got {axis}. Write -1 for X, "
            "-2 for Y."
        )
    if not hide:
        return places[..., :0], places[..., :0]
    if sizes[axis] <= 2 * hide + 1:
        raise ValueError(
            f"Expected patches longer than the {2 * hide + 1} pixels that are hidden along axis "
            f"{axis}, got {sizes[axis]}. Take larger patches, or hide fewer."
        )
    at = _coordinates(places, sizes)
    beside = []
    for offset in (*range(-hide, 0), *range(1, hide + 1)):
        moved = [*at]
        moved[axis] = (at[axis] + offset).clamp(0, sizes[axis] - 1)
        flat = torch.zeros_like(places)
        for size, position in zip(sizes, moved, strict=True):
            flat = flat * size + position
        beside.append(flat)
    hidden = torch.cat(beside, dim=2)
    anywhere = torch.rand(hidden.shape, device=x.device) * sizes.numel()
    return hidden, anywhere.long()


def _spots(x: Tensor, fraction: float, radius: int) -> tuple[Tensor, Tensor]:
    """Places of pixels, and of a random neighbour of each, as flat indices `(B, 1, n)`."""
    sizes = x.shape[2:]
    n_pixels = sizes.numel()
    n = max(1, round(fraction * n_pixels))
    places = torch.rand(len(x), 1, n_pixels, device=x.device).topk(n).indices
    lows, widths, own = [], [], torch.zeros_like(places)
    for size, at in zip(sizes, _coordinates(places, sizes), strict=True):
        low = (at - radius).clamp(min=0)
        width = (at + radius).clamp(max=size - 1) - low + 1
        own = own * width + at - low
        lows.append(low)
        widths.append(width)
    # One of the other pixels of the window that lies inside, never the pixel itself.
    others = torch.stack(widths).prod(0) - 1
    cell = (torch.rand(places.shape, device=x.device) * others).long()
    cell += (cell >= own).long()
    neighbour = torch.zeros_like(places)
    for axis in reversed(range(len(sizes))):
        stride = sizes[axis + 1 :].numel()
        neighbour += (lows[axis] + cell % widths[axis]) * stride
        cell //= widths[axis]
    return places, neighbour


def _coordinates(places: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    found = []
    for size in reversed(sizes):
        found.append(places % size)
        places = places // size
    return found[::-1]


def named(objective: Objective, name: str) -> Objective:
    """Let a checkpoint tell objectives apart."""
    objective.__name__ = name
    return objective
