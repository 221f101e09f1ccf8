"""Cells that move, divide, enter and leave: films with the lineage that made them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aimicro import checks
from aimicro.simulate import _limits
from aimicro.simulate.culture import CellParameters, Cells, Culture


class Track(NamedTuple):
    """One line of a lineage table as in the Cell Tracking Challenge; frames count from 0.

    Attributes
    ----------
    label : int
        Value of the cell in the label images.
    begin : int
        First frame with this label.
    end : int
        Last frame with this label, inclusive.
    parent : int
        Label of the mother, or 0 if the cell was there from the start or came from outside.
    """

    label: int
    begin: int
    end: int
    parent: int


class Division(NamedTuple):
    """A mother and what became of her.

    Attributes
    ----------
    frame : int
        First frame of the daughters; the mother was last seen in the frame before.
    mother : int
        Label of the mother.
    daughters : (int, int)
        Labels of the daughters.
    """

    frame: int
    mother: int
    daughters: tuple[int, int]


class Event(NamedTuple):
    """Something rare, and when it is to be seen.

    Attributes
    ----------
    frame : int
        Frame in which it starts.
    label : int
        Label of the cell.
    kind : {"mitosis", "flash"}
        What happens: the cell is rounded and bright, or lights up and fades.
    end : int
        Last frame of it, inclusive; a flash ends when 5 % of it are left, or with its track.
    """

    frame: int
    label: int
    kind: Literal["mitosis", "flash"]
    end: int


@dataclass(frozen=True, eq=False)
class Film:
    """A film of cells together with all that there is to know about it.

    Attributes
    ----------
    images : ndarray of float32
        ``(T, Y, X)`` or ``(T, Z, Y, X)`` amounts of fluorophore, bleaching included.
    labels : ndarray of int32
        Label images of the same shape, 0 for background; a label is one track over time.
    lineage : list of Track
        All tracks, in the order of their labels ``1, 2, …``.
    tracks : ndarray of float64
        A row ``label, frame, [z,] y, x`` for each cell in each frame, sorted, as napari takes it.
        The centre is in µm from that of the first pixel, and may lie outside the field.
    events : list of Event
        Mitoses and flashes, sorted by frame.
    pixel_size_um : tuple of float
        Pixel size in µm along ``[z,] y, x``.
    frame_interval_s : float
        Time from one frame to the next in seconds.
    bleaching : ndarray of float64
        ``(T,)`` fraction of fluorophores that still shine; `images` are multiplied by it.

    Notes
    -----
    Used in chapter 1, *One sample, many microscopes*.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int32]
    lineage: list[Track]
    tracks: NDArray[np.float64]
    events: list[Event]
    pixel_size_um: tuple[float, ...]
    frame_interval_s: float
    bleaching: NDArray[np.float64]

    @property
    def times_s(self) -> NDArray[np.float64]:
        """``(T,)`` time of each frame in seconds."""
        return np.arange(len(self.images)) * np.float64(self.frame_interval_s)

    @property
    def divisions(self) -> list[Division]:
        """All divisions, sorted by frame."""
        daughters: dict[tuple[int, int], list[int]] = {}
        for track in self.lineage:
            if track.parent:
                daughters.setdefault((track.begin, track.parent), []).append(track.label)
        return [Division(*key, (pair[0], pair[1])) for key, pair in daughters.items()]


def bleaching(frames: int, *, half_life_frames: float) -> NDArray[np.float64]:
    r"""Tell what fraction of the fluorophores still shines in each frame.

    .. math:: b_t = 2^{-t / h}

    Parameters
    ----------
    frames : int
        Number of frames.
    half_life_frames : float
        Exposures :math:`h` after which half of the fluorophores are gone; infinite for none.
        Frames count here and not minutes: the light of the exposures is what bleaches.

    Returns
    -------
    numpy.ndarray
        ``(T,)`` factors, 1 in the first frame.

    Raises
    ------
    ValueError
        If `frames` is no whole number from 1 up, or `half_life_frames` is not above 0.

    Notes
    -----
    Used in chapter 1, *One sample, many microscopes*.

    Examples
    --------
    >>> bleaching(5, half_life_frames=2).round(2).tolist()
    [1.0, 0.71, 0.5, 0.35, 0.25]
    """
    checks.whole("frames", frames, low=1, hint="Ask for one or more.")
    if half_life_frames != np.inf:
        hint = "Give a number of frames, or infinity for no bleaching."
        checks.number("half_life_frames", half_life_frames, above=0, hint=hint)
    fading: NDArray[np.float64] = np.exp2(-np.arange(frames) / half_life_frames)
    return fading


