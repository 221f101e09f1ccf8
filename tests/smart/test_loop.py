"""The loop: order, budget, reactions, latency, guard; and events of the real useq-schema."""

from itertools import count

import numpy as np
import pytest

from aimicro.smart import Budget, MDAEvent, run, time_lapse

HERE = (32.0, 24.0)


def survey(minutes=30, every_s=300.0, **kwargs):
    return time_lapse([HERE], every_s=every_s, minutes=minutes, exposure=100, **kwargs)


def test_a_plan_alone_is_carried_out_in_its_order(make_microscope):
    microscope = make_microscope()
    plan = time_lapse(microscope.fields(), every_s=120, minutes=6, exposure=50)
    log = run(microscope, plan)
    assert [frame.event for frame in log.frames] == plan
    assert log.ended == "plan"
    assert np.all(np.diff(log.times_s) > 0)
    assert not log.reacted.any()
    np.testing.assert_allclose(log.doses, 0.5)
    assert log.doses.sum() == pytest.approx(microscope.dose)


@pytest.mark.parametrize("dose", [0.5, 1.0, 4.9, 5.0])
def test_the_dose_is_never_exceeded(make_microscope, dose):
    log = run(make_microscope(), survey(), budget=Budget(dose=dose))
    assert len(log.frames) == int(dose)
    assert log.ended == "dose"


def test_the_time_is_never_exceeded(make_microscope):
    microscope = make_microscope()
    log = run(microscope, survey(), budget=Budget(minutes=17))
    assert (len(log.frames), log.ended) == (4, "minutes")
    assert microscope.time_s <= 17 * 60


def test_an_endless_plan_and_an_endless_reaction_end_with_the_budget(make_microscope):
    endless = (MDAEvent(min_start_time=60.0 * n, exposure=100) for n in count())
    again = run(
        make_microscope(), endless, react=lambda frame: [MDAEvent()], budget=Budget(dose=20)
    )
    assert len(again.frames) == 20
    assert again.doses.sum() == pytest.approx(20)
    assert again.reacted[1:].all()  # due at once, it always goes first


def test_reactions_go_between_the_events_of_the_plan(make_microscope):
    def react(frame):
        if frame.event.index:  # one of the plan
            return [MDAEvent(min_start_time=frame.time_s + wait) for wait in (120, 60)]
        return None

    log = run(make_microscope(), survey(15), react=react, budget=Budget(minutes=60))
    expected = [0, 60, 120, 300, 360, 420, 600, 660, 720]
    np.testing.assert_allclose(log.times_s, expected, atol=0.5)
    assert log.reacted.tolist() == [False, True, True] * 3
    assert np.all(log.waited_s < 0.5)


def test_latency_delays_what_a_reaction_asks_for(make_microscope):
    def react(frame):
        return [MDAEvent()] if frame.event.index else None

    for latency_s in (0, 45, 200):
        log = run(
            make_microscope(),
            survey(5),
            react=react,
            budget=Budget(minutes=60),
            latency_s=latency_s,
        )
        first, second = log.times_s
        assert second == pytest.approx(first + 0.1 + 0.2 + latency_s)


def test_the_guard_stops_the_reaction_and_the_plan_goes_on(make_microscope):
    def react(frame):
        return [MDAEvent(min_start_time=frame.time_s + 30)]

    def guard(frame):
        return "it is late" if frame.time_s > 600 else None

    log = run(make_microscope(), survey(), react=react, guard=guard, budget=Budget(minutes=60))
    assert log.guarded == "it is late"
    assert 600 < log.guarded_s < 640
    assert log.reacted[log.times_s < log.guarded_s].sum() > 10
    assert not log.reacted[log.times_s > log.guarded_s].any()
    assert log.ended == "plan"
    assert len(log.frames) - log.reacted.sum() == len(survey())


