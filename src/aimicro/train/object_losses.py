"""Losses of targets that describe whole objects: StarDist's rays and Cellpose's flows.

Used in chapter 9, *Training and using a model*.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

_RAYS = 0.2  # weight of the rays, as published


def stardist(prediction: Tensor, truth: Tensor) -> Tensor:
    r"""StarDist's: cross-entropy of the probability, plus the error of the rays inside objects.

    .. math:: \mathrm{BCE}(z, t) + 0.2 \,
        \frac{\sum_i t_i \, \frac{1}{K} \sum_k |\hat{d}_{ik} - d_{ik}|}{\sum_i t_i}

    Parameters
    ----------
    prediction : Tensor
        `(B, 1 + K, [Z,] Y, X)`: a logit *z* of the object probability, then lengths of *K* rays in
        pixels.
    truth : Tensor
        Of the same shape: object probabilities *t* from 0 to 1, and true lengths.

    Returns
    -------
    Tensor
        One number.

    Notes
    -----
    A pixel deep inside counts more than one at the border, since its polygon is the one that is
    kept in the end; in the background there are no rays to learn. The published program can also
    draw those to 0, slightly.

    Used in chapter 9, *Training and using a model*.

    References
    ----------
    U. Schmidt, M. Weigert, C. Broaddus, G. Myers, "Cell detection with star-convex polygons",
    MICCAI 2018, 265-273. doi:10.1007/978-3-030-00934-2_30
    """
    inside = truth[:, :1]
    errors = (prediction[:, 1:] - truth[:, 1:]).abs().mean(1, keepdim=True)
    weighted = (inside * errors).sum() / inside.sum().clamp(min=torch.finfo(truth.dtype).eps)
    return F.binary_cross_entropy_with_logits(prediction[:, :1], inside) + _RAYS * weighted


def cellpose(prediction: Tensor, truth: Tensor) -> Tensor:
    r"""Cellpose's: half the squared error of the flows, plus cross-entropy of the inside.

    .. math:: \frac{1}{2} \mathrm{MSE}(\hat{v}, v) + \mathrm{BCE}(z, t)

    Parameters
    ----------
    prediction : Tensor
        `(B, 3, Y, X)`: five times the flow along y and along x, and a logit *z* of being inside.
    truth : Tensor
        Of the same shape: five times the true flow, which has length 1 inside of objects, and 1
        inside, 0 outside.

    Returns
    -------
    Tensor
        One number.

    Notes
    -----
    Five times, so that flows count as much as the inside.

    Used in chapter 8, *Six ways to segment one image set*.

    References
    ----------
    C. Stringer, T. Wang, M. Michaelos, M. Pachitariu, "Cellpose: a generalist algorithm for
    cellular segmentation", Nature Methods 18, 100-106 (2021). doi:10.1038/s41592-020-01018-x
    """
    flows = F.mse_loss(prediction[:, :-1], truth[:, :-1])
    return flows / 2 + F.binary_cross_entropy_with_logits(prediction[:, -1:], truth[:, -1:])
