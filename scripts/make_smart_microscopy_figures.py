"""Draw what an event is, the loop that waits for it, how long both take, and what rarity does.

Usage: make_smart_microscopy_figures.py    (writes four files into book/figures)

The cells are simulated. The times of events are those that chapter 7 cites, the times of loops
those of its table, and the curves are arithmetic; tests/book/test_smart_microscopy.py compares.
"""

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from aimicro.simulate.culture import CellParameters, Culture

FIGURES = Path(__file__).resolve().parents[1] / "book" / "figures"
CARD, INK, LINE, MUTED = "#f6f7f9", "#1a1a1a", "#4a5568", "#c3cad1"
LEARNT, KNOWN, WARM = "#d6e6f5", "#fbe5c0", "#f3d3c4"
BLUE, ORANGE, GREEN = "#0072b2", "#b34700", "#00664b"

# Seconds from the shortest to the longest, of events and of loops.
EVENTS = {
    "calcium spark": (0.010, 0.100),
    "clathrin-coated pit": (30, 65),
    "mitosis": (26 * 60, 40 * 60),
    "fibroblast, 40 µm": (3600, 3600),
    "gastrulation": (4.75 * 3600, 4.75 * 3600),
}
LOOPS = {
    "triggered STED": (0.040, 0.070),
    "quick loop": (0.205, 0.205),
    "slow loop": (1.555, 1.555),
    "survey, every 10 min": (0, 600),
}
FIRST, LAST = 1e-3, 1e5  # seconds at the ends of the axis
SEED, PIXEL, STEP, HALF = 5, 0.25, 2.5, 38  # µm, minutes between pictures, pixels
RECALL, FRAME_MIN = 0.9, 5
PREVALENCE = 1 / (24 * 60 / FRAME_MIN)  # a division a day, begun in one frame of 288
FALSE_ALARMS = {0.01: ORANGE, 0.001: BLUE, 0.0001: GREEN}


def precision(prevalence: float, false_alarms: float, recall: float = RECALL) -> float:
    """Return which share of alarms is right."""
    right = recall * prevalence
    return right / (right + false_alarms * (1 - prevalence))


def write(name: str, title: str, height: int, drawn: str, size: int = 26) -> None:
    """Write a figure on a card, which stays light in a dark page."""
    FIGURES.joinpath(f"{name}.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 {height}" role="img" '
        "aria-labelledby=\"t\" font-family=\"'Segoe UI', 'Helvetica Neue', Arial, sans-serif\" "
        f'font-size="{size}" fill="{INK}"><title id="t">{title}</title>'
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="4" '
        f'markerHeight="4" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="{LINE}"/>'
        f'</marker></defs><rect width="1000" height="{height}" rx="14" fill="{CARD}"/>{drawn}'
        "</svg>\n",
        encoding="utf-8",
    )


def division(minutes: tuple[float, ...] = (-35, -10, 5, 15, 30)) -> list[NDArray[np.uint8]]:
    """Return pictures of one dividing cell alone, at times counted from the division."""
    life = CellParameters(division_time_min=240, speed_um_per_min=0.1, flash_rate_per_cell_hour=0)
    culture, film = Culture((176, 176), life, pixel_size_um=PIXEL, n=2, rng=SEED), []
    for _ in range(int(2 * life.division_time_min / STEP)):
        film.append((culture.cells.copy(), *culture.draw()))
        culture.advance(STEP)
    for k, (cells, _, _) in enumerate(film[1:], 1):
        born = {int(mother) for mother in cells["mother"]} & {int(i) for i in film[k - 1][0]["id"]}
        for mother in born:
            (row,) = film[k - 1][0][film[k - 1][0]["id"] == mother]
            y, x = np.round(row["centre"] / PIXEL).astype(int)
            if min(y, x) > HALF and max(y, x) < 176 - HALF:
                family = [mother, *cells["id"][cells["mother"] == mother]]
                part = np.s_[y - HALF : y + HALF, x - HALF : x + HALF]
                chosen = [film[k + round(time / STEP)] for time in minutes]
                rng = np.random.default_rng(7)
                return [
                    photographed((image * np.isin(ids, family))[part], rng)
                    for _, image, ids in chosen
                ]
    raise ValueError(f"Expected a division in the middle, got none. Take another SEED than {SEED}.")


