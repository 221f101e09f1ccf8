"""The driven microscope: its clock, its light, and that nothing but exposures bleaches."""

import numpy as np
import pytest

from aimicro.simulate import CellParameters, Culture, Microscope
from aimicro.smart import DrivenMicroscope, MDAEvent, time_lapse

STILL = {"speed_um_per_min": 0.0, "division_time_min": np.inf, "flash_rate_per_cell_hour": 0.0}
BRIGHT = {"photons_per_ms": 1e3, "background_per_ms": 0.0}  # so that noise hardly counts


def test_time_is_waiting_moving_exposing_and_reading_out(make_microscope):
    microscope = make_microscope(overhead_s=0.5, stage_um_per_s=10, settle_s=0.25)
    x, y = microscope.fields()[0]
    first = microscope.snap(MDAEvent(x_pos=x, y_pos=y, exposure=100, min_start_time=60))
    way = np.hypot(x - 31.75, y - 23.75)  # from the middle of 96 × 128 pixels of 0.5 µm
    assert first.time_s == pytest.approx(60 + way / 10 + 0.25)
    again = microscope.snap(MDAEvent(exposure=200))  # stays, and starts at once
    assert again.time_s == pytest.approx(first.time_s + 0.1 + 0.5)
    assert microscope.time_s == pytest.approx(again.time_s + 0.2 + 0.5)


def test_the_cost_is_told_before_it_is_paid(make_microscope):
    microscope = make_microscope()
    for x, y in microscope.fields():
        event = MDAEvent(x_pos=x, y_pos=y, exposure=30, min_start_time=20)
        dose, end_s = microscope.cost(event)
        frame = microscope.snap(event)
        assert (frame.dose, microscope.time_s) == pytest.approx((dose, end_s))


def test_only_the_exposure_bleaches_and_only_what_is_lit(make_microscope):
    microscope = make_microscope(half_life=4.0, life=STILL, **BRIGHT)
    lit, dark = microscope.fields()[0], microscope.fields()[-1]

    def light(place, exposure=1):
        frame = microscope.snap(MDAEvent(x_pos=place[0], y_pos=place[1], exposure=exposure))
        return frame.image[8:-8, 8:-8].sum() / exposure

    before, elsewhere = light(lit), light(dark)
    microscope.snap(MDAEvent(min_start_time=3600, x_pos=lit[0], y_pos=lit[1], exposure=399))
    assert light(lit) == pytest.approx(before / 2, rel=0.2)  # cells cut by the edge may be spared
    assert light(dark) == pytest.approx(elsewhere, rel=0.02)


def test_two_short_exposures_bleach_as_one_of_their_length(make_microscope):
    def left(exposures):
        microscope = make_microscope(half_life=2.0, life=STILL, view=(96, 128))
        for exposure in exposures:
            microscope.snap(MDAEvent(exposure=exposure))
        assert microscope.dose == pytest.approx(sum(exposures) / 100)
        microscope.snap(MDAEvent(exposure=1))
        return microscope.truth.cells["exposed"]

    once, twice = left([200]), left([150, 50])
    np.testing.assert_allclose(once, twice)
    inside = once > 0
    np.testing.assert_allclose(once[inside], 2.0)
    assert inside.any()
    assert not inside.all()  # cells wait around the dish


def test_the_culture_lives_the_same_under_every_plan(make_microscope):
    fast = {"life": {"division_time_min": 120.0, "mitosis_min": 20.0}, "tick_s": 30}
    seldom, often = make_microscope(3, **fast), make_microscope(3, **fast)
    for microscope, every_s in ((seldom, 1800), (often, 100)):
        for event in time_lapse([(32, 24)], every_s=every_s, minutes=60, exposure=20):
            microscope.snap(event)
        microscope.snap(MDAEvent(min_start_time=6000))
    assert len(seldom.truth.divisions) > 1
    assert seldom.truth.divisions == often.truth.divisions
    np.testing.assert_array_equal(seldom.truth.labels, often.truth.labels)


def test_a_division_is_told_where_and_when_it_happened(make_microscope):
    fast = {"life": {"division_time_min": 120.0, "mitosis_min": 20.0}, "tick_s": 60}
    microscope = make_microscope(1, **fast)
    known: dict[int, np.ndarray] = {}
    for minute in range(1, 120):
        microscope.snap(MDAEvent(min_start_time=60.0 * minute, exposure=1))
        for division in microscope.truth.divisions:
            if division.mother in known:
                y_um, x_um = known.pop(division.mother)
                assert np.hypot(y_um - division.y_um, x_um - division.x_um) < 3
                assert abs(60 * minute - division.time_s) <= 60
        cells = microscope.truth.cells
        known |= dict(zip(cells["id"], cells["centre"], strict=True))
    assert len(microscope.truth.divisions) > 3


