import numpy as np
import pytest
import torch
from torch import nn

from aimicro.predict import predict_axial


class Down(nn.Module):
    """Adds the number of the row, so that one can see which axis came first."""

    receptive_radius = 0

    def forward(self, x):
        rows = torch.arange(x.shape[-2], dtype=x.dtype)
        return x + rows[:, None]


def test_the_first_axis_of_every_slice_is_z():
    views = predict_axial(Down(), np.zeros((6, 8, 10)))
    for view in views:
        assert np.allclose(view, np.arange(6)[:, None, None] * np.ones((6, 8, 10)))


def test_the_mean_lies_between_the_views_and_their_distance_is_the_disagreement():
    class Mirror(nn.Module):
        """Looks along the second axis of a slice."""

        receptive_radius = 10

        def forward(self, x):
            return torch.flip(x, dims=(-1,))

    volume = np.random.default_rng(0).random((4, 6, 6)).astype(np.float32)
    views = predict_axial(Mirror(), volume)
    assert np.allclose(views.xz, volume[:, :, ::-1]) and np.allclose(views.yz, volume[:, ::-1])
    assert np.allclose(views.mean, (views.xz + views.yz) / 2)
    assert np.allclose(views.disagreement, np.abs(views.xz - views.yz))


@pytest.mark.parametrize("stack", [np.zeros((5, 5)), np.full((3, 4, 4), np.inf)])
def test_it_needs_a_finite_volume(stack):
    with pytest.raises(ValueError, match="Expected"):
        predict_axial(nn.Identity(), stack)
