"""From an image to objects: methods with two verbs, `targets` for the network and `segment` back.

Used in chapters 8 and 9.
"""

from aimicro.segment.classical import METHODS, Method, Ranking, TunedMethod, best_classical
from aimicro.segment.measurements import measure
from aimicro.segment.search import Parameter, search
from aimicro.segment.spots import log_discs, log_pieces, log_response, log_spots
from aimicro.segment.task import SegmentationTask
from aimicro.segment.threshold import foreground, local_threshold, otsu, redraw
from aimicro.segment.watershed import (
    watershed_by_both,
    watershed_by_distance,
    watershed_by_intensity,
)
from aimicro.segment.windows import Window, WindowObjects, by_windows

__all__ = [
    "METHODS",
    "Method",
    "Parameter",
    "Ranking",
    "SegmentationTask",
    "TunedMethod",
    "Window",
    "WindowObjects",
    "best_classical",
    "by_windows",
    "foreground",
    "local_threshold",
    "log_discs",
    "log_pieces",
    "log_response",
    "log_spots",
    "measure",
    "otsu",
    "redraw",
    "search",
    "watershed_by_both",
    "watershed_by_distance",
    "watershed_by_intensity",
]
