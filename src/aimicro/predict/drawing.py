"""Several draws from a network that generates: images that the truth could be.

Used in chapter 4, *Networks that make things up*.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from aimicro import checks
from aimicro.models import Diffusion, check_input

_AT_ONCE = 64  # draws in a batch


def predict_draws(
    network: Diffusion,
    image: ArrayLike,
    *,
    n: int = 20,
    rng: np.random.Generator | int,
    steps: int = 20,
    eta: float = 1.0,
) -> NDArray[np.float32]:
    """Draw several images that could be the truth of one.

    Where the draws agree, the image decided; where they differ, it left the answer open, and the
    network followed the frequencies of its training.

    Parameters
    ----------
    network : Diffusion
        What `aimicro.train.fit` has trained.
    image : array_like
        `(Y, X)` or `(Z, Y, X)`, in the unit of the training images; with channels first for a
        network that takes several. It is drawn as a whole, since tiles would not agree.
    n : int
        Number of draws.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed. PyTorch's own is left as it was.
    steps, eta : int, float
        As for `aimicro.models.Diffusion.draw`.

    Returns
    -------
    ndarray
        `(n, [C,] [Z,] Y, X)` in float32, in the unit of the training truths.

    Raises
    ------
    TypeError
        For a network that does not draw.
    ValueError
        For `n` below 1, an image that does not fit the network or has NaN or infinite pixels, or
        as for `aimicro.models.Diffusion.draw`.

    Notes
    -----
    Used in chapter 4, *Networks that make things up*.

    Examples
    --------
    >>> network = Diffusion(channels=4, depth=1)
    >>> predict_draws(network, np.ones((16, 16)), n=3, rng=0, steps=2).shape
    (3, 16, 16)
    """
    if not isinstance(network, Diffusion):
        raise TypeError(
            f"Expected a network that draws, such as aimicro.models.Diffusion, got "
            f"{type(network).__name__}. Use aimicro.predict.predict for others."
        )
    n = checks.whole("n", n, low=1, hint="Try 20.")
    pixels = checks.image("image", image)
    if network.scaling is not None:
        pixels = network.scaling.input.apply(pixels)
    x = torch.from_numpy(np.ascontiguousarray(pixels, np.float32))
    x = x.view(1, *[1] * (network.ndim + 1 - x.ndim), *x.shape)  # (1, C, [Z,] Y, X)
    check_input(network, x.shape)
    weights = next(network.parameters())
    seed = int(np.random.default_rng(rng).integers(2**63))
    graphics = [weights.device] if weights.is_cuda else []
    drawn = []
    with torch.random.fork_rng(devices=graphics):
        torch.manual_seed(seed)
        for start in range(0, n, _AT_ONCE):
            batch = x.to(weights.device).expand(min(_AT_ONCE, n - start), *x.shape[1:])
            drawn.append(network.draw(batch, steps=steps, eta=eta).cpu().numpy())
    draws = np.concatenate(drawn)
    if network.out_channels == 1:
        draws = draws[:, 0]
    if network.scaling is not None and network.scaling.output is not None:
        draws = network.scaling.output.undo(draws)
    return np.asarray(draws, np.float32)
