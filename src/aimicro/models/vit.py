"""The vision transformer: cut the image into patches, let all look at all, draw them again.

A convolution sees its neighbours. Here each *patch* becomes a *token*, a row of numbers, and in
each layer every token asks all others for what it needs: it sends out a *query*, compares it with
the *keys* of all, and takes the mean of their *values*, weighed by how well query and key agree.
Those weights are the *attention*; `ViT.attention` returns them, layer by layer and head by head.

The published one ends in a class for the whole image. Cellpose-SAM [3]_ shows what is needed for
segmentation: a head that makes pixels of each token again, here for any dense output, for example
flows (`aimicro.segment.cellpose`) or rays.

Used in chapter 4, *Architectures and losses*.

References
----------
.. [1] A. Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021. arXiv:2010.11929
.. [2] A. Vaswani et al., "Attention is all you need", NeurIPS 2017. arXiv:1706.03762
.. [3] M. Pachitariu, M. Rariden, C. Stringer, "Cellpose-SAM: superhuman generalization for cellular
   segmentation", bioRxiv (2025). doi:10.1101/2025.04.28.651001
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import whole
from aimicro.models.network import Network


class Attention(nn.Module):
    """Multi-head self-attention; returns the new tokens, and who looked at whom.

    Where it is `causal`, as for text, nobody looks at tokens that come later.
    """

    def __init__(self, width: int, heads: int, *, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.ask = nn.Linear(width, 3 * width)  # query, key and value of each token
        self.mix = nn.Linear(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (B, N, 64)
        """Let all tokens look at all."""
        parts = self.ask(x).reshape(*x.shape[:2], 3, self.heads, -1)  # (B, N, 3, 4, 16)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (B, 4, N, 16) each
        agreement = query @ key.transpose(2, 3)  # (B, 4, N, N): a row for each that asks
        if self.causal:
            later = torch.ones_like(agreement, dtype=torch.bool).triu(diagonal=1)
            agreement = agreement.masked_fill(later, -torch.inf)  # of which softmax makes 0
        # Sums of products grow with the root of their number, which would make softmax hard.
        weights = torch.softmax(agreement / query.shape[3] ** 0.5, dim=3)  # rows sum to 1
        seen = (weights @ value).transpose(1, 2).flatten(2)  # (B, 4, N, 16) to (B, N, 64)
        return self.mix(seen), weights


class Block(nn.Module):
    """Look around, then think: attention, then two layers on each token alone."""

    def __init__(self, width: int, heads: int, *, causal: bool = False) -> None:
        super().__init__()
        self.before_looking, self.before_thinking = nn.LayerNorm(width), nn.LayerNorm(width)
        self.look = Attention(width, heads, causal=causal)
        self.think = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (B, N, 64)
        """New tokens, and the attention (B, 4, N, N)."""
        seen, weights = self.look(self.before_looking(x))
        x = x + seen
        return x + self.think(self.before_thinking(x)), weights


class ViT(Network):
    """Vision transformer for images (2D), with pixels as output.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    image_size : int
        Sides of the images that it is trained on, in pixels; a multiple of `patch`.
    patch : int
        Side of a patch in pixels. Both sides of an image must divide by it.
    width : int
        Numbers in a token; a multiple of `heads`.
    depth : int
        Layers.
    heads : int
        Looks that each layer takes at the same time.

    Raises
    ------
    TypeError
        For a size that is no whole number.
    ValueError
        For sizes that cannot be built, or do not divide.

    Notes
    -----
    Attention does not know where a patch lies, so each place has numbers of its own, learned, which
    are added to its token. For images of another size they are interpolated, and then places are
    stretched as the image is: it serves best at the size that it was trained on. Predict larger
    images in such tiles: ``predict(network, image, tile=128, halo=16)``. Every pixel sees the
    whole tile, so that tiles change the result a little.

    The cost grows with the square of the number of patches.

    Used in chapter 4, *Architectures and losses*.

    Examples
    --------
    >>> network = ViT(image_size=64, width=16, depth=2, heads=2)
    >>> image = torch.zeros(1, 1, 64, 64)
    >>> network(image).shape
    torch.Size([1, 1, 64, 64])
    >>> network.attention(image).shape
    torch.Size([1, 2, 2, 8, 8, 8, 8])
    """

    ndim = 2

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        image_size: int = 128,
        patch: int = 8,
        width: int = 64,
        depth: int = 4,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.in_channels = whole("in_channels", in_channels, low=1)
        self.out_channels = whole("out_channels", out_channels, low=1)
        self.divisor = whole("patch", patch, low=1)
        side = _parts("image_size", image_size, "patch", patch)
        _parts("width", width, "heads", whole("heads", heads, low=1))
        self.receptive_radius = image_size - 1  # from one border to the other
        self.embed = nn.Conv2d(in_channels, width, kernel_size=patch, stride=patch)
        # As small as the weights of a layer, so that at first what is seen counts more.
        self.place = nn.Parameter(0.02 * torch.randn(1, width, side, side))
        self.blocks = nn.ModuleList(
            Block(width, heads) for _ in range(whole("depth", depth, low=1))
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.ConvTranspose2d(width, out_channels, kernel_size=patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, Y, X)
        """Predict a batch of images; the comments follow one of 128 x 128 pixels."""
        tokens, _, grid = self._looked(x)  # (B, 256, 64)
        x = self.norm(tokens).transpose(1, 2)  # (B, 64, 256)
        x = x.reshape(*x.shape[:2], *grid)  # (B, 64, 16, 16)
        x = self.head(x)  # (B, 1, 128, 128)
        return x

    def attention(self, x: Tensor) -> Tensor:  # (B, C, Y, X)
        """Tell where each patch looks.

        Parameters
        ----------
        x : Tensor
            Images `(B, C, Y, X)`, scaled as those of the training.

        Returns
        -------
        Tensor
            `(B, layers, heads, y, x, y', x')`: how much the patch in row *y* and column *x* takes
            from the patch in row *y'* and column *x'*; for each patch and head the sum is 1.
        """
        _, looks, grid = self._looked(x)
        weights = torch.stack(looks, dim=1)  # (B, 4, 4, 256, 256)
        return weights.reshape(*weights.shape[:3], *grid, *grid)  # (B, 4, 4, 16, 16, 16, 16)

    def _looked(self, x: Tensor) -> tuple[Tensor, list[Tensor], tuple[int, int]]:
        """Tokens after all layers, the attention of each layer, rows and columns of patches."""
        x = self.embed(x)  # (B, 64, 16, 16)
        height, width = x.shape[2:]
        place: Tensor = self.place
        if place.shape[2:] != x.shape[2:]:
            place = F.interpolate(place, (height, width), mode="bilinear", align_corners=False)
        x = (x + place).flatten(2).transpose(1, 2)  # (B, 256, 64)
        looks = []
        for block in self.blocks:
            x, weights = block(x)  # (B, 256, 64), (B, 4, 256, 256)
            looks.append(weights)
        return x, looks, (height, width)


def _parts(name: str, value: int, of: str, size: int) -> int:
    """How often `size` goes into `value`, without a rest."""
    whole(name, value, low=size, hint=f"It has one {of} of {size} or more.")
    if value % size:
        nearest = value // size * size
        raise ValueError(
            f"Expected {name} that divides by {of}, {size}, got {value}. Try {nearest}."
        )
    return value // size
