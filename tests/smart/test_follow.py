"""Films that begin and end with what is found, the guard, and the count of divisions filmed."""

import numpy as np
import pytest

from aimicro.smart import (
    Budget,
    Drift,
    Follow,
    MDAEvent,
    TrueDivision,
    run,
    time_lapse,
    times_filmed,
)

HERE = (32.0, 24.0)


def survey(minutes=60):
    return time_lapse([HERE], every_s=600, minutes=minutes, exposure=100)


def filmed(microscope, seen, **kwargs):
    """Run a survey with a detector that sees something between two times in seconds."""
    follow = Follow(
        lambda frame: ["cell"] if seen[0] <= frame.time_s <= seen[1] else [], every_s=60, **kwargs
    )
    return follow, run(microscope, survey(), react=follow, budget=Budget(minutes=90))


def test_a_film_ends_some_frames_after_the_event(make_microscope):
    follow, log = filmed(make_microscope(), (590, 900), patience=4)
    assert follow.films == 1
    film = log.times_s[log.reacted]
    np.testing.assert_allclose(film, 600 + 60 * np.arange(1, 10), atol=3)  # 5 with it, 4 without
    assert {frame.event.metadata.get("film") for frame in log.frames} == {None, 1}


def test_a_false_alarm_costs_its_patience(make_microscope):
    for patience in (1, 3):
        _, log = filmed(make_microscope(), (600, 601), patience=patience)
        assert log.reacted.sum() == patience


def test_a_film_has_an_end_and_the_survey_may_begin_another(make_microscope):
    follow, log = filmed(make_microscope(), (0, 5000), most=7)
    assert follow.films == 6
    assert log.reacted.sum() == 6 * 7


def test_frames_can_be_asked_for_at_once(make_microscope):
    looks = []

    def seen(frame):
        looks.append(frame.time_s)
        return [1] if frame.time_s < 10 else []

    follow = Follow(seen, every_s=60, at_once=5, most=20, latency_s=300)
    log = run(make_microscope(), survey(5), react=follow, budget=Budget(minutes=60), latency_s=300)
    film = log.times_s[log.reacted]
    np.testing.assert_allclose(np.diff(film), 60, atol=1)
    assert film[0] == pytest.approx(300, abs=1)
    assert len(film) == 5


@pytest.mark.parametrize(
    "wrong", [{"every_s": 0}, {"patience": 0}, {"most": 0}, {"at_once": 0}, {"latency_s": -1}]
)
def test_films_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=f"Expected {next(iter(wrong))}"):
        Follow(lambda frame: [], **{"every_s": 60, **wrong})


class Shown:
    """A frame with nothing but an event and a value."""

    def __init__(self, value, **metadata):
        self.value, self.event = value, MDAEvent(metadata=metadata)


@pytest.mark.parametrize(("fall", "stops"), [(1.0, False), (0.95, True), (1.05, True)])
def test_the_guard_compares_with_the_start(fall, stops):
    guard = Drift(lambda frame: frame.value, first=3, last=3, low=0.7, high=1.5)
    said = [guard(Shown(10 * fall**n)) for n in range(20)]
    assert said[:5] == [None] * 5
    assert (said[-1] is not None) == stops
    if fall < 1:
        first = next(n for n, reason in enumerate(said) if reason)
        assert np.median(10 * fall ** np.arange(first - 2, first + 1)) < 7 * fall
        assert float(said[first].split()[0]) <= 0.7


def test_the_guard_leaves_out_films_and_what_cannot_be_measured():
    guard = Drift(lambda frame: frame.value, first=1, last=1, low=0.9)
    for frame in (Shown(1), Shown(0.1, film=1), Shown(np.nan), Shown(0.95)):
        assert guard(frame) is None
    assert guard.values == [1, 0.95]


@pytest.mark.parametrize("wrong", [{"first": 0}, {"last": 0}, {"low": 2}, {"high": 0.5}])
def test_guards_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=f"Expected {next(iter(wrong))}"):
        Drift(lambda frame: 1.0, **{"first": 3, "last": 3, **wrong})


def test_frames_are_counted_by_place_and_time():
    rng = np.random.default_rng(0)
    divisions = [TrueDivision(*row, mother=n) for n, row in enumerate(rng.uniform(0, 99, (20, 3)))]
    times, centres = rng.uniform(0, 99, 200), rng.uniform(0, 99, (200, 2))
    counted = times_filmed(divisions, times, centres, view_um=(30, 50), within_s=20)
    for division, found in zip(divisions, counted, strict=True):
        one_by_one = sum(
            abs(t - division.time_s) <= 20
            and abs(y - division.y_um) <= 15
            and abs(x - division.x_um) <= 25
            for t, (y, x) in zip(times, centres, strict=True)
        )
        assert found == one_by_one
    assert counted.sum() > 20
    assert times_filmed([], times, centres, view_um=9, within_s=9).shape == (0,)


def test_the_centres_of_a_log_are_those_of_its_plan(make_microscope):
    microscope = make_microscope()
    plan = time_lapse(microscope.fields(), every_s=60, minutes=1, exposure=10)
    centres = run(microscope, plan).centres_um
    np.testing.assert_allclose(centres, [(one.y_pos, one.x_pos) for one in plan])


def test_counts_that_make_no_sense_are_refused():
    division = TrueDivision(1.0, 1.0, 1.0, 1)
    with pytest.raises(ValueError, match="as many times as centres"):
        times_filmed([division], [1, 2], [(1, 1)], view_um=9, within_s=9)
    with pytest.raises(ValueError, match="view_um"):
        times_filmed([division], [1], [(1, 1)], view_um=0, within_s=9)
    with pytest.raises(ValueError, match="within_s"):
        times_filmed([division], [1], [(1, 1)], view_um=9, within_s=0)
