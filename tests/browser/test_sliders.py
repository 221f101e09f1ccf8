"""The sliders move: by keyboard and mouse, from a server and from the disk."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser


def shown(slider: Locator) -> int:
    """Return which frame is visible; exactly one must be."""
    (visible,) = slider.locator(".aim-frame").evaluate_all(
        """frames => frames.flatMap((frame, k) =>
          frame.checkVisibility({ visibilityProperty: true }) && frame.clientHeight ? [k] : [])"""
    )
    return visible


def move_everything(page: Page) -> int:
    """Move every slider of a page through its range and back; return how many there were."""
    sliders = page.locator("aimicro-slider").all()
    for slider in sliders:
        handle = slider.locator("input[type=range]")
        last = slider.locator(".aim-frame").count() - 1
        handle.focus()
        page.keyboard.press("Home")
        assert shown(slider) == 0
        page.keyboard.press("ArrowRight")
        assert shown(slider) == 1
        page.keyboard.press("End")
        assert shown(slider) == last
        box = handle.bounding_box()
        handle.click(position={"x": 2, "y": box["height"] / 2})
        assert shown(slider) == 0
        handle.click(position={"x": box["width"] - 2, "y": box["height"] / 2})
        assert shown(slider) == last
        value = slider.locator(".aim-frame").nth(last).get_attribute("data-value")
        assert slider.locator("output").text_content() == value
        assert handle.get_attribute("aria-valuetext") == value
    return len(sliders)


@pytest.mark.parametrize("source", ["server", "disk"])
def test_every_slider_moves(source: str, site: str, built: Path, browser: Browser):
    pages = [p for p in sorted(built.rglob("*.html")) if "<aimicro-slider" in p.read_text("utf-8")]
    if source == "server":  # the keys of teachers are pages without a theme: once is enough
        pages = [path for path in pages if path.parent.name != "workshop"]
    page = browser.new_page()
    moved = 0
    for path in pages:
        page.goto(path.as_uri() if source == "disk" else f"{site}/{path.relative_to(built)}")
        moved += move_everything(page)
    page.close()
    assert moved >= 1
