"""Draw how a language model goes on and invents, a map of words, an agent, a stair of checks.

Usage: make_language_figures.py    (writes five files into book/figures)

The first two figures are counted, from ten captions that stand on the page: such a "model" is a
table of which word came after which words, and whoever likes can count it again.
"""

import base64
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from aimicro import simulate

FIGURES = Path(__file__).resolve().parents[1] / "book" / "figures"
CARD, INK, LINE, GREY = "#f6f7f9", "#1a1a1a", "#4a5568", "#cbd5e0"
BLUE, ORANGE, LEARNT, KNOWN = "#0072b2", "#b34700", "#d6e6f5", "#fbe5c0"
WIDTH = 1000

CAPTIONS = (
    "nuclei stained with DAPI in HeLa cells",
    "nuclei stained with DAPI in mouse liver",
    "nuclei stained with DAPI in zebrafish",
    "nuclei stained with DAPI in onion skin",
    "nuclei stained with Hoechst in HeLa cells",
    "mitochondria stained with MitoTracker in HeLa cells",
    "mitochondria stained with MitoTracker in onion skin",
    "actin stained with phalloidin in HeLa cells",
    "actin stained with phalloidin in mouse liver",
    "actin stained with phalloidin in zebrafish",
)
INVENTED = ("mitochondria", "stained with", "DAPI", "zebrafish")


def following(words: str, memory: int) -> dict[str, float]:
    """Return how likely each next word is after the last ``memory`` of these words."""
    known = words.split()[-memory:]
    found: Counter[str] = Counter()
    for caption in CAPTIONS:
        text = caption.split()
        found.update(
            text[k + len(known)]
            for k in range(len(text) - len(known))
            if text[k : k + len(known)] == known
        )
    return {word: n / found.total() for word, n in found.most_common()}


def at_temperature(chances: dict[str, float], temperature: float) -> dict[str, float]:
    """Return chances sharpened (below 1) or flattened (above 1)."""
    powers = {word: chance ** (1 / temperature) for word, chance in chances.items()}
    return {word: power / sum(powers.values()) for word, power in powers.items()}


def write(name: str, title: str, height: int, drawn: str) -> None:
    """Write a figure."""
    FIGURES.joinpath(f"{name}.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        "aria-labelledby=\"t\" font-family=\"'Segoe UI', 'Helvetica Neue', Arial, sans-serif\" "
        f'font-size="27" fill="{INK}"><title id="t">{title}</title><defs>'
        + "".join(
            f'<marker id="{name}" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="4" '
            f'markerHeight="4" orient="auto"><path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'
            for name, colour in (("tip", LINE), ("stop", ORANGE))
        )
        + f'</defs><rect width="{WIDTH}" height="{height}" rx="14" fill="{CARD}"/>{drawn}</svg>\n',
        encoding="utf-8",
    )


def text(x: float, y: float, words: str, more: str = "") -> str:
    """Return words."""
    return f'<text x="{x:g}" y="{y:g}"{" " + more if more else ""}>{words}</text>'


def box(x: int, y: int, width: int, height: int, fill: str, *lines: str) -> str:
    """Return a box with lines of words in its middle, the first one bold."""
    top = y + height / 2 + 10 - 17 * (len(lines) - 1)
    words = "".join(
        text(
            x + width / 2, top + 34 * k, line,
            f'text-anchor="middle"{" font-weight=" + chr(34) + "700" + chr(34) if not k else ""}',
        )
        for k, line in enumerate(lines)
    )  # fmt: skip
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="12" fill="{fill}" '
        f'stroke="{LINE}" stroke-width="2"/>{words}'
    )


def arrow(path: str, colour: str = LINE, tip: str = "tip", dashed: bool = False) -> str:
    """Return a line with a tip."""
    dashes = ' stroke-dasharray="10 7"' if dashed else ""
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="4"{dashes} '
        f'marker-end="url(#{tip})"/>'
    )


def bars(x: int, y: int, title: str, chances: dict[str, float]) -> str:
    """Return bars of how likely each next word is."""
    drawn = title
    for k, (word, chance) in enumerate(sorted(chances.items(), key=lambda pair: -pair[1])):
        row, length = y + 30 + 44 * k, 150 * chance
        drawn += text(x + 160, row + 27, word, 'text-anchor="end"')
        drawn += (
            f'<rect x="{x + 172}" y="{row}" width="{length:.1f}" height="34" rx="4" fill="{BLUE}"/>'
        )
        drawn += text(x + 182 + round(length, 1), row + 27, f"{chance:.0%}".replace("%", " %"))
    return drawn


