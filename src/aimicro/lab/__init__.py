"""A labelling lab: correct labels with mouse and keys, and teach a network what you corrected.

`LabellingLab` works without a screen, and is drawn in notebooks by anywidget
(``pip install anywidget``), which nothing here imports before it is needed.

Used in chapter 9, *A labelling lab*.
"""

from aimicro.lab.edits import add, cut, join, outlined, remove
from aimicro.lab.effort import Effort
from aimicro.lab.lab import LabellingLab
from aimicro.lab.mending import mend

__all__ = [
    "Effort",
    "LabellingLab",
    "add",
    "cut",
    "join",
    "mend",
    "outlined",
    "remove",
]
