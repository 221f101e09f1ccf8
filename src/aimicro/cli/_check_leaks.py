"""Leaks: what ``aimicro check`` finds of one split in another, by content and by name."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from aimicro.cli._check_images import Pair
from aimicro.cli._findings import LOOK, MEND, Findings
from aimicro.inspect import likeness, shared_landmarks

_SHARED, _FEWEST = 0.1, 6  # of the landmarks of an image; what is less may be chance
_MANY = 50  # images with one landmark in common: it tells nothing
_SAME_FIELD, _UNLIKE = 0.95, 0.5  # correlation of thumbnails, and what is usual where it tells
# The end of a name that tells which part of a recording it is: _z03, -t12, _tile4 and so on.
_PART = re.compile(
    r"(?:(?:^|[_\-. ]|(?<=\d))(?:z|t|c|ch|plane|slice|frame|time|tile|crop|patch)[_\-]?\d+)+$",
    re.IGNORECASE,
)
_TELLING = 3  # numbers in a name, as plate, well and site
_APART = (
    "Split by field of view, better by sample or day, and only then cut into parts: otherwise "
    "the scores are those of images that the network has seen."
)
Places = tuple[int, int]


def find_leaks(pairs: Sequence[Pair], findings: Findings) -> None:
    """Note images that two splits share, and copies within one."""
    names = list(dict.fromkeys(pair.split for pair in pairs))
    known = _same_pixels(pairs, findings)
    known |= _same_recording(pairs, known, findings)
    known |= _same_field(pairs, known, findings)
    _same_name(pairs, known, findings)
    across = sum(pairs[a].split != pairs[b].split for a, b in known)
    if len(names) > 1:
        shared = f"{across} pairs of images in both of two splits" if across else "nothing shared"
        findings.summaries["splits"] = shared
    elif pairs:
        findings.summaries["splits"] = "only one"


def _same_pixels(pairs: Sequence[Pair], findings: Findings) -> set[Places]:
    """Exact copies, as aimicro train refuses them."""
    known: set[Places] = set()
    for kind in ("raw", "truth"):
        alike = defaultdict(list)
        for place, pair in enumerate(pairs):
            image = getattr(pair, kind)
            if not image.constant:
                alike[image.digest].append(place)
        new = {two for places in alike.values() for two in combinations(places, 2)} - known
        for a, b in sorted(new):
            ours, theirs = (getattr(pairs[place], kind).path for place in (a, b))
            _tell(pairs[a], pairs[b], (ours, theirs), "the very same pixels", findings)
        known |= new
    return known


def _same_recording(pairs: Sequence[Pair], known: set[Places], findings: Findings) -> set[Places]:
    """Copies that were turned, mirrored, cropped or given another contrast."""
    found = set()
    for a, b in _with_common_landmarks(pairs):
        fraction = shared_landmarks(pairs[a].landmarks, pairs[b].landmarks)
        if (a, b) in known or fraction < _SHARED:
            continue
        paths = (pairs[a].raw.path, pairs[b].raw.path)
        how = f"{100 * fraction:.0f} % of one is in the other, turned, cropped or as it was"
        _tell(pairs[a], pairs[b], paths, how, findings)
        found.add((a, b))
    return found


def _with_common_landmarks(pairs: Sequence[Pair]) -> Iterator[Places]:
    """Pairs of images with some landmarks in common, without comparing each with each."""
    hashes = np.concatenate([np.zeros(0, np.uint64), *(pair.landmarks for pair in pairs)])
    owners = np.repeat(np.arange(len(pairs)), [pair.landmarks.size for pair in pairs])
    order = np.argsort(hashes, kind="stable")
    hashes, owners = hashes[order], owners[order]
    starts = np.flatnonzero(np.diff(hashes, prepend=hashes[:1]) > 0)
    counts: Counter[Places] = Counter()
    for group in np.split(owners, starts):
        if 1 < group.size <= _MANY:
            counts.update(combinations(group.tolist(), 2))
    yield from sorted(places for places, n in counts.items() if n >= _FEWEST)


def _same_field(pairs: Sequence[Pair], known: set[Places], findings: Findings) -> set[Places]:
    """Other exposures of one field, also turned: the same structure with other noise."""
    members = defaultdict(list)
    for place, pair in enumerate(pairs):
        members[pair.split].append(place)
    found: set[Places] = set()
    for ours, theirs in combinations(members.values(), 2):
        small = np.stack([pairs[place].raw.small for place in theirs])
        alike = np.stack([likeness([pairs[one].raw.small], small).max(axis=0)[0] for one in ours])
        # Where most are alike, as cells cut out one by one, it tells nothing.
        if np.median(alike) > _UNLIKE and alike.size > 1:
            continue
        new = {(ours[i], theirs[k]) for i, k in np.argwhere(alike > _SAME_FIELD)} - known
        for a, b in sorted(new):
            findings.add(
                "splits",
                LOOK,
                f"{pairs[a].split} and {pairs[b].split} seem to show the same field twice.",
                _APART,
                file=pairs[a].raw.path,
                detail=f"like {pairs[b].raw.path}",
            )
        found |= new
    return found


def _same_name(pairs: Sequence[Pair], known: set[Places], findings: Findings) -> None:
    """Parts of one recording, by their names, in two splits."""
    told = {pairs[place].raw.path for places in known for place in places}
    recordings: dict[str, dict[str, Path]] = defaultdict(dict)
    for pair in pairs:
        if pair.raw.path not in told and (name := recording(pair.raw.path.stem)):
            recordings[name].setdefault(pair.split, pair.raw.path)
    for name, where in recordings.items():
        if len(where) > 1:
            findings.add(
                "splits",
                LOOK,
                f"By their names, {_listed(where)} have parts of the same recording.",
                _APART,
                file=next(iter(where.values())),
                detail=f"{name} is in {_listed(where)}",
            )


def recording(stem: str) -> str:
    """Name the recording that an image is a part of; "" where the name does not tell.

    A name with little but a counter, such as image_007, tells only that there are others.
    """
    whole = _PART.sub("", stem)
    telling = whole != stem or len(re.findall(r"\d+", whole)) >= _TELLING
    return whole if telling and re.search(r"[^\W_]", whole) else ""


def _tell(a: Pair, b: Pair, paths: tuple[Path, Path], how: str, findings: Findings) -> None:
    if a.split == b.split:
        findings.add(
            "splits",
            LOOK,
            f"Images that are twice in {a.split}.",
            "Remove one of them: it counts double.",
            file=paths[0],
            detail=f"{how}: {paths[1]}",
        )
    else:
        findings.add(
            "splits",
            MEND,
            f"Images of {a.split} are in {b.split}, too.",
            _APART,
            file=paths[1],
            detail=f"{how}: {paths[0]}",
        )


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)
