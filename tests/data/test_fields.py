"""Splits without a field in two parts, and leaks found by name and by content."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimicro.data import FieldSplit, Leak, find_leaks, nuclei, split_by_field

WELL = r"^[A-Z]\d+"


def names(*fields: str, images: int = 3) -> list[str]:
    return [f"{field}_z{plane}.tif" for field in fields for plane in range(images)]


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.integers(1, 99), st.integers(1, 4), min_size=3, max_size=30),
    st.integers(0, 2**32),
)
def test_no_field_is_in_two_parts(fields, seed):
    given_names = [f"A{field}_z{plane}.tif" for field, n in fields.items() for plane in range(n)]
    split = split_by_field(given_names, field=WELL, rng=seed)
    assert sorted(sum(split, ())) == list(range(len(given_names)))
    assert all(list(part) == sorted(part) and part for part in split)
    parts = {part: [given_names[k] for k in some] for part, some in split._asdict().items()}
    assert find_leaks(parts, field=WELL) == []
    n_test = len({re.match(WELL, name)[0] for name in parts["test"]})
    assert n_test == max(1, round(0.15 * len(fields)))


def test_the_seed_and_the_fields_alone_decide():
    here = names(*(f"A{k}" for k in range(20)))
    assert split_by_field(here, field=WELL, rng=3) == split_by_field(here, field=WELL, rng=3)
    assert split_by_field(here, field=WELL, rng=3) != split_by_field(here, field=WELL, rng=4)
    order = np.random.default_rng(0).permutation(len(here))
    shuffled = [here[k] for k in order]
    for part, other in zip(
        split_by_field(here, field=WELL, rng=3),
        split_by_field(shuffled, field=WELL, rng=3),
        strict=True,
    ):
        assert {here[k] for k in part} == {shuffled[k] for k in other}


def test_places_choose_from_a_collection():
    cells = nuclei(n=4)
    split = split_by_field(cells.names, field=r"\w+", fractions=(0.5, 0.25, 0.25), rng=0)
    assert [len(cells[part]) for part in split] == [2, 1, 1]


def test_fields_by_groups_or_a_function():
    files = [Path(f"plate{p}/{w}_s{s}.tif") for p in (1, 2) for w in "AB" for s in (1, 2)]
    split = split_by_field(files, field=r"plate(\d).([AB])", rng=0)
    assert [len(part) for part in split] == [4, 2, 2]
    again = split_by_field(files, field=lambda name: name.rpartition("_")[0], rng=0)
    assert again == split


def test_leaks_by_name():
    parts = {"train": names("A1", "B2"), "validation": names("C3", images=1), "test": names("B2")}
    assert find_leaks(parts, field=WELL) == [
        Leak(("train", "test"), ("B2_z0.tif", "B2_z0.tif"), "field")
    ]


def test_leaks_by_content():
    """Renamed and stored as another type, but the same pixels."""
    rng = np.random.default_rng(0)
    train = [rng.integers(0, 999, (8, 8)).astype(np.uint16) for _ in range(2)]
    test = [train[1].astype(np.float32), train[0].T]
    parts = {"train": ["A1.tif", "A2.tif"], "test": ["B1.tif", "B2.tif"]}
    assert find_leaks(parts, field=WELL) == []
    assert find_leaks(parts, field=WELL, images={"train": train, "test": test}) == [
        Leak(("train", "test"), ("A2.tif", "B1.tif"), "content")
    ]


@pytest.mark.parametrize(
    ("given_names", "kind", "error", "message"),
    [
        (names("A1", "A2"), {}, ValueError, "at least 3 fields.*got 2 in 6 images: 'A1', 'A2'"),
        ([], {}, ValueError, "got 0 in 0 images: none"),
        ([*names("A1", "A2", "A3"), "x.tif"], {}, ValueError, "none in 1 of 10, such as 'x.tif'"),
        (names("A1", "A2", "A3") * 2, {}, ValueError, "each image once, got 'A1_z0.tif' twice"),
        (names("A1", "A2", "A3"), {"field": "("}, ValueError, "regular expression, got '\\('"),
        (names("A1", "A2", "A3"), {"field": 3}, TypeError, "got list and int"),
        ("A1.tif", {}, TypeError, "list of names.*got str"),
        (names("A1", "A2", "A3"), {"fractions": (0.5, 0.5)}, ValueError, "three fractions"),
        (names("A1", "A2", "A3"), {"fractions": (0.5, 0.3, 0.3)}, ValueError, "add up to 1"),
        (names("A1", "A2", "A3"), {"fractions": (1, 0, 0)}, ValueError, "below 1, got 1"),
        (names("A1", "A2", "A3", "A4"), {"fractions": (0.1, 0.5, 0.4)}, ValueError,
         "leave a field to train on"),
    ],
)  # fmt: skip
def test_what_cannot_be_split(given_names, kind, error, message):
    with pytest.raises(error, match=message):
        split_by_field(given_names, **{"field": WELL, "rng": 0} | kind)


def test_images_have_names():
    images = {"train": [np.zeros((2, 2))], "test": []}
    with pytest.raises(ValueError, match="an image for each name"):
        find_leaks({"train": ["A1"], "test": ["B2"]}, field=WELL, images=images)
    with pytest.raises(ValueError, match="an image for each name"):
        find_leaks({"train": ["A1"]}, field=WELL, images=images)


def test_a_split_is_a_tuple():
    train, validation, test = split_by_field(names("A1", "A2", "A3"), field=WELL, rng=0)
    assert FieldSplit(train, validation, test).test == test