def photographed(cells: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blur, add photon noise, and return grey values."""
    counts = rng.poisson(2 + 30 * ndimage.gaussian_filter(cells, 1.2))
    grey: NDArray[np.float64] = 255 * np.clip(counts / 50, 0, 1) ** 0.7
    return np.round(grey).astype(np.uint8)


def event_figure() -> None:
    """Draw five pictures in their order and in the opposite one."""
    pictures, side, left, step = division(), 150, 186, 162
    drawn = ""
    for row, (name, order) in enumerate(
        (("a", pictures), ("b", pictures[::-1])),
    ):
        y = 64 + 236 * row
        what = ("one cell", "divides") if row == 0 else ("two cells", "become one")
        drawn += f'<text x="20" y="{y + 64}" font-weight="700">{name}</text>' + "".join(
            f'<text x="20" y="{y + 98 + 30 * k}">{words}</text>' for k, words in enumerate(what)
        )
        for k, pixels in enumerate(order):
            file, n = BytesIO(), (1, 1, 2, 2, 2)[k if row == 0 else 4 - k]
            Image.fromarray(pixels).save(file, "PNG", optimize=True)
            code = base64.b64encode(file.getvalue()).decode()
            x = left + step * k
            drawn += (
                f'<image x="{x}" y="{y}" width="{side}" height="{side}" '
                f'preserveAspectRatio="none" style="image-rendering:pixelated" '
                f'href="data:image/png;base64,{code}"/><text class="count" x="{x + side / 2}" '
                f'y="{y + side + 30}" text-anchor="middle">{n} object{"s" * (n > 1)}</text>'
            )
    time = (
        f'<text x="{left}" y="36">time</text><path d="M{left + 66} 28H990" stroke="{LINE}" '
        f'stroke-width="4" marker-end="url(#tip)"/>'
    )
    write("object_and_event", "The same five pictures in two orders", 506, time + drawn)


def box(x: int, y: int, wide: int, words: str, colour: str) -> str:
    """Return a box with a bold line and lines below it."""
    first, *rest = words.split("\n")
    text = f'<text x="{x + wide / 2}" y="{y + 42}" font-weight="700">{first}</text>' + "".join(
        f'<text x="{x + wide / 2}" y="{y + 76 + 32 * k}">{line}</text>'
        for k, line in enumerate(rest)
    )
    return (
        f'<rect x="{x}" y="{y}" width="{wide}" height="{62 + 32 * len(rest)}" rx="10" '
        f'fill="{colour}" stroke="{LINE}"/><g text-anchor="middle">{text}</g>'
    )


def loop_figure() -> None:
    """Draw what goes round, and what must stand beside it."""
    arrow = f'fill="none" stroke="{LINE}" stroke-width="4" marker-end="url(#tip)"'
    ways: tuple[str, ...] = ("M236 150H272", "M482 150H518", "M728 150H764", "M872 86V36H128V82")
    ways += ("M623 322V218", "M850 322V266H690V218")
    arrows = "".join(f'<path d="{way}" {arrow}/>' for way in ways)
    arrows += f'<path d="M377 214V318" stroke-dasharray="7 6" {arrow}/>'
    boxes = (
        box(24, 90, 208, "expose\na frame\nof the survey", "#ffffff")
        + box(276, 90, 202, "detect\na score from\npast frames", LEARNT)
        + box(522, 90, 202, "decide\ngo on, speed\nup, or stop", KNOWN)
        + box(768, 90, 208, "act\nlight, speed,\nstage, focus", "#ffffff")
        + box(24, 326, 208, "reference\nother fields, a\nfixed interval", WARM)
        + box(276, 326, 202, "log\nevery score,\nevery choice", WARM)
        + box(522, 326, 202, "budget\nlight and time\nthat are left", WARM)
        + box(768, 326, 208, "coin\na burst now\nand then", WARM)
    )
    write("smart_loop", "The loop of a smart microscope", 470, arrows + boxes)


def place(seconds: float) -> float:
    """Return where a time stands on the axis."""
    share = np.log(max(seconds, FIRST) / FIRST) / np.log(LAST / FIRST)
    return float(310 + 640 * share)


def scales_figure() -> None:
    """Draw events and loops on one axis of time."""
    marks = {1e-3: "1 ms", 0.1: "0.1 s", 60: "1 min", 3600: "1 h", 86400: "1 day"}
    drawn, y = "", 60
    height = 62 + 48 * (len(EVENTS) + len(LOOPS)) + 148
    for seconds, name in marks.items():
        x = place(seconds)
        drawn += (
            f'<path d="M{x:.1f} 52V{height - 70}" stroke="{MUTED}" stroke-width="2"/>'
            f'<text x="{x:.1f}" y="{height - 36}" text-anchor="middle" font-size="28">{name}</text>'
        )
    for title, rows, colour in (("events", EVENTS, BLUE), ("loops", LOOPS, ORANGE)):
        drawn += f'<text x="20" y="{y}" font-size="30" font-weight="700">{title}</text>'
        y += 16
        for name, (shortest, longest) in rows.items():
            a, b = place(shortest), place(longest)
            a, b = (a - 7, b + 7) if b - a < 14 else (a, b)
            drawn += (
                f'<text x="20" y="{y + 30}" font-size="28">{name}</text>'
                f'<rect class="{title}" data-seconds="{shortest:g} {longest:g}" x="{a:.1f}" '
                f'y="{y + 6}" width="{b - a:.1f}" height="28" rx="5" fill="{colour}"/>'
            )
            y += 48
        y += 44
    write("loop_and_events", "How long events last, and how long loops take", height, drawn)


def rarity_figure() -> None:
    """Draw the share of right alarms against how rare the event is."""
    left, top, wide, high = 120, 84, 560, 380
    shares = np.geomspace(0.5, 1e-4, 120)

    def point(prevalence: float, value: float) -> str:
        x = left + wide * np.log(0.5 / prevalence) / np.log(0.5 / 1e-4)
        return f"{x:.1f},{top + high * (1 - value):.1f}"

    drawn = "".join(
        f'<path d="M{left} {top + high * (1 - v):.1f}h{wide}" stroke="{MUTED}" stroke-width="2"/>'
        f'<text x="{left - 12}" y="{top + high * (1 - v) + 9:.1f}" text-anchor="end">{v:.0%}</text>'
        for v in (0, 0.25, 0.5, 0.75, 1)
    )
    for share, name in ((0.5, "1 in 2"), (0.01, "1 in 100"), (1e-4, "1 in 10,000")):
        x = point(share, 0).split(",")[0]
        drawn += f'<text x="{x}" y="{top + high + 36}" text-anchor="middle">{name}</text>'
    ends = {0.01: "1 in 100", 0.001: "1 in 1,000", 0.0001: "1 in 10,000"}
    for rate, colour in FALSE_ALARMS.items():
        line = " ".join(point(share, precision(share, rate)) for share in shares)
        end = float(point(1e-4, precision(1e-4, rate)).split(",")[1])
        drawn += (
            f'<polyline data-rate="{rate:g}" points="{line}" fill="none" stroke="{colour}" '
            f'stroke-width="6"/><text x="{left + wide + 16}" y="{end + 2:.1f}" fill="{colour}" '
            f'font-weight="600">{ends[rate]}</text>'
        )
    for share in (0.5, PREVALENCE):
        value = precision(share, 0.01)
        x, y = point(share, value).split(",")
        drawn += (
            f'<circle cx="{x}" cy="{y}" r="10" fill="{ORANGE}"/><text class="value" '
            f'x="{float(x) + 18}" y="{float(y) + (40 if share == 0.5 else -12):.1f}" '
            f'fill="{ORANGE}" font-weight="700">{value:.0%}</text>'
        )
    drawn += (
        f'<text x="20" y="44" font-weight="700">alarms that are right</text>'
        f'<text x="{left + wide + 16}" y="44" font-weight="700">false alarms</text>'
        f'<text x="{left + wide + 16}" y="74" font-size="26">among quiet frames</text>'
        f'<text x="{left + wide / 2}" y="{top + high + 80}" text-anchor="middle" '
        'font-weight="700">how often there is something to find</text>'
    )
    write("rare_events", "The same detector, from common events to rare ones", 566, drawn)


FIGURE_OF = {
    "object_and_event": event_figure,
    "smart_loop": loop_figure,
    "loop_and_events": scales_figure,
    "rare_events": rarity_figure,
}

if __name__ == "__main__":
    for draw in FIGURE_OF.values():
        draw()