def prediction_figure() -> None:
    """Draw what may come next: two words remembered, colder, hotter, and three remembered."""
    two = following("mitochondria stained with", memory=2)
    panels = (
        ("a", "stained with …", "two words remembered", two),
        ("b", "stained with …", "colder: temperature 0.5", at_temperature(two, 0.5)),
        ("c", "stained with …", "hotter: temperature 2", at_temperature(two, 2)),
        (
            "d", "mitochondria stained with …", "three words remembered",
            following("mitochondria stained with", memory=3),
        ),
    )  # fmt: skip
    drawn = ""
    for k, (letter, words, how, chances) in enumerate(panels):
        x, y = 24 + 490 * (k % 2), 44 + 320 * (k // 2)
        title = text(x, y, letter, 'font-weight="700"')
        title += text(x + 34, y, words, 'font-style="italic"') + text(x + 34, y + 36, how)
        drawn += bars(x, y + 36, title, chances)
    write("next_token", "What may come next", 628, drawn)


def flow(start: tuple[float, float], end: tuple[float, float], width: float, paint: str) -> str:
    """Return a bent band from left to right."""
    (a, b), (c, d) = start, end
    middle = (a + c) / 2
    return (
        f'<path d="M{a:g} {b:g}C{middle:g} {b:g} {middle:g} {d:g} {c:g} {d:g}" fill="none" '
        f'stroke-width="{width:g}" {paint}/>'
    )


def invention_figure() -> None:
    """Draw all captions that a memory of two words can walk, and one that nobody wrote."""
    parts = [c.replace(" in ", "|").replace(" stained with ", "|").split("|") for c in CAPTIONS]
    columns = ((24, 204), (296, 464), (540, 700), (835, 988))
    names = [
        ["nuclei", "actin", "mitochondria"],
        ["stained with"],
        ["DAPI", "Hoechst", "phalloidin", "MitoTracker"],
        ["HeLa cells", "mouse liver", "zebrafish", "onion skin"],
    ]
    rows = [[150, 290, 430], [290], [110, 230, 350, 470], [110, 230, 350, 470]]
    place = [dict(zip(n, r, strict=True)) for n, r in zip(names, rows, strict=True)]
    short = [[a, "stained with", b, c] for a, b, c in parts]
    drawn = ""
    for k in range(3):
        for (a, b), n in Counter((words[k], words[k + 1]) for words in short).items():
            start, end = (columns[k][1], place[k][a]), (columns[k + 1][0], place[k + 1][b])
            drawn += flow(start, end, 7 * n, f'stroke="{GREY}"')
    walk = list(INVENTED)
    for k in range(3):
        start = (columns[k][1], place[k][walk[k]])
        end = (columns[k + 1][0] - 6, place[k + 1][walk[k + 1]])
        drawn += flow(start, end, 5, f'stroke="{ORANGE}" stroke-dasharray="12 7"')
    for k, (left, right) in enumerate(columns):
        for word, y in place[k].items():
            edge = ORANGE if word == walk[k] else LINE
            drawn += (
                f'<rect x="{left}" y="{y - 30}" width="{right - left}" height="60" rx="10" '
                f'fill="#fff" stroke="{edge}" stroke-width="{4 if word == walk[k] else 2}"/>'
            ) + text((left + right) / 2, y + 9, word, 'text-anchor="middle"')
    drawn += text(768, 58, "in", 'text-anchor="middle" font-style="italic"')
    drawn += text(30, 58, "each step was read", 'font-weight="700"')
    drawn += text(
        500, 580, "mitochondria stained with DAPI in zebrafish: nobody wrote that.",
        f'text-anchor="middle" font-weight="700" fill="{ORANGE}"',
    )  # fmt: skip
    write("every_step_was_read", "How a false sentence is made of true ones", 612, drawn)


def fields() -> dict[str, np.ndarray]:
    """Return four simulated fields, the last one empty."""
    rng = np.random.default_rng(3)
    shape, pixel = (96, 96), 0.1
    clean = {
        "nuclei in a dish": simulate.nuclei(shape, pixel_size_um=0.5, n=9, rng=rng)[0],
        "filaments in a cell": simulate.filaments(shape, pixel_size_um=pixel, n=9, rng=rng),
        "vesicles in a cell": simulate.vesicles(shape, pixel_size_um=pixel, n=24, rng=rng)[0],
        "": np.zeros(shape),
    }
    return {name: rng.poisson(4 + 60 * image) for name, image in clean.items()}


def nearest_figure() -> None:
    """Draw sentences and pictures as places on a map, and a picture that fits none."""
    corners = {"nuclei in a dish": (40, 40), "filaments in a cell": (790, 40)}
    corners |= {"vesicles in a cell": (40, 330), "": (700, 335)}
    words = {"nuclei in a dish": (400, 90), "filaments in a cell": (590, 165)}
    words |= {"vesicles in a cell": (400, 440)}
    drawn = ""
    for name, pixels in fields().items():
        x, y = corners[name]
        to_x, to_y = words[name or "filaments in a cell"]
        line = f'stroke="{LINE if name else ORANGE}"' + ("" if name else ' stroke-dasharray="10 7"')
        drawn += (
            f'<line x1="{x + 85}" y1="{y + 85}" x2="{to_x}" y2="{to_y}" {line} stroke-width="4"/>'
        )
        grey = np.clip(pixels * (255 / np.percentile(pixels, 99.7 if name else 100)), 0, 255)
        file = BytesIO()
        shade = grey if name else grey / 3
        Image.fromarray(shade.astype(np.uint8)).save(file, "PNG", optimize=True)
        address = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
        drawn += (
            f'<image x="{x}" y="{y}" width="170" height="170" '
            f'style="image-rendering:pixelated" href="{address}"/>'
        )
    for name, (x, y) in words.items():
        drawn += (
            f'<rect x="{x - 130}" y="{y - 30}" width="260" height="60" rx="30" fill="{LEARNT}" '
            f'stroke="{LINE}" stroke-width="2"/>'
        ) + text(x, y + 9, name, 'text-anchor="middle"')
    drawn += text(722, 305, "nearest, and wrong", f'fill="{ORANGE}" font-weight="700"')
    write("nearest_sentence", "Something is always nearest", 530, drawn)


def agent_figure() -> None:
    """Draw an agent's loop, and what holds it."""
    drawn = "".join(
        (
            box(30, 30, 270, 96, "#fff", "task", "with a criterion"),
            box(30, 240, 270, 110, LEARNT, "language model", "proposes a step"),
            box(385, 240, 250, 110, KNOWN, "1 on the list?", "within limits?"),
            box(720, 240, 250, 110, "#fff", "2 sandbox", "the tool runs"),
            box(720, 470, 250, 110, KNOWN, "3 checks", "numbers, pictures"),
            box(385, 470, 250, 110, KNOWN, "4 steps left?", "budget, time"),
            box(30, 690, 270, 110, KNOWN, "5 a person", "looks, and signs"),
            box(385, 690, 585, 110, "#fff", "log", "every call, answer, picture, refusal"),
            arrow("M165 130V232"),
            arrow("M304 295H377"),
            arrow("M639 295H712"),
            arrow("M845 354V462"),
            arrow("M716 525H643"),
            arrow("M381 525H240V358"),
            arrow("M90 354V682"),
            arrow("M510 236V150H250V232", ORANGE, "stop", dashed=True),
            arrow("M510 584V640H250V682", ORANGE, "stop", dashed=True),
            text(320, 138, "refused, and told why", f'fill="{ORANGE}"'),
            text(290, 630, "no: stop", f'fill="{ORANGE}"'),
            text(262, 510, "go on"),
            text(106, 640, "done"),
        )
    )
    write("agent_loop", "An agent, and what holds it", 830, drawn)


STAIRS = (
    ("it reads well", "nothing yet"),
    ("it runs", "names and brackets are right"),
    ("right on a simulated image", "it can be right"),
    ("changes as it should", "units and axes are right"),
    ("agrees with your hand", "it is right on your images"),
    ("again: other day, other dish", "the number that you print"),
)


def stairs_figure() -> None:
    """Draw the stair of checks: what each lets you believe."""
    drawn, height = text(40, 62, "the check …", 'font-weight="700"'), 92
    drawn += text(560, 62, "… lets you believe", f'font-weight="700" fill="{BLUE}"')
    for k, (check, believed) in enumerate(reversed(STAIRS)):
        y, n = 92 + k * height, len(STAIRS) - k
        shade = 1 - 0.14 * (n - 1)
        drawn += (
            f'<rect x="{30 + 18 * (n - 1)}" y="{y}" width="{940 - 18 * (n - 1)}" height="{height}" '
            f'fill="#fff" stroke="{LINE}" stroke-width="2"/>'
            f'<rect x="{30 + 18 * (n - 1)}" y="{y}" width="12" height="{height}" fill="{BLUE}" '
            f'opacity="{1.14 - shade:.2f}"/>'
        )
        drawn += text(60 + 18 * (n - 1), y + 56, f"{n} · {check}")
        drawn += text(560, y + 56, believed, f'fill="{BLUE}"')
    write("what_may_be_believed", "What each check lets you believe", 92 + 6 * height + 30, drawn)


FIGURE_OF = {
    "next_token": prediction_figure,
    "every_step_was_read": invention_figure,
    "nearest_sentence": nearest_figure,
    "agent_loop": agent_figure,
    "what_may_be_believed": stairs_figure,
}

if __name__ == "__main__":
    for draw in FIGURE_OF.values():
        draw()
