"""``aimicro simulate``: folders of pairs to train on, with a truth that is known."""

import argparse
import json
import math
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

import aimicro
from aimicro import checks
from aimicro.cli._files import make_folder
from aimicro.io import replacing, write_tiff
from aimicro.simulate.pairs import TASKS, Pair, simulate_pair
from aimicro.track import write_lineage

RECORD = "simulation.json"
PREVIEW = "preview.png"
_SPLITS = ("train", "val", "test")


def add_to(commands: Any) -> None:
    """Add ``simulate`` to the command line."""
    defaults = "\n".join(
        f"  {name:<11} {task.shows}\n{'':13} structure {task.structures[0]}, shape "
        f"{_commas(task.shape)}, voxel {_commas(task.voxel_size_um)} µm, {task.photons:g} photons"
        for name, task in TASKS.items()
    )
    parser = commands.add_parser(
        "simulate",
        help="write pairs of raw and true images to train on",
        description="Write simulated pairs: DIR/train/raw and DIR/train/gt, the same for val and "
        f"test, with everything that was chosen or drawn in DIR/{RECORD}, and a picture of the "
        f"first pair in DIR/{PREVIEW}.",
        epilog=f"tasks and their defaults:\n{defaults}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--task", required=True, choices=TASKS, help="what the network is to learn")
    add("-n", type=int, required=True, metavar="N", help="pairs in all, at least 3")
    add("-o", "--output-dir", type=Path, required=True, metavar="DIR", help="folder for the pairs")
    add("--structure", help="what to draw: " + "; ".join(
        f"{name}: {', '.join(task.structures)}" for name, task in TASKS.items()))  # fmt: skip
    add(
        "--shape",
        type=_whole_numbers,
        metavar="Z,Y,X",
        help="voxels of a volume, or Y,X (T,Y,X: track)",
    )
    add(
        "--voxel-size",
        type=_numbers,
        metavar="Z,Y,X",
        help="size of a voxel in µm (Y,X: images in 2D, track)",
    )
    add("--photons", type=float, help="in the brightest voxel of the raw image, on average")
    add("--split", type=_numbers, default=(0.7, 0.15, 0.15), metavar="TRAIN,VAL,TEST",
        help="fractions of the pairs, at least one pair each (default: 0.7,0.15,0.15)")  # fmt: skip
    add("--seed", type=int, default=0, help="pair i is the same for every N (default: 0)")
    add("--overwrite", action="store_true", help="replace the pairs of an earlier run in DIR")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the data set that the options describe."""
    folder: Path = options.output_dir
    checks.whole("--seed", options.seed, low=0)
    places = list(_places(_counts(options.n, options.split)))
    pairs = (_pair(options, *place) for place in places)
    first = next(pairs)  # a mistake in the options shows here, before anything is written
    _make_room(folder, overwrite=options.overwrite)
    record: dict[str, Any] = {
        "aimicro": aimicro.__version__,
        "command": shlex.join(["aimicro", *sys.argv[1:]]),
        "task": options.task,
        "seed": options.seed,
        "pairs": [],
    }
    for place, pair in zip(tqdm(places, unit="pair"), chain([first], pairs), strict=True):
        names = _names(options.task, place, pair)
        record["pairs"].append({"files": names, "rng": _seed(options, *place), **pair.parameters})
        # Before the images, so that --overwrite knows all that a run cut short has left.
        with replacing(folder / RECORD) as file:
            file.write(json.dumps(_plain(record), indent=2, allow_nan=False).encode())
        if pair is first:
            _save_preview(folder / PREVIEW, first)
        _save([folder / name for name in names], pair)


def _pair(options: argparse.Namespace, split: str, index: int) -> Pair:
    return simulate_pair(
        options.task,
        structure=options.structure,
        shape=options.shape,
        voxel_size_um=options.voxel_size,
        photons=options.photons,
        rng=np.random.default_rng(_seed(options, split, index)),
    )


def _seed(options: argparse.Namespace, split: str, index: int) -> list[int]:
    return [options.seed, _SPLITS.index(split), index]


def _counts(n: int, split: tuple[float, ...]) -> tuple[int, int, int]:
    """Share `n` pairs out among the three splits."""
    if len(split) != 3 or min(split) < 0 or not math.isclose(sum(split), 1, abs_tol=1e-6):
        raise ValueError(
            f"Expected --split as three fractions that add up to 1, got {_commas(split)}. "
            f"Write for example 0.8,0.1,0.1."
        )
    checks.whole("-n", n, low=3, hint="Each split needs a pair.")
    val, test = (max(1, round(n * fraction)) for fraction in split[1:])
    if val + test >= n:
        raise ValueError(
            f"Expected --split to leave a pair to train on, got {_commas(split)} of {n} pairs. "
            f"Raise -n or the first fraction."
        )
    return n - val - test, val, test


def _places(counts: tuple[int, int, int]) -> Iterator[tuple[str, int]]:
    for split, count in zip(_SPLITS, counts, strict=True):
        for index in range(count):
            yield split, index


def _make_room(folder: Path, *, overwrite: bool) -> None:
    """Make the folders, and remove what an earlier run left: only what its record lists."""
    record = folder / RECORD
    if record.exists() and overwrite:
        for file in _written_earlier(folder):
            file.unlink(missing_ok=True)
        record.unlink()
    images = [folder / split / kind for split in _SPLITS for kind in ("raw", "gt")]
    occupied = [record, folder / PREVIEW, *images]
    for place in occupied:
        # Hidden files are what a run that was killed had not finished.
        if place.is_file() or any(place.glob("[!.]*")):
            raise FileExistsError(
                f"Expected no images in {folder} yet, got {place}. Choose another -o, or add "
                f"--overwrite to replace the pairs of an earlier run (nothing else is removed)."
            )
    for place in images:
        make_folder(place)


def _written_earlier(folder: Path) -> list[Path]:
    """Return the files of the run that left a record; a record of anything else is refused."""
    record = folder / RECORD
    try:
        earlier = json.loads(record.read_text(encoding="utf-8"))
        task = earlier["task"]
        names = [name for pair in earlier["pairs"] for name in pair["files"]]
        ours = "aimicro" in earlier and task in TASKS and all(map(_name_of(task).fullmatch, names))
    except (ValueError, TypeError, KeyError, RecursionError):
        ours = False
    home = folder.resolve()
    # A link may lead out of the folder.
    if not ours or any((home / name).parent.resolve() != (home / name).parent for name in names):
        raise FileExistsError(
            f"Expected {record} to list files that aimicro simulate has written beside it, got "
            f"another record. Choose another -o, or remove what is there yourself."
        )
    return [*(folder / name for name in names), folder / PREVIEW]


def _name_of(task: str) -> re.Pattern[str]:
    """Return what the names that :func:`_names` makes look like."""
    stem = rf"{task}_\d{{4,}}"
    return re.compile(rf"({'|'.join(_SPLITS)})/(raw/{stem}\.tif|gt/{stem}(\.tif|_lineage\.txt))")


def _names(task: str, place: tuple[str, int], pair: Pair) -> list[str]:
    """Name raw and truth alike; the lineage of a film lies beside its labels."""
    split, index = place
    stem = f"{task}_{index:04d}"
    names = [f"{split}/raw/{stem}.tif", f"{split}/gt/{stem}.tif"]
    return [*names, f"{split}/gt/{stem}_lineage.txt"] if pair.lineage else names


def _save(paths: Sequence[Path], pair: Pair) -> None:
    raw, truth, *tables = paths
    write_tiff(raw, pair.raw, axes=pair.axes, pixel_size_um=pair.voxel_size_um)
    # Labels in 16 bits open in every program.
    in_16_bits = pair.truth.dtype.kind == "i" and pair.truth.max() < 2**16
    values = pair.truth.astype(np.uint16) if in_16_bits else pair.truth
    write_tiff(truth, values, axes=pair.axes, pixel_size_um=pair.voxel_size_um)
    for table in tables:
        write_lineage(table, pair.lineage)


def _save_preview(path: Path, pair: Pair) -> None:
    """Draw raw and truth side by side: the brightest of all planes, or the first frame."""
    images = (pair.raw, pair.truth)
    if pair.axes == "ZYX":
        images = (pair.raw.max(axis=0), pair.truth.max(axis=0))
    elif pair.axes == "TYX":
        images = (pair.raw[0], pair.truth[0])
    grey = [_grey(image) for image in images]
    gap = np.full((grey[0].shape[0], 4), 255, np.uint8)
    with replacing(path) as file:
        Image.fromarray(np.hstack([grey[0], gap, grey[1]])).save(file, format="png")


def _grey(image: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = np.percentile(image, (0.1, 99.9))
    scaled = (image.astype(float) - low) / max(high - low, 1e-12)
    return np.asarray(255 * np.clip(scaled, 0, 1), dtype=np.uint8)


def _plain(value: Any) -> Any:
    """Turn settings into what JSON can hold; it has no infinity, so that becomes a word."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _commas(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers like 0.2,0.1,0.1, got {text}") from None


def _whole_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected whole numbers like 16,128,128, got {text}"
        ) from None
