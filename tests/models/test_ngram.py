"""The n-gram model, against its formula, taken literally."""

import numpy as np
import pytest

from aimicro.models import NGram

RNG = np.random.default_rng(0)
TEXTS = [RNG.integers(0, 5, n).tolist() for n in (6, 3, 8, 1, 7, 7)]


def oracle(context: list[int], word: int, order: int, discount: float) -> float:
    """The chance of a word, by going through all texts at each level."""
    marked = [[-1, *text] for text in TEXTS]

    def count(gram: list[int]) -> int:
        k = len(gram)
        places = [
            tuple(text[i - 1 : i])
            for text in marked
            for i in range(len(text) - k + 1)
            if text[i : i + k] == gram
        ]
        return len(places) if k == order or gram[0] == -1 else len(set(places))

    def chance(context: list[int], word: int) -> float:
        if len(context) == order:  # one below the shortest
            return 1 / 5
        counts = {w: count([*context, w]) for w in range(5)}
        shorter = level(context[1:], word) if context else 1 / 5
        total = sum(counts.values())
        if not total:
            return shorter
        kinds = sum(n > 0 for n in counts.values())
        return max(counts[word] - discount, 0) / total + discount * kinds / total * shorter

    def level(context: list[int], word: int) -> float:
        return chance(context, word)

    history = [-1, *context]
    return chance(history[max(0, len(history) - order + 1) :], word)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("discount", [0.3, 0.9])
def test_it_is_the_formula(order: int, discount: float):
    model = NGram(TEXTS, vocabulary=5, order=order, discount=discount)
    for context in ([], [0], [1, 2], TEXTS[2][:4], [4, 4, 4, 4, 4]):
        expected = [oracle(context, word, order, discount) for word in range(5)]
        np.testing.assert_allclose(model.next_chances(context), expected)
        assert sum(expected) == pytest.approx(1)


def test_without_discount_one_token_is_its_frequency():
    model = NGram(TEXTS, vocabulary=6, order=1, discount=0)
    counts = np.bincount(np.concatenate(TEXTS), minlength=6)
    np.testing.assert_allclose(model.next_chances([3, 1]), counts / counts.sum())


def test_another_discount_needs_no_other_count():
    model = NGram(TEXTS, vocabulary=5, order=3, discount=0.3)
    before = model.next_chances([1, 2])
    other, fresh = model.discounted(0.9), NGram(TEXTS, vocabulary=5, order=3, discount=0.9)
    for context in ([], [0], [1, 2], [4, 4, 4]):
        np.testing.assert_array_equal(other.next_chances(context), fresh.next_chances(context))
    assert other.discount == 0.9
    assert model.discount == 0.3
    np.testing.assert_array_equal(model.next_chances([1, 2]), before)
    with pytest.raises(ValueError, match="discount"):
        model.discounted(1.5)


def test_a_longer_context_knows_more_of_what_it_has_read():
    def surprise(order: int) -> float:
        model = NGram(TEXTS, vocabulary=5, order=order, discount=0.1)
        places = [(text[:k], text[k]) for text in TEXTS for k in range(len(text))]
        return -sum(np.log(model.next_chances(before)[token]) for before, token in places)

    assert surprise(3) < surprise(2) < surprise(1)


def test_a_word_that_follows_one_word_only_counts_little_elsewhere():
    """The point of Kneser and Ney: Francisco is frequent, but after San alone."""
    texts = [[0, 1]] * 9 + [[2, 3], [4, 3], [0, 3]]
    chances = NGram(texts, vocabulary=6, order=2, discount=0.5).next_chances([5])
    assert chances[3] > chances[1]


def test_bad_input():
    with pytest.raises(ValueError, match="texts to count in, got none"):
        NGram([], vocabulary=3)
    with pytest.raises(ValueError, match="order of 1 or more, got 0"):
        NGram(TEXTS, vocabulary=5, order=0)
    with pytest.raises(ValueError, match="discount"):
        NGram(TEXTS, vocabulary=5, discount=1.5)
