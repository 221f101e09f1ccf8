import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimicro.segment import prompts
from aimicro.segment.prompts import Prompt, Questions
from aimicro.simulate import nuclei

LABELS = np.zeros((32, 40), np.int32)
LABELS[4:14, 4:16], LABELS[4:14, 16:28], LABELS[20:30, 25:35] = 3, 5, 9


def square(top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros((32, 40), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_maps_say_what_the_prompt_says_and_nothing_else() -> None:
    mask = square(2, 2, 5)
    one = Prompt(points=[(8, 9), (20, 30)], inside=[True, False])
    maps = prompts.render([one, Prompt(box=(1, 2, 4, 6)), Prompt(mask=mask)], (32, 40))
    assert maps.shape == (3, 4, 32, 40)
    assert maps.dtype == np.float32
    for row, (y, x) in enumerate(one.points):
        places = np.argwhere(maps[0, row] == 1)
        assert np.hypot(*(places - (y, x)).T).max() <= 3
        assert len(places) == 29
    assert not maps[0, 2:].any()
    assert (maps[1, 2] > 0).sum() == 3 * 4
    assert np.array_equal(maps[2, 3], np.where(mask, 1, -1))
    assert not maps[1, [0, 1, 3]].any()
    assert not maps[2, :3].any()


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(points=[(32, 3)]), r"clicks \(y, x\) inside the image of 32 x 40.*got \(32, 3\)"),
        (Prompt(points=[(3, -1)]), r"got \(3, -1\)"),
        (Prompt(box=(0, 0, 33, 5)), r"box .* inside the image of 32 x 40 pixels, got \(0, 0, 33"),
        (Prompt(box=(5, 5, 5, 9)), r"got \(5, 5, 5, 9\)"),
        (Prompt(mask=np.ones((32, 41), bool)), r"mask of .*got shape \(32, 41\)"),
        (Prompt(), "empty prompt. Add one"),
    ],
)
def test_prompts_outside_the_image_are_refused(prompt: Prompt, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prompts.render([Prompt(points=[(0, 0)]), prompt], (32, 40))


def test_each_click_needs_its_side() -> None:
    with pytest.raises(ValueError, match="inside for each of 2 points, got 1"):
        Prompt(points=[(1, 1), (2, 2)], inside=[True])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_prompt_means_an_object_that_it_points_at(seed: int) -> None:
    questions = prompts.targets(LABELS, n=8, rng=seed)
    assert questions.maps.shape == (8, 4, 32, 40)  # so all lie in the image
    for prompt, mask in zip(questions.prompts, questions.masks, strict=True):
        clicked = {int(LABELS[point]) for point in prompt.points}
        if not mask.any():
            assert clicked == {0}
            continue
        (name,) = np.unique(LABELS[mask])
        assert mask.sum() == (name == LABELS).sum()
        assert clicked <= {int(name)}
        if prompt.box is not None:
            top, left, bottom, right = prompt.box
            assert mask[top:bottom, left:right].mean() > 0.5
        if prompt.mask is not None:
            assert (prompt.mask & mask).any()


def test_all_kinds_are_drawn_as_often_as_said() -> None:
    questions = prompts.targets(LABELS, n=600, rng=0)
    nothing = ~questions.masks.any(axis=(1, 2))
    kinds = [(len(p.points), p.box is not None, p.mask is not None) for p in questions.prompts]
    meant = np.array(kinds, bool) & ~nothing[:, None]
    fractions = [nothing.mean(), *meant.mean(axis=0)]
    assert np.allclose(fractions, [0.1, 0.45, 0.27, 0.18], atol=0.06)  # three standard errors


def test_without_objects_all_prompts_mean_nothing_and_without_background_none() -> None:
    assert not prompts.targets(np.zeros((9, 9), int), rng=0).masks.any()
    assert prompts.targets(np.ones((9, 9), int), n=30, rng=0).masks.all()


def test_same_seed_same_prompts() -> None:
    one, other = (prompts.targets(LABELS, rng=4).maps for _ in range(2))
    assert np.array_equal(one, other)


def test_a_careful_click_is_in_the_middle_of_the_larger_error() -> None:
    truth, found = square(4, 4, 11), square(4, 4, 11)
    found[4:9, 4:9] = False  # 5 wide and missing
    found[20:29, 25:34] = True  # 9 wide and too much
    prompt = Prompt(points=[(12, 12)]).corrected(truth, found)
    assert prompt.points[-1] == (24, 29)
    assert prompt.inside == (True, False)
    assert prompt.mask is not None
    assert np.array_equal(prompt.mask, found)
    found[20:29, 25:34] = False
    assert prompt.corrected(truth, found).points[-1] == (6, 6)
    assert prompt.corrected(truth, found).inside[-1]
    assert prompt.corrected(truth, truth).points == prompt.points


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_any_click_of_a_correction_is_on_an_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, found = rng.random((2, 12, 13)) < 0.5
    prompt = Prompt(points=[(0, 0)]).corrected(truth, found, rng=rng)
    point = prompt.points[-1]
    assert truth[point] != found[point]
    assert prompt.inside[-1] == truth[point]


def test_a_careful_person_means_each_object_once() -> None:
    clicks, boxes = (prompts.ask(LABELS, kind=kind) for kind in ("click", "box"))
    assert [int(LABELS[p.points[0]]) for p in clicks.prompts] == [3, 5, 9]
    assert [p.box for p in boxes.prompts] == [(4, 4, 14, 16), (4, 16, 14, 28), (20, 25, 30, 35)]
    assert len(prompts.ask(LABELS, min_pixels=110).prompts) == 2
    assert clicks.iou(clicks.masks).tolist() == [1, 1, 1]
    assert clicks.iou(~clicks.masks).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="object of 500 pixels or more, got none"):
        prompts.ask(LABELS, min_pixels=500)
    with pytest.raises(ValueError, match="kind"):
        prompts.ask(LABELS, kind="scribble")


