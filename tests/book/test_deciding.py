"""The page for those who decide: its minutes, its sums, and its counts of contests."""

import re
import runpy
from collections import Counter
from pathlib import Path

import pytest
import yaml

BOOK = Path(__file__).resolve().parents[2] / "book"
PAGE = (BOOK / "deciding.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())
MINUTES = runpy.run_path(str(BOOK / "_ext" / "reading_path.py"))["minutes"]
ROUTE = re.findall(r"^\| (\d+) \| (.+?) \|", PAGE, re.MULTILINE)
VERDICTS = {
    group["name"]: Counter(contest["verdict"] for contest in group["contests"])
    for group in yaml.safe_load((BOOK / "tally.yml").read_text(encoding="utf-8"))["groups"]
}


def section(page: str, heading: str) -> str:
    """Return the text under a heading, up to the next one."""
    text = (BOOK / f"{page}.md").read_text(encoding="utf-8")
    parts = re.split(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


def test_ninety_minutes_are_ninety():
    assert sum(int(minutes) for minutes, _ in ROUTE) == 90
    assert "(ninety-minutes)=" in PAGE


@pytest.mark.parametrize(
    ("where", "page", "headings"),
    [
        (
            "Chapter 6",
            "chapter06_restoration",
            [
                "What the network has learned",
                "How to judge a result",
                "Choose a method",
                "Prepare the data",
                "Train",
                "Check before you trust",
            ],
        ),
        ("Chapter 8", "chapter08_choosing_a_tool", ["When is it good enough?", "Which kind?"]),
        ("Chapter 11", "chapter11_outlook", ["What was measured here"]),
    ],
)
def test_what_is_to_be_read_can_be_read_in_its_minutes(where: str, page: str, headings: list[str]):
    (minutes,) = (int(minutes) for minutes, place in ROUTE if where in place)
    assert MINUTES("".join(section(page, heading) for heading in headings)) <= minutes
    named = next(place for _, place in ROUTE if where in place)
    assert headings[0] in named
    assert headings[-1] in named


def test_the_first_chapter_can_be_read_in_its_minutes():
    minutes = next(int(minutes) for minutes, place in ROUTE if "Chapter 1]" in place)
    assert MINUTES((BOOK / "chapter01_introduction.md").read_text(encoding="utf-8")) <= minutes


def test_the_counts_are_those_of_the_outlook():
    all_of_them = sum(VERDICTS.values(), Counter())
    said = f"Of the [{all_of_them.total()} contests](the-tally) in this book"
    assert said in WORDS
    assert f"ahead in {all_of_them['rule']} and the network in {all_of_them['learned']}" in WORDS
    away = VERDICTS["Elsewhere"]
    assert (away.total(), away["learned"]) == (12, 2)
    assert "twelve contests were held away from home" in WORDS
    assert "ahead in [two of them](the-tally)" in WORDS
    patience = VERDICTS["Patience"]
    assert (patience.total(), patience["learned"]) == (4, 3)


def test_the_hours_follow_from_what_is_assumed():
    assert "500 outlines are an hour at 8 seconds each, and four hours at half a minute" in WORDS
    assert round(500 * 8 / 3600) == 1
    assert round(500 * 30 / 3600) == 4
    assert "Ten thousand outlines by hand, at half a minute each, are 83 hours" in WORDS
    assert round(10_000 * 30 / 3600) == 83


def test_checking_takes_longest_in_the_example():
    outlines, training, checks = 1000 * 30 / 3600, 4, 40 * 20 / 60
    assert checks > outlines > training
    assert 8 < outlines < 8.5
    assert 13 < checks < 13.5
