"""A place to correct labels in, field after field, and to teach a network what was corrected.

Used in chapter 9, *A labelling lab*.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.io import write_tiff
from aimicro.lab import edits
from aimicro.lab.edits import Labels, Place
from aimicro.lab.effort import Effort
from aimicro.show.figure import Figure
from aimicro.show.panels import panels

Image = npt.NDArray[Any]
Predict = Callable[[Image], npt.ArrayLike]
Progress = Callable[[float], None]
Learn = Callable[[list[Image], list[Labels], Progress], object]
Grow = Callable[[Image, Place], npt.ArrayLike]

_PAUSE = 30.0  # seconds: longer ones are no work
_STILL = (
    "A picture of the lab. Where a notebook runs (JupyterLab, VS Code, Colab), the lab itself is "
    "here, for mouse and keys."
)
_KEYS = "remove r, add a, cut c, join j, undo u, previous p, next n, teach t, save s"


class LabellingLab:
    """Fields of view whose labels a person corrects, and a network that learns from them.

    At the end of a cell it is a picture with tools for mouse and keys, where a kernel runs. All
    that they do are the methods below, which work without a screen, too.

    Parameters
    ----------
    images : sequence of array_like, (Y, X)
        The fields.
    predict : callable
        Takes an image, and returns labels (Y, X), 0 for background.
    learn : callable
        Takes the images that were shown so far, their labels, and a function `progress` to be
        called with the fraction that is done, from 0 to 1. What `predict` says afterwards is what
        was learned.
    grow : callable, optional
        Takes an image and a place (y, x), and returns the mask (Y, X) of the object there.
    names : sequence of str, optional
        Names of the fields, for files; ``field_1`` and so on.
    folder : path-like, default "labels"
        Where the button for saving saves.
    clock : callable, default time.monotonic
        Tells the seconds.

    Attributes
    ----------
    images : list of ndarray
        The fields.
    names : list of str
        Their names.
    field : int
        Which one is shown, from 0.
    efforts : list of Effort
        What was done to each field.
    message : str
        What was done last, or why it was not.
    fraction : float or None
        How much is learned of what is being learned; None if nothing is.
    watchers : list of callable
        Called, without arguments, after each change.

    Raises
    ------
    TypeError, ValueError
        If there is no image, one is not 2D, or there are not as many names.

    See Also
    --------
    mend : A person who knows the truth.
    aimicro.metrics.corrections : The corrections counted, without a hand that makes them.

    Notes
    -----
    Used in chapter 9, *A labelling lab*.

    Examples
    --------
    >>> from skimage.measure import label
    >>> image = np.zeros((16, 16))
    >>> image[2:6, 2:6] = image[2:6, 8:12] = 1
    >>> lab = LabellingLab([image], lambda image: label(image > 0), lambda *seen: None)
    >>> lab.remove((3, 9))
    >>> lab.add([(8, 2), (8, 6), (12, 6), (12, 2)])
    >>> np.unique(lab.labels).tolist(), lab.effort.total
    ([0, 1, 2], 2)
    """

    def __init__(
        self,
        images: Sequence[npt.ArrayLike],
        predict: Predict,
        learn: Learn,
        *,
        grow: Grow | None = None,
        names: Sequence[str] | None = None,
        folder: str | os.PathLike[str] = "labels",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        hint = "Give a list of fields, each of one plane."
        self.images: list[Image] = [
            checks.image("images", each, ndim=2, hint=hint) for each in images
        ]
        self.names = list(names or [f"field_{k + 1}" for k in range(len(self.images))])
        if not self.images or len(set(self.names)) != len(self.images):
            raise ValueError(
                f"Expected an image or more, and a name for each, got {len(self.images)} images "
                f"and {len(set(self.names))} different names. Give as many names as images."
            )
        self._predict, self._learn, self._grow = predict, learn, grow
        self._folder, self._clock, self._since = Path(folder), clock, clock()
        self._widget: Any = None
        self._before: list[list[Labels]] = [[] for _ in self.images]
        self._labels: dict[int, Labels] = {}
        self.efforts = [Effort() for _ in self.images]
        self.field, self.message = 0, ""
        self.fraction: float | None = None
        self.watchers: list[Callable[[], object]] = []
        self._go_to(0)

    # ---- what there is

    @property
    def labels(self) -> Labels:
        """The labels of the field that is shown."""
        return self._labels[self.field]

    @property
    def seen(self) -> dict[str, Labels]:
        """The labels of all fields that were shown, by name."""
        return {self.names[k]: self._labels[k] for k in sorted(self._labels)}

    @property
    def effort(self) -> Effort:
        """What was done to all fields together."""
        return sum(self.efforts, start=Effort())

    @property
    def grows(self) -> bool:
        """Whether a click is enough to add an object."""
        return self._grow is not None

    # ---- the tools

    def remove(self, place: Place) -> None:
        """Remove the object at a place, as `aimicro.lab.remove` does.

        Parameters
        ----------
        place : (float, float)
            y, x.
        """
        self._correct(edits.remove(self.labels, place), "removed")

    def add(self, outline: npt.ArrayLike) -> None:
        """Add what was drawn around, as `aimicro.lab.add` does.

        Parameters
        ----------
        outline : array_like, (N, 2)
            Places y, x, three or more.
        """
        line = np.asarray(outline, np.float64)
        mask = edits.outlined(self.labels.shape, line)
        self._correct(edits.add(self.labels, mask), "added", [*line, line[0]])

    def grow(self, place: Place) -> None:
        """Add the object that grows from a place.

        Parameters
        ----------
        place : (float, float)
            y, x.

        Raises
        ------
        ValueError
            If the lab was made without `grow`, or the object has no free pixel.
        """
        if self._grow is None:
            raise ValueError("Expected an outline, got one click. Draw around the object.")
        mask = self._grow(self.images[self.field], place)
        self._correct(edits.add(self.labels, mask), "added")

    def cut(self, stroke: npt.ArrayLike) -> None:
        """Cut an object in two, as `aimicro.lab.cut` does.

        Parameters
        ----------
        stroke : array_like, (N, 2)
            Places y, x, two or more.
        """
        self._correct(edits.cut(self.labels, stroke), "cut", stroke)

    def join(self, first: Place, second: Place) -> None:
        """Make one object of two, as `aimicro.lab.join` does.

        Parameters
        ----------
        first, second : (float, float)
            y, x in each.
        """
        self._correct(edits.join(self.labels, first, second), "joined")

    def undo(self) -> None:
        """Take the last correction of this field back.

        Raises
        ------
        ValueError
            If there is none.
        """
        if not self._before[self.field]:
            raise ValueError("Expected a correction of this field to undo, got none. Make one.")
        self._labels[self.field] = self._before[self.field].pop()
        self._done("undone")

    # ---- from field to field

    def next(self) -> None:
        """Show the next field.

        Raises
        ------
        ValueError
            If this is the last one.
        """
        self._go_to(self.field + 1)

    def previous(self) -> None:
        """Show the field before.

        Raises
        ------
        ValueError
            If this is the first one.
        """
        self._go_to(self.field - 1)

    def teach(self) -> None:
        """Let the network learn from all fields that were shown, and show it the next one.

        A field that was shown and left alone counts as right.
        """
        seen = sorted(self._labels)
        self._progress(0.0)
        try:
            self._learn([self.images[k] for k in seen], list(self.seen.values()), self._progress)
        except BaseException:  # also where the kernel is interrupted
            self.fraction = None
            self._tell("Nothing was learned.")
            raise
        finally:
            self.fraction, self._since = None, self._clock()
        new = [k for k in range(len(self.images)) if k not in self._labels]
        if new:
            self._go_to(new[0])
        fields = f"{len(seen)} field" + "s" * (len(seen) != 1)
        self._tell(f"Learned from {fields}." + ("" if new else " No field is left."))

    def save(
        self, folder: str | os.PathLike[str] | None = None, *, overwrite: bool = False
    ) -> list[Path]:
        """Write the labels of all fields that were shown, a TIFF each.

        Parameters
        ----------
        folder : path-like, optional
            Where to; made if it is missing. By default the folder of the lab.
        overwrite : bool
            Whether files may be replaced.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        FileExistsError
            If there is a file already that must not be replaced: then nothing is written.
        """
        place = self._folder if folder is None else Path(folder)
        paths = {place / f"{name}.tif": labels for name, labels in self.seen.items()}
        there = [path.name for path in paths if path.exists()]
        if there and not overwrite:
            raise FileExistsError(
                f"Expected no files of these names in {place}, got {', '.join(there)}. Nothing was "
                "written. Choose another folder, or call save(overwrite=True)."
            )
        place.mkdir(parents=True, exist_ok=True)
        for path, labels in paths.items():
            write_tiff(path, labels, axes="YX")
        self._tell(f"Saved {len(paths)} label images in {place}.")
        return list(paths)

    # ---- on the screen

    def picture(self, *, caption: str = "") -> Figure:
        """Draw the field with its outlines, for where nothing moves.

        Parameters
        ----------
        caption : str
            What to notice.

        Returns
        -------
        Figure
            A figure as `aimicro.show.panels` makes it.
        """
        shown = f"Field {self.field + 1} of {len(self.images)}, {_count(self.labels)}"
        return panels(
            [self.images[self.field]],
            outlines=[self.labels],
            titles=[shown],
            notes=[f"Tools and keys: {_KEYS}"],
            limits="each",
            columns=1,
            alt=f"A labelling lab: {shown} with outlines.",
            caption=caption,
        )

    def widget(self) -> Any:
        """Make what a notebook shows: one for each lab.

        Returns
        -------
        anywidget.AnyWidget
            It shows what the methods of the lab do, and calls them.

        Raises
        ------
        ModuleNotFoundError
            If anywidget is not installed.
        """
        if self._widget is None:
            from aimicro.lab.widget import bench

            self._widget = bench(self)
        return self._widget

    def __repr__(self) -> str:
        shown = f"field {self.field + 1} of {len(self.images)}, {_count(self.labels)}"
        return f"LabellingLab({shown}; {self.effort})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Any:
        """Return a picture, and the widget for a front end that has a kernel behind it."""
        try:
            live = self.widget()._repr_mimebundle_()
        except ModuleNotFoundError as error:
            return self.picture(caption=f"A picture only. {error}")._repr_mimebundle_()
        data, metadata = live if isinstance(live, tuple) else (live, {})
        # Colab might take the picture for the better answer. Whoever is there has a kernel.
        if "google.colab" not in sys.modules:
            still = self.picture(caption=_STILL)._repr_mimebundle_()
            data = {**data, **still}
        return data, metadata

    # ---- behind it

    def _correct(self, after: Labels, kind: str, drawn: npt.ArrayLike | None = None) -> None:
        self._before[self.field].append(self.labels)
        self._labels[self.field] = after
        steps = np.diff(np.asarray([(0, 0)] if drawn is None else drawn, np.float64), axis=0)
        self._done(kind, float(np.hypot(*steps.T).sum()))

    def _done(self, kind: str, drawn_px: float = 0.0) -> None:
        """Count an action on this field."""
        now = self._clock()
        seconds, self._since = min(now - self._since, _PAUSE), now
        done = Effort(drawn_px=drawn_px, seconds=seconds, **{kind: 1})
        self.efforts[self.field] += done
        self._tell(f"One {kind}. {_count(self.labels)} now." if kind != "undone" else "Undone.")

    def _go_to(self, field: int) -> None:
        if not 0 <= field < len(self.images):
            raise ValueError(
                f"Expected a field from 1 to {len(self.images)}, got {field + 1}. Go the other way."
            )
        if field not in self._labels:
            found = checks.labels(
                "what predict returned", self._predict(self.images[field]), ndim=2
            )
            if found.shape != self.images[field].shape:
                raise ValueError(
                    f"Expected labels of the image's shape, {self.images[field].shape}, from "
                    f"predict, got {found.shape}. Return an id for each pixel."
                )
            self._labels[field] = found.astype(np.int32)
        self.field, self._since = field, self._clock()
        self._tell(f"{self.names[field]}: {_count(self.labels)}.")

    def _progress(self, fraction: float) -> None:
        self.fraction = min(max(float(fraction), 0.0), 1.0)
        self._tell("Learning …")

    def _tell(self, message: str) -> None:
        self.message = message
        for watcher in self.watchers:
            watcher()


def _count(labels: Labels) -> str:
    number = len(np.unique(labels[labels > 0]))
    return f"{number} object" + "s" * (number != 1)
