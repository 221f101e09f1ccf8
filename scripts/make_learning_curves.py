"""Train one small U-Net on nuclei three times, so that it underfits, fits and overfits; draw it.

Usage: make_learning_curves.py    (writes book/figures/learning_curves.svg; half a minute)
"""

from pathlib import Path

import numpy as np
import torch

from aimicro.data import nuclei
from aimicro.models import UNet
from aimicro.train import ArrayPatches, History, fit

FIGURE = Path(__file__).resolve().parents[1] / "book" / "figures" / "learning_curves.svg"
STEPS, EVERY, PATCH = 160, 8, (64, 64)
CROP = np.s_[200:272, 200:272]  # a dozen nuclei

CARD, INK, TRAINING, VALIDATION = "#f6f7f9", "#1a1a1a", "#0072b2", "#b34700"
WIDTH, HEIGHT, LEFT, TOP, GAP = 276, 250, 100, 76, 18  # screen pixels
LOWEST, HIGHEST = 1e-3, 1.0  # of the loss, on a logarithmic axis


def trainings() -> dict[str, History]:
    """Return what three trainings remember; they differ in learning rate and images."""
    cells = nuclei(5)
    images, masks = list(cells.images), [labels > 0 for labels in cells.truth]
    scaling = ArrayPatches(images[:4], masks[:4], patch_size=PATCH).scaling
    validation = ArrayPatches(
        images[4:], masks[4:], patch_size=PATCH, batch_size=32, augment=False, scaling=scaling
    )

    def train(images: list, masks: list, rate: float, *, augment: bool) -> History:
        torch.manual_seed(0)
        patches = ArrayPatches(
            images, masks, patch_size=PATCH, batch_size=4, augment=augment, scaling=scaling
        )
        return fit(
            UNet(channels=8, depth=2),
            patches,
            steps=STEPS,
            validation=validation,
            validate_every=EVERY,
            learning_rate=rate,
            objective="bce",
            device="cpu",
            precision="float32",
        )

    return {
        "underfits": train(images[:4], masks[:4], 1e-4, augment=True),
        "fits": train(images[:4], masks[:4], 4e-3, augment=True),
        "overfits": train([images[0][CROP]], [masks[0][CROP]], 4e-3, augment=False),
    }


def line(losses: list[float]) -> str:
    """Return a curve as the points of an SVG polyline."""
    x = np.linspace(WIDTH / len(losses), WIDTH, len(losses))
    share = np.log(np.divide(losses, LOWEST)) / np.log(HIGHEST / LOWEST)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, HEIGHT * (1 - share), strict=True))


def panel(k: int, name: str, history: History) -> str:
    """Return the two curves of a training in their frame."""
    grid = "".join(f"M0 {HEIGHT * n / 3:.1f}h{WIDTH}" for n in range(4))
    return (
        f'<g transform="translate({LEFT + k * (WIDTH + GAP)} {TOP})">'
        f'<text y="-24" font-size="32" font-weight="600">{"abc"[k]} · {name}</text>'
        f'<path d="{grid}" stroke="#c3cad1" stroke-width="2"/>'
        f'<polyline class="training" points="{line(history.train_loss)}" fill="none" '
        f'stroke="{TRAINING}" stroke-width="5"/>'
        f'<polyline class="validation" points="{line(history.validation_loss)}" fill="none" '
        f'stroke="{VALIDATION}" stroke-width="5" stroke-dasharray="12 6"/></g>'
    )


def main() -> None:
    panels = "".join(panel(k, *one) for k, one in enumerate(trainings().items()))
    marks = "".join(
        f'<text x="{LEFT - 10}" y="{TOP + HEIGHT * n / 3 + 10:.0f}" text-anchor="end">{mark}</text>'
        for n, mark in enumerate(("1", "0.1", "0.01", "0.001"))
    )
    key = "".join(
        f'<path d="M{x} {TOP + HEIGHT + 94}h70" stroke="{colour}" stroke-width="5" '
        f'stroke-dasharray="{dashes}"/><text x="{x + 84}" y="{TOP + HEIGHT + 104}">{name}</text>'
        for x, colour, dashes, name in (
            (LEFT, TRAINING, "none", "loss in training"),
            (LEFT + 430, VALIDATION, "12 6", "loss in validation"),
        )
    )
    FIGURE.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 450" role="img" '
        "aria-labelledby=\"t\" font-family=\"'Segoe UI', 'Helvetica Neue', Arial, sans-serif\" "
        f'font-size="28" fill="{INK}"><title id="t">Loss in three trainings</title>'
        f'<rect width="1000" height="450" rx="14" fill="{CARD}"/>{panels}{marks}{key}'
        f'<text x="{LEFT}" y="{TOP + HEIGHT + 44}">0</text>'
        f'<text x="{LEFT + WIDTH}" y="{TOP + HEIGHT + 44}" text-anchor="end">{STEPS} steps</text>'
        "</svg>\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
