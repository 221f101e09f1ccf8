"""The language model."""

import numpy as np
import pytest
import torch

from aimicro.models import ARCHITECTURES, LanguageModel, continued, next_chances
from aimicro.models.vit import Attention
from aimicro.train import SimulatedPatches, fit, load_model, next_token, save_model


def small(**settings: int) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(
        **{"vocabulary": 7, "length": 9, "width": 12, "depth": 2, "heads": 3} | settings
    ).eval()


TEXTS = np.random.default_rng(0).integers(0, 7, (4, 9))


def test_one_score_for_each_token_at_each_place():
    network = small()
    assert network(torch.from_numpy(TEXTS)[:, None, None].float()).shape == (4, 7, 1, 9)
    assert ARCHITECTURES["LanguageModel"] is LanguageModel


def test_parameter_count_is_that_of_the_formula():
    width, depth = 12, 2
    linear = [(width, 3 * width), (width, width), (width, 4 * width), (4 * width, width)]
    block = sum(a * b + b for a, b in linear) + 2 * 2 * width
    assert sum(p.numel() for p in small().parameters()) == depth * block + (7 + 9 + 2) * width


def test_what_comes_later_changes_nothing():
    changed = TEXTS.copy()
    changed[:, 5:] = (changed[:, 5:] + 1) % 7
    before, after = (next_chances(small(), texts) for texts in (TEXTS, changed))
    np.testing.assert_allclose(before[:, :5], after[:, :5], atol=1e-6)
    assert not np.allclose(before[:, 5:], after[:, 5:])
    np.testing.assert_allclose(before.sum(axis=2), 1)


def test_a_short_text_is_the_beginning_of_a_long_one():
    np.testing.assert_allclose(
        next_chances(small(), TEXTS[:, :4]), next_chances(small(), TEXTS)[:, :4], atol=1e-6
    )


def test_attention_looks_back_and_sums_to_one():
    looks = small().attention(torch.from_numpy(TEXTS)[:, None, None].float())
    assert looks.shape == (4, 2, 3, 9, 9)
    torch.testing.assert_close(looks.sum(dim=4), torch.ones(4, 2, 3, 9))
    assert looks.triu(diagonal=1).abs().max() == 0


def test_masked_attention_is_that_of_pytorch():
    torch.manual_seed(0)
    ours = Attention(12, 3, causal=True).double()
    theirs = torch.nn.MultiheadAttention(12, 3, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.ask.weight)
        theirs.in_proj_bias.copy_(ours.ask.bias)
        theirs.out_proj.load_state_dict(ours.mix.state_dict())
        x = torch.randn(2, 7, 12, dtype=torch.float64)
        mask = torch.ones(7, 7, dtype=torch.bool).triu(1)
        expected = theirs(x, x, x, attn_mask=mask, average_attn_weights=False)
        for found, value in zip(ours(x), expected, strict=True):
            torch.testing.assert_close(found, value)


def test_it_writes_with_the_chances_that_it_states():
    network = small()
    with torch.no_grad():  # so that tokens differ in their chances
        network.embed.weight.mul_(40)
    begun = np.tile(TEXTS[:1, :3], (4000, 1))
    for temperature in (0.5, 1.0):
        drawn = continued(network, begun, n=1, temperature=temperature, rng=0)[:, 3]
        expected = next_chances(network, begun[:1])[0, -1] ** (1 / temperature)
        counted = np.bincount(drawn, minlength=7) / 4000
        np.testing.assert_allclose(counted, expected / expected.sum(), atol=0.03)


def test_without_temperature_it_takes_the_likeliest():
    written = continued(small(), TEXTS[:, :3], n=4, temperature=0, rng=0)
    assert np.array_equal(written[:, :3], TEXTS[:, :3])
    chances = next_chances(small(), written)
    assert np.array_equal(chances.argmax(axis=2)[:, 2:-1], written[:, 3:])


def test_it_learns_with_fit_and_comes_back_from_a_file(tmp_path):
    """In texts that count round the circle, the next token is certain."""

    def draw(n: int, rng: np.random.Generator):
        ids = (rng.integers(7, size=(n, 1)) + np.arange(9)) % 7
        target = ids[:, 1:].copy()
        target[:, :2] = -1  # nothing is to be learned here
        return ids[:, None, None, :-1], target[:, None, None]

    network = small()
    patches = SimulatedPatches(draw, patch_size=(1, 8), batch_size=8)
    history = fit(network, patches, steps=60, objective=next_token, learning_rate=2e-2)
    assert history.train_loss[-1] < 1.5
    written = continued(network, [[2, 3, 4]], n=5, temperature=0, rng=0)
    assert written.tolist() == [[2, 3, 4, 5, 6, 0, 1, 2]]
    save_model(tmp_path / "m.safetensors", network)
    again = load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(next_chances(network, TEXTS), next_chances(again, TEXTS))


def test_the_loss_is_the_surprise_where_something_is_to_be_learned():
    torch.manual_seed(0)
    logits = torch.randn(1, 5, 1, 3)
    target = torch.tensor([[[[4.0, -1.0, 2.0]]]])
    chances = logits.softmax(dim=1)[0, :, 0]
    expected = -(chances[4, 0].log() + chances[2, 2].log()) / 2
    torch.testing.assert_close(next_token(lambda x: logits, target, target), expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 13}, "width that divides by heads, 3, got 13. Try 12"),
        ({"vocabulary": 1}, "vocabulary of 2 or more, got 1"),
        ({"length": 0}, "length of 1 or more, got 0"),
        ({"depth": 0}, "depth of 1 or more, got 0"),
    ],
)
def test_bad_sizes(settings: dict[str, int], message: str):
    with pytest.raises(ValueError, match=message):
        small(**settings)


def test_bad_texts():
    with pytest.raises(ValueError, match="tokens from 0 to 6, got 0 to 7"):
        next_chances(small(), [[0, 7]])
    for texts in ([0, 1], [[0.5]], np.zeros((1, 10), int)):
        with pytest.raises(ValueError, match="N from 1 to 9"):
            next_chances(small(), texts)
    with pytest.raises(ValueError, match="n from 0 to 6, got 7"):
        continued(small(), TEXTS[:, :3], n=7, rng=0)
    with pytest.raises(ValueError, match="temperature"):
        continued(small(), TEXTS[:, :3], n=1, temperature=-1, rng=0)
