"""What images tell of themselves before anybody trains on them."""

from aimicro.inspect.brightness import Levels, Saturation, levels, saturation
from aimicro.inspect.copies import landmarks, likeness, shared_landmarks, thumbnail
from aimicro.inspect.metamorphic import Finding, Relation, check_analysis, usual_relations
from aimicro.inspect.noise import PhotonTransfer, noise_boxes, photon_transfer
from aimicro.inspect.objects import Objects, measure_objects
from aimicro.inspect.registration import Shift, middle_of, shift_between

__all__ = [
    "Finding",
    "Levels",
    "Objects",
    "PhotonTransfer",
    "Relation",
    "Saturation",
    "Shift",
    "check_analysis",
    "landmarks",
    "levels",
    "likeness",
    "measure_objects",
    "middle_of",
    "noise_boxes",
    "photon_transfer",
    "saturation",
    "shared_landmarks",
    "shift_between",
    "thumbnail",
    "usual_relations",
]
