"""Which objects were found, missed and invented, drawn around them."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import ArrayLike, NDArray
from skimage.measure import find_contours, regionprops

from aimicro import checks
from aimicro.metrics import Matching
from aimicro.show.charts import chart, styled
from aimicro.show.checks import checked_labels
from aimicro.show.figure import Figure

FOUND, INVENTED, MISSED = "#56b4e9", "#ff9a3c", "#e89ac7"
WIDTH_IN = 4.6


def matches(
    image: ArrayLike,
    truth: ArrayLike,
    prediction: ArrayLike,
    matching: Matching,
    *,
    alt: str,
    caption: str = "",
    overlaps: bool = True,
) -> Figure:
    """Draw outlines of the objects that were found, invented and missed, over the image.

    Parameters
    ----------
    image : array_like, shape (Y, X)
        The image.
    truth, prediction : array_like of int, shape (Y, X)
        Labels, 0 for background.
    matching : Matching
        What `metrics.match` returned for the two.
    alt : str
        What a reader who cannot see the figure has to know.
    caption : str
        What to notice.
    overlaps : bool
        Write the overlap of each matched pair into it.

    Returns
    -------
    Figure
        The image with outlines: solid for predictions, dotted for their truths, dashed for
        truths without a prediction. The heading counts them.

    Raises
    ------
    TypeError
        If `matching` is not a `Matching`.
    ValueError
        If image, truth and prediction differ in shape, or the matching names other labels.

    Notes
    -----
    Used in chapter 10, *Matching and average precision*.
    """
    scene = checks.image("image", image, ndim=2)
    true, found = (checked_labels(labels, scene.shape) for labels in (truth, prediction))
    if not isinstance(matching, Matching):
        raise TypeError(
            f"Expected what metrics.match returns, got {type(matching).__name__}. Match first."
        )
    pairs = matching.pairs
    known = np.isin(pairs.truth, true).all() and np.isin(pairs.prediction, found).all()
    if not (known and np.isin(matching.missed, true).all()):
        raise ValueError(
            "Expected a matching of this truth and prediction, got one of other labels. "
            "Match the part that is shown."
        )
    with styled():
        fig = Canvas(figsize=(WIDTH_IN, WIDTH_IN * scene.shape[0] / scene.shape[1] + 0.6))
        ax = fig.subplots()
        dark = float(scene.min())
        light = dark + 1.5 * float(np.ptp(scene))  # so that outlines stand out
        ax.imshow(scene, cmap="gray", interpolation="none", vmin=dark, vmax=light)
        _around(ax, true, pairs.truth, color="white", lw=1, ls=":")
        _around(ax, found, pairs.prediction, color=FOUND, lw=1.5, ls="-")
        _around(ax, found, matching.invented, color=INVENTED, lw=1.5, ls="-")
        _around(ax, true, matching.missed, color=MISSED, lw=2, ls="--")
        if overlaps:
            _write(ax, true, dict(zip(pairs.truth.tolist(), pairs.score.tolist(), strict=True)))
        counts = {
            f"found {matching.tp}": (FOUND, "-"),
            f"invented {matching.fp}": (INVENTED, "-"),
            f"missed {matching.fn}": (MISSED, "--"),
        }
        for name, (colour, dashes) in counts.items():
            ax.plot([], [], color=colour, ls=dashes, label=name)
        fig.legend(loc="outside upper center", ncols=3, columnspacing=1, handlelength=1.5)
        ax.axis("off")
        return chart(fig, alt=alt, caption=caption)


def _around(ax: Axes, labels: NDArray[Any], ids: NDArray[Any], **style: Any) -> None:
    """Draw the outlines of some objects."""
    for number in ids:
        for line in find_contours(np.pad(labels == number, 1).astype(float), 0.5):
            ax.plot(line[:, 1] - 1, line[:, 0] - 1, **style)


def _write(ax: Axes, labels: NDArray[Any], scores: dict[int, float]) -> None:
    """Write a score into the middle of each object."""
    for region in regionprops(labels):
        if region.label in scores:
            y, x = region.centroid
            text = f"{scores[region.label]:.2f}".removeprefix("0")
            ax.text(x, y, text, color="white", ha="center", va="center", weight="bold")
