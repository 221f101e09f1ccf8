"""Images that a command works on one after the other: which, where to, and with what tables.

A private part of :mod:`aimicro.cli.apply` and :mod:`aimicro.cli.segment`.
"""

import argparse
import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from aimicro.cli._files import is_tiff, paired, tiffs
from aimicro.io import replacing

# A file counts as much as it has been restored, so that the time left is right within a file, too.
_BAR = "{percentage:3.0f}%|{bar}| {n:.1f}/{total} images [{elapsed}<{remaining}]"
Row = Mapping[str, str | float]


@dataclass(frozen=True)
class Job:
    """One image to work on, where to write the result, and its truth."""

    raw: Path
    output: Path
    truth: Path | None


def do_all(
    jobs: Sequence[Job], run: Callable[[Job, Callable[[float], None]], None], *, overwrite: bool
) -> None:
    """Run image after image; one that is at fault does not keep the others from it.

    Parameters
    ----------
    jobs
        What there is to do.
    run
        Does one of them, and tells its second argument of each fraction that is done.
    overwrite
        Whether results are replaced, so that an old one must not pass for a new one.
    """
    faults: dict[str, ValueError] = {}
    with tqdm(total=len(jobs), bar_format=_BAR) as bar:

        def each(fraction: float) -> None:
            bar.update(min(fraction, len(jobs) - bar.n))  # fractions add up to 1, but for rounding

        for done, job in enumerate(jobs):
            try:
                run(job, each)
            except ValueError as fault:
                faults[job.raw.name] = fault
                if overwrite:
                    job.output.unlink(missing_ok=True)
            bar.update(done + 1 - bar.n)
    if faults:
        first, *_ = faults.values()
        left_out = f" Left out of {len(jobs)} images: {', '.join(faults)}." if len(jobs) > 1 else ""
        # Of an unreadable image without what else could be done in Python.
        raise ValueError(f"{getattr(first, 'plain', first)}{left_out}") from first


# ---- which files


def jobs_of(options: argparse.Namespace) -> list[Job]:
    """List the images that -i names, with their truth from -g and their place from -o."""
    source, output, truth = options.input, options.output, options.ground_truth
    for flag, path in (("-i", source), ("-g", truth)):
        if path is not None and not path.exists():
            raise FileNotFoundError(
                f"{flag}: Expected a file or a folder, got {path}, which does not exist. "
                "Correct the path."
            )
    kinds = ("folder", "file") if source.is_dir() else ("file", "folder")
    for flag, path in (("-g", truth), ("-o", output)):
        if path is not None and path.exists() and path.is_dir() != source.is_dir():
            raise ValueError(
                f"{flag}: Expected a {kinds[0]}, as -i is one, got the {kinds[1]} {path}. "
                f"Name a {kinds[0]}."
            )
    if not source.is_dir():
        return [_single(source, output, truth)]
    raws = tiffs("-i", source)
    if truth is None:
        return [Job(raw, output / raw.name, None) for raw in raws]
    by_order, how = options.pair_by_order, "add --pair-by-order"
    pairs = paired("-g", raws, tiffs("-g", truth), by_order=by_order, how=how)
    return [Job(raw, output / raw.name, true) for raw, true in pairs]


def _single(source: Path, output: Path, truth: Path | None) -> Job:
    if not output.parent.is_dir():
        raise FileNotFoundError(
            f"-o: Expected a file in a folder that exists, got {output}. Create {output.parent}."
        )
    if not is_tiff(output):
        raise ValueError(f"-o: Expected a name ending in .tif or .tiff, got {output}. Rename it.")
    return Job(source, output, truth)


def table_of(options: argparse.Namespace, name: str) -> Path:
    """Where a table goes: into the folder of the results, or beside the one result."""
    output: Path = options.output
    if options.input.is_dir():
        return output / name
    return output.with_name(f"{output.stem}_{name}")


def check_outputs(
    jobs: Sequence[Job], options: argparse.Namespace, others: Sequence[Path] = ()
) -> None:
    """Refuse to replace an input, and results too unless that is asked for."""
    inputs = {path.resolve() for job in jobs for path in (job.raw, job.truth) if path}
    outputs = [*(job.output for job in jobs), *others]
    for output in outputs:
        if output.resolve() in inputs:
            raise ValueError(
                f"-o: Expected a place of its own, got {output}, which is an input. "
                "Choose another -o: inputs are never replaced."
            )
    existing = [output for output in outputs if output.exists()]
    if existing and not (options.overwrite or options.skip_existing):
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise FileExistsError(
            f"-o: Expected no results yet, got {existing[0]}{more}. Choose another -o, or add "
            "--overwrite to replace them, or --skip-existing to leave out the images that have one."
        )


# ---- tables


def rows_of_others(table: Path | None, jobs: Sequence[Job]) -> list[Row]:
    """Rows of an earlier run about images that this run leaves as they are."""
    if table is None or not table.exists():
        return []
    names = {spelt(job.raw.name) for job in jobs}
    with table.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row.get("file") not in names]


def write_table(table: Path, scores: Sequence[Row]) -> None:
    """Write rows as CSV, with the columns of the last: all of it, or nothing."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(scores[-1]), extrasaction="ignore")
    writer.writeheader()
    for row in scores:
        writer.writerow({name: _in_digits(value) for name, value in row.items()})
    with replacing(table) as file:
        file.write(spelt(text.getvalue()).encode())


def spelt(text: str) -> str:
    """A name that is not UTF-8, with its odd bytes written out."""
    return text.encode(errors="backslashreplace").decode()


def _in_digits(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"


def whole_numbers(text: str) -> int | tuple[int, ...]:
    """Read an option that has a number for each axis, or one for all."""
    try:
        first, *others = (int(part) for part in text.split(","))
        return (first, *others) if others else first
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected whole numbers like 16,256,256, got {text}"
        ) from None
