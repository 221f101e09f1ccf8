"""Every page in a real browser: readable by everyone, on a phone too, and quiet."""

import re
import runpy
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request, Response

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
LAPTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
# Contrast takes most of axe's time, word by word, though a page has twenty pairs of colours. So axe
# is asked once, in the light and not of code, and pale_words of all pairs in every look.
ALL: dict = {}
LINKS = {"runOnly": {"type": "rule", "values": ["link-in-text-block"]}}
THE_REST = {"rules": {"color-contrast": {"enabled": False}}}
LOOKS = [(LAPTOP, "light", ALL), (LAPTOP, "dark", LINKS), (PHONE, "dark", THE_REST)]
ENOUGH = 4.5  # for text, by WCAG 2.2, level AA
OPAQUE = re.compile(r"rgb\(\d+, \d+, \d+\)")  # all that contrast reads
SEE_THROUGH = re.compile(r"rgba\((\d+), (\d+), (\d+), ([\d.]+)\)")
contrast = runpy.run_path(str(Path(__file__).with_name("contrast.py")))["contrast"]


def book_pages() -> list[str]:
    """Return the pages of the table of contents, and those that Sphinx adds."""
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    names = re.findall(r"(?:root|file): (\S+)", contents)
    return [f"{name}.html" for name in [*names, "genindex", "search"]]


def violations(page: Page, rules: dict) -> list[str]:
    """Return what axe finds, one line a fault: the rule, the element, what to do."""
    page.evaluate(Axe().axe_script)
    # Preloading would ask for other files.
    options = {"resultTypes": ["violations"], "preload": False, **rules}
    response = page.evaluate(
        """async options => {
          axe.configure({rules: [{id: "color-contrast", selector: "*:not(pre, pre *)"}]});
          return (await axe.run(document, options)).violations;
        }""",
        options,
    )
    return [
        f"{found['id']} at {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for found in response
        for node in found["nodes"]
    ]


def pale_words(page: Page) -> list[str]:
    """Return the words, one for each pair of colours, that stand out too little from their ground.

    The ground is the nearest that is painted. Where that is see-through, it has to do on whatever
    lies below: on every grey from black to white. Drawings (SVG) are left out, as by axe.
    """
    drawn = page.evaluate(
        """() => {
          const found = {};
          for (const word of document.querySelectorAll("body *")) {
            const own = [...word.childNodes].find(n => n.nodeType === 3 && n.data.trim());
            if (!own || word.closest("svg")) continue;
            if (!word.checkVisibility({ visibilityProperty: true })) continue;
            let box = word, ground = null;
            for (; box; box = box.parentElement) {
              const style = getComputedStyle(box);
              if (style.opacity !== "1") ground = `opacity ${style.opacity}`;
              if (!ground && style.backgroundColor !== "rgba(0, 0, 0, 0)")
                ground = style.backgroundColor;
            }
            const colour = getComputedStyle(word).color;
            found[`${colour} on ${ground}`] = [colour, ground, own.data.trim().slice(0, 40)];
          }
          return Object.values(found);
        }"""
    )
    return [
        f"pale: {word!r} in {colour} on {ground}"
        for colour, ground, word in drawn
        if not OPAQUE.fullmatch(colour)
        or not (below := painted(str(ground)))
        or min(contrast(colour, one) for one in below) < ENOUGH
    ]


def painted(ground: str) -> list[str]:
    """Return a ground as it looks: on each grey, if it is see-through; [] if that is unknown."""
    if OPAQUE.fullmatch(ground):
        return [ground]
    if not (parts := SEE_THROUGH.fullmatch(ground)):
        return []
    *colour, share = map(float, parts.groups())
    mixed = [[round(share * c + (1 - share) * below) for c in colour] for below in range(256)]
    return [f"rgb({', '.join(map(str, one))})" for one in mixed]


