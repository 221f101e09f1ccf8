"""Captions: what they state is true, is found again, and comes as often as it says."""

from collections import Counter
from dataclasses import replace
from itertools import islice, product

import numpy as np
import pytest

from aimicro.simulate import captions
from aimicro.simulate.captions import FORMS, HABITS, Facts, draw, read, written


def all_facts():
    options = {
        name: sorted({value for chance in chances.values() for value in chance})
        for name, (_, chances) in HABITS.items()
    }
    return [Facts(*values) for values in product(*options.values())]


def test_the_chances_of_all_images_sum_to_one():
    for _, chances in HABITS.values():
        for options in chances.values():
            assert sum(options.values()) == pytest.approx(1)
    assert sum(facts.chance for facts in all_facts()) == pytest.approx(1)


def test_facts_come_as_often_as_their_chances_say():
    drawn, possible = draw(4000, rng=0), [(facts, facts.chance) for facts in all_facts()]
    for name in ("specimen", "modality", "pixel_nm"):
        counted = Counter(getattr(facts, name) for facts in drawn)
        for value in counted:
            expected = sum(chance for f, chance in possible if getattr(f, name) == value)
            assert counted[value] / 4000 == pytest.approx(expected, abs=0.03)


def test_the_rule_reads_what_was_written_in_every_form():
    for facts in islice(all_facts(), 0, None, 37):
        for form in range(len(FORMS)):
            assert read(written(facts, form=form)) == facts.words()


def test_no_two_captions_are_alike():
    some = all_facts()
    texts = {written(facts, form=form) for facts in some for form in range(len(FORMS))}
    assert len(texts) == len(FORMS) * len(some)


def test_what_a_text_does_not_state_is_missing():
    assert read("") == {}
    assert read("noisy image of vesicles") == {"specimen": "vesicles", "noise": "noisy"}
    assert "count" not in read("15 photons and nuclei")


def test_the_two_consequences_follow_from_the_other_facts():
    facts = Facts("beads", 2, "widefield", 0.8, 130, 30)
    assert (facts.noise, facts.sampling) == ("noisy", "fine")  # 525 / (4 * 0.8) = 164 nm
    assert replace(facts, pixel_nm=195).sampling == "coarse"
    assert replace(facts, na=1.2).sampling == "coarse"  # 109 nm
    assert replace(facts, photons=150).noise == "clean"


@pytest.mark.parametrize("specimen", ["nuclei", "filaments", "vesicles", "beads"])
def test_the_image_is_what_the_facts_say(specimen: str):
    facts = Facts(specimen, 4, "widefield", 0.8, 260, 600)
    image = facts.image(3)
    assert image.measured.shape == (60, 60)
    assert image.voxel_size_um == (0.26, 0.26)
    assert (image.microscope.modality, image.microscope.na) == ("widefield", 0.8)
    if specimen == "nuclei":
        assert sorted(np.unique(image.labels)) == [0, 1, 2, 3, 4]
    assert np.array_equal(image.measured, facts.image(3).measured)
    assert image.noise_free.max() == pytest.approx(601)


def test_more_photons_less_noise():
    def roughness(photons: int) -> float:
        image = Facts("nuclei", 3, "widefield", 0.8, 130, photons).image(0)
        return float(np.std((image.photons - image.noise_free) / photons))

    assert roughness(600) < roughness(15) / 3


def test_bad_input():
    with pytest.raises(ValueError, match=r"count of 2, 3, .* got 13"):
        Facts("nuclei", 13, "confocal", 1.4, 65, 15)
    with pytest.raises(ValueError, match="form"):
        written(captions.draw(1, rng=0)[0], form=3)
    with pytest.raises(ValueError, match="n"):
        draw(-1, rng=0)
