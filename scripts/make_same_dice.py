"""Draw three predictions with the same Dice: seven true nuclei, and three ways to get them wrong.

Usage: make_same_dice.py    (writes book/figures/same_dice.svg)
"""

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.optimize import brentq
from skimage.io import imread
from skimage.measure import find_contours, label

from aimicro.data import fetch
from aimicro.metrics import dice, match
from aimicro.simulate import mistakes

FIELD = "IXMtest_D04_s2_w1E05C134E-BAFE-4FD7-8116-2D05E0839879"
WINDOW = np.s_[395:515, 520:660]  # seven whole nuclei, and no part of another
LOST = 5  # the label of the nucleus that one prediction lacks
FINER = 8  # outlines move by eighths of a pixel
FIGURE = Path(__file__).resolve().parents[1] / "book" / "figures" / "same_dice.svg"

CARD, INK, TRUTH, WRONG = "#f6f7f9", "#1a1a1a", "#ffffff", "#f0a30a"
SCALE, WIDTH, GAP, TOP = 2.2, 308, 22, 52  # screen pixels


def predictions() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the true labels on a finer grid, and three predictions that share one Dice."""
    mask = imread(fetch(f"bbbc039_nuclei/masks_png/{FIELD}.png"))[WINDOW][..., 0]
    truth = np.kron(label(mask), np.ones((FINER, FINER), int))
    lost = np.where(truth == LOST, 0, truth)
    target = dice(truth > 0, lost > 0)

    def excess(spoilt: np.ndarray) -> float:
        return dice(truth > 0, spoilt > 0) - target

    inwards = brentq(lambda by: excess(mistakes.grow(truth, -by)), 0, 6 * FINER, xtol=0.2)
    aside = brentq(lambda by: excess(mistakes.shift(truth, (0, round(by)))), 0, 6 * FINER, xtol=0.4)
    return truth, {
        "Too small": mistakes.grow(truth, -inwards),
        "One lost": lost,
        "Shifted": mistakes.shift(truth, (0, round(aside))),
    }


def said(truth: np.ndarray, predicted: np.ndarray) -> str:
    """Return the scores that stand under a panel."""
    pairs = match(truth, predicted, threshold=0.5)
    areas = np.count_nonzero(predicted) / pairs.n_prediction
    larger = areas / (np.count_nonzero(truth) / pairs.n_truth) - 1
    area = "right" if abs(larger) < 0.02 else f"{100 * larger:+.0f} %".replace("-", "−")
    return (
        f"Dice {dice(truth > 0, predicted > 0):.2f}|found: {pairs.tp} of {pairs.n_truth}"
        f"|mean area: {area}"
    )


def outline(labels: np.ndarray) -> str:
    """Return the outlines of all objects as one SVG path, in pixels of the image."""
    path = ""
    for k in np.unique(labels[labels > 0]):
        for line in find_contours(np.pad(labels == k, 1), 0.5):
            points = (line[:: FINER // 2] - 0.5) / FINER
            path += "M" + "L".join(f"{x:.1f} {y:.1f}" for y, x in points) + "z"
    return path


def picture() -> str:
    """Return the image as the address that an SVG can hold."""
    image = imread(fetch(f"bbbc039_nuclei/images/{FIELD}.tif"))[WINDOW].astype(float)
    dark, bright = np.percentile(image, (1, 99.8))
    grey = np.clip((image - dark) / (bright - dark), 0, 1) ** 0.7
    file = BytesIO()
    Image.fromarray(np.round(215 * grey).astype(np.uint8)).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def main() -> None:
    truth, spoilt = predictions()
    rows, columns = (n // FINER for n in truth.shape)
    true = outline(truth)
    panels = ""
    for k, (name, predicted) in enumerate(spoilt.items()):
        lines = "".join(
            f'<text y="{28 * n}">{line}</text>'
            for n, line in enumerate(said(truth, predicted).split("|"))
        )
        panels += (
            f'<g transform="translate({GAP + k * (WIDTH + GAP)} {TOP})">'
            f'<text y="-16" font-size="23" font-weight="600">{"abc"[k]} · {name}</text>'
            f'<g transform="scale({SCALE})"><use href="#image"/><use href="#truth"/>'
            f'<path d="{outline(predicted)}" fill="none" stroke="{WRONG}" stroke-width="1.1"/></g>'
            f'<g transform="translate(0 {rows * SCALE + 32})">{lines}</g></g>'
        )
    FIGURE.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1012 440" role="img" '
        "aria-labelledby=\"t\" font-family=\"'Segoe UI', 'Helvetica Neue', Arial, sans-serif\" "
        f'font-size="22" fill="{INK}"><title id="t">Three predictions with the same Dice</title>'
        f'<defs><image id="image" width="{columns}" height="{rows}" href="{picture()}"/>'
        f'<path id="truth" d="{true}" fill="none" stroke="{TRUTH}" stroke-width="0.9" '
        'stroke-dasharray="2.2 1.6"/></defs>'
        f'<rect width="1012" height="440" rx="14" fill="{CARD}"/>{panels}</svg>\n',
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
