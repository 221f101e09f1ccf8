"""What all networks of the book have in common: they can be described, stored and built again.

Used in chapter 6, *Denoising*, and in appendix A.
"""

import inspect
from collections.abc import Sequence
from typing import Any, Self

from torch import nn

ARCHITECTURES: dict[str, type["Network"]] = {}  # every network by the name of its class


class Network(nn.Module):
    """A network `(B, C, [Z,] Y, X)` -> `(B, C_out, [Z,] Y, X)` that records how it was built.

    A subclass sets what is listed here in its constructor. It is entered in `ARCHITECTURES` by
    itself, so that a file of weights tells which class to build.

    Attributes
    ----------
    config : dict
        All arguments of the constructor, from which the same network can be built again.
    ndim : int
        2 for images, 3 for volumes.
    in_channels, out_channels : int
        Channels of the input and of the output.
    divisor : int
        The number by which every axis of the input must divide.
    receptive_radius : int
        How far, in pixels, an input pixel can be from an output pixel that it changes.
    scaling : Scaling or None
        How intensities become its input, and its output intensities; `aimicro.train.fit` sets it.

    Notes
    -----
    `forward` checks no shapes, so that a network can be exported with free height and width;
    `check_input` does.

    Used in chapter 6, *Denoising*.
    """

    config: dict[str, Any]
    ndim: int
    in_channels: int
    out_channels: int
    divisor: int = 1
    receptive_radius: int
    scaling: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        ARCHITECTURES[cls.__name__] = cls

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Note the arguments that the constructor is about to get."""
        network = super().__new__(cls)
        # Partial, since a copied network is made without arguments and then given its state.
        bound = inspect.signature(cls).bind_partial(*args, **kwargs)
        bound.apply_defaults()
        # Numbers and arrays of NumPy as those of Python, which a file can hold.
        network.config = {
            name: value.tolist() if hasattr(value, "tolist") else value
            for name, value in bound.arguments.items()
        }
        return network


def check_input(network: nn.Module, shape: Sequence[int]) -> None:
    """Refuse a batch that a network cannot take.

    Parameters
    ----------
    network : Module
        What it does not tell, as a plain module of PyTorch, is not checked.
    shape : sequence of int
        Of a batch, `(B, C, [Z,] Y, X)`.

    Raises
    ------
    ValueError
        For other axes or channels than those of the network, and sizes that its `divisor` does
        not divide.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    Examples
    --------
    >>> from aimicro.models import UNet
    >>> check_input(UNet(channels=2, depth=2), (1, 1, 64, 64))
    """
    ndim = getattr(network, "ndim", len(shape) - 2)
    channels = getattr(network, "in_channels", None)
    if len(shape) != ndim + 2 or channels not in (None, shape[1]):
        axes = ", ".join("BCZYX"[:2] + "ZYX"[-ndim:])
        raise ValueError(
            f"Expected a batch ({axes}) with {channels or 1} channels for this network, got shape "
            f"{tuple(shape)}. Choose a network with another ndim or in_channels, or images with "
            "those axes."
        )
    divisor = getattr(network, "divisor", 1)
    if any(size % divisor for size in shape[2:]):
        raise ValueError(
            f"Expected axes {', '.join('ZYX'[-ndim:])} that divide by {divisor}, got "
            f"{tuple(shape[2:])}. Use aimicro.predict.predict, which pads, or crop the image."
        )
