"""The figures of the book: HTML that needs no kernel, no network and no mouse.

Every function returns a `Figure`, which a notebook shows when it is the last line of a cell.
"""

from aimicro.show.charts import chart, use_style
from aimicro.show.compare import compare, slider_of
from aimicro.show.curves import curves, training
from aimicro.show.figure import Figure
from aimicro.show.heatmap import heatmap
from aimicro.show.outlines import matches
from aimicro.show.panels import Panels, panels
from aimicro.show.quiz import quiz
from aimicro.show.scoreboard import Scoreboard, scoreboard
from aimicro.show.slider import slider
from aimicro.show.turns import log
from aimicro.show.twin import twin

__all__ = [
    "Figure",
    "Panels",
    "Scoreboard",
    "chart",
    "compare",
    "curves",
    "heatmap",
    "log",
    "matches",
    "panels",
    "quiz",
    "scoreboard",
    "slider",
    "slider_of",
    "training",
    "twin",
    "use_style",
]
