"""Losses of masks and classes: how surprised a network is at the truth, or how much it misses.

The network ends without a sigmoid or softmax, and gives *logits*: of those, logarithms of
probabilities are exact also where a probability is nearly 0.

Used in chapter 9, *From a threshold to a U-Net*, and in chapter 10, *How sure is the model*.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from aimicro.checks import number

Loss = Callable[[Tensor, Tensor], Tensor]


def binary_cross_entropy(prediction: Tensor, truth: Tensor) -> Tensor:
    r"""Mean surprise at the truth, for masks. Its best answer is the *probability* of a pixel.

    .. math:: -\frac{1}{N} \sum_i t_i \log p_i + (1 - t_i) \log(1 - p_i),
        \qquad p = \frac{1}{1 + e^{-z}}

    Parameters
    ----------
    prediction : Tensor
        `(B, C, [Z,] Y, X)`, logits *z*: the network ends without a sigmoid.
    truth : Tensor
        Of the same shape: 1 inside the objects, 0 outside. `ArrayPatches` leaves
        masks of true and false as they are.

    Returns
    -------
    Tensor
        One number; 0.69 for a network that says one half everywhere.

    Notes
    -----
    Used in chapter 10, *How sure is the model*.
    """
    return F.binary_cross_entropy_with_logits(prediction, truth)


def soft_dice(prediction: Tensor, truth: Tensor) -> Tensor:
    r"""What is missing to a Dice score of 1, with probabilities in place of a mask.

    .. math:: 1 - \frac{2 \sum_i p_i t_i + 1}{\sum_i p_i + \sum_i t_i + 1},
        \qquad p = \frac{1}{1 + e^{-z}}

    Parameters
    ----------
    prediction, truth : Tensor
        As for `binary_cross_entropy`.

    Returns
    -------
    Tensor
        One number from 0 to 1, the mean of all patches.

    Notes
    -----
    Small objects count as much as large background, and the score of a mask is what it aims at.
    But its best answer is 0 or 1, whatever the probability: do not take it for one. The 1 makes
    patches without any object perfect where nothing is found.

    Used in chapter 10, *How sure is the model*.

    References
    ----------
    F. Milletari, N. Navab, S.-A. Ahmadi, "V-Net: fully convolutional neural networks for
    volumetric medical image segmentation", 3DV 2016, 565-571; there with squares in the
    denominator. doi:10.1109/3DV.2016.79
    """
    p, t = torch.sigmoid(prediction).flatten(1), truth.flatten(1)
    return (1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)).mean()


def bce_dice(prediction: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy plus soft Dice, weighed alike.

    Parameters
    ----------
    prediction, truth : Tensor
        As for `binary_cross_entropy`.

    Returns
    -------
    Tensor
        One number.

    Notes
    -----
    The first has a gradient for every pixel from the first step, the second does not drown small
    objects in background. Used in chapter 9, *From a threshold to a U-Net*.
    """
    return binary_cross_entropy(prediction, truth) + soft_dice(prediction, truth)


def focal(gamma: float = 2.0, alpha: float = 0.25) -> Loss:
    r"""Cross-entropy that turns away from pixels that are right already.

    .. math:: -\frac{1}{N} \sum_i \alpha \, t_i (1 - p_i)^\gamma \log p_i
        + (1 - \alpha) (1 - t_i) \, p_i^\gamma \log(1 - p_i),
        \qquad p = \frac{1}{1 + e^{-z}}

    Parameters
    ----------
    gamma : float
        How much less what is right counts: with 2, a pixel of probability 0.9 for the truth a
        hundredth. 0 for cross-entropy.
    alpha : float
        Weight of the inside, between 0 and 1; the outside has what is left to 1.

    Returns
    -------
    Loss
        Function of prediction and truth as `binary_cross_entropy`.

    Raises
    ------
    TypeError, ValueError
        For what is no number, or out of range.

    Notes
    -----
    With the published settings, as here by default, the inside counts *less*: with a gamma of 2
    the outside has little weight left. The best answer is no probability.

    Used in chapter 9, *From a threshold to a U-Net*.

    References
    ----------
    T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár, "Focal loss for dense object detection",
    ICCV 2017, 2999-3007. doi:10.1109/ICCV.2017.324

    Examples
    --------
    >>> loss = focal(gamma=0, alpha=0.5)  # half of the cross-entropy
    >>> round(float(loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))), 3)
    0.347
    """
    gamma = number("gamma", gamma, low=0, hint="Try 2.")
    alpha = number("alpha", alpha, above=0, below=1, hint="Try 0.25.")

    def loss(prediction: Tensor, truth: Tensor) -> Tensor:
        """Surprise, less of it where there is little."""
        inside, outside = F.logsigmoid(prediction), F.logsigmoid(-prediction)
        # Powers of probabilities as exponentials: those have a gradient also at 0.
        hit = alpha * truth * torch.exp(gamma * outside) * inside
        clear = (1 - alpha) * (1 - truth) * torch.exp(gamma * inside) * outside
        return -(hit + clear).mean()

    return _named(loss, f"focal({gamma:g}, {alpha:g})")


