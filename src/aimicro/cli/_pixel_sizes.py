"""How large pixels are, in a training and in what its network is given later.

A private part of :mod:`aimicro.cli`. A network counts in pixels: at another pixel size a nucleus is
another object to it, and a blur another blur.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

from aimicro.io import read_header

Sizes = Sequence[float | None]  # µm along [Z,] Y and X, None where a file does not tell
_LIKE_TRAINING = 0.1  # relative difference that objects of one kind have among themselves


def differ(ours: Sizes, theirs: Sizes, *, tolerance: float) -> bool:
    """Whether two pixel sizes, as far as both are known, are others."""
    return any(
        a and b and abs(a - b) > tolerance * max(a, b) for a, b in zip(ours, theirs, strict=False)
    )


def common_pixel_size(pairs: Sequence[tuple[Path, Path]]) -> tuple[float, ...] | None:
    """Pixel size in µm that all raw images share, or None, with a warning where they differ."""
    sizes = [read_header(raw).pixel_size_um for raw, _ in pairs]
    known = [tuple(um for um in size if um) for size in sizes if None not in size]
    if len(known) < len(sizes):
        return None
    others = [size for size in known if differ(size, known[0], tolerance=_LIKE_TRAINING)]
    if others:
        warnings.warn(
            f"Expected training images of one pixel size, got {written(known[0])} and "
            f"{written(others[0])}. The network learns objects of several sizes in pixels, and "
            "images of another pixel size will not be refused. Rescale them to one size, unless "
            "that is what you want.",
            UserWarning,
            stacklevel=2,
        )
        return None
    return known[0]


def check_pixel_size(file: Path, got: Sizes, trained: Sizes | None) -> None:
    """Refuse an image whose pixels are of another size than those that a network was shown.

    Where the file does not tell, that is said, once for all files.
    """
    if trained and None in got:
        warnings.warn(
            "Expected images that tell the size of their pixels, to compare it with that of the "
            f"training, {written(trained)}, got {written(got)}. Where it is another one, results "
            "are wrong. Write it into the files in Fiji, Image > Properties, and it is checked.",
            UserWarning,
            stacklevel=2,
        )
    if trained and differ(got, trained, tolerance=_LIKE_TRAINING):
        raise ValueError(
            f"{file}: Expected pixels of {written(trained)}, as the network was trained on, got "
            f"{written(got)}. Rescale the image to that pixel size, or correct it in Fiji, Image > "
            "Properties, if it is wrong; --any-pixel-size takes the image as it is."
        )


def written(size: Sizes) -> str:
    """As in 0.3 x 0.1 x 0.1 µm."""
    return " x ".join("?" if um is None else f"{um:.3g}" for um in size) + " µm"
