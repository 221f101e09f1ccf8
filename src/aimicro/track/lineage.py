"""Tables of who came from whom, as the Cell Tracking Challenge and its tools have them."""

from collections.abc import Iterable
from pathlib import Path

from aimicro.io import replacing
from aimicro.simulate.films import Track


def read_lineage(path: str | Path) -> list[Track]:
    """Read a lineage table of the Cell Tracking Challenge, such as ``man_track.txt``.

    Parameters
    ----------
    path : str or pathlib.Path
        Text file with a line ``label begin end parent`` for each track.

    Returns
    -------
    list of Track
        The tracks in the order of the file.

    Raises
    ------
    ValueError
        If a line is not made of four whole numbers.

    Notes
    -----
    Used in chapter 10, *Tracking*.
    """
    lineage = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            lineage.append(Track(*map(int, line.split())))
        except (TypeError, ValueError):
            raise ValueError(
                f"Expected four whole numbers (label, begin, end, parent) in line {number} of "
                f"{path}, got {line!r}. Write a line for each track."
            ) from None
    return lineage


def write_lineage(path: str | Path, lineage: Iterable[Track]) -> None:
    """Write a lineage table of the Cell Tracking Challenge.

    Parameters
    ----------
    path : str or pathlib.Path
        Text file; one that is there already is replaced when the new one is complete.
    lineage : iterable of Track
        The tracks.

    Notes
    -----
    Used in chapter 10, *Tracking*.

    Examples
    --------
    >>> import tempfile
    >>> from aimicro.simulate.films import Track
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_lineage(f"{folder}/man_track.txt", [Track(1, 0, 3, 0)])
    ...     read_lineage(f"{folder}/man_track.txt")
    [Track(label=1, begin=0, end=3, parent=0)]
    """
    with replacing(Path(path)) as file:
        file.writelines(f"{' '.join(map(str, track))}\n".encode() for track in lineage)
