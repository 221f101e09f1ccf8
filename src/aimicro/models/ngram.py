"""The n-gram model: count which token followed the last few, and smooth what was rarely seen.

The classical way to guess the next word, and the opponent of `aimicro.models.LanguageModel`.
A context that is rare passes a part of its vote to the context that is one token shorter; and how
much a token gets there depends on *after how many different tokens* it was seen, not how often:
the smoothing of Kneser and Ney, in the interpolated form of Chen and Goodman [1]_.

Used in chapter 3, *Attention by hand*.

References
----------
.. [1] S. F. Chen, J. Goodman, "An empirical study of smoothing techniques for language modeling",
   ACL 1996, 310-318. doi:10.3115/981863.981904
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from copy import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray

from aimicro.checks import number, whole

Counts = dict[tuple[int, ...], dict[int, int]]


class NGram:
    r"""Say how likely each token is to come next, from the last ``order - 1`` tokens.

    .. math:: p_k(w|h) = \frac{\max(c_k(hw) - D, 0)}{c_k(h)} + \frac{D\,N(h)}{c_k(h)} p_{k-1}(w|h')

    with the discount *D*, the number *N* of different tokens after the context *h*, and the shorter
    context *h'*. The last in the row gives all tokens the same chance.

    Parameters
    ----------
    texts : iterable of sequence of int
        What to count in; each begins anew.
    vocabulary : int
        How many tokens there are; they are numbered from 0.
    order : int
        Tokens of an n-gram, the one that is guessed included.
    discount : float
        *D*, taken off every count, from 0 to 1.

    Raises
    ------
    TypeError, ValueError
        For numbers out of range, and if there is no text.

    Notes
    -----
    In the longest context, and from the beginning of a text, :math:`c_k` counts how often; in
    shorter ones after how many different tokens.

    Used in chapter 3, *Attention by hand*.

    Examples
    --------
    >>> model = NGram([[0, 1, 2], [0, 1, 1]], vocabulary=3, order=2, discount=0.5)
    >>> model.next_chances([0, 1]).round(3).tolist()
    [0.125, 0.5, 0.375]
    """

    def __init__(
        self,
        texts: Iterable[Sequence[int]],
        *,
        vocabulary: int,
        order: int = 3,
        discount: float = 0.75,
    ) -> None:
        self.vocabulary = whole("vocabulary", vocabulary, low=1)
        self.order = whole("order", order, low=1)
        self.discount = _checked_discount(discount)
        self._counts: list[Counts] = [defaultdict(lambda: defaultdict(int)) for _ in range(order)]
        seen: set[tuple[int, ...]] = set()
        for text in texts:
            whole_text = (-1, *map(int, text))  # -1 for the beginning
            for end in range(1, len(whole_text)):
                self._count(whole_text[max(0, end + 1 - order) : end + 1], seen)
        if not self._counts[0]:
            raise ValueError(
                "Expected texts to count in, got none. Give some with a token or more."
            )
        self._known: dict[tuple[int, ...], NDArray[np.float64]] = {}

    def discounted(self, discount: float) -> Self:
        """Give the same counts with another discount, without counting again.

        Parameters
        ----------
        discount : float
            From 0 to 1.

        Returns
        -------
        NGram
            Another model; this one stays as it is.
        """
        other = copy(self)
        other.discount, other._known = _checked_discount(discount), {}
        return other

    def _count(self, gram: tuple[int, ...], seen: set[tuple[int, ...]]) -> None:
        """Enter an n-gram as often as it comes, and what it ends in once for each that it follows.

        `seen` holds what was entered so far.
        """
        self._counts[len(gram) - 1][gram[:-1]][gram[-1]] += 1
        while len(gram) > 1 and gram not in seen:
            seen.add(gram)
            gram = gram[1:]  # has now been seen after one token more
            self._counts[len(gram) - 1][gram[:-1]][gram[-1]] += 1

    def next_chances(self, tokens: Sequence[int]) -> NDArray[np.float64]:
        """Probability of each token to come next.

        Parameters
        ----------
        tokens : sequence of int
            A text from its beginning.

        Returns
        -------
        ndarray of float64, (vocabulary,)
            They sum to 1.
        """
        context = (-1, *map(int, tokens))[max(0, len(tokens) + 2 - self.order) :]
        if context not in self._known:
            self._known[context] = self._smoothed(context)
        return self._known[context]

    def _smoothed(self, context: tuple[int, ...]) -> NDArray[np.float64]:
        chances = np.full(self.vocabulary, 1 / self.vocabulary)
        for k in range(len(context) + 1):
            after = self._counts[k].get(context[len(context) - k :])
            if after:
                total = sum(after.values())
                chances = chances * (self.discount * len(after) / total)
                for token, n in after.items():
                    chances[token] += (n - self.discount) / total
        return chances


def _checked_discount(discount: float) -> float:
    return number("discount", discount, low=0, high=1, hint="Try 0.75.")
