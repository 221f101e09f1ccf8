"""Draw the two figures of chapter 11: who won on the pages of the book, and what is open.

Usage: make_outlook_figures.py    (writes tally.svg and open_problems.svg into book/figures)

The first is counted from book/tally.yml. Lengths are contests, and each bar says its number, so
nothing hangs on a colour alone.
"""

import runpy
from pathlib import Path
from xml.sax.saxutils import escape

BOOK = Path(__file__).resolve().parents[1] / "book"
FIGURES = BOOK / "figures"
OUTLOOK = runpy.run_path(str(BOOK / "_ext" / "outlook.py"))
CARD, INK, LINE = "#f6f7f9", "#1a1a1a", "#4a5568"
FILL = {"learned": "#9cc9ec", "draw": "#dfe3e8", "rule": "#f7cf87"}
SIDE, UNIT, BAR, ROW, TOP = 190, 36, 58, 84, 92  # screen pixels; UNIT is one contest

PROBLEMS = {
    "Before the image": [
        ("light that harms", "dose is rarely told"),
        ("metadata that stay", "standards, few users"),
    ],
    "Examples": [
        ("truth", "two people differ"),
        ("whose data?", "what was public"),
        ("leaks", "tests that were seen"),
    ],
    "The model": [
        ("strangers", "other light, other cells"),
        ("honest doubt", "sure and wrong"),
    ],
    "After the answer": [
        ("once more", "code, weights, seeds"),
        ("cost", "energy and access"),
    ],
}


def svg(name: str, width: int, height: int, title: str, drawn: str) -> None:
    """Write a figure on its card."""
    FIGURES.joinpath(f"{name}.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        "aria-labelledby=\"t\" font-family=\"'Segoe UI', 'Helvetica Neue', Arial, sans-serif\" "
        f'font-size="26" fill="{INK}"><title id="t">{title}</title>'
        f'<rect width="{width}" height="{height}" rx="14" fill="{CARD}"/>{drawn}</svg>\n',
        encoding="utf-8",
    )


def bar(y: int, name: str, won: dict[str, int]) -> str:
    """Return one group of contests as a bar of three parts."""
    x, drawn = SIDE, f'<text x="22" y="{y + 38}" font-weight="600">{escape(name)}</text>'
    for verdict, n in won.items():
        if n:
            drawn += (
                f'<rect class="{verdict}" x="{x}" y="{y}" width="{n * UNIT}" height="{BAR}" '
                f'fill="{FILL[verdict]}" stroke="{LINE}" stroke-width="2"/>'
                f'<text x="{x + n * UNIT / 2:g}" y="{y + 38}" text-anchor="middle">{n}</text>'
            )
            x += n * UNIT
    return drawn


def tally_figure() -> None:
    """Draw how often the network, nobody and the rule were ahead."""
    groups = OUTLOOK["read"]("tally")["groups"]
    words = {"learned": "network ahead", "draw": "draw", "rule": "rule ahead"}
    drawn, x = "", SIDE
    for verdict, word in words.items():
        drawn += (
            f'<rect x="{x}" y="26" width="34" height="34" fill="{FILL[verdict]}" '
            f'stroke="{LINE}" stroke-width="2"/><text x="{x + 46}" y="52">{word}</text>'
        )
        x += 96 + 13 * len(word)
    for k, group in enumerate(groups):
        drawn += bar(TOP + ROW * k, group["name"], OUTLOOK["tally"](group["contests"]))
    longest = max(len(group["contests"]) for group in groups)
    height = TOP + ROW * len(groups) + 6
    title = "Contests of this book by who was ahead"
    svg("tally", SIDE + longest * UNIT + 30, height, title, drawn)


def open_figure() -> None:
    """Draw the open problems where they arise on the way from the specimen to the result."""
    wide, gap, drawn = 240, 16, ""
    for k, (station, problems) in enumerate(PROBLEMS.items()):
        x = 22 + k * (wide + gap)
        middle = x + wide / 2
        drawn += (
            f'<rect x="{x}" y="22" width="{wide}" height="56" rx="10" fill="#d6e6f5" '
            f'stroke="{LINE}" stroke-width="2"/><text x="{middle:g}" y="59" font-weight="600" '
            f'text-anchor="middle">{station}</text>'
        )
        if k:
            drawn += (
                f'<path d="M{x - gap + 2} 50h{gap - 6}m-7 -7l7 7l-7 7" fill="none" '
                f'stroke="{LINE}" stroke-width="3"/>'
            )
        for row, (problem, why) in enumerate(problems):
            y = 100 + row * 96
            drawn += (
                f'<g class="problem"><rect x="{x}" y="{y}" width="{wide}" height="80" rx="10" '
                f'fill="#fff" stroke="{LINE}" stroke-width="2" stroke-dasharray="8 5"/>'
                f'<text x="{middle:g}" y="{y + 34}" text-anchor="middle">{problem}</text>'
                f'<text x="{middle:g}" y="{y + 63}" font-size="21" text-anchor="middle">{why}'
                "</text></g>"
            )
    width = 22 + len(PROBLEMS) * (wide + gap) - gap + 22
    height = 100 + 96 * max(map(len, PROBLEMS.values())) + 6
    svg("open_problems", width, height, "Open problems, where they arise", drawn)


FIGURE_OF = {"tally": tally_figure, "open_problems": open_figure}

if __name__ == "__main__":
    for draw in FIGURE_OF.values():
        draw()
