"""The way of ``aimicro check`` through its images.

A private part of :mod:`aimicro.cli.check`, and apart from it because it loads torch.
"""

import argparse
import tempfile
from pathlib import Path

from aimicro.cli._check_faults import judge_images
from aimicro.cli._check_folders import splits_of
from aimicro.cli._check_images import Pair, measured
from aimicro.cli._check_leaks import find_leaks
from aimicro.cli._check_matches import judge_matches
from aimicro.cli._check_sizes import judge_configuration, judge_sizes
from aimicro.cli._check_truths import Task, judge_truths, task_of
from aimicro.cli._findings import Findings
from aimicro.cli._training import read_any


def examine(options: argparse.Namespace) -> tuple[Findings, list[Pair], Task]:
    """Find and read the images, and judge them."""
    findings = Findings()
    config = read_any(options.config, options.task) if options.config else None
    splits = splits_of(options, config, findings)
    scratch = options.output_dir or Path(tempfile.gettempdir())
    pairs = measured(splits, findings, scratch)
    task = options.task or (config.task if config else task_of(pairs))
    judge_images(pairs, task, findings)
    judge_matches(pairs, findings)
    judge_truths(pairs, task, findings)
    seen = options.receptive_field
    if config:
        seen = judge_configuration(config, pairs, findings) or seen
    judge_sizes(pairs, seen, findings)
    find_leaks(pairs, findings)
    return findings, pairs, task
