"""What a notebook shows of a labelling lab: the state goes out, clicks and strokes come in.

The page's side is lab.js. Needs anywidget, which nothing else in the package does.

Used in chapter 9, *A labelling lab*.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aimicro.io.outlines import outlines
from aimicro.lab.edits import Labels
from aimicro.show import pixels

try:
    import anywidget
    import traitlets
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "Expected anywidget for the lab on the screen, got none. Install it: "
        "pip install anywidget, and start the kernel again.",
        name=error.name,
    ) from error

if TYPE_CHECKING:
    from aimicro.lab.lab import LabellingLab

_GREY = 99.8  # percentile that is drawn white


class _Bench(anywidget.AnyWidget):
    """The traits that both sides know."""

    _esm = Path(__file__).with_name("lab.js")
    _css = Path(__file__).with_name("lab.css")
    picture = traitlets.Unicode().tag(sync=True)  # an address that holds the image itself
    outlines: Any = traitlets.List().tag(sync=True)  # id and SVG path of each object
    state = traitlets.Dict().tag(sync=True)
    fraction = traitlets.Float(-1).tag(sync=True)  # of what is being learned; below 0: nothing is


def bench(lab: "LabellingLab") -> Any:
    """Make the widget of a lab.

    Parameters
    ----------
    lab : LabellingLab
        Whose methods it calls, and whose state it shows.

    Returns
    -------
    anywidget.AnyWidget
        The widget.
    """
    widget = _Bench()

    def show() -> None:
        """Send what changed: traits that stay the same are not sent."""
        with widget.hold_sync():
            widget.picture = _picture(lab.images[lab.field])
            widget.outlines = _paths(lab.labels)
            widget.state = _state(lab)
        widget.fraction = -1.0 if lab.fraction is None else lab.fraction

    def act(_: Any, asked: dict[str, Any], buffers: Any) -> None:
        """Do what was clicked; what goes wrong is for the person to read."""
        try:
            _ACTS[asked["do"]](lab, asked.get("places", []))
        except Exception as error:  # a kernel would write it where nobody looks
            lab.message = str(error) or type(error).__name__
            show()

    lab.watchers.append(show)
    widget.on_msg(act)
    show()
    return widget


_ACTS: dict[str, Callable[["LabellingLab", list[Any]], object]] = {
    "remove": lambda lab, places: lab.remove(places[0]),
    "add": lambda lab, places: lab.grow(places[0]) if len(places) == 1 else lab.add(places),
    "cut": lambda lab, places: lab.cut(places),
    "join": lambda lab, places: lab.join(places[0], places[-1]),
    "undo": lambda lab, _: lab.undo(),
    "previous": lambda lab, _: lab.previous(),
    "next": lambda lab, _: lab.next(),
    "teach": lambda lab, _: lab.teach(),
    "save": lambda lab, _: lab.save(),
}


def _state(lab: "LabellingLab") -> dict[str, Any]:
    height, width = lab.labels.shape
    return {
        "height": height,
        "width": width,
        "field": lab.field + 1,
        "fields": len(lab.images),
        "objects": int(np.unique(lab.labels[lab.labels > 0]).size),
        "grow": lab.grows,
        "message": lab.message,
        "counts": f"{lab.effort.total} correction{'s' * (lab.effort.total != 1)}: {lab.effort}",
    }


def _picture(image: Any) -> str:
    low, high = float(image.min()), float(np.percentile(image, _GREY))
    return pixels.data_uri(
        pixels.png(pixels.colour_indices(image, (low, high)), pixels.palette("gray"))
    )


def _paths(labels: Labels) -> list[tuple[int, str]]:
    """Each object's rings as the path of an SVG, along the edges of its pixels."""
    found: dict[int, str] = {}
    for number, rings in outlines(labels):
        drawn = "".join("M" + "L".join(f"{x} {y}" for y, x in ring) + "Z" for ring in rings)
        found[number] = found.get(number, "") + drawn
    return list(found.items())
