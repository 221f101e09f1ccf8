"""The box at the top of a page whose real images could not be had."""

from html import escape
from typing import Protocol

from aimicro.show.checks import checked_text
from aimicro.show.figure import Figure


class Origin(Protocol):
    """What knows whether it is simulated, such as `aimicro.data.Collection`."""

    @property
    def simulated(self) -> bool:
        """Whether a simulated twin stands in for real images."""


def twin(*origins: Origin, real: str) -> Figure | None:
    """Say that simulated twins stand in for real images, and what the real ones show.

    Parameters
    ----------
    *origins : Origin
        The collections that the page uses, such as ``data.nuclei()``.
    real : str
        What the page shows with the real images; it goes on after "With them".

    Returns
    -------
    Figure or None
        A box if any of the collections is simulated; nothing otherwise, and nothing is shown.

    Raises
    ------
    ValueError
        If there is no collection, or nothing is said of the real images.

    Notes
    -----
    Used in every notebook with real images, once, before they are used: in chapter 6, *Denoising*,
    for one.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> twin(SimpleNamespace(simulated=False), real="the filter wins.") is None
    True
    >>> twin(SimpleNamespace(simulated=True), real="the filter wins.")
    Simulated twins. This page was made without the real images: they could not be fetched. Images \
simulated in their likeness stand in for them, and numbers and pictures are those of the twins. \
With the real images, the filter wins.
    """
    if not origins:
        raise ValueError("Expected collections, got none. Pass what data.nuclei() and others give.")
    after = checked_text(real, "real")
    if not any(origin.simulated for origin in origins):
        return None
    title = "Simulated twins."
    text = (
        "This page was made without the real images: they could not be fetched. Images simulated "
        "in their likeness stand in for them, and numbers and pictures are those of the twins. "
        f"With the real images, {after}"
    )
    body = f'<div class="aim-twin" role="note"><p><b>{title}</b> {escape(text)}</p></div>'
    return Figure(body, alt=f"{title} {text}")
