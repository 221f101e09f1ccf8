"""``aimicro train``: a network from pairs of TIFF files, to restore images or to segment them."""

import argparse
import json
from pathlib import Path
from typing import Any

_TASKS = ("restore", "segment")


def add_to(commands: Any) -> None:
    """Add ``train`` to the command line."""
    parser = commands.add_parser(
        "train",
        help="train a network on pairs of raw and true images",
        description="Train a 3D-RCAN to restore images, or a U-Net to segment them in one of three "
        "ways, on the pairs of TIFF images that a configuration names: raw images and their truth, "
        "which to segment is a label image, with a number for each object. DIR gets the complete "
        "configuration, the weights of every epoch that was the best so far, a table and a plot of "
        "the losses, and event files for TensorBoard.",
        epilog="A training that was interrupted goes on with the same command and --resume, and "
        "ends with the same weights. It runs on one device, the GPU where there is one; of "
        "several GPUs it uses the first.",
    )
    add = parser.add_argument
    add("-c", "--config", type=Path, required=True, metavar="FILE", help="configuration, JSON")
    add("-o", "--output_dir", "--output-dir", type=Path, required=True, metavar="DIR",
        help="folder for the training")  # fmt: skip
    add("--task", choices=_TASKS, help="what the configuration must be for, or is for where it "
        "does not say so (default: what it says, or restore)")  # fmt: skip
    add("--resume", action="store_true", help="go on with the training that DIR holds, if any")
    add("--schema", action=_PrintSchema, nargs="?", const="restore", choices=_TASKS, metavar="TASK",
        help="print the JSON schema of a configuration, to restore or to segment, and exit "
        "(default: restore)")  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Train as the options say, and tell which weights are best."""
    # Not at the top, since torch takes seconds, and the other commands do without it.
    from aimicro.cli._training import train

    print(train(options.config, options.output_dir, resume=options.resume, task=options.task))


class _PrintSchema(argparse.Action):
    """An option that, like --help, needs no other."""

    def __call__(self, parser: argparse.ArgumentParser, _: object, task: Any, *__: object) -> None:
        from aimicro.cli.config import config_schema

        print(json.dumps(config_schema(task), indent=2), flush=True)
        parser.exit()
