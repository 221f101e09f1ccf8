"""``aimicro apply``: restore images with a network that ``aimicro train`` has trained."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aimicro.cli._files import make_folder
from aimicro.cli._jobs import (
    Job,
    check_outputs,
    do_all,
    jobs_of,
    rows_of_others,
    table_of,
    whole_numbers,
    write_table,
)

if TYPE_CHECKING:
    from aimicro.cli._applying import Application


def add_to(commands: Any) -> None:
    """Add ``apply`` to the command line."""
    parser = commands.add_parser(
        "apply",
        help="restore images with a trained network",
        description="Restore TIFF images, (Z,Y,X) or (Y,X), with the best weights of a training. "
        "Time points and channels are restored one by one, each by its own percentiles, and "
        "written back as they came. The output holds as channels the normalised raw image, the "
        "restored one and, with -g, the normalised truth. With -g, PSNR, SSIM and MSE of the raw "
        "and of the restored image, in normalised units, go to OUT/scores.csv, or for a single "
        "file to OUT_scores.csv beside it; a file of several images gets their means.",
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
    add("-B", "--block_shape", type=whole_numbers, metavar="Z,Y,X",
        help="voxels that are restored at once (default: as in training)")
    add("-O", "--block_overlap_shape", type=whole_numbers, metavar="Z,Y,X",
        help="voxels over which one block fades into the next (default: an eighth of the block)")
    add("--halo", type=whole_numbers, metavar="Z,Y,X",
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
    add("--any-pixel-size", **switch, help="take images whose voxels are of another size than "
        "those of the training, which are refused otherwise, or of which it is not known")
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
    jobs = jobs_of(options)
    table = table_of(options, "scores.csv") if options.ground_truth else None
    check_outputs(jobs, options, [table] if table else [])
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
    scores = rows_of_others(table, jobs)
    if overwrite and table:
        table.unlink(missing_ok=True)

    def restore(job: Job, each: Callable[[float], None]) -> None:
        row = application.run(job.raw, job.truth, job.output, each=each)
        if table and row:
            scores.append(row)
            write_table(table, scores)

    do_all(jobs, restore, overwrite=overwrite)
