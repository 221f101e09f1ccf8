"""Objectives: what one step of a training makes small, from the network to one number.

Used in chapter 6, *Denoising*, in chapter 10, *How sure is the model*, and in appendix A.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn

from aimicro.checks import number, one_of, whole
from aimicro.train.intensity_losses import mse
from aimicro.train.losses import LOSSES
from aimicro.train.mask_losses import Loss

Objective = Callable[[nn.Module, Tensor, Tensor], Tensor]


def supervised(loss: Loss) -> Objective:
    """Compare what the network makes of the input with the target.

    Parameters
    ----------
    loss : callable
        Of prediction and target, for example from `aimicro.train.LOSSES`.

    Returns
    -------
    Objective
        Function of network, input and target.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> objective = supervised(LOSSES["mae"])
    >>> float(objective(nn.Identity(), torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)))
    1.0
    """

    def objective(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """Loss of the prediction."""
        return loss(network(x), target)

    return _named(objective, getattr(loss, "__name__", type(loss).__name__))


def blind_spot(fraction: float = 0.02, radius: int = 5) -> Objective:
    """Noise2Void: learn to denoise from noisy images alone.

    Some pixels are replaced by a neighbour, and the network is asked what they were. It cannot
    know their noise, so its best answer is the mean of what is under it.

    Parameters
    ----------
    fraction : float
        Of the pixels to replace, at least one in each patch.
    radius : int
        How far away the neighbour may be along each axis, in pixels; each is as likely.

    Returns
    -------
    Objective
        The mean squared error at the replaced pixels. The target is not looked at.

    Notes
    -----
    The noise must be independent from pixel to pixel; what is correlated is learned as structure.
    All channels of a pixel are replaced together.

    Used in chapter 6, *Denoising*.

    References
    ----------
    A. Krull, T.-O. Buchholz, F. Jug, "Noise2Void: learning denoising from single noisy images",
    CVPR 2019, 2129-2137. doi:10.1109/CVPR.2019.00223

    Examples
    --------
    >>> noisy = torch.rand(1, 1, 16, 16)
    >>> bool(blind_spot()(nn.Identity(), noisy, noisy) > 0)
    True
    """
    fraction = number("fraction", fraction, above=0, high=1, hint="Try 0.02.")
    radius = whole("radius", radius, low=1, hint="Try 5.")

    def objective(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """Error at the spots."""
        pixels = x.flatten(2)  # (B, C, N)
        replaced, by = _spots(x, fraction, radius)  # (B, 1, n)
        replaced, by = (index.expand(-1, x.shape[1], -1) for index in (replaced, by))
        blind = pixels.scatter(2, replaced, pixels.gather(2, by)).view_as(x)
        answer = network(blind).flatten(2)
        return mse(answer.gather(2, replaced), pixels.gather(2, replaced))

    return _named(objective, f"blind_spot({fraction:g}, {radius})")


def variational(beta: float = 1e-3) -> Objective:
    r"""Train a variational autoencoder: rebuild the target, from codes that stay near a normal one.

    .. math:: \mathrm{MSE} + \frac{\beta}{N} \sum_i \frac{\mu_i^2 + \sigma_i^2 - 1}{2}
        - \ln \sigma_i

    Parameters
    ----------
    beta : float
        Weight of the codes; 0 for a plain autoencoder.

    Returns
    -------
    Objective
        For a network that in training gives a tuple: the reconstruction from a random code, the
        means and the logarithms of the variances of the codes. In evaluation it gives the
        reconstruction from the means alone, and is judged by that.

    Notes
    -----
    *N* counts the pixels of the target, so that `beta` does not depend on the size of a patch.

    Used in chapter 6, *Denoising*.

    References
    ----------
    D. P. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR 2014. arXiv:1312.6114

    I. Higgins et al., "beta-VAE: learning basic visual concepts with a constrained variational
    framework", ICLR 2017.

    Examples
    --------
    >>> objective = variational(beta=0.1)
    """
    beta = number("beta", beta, low=0, hint="Try 1e-3.")

    def objective(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """Error and divergence."""
        output = network(x)
        if isinstance(output, Tensor):
            return mse(output, target)
        prediction, mean, log_variance = output
        divergence: Tensor = (mean**2 + log_variance.exp() - 1 - log_variance).sum() / 2
        return mse(prediction, target) + beta * divergence / target.numel()

    return _named(objective, f"variational({beta:g})")


def chosen(objective: str | Objective) -> tuple[str, Objective]:
    """Name and function of an objective; a loss of two arguments is refused."""
    if not callable(objective):
        name = one_of("objective", objective, OBJECTIVES)
        return name, OBJECTIVES[name]
    name = getattr(objective, "__name__", type(objective).__name__)
    try:
        inspect.signature(objective).bind(*"abc")
    except TypeError:
        raise TypeError(
            f"Expected an objective of network, input and target, got {name} with other "
            "arguments. A loss of prediction and target becomes one by "
            "aimicro.train.supervised(loss)."
        ) from None
    except ValueError:  # some functions written in C do not tell
        pass
    return name, objective


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


def _named(objective: Objective, name: str) -> Objective:
    """Let a checkpoint tell objectives apart."""
    objective.__name__ = name
    return objective


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {name: supervised(loss) for name, loss in LOSSES.items()}
    | {"blind_spot": blind_spot(), "variational": variational()}
)
