"""The perceptual loss: two images are alike if another network finds the same in them.

Used in chapter 4, *What a loss rewards*.
"""

import copy
import zlib
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.train.mask_losses import Loss


def perceptual(network: nn.Module, layers: Sequence[str]) -> Loss:
    r"""Compare what a network makes of two images inside, in place of their pixels.

    .. math:: \sum_j \frac{1}{N_j} \lVert \phi_j(\hat x) - \phi_j(x) \rVert^2

    Parameters
    ----------
    network : Module
        Trained before, on images of the same kind: what it has learned to tell apart is what
        counts. A copy is used, which is never trained further.
    layers : sequence of str
        Names of the parts whose outputs :math:`\phi_j`, of :math:`N_j` numbers, are compared: for
        example ``["contract.0", "contract.1"]`` of a `UNet`, or any of
        ``network.named_modules()``.

    Returns
    -------
    Loss
        Function of prediction and truth, `(B, C, [Z,] Y, X)` in the normalised units in which the
        network was trained. Give it to `aimicro.train.supervised`.

    Raises
    ------
    ValueError
        For no layers, and one that the network does not have. The loss itself: for images of
        other channels than the network takes.

    Notes
    -----
    What the network does not see costs nothing. So images that differ may cost nothing, too; add
    an intensity loss where brightness matters. In the name of the loss is a checksum of the
    weights, so that a training cannot be resumed with those of another network.

    Used in chapter 4, *What a loss rewards*.

    References
    ----------
    J. Johnson, A. Alahi, L. Fei-Fei, "Perceptual losses for real-time style transfer and
    super-resolution", ECCV 2016, 694-711. doi:10.1007/978-3-319-46475-6_43

    Examples
    --------
    >>> import torch
    >>> from aimicro.models import UNet
    >>> loss = perceptual(UNet(channels=4, depth=1), ["contract.0", "bottom"])
    >>> image = torch.rand(1, 1, 16, 16)
    >>> float(loss(image, image))
    0.0
    """
    kind, observer = type(network).__name__, copy.deepcopy(network).eval().requires_grad_(False)
    parts = dict(observer.named_modules())
    if isinstance(layers, str) or not layers or not set(layers) <= parts.keys():
        raise ValueError(
            f"Expected names of parts of this {kind}, got {layers!r}. It has "
            f"{', '.join(filter(None, parts))}."
        )
    seen: dict[str, Tensor] = {}
    for name in layers:
        parts[name].register_forward_hook(_keeper(seen, name))

    def loss(prediction: Tensor, truth: Tensor) -> Tensor:
        """Difference of the features."""
        channels = getattr(observer, "in_channels", prediction.shape[1])
        if prediction.shape[1] != channels:
            raise ValueError(
                f"Expected images with the {channels} channels that this {kind} takes, got "
                f"{prediction.shape[1]}. Compare by a network that was trained on such images."
            )
        observer.to(prediction.device)(prediction)
        found = dict(seen)
        observer(truth)
        differences = [F.mse_loss(found[name], seen[name]) for name in layers]
        seen.clear()  # the features hold all that led to them
        return sum(differences[1:], differences[0])

    loss.__name__ = f"perceptual({kind} {_checksum(observer):08x}, {', '.join(layers)})"
    return loss


def _keeper(seen: dict[str, Tensor], name: str):  # type: ignore[no-untyped-def]
    def keep(part: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Note what a part made; a copy, since a later one may write over it."""
        seen[name] = output.clone()

    return keep


def _checksum(network: nn.Module) -> int:
    found = 0
    for weights in network.state_dict().values():
        found = zlib.crc32(weights.cpu().contiguous().numpy().tobytes(), found)
    return found
