"""From an image to objects: methods with two verbs, `targets` for the network and `segment` back.

Used in chapters 8 and 9.
"""

from aimicro.segment.measurements import measure

__all__ = ["measure"]
