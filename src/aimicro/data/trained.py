"""Networks that were trained for longer than a page can wait, each with a card."""

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pooch

from aimicro import checks
from aimicro.data.fetching import DataMismatchError

_FOLDER = Path(str(resources.files("aimicro.data"))) / "long_trainings"


@dataclass(frozen=True)
class Card:
    """How a network was trained, and how far it came.

    Attributes
    ----------
    task : str
        The test set of `aimicro.benchmarks.restoration_task` that it was trained for; or
        ``"invented_nuclei"``, inventions of `aimicro.simulate.invented_nuclei`.
    simulate : str
        The command that drew its training and validation pairs; none of them is a test image.
    config : dict
        What ``aimicro train`` was given: the network, its patches, steps and seed.
    seconds : float
        Time that the training took.
    machine : str
        On what.
    validation_loss : float
        By which these weights were chosen among those of all epochs.
    version : str
        Of aimicro, which trained it.
    n_bytes : int
        Size of the file.
    sha256 : str
        Its checksum.
    psnr : float or None
        Of what restores: decibels on the test set, measured once, after the choice.
    mean_ap : float or None
        Of what segments: mean of AP50, AP75 and AP90 on the test set, measured in the same way.

    Notes
    -----
    Used in appendix A and in chapter 9, *Fine-tuning and a human in the loop*.
    """

    task: str
    simulate: str
    config: dict[str, Any]
    seconds: float
    machine: str
    validation_loss: float
    version: str
    n_bytes: int
    sha256: str
    psnr: float | None = None
    mean_ap: float | None = None

    @property
    def steps(self) -> int:
        """Steps of the training."""
        return int(self.config["epochs"] * self.config["steps_per_epoch"])


def card(task: str) -> Card:
    """Tell how the network of a page was trained for longer.

    Parameters
    ----------
    task : str
        What it was trained for: ``"denoise_volumes"``, ``"deconvolve"``, ``"correct_aberrations"``,
        ``"enhance_resolution"`` or ``"invented_nuclei"``.

    Returns
    -------
    Card
        Data, settings, seed, steps, time and scores.

    Raises
    ------
    ValueError
        If there is none for this task.

    Notes
    -----
    Used in appendix A and in chapter 9, *Fine-tuning and a human in the loop*.

    Examples
    --------
    >>> card("deconvolve").config["seed"]
    0
    """
    known = sorted(path.stem for path in _FOLDER.glob("*.json"))
    name = checks.one_of("task", task, known)
    return Card(**json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def weights(task: str) -> Path:
    """Return the file of a network that was trained for longer than a page can wait.

    ``load_model(data.weights("deconvolve"))`` is the network, and ``card`` tells how it was made.

    Parameters
    ----------
    task : str
        What it was trained for, as in `card`.

    Returns
    -------
    pathlib.Path
        A file of safetensors, part of the package; treat it as read-only.

    Raises
    ------
    ValueError
        If there is none for this task.
    DataMismatchError
        If the file is not the one of the card.

    Notes
    -----
    Used in appendix A and in chapter 9, *Fine-tuning and a human in the loop*.
    """
    known, path = card(task), _FOLDER / f"{task}.safetensors"
    if (sha256 := pooch.file_hash(str(path))) != known.sha256:
        raise DataMismatchError(
            f"{path}: Expected {known.n_bytes} bytes with SHA-256 {known.sha256}, got "
            f"{path.stat().st_size} with {sha256}. Install aimicro again."
        )
    return path
