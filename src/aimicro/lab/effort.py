"""What a person did: corrections by kind, pixels drawn and seconds.

Used in chapter 9, *A labelling lab*.
"""

from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True)
class Effort:
    """What a person did to labels.

    Attributes
    ----------
    removed, added, cut, joined : int
        Corrections of each kind. One that was undone stays counted: the hand had moved.
    undone : int
        How often the last correction was taken back.
    drawn_px : float
        Length of all outlines and strokes in pixels.
    seconds : float
        From one action to the next, pauses cut at half a minute.

    Notes
    -----
    Used in chapter 9, *A labelling lab*.

    Examples
    --------
    >>> both = Effort(removed=1, seconds=2) + Effort(removed=1, cut=1, drawn_px=30)
    >>> both.total, both.drawn_px, both.seconds
    (3, 30.0, 2.0)
    """

    removed: int = 0
    added: int = 0
    cut: int = 0
    joined: int = 0
    undone: int = 0
    drawn_px: float = 0.0
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """All corrections, each counted once."""
        return self.removed + self.added + self.cut + self.joined

    def __add__(self, other: Self) -> Self:
        pairs = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return type(self)(**pairs)

    def __str__(self) -> str:
        """The counts in a line."""
        counts = f"{self.removed} removed, {self.added} added, {self.cut} cut, {self.joined} joined"
        return f"{counts}, {self.undone} undone; {self.seconds:.0f} s"
