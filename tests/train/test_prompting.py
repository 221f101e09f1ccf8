from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from aimicro.models import Promptable
from aimicro.predict import PromptedImage
from aimicro.segment import prompts
from aimicro.simulate import nuclei
from aimicro.train import ArrayPatches, fit, load_model, prompted, save_model
from aimicro.train.mask_losses import bce_dice

LABELS = np.zeros((16, 16), np.int32)
LABELS[4:12, 4:12] = 1


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


class Everything(torch.nn.Module):
    """Says of each pixel that it is inside, with a quality of 1."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        maps = x[:, 1:].unflatten(1, (-1, 4))
        self.asked.append(maps)
        return torch.full_like(maps[:, :, 0], 2.0), torch.ones(maps.shape[:2])


def test_loss_is_that_of_masks_and_of_the_expected_iou() -> None:
    draw = lambda labels, rng: prompts.ask(labels)  # noqa: E731
    x, target = torch.zeros(1, 1, 16, 16), torch.from_numpy(LABELS)[None, None].float()
    loss = prompted(draw, rounds=1)(Everything(), x, target)
    mask = bce_dice(torch.full((1, 1, 16, 16), 2.0), target)
    expected = mask + F.mse_loss(torch.tensor(1.0), torch.tensor(64 / 256))
    torch.testing.assert_close(loss, expected)


def test_in_each_round_there_is_one_click_more_where_it_was_wrong() -> None:
    network = Everything()
    draw = lambda labels, rng: prompts.ask(labels)  # noqa: E731
    x, target = torch.zeros(1, 1, 16, 16), torch.from_numpy(LABELS)[None, None].float()
    prompted(draw, rounds=3)(network, x, target)
    first, second, third = (maps[0, 0] for maps in network.asked)
    assert torch.equal(first[0], second[0])  # the click inside stays
    assert not first[1].any()
    assert second[1].any()
    assert third[1].sum() >= second[1].sum()
    assert (second[3] == 1).all()  # the answer, all of it inside


def test_prompts_come_from_the_random_numbers_of_torch() -> None:
    objective = prompted(partial(prompts.targets, n=3))
    x, target = torch.zeros(2, 1, 16, 16), torch.from_numpy(LABELS).expand(2, 1, 16, 16).float()
    drawn = []
    for number in (5, 5, 6):
        torch.manual_seed(number)
        network = Everything()
        objective(network, x, target)
        drawn.append(network.asked[0])
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_few_steps_teach_it_to_find_what_is_boxed(tmp_path) -> None:
    """And its weights are stored and loaded like those of any network."""
    fields = [nuclei((48, 48), n=4, radius_um=2, rng=k) for k in range(6)]
    images, labels = zip(*fields, strict=True)
    patches = ArrayPatches(
        images[:5],
        labels[:5],
        patch_size=(48, 48),
        batch_size=2,
        target=lambda found: found[np.newaxis],
    )
    network = Promptable(features=8, channels=8, depth=1)
    draw = partial(prompts.ask, kind="box")

    def drawn(found: np.ndarray, rng: np.random.Generator) -> prompts.Questions:
        q = draw(found)
        return prompts.Questions(list(q.prompts[:3]), q.masks[:3])

    fit(network, patches, steps=60, learning_rate=1e-2, objective=prompted(drawn, rounds=1))
    questions = draw(labels[5])
    masks, _ = PromptedImage(network, images[5]).answer(questions.maps)
    assert questions.iou(masks > 0).mean() > 0.55
    save_model(tmp_path / "model.safetensors", network)
    again = load_model(tmp_path / "model.safetensors")
    stored, _ = PromptedImage(again, images[5]).answer(questions.maps)
    np.testing.assert_allclose(stored, masks, atol=1e-4)


def test_a_training_of_no_rounds_is_refused() -> None:
    with pytest.raises(ValueError, match="rounds of 1 or more, got 0"):
        prompted(prompts.targets, rounds=0)
