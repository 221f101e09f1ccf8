"""``aimicro segment``: find objects with a network that ``aimicro train`` has trained."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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
from aimicro.io import write_annotations

_MEASURING = 0.3  # of the time


def add_to(commands: Any) -> None:
    """Add ``segment`` to the command line."""
    parser = commands.add_parser(
        "segment",
        help="find objects with a trained network",
        description="Segment TIFF images of one channel, (Y,X) or (Z,Y,X), with the best weights "
        "of a training. The output is a label image: 0 for background, 1, 2, … for objects. How "
        "large and bright they are goes to OUT/measurements.csv, or for a single file to "
        "OUT_measurements.csv beside it; in µm, or in pixels where the file does not tell how "
        "large they are. With -g, average precision at IoU 0.5, 0.75 and 0.9 goes to OUT/scores.csv"
        " or OUT_scores.csv.",
    )
    add, switch = parser.add_argument, {"action": "store_true"}
    # fmt: off
    add("-m", "--model_dir", type=Path, required=True, metavar="DIR",
        help="folder that aimicro train wrote")
    add("-i", "--input", type=Path, required=True, metavar="IN",
        help="a TIFF file, or a folder of them; pages that do not say what they are count as z")
    add("-o", "--output", type=Path, required=True, metavar="OUT",
        help="a file for a file; a folder for a folder, where results get the names of the inputs; "
        "what an image of more than 2**24 pixels needs for a while lies there, too, without a name")
    add("-g", "--ground_truth", type=Path, metavar="GT",
        help="labels to compare with: a file, or a folder whose files, in the order of their "
        "names, belong to those of IN")
    add("--threshold", type=float, metavar="P",
        help="probability above which a pixel may belong to an object (default: 0.5)")
    add("--seed-threshold", type=float, metavar="P",
        help="U-Net with borders: probability above which a pixel belongs to the inside; the "
        "higher, the more objects come apart (default: 0.5)")
    add("--overlap-threshold", type=float, metavar="FRACTION",
        help="StarDist: of the smaller one, what two objects may share (default: 0.4)")
    add("--flow-threshold", type=float, metavar="ERROR",
        help="Cellpose: how wrong the flows of an object may be (default: 0.4)")
    add("--min-pixels", type=int, metavar="N",
        help="leave out objects with fewer pixels (default: 0; Cellpose: 15)")
    add("--pixel-size", type=float, metavar="UM",
        help="distance between pixels in µm, for images that do not tell it")
    add("--any-pixel-size", **switch, help="take images whose pixels are of another size than "
        "those of the training, which are refused otherwise, or of which it is not known")
    add("--rois", **switch, help="write the outlines too, for ImageJ's ROI Manager: NAME_rois.zip")
    add("-B", "--block_shape", type=whole_numbers, metavar="Z,Y,X",
        help="pixels that the network works on at once (default: 512,512 or 32,128,128)")
    add("--halo", type=whole_numbers, metavar="Z,Y,X",
        help="pixels around a block that the network sees as well (default: as far as it can see, "
        "so that blocks make no difference; of volumes at most 16)")
    add("--pair-by-order", **switch, help="with -g, pair images by the order of their names also "
        "where the names do not match")
    existing = parser.add_mutually_exclusive_group().add_argument
    existing("--overwrite", **switch, help="replace the results of an earlier run")
    existing("--skip-existing", **switch, help="leave out images that have a result already")
    # fmt: on
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Segment the images that the options name."""
    jobs = jobs_of(options)
    measured = table_of(options, "measurements.csv")
    scored = table_of(options, "scores.csv") if options.ground_truth else None
    outlines = [rois_of(job) for job in jobs] if options.rois else []
    check_outputs(jobs, options, [*outlines, measured, *([scored] if scored else [])])
    if options.skip_existing:
        jobs = [job for job in jobs if not job.output.exists()]
        if not jobs:
            return
    # Only here, because this loads torch.
    from aimicro.cli._segmenting import Segmentation

    segmentation = Segmentation(options)
    if options.input.is_dir():
        make_folder(options.output)
    _segment_all(jobs, segmentation, measured, scored, overwrite=options.overwrite)


def rois_of(job: Job) -> Path:
    """Where the outlines of an image go."""
    return job.output.with_name(f"{job.output.stem}_rois.zip")


def _segment_all(
    jobs: Sequence[Job],
    segmentation: Any,
    measured: Path,
    scored: Path | None,
    *,
    overwrite: bool,
) -> None:
    from aimicro.cli._found import write_labels
    from aimicro.cli._segmenting import MeasurementTable

    scores = rows_of_others(scored, jobs)
    table = MeasurementTable(measured, jobs, anew=overwrite)
    if overwrite and scored:
        scored.unlink(missing_ok=True)

    def segment(job: Job, each: Callable[[float], None]) -> None:
        found = segmentation.run(job, lambda fraction: each((1 - _MEASURING) * fraction))
        row = segmentation.scores(job, found)
        table.add(job, found, lambda fraction: each(_MEASURING * fraction))
        if segmentation.options.rois:
            write_annotations(rois_of(job), found.labels)
        if scored and row:
            scores.append(row)
            write_table(scored, scores)
        # At last: an image that has labels has all the rest.
        write_labels(job.output, found)

    do_all(jobs, segment, overwrite=overwrite)
