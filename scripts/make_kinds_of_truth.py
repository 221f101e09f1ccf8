"""Draw one field of real nuclei as a person labels it, and what three kinds of network learn of it.

Usage: make_kinds_of_truth.py    (writes book/figures/kinds_of_truth.svg)
"""

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from aimicro.data import nuclei
from aimicro.segment import unet

FIGURE = Path(__file__).resolve().parents[1] / "book" / "figures" / "kinds_of_truth.svg"
PLACE, WINDOW = 3, np.s_[250:340, 300:440]  # with nuclei that touch
COLOURS = ("#56b4e9", "#f0a30a", "#f3e96b", "#cc79a7", "#2fbf9b", "#e8743b")

CARD, INK = "#f6f7f9", "#1a1a1a"
WIDTH, GAP, TOP = 462, 26, 60  # screen pixels


def panels() -> dict[str, np.ndarray]:
    """Return the image and three kinds of truth, as pictures (Y, X, 3)."""
    cells = nuclei(PLACE + 1)
    image, labels = (some[PLACE][WINDOW] for some in (cells.images, cells.truth))
    dark, bright = np.percentile(image, (1, 99.8))
    grey = np.clip((image - dark) / (bright - dark), 0, 1) ** 0.7
    mask = unet.targets(labels)[0]
    background, inside, border = unet.targets(labels, borders=2)
    palette = np.array([_rgb("#000000"), *map(_rgb, COLOURS)])
    ranks = np.searchsorted(np.unique(labels), labels)  # 0, 1, 2, … without gaps
    classes = np.stack([background, inside, border], axis=-1)
    return {
        "image": _grey(grey),
        "binary": _grey(mask),
        "instance": palette[np.where(ranks > 0, (ranks - 1) % len(COLOURS) + 1, 0)],
        "semantic, three classes": classes @ np.array([*map(_rgb, ("#000000", *COLOURS[:2]))]),
    }


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _grey(image: np.ndarray) -> np.ndarray:
    return np.repeat(255 * image[..., np.newaxis], 3, axis=-1)


def address(picture: np.ndarray) -> str:
    """Return a picture as the address that an SVG can hold."""
    file = BytesIO()
    Image.fromarray(np.round(picture).astype(np.uint8)).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def main() -> None:
    pictures = panels()
    rows, columns = pictures["image"].shape[:2]
    height = WIDTH * rows // columns
    drawn = ""
    for k, (name, picture) in enumerate(pictures.items()):
        x, y = GAP + k % 2 * (WIDTH + 24), TOP + k // 2 * (height + TOP + 8)
        drawn += (
            f'<g transform="translate({x} {y})"><text y="-16">{"abcd"[k]} · {name}</text>'
            f'<image width="{WIDTH}" height="{height}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="{address(picture)}"/></g>'
        )
    whole = 2 * (height + TOP) + 8 + GAP
    FIGURE.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 {whole}" role="img" '
        "aria-labelledby=\"t\" font-family=\"'Segoe UI', 'Helvetica Neue', Arial, sans-serif\" "
        f'font-size="32" font-weight="600" fill="{INK}"><title id="t">Three kinds of truth</title>'
        f'<rect width="1000" height="{whole}" rx="14" fill="{CARD}"/>{drawn}</svg>\n',
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
