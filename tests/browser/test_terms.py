"""A term says what it means: to the pointer, to the keyboard and to a finger."""

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser

PAGE = "book/chapter02_primer.html"
LINK = "a[aria-describedby='hint-term-convolution']"
HINT = "#hint-term-convolution"
contrast = runpy.run_path(str(Path(__file__).with_name("contrast.py")))["contrast"]


@pytest.fixture
def term(page: Page, site: str) -> Locator:
    page.goto(f"{site}/{PAGE}")
    return page.locator(LINK).first


@pytest.fixture
def phone(browser: Browser, site: str) -> Iterator[Page]:
    context = browser.new_context(
        has_touch=True, is_mobile=True, viewport={"width": 390, "height": 700}
    )
    page = context.new_page()
    page.goto(f"{site}/{PAGE}")
    yield page
    context.close()


def test_the_pointer_opens_a_definition_and_may_move_onto_it(page: Page, term: Locator):
    hint = page.locator(HINT)
    expect(hint).to_be_hidden()
    term.hover()
    expect(hint).to_be_visible()
    expect(hint).to_contain_text("copy of a small pattern")
    hint.hover()
    page.wait_for_timeout(600)  # longer than it takes to close
    expect(hint).to_be_visible()
    page.mouse.move(1, 1)
    expect(hint).to_be_hidden()


def test_the_focus_opens_a_definition_and_escape_closes_it(page: Page, term: Locator):
    hint = page.locator(HINT)
    term.focus()
    expect(hint).to_be_visible()
    page.keyboard.press("Escape")
    expect(hint).to_be_hidden()
    expect(term).to_be_focused()


def test_the_next_term_closes_the_last_one(page: Page, term: Locator):
    term.focus()
    page.keyboard.press("Tab")
    expect(page.locator(HINT)).to_be_hidden()
    expect(page.locator(".hint:popover-open")).to_have_count(1)


def test_a_definition_lies_on_the_screen_beside_its_word(page: Page, term: Locator):
    term.focus()
    word, hint = term.bounding_box(), page.locator(HINT).bounding_box()
    size = page.viewport_size
    assert 0 <= hint["x"] <= hint["x"] + hint["width"] <= size["width"]
    assert 0 <= hint["y"] <= hint["y"] + hint["height"] <= size["height"]
    below = hint["y"] - word["y"] - word["height"]
    above = word["y"] - hint["y"] - hint["height"]
    assert 0 <= max(below, above) < 10


def test_a_touch_opens_a_definition_and_a_second_one_the_glossary(phone: Page):
    term, hint = phone.locator(LINK).first, phone.locator(HINT)
    term.tap()
    expect(hint).to_be_visible()
    expect(hint).to_contain_text("Tap the word again")
    assert phone.url.endswith(PAGE)
    box = hint.bounding_box()
    assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
    term.tap()
    expect(phone).to_have_url(re.compile(r"glossary\.html#term-convolution$"))


def test_a_touch_elsewhere_closes_a_definition(phone: Page):
    phone.locator(LINK).first.tap()
    expect(phone.locator(HINT)).to_be_visible()
    phone.locator(".bd-article h1").tap()
    expect(phone.locator(HINT)).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_open_definition_can_be_read_by_everybody(page: Page, site: str, scheme: str):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{site}/{PAGE}")
    page.locator(LINK).first.focus()
    expect(page.locator(HINT)).to_be_visible()
    found = Axe().run(page, context=HINT)
    assert found.violations_count == 0, found.generate_report()
    # Of what lies above the page axe does not tell the contrast.
    style = "box => [getComputedStyle(box).color, getComputedStyle(box).backgroundColor]"
    assert contrast(*page.locator(HINT).evaluate(style)) > 7
    assert page.locator("html").get_attribute("data-theme") == scheme


def test_without_scripts_a_term_leads_to_the_glossary(browser: Browser, site: str):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/{PAGE}")
    expect(page.locator(HINT)).to_be_hidden()
    page.locator(LINK).first.click()
    expect(page).to_have_url(re.compile(r"glossary\.html#term-convolution$"))
    context.close()


def test_an_entry_leads_back_to_where_it_is_used(page: Page, site: str):
    page.goto(f"{site}/book/glossary.html")
    entry = page.locator("dt#term-convolution + dd")
    entry.get_by_text(re.compile("^Used on")).click()  # there are many, so they are folded
    entry.get_by_role("link", name="Chapter 2").click()
    expect(page).to_have_url(re.compile(rf"{PAGE}#use-term-convolution$"))
    expect(page.locator("#use-term-convolution")).to_be_in_viewport()


def test_every_term_of_the_book_has_its_definition(built: Path):
    for path in built.glob("book/*.html"):
        text = path.read_text(encoding="utf-8")
        terms = set(re.findall(r'href="[^"#]*glossary\.html#(term-[^"]+)"', text))
        assert terms == set(re.findall(r'role="tooltip" id="hint-(term-[^"]+)"', text)), path.name