def test_a_view_shows_what_lies_under_it(make_microscope):
    whole = make_microscope(life=STILL, view=(96, 128), **BRIGHT)
    part = make_microscope(life=STILL, **BRIGHT)
    everything = whole.snap(MDAEvent()).image
    for x, y in part.fields():
        frame = part.snap(MDAEvent(x_pos=x, y_pos=y))
        top, left = (round(um / 0.5) for um in frame.origin_um)
        seen = everything[top : top + 48, left : left + 64]
        assert np.corrcoef(seen.ravel(), frame.image.ravel())[0, 1] > 0.999
        assert frame.position_um(2, 4) == (frame.origin_um[0] + 1, frame.origin_um[1] + 2)


def test_defocus_blurs_and_keeps_the_light(make_microscope):
    microscope = make_microscope(
        life=STILL, half_life=np.inf, view=(96, 128), focus_um=lambda time_s: time_s / 100, **BRIGHT
    )
    sharp = microscope.snap(MDAEvent(z_pos=0)).image
    blurred = microscope.snap(MDAEvent(z_pos=15)).image
    focused = microscope.snap(MDAEvent(z_pos=15, min_start_time=1500)).image
    assert np.diff(blurred).std() < 0.5 * np.diff(sharp).std()
    assert np.diff(focused).std() == pytest.approx(np.diff(sharp).std(), rel=0.05)
    inner = np.s_[24:-24, 24:-24]
    assert blurred[inner].sum() == pytest.approx(sharp[inner].sum(), rel=0.25)


def test_more_exposure_means_more_light_and_less_noise(make_microscope):
    def frame(exposure, seed):
        microscope = make_microscope(life=STILL, rng=seed)
        return microscope.snap(MDAEvent(exposure=exposure)).image / exposure

    short = np.std(frame(10, 0) - frame(10, 1))
    long = np.std(frame(1000, 0) - frame(1000, 1))
    assert frame(10, 0).mean() == pytest.approx(frame(1000, 1).mean(), rel=0.05)
    assert long < short / 5


def test_a_seed_repeats_it(make_microscope):
    images = [make_microscope(5).snap(MDAEvent(min_start_time=99)).image for _ in range(2)]
    np.testing.assert_array_equal(*images)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"exposure": 0}, "exposure above 0 ms"),
        ({"exposure": -5}, "exposure above 0 ms"),
        ({"min_start_time": -1}, "min_start_time"),
        ({"x_pos": 0}, "x_pos from"),
        ({"y_pos": 1000}, "y_pos from"),
        ({"z_pos": 21}, "z_pos from -20 to 20 µm"),
        ({"x_pos": np.nan}, "x_pos"),
    ],
)
def test_impossible_events_are_refused_before_anything_happens(make_microscope, event, message):
    microscope = make_microscope()
    with pytest.raises(ValueError, match=message):
        microscope.snap(MDAEvent(**event))
    assert (microscope.time_s, microscope.dose) == (0, 0)


def test_what_is_no_event_is_refused(make_microscope):
    with pytest.raises(TypeError, match="Expected an event"):
        make_microscope().snap({"exposure": 10})
    with pytest.raises(TypeError, match="exposure"):
        make_microscope().snap(MDAEvent(exposure="long"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"view": (97, 64)}, "view within the culture"),
        ({"view": (4, 4)}, "view"),
        ({"dose_per_ms": -1}, "dose_per_ms"),
        ({"photons_per_ms": 0}, "photons_per_ms"),
        ({"stage_um_per_s": 0}, "stage_um_per_s"),
        ({"tick_s": 36000}, "division_time_min"),
        ({"z_range_um": (3, -3)}, "upper end"),
        ({"z_range_um": (1, 2, 3)}, "two ends"),
        ({"focus_um": np.inf}, "focus_um"),
    ],
)
def test_a_microscope_that_cannot_be_is_refused(make_microscope, wrong, message):
    with pytest.raises(ValueError, match=message):
        make_microscope(**wrong)


def test_culture_and_lens_must_fit():
    lens = Microscope("widefield", na=0.25, refractive_index=1.0, voxel_size_um=(0.5, 0.5))
    culture = Culture((64, 64), CellParameters(), n=3, rng=0)
    with pytest.raises(TypeError, match=r"Expected a simulate\.Culture"):
        DrivenMicroscope(lens, culture, view=(32, 32), rng=0)
    fine = Culture((64, 64), CellParameters(), pixel_size_um=0.4, n=3, rng=0)
    with pytest.raises(ValueError, match="pixels of the culture"):
        DrivenMicroscope(fine, lens, view=(32, 32), rng=0)
    deep = Culture((20, 64, 64), CellParameters(), n=3, rng=0)
    with pytest.raises(ValueError, match="in 2D"):
        DrivenMicroscope(deep, lens, view=(32, 32), rng=0)
