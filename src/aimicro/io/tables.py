"""Tables as CSV, for spreadsheets and R.

Used in chapter 9, *Training and using a model*.
"""

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from aimicro.io.files import replacing


def write_csv(path: str | os.PathLike[str], table: Mapping[str, ArrayLike]) -> None:
    """Write columns as a CSV file: all of it, or nothing.

    Numbers have as many digits as it takes to read the same ones again, with a point; commas
    separate them. Truth values are written as True and False.

    Parameters
    ----------
    path : path-like
        The file to write, ending in .csv.
    table : mapping of str to array_like, (N,)
        Columns by their names, such as `aimicro.segment.measure` returns.

    Raises
    ------
    ValueError
        If the name has another ending, there is no column, or they differ in length.
    OSError
        If the folder is missing, or cannot be written to.

    Notes
    -----
    Used in chapter 9, *Training and using a model*.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_csv(f"{folder}/cells.csv", {"label": [1, 2], "area_um2": [3.5, 0.1]})
    ...     print(Path(f"{folder}/cells.csv").read_text(encoding="utf-8"))
    label,area_um2
    1,3.5
    2,0.1
    <BLANKLINE>
    """
    path, columns = Path(path), [np.asarray(column) for column in table.values()]
    if path.suffix.lower() != ".csv":
        raise ValueError(f"Expected a name ending in .csv, got {path.name!r}. Rename it.")
    shapes = {column.shape for column in columns}
    if len(shapes) != 1 or len(shapes.pop()) != 1:
        found = ", ".join(f"{name} {np.shape(column)}" for name, column in table.items())
        raise ValueError(
            f"Expected columns of one length, got {found or 'none'}. Give one value for each row."
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
    with replacing(path) as file:
        file.write(text.getvalue().encode())
