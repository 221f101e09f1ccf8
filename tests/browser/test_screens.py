"""Switches of a page that runs code; tables, folds and links on a phone, in the dark, on paper."""

import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

pytestmark = pytest.mark.browser

contrast = runpy.run_path(str(Path(__file__).with_name("contrast.py")))["contrast"]
NOTEBOOK = "notebooks/chapter02_a_neuron_learns.html"
OTHER = "notebooks/chapter01_many_microscopes.html"
METRICS = "book/chapter10_output_quality.html"
PHONE = {"width": 390, "height": 844}
HIDE, GUESS = "button:text-is('Hide code')", "button:text-is('Guess first')"
CODE = ".cell:not(.tag_hide-cell) > :is(.cell_input, details)"


@pytest.fixture(scope="module")
def visit(browser: Browser) -> Iterator[BrowserContext]:
    """A profile of its own: what is switched on here, no other test shall find."""
    context = browser.new_context(reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def reader(visit: BrowserContext, site: str) -> Iterator[Page]:
    """A page that runs code, for somebody who has switched nothing on."""
    page = visit.new_page()
    page.goto(f"{site}/{NOTEBOOK}")
    page.evaluate("localStorage.clear()")
    page.reload()
    yield page
    page.close()


def seen(page: Page, selector: str) -> int:
    return page.locator(f":is({selector}):visible").count()


def faults(page: Page) -> list[str]:
    options = {"resultTypes": ["violations"], "preload": False}
    return [found["id"] for found in Axe().run(page, options=options).response["violations"]]


def test_the_code_is_hidden_by_keyboard_on_all_pages_until_it_is_shown(reader: Page, site: str):
    assert seen(reader, CODE) > 10
    outputs = seen(reader, ".cell_output")
    switch = reader.locator(HIDE)
    expect(switch).to_have_attribute("aria-pressed", "false")
    switch.focus()
    reader.keyboard.press("Space")
    expect(switch).to_have_attribute("aria-pressed", "true")
    assert seen(reader, CODE) == 0
    assert seen(reader, ".cell_output") == outputs
    solutions = reader.locator(".tag_hide-cell summary")
    solutions.first.press("Enter")
    expect(reader.locator(".tag_hide-cell .cell_input").first).to_be_visible()

    reader.goto(f"{site}/{OTHER}")
    expect(reader.locator(HIDE)).to_have_attribute("aria-pressed", "true")
    assert seen(reader, CODE) == 0
    reader.locator(HIDE).press("Enter")
    assert seen(reader, CODE) > 10
    reader.reload()
    assert seen(reader, CODE) > 10


def test_hidden_code_is_hidden_before_it_could_be_drawn(reader: Page):
    reader.locator(HIDE).click()
    reader.locator(GUESS).click()
    reader.add_init_script(
        """new MutationObserver((_, watch) => {
          if (!document.querySelector(".cell")) return;
          const root = document.documentElement;
          window.early = ["hide-code", "guess-first"].map(n => root.hasAttribute(`data-${n}`));
          watch.disconnect();
        }).observe(document, { childList: true, subtree: true });"""
    )
    reader.reload()
    assert reader.evaluate("window.early") == [True, True]


def test_results_wait_for_a_guess(reader: Page):
    results = seen(reader, ".cell_output")
    assert seen(reader, ".show-result") == 0
    reader.locator(GUESS).focus()
    reader.keyboard.press("Enter")
    expect(reader.locator(GUESS)).to_have_attribute("aria-pressed", "true")
    folded = seen(reader, ".show-result")
    assert folded > 10
    assert seen(reader, ".cell_output") == results - folded

    # A question, its buttons, and below them nothing that tells the answer.
    stretch = reader.locator(".after-question:has(.guessed + p)").first
    told = stretch.locator(".guessed + p")
    results_here = stretch.locator(".folded-result").all()
    for result in results_here:
        expect(told).to_be_hidden()
        stretch.locator(".show-result:visible").first.focus()
        reader.keyboard.press("Enter")
        expect(result).to_be_visible()
        expect(result).to_be_focused()
    expect(told).to_be_visible()
    assert seen(reader, ".show-result") == folded - len(results_here)

    reader.reload()
    assert seen(reader, ".show-result") == folded
    reader.locator(GUESS).click()
    assert seen(reader, ".show-result") == 0
    assert seen(reader, ".cell_output") == results


def test_a_link_into_a_folded_text_unfolds_it(reader: Page, site: str):
    reader.locator(GUESS).click()
    hidden = reader.locator(".after-question [id]:not(:visible)").first.get_attribute("id")
    reader.goto(f"{site}/{OTHER}")
    reader.goto(f"{site}/{NOTEBOOK}#{hidden}")
    expect(reader.locator(f"[id='{hidden}']")).to_be_visible()


def test_what_was_folded_when_the_page_opened_scrolls_from_the_keyboard(reader: Page):
    reader.set_viewport_size(PHONE)
    reader.locator(HIDE).click()
    reader.reload()
    stuck = """() => [...document.querySelectorAll("pre")]
      .filter(box => box.checkVisibility() && box.scrollWidth > box.clientWidth)
      .map(box => box.tabIndex === 0 ? "scrolls" : "is stuck")"""
    reader.wait_for_timeout(500)  # the theme has looked by then
    reader.locator(HIDE).click()
    opened = reader.evaluate(stuck)
    reader.evaluate("document.querySelectorAll('details').forEach(box => { box.open = true; })")
    reader.wait_for_timeout(100)  # until it is painted
    unfolded = reader.evaluate(stuck)
    assert len(unfolded) > len(opened) > 5
    assert "is stuck" not in unfolded


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_switched_on_a_page_can_be_read_by_everybody(reader: Page, scheme: str):
    reader.emulate_media(color_scheme=scheme)
    reader.wait_for_function("m => document.documentElement.dataset.theme === m", arg=scheme)
    reader.set_viewport_size(PHONE)
    reader.locator(HIDE).click()
    reader.locator(GUESS).click()
    assert faults(reader) == []
    boxes = [reader.locator(name).bounding_box() for name in (HIDE, GUESS)]
    assert all(box["height"] >= 24 and box["x"] + box["width"] <= 390 for box in boxes)


def test_a_browser_that_remembers_nothing_still_switches(visit: BrowserContext, site: str):
    page = visit.new_page()
    page.add_init_script(
        "for (const name of ['getItem', 'setItem', 'removeItem'])"
        " Storage.prototype[name] = () => { throw new DOMException('blocked', 'SecurityError'); };"
    )
    page.goto(f"{site}/{NOTEBOOK}")
    page.locator(HIDE).click()
    expect(page.locator(HIDE)).to_have_attribute("aria-pressed", "true")
    assert seen(page, CODE) == 0
    page.close()


def test_without_scripts_everything_is_there_and_no_switch(browser: Browser, site: str):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/{NOTEBOOK}")
    assert seen(page, CODE) > 10
    assert seen(page, ".folded-result") == page.locator(".folded-result").count() > 10
    assert seen(page, ".page-switch") == seen(page, ".show-result") == 0
    context.close()


def test_a_page_without_code_has_no_switch(page: Page, site: str):
    page.goto(f"{site}/{METRICS}")
    assert page.locator(".page-switch").count() == 0


def test_on_a_phone_every_row_of_definitions_says_what_to_notice(page: Page, site: str):
    page.set_viewport_size(PHONE)
    page.goto(f"{site}/{METRICS}")
    cells = page.locator("table.definitions td[data-head=Notice]").all()
    assert len(cells) > 20
    for cell in cells:
        box = cell.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    style = "cell => getComputedStyle(cell, '::before').content"
    assert cells[0].evaluate(style) == '"Notice"'
    assert page.get_by_role("columnheader", name="Notice").count() > 0


def test_a_wide_table_fades_where_it_goes_on_and_scrolls_by_keyboard(page: Page, site: str):
    page.set_viewport_size(PHONE)
    page.goto(f"{site}/notebooks/appendixA_guidance.html")
    expect(page.locator("[data-more=right]:has(table)").first).to_be_visible()
    name = page.locator("[data-more=right]:has(table)").first.get_attribute("aria-label")
    table = page.locator(f"[data-more][aria-label='{name}']")
    table.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(table).to_have_attribute("data-more", "left")
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(table).to_have_attribute("data-more", "")
    assert table.get_attribute("tabindex") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_folded_code_looks_like_open_code_and_is_aligned(page: Page, site: str, scheme: str):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{site}/{NOTEBOOK}")
    page.wait_for_function("m => document.documentElement.dataset.theme === m", arg=scheme)
    look = """box => {
      const style = getComputedStyle(box), place = box.getBoundingClientRect();
      return [place.left, place.right, style.borderLeft, style.borderTop, style.boxShadow];
    }"""
    folded = page.locator(".cell > details").first
    opened = page.locator(".cell > .cell_input").first
    assert folded.evaluate(look) == opened.evaluate(look)
    figure = page.locator(".cell_output .aim").first
    assert figure.evaluate(look)[0] == folded.evaluate(look)[0]
    bare = "box => [getComputedStyle(box).borderWidth, getComputedStyle(box).boxShadow]"
    assert folded.locator("summary").evaluate(bare) == ["0px", "none"]
    colour = "box => getComputedStyle(box).backgroundColor"
    code = page.locator(".cell > .cell_input pre").first
    assert folded.evaluate(colour) == code.evaluate(colour)


@pytest.mark.parametrize("name", [METRICS, "book/appendixA_rcan.html", "book/results.html"])
def test_links_in_dark_tables_are_as_bright_as_in_text(page: Page, site: str, name: str):
    page.emulate_media(color_scheme="dark")
    page.goto(f"{site}/{name}")
    page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    colour = "link => getComputedStyle(link).color"
    text = page.locator("article section > p a.reference").first.evaluate(colour)
    links = page.locator("article table:not(.aim table) td a").all()
    assert {link.evaluate(colour) for link in links} == {text}
    for row in page.locator("article table:has(td a) tr").all()[:3]:
        ground = row.evaluate("row => getComputedStyle(row).backgroundColor")
        assert contrast(text, ground) > 7


def test_paper_has_no_side_bars_no_folds_and_no_hidden_results(reader: Page):
    reader.emulate_media(color_scheme="dark", media="print")
    assert seen(reader, ".bd-sidebar-primary, .bd-sidebar-secondary, .page-switches") == 0
    reader.locator(GUESS).dispatch_event("click")
    assert seen(reader, ".folded-result") == reader.locator(".folded-result").count()
    assert seen(reader, ".show-result") == 0
    assert seen(reader, ".cell > details.above-input:not(.tag_hide-cell *)") == 0
    solution = reader.locator(".tag_hide-cell .cell_input").first
    assert solution.evaluate("box => box.checkVisibility({ contentVisibilityAuto: true })")
    assert solution.bounding_box()["height"] > 0
    assert seen(reader, CODE) > 10
    reader.locator(HIDE).dispatch_event("click")
    assert seen(reader, CODE) == 0
    assert solution.bounding_box()["height"] > 0
    reader.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert reader.locator("html").get_attribute("data-theme") == "light"
    reader.evaluate("dispatchEvent(new Event('afterprint'))")
    assert reader.locator("html").get_attribute("data-theme") == "dark"
