import numpy as np
import pytest

from aimicro.segment import seeded
from aimicro.segment.prompts import Prompt

LABELS = np.zeros((24, 40), np.int32)
LABELS[4:20, 4:20], LABELS[4:20, 20:36] = 2, 7
IMAGE = np.choose(LABELS // 2, [0.0, 10.0, 0.0, 6.0])


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        (Prompt(points=[(10, 10)]), 2),
        (Prompt(points=[(10, 10), (10, 30), (5, 33)]), 7),
        (Prompt(points=[(10, 10), (10, 30)], inside=[False, True]), 7),
        (Prompt(box=(2, 18, 22, 38)), 7),
        (Prompt(mask=LABELS == 2), 2),
    ],
)
def test_the_object_that_is_meant_is_picked(prompt: Prompt, name: int) -> None:
    assert np.array_equal(seeded.pick(LABELS, prompt), name == LABELS)


def test_nothing_is_picked_where_nothing_is() -> None:
    assert not seeded.pick(LABELS, Prompt(points=[(0, 0)])).any()
    assert not seeded.pick(LABELS, Prompt(box=(0, 0, 3, 3))).any()


def test_otsu_in_a_box_knows_nothing_of_the_rest() -> None:
    image = IMAGE.copy()
    image[:, 39] = 1000
    found = seeded.otsu_in_box(image, Prompt(box=(1, 20, 23, 38)), smoothing=0)
    assert np.array_equal(found, LABELS == 7)
    image[8:12, 25:29] = 0  # a hole
    assert np.array_equal(
        seeded.otsu_in_box(image, Prompt(box=(1, 20, 23, 38)), smoothing=0), LABELS == 7
    )
    assert not seeded.otsu_in_box(np.ones((9, 9)), Prompt(box=(1, 1, 5, 5))).any()


def test_a_walk_stops_at_edges_and_at_clicks_outside() -> None:
    bright = Prompt(points=[(12, 12), (12, 28)], inside=[True, False])
    foreground = LABELS > 0
    assert np.array_equal(seeded.walk(IMAGE, bright, foreground=foreground), LABELS == 2)
    even = (LABELS > 0).astype(float)
    halves = seeded.walk(even, bright, foreground=foreground)
    assert np.mean(halves == (LABELS == 2)) > 0.95  # without an edge, half way between clicks
    alone = seeded.walk(even, Prompt(points=[(12, 12)]), foreground=foreground)
    assert alone[12, 12]
    assert not alone[~foreground].any()


def test_without_anything_to_stop_it_a_walk_fills_the_image() -> None:
    assert seeded.walk(IMAGE, Prompt(points=[(12, 12)])).all()


def test_prompts_that_do_not_fit_the_method_are_refused() -> None:
    with pytest.raises(ValueError, match="with a box, got none"):
        seeded.otsu_in_box(IMAGE, Prompt(points=[(1, 1)]))
    with pytest.raises(ValueError, match="a click inside, got none"):
        seeded.walk(IMAGE, Prompt(box=(1, 1, 5, 5)))
    for method in (seeded.walk, seeded.pick):
        with pytest.raises(ValueError, match=r"inside the image .*got \(24, 0\)"):
            method(LABELS, Prompt(points=[(24, 0)]))
    with pytest.raises(ValueError, match="beta above 0"):
        seeded.walk(IMAGE, Prompt(points=[(1, 1)]), beta=0)
