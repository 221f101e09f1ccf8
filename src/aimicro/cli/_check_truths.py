"""Whether truths are what their task needs: label images without faults, or intensities."""

from collections.abc import Sequence
from typing import Literal

from aimicro.cli._check_images import Pair
from aimicro.cli._findings import LOOK, MEND, Findings

Task = Literal["restore", "segment"]
_OBJECTS = ("labels", "mask", "float labels", "empty")
_SPECK = 4  # pixels of what nobody draws


def task_of(pairs: Sequence[Pair]) -> Task:
    """Guess from the truths what they are for."""
    n = sum(pair.truth.kind in _OBJECTS for pair in pairs)
    return "segment" if 2 * n > len(pairs) else "restore"


def judge_truths(pairs: Sequence[Pair], task: Task, findings: Findings) -> None:
    """Note truths of another kind than the task needs, and faults of label images."""
    if task == "segment":
        _labels(pairs, findings)
    else:
        _intensities(pairs, findings)


def _labels(pairs: Sequence[Pair], findings: Findings) -> None:
    n_all = sum(len(pair.objects) for pair in pairs if pair.objects)
    if pairs:
        findings.summaries["labels"] = f"{n_all} objects in {len(pairs)} images"
    if large := sum(pair.objects.unsearched.size for pair in pairs if pair.objects):
        findings.summaries["labels"] += f"; {large} too large to look for holes and pieces"
    for pair in pairs:
        path = pair.truth.path
        if pair.truth.kind == "image":
            findings.add(
                "labels",
                MEND,
                "Truths that are no label images: in between their objects there are other values.",
                "Lossy compression (JPEG), resizing with interpolation or colours mix the ids. "
                "Save the labels again as whole numbers, uncompressed, without interpolation.",
                file=path,
                detail=f"{pair.truth.dtype}, {pair.truth.levels.lowest:g} to "
                f"{pair.truth.levels.highest:g}",
            )
        elif pair.truth.kind == "float labels":
            findings.add(
                "labels",
                MEND,
                "Label images that are stored as floating-point numbers.",
                "Convert them to whole numbers, astype(numpy.int32); in Fiji: Image > Type > "
                "16-bit, with scaling switched off.",
                file=path,
                detail=f"{pair.truth.dtype}",
            )
        elif pair.truth.kind == "empty":
            findings.add(
                "labels",
                LOOK,
                "Label images without objects.",
                "Right for fields without any; else save the labels again.",
                file=path,
            )
        if pair.objects:
            _objects(pair, findings)


def _objects(pair: Pair, findings: Findings) -> None:
    objects, path = pair.objects, pair.truth.path
    assert objects is not None
    if len(objects) == 1 and objects.in_pieces.size:
        findings.add(
            "labels",
            LOOK,
            "Masks with one number for all objects.",
            "To tell objects apart, give each its own: skimage.measure.label(mask). Those that "
            "touch become one.",
            file=path,
        )
        return
    specks = objects.ids[objects.sizes <= _SPECK]
    for ids, what, todo in (
        (
            objects.with_holes,
            "Objects with holes.",
            "Fill them (Fiji: Process > Binary > Fill Holes, or scipy.ndimage.binary_fill_holes "
            "for each object), unless they are meant.",
        ),
        (
            objects.in_pieces,
            "Objects in several pieces.",
            "Were two objects given one number, or did a stroke of the brush go astray? Give each "
            "piece its own number, or remove it.",
        ),
        (
            specks,
            f"Objects of {_SPECK} pixels or fewer.",
            "Remove them, if they were drawn by accident.",
        ),
    ):
        if ids.size:
            shown = ", ".join(map(str, ids[:5])) + (", …" if ids.size > 5 else "")
            findings.add(
                "labels",
                LOOK,
                what,
                todo,
                file=path,
                detail=f"{ids.size} of {len(objects)}: {shown}",
            )


def _intensities(pairs: Sequence[Pair], findings: Findings) -> None:
    for pair in pairs:
        if pair.truth.kind in ("labels", "float labels"):
            findings.add(
                "content",
                MEND,
                "Truths that look like labels, a number for each object, among intensities.",
                "For a restoration, convert intensities to float32, and use labels > 0 as a mask; "
                "if all of it is for segmentation, add --task segment.",
                file=pair.truth.path,
            )
