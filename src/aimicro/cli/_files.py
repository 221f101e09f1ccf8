"""Which images of a folder a command takes, and which belong together."""

from collections.abc import Sequence
from pathlib import Path

from aimicro.io import read_parts


def make_folder(folder: Path) -> None:
    """Create the folder that -o names, with its parents, or say why that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"-o: Expected a folder that can be created, got {folder}: "
            f"{error.strerror or error}. Choose another -o."
        ) from error


def is_tiff(path: Path) -> bool:
    """Whether a name ends in .tif or .tiff, in capitals or not."""
    return path.suffix.lower() in (".tif", ".tiff")


def tiffs(name: str, folder: Path) -> list[Path]:
    """List the images of a folder in the order of their names; an image of several files once.

    Parameters
    ----------
    name : str
        Option or key that names the folder.
    folder : pathlib.Path
        Where to look; folders inside it are not searched.

    Returns
    -------
    list of pathlib.Path
        Files ending in .tif or .tiff. Of a multi-file OME-TIFF, whose every file stands for the
        whole, the first.

    Raises
    ------
    ValueError
        If there is none.
    """
    # macOS leaves a ._NAME.tif, which is no image, beside each image on a foreign disk.
    found = [
        path
        for path in folder.iterdir()
        if is_tiff(path) and not path.name.startswith(".") and path.is_file()
    ]
    if not found:
        raise ValueError(
            f"{name}: Expected images ending in .tif or .tiff, got none in '{folder}'. Name the "
            "folder that holds them itself: folders inside it are not searched."
        )
    kept: list[Path] = []
    others: set[Path] = set()
    for path in sorted(found, key=lambda path: path.name):
        if path not in others:
            kept.append(path)
            others |= _same_image(path)
    return kept


def paired(
    name: str, raws: Sequence[Path], truths: Sequence[Path], *, by_order: bool, how: str
) -> list[tuple[Path, Path]]:
    """Pair images in the order of their names, and refuse names that tell of another order.

    Parameters
    ----------
    name : str
        Option or key that names the images.
    raws, truths : sequence of pathlib.Path
        In the order of their names.
    by_order : bool
        Take pairs whose names do not match, too.
    how : str
        How the user asks for that.

    Returns
    -------
    list of tuple of pathlib.Path
        Raw image and truth.

    Raises
    ------
    ValueError
        For other numbers of truths than of raw images, and for names that do not match.
    """
    if len(raws) != len(truths):
        lone = min({path.name for path in raws} ^ {path.name for path in truths})
        raise ValueError(
            f"{name}: Expected as many raw as true images, got {len(raws)} in '{raws[0].parent}' "
            f"and {len(truths)} in '{truths[0].parent}'. Begin with {lone}, which is in one of "
            "them only."
        )
    pairs = list(zip(raws, truths, strict=True))
    parts = zip(_distinct(raws), _distinct(truths), strict=True)
    unlike = [
        f"{raw.name} with {truth.name}"
        for (raw, truth), (ours, theirs) in zip(pairs, parts, strict=True)
        if raw.stem != truth.stem and ours != theirs
    ]
    if unlike and not by_order:
        shown = ", ".join(unlike[:3]) + (", …" if len(unlike) > 3 else "")
        raise ValueError(
            f"{name}: Expected pairs of one name, got {len(unlike)} of {len(pairs)} with different "
            f"ones: {shown}. Rename the images, or {how} if each belongs to the one that has its "
            "place in the order of names."
        )
    return pairs


def _distinct(paths: Sequence[Path]) -> list[str]:
    """What of each name differs from the others: "07" of raw_07.tif among raw_01.tif and so on."""
    stems = [path.stem for path in paths]
    start = _common_start(stems).rstrip("0123456789")  # never within a number
    ends = [stem.removeprefix(start) for stem in stems]
    end = _common_start([part[::-1] for part in ends])[::-1].lstrip("0123456789")
    return [part.removesuffix(end) for part in ends]


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    n_same = next(
        (n for n, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1), None
    )
    return first[:n_same]


def _same_image(path: Path) -> set[Path]:
    """All files of a multi-file OME-TIFF; of another file only itself."""
    try:
        return set(read_parts(path))
    except ValueError:
        return set()  # what is wrong with it will be told when it is read
