"""``aimicro train``: a 3D-RCAN from pairs of TIFF files, with the published configuration."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def add_to(commands: Any) -> None:
    """Add ``train`` to the command line."""
    parser = commands.add_parser(
        "train",
        help="train a network on pairs of raw and true images",
        description="Train a 3D-RCAN on the pairs of TIFF images that a configuration names. DIR "
        "gets the complete configuration, the weights of every epoch that was the best so far, a "
        "table and a plot of the losses, and event files for TensorBoard.",
        epilog="A training that was interrupted goes on with the same command and --resume, and "
        "ends with the same weights. It runs on one device, the GPU where there is one; of "
        "several GPUs it uses the first.",
    )
    add = parser.add_argument
    add("-c", "--config", type=Path, required=True, metavar="FILE", help="configuration, JSON")
    add("-o", "--output_dir", "--output-dir", type=Path, required=True, metavar="DIR",
        help="folder for the training")  # fmt: skip
    add("--resume", action="store_true", help="go on with the training that DIR holds, if any")
    add("--schema", action=_PrintSchema, help="print the JSON schema of a configuration, and exit")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Train as the options say, and tell which weights are best."""
    # Not at the top, since torch takes seconds, and the other commands do without it.
    from aimicro.cli._training import train

    print(train(options.config, options.output_dir, resume=options.resume))


class _PrintSchema(argparse.Action):
    """An option that, like --help, needs no other."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from aimicro.cli.config import config_schema

        print(json.dumps(config_schema(), indent=2), flush=True)
        parser.exit()
