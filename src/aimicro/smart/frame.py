"""What a driven microscope hands out: frames, what they cost, and, apart, the truth."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture, and all that the microscope itself knows of it.

    Attributes
    ----------
    image : numpy.ndarray
        ``(Y, X)`` float32 photons, estimated from the counts of the camera.
    time_s : float
        When the exposure started, in seconds on the clock of the microscope.
    exposure_ms : float
        Exposure time in ms.
    dose : float
        Light that it cost; what is lit with a dose of 1 for each half-life is bleached to a half.
    event : Any
        The event that asked for it.
    origin_um : tuple of float
        Position ``(y, x)`` of the middle of the first pixel in µm.
    pixel_size_um : tuple of float
        ``(y, x)`` in µm.

    Notes
    -----
    Used in chapter 7, *Event-driven acquisition*.
    """

    image: NDArray[np.float32]
    time_s: float
    exposure_ms: float
    dose: float
    event: Any
    origin_um: tuple[float, float]
    pixel_size_um: tuple[float, float]

    def position_um(self, y: float, x: float) -> tuple[float, float]:
        """Return where a place of the image lies, ``(y, x)`` in µm on the stage."""
        (top, left), (dy, dx) = self.origin_um, self.pixel_size_um
        return top + y * dy, left + x * dx


class TrueDivision(NamedTuple):
    """A division as it happened, seen or not.

    Attributes
    ----------
    time_s : float
        When one cell became two. The mother began to round up ``mitosis_min`` minutes before.
    y_um, x_um : float
        Where, in µm on the stage.
    mother : int
        Id of the cell that divided.
    """

    time_s: float
    y_um: float
    x_um: float
    mother: int


@dataclass(frozen=True, eq=False)
class Truth:
    """What only the simulator knows. It may judge a detector, but no detector may look at it.

    Attributes
    ----------
    labels : numpy.ndarray
        ``(Y, X)`` int32 ids of the cells in the last frame.
    cells : numpy.ndarray
        A row for each cell of the culture when that frame was taken, among others with its "id",
        its "centre" ``(y, x)`` in µm, whether it is "mitotic", and how far it is "rounded".
    divisions : tuple of TrueDivision
        All divisions so far within the dish, in the order in which they happened.
    """

    labels: NDArray[np.int32]
    cells: NDArray[Any]
    divisions: tuple[TrueDivision, ...]


class Cost(NamedTuple):
    """What an event would cost if it came next.

    Attributes
    ----------
    dose : float
        Light.
    end_s : float
        When the microscope would be free again, in seconds on its clock.
    """

    dose: float
    end_s: float
