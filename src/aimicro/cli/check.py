"""``aimicro check``: what is wrong with images, before a network is trained on them."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aimicro
from aimicro import checks
from aimicro.cli._files import make_folder
from aimicro.cli._findings import CHECKS, LOOK, MEND, SIGNS, Findings, signs
from aimicro.io import replacing

if TYPE_CHECKING:
    from aimicro.cli._check_images import Pair

PAGE, PICTURE, RECORD = "check.txt", "check.png", "check.json"


def add_to(commands: Any) -> None:
    """Add ``check`` to the command line."""
    parser = commands.add_parser(
        "check",
        help="look for what is wrong with images before a training",
        description="Look at pairs of raw and true TIFF images, or of images and labels, before a "
        "network is trained on them: " + ", ".join(CHECKS.values()) + ". Pairs are made and files "
        "are read as aimicro train does it. A table and plain advice, worst first, go to standard "
        "output; with -o, they and a picture go to DIR, too. Images may be larger than memory: all "
        "pixels are looked at but for the photons and the registration of large ones, where the "
        "table says at which.",
        epilog="Exit status: 0 where nothing must be mended, 1 where something must (with "
        "--strict also where something is to be looked at), 2 where the command is wrong.",
    )
    add, switch = parser.add_argument, {"action": "store_true"}
    # fmt: off
    add("folder", nargs="?", type=Path, metavar="FOLDER",
        help="holds raw and gt, or splits such as train/raw, train/gt, val/raw and val/gt, as "
        "aimicro simulate writes them")
    add("--raw", type=Path, action="append", default=[], metavar="DIR",
        help="instead of FOLDER: raw images; once more for validation, and again for a test")
    add("--truth", type=Path, action="append", default=[], metavar="DIR",
        help="their truths or labels, as often as --raw")
    add("-c", "--config", type=Path, metavar="FILE",
        help="instead of FOLDER: the images of this configuration of aimicro train, whose patch "
        "and receptive field are looked at as well")
    add("--pair-by-order", **switch, help="pair images by the order of their names also where the "
        "names do not match")
    add("--task", choices=("restore", "segment"),
        help="what the truths are for (default: segment if most of them are labels or masks)")
    add("--receptive-field", type=float, metavar="PX",
        help="pixels across that the network sees, to compare objects with")
    add("-o", "--output-dir", type=Path, metavar="DIR",
        help=f"folder for {PAGE}, {PICTURE} and {RECORD}; only those of an earlier check are "
        "replaced; what a large compressed image needs for a while lies there, too, without a "
        "name, or without -o in the folder of the system for such files")
    add("--json", **switch, help="print JSON instead of the page")
    add("--strict", **switch, help="exit with 1 also where something is to be looked at")
    # fmt: on
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check what the options name, tell it, and return the exit status."""
    _check_options(options)
    if options.output_dir:
        _check_room(options.output_dir)
    # Not at the top, since torch takes seconds, and the other commands do without it.
    from aimicro.cli._checking import examine

    findings, pairs, task = examine(options)
    status = int(findings.level() == MEND or (options.strict and findings.level() == LOOK))
    title = f"aimicro check of {_name(options)}, for the task: {task}"
    record = {"aimicro": aimicro.__version__, "command": "check", "status": status, "task": task}
    record |= findings.as_json()
    if options.output_dir:
        _write(options.output_dir, findings.as_text(title, signs=SIGNS), record, pairs, findings)
    if options.json:
        print(json.dumps(record, indent=2))
    else:
        print(findings.as_text(title, signs=signs()))
    return status


def _check_options(options: argparse.Namespace) -> None:
    given = [options.folder is not None, bool(options.raw or options.truth), bool(options.config)]
    if sum(given) != 1:
        raise ValueError(
            "Expected one of FOLDER, --raw with --truth, and -c, got "
            f"{sum(given) or 'none'} of them. Name the images once."
        )
    if len(options.raw) != len(options.truth):
        raise ValueError(
            f"Expected --truth as often as --raw, got {len(options.truth)} and {len(options.raw)}. "
            "Give both for each split, in the same order."
        )
    if options.receptive_field is not None:
        checks.number("--receptive-field", options.receptive_field, low=1, unit="px")
    if options.config and options.pair_by_order:
        raise ValueError(
            'Expected --pair-by-order without -c, got both. Write "pair_by_order": true into the '
            "configuration."
        )
    for folder in filter(None, [options.folder, *options.raw, *options.truth]):
        if not folder.is_dir():
            raise FileNotFoundError(
                f"Expected a folder, got {folder}, which is none. Correct the path."
            )


def _check_room(folder: Path) -> None:
    """Refuse to replace what this command has not written."""
    occupied = [name for name in (PAGE, PICTURE, RECORD) if (folder / name).exists()]
    try:
        earlier = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        ours = earlier["command"] == "check" and "aimicro" in earlier
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        ours = False
    if occupied and not ours:
        raise FileExistsError(
            f"-o: Expected a folder without {occupied[0]}, or with the report of an earlier check, "
            f"got another one in {folder}. Choose another -o."
        )
    make_folder(folder)


def _write(
    folder: Path, page: str, record: dict[str, Any], pairs: "Sequence[Pair]", findings: Findings
) -> None:
    from aimicro.cli._check_picture import picture_of

    contents = {
        RECORD: json.dumps(record, indent=2).encode(),  # first: it marks the others as ours
        PAGE: f"{page}\n".encode(errors="backslashreplace"),
        PICTURE: picture_of(pairs, findings),
    }
    for name, content in contents.items():
        with replacing(folder / name) as file:
            file.write(content)


def _name(options: argparse.Namespace) -> str:
    return str(options.folder or options.config or options.raw[0])