def overflowing(page: Page) -> list[str]:
    """Return the elements that make the page wider than the screen."""
    return page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
          [...document.querySelectorAll("article *")]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
            .map(e => `wider than the screen: ${e.tagName} ${e.className}`).slice(0, 5)
            .concat(`the page is ${document.documentElement.scrollWidth} px wide`)"""
    )


def not_seen_to_scroll(page: Page) -> list[str]:
    """Return the tables that are cut off without a fade, or that no keyboard can scroll."""
    return page.evaluate(
        """() => [...document.querySelectorAll("article table")].flatMap(table => {
          let box = table.parentElement;
          while (box && getComputedStyle(box).overflowX !== "auto") box = box.parentElement;
          if (!box || box.scrollWidth <= box.clientWidth + 1) return [];
          const head = table.textContent.trim().slice(0, 30);
          if (table.matches(".definitions") && innerWidth < 600) return [`not stacked: ${head}`];
          const good = box.tabIndex === 0 && box.getAttribute("aria-label") &&
            box.dataset.more === "right" && getComputedStyle(box).maskImage !== "none";
          return good ? [] : [`is cut and does not show it: ${head}`];
        })"""
    )


def labels_too_small(page: Page) -> list[str]:
    """Return the drawings with words below 9 px that do not lead to the drawing at full size."""
    return page.evaluate(
        """async () => {
          const faults = [];
          for (const image of document.querySelectorAll("article figure img[src$='.svg']")) {
            const text = await (await fetch(image.src)).text();
            const box = document.createElement("div");
            box.style.width = `${image.clientWidth}px`;
            box.innerHTML = text.slice(text.indexOf("<svg"));
            document.body.append(box);
            const drawing = box.querySelector("svg");
            const scale = drawing.getBoundingClientRect().width / drawing.viewBox.baseVal.width;
            const smallest = Math.min(...[...box.querySelectorAll("text, tspan")].map(
              word => parseFloat(getComputedStyle(word).fontSize) * scale));
            box.remove();
            const link = image.closest("figure").querySelector(".full-size a");
            if (smallest < 9 && !(link?.href === image.src && link.checkVisibility()))
              faults.push(`labels of ${smallest.toFixed(1)} px: ${image.src}`);
          }
          return faults;
        }"""
    )


@pytest.mark.parametrize("name", book_pages())
def test_page(name: str, site: str, page: Page):
    faults: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(f"console: {message.text}")

    def watch(response: Response) -> None:
        if response.status >= 400:
            faults.append(f"{response.status}: {response.url}")

    def trace(request: Request) -> None:
        if not request.url.startswith((site, "data:", "blob:")):
            faults.append(f"asks another site: {request.url}")

    page.on("console", hear)
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.on("response", watch)
    page.on("request", trace)
    for viewport, scheme, rules in LOOKS:
        if page.viewport_size != viewport or page.url == "about:blank":
            # Opened anew: what scrolls at this width, the theme makes focusable after a while.
            page.set_viewport_size(viewport)
            page.goto(f"{site}/{name}", wait_until="load")
            page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("m => document.documentElement.dataset.theme === m", arg=scheme)
        look = f"{scheme}, {viewport['width']} px"
        found = [*violations(page, rules), *pale_words(page), *overflowing(page)]
        if viewport is PHONE:
            found += [*not_seen_to_scroll(page), *labels_too_small(page)]
        faults += [f"{look}: {fault}" for fault in found]
    page.wait_for_load_state("networkidle")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pale_words_are_found(scheme: str, site: str, page: Page):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{site}/notebooks/chapter02_a_neuron_learns.html")
    assert pale_words(page) == []
    for place in ("pre span.n", "article p"):
        word = page.locator(place).first
        for style, told in (
            ("color: #808080; background: #777", "in rgb(128, 128, 128) on rgb(119, 119, 119)"),
            ("color: #fff; background: #0006", "on rgba(0, 0, 0, 0.4)"),
            ("opacity: 0.9", "on opacity 0.9"),
        ):
            word.evaluate("(word, style) => { word.style = style; }", style)
            assert told in "".join(pale_words(page))
        word.evaluate("word => word.removeAttribute('style')")


def test_a_see_through_ground_has_to_do_on_every_grey():
    seen = painted("rgba(0, 0, 0, 0.6)")
    assert (seen[0], seen[-1]) == ("rgb(0, 0, 0)", "rgb(102, 102, 102)")
    # This grey stands out from black and from white, and from what lies between not at all.
    between = [contrast("rgb(117, 117, 117)", one) for one in painted("rgba(0, 0, 0, 0.0)")]
    assert between[0] > ENOUGH < between[-1]
    assert min(between) == 1
    assert painted("rgb(1, 2, 3)") == ["rgb(1, 2, 3)"]
    assert painted("color(srgb 0 0 0)") == []


def test_search_finds_a_word_of_the_book(site: str, page: Page):
    page.goto(f"{site}/search.html?q=denoising")
    page.wait_for_selector("#search-results li a")
    addresses = page.eval_on_selector_all("#search-results li a", "links => links.map(a => a.href)")
    assert any("chapter06_restoration" in address for address in addresses)
