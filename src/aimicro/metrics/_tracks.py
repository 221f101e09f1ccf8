"""Checks of tracks, so that a mistake gets a name, not a number."""

import operator
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from aimicro import checks

Images: TypeAlias = npt.NDArray[np.integer]
Rows: TypeAlias = npt.NDArray[np.int64]
Points: TypeAlias = npt.NDArray[np.float64]


def film(name: str, pair: tuple[npt.ArrayLike, Iterable[Sequence[int]]]) -> tuple[Images, Rows]:
    """Label images and the lineage that describes them, or a clear error."""
    if len(pair) != 2:
        raise ValueError(
            f"Expected label images and their lineage as {name}, got {len(pair)} things. "
            "Give a pair (labels, lineage)."
        )
    labels, lineage = pair
    images = checks.labels(
        name, labels, ndim=(3, 4), film=True, hint="Stack the frames along the first axis."
    )
    rows = _lineage(name, lineage)
    for frame, image in enumerate(images):
        present = set(np.unique(image[image > 0]).tolist())
        expected = set(rows[(rows[:, 1] <= frame) & (frame <= rows[:, 2]), 0].tolist())
        if present - expected:
            raise ValueError(
                f"Expected a track for every label of the {name}, got label "
                f"{min(present - expected)} in frame {frame}, where no track has it. "
                "Add it to the lineage, or set it to 0."
            )
        if expected - present:
            raise ValueError(
                f"Expected every track of the {name} in all frames from begin to end, got no "
                f"pixel of label {min(expected - present)} in frame {frame}. Bridge the gap with a "
                "second track whose parent is the first."
            )
    if len(rows) and rows[:, 2].max() >= len(images):
        raise ValueError(
            f"Expected tracks within the {len(images)} frames of the {name}, got one that ends in "
            f"frame {rows[:, 2].max()}. Frames count from 0."
        )
    return images, rows


def _lineage(name: str, lineage: Iterable[Sequence[int]]) -> Rows:
    """The lineage as an array of whole numbers, or a clear error."""
    table = []
    for row in lineage:
        try:
            label, begin, end, parent = map(operator.index, row)
        except (TypeError, ValueError):
            raise ValueError(
                f"Expected rows of four whole numbers as lineage of the {name}, got {row!r}. "
                "Give label, begin, end, parent."
            ) from None
        table.append((label, begin, end, parent))
    rows = np.array(table, dtype=np.int64).reshape(-1, 4)
    _check_family(name, rows)
    return rows


def point_rows(name: str, values: npt.ArrayLike) -> Points:
    """Rows frame, track, parent and position, by frame; or a clear error."""
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] not in (5, 6):
        raise ValueError(
            f"Expected rows of frame, track, parent, [z,] y, x as {name}, got shape "
            f"{table.shape}. Give an array with 5 or 6 columns."
        )
    if not np.isfinite(table).all() or (table[:, :3] % 1).any():
        raise ValueError(
            f"Expected finite positions, and whole numbers as frame, track and parent of the "
            f"{name}, got others. Leave out rows without a position."
        )
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    frames, tracks = table[:, 0], table[:, 1]
    twice = (np.diff(frames) == 0) & (np.diff(tracks) == 0)
    if twice.any():
        row = table[np.flatnonzero(twice)[0]]
        raise ValueError(
            f"Expected a track once in a frame of the {name}, got track {row[1]:.0f} twice in "
            f"frame {row[0]:.0f}. Give each cell a number of its own."
        )
    spans = {
        (track, parent): (frames[rows].min(), frames[rows].max())
        for track, parent in np.unique(table[:, 1:3], axis=0).tolist()
        for rows in [(tracks == track) & (table[:, 2] == parent)]
    }
    rows = [(track, *span, parent) for (track, parent), span in spans.items()]
    _check_family(name, np.array(rows, dtype=np.int64).reshape(-1, 4))
    return table


def _check_family(name: str, rows: Rows) -> None:
    """Every track once, in time, with one mother that was there before."""
    track_of: dict[int, list[int]] = {}
    for row in rows.tolist():
        label, begin, end, parent = row
        if label < 1 or begin < 0 or end < begin or parent < 0:
            raise ValueError(
                f"Expected a label from 1 up, 0 <= begin <= end and a parent from 0 up in the "
                f"{name}, got label {label}, begin {begin}, end {end}, parent {parent}."
            )
        if label in track_of:
            raise ValueError(
                f"Expected one track with one parent for each label of the {name}, got label "
                f"{label} twice, with parents {track_of[label][3]} and {parent}. Give a second "
                "track a label of its own."
            )
        track_of[label] = row
    for label, begin, _, parent in rows.tolist():
        if not parent:
            continue
        if parent not in track_of:
            raise ValueError(
                f"Expected the parent of label {label} of the {name} among the tracks, got "
                f"{parent}. Add it, or write 0 for a cell without parent."
            )
        if track_of[parent][2] >= begin:
            raise ValueError(
                f"Expected the parent of label {label} of the {name} to end before frame {begin}, "
                f"got label {parent} until frame {track_of[parent][2]}. End it where the "
                "daughters begin."
            )
