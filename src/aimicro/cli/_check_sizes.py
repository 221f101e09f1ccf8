"""Objects against what a network sees, and images against what a configuration asks for."""

import warnings
from collections.abc import Sequence

import numpy as np

from aimicro.cli._check_images import Pair
from aimicro.cli._findings import LOOK, MEND, Findings
from aimicro.cli._learners import learner
from aimicro.cli._training import settle
from aimicro.cli.config import Config

_LARGE = 95  # percentile of the widths that a network must see at once
_OTHER = 1.5  # times as large in one split as in another
_SMALL = 5  # pixels across, below which an outline has no shape


def judge_sizes(pairs: Sequence[Pair], field_px: float | None, findings: Findings) -> None:
    """Compare the sizes of objects with the receptive field, and between splits."""
    by_split: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.objects and len(pair.objects):
            by_split.setdefault(pair.split, []).append(pair)
    if not by_split:
        return
    diameters = {
        split: np.concatenate([pair.objects.diameters for pair in members if pair.objects])
        for split, members in by_split.items()
    }
    medians = {split: float(np.median(each)) for split, each in diameters.items()}
    widths = np.concatenate([pair.objects.widths for pair in pairs if pair.objects])
    large = float(np.percentile(widths, _LARGE))
    told = ", ".join(f"{split} {median:.0f} px" for split, median in medians.items())
    findings.summaries["sizes"] = f"{told} across, the widest {widths.max()} px"
    _against_field(large, field_px, findings)
    first, *others = medians
    for split in others:
        ratio = medians[split] / medians[first]
        if not 1 / _OTHER < ratio < _OTHER:
            findings.add(
                "sizes",
                LOOK,
                f"The objects of {split} are {ratio:.2g} times as large as those of {first}.",
                f"Rescale the images of {split} by {1 / ratio:.2g}, or train on both sizes.",
            )
    if medians[first] < _SMALL:
        findings.add(
            "sizes",
            LOOK,
            f"The objects are {medians[first]:.1f} px across.",
            "Enlarge the images, or detect spots instead of outlines.",
        )


def _against_field(large: float, field_px: float | None, findings: Findings) -> None:
    if field_px is None:
        return
    findings.summaries["sizes"] += f"; the network sees {field_px:g} px"
    if large > field_px:
        findings.add(
            "sizes",
            LOOK,
            f"One object in twenty is {large:.0f} px wide or wider, and the network sees "
            f"{field_px:g} px.",
            f"Shrink the images by {field_px / large:.2f} or more, or choose a deeper network: "
            "what is wider is cut into pieces, or hollow.",
        )


def judge_configuration(config: Config, pairs: Sequence[Pair], findings: Findings) -> float | None:
    """Ask aimicro train what it would make of a configuration; return what its network sees."""
    by_split = {
        split: [(pair.raw.path, pair.truth.path) for pair in pairs if pair.split == split]
        for split in ("train", "val")
    }
    if not by_split["train"]:
        return None
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            settled = settle(config, by_split["train"], by_split["val"])
    except ValueError as fault:
        findings.add("training", MEND, str(fault), "")
        return None
    for warning in told:
        findings.add("training", LOOK, str(warning.message), "Right if it is meant.")
    seen = 2 * learner(settled).network.receptive_radius + 1
    patch = settled.input_shape
    findings.summaries["training"] = f"patches of {patch}, of which a pixel depends on {seen} px"
    return float(seen)
