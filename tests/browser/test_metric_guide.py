"""The guide of chapter 10 fills its list by keyboard, and needs no script for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

TABLE = Path(__file__).resolve().parents[2] / "book" / "metric_guide.yml"
GUIDE = yaml.safe_load(TABLE.read_text(encoding="utf-8"))


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def page(request: pytest.FixtureRequest, site: str, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=request.param)
    page = context.new_page()
    page.goto(f"{site}/book/chapter10_output_quality.html")
    yield page
    context.close()


def listed(page: Page) -> list[str]:
    """Return the names of the metrics in the list."""
    return [
        link.text_content()
        for link in page.locator(".guide-result li a").all()
        if link.is_visible()
    ]


def names(*metrics: str) -> list[str]:
    return [GUIDE["metrics"][metric]["name"] for metric in metrics]


def test_the_list_follows_the_keys(page: Page):
    assert listed(page) == []
    assert page.locator(".guide-none").is_visible()

    page.locator("#guide-what-count").focus()
    page.keyboard.press("Space")
    assert listed(page) == names("match", "average_precision")
    assert not page.locator(".guide-none").is_visible()

    page.keyboard.press("ArrowDown")
    assert page.locator("#guide-what-size").is_checked()
    assert listed(page) == names("average_precision", "panoptic_quality")

    page.keyboard.press("Tab")  # to the next question
    page.keyboard.press("Space")
    assert page.locator("#guide-touch-often").is_checked()
    assert listed(page) == names("average_precision", "splits_and_merges", "panoptic_quality")

    # Enter does not send the form: the answers stay.
    page.keyboard.press("Enter")
    assert page.locator("#guide-touch-often").is_checked()
    assert "?" not in page.url

    page.locator("button[type=reset]").focus()
    page.keyboard.press("Enter")
    assert listed(page) == []


def test_what_one_answer_leaves_out_no_other_brings_back(page: Page):
    page.locator("#guide-shape-thin").check()
    assert listed(page) == names("centreline_dice")
    page.locator("#guide-what-area").check()
    assert listed(page) == names("centreline_dice")


def test_only_the_reason_of_the_chosen_answer_shows(page: Page):
    page.locator("#guide-cost-missed").check()
    shown = [text for text in page.locator(".guide-outcome").all() if text.is_visible()]
    assert len(shown) == 1
    assert "β = 2" in shown[0].text_content()


def test_in_print_everything_shows(page: Page):
    page.emulate_media(media="print")
    outcomes = page.locator(".guide-outcome").all()
    assert len(outcomes) == sum(len(question["answers"]) for question in GUIDE["questions"])
    assert all(outcome.is_visible() for outcome in outcomes)
    assert len(listed(page)) == len(GUIDE["metrics"])
    assert not page.locator("form.guide input").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_the_answers_show_is_readable(scheme: str, site: str, browser: Browser):
    context = browser.new_context(reduced_motion="reduce", color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{site}/book/chapter10_output_quality.html", wait_until="networkidle")
    for question in GUIDE["questions"]:
        page.locator(f"#guide-{question['id']}-{next(iter(question['answers']))}").check()
    options = {"resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, context="form.guide", options=options).response
    context.close()
    assert found["passes"]
    assert not [violation["id"] for violation in found["violations"]]