def test_careless_boxes_stay_in_the_image_and_need_an_rng() -> None:
    mask = np.ones((20, 30), bool)
    for seed in range(20):
        box = prompts.box_of(mask, careless=0.2, rng=np.random.default_rng(seed))
        prompts.render([Prompt(box=box)], mask.shape)
    with pytest.raises(ValueError, match="rng=None"):
        prompts.box_of(mask, careless=0.1)
    with pytest.raises(ValueError, match="got 0 pixels"):
        prompts.box_of(~mask)


@pytest.mark.parametrize("shape", [(17, 40), (3, 3), (8, 16)])
def test_a_grid_leaves_no_pixel_far_from_a_click(shape: tuple[int, int]) -> None:
    points = np.array([p.points[0] for p in prompts.grid(shape, step=6)])
    prompts.render(prompts.grid(shape, step=6), shape)
    pixels = np.argwhere(np.ones(shape))
    away = np.abs(pixels[:, None] - points).max(axis=2).min(axis=1)
    assert away.max() <= 6


def test_perfect_answers_to_a_grid_give_the_labels_back() -> None:
    """Masks of all clicks, most of them of the same objects, in any order of quality."""
    _, truth = nuclei((64, 64), n=6, radius_um=2, rng=2)
    rng = np.random.default_rng(0)
    masks = [truth == truth[p.points[0]] for p in prompts.grid(truth.shape, step=3)]
    masks = np.array([mask for mask in masks if not mask[truth == 0].any()])
    found = prompts.segment(masks, rng.uniform(0.6, 1, len(masks)), logits=False)
    pairs = np.unique(np.stack([truth.ravel(), found.ravel()]), axis=1)
    assert len(pairs.T) == truth.max() + 1


def test_the_better_mask_wins_and_the_rest_gets_what_is_left() -> None:
    one, large, other = square(2, 2, 8), square(2, 2, 12), square(2, 9, 8)
    masks = np.where(np.stack([large, one, other]), 3.0, -3.0)
    found = prompts.segment(masks, [0.7, 0.9, 0.8])
    assert np.array_equal(found == 1, one)
    assert np.array_equal(found == 2, other & ~one)
    assert found.max() == 2  # of the large one, more than half was taken
    assert prompts.segment(masks, [0.7, 0.9, 0.8], least_quality=0.85).max() == 1
    assert prompts.segment(masks, [0.7, 0.9, 0.8], min_pixels=145).max() == 0
    assert prompts.segment(masks, [0.7, 0.9, 0.8], overlap=1).max() == 3


@pytest.mark.parametrize(
    ("masks", "quality", "message"),
    [
        (np.zeros((4, 4)), [1], "masks"),
        (np.zeros((2, 4, 4)), [1], "quality for each of 2 masks"),
        (np.full((1, 4, 4), np.nan), [1], "masks"),
        (np.zeros((1, 4, 4)), [np.nan], "finite quality"),
    ],
)
def test_bad_answers(masks: np.ndarray, quality: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prompts.segment(masks, quality)


def test_corrected_questions_mean_the_same() -> None:
    questions = prompts.ask(LABELS)
    again = questions.corrected(np.zeros_like(questions.masks))
    assert isinstance(again, Questions)
    assert again.masks is questions.masks
    assert all(len(p.points) == 2 for p in again.prompts)


@pytest.mark.parametrize("labels", [LABELS > 0, LABELS / 2, np.zeros((2, 3, 4, 5), int)])
def test_what_is_no_label_image_is_refused(labels: np.ndarray) -> None:
    with pytest.raises((TypeError, ValueError), match="labels"):
        prompts.targets(labels, rng=0)
