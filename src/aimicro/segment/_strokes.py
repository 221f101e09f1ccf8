"""What somebody painted: strokes of several classes, and which of them are left out together."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from skimage.measure import label

from aimicro import checks

Labels: TypeAlias = npt.NDArray[np.int32]

GROUPS = 3  # of strokes: two thirds teach what is then asked of the last third


def strokes_of(scribbles: npt.ArrayLike, shape: tuple[int, ...]) -> Labels:
    """Return strokes as int32, or give a clear error."""
    array = checks.labels("scribbles", scribbles, hint="Give one such array for each image.")
    if array.shape != shape:
        raise ValueError(
            f"Expected scribbles of the shape of their image, {shape}, got {array.shape}. They "
            "have no axis of channels; say channels=True if the image has one."
        )
    return array.astype(np.int32)


def count_classes(scribbles: Sequence[Labels]) -> int:
    """Return how many classes were painted, or give a clear error."""
    classes = np.unique(np.concatenate([np.unique(s) for s in scribbles]))
    classes = classes[classes > 0]
    if len(classes) < 2 or classes[-1] != len(classes):
        raise ValueError(
            "Expected scribbles of two classes or more, numbered from 1 without a gap, got "
            f"{', '.join(map(str, classes.tolist())) or 'none'}. Paint each class, background, "
            "too; 0 means that nobody said anything."
        )
    return len(classes)


def dealt(
    scribbles: Sequence[Labels], n_classes: int, rng: np.random.Generator
) -> list[npt.NDArray[np.int_]]:
    """Deal the strokes of each class out to groups; for each pixel its group, or -1."""
    numbered = [label(s, background=0, connectivity=s.ndim) for s in scribbles]
    strokes: dict[int, list[tuple[int, int]]] = {c: [] for c in range(1, n_classes + 1)}
    for image, (numbers, classes) in enumerate(zip(numbered, scribbles, strict=True)):
        ids, first = np.unique(numbers, return_index=True)
        for one, c in zip(ids, classes.ravel()[first], strict=True):
            if c:
                strokes[int(c)].append((image, int(one)))
    rarest = min(strokes, key=lambda c: len(strokes[c]))
    fewest = len(strokes[rarest])
    if fewest < 2:
        raise ValueError(
            f"Expected two strokes or more of each class for autocontext, got {fewest} of class "
            f"{rarest}. Paint another one, apart from the first, or leave autocontext out."
        )
    groups = [np.full(numbers.max() + 1, -1) for numbers in numbered]
    for mine in strokes.values():
        for place, which in enumerate(rng.permutation(len(mine))):
            image, one = mine[which]
            groups[image][one] = place % min(GROUPS, fewest)
    return [group[numbers] for group, numbers in zip(groups, numbered, strict=True)]
