"""What a training writes into its folder after each epoch.

All of it is made from the history, and so is complete and without repetition when a training that
was killed has gone on.
"""

import csv
import io
import math
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from matplotlib.figure import Figure
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c
from tensorboardX.summary import scalar
from torch import nn

from aimicro.cli.config import Config
from aimicro.io import replacing
from aimicro.train import History, save_model

TABLE, PLOT = "training.csv", "training.png"
_SECONDS_BETWEEN_PLOTS = 30


class TrainingLog:
    """Keeps weights, table, plot and TensorBoard events of a training up to date.

    Parameters
    ----------
    folder : pathlib.Path
        Where to write.
    config : TrainingConfig or SegmentationConfig
        Of the training.
    """

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder, self.config = folder, config
        self.n_epochs = 0
        self._events: Path | None = None
        self._plotted = time.monotonic()  # one epoch has no curve, and short trainings end soon

    def __call__(self, model: nn.Module, history: History) -> None:
        """Note the epoch that has just been validated."""
        losses = history.validation_loss or history.train_loss
        if losses[-1] < min(losses[:-1], default=math.inf):
            name = f"weights_{len(losses):03d}_{losses[-1]:.8f}.safetensors"
            save_model(self.folder / name, model, seed=self.config.seed)
        rows = self._rows(history)
        self._write_table(rows)
        self._write_events(rows[-1])
        if time.monotonic() > self._plotted + _SECONDS_BETWEEN_PLOTS:
            self._plot(rows)
            self._plotted = time.monotonic()
        self.n_epochs += 1

    def finish(self, history: History) -> None:
        """Bring table and plot up to date after the last epoch."""
        rows = self._rows(history)
        self._write_table(rows)
        self._plot(rows)

    def _rows(self, history: History) -> list[dict[str, float]]:
        """The history epoch by epoch."""
        n = len(history.step)
        columns: dict[str, list[float]] = {
            "epoch": list(range(1, n + 1)),
            "learning_rate": [self.config.learning_rate(epoch) for epoch in range(n)],
            "training_loss": history.train_loss,
            "validation_loss": history.validation_loss,
            **history.metrics,
        }
        filled = {name: values for name, values in columns.items() if values}
        return [dict(zip(filled, row, strict=True)) for row in zip(*filled.values(), strict=True)]

    def _write_table(self, rows: list[dict[str, float]]) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        self._replace(TABLE, text.getvalue().encode())

    def _write_events(self, row: dict[str, float]) -> None:
        # Not with SummaryWriter, which would wait for ever for a disk that is full.
        epoch, now = int(row["epoch"]), time.time()
        events = []
        if self._events is None:
            self._events = self.folder / f"events.out.tfevents.{now:.0f}.{epoch:03d}"
            # The start of a session hides what an earlier one noted of this epoch and later ones.
            start = SessionLog(status=SessionLog.START)
            events += [
                Event(wall_time=now, file_version="brain.Event:2"),
                Event(wall_time=now, step=epoch, session_log=start),
            ]
        events += [
            Event(wall_time=now, step=epoch, summary=scalar(name, value))
            for name, value in row.items()
            if name != "epoch"
        ]
        with self._events.open("ab") as file:
            file.write(_records(events))

    def _plot(self, rows: list[dict[str, float]]) -> None:
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        for name in ("training_loss", "validation_loss"):
            if name in rows[0]:
                axes.plot([row["epoch"] for row in rows], [row[name] for row in rows], label=name)
        axes.set(xlabel="epoch", ylabel=self.config.loss)
        axes.legend()
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
        self._replace(PLOT, picture.getvalue())

    def _replace(self, name: str, content: bytes) -> None:
        # Windows refuses while another program shows the file: the next epoch writes all of it.
        with suppress(PermissionError), replacing(self.folder / name) as file:
            file.write(content)


def n_rows(folder: Path) -> int:
    """Epochs in the table of a training."""
    file = folder / TABLE
    return len(file.read_text().splitlines()) - 1 if file.exists() else 0


def _records(events: Sequence[Event]) -> bytes:
    """Events as TensorBoard reads them: each with its length, and with checksums of both."""
    parts = []
    for event in events:
        content = event.SerializeToString()
        length = struct.pack("<Q", len(content))
        for part in (length, content):
            parts += [part, struct.pack("<I", masked_crc32c(part))]
    return b"".join(parts)
