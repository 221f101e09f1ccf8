"""Films: lineage, labels and images agree, and the cells move and multiply as theory says."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import center_of_mass

from aimicro.simulate.culture import CellParameters, Culture
from aimicro.simulate.films import Division, Film, Track, bleaching, dividing_cells

# Crowded, fast cells that divide often, seen at long intervals: all that can go wrong, will.
BUSY = {"n": 12, "division_time_min": 180, "speed_um_per_min": 1.0, "frame_interval_s": 600}


@pytest.fixture(scope="module")
def film():
    return dividing_cells(
        60, (200, 200), n=18, division_time_min=300, flash_rate_per_cell_hour=0.2, rng=4
    )


def by_label(film):
    return {track.label: track for track in film.lineage}


def light(film, frame, label):
    """Sum and mean brightness of a cell, bleaching undone."""
    pixels = film.images[frame][film.labels[frame] == label] / film.bleaching[frame]
    return pixels.sum(), pixels.mean()


def at_rest(film, label):
    """Frames of a track without an event."""
    track = by_label(film)[label]
    frames = set(range(track.begin, track.end + 1))
    for event in film.events:
        if event.label == label:
            frames -= set(range(event.frame, event.end + 1))
    return frames


def check_consistency(film):
    tracks = by_label(film)
    shown = {
        (label, frame)
        for frame, image in enumerate(film.labels)
        for label in np.unique(image).tolist()
        if label
    }
    told = {(t.label, f) for t in film.lineage for f in range(t.begin, t.end + 1)}
    assert shown == told
    assert [t.label for t in film.lineage] == list(range(1, len(tracks) + 1))
    rows = film.tracks[:, :2].astype(int).tolist()
    assert rows == sorted(map(list, told))

    families = Counter(t.parent for t in film.lineage if t.parent)
    assert set(families.values()) <= {2}
    for track in film.lineage:
        if track.parent:
            assert tracks[track.parent].end == track.begin - 1
    assert len(film.divisions) == len(families)
    for frame, mother, daughters in film.divisions:
        assert tracks[mother].end == frame - 1
        assert [tracks[d].begin for d in daughters] == [frame, frame]
        assert [tracks[d].parent for d in daughters] == [mother, mother]

    for event in film.events:
        track = tracks[event.label]
        assert track.begin <= event.frame <= event.end <= track.end
    assert film.events == sorted(film.events)


class TestConsistency:
    @settings(max_examples=6, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1))
    def test_lineage_labels_tracks_and_events_agree(self, seed):
        check_consistency(dividing_cells(16, (96, 96), rng=seed, **BUSY))

    @settings(max_examples=3, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1))
    def test_they_agree_in_3d(self, seed):
        film = dividing_cells(
            6, (10, 40, 40), pixel_size_um=(2, 1, 1), n=4, rng=seed, division_time_min=140
        )
        assert film.images.shape == film.labels.shape == (6, 10, 40, 40)
        assert film.tracks.shape[1] == 5
        check_consistency(film)

    def test_the_busy_film_has_all_that_is_to_be_checked(self, film):
        check_consistency(film)
        assert len(film.divisions) >= 5
        assert {event.kind for event in film.events} == {"mitosis", "flash"}

    def test_cells_enter_and_leave(self, film):
        mothers = {track.parent for track in film.lineage}
        entered = [t for t in film.lineage if t.begin > 0 and not t.parent]
        left = [t for t in film.lineage if t.end < 59 and t.label not in mothers]
        assert len(entered) >= 5
        assert len(left) >= 5
        where = {(int(r[0]), int(r[1])): r[2:] for r in film.tracks}
        for label, frame in [(t.label, t.begin) for t in entered]:
            centre = where[label, frame]
            assert np.minimum(centre, 100 - centre).min() < 15  # within a cell and a step

    def test_n_cells_have_their_centre_in_the_first_frame(self):
        film = dividing_cells(1, (128, 128), n=9, rng=1)
        inside = np.all((film.tracks[:, 2:] > -0.25) & (film.tracks[:, 2:] < 63.75), axis=1)
        assert np.count_nonzero(inside) == 9

    def test_labels_lie_where_the_tracks_say(self, film):
        rows = [r for r in film.tracks if np.all((r[2:] > 12) & (r[2:] < 88))]
        for label, frame, *centre_um in rows[::20]:
            mask = film.labels[int(frame)] == label
            seen_um = 0.5 * np.array(center_of_mass(mask))
            assert np.linalg.norm(seen_um - centre_um) < 1.5


class TestLife:
    def test_walk_has_the_mean_squared_displacement_of_theory(self):
        speed, persistence, lags = 0.8, 15.0, np.array([1, 2, 4, 8, 16])
        squares = {lag: [] for lag in lags}
        for seed in range(2):
            film = dividing_cells(
                33,
                (400, 400),
                pixel_size_um=2.5,
                n=140,
                rng=seed,
                speed_um_per_min=speed,
                persistence_min=persistence,
                division_time_min=np.inf,
            )
            middle = film.tracks[film.tracks[:, 1] == 16]
            far_from_edge = np.all((middle[:, 2:] > 150) & (middle[:, 2:] < 850), axis=1)
            for label in middle[far_from_edge, 0]:
                path = film.tracks[film.tracks[:, 0] == label, 2:]
                assert len(path) == 33  # else the fast would be missing
                for lag in lags:
                    squares[lag] += list(((path[lag::lag] - path[:-lag:lag]) ** 2).sum(axis=1))
        t = 5.0 * lags
        expected = 2 * speed**2 * persistence * (t - persistence * -np.expm1(-t / persistence))
        measured = np.array([np.mean(squares[lag]) for lag in lags])
        np.testing.assert_allclose(measured, expected, rtol=0.1)

    def test_a_culture_doubles_in_the_division_time(self):
        starts = ends = divisions = 0
        for seed in range(4):
            film = dividing_cells(
                25,
                (160, 160),
                pixel_size_um=2.0,
                n=80,
                division_time_min=240,
                speed_um_per_min=0.2,
                rng=seed,
            )
            starts += len(np.unique(film.labels[0])) - 1
            ends += len(np.unique(film.labels[-1])) - 1
            divisions += len(film.divisions)
        grown = 2 ** (24 * 5 / 240)
        assert ends / starts == pytest.approx(grown, rel=0.1)
        assert divisions == pytest.approx(starts * (grown - 1), rel=0.15)

    def test_daughters_share_place_area_and_light_of_their_mother(self, film):
        where = {(int(r[0]), int(r[1])): r[2:] for r in film.tracks}
        for frame, mother, daughters in film.divisions:
            before, after = film.labels[frame - 1], film.labels[frame]
            area = np.count_nonzero(before == mother)
            areas = [np.count_nonzero(after == d) for d in daughters]
            assert sum(areas) == pytest.approx(area, rel=0.25)
            assert min(areas) > 0.35 * area
            lights = [light(film, frame, d)[0] for d in daughters]
            assert sum(lights) == pytest.approx(light(film, frame - 1, mother)[0], rel=0.2)
            middle = np.mean([where[d, frame] for d in daughters], axis=0)
            assert np.linalg.norm(middle - where[mother, frame - 1]) < 4

    def test_cells_hardly_push_into_each_other(self, film):
        radii = np.sqrt(np.bincount(film.labels[30].ravel())[1:] / np.pi) * 0.5
        for frame in range(0, 60, 10):
            rows = film.tracks[film.tracks[:, 1] == frame]
            inside = np.all((rows[:, 2:] > 10) & (rows[:, 2:] < 90), axis=1)
            centres = rows[inside, 2:]
            distance = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
            distance[np.diag_indices(len(centres))] = np.inf
            assert distance.min() > 0.9 * radii[radii > 3].min()

    def test_cells_grow_to_twice_their_size(self):
        film = dividing_cells(
            60, (200, 200), n=15, speed_um_per_min=0, division_time_min=300, rng=2
        )
        whole = [t for t in film.lineage if t.parent and t.end - t.begin > 30]
        assert whole
        for track in whole:
            begin, end = track.begin + 6, track.begin + 30  # spread again, not yet rounded
            young = np.count_nonzero(film.labels[begin] == track.label)
            old = np.count_nonzero(film.labels[end] == track.label)
            assert old / young == pytest.approx(2 ** (24 * 5 / 300), rel=0.2)


class TestEvents:
    def test_a_flash_lights_up_in_its_frame_and_decays(self, film):
        checked = 0
        for event in film.events:
            frame = event.frame
            others = [e for e in film.events if e.label == event.label and e != event]
            alone = not any(e.frame <= frame + 2 and frame - 1 <= e.end for e in others)
            begin = by_label(film)[event.label].begin
            if event.kind == "flash" and alone and begin < frame <= event.end - 2:
                before, now, later = (
                    light(film, f, event.label)[1] for f in (frame - 1, frame, frame + 2)
                )
                assert now / before == pytest.approx(2.5, rel=0.15)
                assert later / before == pytest.approx(1 + 1.5 * np.exp(-1), rel=0.15)
                checked += 1
        assert checked >= 5

    def test_flashes_are_as_frequent_as_asked_for(self):
        film = dividing_cells(
            30,
            (200, 200),
            pixel_size_um=2.5,
            n=100,
            division_time_min=np.inf,
            flash_rate_per_cell_hour=0.5,
            rng=0,
        )
        expected = 0.5 * len(film.tracks) * 5 / 60
        assert abs(len(film.events) - expected) < 4 * np.sqrt(expected)

    def test_before_a_division_the_mother_is_round_small_and_bright(self, film):
        mitoses = {e.label: e for e in film.events if e.kind == "mitosis"}
        for frame, mother, _ in film.divisions:
            event = mitoses[mother]
            assert event.end == frame - 1
            assert event.end - event.frame + 1 in (5, 6, 7) or event.frame == 0  # 30 min
        mothers = [d.mother for d in film.divisions if mitoses[d.mother].frame > 3]
        assert len(mothers) >= 3
        for mother in mothers:
            start, end = mitoses[mother].frame - 1, mitoses[mother].end
            if start in at_rest(film, mother):
                spread, rounded = (light(film, f, mother) for f in (start, end))
                assert rounded[1] / spread[1] == pytest.approx(1 / 0.6, rel=0.15)
                assert rounded[0] / spread[0] == pytest.approx(1, rel=0.2)

    def test_without_flashes_and_divisions_nothing_happens(self):
        film = dividing_cells(
            10, (96, 96), n=5, flash_rate_per_cell_hour=0, division_time_min=np.inf, rng=0
        )
        assert film.events == []
        assert film.divisions == []


class TestImages:
    def test_dark_outside_of_cells_and_around_1_at_the_brightest(self, film):
        assert film.images.dtype == np.float32
        assert film.labels.dtype == np.int32
        assert film.images.min() == 0
        assert 0.7 < film.images.max() < 1.5
        assert np.all(film.images[film.labels > 0] > 0)
        outside = film.images[film.labels == 0]
        assert np.mean(outside > 0) < 0.05  # nothing but anti-aliased edges

    def test_edges_are_anti_aliased(self, film):
        edge = (film.images[0] > 0) & (film.labels[0] == 0)
        assert 0 < film.images[0][edge].mean() < 0.5 * film.images[0][film.labels[0] > 0].mean()

    def test_texture_moves_with_the_cell(self):
        film = dividing_cells(
            8, (128, 128), n=1, division_time_min=np.inf, flash_rate_per_cell_hour=0, rng=0
        )
        values = [np.sort(i[k == 1])[::10] for i, k in zip(film.images, film.labels, strict=True)]
        size = min(map(len, values))
        for frame in values:
            assert np.corrcoef(frame[:size], values[0][:size])[0, 1] > 0.98

    def test_bleaching_dims_the_images_and_nothing_else(self):
        asked = {"n": 5, "rng": 3}
        fresh = dividing_cells(9, (96, 96), **asked)
        faded = dividing_cells(9, (96, 96), half_life_frames=4, **asked)
        np.testing.assert_array_equal(faded.labels, fresh.labels)
        np.testing.assert_allclose(faded.images[4], fresh.images[4] / 2, rtol=1e-6)
        np.testing.assert_allclose(faded.images[8], fresh.images[8] / 4, rtol=1e-6)
        np.testing.assert_array_equal(faded.bleaching, bleaching(9, half_life_frames=4))


class TestConveniences:
    def test_bleaching_halves_every_half_life(self):
        factors = bleaching(31, half_life_frames=10)
        np.testing.assert_allclose(factors[::10], [1, 1 / 2, 1 / 4, 1 / 8])
        np.testing.assert_allclose(factors[1:] / factors[:-1], np.exp(-np.log(2) / 10))
        assert bleaching(3, half_life_frames=np.inf).tolist() == [1, 1, 1]

    def test_divisions_of_a_small_tree(self):
        film = Film(
            images=np.zeros((5, 4, 4), np.float32),
            labels=np.zeros((5, 4, 4), np.int32),
            lineage=[Track(1, 0, 2, 0), Track(2, 0, 4, 0), Track(3, 3, 4, 1), Track(4, 3, 4, 1)],
            tracks=np.empty((0, 4)),
            events=[],
            pixel_size_um=(0.5, 0.5),
            frame_interval_s=60.0,
            bleaching=np.ones(5),
        )
        assert film.divisions == [Division(3, 1, (3, 4))]
        assert film.times_s.tolist() == [0, 60, 120, 180, 240]

    def test_same_seed_same_bits(self):
        one, two = (dividing_cells(8, (96, 96), rng=7, **BUSY) for _ in range(2))
        np.testing.assert_array_equal(one.images, two.images)
        np.testing.assert_array_equal(one.labels, two.labels)
        np.testing.assert_array_equal(one.tracks, two.tracks)
        assert (one.lineage, one.events) == (two.lineage, two.events)

    def test_other_seed_other_film(self):
        one, two = (dividing_cells(1, (64, 64), n=2, rng=seed) for seed in (1, 2))
        assert not np.array_equal(one.images, two.images)

    def test_takes_a_generator(self):
        one = dividing_cells(2, (64, 64), n=2, rng=np.random.default_rng(1))
        two = dividing_cells(2, (64, 64), n=2, rng=1)
        np.testing.assert_array_equal(one.images, two.images)


class TestBadInput:
    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ({"frames": 0}, "frames of 1 or more, got 0"),
            ({"frames": 2.5}, "frames as a whole number of 1 or more, got 2.5"),
            ({"shape": (64,)}, "Expected a shape"),
            ({"pixel_size_um": 0}, "pixel_size_um above 0 µm"),
            ({"n": 0}, "n of 1 or more, got 0"),
            ({"n": 300}, "room for n=300 cells of radius 5 µm in a field of 32 × 32 µm"),
            ({"radius_um": 0.9}, "radius_um of at least two pixels, 1 µm, got 0.9"),
            ({"radius_um": -1}, "radius_um above 0, got -1"),
            ({"frame_interval_s": 0}, "frame_interval_s above 0, got 0"),
            ({"speed_um_per_min": -1}, "speed_um_per_min of 0 or more, got -1"),
            ({"speed_um_per_min": np.nan}, "speed_um_per_min of 0 or more, got nan"),
            ({"persistence_min": np.inf}, "persistence_min above 0, got inf"),
            ({"mitosis_min": 0}, "mitosis_min above 0, got 0"),
            ({"division_time_min": 0}, "division_time_min above 0, got 0"),
            ({"division_time_min": np.nan}, "division_time_min above 0, got nan"),
            ({"division_time_min": 100}, "division_time_min of at least 120, four times"),
            ({"flash_rate_per_cell_hour": -0.1}, "flash_rate_per_cell_hour of 0 or more"),
            ({"flash_decay_min": 0}, "flash_decay_min above 0, got 0"),
            ({"half_life_frames": 0}, "half_life_frames above 0, got 0"),
            ({"half_life_frames": np.nan}, "half_life_frames above 0, got nan"),
        ],
    )
    def test_says_what_was_expected(self, asked, message):
        asked = {"frames": 2, "shape": (64, 64), "n": 2, "rng": 0} | asked
        with pytest.raises((TypeError, ValueError), match=message):
            dividing_cells(asked.pop("frames"), asked.pop("shape"), **asked)


class TestCulture:
    def test_a_film_is_a_culture_that_is_exposed_every_frame(self):
        film = dividing_cells(4, (64, 64), n=3, half_life_frames=2, rng=5)
        culture = Culture((64, 64), CellParameters(), n=3, half_life_exposures=2, rng=5)
        for frame in range(4):
            if frame:
                culture.advance(5)
            image, ids = culture.draw()
            culture.expose()
            np.testing.assert_array_equal(image, film.images[frame])
            np.testing.assert_array_equal(ids > 0, film.labels[frame] > 0)

    def test_light_bleaches_and_time_does_not(self):
        culture = Culture((64, 64), CellParameters(), n=3, half_life_exposures=4, rng=0)
        before, _ = culture.draw()
        culture.expose(dose=4)
        after, _ = culture.draw()
        np.testing.assert_allclose(after, before / 2, rtol=1e-6)
        culture.advance(60)
        assert culture.shining == 0.5

    def test_a_part_of_the_field(self):
        culture = Culture((64, 64), CellParameters(), n=3, rng=0)
        part = (slice(10, 30), slice(20, 60))
        for whole, cut in zip(culture.draw(), culture.draw(part), strict=True):
            np.testing.assert_array_equal(whole[part], cut)

    @pytest.mark.parametrize("part", [np.s_[5:5], np.s_[::2, :], np.s_[:, 70:80]])
    def test_a_part_without_pixels_or_with_steps_is_refused(self, part):
        culture = Culture((64, 64), CellParameters(), n=3, rng=0)
        part = part if isinstance(part, tuple) else (part,)
        with pytest.raises(ValueError, match="field of slices"):
            culture.draw(part)
        with pytest.raises(ValueError, match="field of slices"):
            culture.expose(1, part)

    def test_only_cells_in_the_lit_part_bleach_and_daughters_inherit_it(self):
        life = CellParameters(division_time_min=120, mitosis_min=20)
        culture = Culture((128, 128), life, n=12, half_life_exposures=2, rng=0)
        before, ids = culture.draw()
        culture.expose(2, np.s_[:, :64])
        after, _ = culture.draw()
        lit = culture.cells["exposed"] > 0
        for cell in culture.cells[np.isin(culture.cells["id"], ids)]:
            ratio = np.median(after[ids == cell["id"]] / before[ids == cell["id"]])
            assert ratio == pytest.approx(0.5 if cell["exposed"] else 1, rel=1e-6)
        assert culture.shining == 1
        inside = (culture.cells["centre"] > -0.25) & (culture.cells["centre"] < [63.75, 31.75])
        np.testing.assert_array_equal(lit, inside.all(axis=1))
        exposed = dict(zip(culture.cells["id"], culture.cells["exposed"], strict=True))
        for _ in range(20):
            culture.advance(5)
            for cell in culture.cells:
                exposed.setdefault(cell["id"], exposed.get(cell["mother"]))
                assert cell["exposed"] == exposed[cell["id"]]
        assert len(exposed) > len(lit)

    def test_a_cell_that_rounds_up_keeps_its_light_on_the_area_that_is_left(self):
        life = CellParameters(rounded_fraction=0.4)
        culture = Culture((96, 96), life, n=1, rng=0)
        culture.cells["centre"][1:] = -30  # out of sight
        seen = []
        for rounded in (0.0, 1.0):
            culture.cells["rounded"] = rounded
            image, ids = culture.draw()
            seen.append((np.count_nonzero(ids), image.sum()))
        (area, light), (smaller, same) = seen
        assert smaller == pytest.approx(0.4 * area, rel=0.15)
        assert same == pytest.approx(light, rel=0.1)
        with pytest.raises(ValueError, match="rounded_fraction"):
            CellParameters(rounded_fraction=0)

    def test_no_division_may_pass_unseen(self):
        culture = Culture((64, 64), CellParameters(), n=3, rng=0)
        with pytest.raises(ValueError, match="division_time_min of at least 800"):
            culture.advance(200)
