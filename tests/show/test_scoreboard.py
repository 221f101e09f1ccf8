import json

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup

from aimicro import show
from aimicro.show.scoreboard import MIME

PSNR = {"Raw": 18.2, "Gaussian": np.float32(25.9), "U-Net": np.float64(30.1)}
FULL = {
    "Gaussian": {"PSNR": 25.9, "Time": 0.004},
    "U-Net": {"PSNR": 30.1, "Time": 1.2},
}


def table(board):
    rows = BeautifulSoup(board.html, "html.parser").table.find_all("tr")
    return [[cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"])] for row in rows]


def test_one_measure_against_a_baseline():
    board = show.scoreboard("Denoising", PSNR, unit="dB PSNR", baseline="Gaussian")
    assert table(board) == [
        ["Method", "dB PSNR higher is better", "against Gaussian"],
        ["Raw", "18.2", "−7.7"],
        ["Gaussian", "25.9", "baseline"],
        ["U-Net", "best 30.1", "+4.2"],
    ]
    assert board.alt == "Denoising. dB PSNR: Raw 18.2; Gaussian 25.9; U-Net 30.1."


def test_several_measures_with_their_own_units_and_good_ends():
    board = show.scoreboard("Price", FULL, unit={"PSNR": "dB"}, better={"Time": "lower"})
    assert table(board) == [
        ["Method", "PSNR (dB) higher is better", "Time lower is better"],
        ["Gaussian", "25.9", "best 0.004"],
        ["U-Net", "best 30.1", "1.200"],
    ]


def test_the_table_is_accessible():
    page = BeautifulSoup(show.scoreboard("A & B", FULL, caption="Look.").html, "html.parser")
    assert page.table.caption.string == "A & B"
    assert page.figure.figcaption.string == "Look."
    assert {th["scope"] for th in page.thead.find_all("th")} == {"col"}
    assert [tr.th["scope"] for tr in page.tbody.find_all("tr")] == ["row", "row"]


@pytest.mark.parametrize(("baseline", "focusable"), [(None, False), ("U-Net", True)])
def test_a_wide_table_can_be_scrolled_with_the_keyboard(baseline, focusable):
    board = show.scoreboard("Price", FULL, baseline=baseline)
    frame = BeautifulSoup(board.html, "html.parser").table.parent
    assert frame.get("tabindex") == ("0" if focusable else None)
    assert frame.get("aria-label") == ("Price" if focusable else None)


def test_all_that_share_the_best_value_are_marked():
    rows = table(show.scoreboard("Tie", {"a": 2.0, "b": 2, "c": 1}))
    assert [row[1] for row in rows[1:]] == ["best 2.00", "best 2.00", "1.00"]


def test_json_goes_through_a_notebook_unchanged_and_holds_plain_numbers():
    board = show.scoreboard(
        "Denoising", PSNR, unit="dB", baseline="Raw", headline="Gaussian", caption="Look."
    )
    bundle = board._repr_mimebundle_()
    output = nbformat.v4.new_output("execute_result", bundle, execution_count=1)
    cell = nbformat.v4.new_code_cell(outputs=[output])
    text = nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))
    found = nbformat.reads(text, as_version=4).cells[0].outputs[0].data[MIME]
    gaussian = float(np.float32(25.9))
    assert found == {
        "version": 1,
        "name": "Denoising",
        "caption": "Look.",
        "columns": [{"name": "", "unit": "dB", "better": "higher"}],
        "rows": [
            {"name": "Raw", "values": [18.2]},
            {"name": "Gaussian", "values": [gaussian]},
            {"name": "U-Net", "values": [30.1]},
        ],
        "headline": {
            "row": "Gaussian",
            "value": gaussian,
            "baseline": "Raw",
            "difference": gaussian - 18.2,
        },
    }
    values = [value for row in bundle[MIME]["rows"] for value in row["values"]]
    assert {type(value) for value in values} == {float}
    assert json.dumps(bundle[MIME], allow_nan=False)


@pytest.mark.parametrize(("better", "best"), [("higher", "U-Net"), ("lower", "Raw")])
def test_the_headline_is_the_best_unless_it_is_chosen(better, best):
    headline = show.scoreboard("Denoising", PSNR, better=better).results.headline
    assert (headline.row, headline.baseline, headline.difference) == (best, None, None)


def test_where_no_end_is_good_none_is_best():
    board = show.scoreboard("Area", {"a": 9.0, "b": 7.0}, better="neither", headline="b")
    assert table(board) == [["Method", "Value"], ["a", "9.00"], ["b", "7.00"]]
    assert board.results.headline.value == 7


def test_columns_keep_their_order_whatever_the_order_in_a_row():
    board = show.scoreboard("x", {"a": {"p": 1, "q": 2}, "b": {"q": 4, "p": 3}})
    assert [row.values for row in board.results.rows] == [(1, 2), (3, 4)]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.7104, 0.871], ["0.710", "0.871"]),
        ([1234.5, 20.0], ["1,234", "20"]),
        ([0.0, 0.0], ["0", "0"]),
        ([-3.0, 2.0], ["−3.00", "2.00"]),
        ([-0.0, 25.0], ["0.0", "25.0"]),
    ],
)
def test_numbers_have_three_digits_of_the_largest(values, texts):
    rows = table(show.scoreboard("x", {str(k): v for k, v in enumerate(values)}))
    assert [row[1].removeprefix("best ") for row in rows[1:]] == texts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "name to be a text, got ''"),
        ({"rows": {}}, "at least one method and one measure, got none"),
        ({"rows": {"a": {}}}, "at least one method and one measure, got none"),
        ({"rows": {"a": np.nan}}, r"finite numbers, got \(nan,\) for 'a'"),
        (
            {"rows": {"a": {"p": 1}, "b": {"q": 1}}},
            r"Expected \['p'\] for every method, got \['q'\]",
        ),
        ({"rows": {"a": {"p": 1}, "b": 1}}, r"Expected \['p'\] for every method, got \[''\]"),
        ({"better": "best"}, r"one of \('higher', 'lower', 'neither'\), got 'best'"),
        ({"better": "neither"}, "the method to remember, got none.* Name one of"),
        ({"better": {"PSRN": "lower"}}, r"units and ends for \[''\], got \['PSRN'\]"),
        ({"headline": "RCAN"}, r"one of the methods \['Raw', 'Gaussian', 'U-Net'\], got 'RCAN'"),
        ({"baseline": "RCAN"}, "one of the methods .* got 'RCAN'"),
    ],
)
def test_bad_input(change, message):
    arguments = {"name": "Denoising", "rows": PSNR, **change}
    with pytest.raises(ValueError, match=message):
        show.scoreboard(arguments.pop("name"), arguments.pop("rows"), **arguments)
