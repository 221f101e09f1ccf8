"""What ``aimicro ready`` asks a computer: each check answers with what it found and what to do."""

import argparse
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from typing import NamedTuple

from packaging.requirements import Requirement

from aimicro import data
from aimicro.cli._findings import FINE, LOOK, MEND
from aimicro.cli.reference_work import reference_seconds
from aimicro.metrics import psnr
from aimicro.simulate.pairs import simulate_pair

_OLDEST_PYTHON = (3, 11)
_MEMORY_GB = 4  # a notebook takes up to 2, system and browser the rest
_DISK_GB = 1
_SLOW = 1.5  # times the seconds of the book's machine: from here on worth a word
_STEPS = 90  # of the small training: about two seconds on one core
_INSTALL = "Install the package once more, with the line on the book's first page."


class Answer(NamedTuple):
    """What a check found; `todo` says what to do about it, or what it means."""

    level: str
    found: str
    todo: str = ""


def python(options: argparse.Namespace) -> Answer:
    """Look whether this Python is new enough."""
    found = f"{platform.python_version()}, {sys.executable}"
    if sys.version_info >= _OLDEST_PYTHON:
        return Answer(FINE, found)
    return Answer(MEND, found, "Install Python 3.11 or newer, and the package into it.")


def packages(options: argparse.Namespace) -> Answer:
    """Look whether the packages that aimicro needs are as new as it promises."""
    try:
        promised = map(Requirement, metadata.requires("aimicro") or [])
    except metadata.PackageNotFoundError:
        return Answer(LOOK, "aimicro runs from a folder and was not installed", _INSTALL)
    here = {"extra": ""}  # what is promised for other systems, and for extras, is not asked for
    wanted = [one for one in promised if one.marker is None or one.marker.evaluate(here)]
    faults = [fault for one in wanted if (fault := missing(one))]
    if faults:
        return Answer(MEND, "; ".join(faults), _INSTALL)
    return Answer(FINE, f"{len(wanted)}, all as new as promised")


def missing(wanted: Requirement) -> str:
    """Say what is wrong with the package that a requirement names; nothing if it is fine."""
    try:
        found = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"{wanted.name} is missing"
    if wanted.specifier.contains(found, prereleases=True):
        return ""
    return f"{wanted.name} is {found}, expected {wanted.specifier}"


def torch(options: argparse.Namespace) -> Answer:
    """Import PyTorch, and say where it computes."""
    try:
        import torch

        from aimicro.train.devices import best_device
    except (ImportError, OSError) as error:  # OSError: a library of its own is missing
        return Answer(
            MEND,
            f"PyTorch cannot be imported ({error})",
            "Install it as pytorch.org/get-started/locally says; the CPU build is enough.",
        )
    threads = torch.get_num_threads()
    shared = "one thread" if threads == 1 else f"{threads} threads"
    return Answer(FINE, f"{torch.__version__}, on {best_device()}, {shared}")


def jupyter(options: argparse.Namespace) -> Answer:
    """Look for something to open notebooks with."""
    for module, name in (("google.colab", "Colab"), ("jupyterlab", "JupyterLab")):
        if _has(module):
            return Answer(FINE, f"{name} is here")
    todo = "Install it with: python -m pip install jupyterlab. VS Code and Colab do without."
    return Answer(LOOK, "JupyterLab is not installed here", todo)


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even google
        return False


def memory(options: argparse.Namespace) -> Answer:
    """Look whether the memory is enough for a notebook."""
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError):  # Windows has no such question
        return Answer(FINE, f"not known on this system; {_MEMORY_GB} GB are enough")
    if size >= 0.95 * _MEMORY_GB:  # the system keeps a little for itself
        return Answer(FINE, f"{size:.0f} GB")
    return Answer(
        LOOK, f"{size:.1f} GB", "Close other programs, or share a laptop with a neighbour."
    )


def disk(options: argparse.Namespace) -> Answer:
    """Look for room for the little that notebooks write."""
    free = shutil.disk_usage(tempfile.gettempdir()).free / 1e9
    if free >= _DISK_GB:
        return Answer(FINE, f"{free:.0f} GB free")
    return Answer(MEND, f"{free:.1f} GB free", f"Make room for {_DISK_GB} GB.")


def real_images(options: argparse.Namespace) -> Answer:
    """Look for the real images, here or at their address."""
    sizes = data.registered()
    names = sorted(sizes, key=sizes.__getitem__)
    wanted = names if options.fetch else names[:1]
    here = [name for name in names if data.is_here(name)]
    if len(here) == len(names):
        return Answer(FINE, "all of them are here; the notebooks need no network")
    twins = "The notebooks go on with simulated twins of these images, and say so on the page. "
    if options.offline:
        return Answer(LOOK, f"{len(here)} of {len(names)} are here", f"{twins}See --fetch.")
    try:
        for name in wanted:
            data.fetch(name)
    except (data.DataUnavailableError, data.DataMismatchError) as error:
        cause = f"they cannot be downloaded ({type(error.__cause__).__name__})"
        return Answer(LOOK, cause, twins + "For the real ones, connect and ask again with --fetch.")
    if options.fetch:
        return Answer(FINE, f"all {len(names)} files are here now; the notebooks need no network")
    return Answer(FINE, "can be downloaded; --fetch does it now, for a room without network")


def speed(options: argparse.Namespace) -> Answer:
    """Say how long the notebooks will take here."""
    seconds = reference_seconds()
    expect = f"expect {60 * seconds:.0f} s where the book says 60 s"
    if seconds < _SLOW:
        return Answer(FINE, f"a fixed piece of work takes {seconds:.1f} s; {expect}")
    return Answer(
        LOOK,
        f"a fixed piece of work takes {seconds:.1f} s instead of one; {expect}",
        "Plug the power cable in, close other programs, and ask again. If it stays, run long cells "
        "before you talk, or use Colab.",
    )


def training(options: argparse.Namespace) -> Answer:
    """Train a small network, and let it restore an image that it never saw."""
    try:
        from torch import manual_seed as seed

        from aimicro.models import UNet
        from aimicro.predict import predict
        from aimicro.train import ArrayPatches, fit
    except (ImportError, OSError):
        return Answer(MEND, "not tried, since PyTorch cannot be imported", "See torch above.")
    pairs = [simulate_pair("denoise", shape=(96, 96), rng=k) for k in range(5)]
    raw, truth = [pair.raw for pair in pairs], [pair.truth for pair in pairs]
    start = time.perf_counter()
    seed(0)
    network = UNet(channels=8, depth=2)
    fit(network, ArrayPatches(raw[1:], truth[1:], patch_size=(32, 32)), steps=_STEPS)
    restored = predict(network, raw[0])
    seconds = time.perf_counter() - start
    scale = float(truth[0].max())
    before, after = (psnr(truth[0], image, data_range=scale) for image in (raw[0], restored))
    found = f"a tiny U-Net took an image from {before:.1f} to {after:.1f} dB, in {seconds:.0f} s"
    if after > before + 1:
        return Answer(FINE, found)
    return Answer(MEND, found, "It should gain several. Install PyTorch anew.")


CHECKS: dict[str, Callable[[argparse.Namespace], Answer]] = {
    "Python": python,
    "packages": packages,
    "PyTorch": torch,
    "notebooks": jupyter,
    "memory": memory,
    "disk": disk,
    "real images": real_images,
    "speed": speed,
    "training": training,
}
