"""A simulated microscope that can be driven, and the loop that looks, decides and looks again."""

from aimicro.smart.caught import times_filmed
from aimicro.smart.event import MDAEvent, check_event, time_lapse
from aimicro.smart.follow import Drift, Follow
from aimicro.smart.loop import Budget, Log, run
from aimicro.smart.microscope import Cost, DrivenMicroscope, Frame, TrueDivision, Truth

__all__ = [
    "Budget",
    "Cost",
    "Drift",
    "DrivenMicroscope",
    "Follow",
    "Frame",
    "Log",
    "MDAEvent",
    "TrueDivision",
    "Truth",
    "check_event",
    "run",
    "time_lapse",
    "times_filmed",
]
