"""A slider over figures drawn in advance: no kernel, no network, keyboard and touch."""

from collections.abc import Sequence
from html import escape

from aimicro.show.checks import checked_text
from aimicro.show.figure import Figure

MOST_TICKS = 20  # more marks than this would merge on a phone


def slider(
    frames: Sequence[Figure],
    *,
    label: str,
    values: Sequence[str],
    alt: str,
    caption: str = "",
    start: int = 0,
) -> Figure:
    """Show one of several figures, chosen by the reader.

    Parameters
    ----------
    frames : sequence of Figure
        What `panels`, `chart` or `scoreboard` returned, alike in size; their captions are left
        out, because the slider has its own.
    label : str
        What the slider changes, such as "Light".
    values : sequence of str
        What each frame stands for, with its unit: "12 photons".
    alt : str
        What happens from the first frame to the last, for readers who cannot see it.
    caption : str
        What to do and what to notice.
    start : int
        The frame shown first; it is the one shown in print.

    Returns
    -------
    Figure
        All frames with a range input.  Without scripting all of them show, one below the other.

    Raises
    ------
    TypeError
        If a frame is not a `Figure`.
    ValueError
        If there are fewer than two frames, not as many values, or no frame at `start`.

    Notes
    -----
    Used in chapter 6, *Denoising*.
    """
    count = len(frames)
    if count < 2 or len(values) != count:
        raise ValueError(
            f"Expected two or more frames and a value for each, got {count} frames and "
            f"{len(values)} values. Pass lists of one length."
        )
    for frame in frames:
        if not isinstance(frame, Figure):
            raise TypeError(
                f"Expected frames made by show.panels or show.chart, got {type(frame).__name__}. "
                "Pass what they return."
            )
    if not 0 <= start < count:
        raise ValueError(f"Expected start from 0 to {count - 1}, got {start}. Choose a frame.")
    texts = [escape(checked_text(value, "a value")) for value in values]
    longest = max(map(len, values))  # room for every value, so that the page does not move
    marks = f' style="--n:{count - 1}"' if count <= MOST_TICKS else ""
    control = (
        f'<div class="aim-control"><label>{escape(checked_text(label, "label"))} '
        f'<input type="range" min="0" max="{count - 1}" value="{start}" autocomplete="off" '
        f'aria-valuetext="{texts[start]}"{marks}></label>'
        f'<output aria-live="off" style="min-width:{longest}ch">{texts[start]}</output></div>'
    )
    pages = "".join(
        f'<div class="aim-frame{" aim-on" * (k == start)}" data-value="{text}">{frame.body}</div>'
        for k, (frame, text) in enumerate(zip(frames, texts, strict=True))
    )
    # JupyterLab keeps the arrow keys for itself where this attribute is missing.
    body = (
        f'<aimicro-slider role="group" aria-label="{escape(checked_text(alt, "alt"))}" '
        f'data-lm-suppress-shortcuts="true">{control}<div class="aim-stack">{pages}</div>'
        "</aimicro-slider>"
    )
    return Figure(body, alt=alt, caption=caption, png=frames[start].png, scripted=True)
