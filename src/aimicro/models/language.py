"""The language model: read some tokens, and say how likely each token is to come next.

It is the transformer of `aimicro.models.ViT` with three changes. A token is a word, not a patch of
an image. It may look only at those before it, since those after it are what it has to guess. And
out comes, at each place, a score for each word of the vocabulary.

A text goes through `aimicro.train.fit` as an image one pixel high: `(B, 1, 1, N)`, whose pixels
are the numbers of the tokens.

Used in chapter 3, *Attention by hand*.

References
----------
.. [1] A. Vaswani et al., "Attention is all you need", NeurIPS 2017. arXiv:1706.03762
.. [2] O. Press, L. Wolf, "Using the output embedding to improve language models", EACL 2017,
   157-163. arXiv:1608.05859
"""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from aimicro.checks import number, whole
from aimicro.models.network import Network
from aimicro.models.vit import Block


class LanguageModel(Network):
    """Score the next token at each place of a text.

    Parameters
    ----------
    vocabulary : int
        How many tokens there are; they are numbered from 0.
    length : int
        Tokens that it can read at most.
    width : int
        Numbers in the embedding of a token; a multiple of `heads`.
    depth : int
        Layers.
    heads : int
        Looks that each layer takes at the same time.

    Raises
    ------
    TypeError
        For a size that is no whole number.
    ValueError
        For sizes that cannot be built.

    Notes
    -----
    The table of embeddings is used twice: to look a token up, and to compare what is expected with
    each token [Press and Wolf].

    Used in chapter 3, *Attention by hand*.

    Examples
    --------
    >>> model = LanguageModel(vocabulary=60, length=48, width=32, depth=2, heads=2)
    >>> model(torch.zeros(5, 1, 1, 20)).shape
    torch.Size([5, 60, 1, 20])
    """

    ndim, in_channels, divisor = 2, 1, 1

    def __init__(
        self,
        vocabulary: int = 64,
        length: int = 48,
        width: int = 32,
        depth: int = 2,
        heads: int = 2,
    ) -> None:
        super().__init__()
        self.out_channels = whole("vocabulary", vocabulary, low=2)
        self.length = whole("length", length, low=1)
        if whole("width", width, low=1) % whole("heads", heads, low=1):
            raise ValueError(
                f"Expected a width that divides by heads, {heads}, got {width}. "
                f"Try {heads * max(width // heads, 1)}."
            )
        self.receptive_radius = length - 1  # all that came before
        self.embed = nn.Embedding(vocabulary, width)
        self.place = nn.Embedding(length, width)
        self.blocks = nn.ModuleList(
            Block(width, heads, causal=True) for _ in range(whole("depth", depth, low=1))
        )
        self.norm = nn.LayerNorm(width)
        for table in (self.embed, self.place):  # small, so that at first all tokens are as likely
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, 1, N)
        """Score every token at every place: the logits of what comes next."""
        x, _ = self._read(x)  # (B, N, 32)
        x = F.linear(self.norm(x), self.embed.weight)  # (B, N, 60): how well does each token fit?
        return x.transpose(1, 2)[:, :, None]  # (B, 60, 1, N)

    def attention(self, x: Tensor) -> Tensor:  # (B, 1, 1, N)
        """Tell at which tokens each token looks.

        Parameters
        ----------
        x : Tensor
            Numbers of tokens, `(B, 1, 1, N)`.

        Returns
        -------
        Tensor
            `(B, layers, heads, N, N)`: a row for each token that asks, with a sum of 1, and 0 for
            all that come after it.
        """
        return torch.stack(self._read(x)[1], dim=1)

    def _read(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Embeddings after all layers, and the attention of each layer."""
        tokens = x[:, 0, 0].long()  # (B, N)
        x = self.embed(tokens) + self.place.weight[: tokens.shape[1]]  # (B, N, 32)
        looks = []
        for block in self.blocks:
            x, weights = block(x)  # (B, N, 32), (B, 2, N, N)
            looks.append(weights)
        return x, looks


def next_chances(model: LanguageModel, tokens: ArrayLike) -> NDArray[np.float64]:
    """Say how likely each token is to come next, at every place of some texts.

    Parameters
    ----------
    model : LanguageModel
        On the CPU.
    tokens : array_like of int, (B, N)
        Texts of one length, at most that of the model.

    Returns
    -------
    ndarray of float64, (B, N, vocabulary)
        Probabilities of the token after each place.

    Raises
    ------
    ValueError
        For texts of another shape, too long ones, and tokens that the model does not have.

    Notes
    -----
    Used in chapter 3, *Attention by hand*.

    Examples
    --------
    >>> next_chances(LanguageModel(vocabulary=5), [[0, 1, 2]]).shape
    (1, 3, 5)
    """
    scores = _scores(model, _checked(model, tokens)).double()
    chances: NDArray[np.float64] = scores.softmax(dim=1).transpose(1, 2).numpy()
    return chances


def continued(
    model: LanguageModel,
    tokens: ArrayLike,
    *,
    n: int,
    temperature: float = 1.0,
    rng: np.random.Generator | int,
) -> NDArray[np.int64]:
    r"""Write on: draw the next token, append it, and ask again.

    .. math:: p_i \propto \exp(s_i / T)

    Parameters
    ----------
    model : LanguageModel
        On the CPU.
    tokens : array_like of int, (B, N)
        What the texts begin with.
    n : int
        How many tokens to write; with those given at most the length of the model.
    temperature : float
        *T*, by which the scores are divided. 1 is as the model says, 0 always takes the likeliest
        token, more makes all tokens alike.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    ndarray of int64, (B, N + n)
        The texts, what was given included.

    Raises
    ------
    TypeError, ValueError
        For numbers out of range, and as `next_chances`.

    Notes
    -----
    Used in chapter 3, *Attention by hand*.

    Examples
    --------
    >>> continued(LanguageModel(vocabulary=5), [[0, 1]], n=3, rng=0).shape
    (1, 5)
    """
    temperature = number("temperature", temperature, low=0, hint="1 is as the model says.")
    rng, texts = np.random.default_rng(rng), _checked(model, tokens)
    whole("n", n, low=0, high=model.length - texts.shape[1], hint="Write less, or build it longer.")
    for _ in range(n):
        scores = _scores(model, texts)[:, :, -1].double().numpy()  # (B, vocabulary)
        if temperature == 0:
            drawn = scores.argmax(axis=1)
        else:
            # The largest of scores with Gumbel noise is a draw from their softmax.
            drawn = (scores / temperature + rng.gumbel(size=scores.shape)).argmax(axis=1)
        texts = np.concatenate([texts, drawn[:, None]], axis=1)
    return texts


@torch.no_grad()
def _scores(model: LanguageModel, texts: NDArray[np.int64]) -> Tensor:
    """The logits of the token after each place (B, vocabulary, N)."""
    logits: Tensor = model.eval()(torch.from_numpy(texts)[:, None, None].float())
    return logits[:, :, 0]


def _checked(model: LanguageModel, tokens: ArrayLike) -> NDArray[np.int64]:
    texts = np.asarray(tokens)
    if texts.ndim != 2 or texts.dtype.kind not in "iu" or not 1 <= texts.shape[1] <= model.length:
        raise ValueError(
            f"Expected whole numbers of tokens (B, N), N from 1 to {model.length}, got shape "
            f"{texts.shape} of {texts.dtype}. Give texts of one length, or build a longer model."
        )
    if texts.size and not 0 <= texts.min() <= texts.max() < model.out_channels:
        raise ValueError(
            f"Expected tokens from 0 to {model.out_channels - 1}, got {texts.min()} to "
            f"{texts.max()}. Number them with the vocabulary that the model was built for."
        )
    return texts.astype(np.int64)
