"""A simulated microscope that can be driven, and the loop that looks, decides and looks again."""

from aimicro.smart.caught import times_filmed
from aimicro.smart.event import MDAEvent, check_event, time_lapse
from aimicro.smart.exposure import brightness, wanted_exposure
from aimicro.smart.focus import FocusReader, spectrum
from aimicro.smart.follow import Drift, Follow
from aimicro.smart.frame import Cost, Frame, TrueDivision, Truth
from aimicro.smart.loop import Budget, Log, run
from aimicro.smart.microscope import DrivenMicroscope
from aimicro.smart.sharpness import peak, sharpness
from aimicro.smart.unexplained import unexplained

__all__ = [
    "Budget",
    "Cost",
    "Drift",
    "DrivenMicroscope",
    "FocusReader",
    "Follow",
    "Frame",
    "Log",
    "MDAEvent",
    "TrueDivision",
    "Truth",
    "brightness",
    "check_event",
    "peak",
    "run",
    "sharpness",
    "spectrum",
    "time_lapse",
    "times_filmed",
    "unexplained",
    "wanted_exposure",
]
