"""Several predictions of one image, so that their disagreement shows where a network is unsure.

Three ways to get them. An *ensemble* is a list of networks, trained from different seeds:
``np.stack([predict(network, image) for network in networks])``. The two others need one network
only: show it the image turned and mirrored, or let it predict with some of its channels silenced.
`aimicro.metrics.uncertainty` makes maps of all three.

Used in chapter 10, *How sure is the model*.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from aimicro import checks
from aimicro.predict.tiles import Array, predict

_DROPOUT = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)


def predict_tta(
    network: nn.Module,
    image: ArrayLike,
    *,
    tile: int | Sequence[int] | None = None,
    halo: int | Sequence[int] | None = None,
    overlap: int | Sequence[int] = 16,
) -> Array:
    """Predict an image in all eight ways to turn and mirror it, and turn the results back.

    This is test-time augmentation. A network that has understood what it sees says the same each
    time.

    Parameters
    ----------
    network : torch.nn.Module
        As for `predict`. What it gives must turn along with the image, as intensities and
        probabilities do, and flows do not.
    image : array_like
        As for `predict`. A volume is turned in its planes, never upside down, since a microscope
        resolves Z differently.
    tile, halo, overlap : int or sequence of int, optional
        As for `predict`, the same for an image that was turned.

    Returns
    -------
    ndarray
        `(8, [C,] [Z,] Y, X)` in float32, all oriented as `image`; the first is the prediction
        of the image as it is.

    Raises
    ------
    ValueError
        As for `predict`.

    Notes
    -----
    Used in chapter 10, *How sure is the model*.

    References
    ----------
    G. Wang et al., "Aleatoric uncertainty estimation with test-time augmentation for medical image
    segmentation with convolutional neural networks", Neurocomputing 338, 34-45 (2019).
    doi:10.1016/j.neucom.2019.01.103

    Examples
    --------
    >>> predict_tta(nn.Identity(), np.zeros((48, 32))).shape
    (8, 48, 32)
    """
    values = np.asarray(image)
    stack = []
    for swap in (False, True):
        for mirror in ((), (-2,), (-1,), (-2, -1)):
            turned = np.flip(values.swapaxes(-1, -2) if swap else values, mirror)
            result = predict(network, turned, tile=tile, halo=halo, overlap=overlap)
            back = np.flip(result, mirror)
            stack.append(back.swapaxes(-1, -2) if swap else back)
    return np.stack(stack)


def predict_with_dropout(
    network: nn.Module,
    image: ArrayLike,
    *,
    n: int = 20,
    rng: np.random.Generator | int,
    tile: int | Sequence[int] | None = None,
    halo: int | Sequence[int] | None = None,
    overlap: int | Sequence[int] = 16,
) -> Array:
    """Predict an image several times, each time with other channels silenced.

    This is Monte-Carlo dropout. Each sample is the prediction of one thinned network, the same in
    all tiles if its dropout silences whole channels, as that of `aimicro.models.UNet` does.

    Parameters
    ----------
    network : torch.nn.Module
        As for `predict`, with dropout layers, and trained with them. All else stays in evaluation
        mode.
    image : array_like
        As for `predict`.
    n : int
        Number of samples.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed. PyTorch's own is left as it was.
    tile, halo, overlap : int or sequence of int, optional
        As for `predict`.

    Returns
    -------
    ndarray
        `(n, [C,] [Z,] Y, X)` in float32.

    Raises
    ------
    ValueError
        If the network has no dropout layer, or none with a probability above 0, for `n` below 1,
        or as for `predict`.

    Notes
    -----
    Dropout that is called as a function has no layer that could be found: it stays off.

    Used in chapter 10, *How sure is the model*.

    References
    ----------
    Y. Gal, Z. Ghahramani, "Dropout as a Bayesian approximation: representing model uncertainty in
    deep learning", ICML 2016. arXiv:1506.02142

    Examples
    --------
    >>> from aimicro.models import UNet
    >>> network = UNet(channels=4, depth=1, dropout=0.2)
    >>> predict_with_dropout(network, np.ones((16, 16)), n=3, rng=0).shape
    (3, 16, 16)
    """
    n = checks.whole("n", n, low=1, hint="Try 20.")
    layers = [layer for layer in network.modules() if isinstance(layer, _DROPOUT) and layer.p > 0]
    if not layers:
        raise ValueError(
            "Expected a network with dropout, got one without, or with probability 0. Train it "
            "with some, for example UNet(dropout=0.1), or train several networks."
        )
    stack = []
    for seed in np.random.default_rng(rng).integers(2**63, size=n):
        with _thinned(network, layers, int(seed)):
            # Of tiles that come together, each would lose other channels.
            alone = predict(network, image, tile=tile, halo=halo, overlap=overlap, batch_size=1)
            stack.append(alone)
    return np.stack(stack)


@contextmanager
def _thinned(network: nn.Module, layers: Sequence[nn.Module], seed: int) -> Iterator[None]:
    """Let `layers` drop, and only these, and the same at each call of the network."""

    def reseed(_: nn.Module, __: object) -> None:
        torch.manual_seed(seed)

    def wake(layer: nn.Module, _: object) -> None:
        layer.train()

    # `predict` puts all layers into evaluation mode, calls the network once a tile, and puts each
    # layer back into its own mode: hooks come in between.
    hooks = [network.register_forward_pre_hook(reseed)]
    hooks += [layer.register_forward_pre_hook(wake) for layer in layers]
    graphics = {p.device for p in network.parameters() if p.device.type == "cuda"}
    try:
        with torch.random.fork_rng(devices=graphics):
            yield
    finally:
        for hook in hooks:
            hook.remove()
