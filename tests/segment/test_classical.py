import numpy as np
import pytest
from scipy import ndimage

from aimicro.metrics import average_precision
from aimicro.segment import METHODS, Parameter, SegmentationTask, best_classical, search


def field(seed, side=96, scale=1):
    """Touching pairs of discs of unlike brightness, blurred, with photon noise; and their truth."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((side * scale, side * scale)) / scale
    truth, light = np.zeros(x.shape, np.int32), np.zeros(x.shape)
    for number, (down, right) in enumerate(np.argwhere(np.ones((3, 3))) * 30 + 16):
        for half in (0, 1):
            away = np.hypot(y - down + rng.uniform(-2, 2), x - right - 12 * half + 4)
            new = (away < 7) & (truth == 0)
            truth[new] = 2 * number + half + 1
            light[new] = rng.uniform(20, 150)
    blurred = ndimage.gaussian_filter(light, scale)
    return rng.poisson(blurred + 20).astype(np.uint16), truth


def task(*seeds, **more):
    images, truths = zip(*(field(seed) for seed in seeds), strict=True)
    return SegmentationTask(name="discs", images=images, truths=truths, **more)


@pytest.fixture(scope="module")
def ranking():
    return best_classical(task(0, 1))


def test_every_method_is_there_and_the_best_comes_first(ranking):
    assert ranking.keys() == METHODS.keys()
    scores = list(ranking.scores().values())
    assert scores == sorted(scores, reverse=True)
    assert ranking.best.score == scores[0]
    assert "watershed" in ranking.best.name  # pairs touch
    assert next(iter(ranking.scores({"perfect": 1.0}))) == "perfect"


def test_the_winner_finds_what_a_plain_threshold_does_not(ranking):
    assert ranking.best.score > ranking["Otsu"].score + 0.2


def test_parameters_are_those_that_gave_labels_and_score(ranking):
    known = task(0, 1)
    for method in ranking.values():
        again = method.apply(known.images)
        for one, other in zip(again, method.labels, strict=True):
            np.testing.assert_array_equal(one, other)
        assert known.score(again) == method.score
        assert method.seconds > 0


def test_the_winner_runs_on_images_that_it_was_not_tuned_on(ranking):
    other = task(7)
    assert other.scores(ranking.best.apply(other.images))["AP50"] > 0.8


def test_the_number_of_workers_changes_nothing_but_time(ranking, monkeypatch):
    few = {name: METHODS[name] for name in ("Otsu", "LoG spots")}
    monkeypatch.setattr("aimicro.segment.classical.METHODS", few)
    alone = best_classical(task(0, 1), workers=1)
    assert {n: m.parameters for n, m in alone.items()} == {n: ranking[n].parameters for n in few}


def test_lengths_follow_the_size_of_the_objects(monkeypatch):
    monkeypatch.setattr("aimicro.segment.classical.METHODS", {"LoG spots": METHODS["LoG spots"]})
    small, large = (field(0, side=96, scale=scale) for scale in (1, 2))
    radii = [
        best_classical(SegmentationTask(name="x", images=[image], truths=[truth])).best.parameters[
            "radius"
        ]
        for image, truth in (small, large)
    ]
    assert radii[1] / radii[0] == pytest.approx(2, rel=0.2)


def test_volumes_with_thick_planes(monkeypatch):
    few = ("Otsu", "watershed by both, redrawn")
    monkeypatch.setattr("aimicro.segment.classical.METHODS", {name: METHODS[name] for name in few})
    z, y, x = np.indices((9, 24, 40))
    z = 2 * (z - 4)
    two = z**2 + (y - 12) ** 2 + (np.abs(x - 20) - 7) ** 2 < 64
    truth = np.where(two, np.where(x < 20, 1, 2), 0)
    known = SegmentationTask(
        name="balls", images=[two * 90.0], truths=[truth], spacing=(1, 0.5, 0.5)
    )
    assert known.pixel == (2, 1, 1)
    assert known.radius == pytest.approx(8, rel=0.1)
    found = best_classical(known)
    assert found.best.name == "watershed by both, redrawn"
    assert known.scores(found.best.labels)["AP75"] == 1


def test_without_objects_the_best_finds_none_or_scores_nothing():
    noise = np.random.default_rng(0).normal(100, 1, (24, 24))
    empty = np.zeros((24, 24), int)
    flat = SegmentationTask(name="flat", images=[np.full((24, 24), 5)], truths=[empty])
    assert best_classical(flat).best.score == 1
    blank = SegmentationTask(name="noise", images=[noise], truths=[empty])
    best = best_classical(blank).best
    assert best.score == float(not best.labels[0].any())


def test_the_score_pools_objects_over_images():
    truths = [np.array([[1, 2, 3, 4]]), np.array([[1, 0, 0, 0]])]
    found = [truths[0], np.array([[0, 0, 0, 1]])]
    known = SegmentationTask(name="x", images=[t * 1.0 for t in truths], truths=truths)
    assert known.score(found) == pytest.approx(4 / 6)
    half = SegmentationTask(
        name="x", images=known.images, truths=truths, thresholds=np.arange(0.5, 1, 0.05)
    )
    found = [np.array([[1, 1, 3, 4]]), truths[1]]
    expected = average_precision(truths, found, thresholds=np.arange(0.5, 1, 0.05)).mean()
    assert half.score(found) == pytest.approx(expected)
    assert list(half.scores(found)) == ["AP50", "AP75", "AP90"]


def test_tasks_that_cannot_be():
    image, truth = np.ones((8, 8)), np.zeros((8, 8), int)
    for wrong, error, message in (
        (truth.astype(float), TypeError, "whole numbers, got float64"),
        (truth > 0, TypeError, "got a mask of true and false"),
        (np.zeros((8, 8, 3), int), ValueError, "of one shape, got"),
        (np.zeros((2, 8, 8), int), ValueError, "of one shape, got"),
        (truth[:0], ValueError, "with pixels in it"),
        (truth - 1, ValueError, "from 0"),
    ):
        with pytest.raises(error, match=message):
            SegmentationTask(name="x", images=[image], truths=[wrong])
    with pytest.raises(ValueError, match="Expected as many"):
        SegmentationTask(name="x", images=[image], truths=[truth, truth])
    with pytest.raises(ValueError, match="threshold"):
        SegmentationTask(name="x", images=[image], truths=[truth], thresholds=(50,))
    with pytest.raises(ValueError, match="Expected workers of 1 or more, got 0"):
        best_classical(SegmentationTask(name="x", images=[image], truths=[truth]), workers=0)
    with pytest.raises(TypeError, match="Expected labels as labels"):
        SegmentationTask(name="x", images=[image], truths=[truth]).score([image])


def test_the_search_finds_a_peak_between_values_of_the_grid():
    seen = []

    def score(at):
        seen.append(at)
        return -abs(np.log(at["a"] / 7.9)) - abs(np.log(at["b"] / 2.1))

    best = search(score, [Parameter("a", (1, 4, 16), 4), Parameter("b", (1, 4, 16), 4)])
    assert best == pytest.approx({"a": 8, "b": 2})
    assert len(seen) <= 12


def test_the_grid_is_searched_with_the_quick_score_and_the_rest_with_the_other():
    a = Parameter("a", (1, 4, 16), 4)
    seen = []
    search(lambda at: seen.append(at["a"]) or -at["a"], [a], quick=lambda at: at["a"])
    assert seen == [16, 8]
