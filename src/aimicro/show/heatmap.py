"""A table of numbers whose cells are shaded, so that what is bad stands out."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure as Canvas
from numpy.typing import ArrayLike

from aimicro import checks
from aimicro.show.charts import chart, styled
from aimicro.show.checks import checked_number
from aimicro.show.figure import Figure

DARK = 0.45  # of cividis_r, from which white is easier to read than black


def heatmap(
    table: ArrayLike,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    alt: str,
    caption: str = "",
    shade: ArrayLike | None = None,
    decimals: int | Sequence[int] = 2,
) -> Figure:
    """Draw a table of numbers, each on a shade of its own.

    Parameters
    ----------
    table : array_like, shape (R, C)
        The numbers that are written.
    rows, columns : sequence of str
        Their names.
    alt : str
        What a reader who cannot see the table has to know.
    caption : str
        What to notice.
    shade : array_like, shape (R, C), optional
        How dark each cell is, from 0 to 1; by default the table itself.
    decimals : int or sequence of int
        Digits after the decimal point, for all columns or for each.

    Returns
    -------
    Figure
        The table.

    Raises
    ------
    ValueError
        If names or shades do not fit the table, or a shade is not from 0 to 1.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.
    """
    values = checks.image("table", table, ndim=2, hint="Pass rows of numbers.")
    tone = values if shade is None else checks.image("shade", shade, ndim=2)
    if tone.shape != values.shape or tone.min() < 0 or tone.max() > 1:
        raise ValueError(
            f"Expected shades from 0 to 1 of shape {values.shape}, got {tone.min():.3g} to "
            f"{tone.max():.3g} of shape {tone.shape}. Scale them, and pass them as shade."
        )
    checked_number(rows, len(values), "rows")
    checked_number(columns, values.shape[1], "columns")
    digits = [decimals] * values.shape[1] if isinstance(decimals, int) else decimals
    with styled():
        fig = Canvas(figsize=(5, 0.36 * len(values) + 1.1))
        ax = fig.subplots()
        ax.imshow(tone, cmap="cividis_r", vmin=0, vmax=1, aspect="auto", interpolation="none")
        for (y, x), value in np.ndenumerate(values):
            colour = "#ffffff" if tone[y, x] > DARK else "#101010"
            text = f"{value:.{digits[x]}f}"
            ax.text(x, y, text, ha="center", va="center", color=colour)
        ax.set_xticks(range(len(columns)), columns, rotation=35, ha="left", rotation_mode="anchor")
        ax.set_yticks(range(len(rows)), rows)
        ax.tick_params(length=0, top=True, labeltop=True, labelbottom=False)
        ax.spines[:].set_visible(False)
        ax.grid(visible=False)
        return chart(fig, alt=alt, caption=caption)
