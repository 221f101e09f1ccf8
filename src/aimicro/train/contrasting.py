"""How images and captions are brought into one space: each is to find the other in a batch.

Used in chapter 3, *Image and text in one space*.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.train.objectives import Objective


def contrastive() -> Objective:
    r"""Let each image find its caption in the batch, and each caption its image.

    With similarities :math:`s_{ij} = \tau^{-1} \langle x_i, t_j \rangle` of image *i* and caption
    *j*, and a target :math:`p_{ij}` that is shared among equal captions, the loss is the
    cross-entropy along rows and along columns,

    .. math:: -\tfrac{1}{2N} \sum_{ij} p_{ij}
        \Big( \ln \frac{e^{s_{ij}}}{\sum_k e^{s_{ik}}} + \ln \frac{e^{s_{ij}}}{\sum_k e^{s_{kj}}}
        \Big).

    Returns
    -------
    Objective
        For `aimicro.models.ImageText`, and patches whose target is a bag of words,
        ``(B, words, 1, 1)``.

    Notes
    -----
    CLIP [1]_ takes all captions of a batch for different ones. Here many are equal, so that they
    share what is right.

    Used in chapter 3, *Image and text in one space*.

    References
    ----------
    .. [1] A. Radford et al., "Learning transferable visual models from natural language
       supervision", ICML 2021. doi:10.48550/arXiv.2103.00020

    Examples
    --------
    >>> objective = contrastive()
    """

    def objective(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """Mean of both cross-entropies."""
        image, table, scale = network(x)
        bags = target.flatten(1)
        text = F.normalize(bags @ table, dim=1)
        similar = scale.float() * image.float() @ text.T.float()  # (B, B)
        same = (torch.cdist(bags, bags) < 0.5).float()
        right = same / same.sum(dim=1, keepdim=True)  # symmetric, so it serves both directions
        return (F.cross_entropy(similar, right) + F.cross_entropy(similar.T, right)) / 2

    objective.__name__ = "contrastive"
    return objective
