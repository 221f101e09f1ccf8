"""The picture of ``aimicro check``: pairs beside their histograms, suspicious ones first."""

import io
import warnings
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aimicro.cli._check_images import Image, Pair
from aimicro.cli._findings import Findings

_ROWS = 6  # pairs that are shown
_RED, _BLUE, _ORANGE = "#b00020", "#1a80c4", "#d55e00"  # apart for colour-blind readers, too


def picture_of(pairs: Sequence[Pair], findings: Findings) -> bytes:
    """Draw some pairs, all offsets and all sizes of objects; return a PNG."""
    shown = sorted(pairs, key=lambda pair: _mark(pair, findings) == "")[:_ROWS]
    figure = Figure(figsize=(9, 2.1 * (len(shown) + 1)), layout="constrained")
    grid = figure.subplots(len(shown) + 1, 3, squeeze=False)
    for row, pair in zip(grid, shown, strict=False):
        _draw_image(row[0], pair.raw, f"{pair.split}, raw: {pair.raw.path.name}", findings)
        _draw_image(row[1], pair.truth, "truth", findings)
        _draw_histogram(row[2], pair)
    _draw_offsets(grid[-1, 0], pairs)
    _draw_sizes(grid[-1, 1], pairs)
    _draw_photons(grid[-1, 2], pairs)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # of names in other scripts
        figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def _mark(pair: Pair, findings: Findings) -> str:
    """The first trouble of a pair, or nothing."""
    paths = (str(pair.raw.path), str(pair.truth.path))
    return next((findings.suspects[path] for path in paths if path in findings.suspects), "")


def _draw_image(axes: Axes, image: Image, title: str, findings: Findings) -> None:
    axes.imshow(image.shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    trouble = findings.suspects.get(str(image.path), "")
    # A name may be no UTF-8, too long for its place, or begin a formula with $.
    told = title.encode(errors="backslashreplace").decode()
    plain = (told if len(told) <= 40 else f"{told[:37]}…").replace("$", r"\$")
    axes.set_title(f"✗ {trouble}\n{plain}" if trouble else plain, fontsize=8,
                   color=_RED if trouble else "black")  # fmt: skip
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=_RED if trouble else "gray", linewidth=3 if trouble else 0.5)


def _draw_histogram(axes: Axes, pair: Pair) -> None:
    for name, image, colour, style in (
        ("raw", pair.raw, _BLUE, "-"),
        ("truth", pair.truth, _ORANGE, "--"),
    ):
        counts, edges = image.histogram
        if image.kind == "image":
            axes.stairs(counts, edges, color=colour, linestyle=style, label=name)
    axes.set_yscale("log")
    axes.tick_params(labelsize=7)
    axes.set_title("pixels of each value", fontsize=8)
    axes.legend(fontsize=7)


def _draw_offsets(axes: Axes, pairs: Sequence[Pair]) -> None:
    found = np.array([pair.shift.offset[-2:] for pair in pairs if pair.shift]).reshape(-1, 2)
    axes.scatter(found[:, 1], found[:, 0], s=12, color=_BLUE)
    limit = max(2.0, 1.2 * np.abs(found).max(initial=0))
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), xlabel="x (px)", ylabel="y (px)")
    axes.axhline(0, color="gray", linewidth=0.5)
    axes.axvline(0, color="gray", linewidth=0.5)
    axes.set_title("shift of each raw image against its truth", fontsize=8)


def _draw_sizes(axes: Axes, pairs: Sequence[Pair]) -> None:
    found = [pair.objects.diameters for pair in pairs if pair.objects and len(pair.objects)]
    if not found:
        axes.set_axis_off()
        return
    axes.hist(np.concatenate(found), bins=30, color=_BLUE)
    axes.set(xlabel="diameter (px)", ylabel="objects")
    axes.set_title("sizes of the objects", fontsize=8)


def _draw_photons(axes: Axes, pairs: Sequence[Pair]) -> None:
    found = [pair.photons.photons for pair in pairs if pair.photons]
    if not found:
        axes.set_axis_off()
        return
    axes.scatter(range(len(found)), found, s=12, color=_BLUE)
    axes.set(yscale="log", xlabel="image", ylabel="photons")
    axes.set_title("photons where each raw image is brightest", fontsize=8)
