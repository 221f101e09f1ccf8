"""Tables that a spreadsheet reads: exact numbers, one header, all of it or nothing."""

import csv

import numpy as np
import pytest

from aimicro.io import write_csv


def test_numbers_come_back(tmp_path):
    table = {"label": np.array([3, 70_000]), "area_um2": [0.1, 1 / 3], "note": ["a, b", 'say "c"']}
    write_csv(tmp_path / "a.csv", table)
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["label"]) for row in rows] == [3, 70_000]
    assert [float(row["area_um2"]) for row in rows] == [0.1, 1 / 3]
    assert [row["note"] for row in rows] == table["note"]


def test_a_table_without_rows_has_its_header(tmp_path):
    write_csv(tmp_path / "a.csv", {"label": [], "area_um2": []})
    assert (tmp_path / "a.csv").read_text() == "label,area_um2\n"


def test_an_error_leaves_the_old_file(tmp_path, monkeypatch):
    write_csv(tmp_path / "a.csv", {"label": [1]})

    def full(_):
        raise OSError("No space left on device")

    monkeypatch.setattr("aimicro.io.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_csv(tmp_path / "a.csv", {"label": [2]})
    assert (tmp_path / "a.csv").read_text() == "label\n1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    ("name", "table", "message"),
    [
        ("a.xlsx", {"label": [1]}, r"ending in \.csv, got 'a\.xlsx'"),
        ("a.csv", {}, "columns of one length, got none"),
        ("a.csv", {"label": [1, 2], "area": [1]}, r"got label \(2,\), area \(1,\)"),
        ("a.csv", {"label": 1}, r"got label \(\)"),
    ],
)
def test_what_is_no_table(tmp_path, name, table, message):
    with pytest.raises(ValueError, match=message):
        write_csv(tmp_path / name, table)
    assert not list(tmp_path.iterdir())
