"""Chapter 11: its count is what the notebooks assert, its predictions can be judged."""

import ast
import json
import re
import runpy
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
OUTLOOK = runpy.run_path(str(ROOT / "book" / "_ext" / "outlook.py"))
TALLY, MINDS, PREDICTIONS = map(OUTLOOK["read"], ("tally", "minds", "predictions"))
GROUPS = {group["name"]: group["contests"] for group in TALLY["groups"]}
CONTESTS = [contest for group in GROUPS.values() for contest in group]
CHAPTER = (ROOT / "book" / "chapter11_outlook.md").read_text(encoding="utf-8")
WORDS = " ".join(CHAPTER.split())
MADE = date(2026, 11, 29)


def asserts(at: str) -> list[str]:
    """Return what a cell asserts, each condition as Python writes it."""
    notebook, _, name = at.partition("#")
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))
    (cell,) = (cell for cell in cells["cells"] if cell["id"] == name)
    source = "\n".join(
        line for line in "".join(cell["source"]).splitlines() if not re.match(r"\s*[%!]", line)
    )
    tree = ast.walk(ast.parse(source))
    return [ast.unparse(node.test) for node in tree if isinstance(node, ast.Assert)]


def same(expression: str) -> str:
    return ast.unparse(ast.parse(expression, mode="eval"))


def pairs(condition: str) -> list[tuple[ast.expr, ast.expr]]:
    """Return (smaller, larger) for every comparison in a condition."""
    found = []
    for node in ast.walk(ast.parse(condition, mode="eval")):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
                if isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
                    up = isinstance(op, ast.Lt | ast.LtE)
                    found.append((left, right) if up else (right, left))
    return found


def number(node: ast.expr) -> float | None:
    try:
        return float(ast.literal_eval(node))
    except ValueError:
        return None


def extra(node: ast.expr) -> float:
    """Return what is added to the side of a comparison: 0.3 of ``best.psnr + 0.3``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        value = number(node.right)
        if value is not None:
            return value if isinstance(node.op, ast.Add) else -value
    return 0.0


def times(node: ast.expr) -> float:
    """Return by what a side of a comparison is multiplied: 1.1 of ``1.1 * error``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return number(node.left) or 1.0
    return 1.0


def said_of_lead(condition: str, lead: str) -> str:
    """Return who is ahead, by the bounds of a lead."""
    low, high = -np.inf, np.inf
    for smaller, larger in pairs(condition):
        below, above = ast.unparse(smaller), ast.unparse(larger)
        if f"abs({lead})" in below:
            low, high = -number(larger), number(larger)
        elif below == lead and number(larger) is not None:
            high = number(larger)
        elif above == lead and number(smaller) is not None:
            low = number(smaller)
    assert (low, high) != (-np.inf, np.inf), f"no bound on {lead} in {condition}"
    return "learned" if low >= 0 else "rule" if high <= 0 else "draw"


def said_of_sides(condition: str, learned: str, rule: str) -> str:
    """Return who is ahead, by a comparison of the two."""
    for smaller, larger in pairs(condition):
        below, above = ast.unparse(smaller), ast.unparse(larger)
        certain = extra(smaller) >= extra(larger) and times(smaller) >= times(larger)
        if rule in below and learned in above:
            return "learned" if certain else "draw"
        if learned in below and rule in above:
            return "rule" if certain else "draw"
    raise AssertionError(f"{learned} is not compared with {rule} in {condition}")


def said(contest: dict[str, Any]) -> str:
    """Return the verdict that the assertion of a contest has."""
    condition = same(contest["asserts"])
    if "apart" in contest:  # two alarms: the learned one bounded above, the rule's below
        learned, rule = contest["apart"]
        top = [number(b) for a, b in pairs(condition) if ast.unparse(a).startswith(learned)]
        floor = [number(a) for a, b in pairs(condition) if rule + "[" in ast.unparse(b)]
        return "rule" if top and floor and max(top) < min(floor) else "draw"
    if "learned" in contest:
        verdict = said_of_sides(condition, *(same(contest[side]) for side in ("learned", "rule")))
    else:
        verdict = said_of_lead(condition, same(contest.get("lead") or contest["behind"]))
    swapped = {"learned": "rule", "rule": "learned", "draw": "draw"}
    lower = contest.get("better") == "lower" or "behind" in contest
    return swapped[verdict] if lower else verdict


