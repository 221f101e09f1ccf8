"""The forms of chapters 5 and 8 become files by keyboard, and need a script for that alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

BOOK = Path(__file__).resolve().parents[2] / "book"
PLAN, CARD = (
    yaml.safe_load((BOOK / f"{name}.yml").read_text(encoding="utf-8"))
    for name in ("tool_plan", "data_card")
)
QUESTIONS = [question for part in PLAN["parts"] for question in part["questions"]]
ADDRESS = "book/chapter08_choosing_a_tool.html"
CARD_ADDRESS = "book/chapter05_training_data.html"


@pytest.fixture
def form(site: str, page: Page) -> Page:
    page.goto(f"{site}/{ADDRESS}")
    return page


@pytest.fixture
def plain(site: str, browser: Browser) -> Iterator[Page]:
    """The page in a browser without scripts."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/{ADDRESS}")
    yield page
    context.close()


def saved(page: Page, name: str = "tool-plan.md") -> str:
    """Press the button by keyboard and return the file."""
    page.locator(".plan-save").focus()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == name
    return download.value.path().read_text(encoding="utf-8")


def section(plan: str, title: str) -> str:
    return plan.split(f"\n## {title}\n")[1].split("\n## ")[0].strip()


def test_answers_given_by_keyboard_are_in_the_plan(form: Page):
    form.locator("#plan-output-1").focus()
    form.keyboard.press("Space")
    form.keyboard.press("Tab")
    form.keyboard.press("Space")
    form.locator("#plan-output-words").focus()
    form.keyboard.type("one row for each nucleus,")
    form.keyboard.press("Enter")
    form.keyboard.type("area in µm²")
    form.keyboard.press("Tab")
    form.keyboard.type("must")
    form.locator("#plan-time-1").focus()
    form.keyboard.press("Space")
    form.keyboard.press("ArrowDown")
    form.locator("#plan-size-words").fill("40 GB")
    form.locator("#plan-size-weight").select_option("nice to have")

    plan = saved(form)
    output, time, size = (
        next(question for question in QUESTIONS if question["id"] == name)
        for name in ("output", "time", "size")
    )
    assert plan.startswith("# Plan: choosing a tool\n")
    assert section(plan, "Must have").splitlines() == [
        f"### 1. {output['ask']}",
        "",
        f"- {output['options'][0]}",
        f"- {output['options'][1]}",
        "- one row for each nucleus,",
        "  area in µm²",
    ]
    assert size["ask"] in section(plan, "Nice to have")
    assert section(plan, "Nice to have").endswith("- 40 GB")
    assert section(plan, "To keep in mind").endswith(f"{time['ask']}\n\n- {time['options'][1]}")
    still_open = section(plan, "Still open").splitlines()
    assert len(still_open) == len(QUESTIONS) - 3
    assert section(plan, "Next").splitlines() == [f"- [ ] {step}" for step in PLAN["next"]]
    assert form.locator(".plan [role=status]").text_content().endswith(f": {len(still_open)}.")
    assert "?" not in form.url


def test_an_empty_form_gives_a_plan_of_open_questions(form: Page):
    plan = saved(form)
    assert len(section(plan, "Still open").splitlines()) == len(QUESTIONS)
    assert "Must have" not in plan


def test_a_weight_without_an_answer_leaves_the_question_open(form: Page):
    form.locator("#plan-quality-weight").select_option("must have")
    assert "Must have" not in saved(form)


def test_a_data_card_has_its_parts_and_says_what_is_not_known(site: str, page: Page):
    page.goto(f"{site}/{CARD_ADDRESS}")
    page.locator("#plan-purpose-words").fill("nuclei of HeLa cells, 20x")
    page.locator("#plan-pairs-2").focus()
    page.keyboard.press("Space")
    card = saved(page, "data-card.md")
    assert card.startswith("# Data card\n")
    assert [line[3:] for line in card.splitlines() if line.startswith("## ")] == [
        *(part["title"] for part in CARD["parts"]),
        "Next",
    ]
    purpose, misuse = CARD["parts"][0]["questions"]
    assert section(card, "Purpose") == (
        f"### 1. {purpose['ask']}\n\n- nuclei of HeLa cells, 20x\n\n"
        f"### 2. {misuse['ask']}\n\nNot known yet."
    )
    pairs = next(q for q in CARD["parts"][1]["questions"] if q["id"] == "pairs")
    assert f"{pairs['ask']}\n\n- {pairs['options'][1]}\n" in section(card, "Images")
    assert card.count("Not known yet.") == 10
    assert page.locator(".plan [role=status]").text_content().endswith(": 10.")


def test_the_answers_can_be_taken_back(form: Page):
    form.locator("#plan-judge-2").check()
    saved(form)
    form.locator(".plan button[type=reset]").press("Enter")
    assert not form.locator("#plan-judge-2").is_checked()
    assert form.locator(".plan [role=status]").text_content() == ""


def test_enter_does_not_send_the_form(form: Page):
    form.locator("#plan-judge-2").check()
    form.keyboard.press("Enter")
    assert form.locator("#plan-judge-2").is_checked()
    assert "?" not in form.url


def test_without_scripts_the_questions_can_be_answered_and_printed(plain: Page):
    assert not plain.locator(".plan-save").is_visible()
    assert plain.locator(".plan noscript p").is_visible()
    plain.locator("#plan-priority-2").focus()
    plain.keyboard.press("Space")
    assert plain.locator("#plan-priority-2").is_checked()
    plain.keyboard.press("Enter")
    assert "?" not in plain.url

    plain.emulate_media(media="print")
    questions = plain.locator(".plan fieldset").all()
    assert len(questions) == len(QUESTIONS)
    assert all(question.is_visible() for question in questions)
    assert plain.locator("#plan-size-words").bounding_box()["height"] > 60
    assert not plain.locator(".plan button").first.is_visible()
    assert not plain.locator(".plan noscript p").is_visible()
    assert plain.locator(".plan-next li").last.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_filled_form_is_readable(scheme: str, site: str, browser: Browser):
    context = browser.new_context(reduced_motion="reduce", color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{site}/{ADDRESS}", wait_until="networkidle")
    for question in QUESTIONS:
        page.locator(f"#plan-{question['id']}-1").check()
    page.locator("#plan-output-words").fill("nuclei")  # and its question is the one in focus
    page.locator(".plan-save").click()
    options = {"resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, context="form.plan", options=options).response
    context.close()
    assert found["passes"]
    assert not [violation["id"] for violation in found["violations"]]