def dividing_cells(
    frames: int,
    shape: Sequence[int],
    *,
    pixel_size_um: float | Sequence[float] = 0.5,
    n: int = 20,
    radius_um: float = 5.0,
    frame_interval_s: float = 300.0,
    speed_um_per_min: float = 0.5,
    persistence_min: float = 20.0,
    division_time_min: float = 720.0,
    mitosis_min: float = 30.0,
    flash_rate_per_cell_hour: float = 0.05,
    flash_decay_min: float = 10.0,
    half_life_frames: float = np.inf,
    rng: np.random.Generator | int,
) -> Film:
    r"""Film nuclei-like cells that move, push each other aside, grow, divide, enter and leave.

    Cells walk with persistence: their velocity forgets its direction after a while. Left alone,
    a cell has after a time :math:`t` the mean squared displacement [1]_

    .. math:: \langle |\Delta x|^2 \rangle = 2 S^2 P \left(t - P\,(1 - e^{-t/P})\right).

    A cell doubles its size from one division to the next, exponentially in time. Before it
    divides it rounds up and stands still, smaller and brighter, since the amount of fluorophore
    stays; its two daughters share size and fluorophore, and spread again. Cells that
    are not stopped by the edge of the film therefore become :math:`2^{t/T}` times as many.

    Parameters
    ----------
    frames : int
        Number of frames T.
    shape : sequence of int
        ``(Y, X)`` or ``(Z, Y, X)`` of a frame in pixels.
    pixel_size_um : float or sequence of float, default 0.5
        Pixel size in µm, in the order of `shape`; one number if it is the same along all axes.
    n : int, default 20
        Cells with their centre in the field in frame 0. About as many per area wait around it.
    radius_um : float, default 5
        Radius in µm halfway from one division to the next, at least two pixels.
    frame_interval_s : float, default 300
        Time from one frame to the next in seconds.
    speed_um_per_min : float, default 0.5
        Speed :math:`S` in µm/min, root mean square.
    persistence_min : float, default 20
        Persistence time :math:`P` in minutes.
    division_time_min : float, default 720
        Mean time :math:`T` from one division to the next in minutes, with a spread of 10 %;
        infinite for cells that neither grow nor divide. At least four times `mitosis_min` and the
        frame interval.
    mitosis_min : float, default 30
        Minutes for which a mother is rounded before she divides.
    flash_rate_per_cell_hour : float, default 0.05
        Mean number of flashes per cell and hour. A flash starts sharply with its frame, like a
        calcium transient, and makes the cell 2.5 times as bright.
    flash_decay_min : float, default 10
        Minutes after which a flash has decayed to 1/e.
    half_life_frames : float, default infinite
        Half-life of the fluorophores in frames, see :func:`bleaching`.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    Film
        Images, labels, lineage (in the style of the Cell Tracking Challenge [2]_), tracks and
        events. Background is 0; resting cells are at 0.2 to 0.32 on average, cells in mitosis at
        up to 0.53, and the brightest pixel of a flash is around 1. Edges are anti-aliased; there
        is no blur and no noise in it yet.

    Raises
    ------
    ValueError
        If a number is outside its range, or `n` cells do not fit.

    Notes
    -----
    A track is a cell for as long as it is seen: it ends when the cell leaves the field, and a
    cell that comes back is a new track. Labels never overlap; where cells touch, they flatten
    against each other. A cell cut by the edge of the field waits with its mitosis, so that both
    daughters are seen; should crowding hide one of them all the same, both stay without a parent.
    In 3D cells divide within the plane of the frame.

    Used in chapter 1, *One sample, many microscopes*.

    References
    ----------
    .. [1] G. E. Uhlenbeck, L. S. Ornstein, "On the theory of the Brownian motion", Physical Review
       36, 823–841 (1930).
    .. [2] V. Ulman et al., "An objective comparison of cell-tracking algorithms", Nature Methods
       14, 1141–1152 (2017). https://doi.org/10.1038/nmeth.4473

    Examples
    --------
    >>> film = dividing_cells(20, (128, 128), n=6, rng=0)
    >>> film.images.shape
    (20, 128, 128)
    """
    checks.number("frame_interval_s", frame_interval_s, above=0)
    fading = bleaching(frames, half_life_frames=half_life_frames)
    parameters = CellParameters(
        radius_um=radius_um,
        speed_um_per_min=speed_um_per_min,
        persistence_min=persistence_min,
        division_time_min=division_time_min,
        mitosis_min=mitosis_min,
        flash_rate_per_cell_hour=flash_rate_per_cell_hour,
        flash_decay_min=flash_decay_min,
    )
    minutes = frame_interval_s / 60
    parameters.check_pace(minutes)
    culture = Culture(
        shape,
        parameters,
        pixel_size_um=pixel_size_um,
        n=n,
        half_life_exposures=half_life_frames,
        rng=rng,
    )
    _limits.memory(f"a film of {len(fading)} frames", len(fading) * math.prod(shape), 16)
    images, ids, seen = _film(culture, len(fading), minutes)
    lineage, label_of = _follow(seen)
    for frame, row in enumerate(label_of):
        ids[frame] = row[ids[frame]]
    return Film(
        images=images,
        labels=ids,
        lineage=lineage,
        tracks=_table(seen, label_of),
        events=_events(seen, label_of, lineage, flash_decay_min / minutes),
        pixel_size_um=tuple(culture.spacing.tolist()),
        frame_interval_s=float(frame_interval_s),
        bleaching=fading,
    )


