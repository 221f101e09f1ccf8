"""The bibliography: each entry once, cited, and to be found by its DOI or its address."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIBLIOGRAPHY = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
ENTRIES = {
    entry.split("{", 1)[1].split(",", 1)[0]: dict(
        re.findall(r"^\s*(\w+)\s*=\s*[{\"](.+)[}\"],?$", entry, re.MULTILINE)
    )
    for entry in re.findall(r"^@\w+\{.*?^\}", BIBLIOGRAPHY, re.DOTALL | re.MULTILINE)
}
SOURCES = [*(ROOT / "book").glob("*.md"), *(ROOT / "book").glob("*.yml"), ROOT / "index.md"]
CITED = {
    key.strip()
    for path in SOURCES
    for keys in re.findall(r"\{cite[:\w]*\}`([^`]+)`", path.read_text(encoding="utf-8"))
    for key in keys.split(",")
}
# Books, proceedings and reports whose publishers give none: an address stands in their entries.
WITHOUT_DOI = {
    "batson2019noise2self",
    "bergstra2012random",
    "cimini2019goodenough",
    "ciresan2012membranes",
    "gonzalez2008digital",
    "guo2017calibration",
    "kluyver2016jupyter",
    "krizhevsky2012alexnet",
    "tikhonov1963",
}


def test_every_entry_is_read():
    assert len(ENTRIES) == BIBLIOGRAPHY.count("\n@") + BIBLIOGRAPHY.startswith("@") > 100


def test_every_entry_is_cited_and_every_citation_has_its_entry():
    assert sorted(ENTRIES) == sorted(CITED)


@pytest.mark.parametrize("key", sorted(ENTRIES))
def test_an_entry_tells_who_what_when_and_where(key: str):
    entry = ENTRIES[key]
    assert entry.get("author") or entry.get("editor")
    assert entry["title"]
    assert re.fullmatch(r"(19|20)\d\d", entry["year"])
    if key in WITHOUT_DOI:
        assert "doi" not in entry
        assert entry["url"].startswith("https://")
    else:
        assert re.fullmatch(r"10\.\d{4,9}/\S+", entry["doi"])


@pytest.mark.parametrize("field", ["doi", "title"])
def test_no_work_stands_there_twice(field: str):
    plain = [
        re.sub(r"[{}\s]", "", entry[field]).lower() for entry in ENTRIES.values() if field in entry
    ]
    assert [value for value, times in Counter(plain).items() if times > 1] == []