@pytest.mark.parametrize("contest", CONTESTS, ids=lambda c: f"{c['at']}: {c['what']}")
def test_a_contest_was_won_by_whom_its_page_asserts(contest: dict[str, Any]) -> None:
    held = asserts(contest["at"])
    assert any(same(contest["asserts"]) in condition for condition in held), held
    assert said(contest) == contest["verdict"]


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ("0.4 < lead < 2", "learned"),
        ("lead < -3", "rule"),
        ("-1 < lead < 1", "draw"),
        ("abs(lead) < 1", "draw"),
        ("lead > -0.02", "draw"),
    ],
)
def test_bounds_of_a_lead_name_the_winner(condition: str, verdict: str) -> None:
    assert said_of_lead(condition, "lead") == verdict
    with pytest.raises(AssertionError, match="no bound on other"):
        said_of_lead(condition, "other")


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ("net > rule + 0.3", "learned"),
        ("net < rule - 0.3", "rule"),
        ("rule > max(net, other)", "rule"),
        ("net < 0.75 * rule", "rule"),
        ("net < 1.1 * rule", "draw"),
        ("rule > net - 15", "draw"),
        ("net < rule + 15", "draw"),
    ],
)
def test_a_comparison_names_the_winner(condition: str, verdict: str) -> None:
    assert said_of_sides(condition, "net", "rule") == verdict
    with pytest.raises(AssertionError, match="is not compared"):
        said_of_sides(condition, "net", "nobody")


def test_every_notebook_is_counted_or_has_a_reason() -> None:
    raced = {contest["at"].partition("#")[0] for contest in CONTESTS}
    idle = set(TALLY["no_contest"])
    assert not raced & idle
    assert raced | idle == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_the_text_has_the_count() -> None:
    won, of = OUTLOOK["tally"](CONTESTS), len(CONTESTS)
    learned, draw, rule = won.values()
    assert f"In {learned} of {of}. The rule was ahead in {rule}, and {draw} were draws." in WORDS
    assert f"learned methods were ahead in {learned} contests of {of}," in WORDS
    elsewhere = OUTLOOK["tally"](GROUPS["Elsewhere"])
    assert elsewhere["learned"] == 2
    misled, behind = sorted(c["what"] for c in GROUPS["Elsewhere"] if c["verdict"] == "learned")
    assert "told to the formula before the network" in behind
    assert "told the wrong PSF" in misled


def test_patience_did_what_the_text_says() -> None:
    before = {
        contest["what"]: contest["verdict"]
        for contest in GROUPS["Images"]
        if contest["what"] in {late["what"] for late in GROUPS["Patience"]}
    }
    turns = sorted((before[late["what"]], late["verdict"]) for late in GROUPS["Patience"])
    assert turns == [
        ("draw", "learned"),
        ("rule", "learned"),
        ("rule", "learned"),
        ("rule", "rule"),
    ]
    assert "One draw and two defeats became leads, one defeat stayed." in WORDS


def test_a_crowd_was_found_by_both_and_drawn_better_by_the_network() -> None:
    bent = {c["what"]: c["verdict"] for c in GROUPS["Objects"] if "cellpose" in c["at"]}
    assert bent == {"bent cells, found": "draw", "bent cells, drawn": "learned"}


def test_doubt_was_ahead_nowhere() -> None:
    assert OUTLOOK["tally"](GROUPS["Doubt"])["learned"] == 0


@pytest.mark.parametrize("mind", MINDS, ids=lambda mind: mind["at"])
def test_what_would_change_our_minds_is_not_so_today(mind: dict[str, str]) -> None:
    assert any(same(mind["asserts"]) in condition for condition in asserts(mind["at"]))
    assert re.search(r"\d|all lights|passes|as many", mind["change"])  # something to measure


@pytest.mark.parametrize("name", ["tally", "open_problems"])
def test_the_script_draws_what_the_page_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "make_outlook_figures.py"))
    monkeypatch.setitem(script["svg"].__globals__, "FIGURES", tmp_path)
    script["FIGURE_OF"][name]()
    shown = (ROOT / "book" / "figures" / f"{name}.svg").read_text(encoding="utf-8")
    assert (tmp_path / f"{name}.svg").read_text(encoding="utf-8") == shown


def alt(name: str) -> str:
    return re.search(rf"figures/{name}\.svg\n.*?:alt: ([^\n]*)", CHAPTER, re.DOTALL)[1]


def test_the_alternative_text_has_every_bar() -> None:
    for name, contests in GROUPS.items():
        learned, draw, rule = OUTLOOK["tally"](contests).values()
        assert f"{name} {learned}, {draw} and {rule}." in alt("tally")


