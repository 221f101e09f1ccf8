"""Guess sheets and answer keys in a browser: readable by everyone, on a phone, and on paper."""

import runpy
from pathlib import Path

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PAGES = runpy.run_path(str(Path(__file__).with_name("test_pages.py")))
# All are made alike: one with figures and a slider, one with formulas, one with lists in questions.
NAMES = ["chapter06_denoising", "chapter10_how_sure", "chapter08_six_ways"]


@pytest.mark.parametrize("kind", ["guesses", "answers"])
@pytest.mark.parametrize("name", NAMES)
def test_sheets_and_keys_are_for_everybody(name: str, kind: str, site: str, page: Page):
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    for width, scheme in ((1280, "light"), (1280, "dark"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{site}/workshop/{name}_{kind}.html", wait_until="networkidle")
        look = f"{scheme}, {width} px"
        found = [*PAGES["violations"](page, {}), *PAGES["overflowing"](page)]
        faults += [f"{look}: {fault}" for fault in found]
    assert not faults, "\n".join(faults)


def test_on_paper_a_sheet_is_black_on_white_and_keeps_each_question_whole(site: str, page: Page):
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(f"{site}/workshop/{NAMES[0]}_guesses.html")
    ground = page.eval_on_selector("body", "e => getComputedStyle(e).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    kept = "all => all.map(e => getComputedStyle(e).breakInside)"
    assert set(page.eval_on_selector_all(".question", kept)) == {"avoid"}
