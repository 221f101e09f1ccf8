"""Draw the ways to teach a network restoration: noise, blur, bent waves, and the limit of a lens.

Usage: make_restoration_figures.py    (writes four files into book/figures)

All pictures are simulated. Where a figure shows an answer, a classical method gave it: what differs
between the rows is what the network is asked, compared with and told, and no answer is judged here.
"""

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from aimicro import restore, simulate

FIGURES = Path(__file__).resolve().parents[1] / "book" / "figures"
CARD, INK, LINE, LEARNT, KNOWN = "#f6f7f9", "#1a1a1a", "#4a5568", "#d6e6f5", "#fbe5c0"
SIDE, ROW, TOP = 150, 236, 52  # screen pixels: a picture, a row, above its pictures
STATIONS = (28, 289, 550, 822)  # where the four things of a row begin
PIXEL = 0.1  # µm

Picture = NDArray[np.float32]


def picture(x: int, y: int, title: str, pixels: Picture) -> str:
    """Return a picture with its title above it."""
    file = BytesIO()
    Image.fromarray(pixels if pixels.ndim == 3 else grey(pixels)).save(file, "PNG", optimize=True)
    address = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    return (
        f'<text x="{x + SIDE / 2}" y="{y - 12}">{title}</text><image x="{x}" y="{y}" '
        f'width="{SIDE}" height="{SIDE}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="{address}"/>'
    )


def grey(pixels: Picture) -> NDArray[np.uint8]:
    """Return grey values from 0 to 255, the brightest 0.3 % white."""
    white = np.percentile(pixels, 99.7)
    return np.round(255 * np.clip(pixels / white, 0, 1) ** 0.8).astype(np.uint8)


def box(x: int, y: int, lines: str, colour: str) -> str:
    """Return a box with words in it, half as high as a picture."""
    words = lines.split("\n")
    middle = y + SIDE / 2 + 9 - 15 * (len(words) - 1)
    text = "".join(
        f'<text x="{x + SIDE / 2}" y="{middle + 30 * k}">{word}</text>'
        for k, word in enumerate(words)
    )
    return (
        f'<rect x="{x}" y="{y + 30}" width="{SIDE}" height="{SIDE - 60}" rx="10" fill="{colour}" '
        f'stroke="{LINE}"/>{text}'
    )


def arrow(x: int, y: int, to_x: int, both: bool = False) -> str:
    """Return an arrow to the right at the middle of a row; ``both`` compares: dashed, two tips."""
    start = ' marker-start="url(#tip)" stroke-dasharray="7 6"' if both else ""
    return (
        f'<line x1="{x + 10}" x2="{to_x - 12}" y1="{y + SIDE / 2}" y2="{y + SIDE / 2}" '
        f'stroke="{LINE}" stroke-width="4" marker-end="url(#tip)"{start}/>'
    )


def row(number: int, *things: tuple[str, Picture | str], compared: bool = True) -> str:
    """Return a row: pictures, and boxes where the second part is a colour.

    ``compared``: the last two are compared, and nothing leads from one to the other.
    """
    y, drawn = TOP + ROW * number, ""
    for k, (words, what) in enumerate(things):
        x = STATIONS[k]
        drawn += box(x, y, words, what) if isinstance(what, str) else picture(x, y, words, what)
        if k:
            last = compared and k == len(things) - 1
            drawn += arrow(STATIONS[k - 1] + SIDE, y, x, both=last)
    return f'{drawn}<text x="6" y="{y + SIDE / 2 + 10}" font-weight="700">{"abcd"[number]}</text>'


def back(number: int, start: int, end: int, words: str) -> str:
    """Return a dashed line under a row, from one station back to another, and what is asked."""
    y = TOP + ROW * number + SIDE + 6
    a, b = STATIONS[start] + SIDE / 2, STATIONS[end] + SIDE / 2
    return (
        f'<path d="M{a} {y} v22 H{b} v-16" fill="none" stroke="{LINE}" stroke-width="4" '
        f'stroke-dasharray="7 6" marker-end="url(#tip)"/>'
        f'<text x="{(a + b) / 2}" y="{y + 48}">{words}</text>'
    )


