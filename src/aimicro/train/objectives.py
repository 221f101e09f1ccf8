"""Objectives: what one step of a training makes small, from the network to one number.

Used in chapter 6, *Denoising*, in chapter 10, *How sure is the model*, and in appendix A.
"""

import inspect
from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import number, one_of
from aimicro.train.intensity_losses import mse
from aimicro.train.losses import LOSSES
from aimicro.train.mask_losses import Loss
from aimicro.train.self_supervised import Objective as Objective
from aimicro.train.self_supervised import blind_spot, j_invariant, named


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
    >>> import torch
    >>> objective = supervised(LOSSES["mae"])
    >>> float(objective(nn.Identity(), torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)))
    1.0
    """

    def objective(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """Loss of the prediction."""
        return loss(network(x), target)

    return named(objective, getattr(loss, "__name__", type(loss).__name__))


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

    return named(objective, f"variational({beta:g})")


def next_token(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Train a language model: say how much the token surprises that came next.

    Parameters
    ----------
    network : Module
        Gives logits `(B, vocabulary, 1, N)`: `aimicro.models.LanguageModel`.
    x : Tensor
        Numbers of tokens, `(B, 1, 1, N)`.
    target : Tensor
        Numbers of the tokens that follow each, `(B, 1, 1, N)`; -1 where nothing is to be learned,
        as behind the end of a text.

    Returns
    -------
    Tensor
        Mean of minus the logarithm of their probabilities, in nats.

    Notes
    -----
    Used in chapter 3, *Attention by hand*.

    Examples
    --------
    >>> import torch
    >>> ids = torch.zeros(1, 1, 1, 5)
    >>> even = next_token(lambda x: torch.zeros(1, 8, 1, 5), ids, ids)
    >>> round(float(even.exp()), 3)  # eight tokens, all as likely
    8.0
    """
    return F.cross_entropy(network(x).float(), target[:, 0].long(), ignore_index=-1)


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


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {name: supervised(loss) for name, loss in LOSSES.items()}
    | {"blind_spot": blind_spot(), "j_invariant": j_invariant(), "variational": variational()}
)
