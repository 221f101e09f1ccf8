"""``aimicro apply``: restore images with a network that ``aimicro train`` has trained."""

import argparse
import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from aimicro.cli._files import is_tiff, make_folder, paired, tiffs
from aimicro.io import replacing

if TYPE_CHECKING:
    from aimicro.cli._applying import Application

# A file counts as much as it has been restored, so that the time left is right within a file, too.
_BAR = "{percentage:3.0f}%|{bar}| {n:.1f}/{total} images [{elapsed}<{remaining}]"


Row = Mapping[str, str | float]


@dataclass(frozen=True)
class Job:
    """One image to restore, where to write it, and its truth."""

    raw: Path
    output: Path
    truth: Path | None


def add_to(commands: Any) -> None:
    """Add ``apply`` to the command line."""
    parser = commands.add_parser(
        "apply",
        help="restore images with a trained network",
        description="Restore TIFF images of one channel, (Z,Y,X) or (Y,X), with the best weights "
        "of a training. The output holds as channels the normalised raw image, the restored "
        "one and, with -g, the normalised truth. With -g, PSNR, SSIM and MSE of the raw and of the "
        "restored image, in normalised units, go to OUT/scores.csv, or for a single file to "
        "OUT_scores.csv beside it.",
    )
    add, switch = parser.add_argument, {"action": "store_true"}
    # fmt: off
    add("-m", "--model_dir", type=Path, required=True, metavar="DIR",
        help="folder that aimicro train wrote")
    add("-i", "--input", type=Path, required=True, metavar="IN",
        help="a TIFF file, or a folder of them; pages that do not say what they are count as z")
    add("-o", "--output", type=Path, required=True, metavar="OUT",
        help="a file for a file; a folder for a folder, where results get the names of the inputs; "
        "what a large volume needs for a while lies there, too, without a name")
    add("-g", "--ground_truth", type=Path, metavar="GT",
        help="truth to compare with: a file, or a folder whose files, in the order of their names, "
        "belong to those of IN; the names must match, or differ in what all of IN or all of GT "
        "have in common")
    add("-b", "--bpp", type=int, choices=(8, 16, 32), default=32,
        help="bits per pixel: 32 is float; otherwise 0 to 1 become 0 to 255 or 65535, and what "
        "lies outside is clipped (default: 32)")
    add("-B", "--block_shape", type=_whole_numbers, metavar="Z,Y,X",
        help="voxels that are restored at once (default: as in training)")
    add("-O", "--block_overlap_shape", type=_whole_numbers, metavar="Z,Y,X",
        help="voxels over which one block fades into the next (default: an eighth of the block)")
    add("--halo", type=_whole_numbers, metavar="Z,Y,X",
        help="voxels around a block that the network sees as well, against seams; 0,0,0 is as "
        "published (default: 6,6,6)")
    add("--p_min", type=float, metavar="PERCENT",
        help="percentile of each image that becomes 0 (default: as in training, 2)")
    add("--p_max", type=float, metavar="PERCENT",
        help="percentile of each image that becomes 1 (default: as in training, 99.9)")
    unit = parser.add_mutually_exclusive_group().add_argument
    unit("--rescale", **switch, help="fit the restored image to the truth by a gain and an offset; "
         "the scores are then those after such a fit, of the raw image as well")
    unit("--normalize_output_range_between_zero_and_one", **switch,
         help="make the darkest value of each channel 0 and its brightest 1")
    unit("--raw-units", **switch, help="give every channel in the intensities of the raw image, "
         "which -b 8 and -b 16 then round and clip, but do not scale; they are scaled back by the "
         "percentiles of the raw image, which its noise widens")
    add("--restored-only", **switch, help="write the restored image only")
    add("-f", "--output_tiff_format", choices=("imagej", "ome"), default="imagej",
        help="what ImageJ's format cannot hold, such as 4 GB, becomes ome (default: imagej)")
    add("--pair-by-order", **switch, help="with -g, pair images by the order of their names also "
        "where the names do not match")
    existing = parser.add_mutually_exclusive_group().add_argument
    existing("--overwrite", **switch, help="replace the results of an earlier run")
    existing("--skip-existing", **switch, help="leave out images that have a result already")
    # fmt: on
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Restore the images that the options name."""
    if options.rescale and options.ground_truth is None:
        raise ValueError(
            "Expected -g GT beside --rescale, got none: without a truth there is nothing to fit "
            "the restored image to. Add -g, or leave --rescale out."
        )
    jobs = _jobs(options)
    table = _table(options)
    _check_outputs(jobs, table, options)
    if options.skip_existing:
        jobs = [job for job in jobs if not job.output.exists()]
        if not jobs:
            return
    # Only here, because this loads torch.
    from aimicro.cli._applying import Application

    application = Application(options)
    if options.input.is_dir():
        make_folder(options.output)
    _apply_to_all(jobs, application, table, overwrite=options.overwrite)


def _apply_to_all(
    jobs: Sequence[Job], application: "Application", table: Path | None, *, overwrite: bool
) -> None:
    """Restore image after image; one that is at fault does not keep the others from it."""
    scores = _scores_of_others(table, jobs)
    if overwrite and table:
        table.unlink(missing_ok=True)
    faults: dict[str, ValueError] = {}
    with tqdm(total=len(jobs), bar_format=_BAR) as bar:

        def each(fraction: float) -> None:
            bar.update(min(fraction, len(jobs) - bar.n))  # fractions add up to 1, but for rounding

        for done, job in enumerate(jobs):
            try:
                row = application.run(job.raw, job.truth, job.output, each=each)
            except ValueError as fault:
                faults[job.raw.name] = fault
                if overwrite:  # an old result would pass for a new one
                    job.output.unlink(missing_ok=True)
            else:
                if table and row:
                    scores.append(row)
                    _write_table(table, scores)
            bar.update(done + 1 - bar.n)
    if faults:
        first, *_ = faults.values()
        left_out = f" Left out of {len(jobs)} images: {', '.join(faults)}." if len(jobs) > 1 else ""
        # Of an unreadable image without what else could be done in Python.
        raise ValueError(f"{getattr(first, 'plain', first)}{left_out}") from first


# ---- which files


def _jobs(options: argparse.Namespace) -> list[Job]:
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


def _table(options: argparse.Namespace) -> Path | None:
    """Where scores go, if there are any."""
    if options.ground_truth is None:
        return None
    output: Path = options.output
    if options.input.is_dir():
        return output / "scores.csv"
    return output.with_name(f"{output.stem}_scores.csv")


def _check_outputs(jobs: Sequence[Job], table: Path | None, options: argparse.Namespace) -> None:
    inputs = {path.resolve() for job in jobs for path in (job.raw, job.truth) if path}
    outputs = [job.output for job in jobs] + ([table] if table else [])
    for output in outputs:
        if output.resolve() in inputs:
            raise ValueError(
                f"-o: Expected a place of its own, got {output}, which is an input. "
                "Choose another -o: inputs are never replaced."
            )
    existing = [output for output in outputs if output.exists()]
    if existing and not (options.overwrite or options.skip_existing):
        others = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise FileExistsError(
            f"-o: Expected no results yet, got {existing[0]}{others}. Choose another -o, or add "
            "--overwrite to replace them, or --skip-existing to leave out the images that have one."
        )


# ---- scores


def _scores_of_others(table: Path | None, jobs: Sequence[Job]) -> list[Row]:
    """Rows of an earlier run about images that this run leaves as they are."""
    if table is None or not table.exists():
        return []
    names = {_spelt(job.raw.name) for job in jobs}
    with table.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row.get("file") not in names]


def _write_table(table: Path, scores: Sequence[Row]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(scores[-1]), extrasaction="ignore")
    writer.writeheader()
    for row in scores:
        writer.writerow({name: _in_digits(value) for name, value in row.items()})
    with replacing(table) as file:
        file.write(_spelt(text.getvalue()).encode())


def _spelt(text: str) -> str:
    """A name that is not UTF-8, with its odd bytes written out."""
    return text.encode(errors="backslashreplace").decode()


def _in_digits(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"


def _whole_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected whole numbers like 16,256,256, got {text}"
        ) from None