def write(name: str, title: str, rows: list[str], below: int = 0) -> None:
    """Write a figure of some rows."""
    height = TOP + ROW * len(rows) - (ROW - SIDE) + 26 + below
    FIGURES.joinpath(f"{name}.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-14 0 1014 {height}" role="img" '
        "aria-labelledby=\"t\" font-family=\"'Segoe UI', 'Helvetica Neue', Arial, sans-serif\" "
        f'font-size="26" text-anchor="middle" fill="{INK}"><title id="t">{title}</title>'
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="4" '
        f'markerHeight="4" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="{LINE}"/>'
        f'</marker></defs><rect x="-14" width="1014" height="{height}" rx="14" fill="{CARD}"/>'
        f"{''.join(rows)}</svg>\n",
        encoding="utf-8",
    )


def specimen() -> Picture:
    """Return a few filaments, larger than what is shown of them."""
    return simulate.filaments((112, 112), pixel_size_um=PIXEL, n=11, rng=4)


def shown(image: Picture) -> Picture:
    """Return the middle of an image."""
    return image[..., 24:-24, 24:-24]


def noise_figure() -> None:
    """Draw what a denoising network is compared with."""
    rng = np.random.default_rng(1)
    scope = simulate.Microscope("widefield", voxel_size_um=(PIXEL, PIXEL))
    clean = scope.image(specimen(), photons=60, background=3, rng=rng).noise_free
    first, second = rng.poisson(clean), rng.poisson(clean)
    answer = restore.inverse_anscombe(restore.bm3d(restore.anscombe(first), sigma=1))
    clean, first, second, answer = map(shown, (clean, first, second, answer))
    hidden = rng.random(first.shape) < 0.04
    masked, asked = (np.repeat(grey(image)[..., None], 3, axis=-1) for image in (first, first))
    masked[hidden] = (240, 163, 10)
    asked[~hidden] = (205, 212, 220)
    network = ("network", LEARNT)
    rows = [
        row(0, ("dim", first), network, ("answer", answer), ("bright", clean)),
        row(1, ("pixels hidden", masked), network, ("answer", answer), ("hidden ones", asked)),
        row(2, ("dim, once", first), network, ("answer", answer), ("dim, again", second)),
    ]
    write("three_ways_to_denoise", "Three things to compare a denoised image with", rows)


def blur_figure() -> None:
    """Draw what a deconvolving network is compared with, or told."""
    sharp = ndimage.gaussian_filter(specimen(), 0.7)
    psf = simulate.airy_psf(na=0.8, wavelength_um=0.6, pixel_size_um=PIXEL, shape=(31, 31))
    blurred = simulate.blur(80 * sharp, psf) + 1
    noisy = np.random.default_rng(2).poisson(blurred).astype(np.float32)
    steps = {n: restore.richardson_lucy(noisy, psf, iterations=n, background=1) for n in (2, 12)}
    again = simulate.blur(steps[12], psf)
    sharp, noisy, again, early, answer = map(shown, (sharp, noisy, again, steps[2], steps[12]))
    network = ("network", LEARNT)
    rows = [
        row(0, ("blurred", noisy), network, ("answer", answer), ("sharp", sharp)),
        row(
            1, ("blurred", noisy), network, ("answer", answer), ("blurred again", again),
            compared=False,
        ) + back(1, 3, 0, "blurred with the known spot, it must give the recording"),
        row(
            2, ("estimate", early), ("blur,\ncompare", KNOWN), ("small\nnetwork", LEARNT),
            ("next estimate", answer), compared=False,
        ) + back(2, 3, 0, "a few times, always with the recording"),
    ]  # fmt: skip
    rows[2] = f'<g transform="translate(0 42)">{rows[2]}</g>'
    write("three_ways_to_deconvolve", "Three ways to teach a network deconvolution", rows, 96)