def tversky(alpha: float = 0.3, beta: float = 0.7) -> Loss:
    r"""Like `soft_dice`, but a miss and a false alarm may count differently.

    .. math:: 1 - \frac{\mathrm{TP} + 1/2}
        {\mathrm{TP} + \alpha \, \mathrm{FP} + \beta \, \mathrm{FN} + 1/2}, \qquad
        \mathrm{TP} = \sum_i p_i t_i, \quad \mathrm{FP} = \sum_i p_i (1 - t_i), \quad
        \mathrm{FN} = \sum_i (1 - p_i) t_i

    Parameters
    ----------
    alpha, beta : float
        Weights, above 0, of pixels found where nothing is, and of pixels missed. One half for
        each makes it `soft_dice`.

    Returns
    -------
    Loss
        Function of prediction and truth as `binary_cross_entropy`; from 0 to 1, the mean of all
        patches.

    Raises
    ------
    TypeError, ValueError
        For what is no number, or out of range.

    Notes
    -----
    The default does not let go of small objects: a miss is twice as bad. The one half makes
    patches without any object perfect where nothing is found.

    Used in chapter 9, *From a threshold to a U-Net*.

    References
    ----------
    S. S. M. Salehi, D. Erdogmus, A. Gholipour, "Tversky loss function for image segmentation
    using 3D fully convolutional deep networks", MLMI 2017, 379-387.
    doi:10.1007/978-3-319-67389-9_44

    Examples
    --------
    >>> mask = torch.ones(1, 1, 4, 4)
    >>> float(tversky()(100 * mask, mask))
    0.0
    """
    alpha = number("alpha", alpha, above=0, hint="Try 0.3.")
    beta = number("beta", beta, above=0, hint="Try 0.7.")

    def loss(prediction: Tensor, truth: Tensor) -> Tensor:
        """Fraction that is not met."""
        p, t = torch.sigmoid(prediction).flatten(1), truth.flatten(1)
        met, false, missed = (p * t).sum(1), (p * (1 - t)).sum(1), ((1 - p) * t).sum(1)
        return (1 - (met + 0.5) / (met + alpha * false + beta * missed + 0.5)).mean()

    return _named(loss, f"tversky({alpha:g}, {beta:g})")


def cross_entropy(class_weights: Sequence[float] | None = None) -> Loss:
    r"""Mean surprise at the true class, of several that exclude each other.

    .. math:: -\frac{\sum_i \sum_c w_c t_{ic} \log p_{ic}}{\sum_i \sum_c w_c t_{ic}}, \qquad
        p_{ic} = \frac{e^{z_{ic}}}{\sum_k e^{z_{ik}}}

    Parameters
    ----------
    class_weights : sequence of float, optional
        How much each class counts, above 0; for example more for rare ones. All alike by default.

    Returns
    -------
    Loss
        Function of prediction, logits `(B, C, [Z,] Y, X)`, and truth of the same shape: 1 in the
        channel of the true class, 0 in the others, as `aimicro.segment.unet.targets` gives them
        with borders. Or, in place of the 1, the weight of the pixel.

    Raises
    ------
    TypeError, ValueError
        For weights that are no numbers, or not above 0. The loss itself: for another number of
        channels than of weights.

    Notes
    -----
    Weights shift where the border between two classes is drawn, and the answer is no longer the
    probability.

    Used in chapter 9, *From a threshold to a U-Net*.

    Examples
    --------
    >>> classes = torch.eye(3).reshape(1, 3, 1, 3)  # three pixels, each of another class
    >>> round(float(cross_entropy((1, 1, 5))(torch.zeros_like(classes), classes)), 3)
    1.099
    """
    hint = "Give a number for each class."
    weights = [number("class_weights", one, above=0, hint=hint) for one in class_weights or ()]
    if class_weights is not None and not weights:
        raise ValueError(f"Expected a weight for each class, got none. {hint}")

    def loss(prediction: Tensor, truth: Tensor) -> Tensor:
        """Surprise, weighted by class."""
        if weights:
            if len(weights) != truth.shape[1]:
                raise ValueError(
                    f"Expected a weight for each of {truth.shape[1]} classes, got {len(weights)}. "
                    "Give class_weights in the order of the channels."
                )
            shape = (-1, *[1] * (truth.dim() - 2))
            truth = truth * truth.new_tensor(weights).reshape(shape)
        return -(truth * F.log_softmax(prediction, dim=1)).sum() / truth.sum()

    settings = ", ".join(f"{weight:g}" for weight in weights)
    return _named(loss, f"cross_entropy({settings})")


def _named(loss: Loss, name: str) -> Loss:
    """Let a checkpoint tell losses apart."""
    loss.__name__ = name
    return loss
