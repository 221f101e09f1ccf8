"""The objective of a diffusion model.

Used in chapter 4, *Networks that make things up*.
"""

import torch
from torch import Tensor, nn

from aimicro.models.diffusion import signal_and_noise
from aimicro.train.intensity_losses import mse
from aimicro.train.objectives import Objective


def diffusion() -> Objective:
    r"""Learn to say what lies under noise of any strength.

    .. math:: \| f(y, x_t, t) - x_0 \|^2, \qquad
        x_t = \cos(\tfrac{\pi}{2} t)\, x_0 + \sin(\tfrac{\pi}{2} t)\, \varepsilon

    with the measured image :math:`y`, its truth :math:`x_0`, a level :math:`t` that is drawn for
    each patch from 0 to 1, and noise :math:`\varepsilon` of variance 1.

    Returns
    -------
    Objective
        For `aimicro.models.Diffusion`, which is given image, draft and level as channels. It needs
        targets of about variance 1, as the scaling of the patches gives them by default.

    Notes
    -----
    Levels are spread evenly over the patches of a batch, which makes the loss less jumpy.

    Used in chapter 4, *Networks that make things up*.

    References
    ----------
    J. Ho, A. Jain, P. Abbeel, "Denoising diffusion probabilistic models", NeurIPS 2020.
    doi:10.48550/arXiv.2006.11239

    Examples
    --------
    >>> objective = diffusion()
    """

    def objective(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """Squared error of the estimate."""
        n = len(x)
        level = (torch.randperm(n, device=x.device) + torch.rand(n, device=x.device)) / n
        level = level.view(-1, *[1] * (x.ndim - 1))  # (B, 1, [1,] 1, 1)
        signal, noise = signal_and_noise(level)
        draft = signal * target + noise * torch.randn_like(target)
        flat = level.expand(-1, 1, *x.shape[2:])
        return mse(network(torch.cat([x, draft, flat], dim=1)), target)

    objective.__name__ = "diffusion"
    return objective
