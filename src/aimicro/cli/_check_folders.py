"""Which images ``aimicro check`` looks at: the pairs that ``aimicro train`` would take."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aimicro.cli._files import paired, tiffs
from aimicro.cli._findings import LOOK, MEND, Findings
from aimicro.cli.config import Config, image_pairs

RAW, TRUTH = "raw", "gt"  # as aimicro simulate calls them
_FIRST = ("train", "val", "test")  # the order of splits; others follow
_LAYOUT = (
    "Name a folder that holds raw and gt, or train/raw, train/gt, val/raw and so on, or name the "
    "folders with --raw and --truth"
)


@dataclass(frozen=True)
class Split:
    """Images that are used together.

    Attributes
    ----------
    name : str
        Such as train.
    pairs : list of tuple of pathlib.Path
        Raw image and truth.
    """

    name: str
    pairs: list[tuple[Path, Path]]


def splits_of(
    options: argparse.Namespace, config: Config | None, findings: Findings
) -> list[Split]:
    """Find the splits that the options name; what does not pair is a finding."""
    if config:
        both = [_configured(config, which, findings) for which in ("training", "validation")]
        splits = [split for split in both if split]
    else:
        by_order = options.pair_by_order
        splits = [
            Split(name, _pairs(name, raw, truth, findings, by_order=by_order))
            for name, raw, truth in _folders(options)
        ]
    counts = [f"{split.name} {len(split.pairs)}" for split in splits]
    findings.summaries["pairs"] = ", ".join(counts)
    if len(splits) == 1 and splits[0].pairs:
        findings.add(
            "pairs",
            LOOK,
            "There is one set of images, and none to choose the best weights on.",
            "Keep some fields of view apart for validation, and others for a test.",
        )
    return splits


def _configured(config: Config, which: str, findings: Findings) -> Split | None:
    """Give the pairs of a configuration, or those that can be made of them."""
    name = "train" if which == "training" else "val"
    folders = getattr(config, f"{which}_data_dir")
    try:
        pairs = image_pairs(config, which=which)  # type: ignore[arg-type]
    except ValueError as fault:
        raw, truth = (Path(folders.raw), Path(folders.gt)) if folders else (Path(), Path())
        if not (folders and raw.is_dir() and truth.is_dir()):
            findings.add("pairs", MEND, str(fault), "")
            return Split(name, [])
        _refused(fault, raw, truth, findings)
        return Split(name, _of_one_name(raw, truth))
    return Split(name, pairs) if pairs else None


def _folders(options: argparse.Namespace) -> Iterator[tuple[str, Path, Path]]:
    """Name and folders of each split."""
    if options.folder is None:
        names = [*_FIRST, *(f"split {n}" for n in range(4, len(options.raw) + 1))]
        yield from zip(names, options.raw, options.truth, strict=False)
        return
    folder: Path = options.folder
    if any((folder / kind).is_dir() for kind in (RAW, TRUTH)):
        yield "train", folder / RAW, folder / TRUTH
        return
    inside = [
        place
        for place in folder.iterdir()
        if place.is_dir() and any((place / kind).is_dir() for kind in (RAW, TRUTH))
    ]
    if not inside:
        raise ValueError(f"Expected images to check, got none in {folder}. {_LAYOUT}.")
    order = {name: place for place, name in enumerate(_FIRST)}
    for place in sorted(inside, key=lambda place: (order.get(place.name, 9), place.name)):
        yield place.name, place / RAW, place / TRUTH


def _pairs(
    split: str, raw: Path, truth: Path, findings: Findings, *, by_order: bool
) -> list[tuple[Path, Path]]:
    """Pair two folders as aimicro train does; where it refuses, by their names alone."""
    for folder in (raw, truth):
        if not folder.is_dir():
            findings.add(
                "pairs",
                MEND,
                f"{split}: there is no folder '{folder}'.",
                f"{_LAYOUT}.",
            )
            return []
    try:
        images = tiffs(split, raw), tiffs(split, truth)
        return paired(split, *images, by_order=by_order, how="add --pair-by-order")
    except ValueError as fault:
        _refused(fault, raw, truth, findings)
        return _of_one_name(raw, truth)


def _of_one_name(raw: Path, truth: Path) -> list[tuple[Path, Path]]:
    """Pair what is called the same."""
    ours, theirs = _by_stem(raw), _by_stem(truth)
    return [(ours[stem], theirs[stem]) for stem in sorted(ours.keys() & theirs.keys())]


def _refused(fault: ValueError, raw: Path, truth: Path, findings: Findings) -> None:
    """Tell in the words of aimicro train what does not pair, and which images stand alone."""
    ours, theirs = _by_stem(raw), _by_stem(truth)
    stems = sorted(ours.keys() ^ theirs.keys()) if ours.keys() & theirs.keys() else []
    alone = [ours.get(stem) or theirs[stem] for stem in stems]
    if not alone:
        findings.add("pairs", MEND, str(fault), "")
    todo = "Add the partners, or move these away; the others were checked."
    for path in alone:
        findings.add("pairs", MEND, str(fault), todo, file=path)


def _by_stem(folder: Path) -> dict[str, Path]:
    try:
        return {path.stem: path for path in tiffs("", folder)}
    except ValueError:
        return {}
