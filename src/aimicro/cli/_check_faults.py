"""What may be wrong with single images: shape, type, pixel size, content and saturation."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from aimicro.cli._check_images import Image, Pair
from aimicro.cli._check_truths import Task
from aimicro.cli._findings import FINE, LOOK, MEND, Findings
from aimicro.cli._pixel_sizes import differ, written

T = TypeVar("T", bound=Hashable)
_FLAT = 4  # times as many slices as rows or columns: axes in another order
_SAME_SIZE = 0.02  # relative difference of pixel sizes that is rounding
_MANY, _SOME = 0.05, 1e-3  # of the pixels are saturated
_AGAIN = (
    "What was brighter is lost, and a network learns plateaus. Take them again with less light or "
    "gain; if a contrast was stretched, go back to the original."
)
_CUT_OFF = {
    MEND: ("Images that are cut off at the top: very many pixels have the highest value.", _AGAIN),
    LOOK: ("Images with saturated pixels.", _AGAIN),
    FINE: ("Images with a few saturated pixels.", "So few do no harm; take no more light."),
}


def judge_images(pairs: Sequence[Pair], task: Task, findings: Findings) -> None:
    """Note what is wrong with images, each for itself or among the others."""
    if not pairs:
        return
    _shapes(pairs, findings)
    _types(pairs, findings)
    _pixel_sizes(pairs, findings)
    _content(pairs, findings)
    _saturation(pairs, task, findings)


def _shapes(pairs: Sequence[Pair], findings: Findings) -> None:
    shapes = sorted({pair.raw.shape for pair in pairs})
    ends = [shapes[0], shapes[-1]] if len(shapes) > 1 else shapes
    findings.summaries["shape"] = f"{'ZYX'[-len(shapes[0]) :]} " + " to ".join(map(str, ends))
    usual = _most(len(pair.raw.shape) for pair in pairs)
    for pair in pairs:
        raw, truth = pair.raw.shape, pair.truth.shape
        if raw != truth:
            findings.add(
                "shape",
                MEND,
                "Raw image and truth have different shapes.",
                "Crop or register the pair, or look for a partner that was resized.",
                file=pair.raw.path,
                detail=f"{raw}, truth {truth}",
            )
        if len(raw) != usual:
            findings.add(
                "shape",
                MEND,
                f"Images with {len(raw)} axes among others with {usual}.",
                "Train on images and volumes separately; a stack of one slice is an image.",
                file=pair.raw.path,
                detail=f"{raw}",
            )
        if len(raw) == 3 and raw[0] > _FLAT * min(raw[1:]):
            findings.add(
                "shape",
                LOOK,
                "Volumes with far more slices than rows or columns.",
                "Were the axes stored in another order, or time points as slices? In Fiji: Image > "
                "Hyperstacks > Re-order Hyperstack, or Image > Properties.",
                file=pair.raw.path,
                detail=f"{raw} is read as (Z, Y, X)",
            )


def _types(pairs: Sequence[Pair], findings: Findings) -> None:
    told = []
    other_files = [pair for pair in pairs if pair.raw.digest != pair.truth.digest]
    for what, images in (
        ("raw", [pair.raw for pair in pairs]),
        ("true", [pair.truth for pair in other_files or pairs]),
    ):
        kind = _most(one.kind for one in images)
        alike = [one for one in images if one.kind == kind]  # of others it is told elsewhere
        usual = _most(str(one.dtype) for one in alike)
        told.append(f"{what} {usual} {_range(alike)}")
        for one in alike:
            if str(one.dtype) != usual:
                findings.add(
                    "type",
                    LOOK,
                    f"{what.capitalize()} images of another type than most, {usual}.",
                    "Save all of them alike, without scaling: another bit depth is another unit.",
                    file=one.path,
                    detail=f"{one.dtype}, {_range([one])}",
                )
            if one.kind == "image" and one.levels.step > 1:
                findings.add(
                    "type",
                    FINE,
                    f"{what.capitalize()} images whose values go in steps of {one.levels.step}.",
                    "They have fewer levels than bits, as when 12 bits stand in the upper ones of "
                    "16, or a contrast was stretched. No harm if all images have it.",
                    file=one.path,
                )
    findings.summaries["type"] = ", ".join(told)


def _pixel_sizes(pairs: Sequence[Pair], findings: Findings) -> None:
    known = [pair.raw.pixel_size_um for pair in pairs if any(pair.raw.pixel_size_um)]
    usual = _most(known) if known else ()
    findings.summaries["pixel size"] = written(usual) if known else "the files do not tell"
    for pair in pairs:
        if differ(pair.raw.pixel_size_um, pair.truth.pixel_size_um, tolerance=_SAME_SIZE):
            findings.add(
                "pixel size",
                LOOK,
                "Raw image and truth say different pixel sizes.",
                "If they show the same field, correct the wrong one in Fiji: Image > Properties.",
                file=pair.raw.path,
                detail=f"{pair.raw.pixel_size_um}, truth {pair.truth.pixel_size_um} µm",
            )
        if differ(pair.raw.pixel_size_um, usual, tolerance=_SAME_SIZE):
            findings.add(
                "pixel size",
                LOOK,
                f"Images with another pixel size than most, {usual} µm.",
                "Rescale them to one pixel size: to a network, objects of another size are others.",
                file=pair.raw.path,
                detail=f"{pair.raw.pixel_size_um} µm",
            )


def _content(pairs: Sequence[Pair], findings: Findings) -> None:
    for pair in pairs:
        if pair.raw.digest == pair.truth.digest:
            findings.add(
                "content",
                MEND,
                "Raw images that are their own truth.",
                "Name other files as truth.",
                file=pair.raw.path,
            )
        for one in (pair.raw, pair.truth):
            if one.constant and one.kind == "image":
                findings.add(
                    "content",
                    MEND,
                    "Images in which all pixels are the same.",
                    "Check how they were saved, or leave the pair out.",
                    file=one.path,
                    detail=f"all {one.levels.lowest:g}",
                )
            if one.usual:
                findings.add(
                    "content",
                    LOOK,
                    "A few pixels lie far beyond all others; training clips them.",
                    "Replace them if they mark missing data or a dead line of the sensor.",
                    file=one.path,
                    detail=f"usual {one.usual[0]:g} to {one.usual[1]:g}, "
                    f"all {one.levels.lowest:g} to {one.levels.highest:g}",
                )
    kinds = Counter(pair.truth.kind for pair in pairs).most_common()
    counted = ", ".join(f"{n} {kind}" for kind, n in kinds)
    findings.summaries["content"] = f"truth: {counted}"


def _saturation(pairs: Sequence[Pair], task: Task, findings: Findings) -> None:
    images = [pair.raw for pair in pairs]
    images += [pair.truth for pair in pairs if task == "restore"]
    worst = max((one.saturation.fraction for one in images if one.saturation), default=0.0)
    findings.summaries["saturation"] = f"at most {100 * worst:.2g} % of the pixels"
    for one in images:
        if one.saturation is None:
            continue
        fraction = one.saturation.fraction
        level = MEND if fraction > _MANY else LOOK if fraction > _SOME else FINE
        what, todo = _CUT_OFF[level]
        detail = f"{100 * fraction:.2g} % at {one.saturation.level:g}"
        findings.add("saturation", level, what, todo, file=one.path, detail=detail)


# ---- small things


def _range(images: Sequence[Image]) -> str:
    lowest = min(one.levels.lowest for one in images)
    return f"{lowest:g} to {max(one.levels.highest for one in images):g}"


def _most(values: Iterable[T]) -> T:
    return Counter(values).most_common(1)[0][0]
