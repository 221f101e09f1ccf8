"""Apply a network that was trained on lateral slices to the axial slices of a stack.

Used in chapter 6, *Isotropic resolution*.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import nn

from aimicro import checks
from aimicro.predict.tiles import predict

Array = NDArray[np.float32]


class AxialViews(NamedTuple):
    """A stack as restored from its two kinds of axial slices.

    Attributes
    ----------
    xz, yz : ndarray of float32, (Z, Y, X)
        Restored slice by slice at each y, and at each x.

    Notes
    -----
    Used in chapter 6, *Isotropic resolution*.
    """

    xz: Array
    yz: Array

    @property
    def mean(self) -> Array:
        """Both, averaged: what one slice invents, the slices across it seldom confirm."""
        return (self.xz + self.yz) / 2

    @property
    def disagreement(self) -> Array:
        """Distance of the two in each voxel, in the unit of the stack."""
        return np.abs(self.xz - self.yz)


def predict_axial(network: nn.Module, stack: ArrayLike) -> AxialViews:
    """Apply a 2D network to all XZ slices of a stack, and to all YZ slices.

    Parameters
    ----------
    network : torch.nn.Module
        Takes and gives images whose first axis is the blurred one, as
        `aimicro.train.lateral_pairs` makes them.
    stack : array_like, (Z, Y, X)
        Already interpolated along z, with `aimicro.train.stretched`.

    Returns
    -------
    AxialViews
        Both results; their `mean` is the restored stack.

    Raises
    ------
    TypeError, ValueError
        If the stack is no volume of finite real numbers, or for the reasons given at `predict`.

    Notes
    -----
    M. Weigert et al., MICCAI 2017, doi:10.1007/978-3-319-66185-8_15, restore both kinds of slices
    and average them.

    Used in chapter 6, *Isotropic resolution*.

    Examples
    --------
    >>> views = predict_axial(nn.Identity(), np.ones((5, 8, 9)))
    >>> views.mean.shape, float(views.disagreement.max())
    ((5, 8, 9), 0.0)
    """
    hint = "Give the whole stack, interpolated along z."
    fine = checks.intensities("stack", stack, ndim=3, hint=hint).astype(np.float32)
    xz = np.stack([predict(network, fine[:, y]) for y in range(fine.shape[1])], axis=1)
    yz = np.stack([predict(network, fine[:, :, x]) for x in range(fine.shape[2])], axis=2)
    return AxialViews(xz, yz)