def test_the_map_of_open_problems_has_what_the_text_has() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "make_outlook_figures.py"))
    stations = script["PROBLEMS"]
    assert sum(map(len, stations.values())) == 9
    assert "## Nine open problems" in CHAPTER
    section = CHAPTER.split("## Nine open problems")[1].split("\n## ")[0]
    assert re.findall(r"^### (.*)$", section, re.MULTILINE) == list(stations)
    for problem in (problem for problems in stations.values() for problem, _ in problems):
        assert problem.rstrip("?") in alt("open_problems").lower()
        assert re.search(rf"\*\*[^*]*{re.escape(problem)}", section, re.IGNORECASE), problem


def test_a_prediction_can_be_judged() -> None:
    assert 10 <= len(PREDICTIONS) <= 14
    for prediction in PREDICTIONS:
        assert set(prediction) <= {"claim", "by", "probability", "judged", "outcome", "source"}
        assert isinstance(prediction["by"], date)
        assert prediction["by"] > MADE
        assert 0 < prediction["probability"] < 1
        assert len(prediction["judged"]) > 40
        if "outcome" in prediction:
            assert isinstance(prediction["outcome"], bool)
            assert prediction["source"].startswith("https://")
    assert len({prediction["claim"] for prediction in PREDICTIONS}) == len(PREDICTIONS)
    assert "here are fourteen claims" in WORDS
    assert len(PREDICTIONS) == 14


def test_some_predictions_are_of_what_will_not_happen() -> None:
    assert sum(prediction["probability"] <= 0.1 for prediction in PREDICTIONS) >= 3


def test_a_prediction_is_open_then_due_then_known() -> None:
    claim = {"by": date(2030, 1, 1), "probability": 0.2}
    day = timedelta(days=1)
    assert OUTLOOK["state"](claim, claim["by"]) == "open"
    assert OUTLOOK["state"](claim, claim["by"] + day) == "due"  # a mark on the page, no failure
    assert OUTLOOK["state"](claim | {"outcome": False}, claim["by"] + day) == "did not"
    assert OUTLOOK["state"](claim | {"outcome": True}, MADE) == "came true"


def test_a_day_is_told_in_words() -> None:
    assert OUTLOOK["day"](date(2030, 12, 31)) == "the end of 2030"
    assert OUTLOOK["day"](date(2030, 3, 1)) == "1 March 2030"


def test_the_brier_score_is_that_of_the_known() -> None:
    claims = [{"probability": 0.9, "outcome": True}, {"probability": 0.4, "outcome": False}]
    assert OUTLOOK["brier"]([*claims, {"probability": 0.5}]) == pytest.approx((0.01 + 0.16) / 2)
    assert OUTLOOK["brier"]([{"probability": 0.5}]) is None


def test_the_promised_score_is_reached_by_an_honest_prophet() -> None:
    chances = np.array([prediction["probability"] for prediction in PREDICTIONS])
    happened = np.random.default_rng(0).random((20_000, len(chances))) < chances
    mean = np.mean((chances - happened) ** 2)
    assert OUTLOOK["promised"](PREDICTIONS) == pytest.approx(mean, abs=0.003)


def test_the_line_under_the_table_counts() -> None:
    total = OUTLOOK["Predictions"].total
    claim = {"by": MADE, "probability": 0.5}
    assert "Outcomes: 0 of 1 (none is known yet). If" in total([claim], MADE)
    assert "1 of them are due" in total([claim], MADE + timedelta(days=1))
    assert "Outcomes: 1 of 1 (Brier score so far: 0.25)" in total([claim | {"outcome": True}], MADE)


def test_the_energy_is_reckoned_rightly() -> None:
    ours, theirs = 30 * 22 / 60, 300 * 24
    assert f"spend {ours:.0f} Wh" in WORDS
    assert f"spends {theirs / 1000:.1f} kWh" in WORDS
    assert f"some {round(theirs / ours, -1):.0f} times as much" in WORDS


@pytest.mark.book
def test_every_contest_and_prediction_is_on_the_page(built: Path) -> None:
    page = BeautifulSoup(
        (built / "book" / "chapter11_outlook.html").read_text(encoding="utf-8"), "html.parser"
    )
    text = " ".join(page.get_text().split()).translate(str.maketrans("‘’“”", "''\"\""))
    for told in (*(c["what"] for c in CONTESTS), *(p["claim"] for p in PREDICTIONS)):
        assert " ".join(told.split()) in text
    links = [a["href"] for a in page.select("table a.reference.internal")]
    assert sum(link.startswith("../notebooks/") for link in links) == len(CONTESTS) + len(MINDS)