def wave_figure() -> None:
    """Draw what a network may be asked about a bent wave."""
    coma = {"vertical coma": 1.0, "oblique astigmatism": 0.6}
    still, bent = (
        simulate.Microscope("widefield", voxel_size_um=(PIXEL, PIXEL), aberrations=modes)
        for modes in ({}, coma)
    )
    clean, seen = (
        scope.image(specimen(), photons=300, background=3, rng=3).noise_free
        for scope in (still, bent)
    )
    spot = bent.psf((65, 65))
    undone = restore.richardson_lucy(seen, spot, iterations=30, background=3)
    clean, seen, undone = map(shown, (clean, seen, undone))
    bars = np.full((64, 64, 3), 255, np.uint8)
    for k, height in enumerate((4, -19, 3, 30, -5, 2)):
        bars[min(32, 32 - height) : max(32, 32 - height) + 1, 5 + 10 * k : 10 + 10 * k] = (
            43,
            108,
            176,
        )
    network = ("network", LEARNT)
    rows = [
        row(
            0, ("bent", seen), network, ("strengths", bars), ("mirror moved", clean), compared=False
        ),
        row(
            1,
            ("bent", seen),
            network,
            ("spot", spot[9:-9, 9:-9]),
            ("deconvolved", undone),
            compared=False,
        ),
        row(2, ("bent", seen), network, ("answer", undone), ("straight", clean)),
    ]
    write("three_ways_against_bent_waves", "Three things to ask of a bent wave", rows)


def finer_rows(rng: np.random.Generator) -> list[str]:
    """Return two rows: a sharper microscope, and the same one with a specimen that has swollen."""
    fine = (0.03, 0.03)
    threads = simulate.filaments((128, 128), pixel_size_um=fine, n=14, rng=rng)
    scope = simulate.Microscope("confocal", voxel_size_um=fine)
    sharper = simulate.Microscope("sted", voxel_size_um=fine, saturation=6)
    swollen = ndimage.zoom(threads, 2, order=1)[64:-64, 64:-64]
    confocal, sted, expanded = (
        by.image(of, photons=300, background=1, rng=rng)
        for by, of in ((scope, threads), (sharper, threads), (scope, swollen))
    )
    answer = restore.richardson_lucy(confocal.noise_free, confocal.psf, iterations=60, background=1)
    near = [image[32:-32, 32:-32] for image in (confocal.noise_free, answer, sted.noise_free)]
    asked = ("confocal", near[0]), ("network", LEARNT), ("answer", near[1])
    return [
        row(0, *asked, ("STED", near[2])),
        row(1, *asked, ("expanded", expanded.noise_free)),
    ]


def axial_rows(rng: np.random.Generator) -> list[str]:
    """Return two rows: planes of a stack as examples, and its side view."""
    voxel = (1.0, 0.25, 0.25)
    cells, _ = simulate.nuclei((20, 80, 80), pixel_size_um=voxel, n=16, radius_um=3, rng=rng)
    scope = simulate.Microscope("widefield", na=0.5, refractive_index=1.0, voxel_size_um=voxel)
    recording = scope.image(cells, photons=200, background=2, rng=rng)
    stack = recording.noise_free
    sharper = restore.richardson_lucy(stack, recording.psf, iterations=60, background=2)
    plane = stack[10]
    worse = ndimage.zoom(ndimage.gaussian_filter1d(plane, 4, axis=0)[::4], (4, 1), order=0)
    side = ndimage.zoom(stack[:, 40], (4, 1), order=0)
    answer = ndimage.zoom(sharper[:, 40], (4, 1), order=1)
    network, same = ("network", LEARNT), ("the same\nnetwork", LEARNT)
    return [
        row(2, ("made worse", worse), network, ("answer", plane), ("the plane", plane)),
        row(3, ("side view", side), same, ("answer", answer), compared=False),
    ]


def resolution_figure() -> None:
    """Draw what a network that sharpens is compared with."""
    rng = np.random.default_rng(5)
    rows = finer_rows(rng) + axial_rows(rng)
    write("finer_than_the_lens", "What a network that sharpens learns from", rows)


FIGURE_OF = {
    "three_ways_to_denoise": noise_figure,
    "three_ways_to_deconvolve": blur_figure,
    "three_ways_against_bent_waves": wave_figure,
    "finer_than_the_lens": resolution_figure,
}

if __name__ == "__main__":
    for draw in FIGURE_OF.values():
        draw()
