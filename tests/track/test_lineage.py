"""Tables of lineages that come back."""

import pytest

from aimicro.simulate.films import dividing_cells
from aimicro.track import Track, read_lineage, write_lineage


def test_lineage_tables_come_back(tmp_path):
    film = dividing_cells(24, (96, 96), n=8, division_time_min=200, rng=3)
    path = tmp_path / "man_track.txt"
    write_lineage(path, film.lineage)
    table = "".join(f"{t.label} {t.begin} {t.end} {t.parent}\n" for t in film.lineage)
    assert path.read_text(encoding="utf-8") == table
    assert read_lineage(path) == film.lineage
    path.write_text("\n1 0 3 0 \r\n\n2\t4 5 1", encoding="utf-8")
    assert read_lineage(path) == [Track(1, 0, 3, 0), Track(2, 4, 5, 1)]


@pytest.mark.parametrize("line", ["1 0 3", "1 0 3 0 7", "1 0 x 0", "1 0 2.5 0"])
def test_a_bad_line_is_quoted(tmp_path, line):
    path = tmp_path / "res_track.txt"
    path.write_text(f"1 0 3 0\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=f"in line 2 of .*res_track.txt, got '{line}'"):
        read_lineage(path)