def _film(
    culture: Culture, frames: int, minutes: float
) -> tuple[NDArray[np.float32], NDArray[np.int32], list[Cells]]:
    """Take frames, with the ids in each of them and all that is known of the cells in sight."""
    images = np.zeros((frames, *culture.shape), np.float32)
    ids = np.zeros(images.shape, np.int32)
    seen = []
    for frame in range(frames):
        if frame:
            culture.advance(minutes)
        images[frame], ids[frame] = culture.draw()
        culture.expose()
        seen.append(culture.cells[np.isin(culture.cells["id"], ids[frame])])
    return images, ids, seen


def _follow(seen: list[Cells]) -> tuple[list[Track], list[NDArray[np.int32]]]:
    """Make tracks of the cells in sight, and for each frame a table from ids to labels."""
    lineage: list[Track] = []
    label_of = []
    before = np.zeros(1, np.int32)
    for frame, cells in enumerate(seen):
        now = np.zeros(max(len(before), cells["id"].max(initial=0) + 1), np.int32)
        before = np.pad(before, (0, len(now) - len(before)))
        for name, mother in zip(cells["id"], cells["mother"], strict=True):
            if before[name]:
                now[name] = before[name]
                lineage[now[name] - 1] = lineage[now[name] - 1]._replace(end=frame)
            else:
                both = np.count_nonzero(cells["mother"] == mother) == 2
                now[name] = len(lineage) + 1
                parent = int(before[mother]) if both else 0
                lineage.append(Track(int(now[name]), frame, frame, parent))
        label_of.append(now)
        before = now
    return lineage, label_of


def _table(seen: list[Cells], label_of: list[NDArray[np.int32]]) -> NDArray[np.float64]:
    """List label, frame and centre of all cells in sight."""
    rows = [
        np.column_stack([row[cells["id"]], np.full(len(cells), frame), cells["centre"]])
        for frame, (cells, row) in enumerate(zip(seen, label_of, strict=True))
    ]
    table: NDArray[np.float64] = np.concatenate(rows)
    return table[np.lexsort((table[:, 1], table[:, 0]))]


def _events(
    seen: list[Cells], label_of: list[NDArray[np.int32]], lineage: list[Track], decay_frames: float
) -> list[Event]:
    """List what has happened in sight."""
    mitoses: dict[int, Event] = {}
    flashes = []
    glowing = int(np.log(20) * decay_frames)  # down to 5 %, 1 in 20
    for frame, (cells, row) in enumerate(zip(seen, label_of, strict=True)):
        for label in map(int, row[cells["id"][cells["mitotic"]]]):
            start = mitoses.get(label, Event(frame, label, "mitosis", frame))
            mitoses[label] = start._replace(end=frame)
        for label in map(int, row[cells["id"][cells["flashes"]]]):
            end = min(frame + glowing, lineage[label - 1].end)
            flashes.append(Event(frame, label, "flash", end))
    return sorted([*mitoses.values(), *flashes])
