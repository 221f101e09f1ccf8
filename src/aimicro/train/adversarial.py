"""The adversarial objective: make what a detective takes for real, while the detective learns.

Used in chapter 4, *What a loss rewards*.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import number
from aimicro.train.intensity_losses import mae
from aimicro.train.mask_losses import Loss
from aimicro.train.objectives import Objective


def adversarial(
    discriminator: nn.Module,
    loss: Loss = mae,
    *,
    weight: float = 0.01,
    conditional: bool = True,
    learning_rate: float = 1e-3,
) -> Objective:
    r"""Stay close to the target, and look real to a detective who is trained along.

    In each step the detective *D* first learns to tell the target *t* from what the network made
    of the input, :math:`\hat t`. Then the network learns from

    .. math:: \mathrm{loss}(\hat t, t) - w \, \overline{\log D(\hat t)},

    where *D* is the probability, for each window, of being real.

    Parameters
    ----------
    discriminator : Module
        Returns logits, above 0 for what looks real: `aimicro.models.Discriminator`. It is trained
        in place.
    loss : callable
        Of prediction and target: what keeps the answer close to the truth.
    weight : float
        Weight *w* of looking real; 0 for the loss alone, while the detective learns all the same.
    conditional : bool
        Show the detective the input as well, as channels before the answer. It then asks whether
        this could be the answer to *that* input; otherwise, only whether it looks real.
    learning_rate : float
        Of the detective, all along.

    Returns
    -------
    Objective
        For `aimicro.train.fit`. Without gradients or with a network in evaluation, as in
        validation, it is the loss alone, and nobody learns: a score given by a detective who
        changes could not be compared from step to step.

    Raises
    ------
    TypeError, ValueError
        For numbers out of range. In the first step: for a detective of other channels than it is
        shown.

    Notes
    -----
    A training repeats if detective and network begin with the same weights: make a new objective
    with a new detective for each. The detective is not in the checkpoint, so `fit` refuses to
    resume such a training, and to share it among processes, in which detectives would part ways.

    Used in chapter 4, *What a loss rewards*.

    References
    ----------
    I. J. Goodfellow et al., "Generative adversarial nets", NeurIPS 2014. arXiv:1406.2661

    P. Isola, J.-Y. Zhu, T. Zhou, A. A. Efros, "Image-to-image translation with conditional
    adversarial networks", CVPR 2017, 5967-5976. doi:10.1109/CVPR.2017.632

    Examples
    --------
    >>> from aimicro.models import Discriminator
    >>> objective = adversarial(Discriminator(), weight=0.02)
    """
    weight = number("weight", weight, low=0, hint="Try 0.01.")
    rate = number("learning_rate", learning_rate, above=0, hint="Try 1e-3.")
    # Less momentum than usual, since what is to be learned changes with each step [Isola et al.].
    optimiser = torch.optim.Adam(discriminator.parameters(), lr=rate, betas=(0.5, 0.999))

    def objective(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """Train the detective; then say how far off and how conspicuous the answer is."""
        answer = network(x)
        close = loss(answer, target)
        if not (network.training and torch.is_grad_enabled()):
            return close
        made, real = (torch.cat([x, y], dim=1) if conditional else y for y in (answer, target))
        _check_channels(discriminator, real, conditional)
        discriminator.to(x.device).train().requires_grad_(True)
        # softplus(-z) is the surprise at a real one, softplus(z) at a made one, for a logit z.
        surprise = F.softplus(-discriminator(real)) + F.softplus(discriminator(made.detach()))
        optimiser.zero_grad()
        surprise.mean().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        discriminator.requires_grad_(False)  # from here on only the network learns
        return close + weight * F.softplus(-discriminator(made)).mean()

    beside = getattr(loss, "__name__", type(loss).__name__)
    shown = "input and answer" if conditional else "answer"
    objective.__name__ = f"adversarial({beside}, {weight:g}, {shown}, {rate:g})"
    objective.learns_along = True  # type: ignore[attr-defined]
    return objective


def _check_channels(discriminator: nn.Module, shown: Tensor, conditional: bool) -> None:
    """Refuse a detective for other images."""
    channels = getattr(discriminator, "in_channels", shown.shape[1])
    if channels != shown.shape[1]:
        what = "input and answer" if conditional else "the answer"
        raise ValueError(
            f"Expected a discriminator that takes {shown.shape[1]} channels, those of {what}, got "
            f"one for {channels}. Build it with in_channels={shown.shape[1]}, or set "
            f"conditional={not conditional}."
        )
