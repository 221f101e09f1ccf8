"""Chapter 7: what its text reckons is right, and its figures show what the text says."""

import base64
import re
import runpy
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "book" / "figures"
PAGE = (ROOT / "book" / "chapter07_smart_microscopy.md").read_text(encoding="utf-8")
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "make_smart_microscopy_figures.py"))
NAMES = ("object_and_event", "smart_loop", "loop_and_events", "rare_events")
RECALL, QUIET_FLAGGED = 0.9, 0.01
FRAMES_A_DAY = 24 * 60 // 5


def drawn(name: str) -> str:
    return (FIGURES / f"{name}.svg").read_text(encoding="utf-8")


def alt(name: str) -> str:
    found = re.search(rf"figures/{name}\.svg\n.*?:alt: ([^\n]*)", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first line begins so, without its head."""
    block = PAGE[PAGE.index(heading) :].split("\n\n")[0].splitlines()[2:]
    lines = [line for line in block if line.startswith("|")]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]


def precision(prevalence: float, recall: float = RECALL, flagged: float = QUIET_FLAGGED) -> float:
    right = recall * prevalence
    return right / (right + flagged * (1 - prevalence))


def test_alarms_that_are_right_where_events_are_rare() -> None:
    rows = table("| {term}`Prevalence <prevalence>`")
    assert len(rows) == 5
    for prevalence, _, share in rows:
        one_in = int(prevalence.removeprefix("1 in ").replace(",", ""))
        assert share == f"{precision(1 / one_in):.0%}".replace("%", " %")
    assert FRAMES_A_DAY == 288
    assert "one frame in 288 of that cell" in PAGE
    assert "There are 287 quiet frames, of which it flags 2.87. So 0.9 of 3.77" in PAGE
    assert round(0.9 / 3.77, 2) == round(precision(1 / 288), 2) == 0.24


def test_alarms_an_hour_fill_the_night() -> None:
    cells, frames = 200, 12
    onsets = cells / 24
    false = QUIET_FLAGGED * cells * frames * (1 - 1 / FRAMES_A_DAY)
    assert round(onsets) == 8
    assert round(false) == 24
    assert "about eight onsets an hour, and 24 false alarms" in PAGE
    assert (false + RECALL * onsets) * 20 > 60  # minutes of burst in an hour


def test_asking_twice_if_errors_were_independent() -> None:
    assert round(RECALL**2, 2) == 0.81
    assert np.isclose(QUIET_FLAGGED**2, 1 / 10_000)
    assert round(precision(1 / 288, RECALL**2, QUIET_FLAGGED**2), 2) == 0.97
    strict = RECALL / (FRAMES_A_DAY - 1)
    assert np.isclose(precision(1 / 288, flagged=strict), 0.5)
    assert f"one quiet frame in {1 / strict:.0f} may raise one" in PAGE


def test_the_latencies_add_up() -> None:
    *steps, (_, quick, slow) = table("| Step | Quick loop | Slow loop |")
    numbers = np.array([[int(cell.replace(",", "")) for cell in row[1:]] for row in steps])
    sums = [int(cell.replace(",", "")) for cell in (quick, slow)]
    assert numbers.sum(axis=0).tolist() == sums == [205, 1555]
    loops = SCRIPT["LOOPS"]
    assert [loops["quick loop"][0], loops["slow loop"][0]] == [s / 1000 for s in sums]
    (network,) = (row for row in numbers.tolist() if row == [50, 600])
    assert 0.5 <= (network[1] - network[0]) / 1000 < 0.6  # half a second
    assert round(sums[1] / 1000, 1) == 1.6


def test_what_a_survey_meets() -> None:
    survey = 10
    assert round(65 / 60 / survey, 2) == 0.11
    lasting = np.array([2.0, 10.0])
    met = np.minimum(1, lasting / survey)
    assert met.tolist() == [0.2, 1.0]  # one in five, and each
    assert np.isclose(met[0] / met.sum(), 1 / 6)
    assert round((lasting * met).sum() / met.sum(), 1) == 8.7
    assert lasting.mean() == 6


def test_a_survey_meets_long_events_more_often_in_a_simulation_as_well() -> None:
    rng = np.random.default_rng(7)
    lasting = rng.choice([2.0, 10.0], 200_000)
    begins = rng.uniform(0, 10, lasting.size)  # minutes after a frame
    met = lasting[begins + lasting >= 10]
    assert abs(met.mean() - 8.67) < 0.05


def test_the_budget_is_spent_alike() -> None:
    hours, exposures = 10, 300
    assert hours * 60 / 2 == exposures
    survey, burst = hours * 60 // 10, 20 * 60 // 30
    assert (survey, burst) == (60, 40)
    assert survey + 6 * burst == exposures
    assert 33 / 2 == 16.5  # frames of a mitosis, every two minutes
    assert hours * 3600 / 30 == 1200 == 4 * exposures
    assert round(6 * precision(1 / 288), 1) == 1.4  # bursts with an event
    assert round(6 * 0.9, 1) == 5.4
    assert np.isclose(1 * 0.1 * exposures, 30)  # J/cm²


def test_what_dim_cells_lose() -> None:
    dim, bright = 0.3 * 0.9 / 2, 0.7 * 0.9
    assert np.isclose([100 * dim, 100 * bright], [13.5, 63]).all()
    assert round(dim / (dim + bright), 2) == 0.18


def test_forty_events_by_chance_tell_the_recall_so_exactly() -> None:
    """The interval of Wilson."""
    found, n, z = 30, 40, 1.96
    share = found / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert [round(middle - half, 2), share, round(middle + half, 2)] == [0.6, 0.75, 0.86]
    in_a_burst = 200 / 24 * 20 / 60
    assert 2.7 < in_a_burst < 3  # not quite three
    assert np.ceil(n / in_a_burst) == 15


def test_events_span_five_orders_of_magnitude_and_stand_in_the_figure() -> None:
    events = SCRIPT["EVENTS"]
    longest, shortest = events["gastrulation"][1], events["calcium spark"][1]
    assert longest / shortest > 100_000
    text = " ".join(" ".join(row) for row in table("| Event | How long | Where |"))
    for told in ("10 to 100 ms", "65 s", "30 s", "33 ± 7 minutes", "an hour", "4¾ hours"):
        assert told in text
    assert events["calcium spark"] == (0.010, 0.100)
    assert events["clathrin-coated pit"] == (30, 65)
    assert events["mitosis"] == ((33 - 7) * 60, (33 + 7) * 60)
    assert longest == (10 - 5.25) * 3600
    bars = re.findall(r'data-seconds="([\d.e+]+) ([\d.e+]+)"', drawn("loop_and_events"))
    wanted = [*events.values(), *SCRIPT["LOOPS"].values()]
    assert [tuple(map(float, bar)) for bar in bars] == wanted


@pytest.mark.parametrize(
    "heading",
    ["| Event | How long | Where |", "| System | What decides |"],
    ids=["event", "system"],
)
def test_each_row_names_its_source(heading: str) -> None:
    for row in table(heading):
        assert "{cite:p}`" in " ".join(row), row[0]


def test_an_object_is_the_same_in_both_orders() -> None:
    codes = re.findall(r'base64,([^"]*)"', drawn("object_and_event"))
    assert len(codes) == 10
    assert codes[:5] == codes[:4:-1]
    counts = re.findall(r">(\d) objects?</text>", drawn("object_and_event"))
    assert counts[:5] == counts[:4:-1] == list("11222")
    assert "1 object, 1 object, 2 objects, 2 objects, 2 objects" in alt("object_and_event")


def test_curves_fall_as_the_text_says() -> None:
    figure = drawn("rare_events")
    rates = [float(rate) for rate in re.findall(r'data-rate="([\d.e-]+)"', figure)]
    assert rates == [0.01, 0.001, 0.0001]
    assert re.findall(r'class="value"[^>]*>(\d+)%<', figure) == ["99", "24"]
    at_the_end = [precision(1e-4, flagged=rate) for rate in rates]
    assert at_the_end[0] < 0.01
    assert at_the_end[1] < 0.1
    assert 0.45 < at_the_end[2] < 0.5
    for told in ("99 per cent", "24 per cent", "less than a tenth", "just under half"):
        assert told in alt("rare_events")
    assert np.allclose(SCRIPT["precision"](1 / 288, 0.01), precision(1 / 288))


@pytest.mark.parametrize("name", NAMES)
def test_the_alternative_text_holds_the_words_of_the_drawing(name: str) -> None:
    words = set(re.findall(r'font-weight="700">([a-z]+)<', drawn(name)))
    assert {word for word in words if not re.search(rf"\b{word}\b", alt(name).lower())} == set()


@pytest.mark.parametrize("name", NAMES)
def test_the_script_draws_what_the_page_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCRIPT["write"].__globals__, "FIGURES", tmp_path)
    SCRIPT["FIGURE_OF"][name]()
    code = re.compile(r'base64,([^"]*)"')
    again, shown = (tmp_path / f"{name}.svg").read_text(encoding="utf-8"), drawn(name)
    assert code.sub("", again) == code.sub("", shown)
    for one, other in zip(code.findall(again), code.findall(shown), strict=True):
        pixels = [
            np.asarray(Image.open(BytesIO(base64.b64decode(png))), float) for png in (one, other)
        ]
        assert np.abs(pixels[0] - pixels[1]).max() <= 1