def test_the_same_seeds_give_the_same_run(make_microscope):
    def react(frame):
        bright = frame.image.max() > 100
        return [MDAEvent(min_start_time=frame.time_s + 30 + 30 * bright)]

    logs = [
        run(make_microscope(2), survey(), react=react, budget=Budget(dose=30)) for _ in range(2)
    ]
    np.testing.assert_array_equal(logs[0].times_s, logs[1].times_s)
    for one, other in zip(logs[0].frames, logs[1].frames, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_a_second_run_goes_on_where_the_first_one_ended(make_microscope):
    microscope = make_microscope()
    run(microscope, survey(10))
    with pytest.raises(ValueError, match="next min_start_time of the plan"):
        run(microscope, survey(10))
    log = run(microscope, survey(10, start_s=600), budget=Budget(minutes=20))
    assert len(log.frames) == 2


@pytest.mark.parametrize(
    ("plan", "kwargs", "message"),
    [
        ([], {}, "Expected a plan with events"),
        (survey(), {"react": lambda frame: None}, "Expected a budget"),
        (iter(survey()), {}, "Expected a budget"),
        (survey()[::-1], {}, "Sort the plan by time"),
        (survey(), {"latency_s": -1}, "latency_s"),
        (
            survey(),
            {"react": lambda frame: [MDAEvent(min_start_time=0)], "budget": Budget(dose=9)},
            "Add the frame's time_s",
        ),
        (
            survey(),
            {"react": lambda frame: (MDAEvent() for _ in count()), "budget": Budget(dose=9)},
            "at most 10000 events",
        ),
    ],
)
def test_runs_that_cannot_go_well_are_refused(make_microscope, plan, kwargs, message):
    microscope = make_microscope()
    if "Add" in message:
        microscope.snap(MDAEvent())
        plan = survey(start_s=60)
    with pytest.raises(ValueError, match=message):
        run(microscope, plan, **kwargs)


def test_what_is_no_event_is_refused(make_microscope):
    with pytest.raises(TypeError, match="Expected an event"):
        run(make_microscope(), ["now"])
    with pytest.raises(TypeError, match="Expected an event"):
        run(make_microscope(), survey(), react=lambda frame: [30], budget=Budget(dose=9))


@pytest.mark.parametrize("wrong", [{}, {"dose": 0}, {"minutes": -1}, {"dose": np.nan}])
def test_a_budget_without_an_end_is_refused(wrong):
    with pytest.raises(ValueError, match="Expected"):
        Budget(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"every_s": 0}, {"minutes": 0}, {"exposure": 0}, {"start_s": -1}]
)
def test_a_time_lapse_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="Expected"):
        time_lapse([HERE], **{"every_s": 60, "minutes": 10, "exposure": 10, **wrong})
    with pytest.raises(ValueError, match="Expected positions"):
        time_lapse([], every_s=60, minutes=10, exposure=10)


@pytest.mark.parametrize(("minutes", "rounds"), [(5, 5), (5.5, 6), (0.1, 1)])
def test_the_last_round_starts_before_the_end(minutes, rounds):
    plan = time_lapse([HERE], every_s=60, minutes=minutes, exposure=10)
    assert len(plan) == rounds


def test_a_sequence_of_useq_runs_as_it_is(make_microscope):
    useq = pytest.importorskip("useq", reason="useq-schema is not installed")
    microscope = make_microscope()
    sequence = useq.MDASequence(
        stage_positions=microscope.fields()[:2],
        time_plan={"interval": 60, "loops": 3},
        channels=[{"config": "GFP", "exposure": 40}],
    )

    def react(frame):
        if frame.event.index.get("t") == 1:
            return [useq.MDAEvent(min_start_time=frame.time_s + 20, exposure=80)]
        return None

    log = run(microscope, sequence, react=react, budget=Budget(dose=100))
    assert log.reacted.sum() == 2
    assert log.doses.sum() == pytest.approx(6 * 0.4 + 2 * 0.8)
    assert all(isinstance(frame.event, useq.MDAEvent) for frame in log.frames)
    ours = time_lapse(microscope.fields()[:2], every_s=60, minutes=3, exposure=40)
    theirs = [frame.event for frame in np.array(log.frames, object)[~log.reacted]]
    for mine, event in zip(ours, theirs, strict=True):
        names = ("min_start_time", "exposure", "x_pos", "y_pos")
        assert [getattr(mine, name) for name in names] == [getattr(event, name) for name in names]
    with pytest.raises(ValueError, match="Expected an event that takes a picture"):
        microscope.snap(useq.MDAEvent(action=useq.HardwareAutofocus()))
