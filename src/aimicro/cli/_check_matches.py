"""Whether raw image and truth belong together, lie on each other, and are as noisy as others."""

from collections.abc import Iterable, Sequence

import numpy as np

from aimicro.cli._check_images import Pair
from aimicro.cli._findings import LOOK, MEND, Findings
from aimicro.inspect import likeness

_MOVED, _FAR, _CLEARER = 0.5, 1.5, 0.05  # pixels, and the gain in correlation that proves them
# Correlation of thumbnails, and its gain, that prove another partner or a turn.
_RELATED, _BETTER = 0.5, 0.3
_UNLIKE = 3  # times more light than in the first split
# In the order of `aimicro.inspect.likeness`.
_TURNS = (
    "left as it is",
    "turned left by 90°",
    "turned by 180°",
    "turned right by 90°",
    "mirrored along its diagonal",
    "mirrored top to bottom",
    "mirrored along its other diagonal",
    "mirrored left to right",
)


def judge_matches(pairs: Sequence[Pair], findings: Findings) -> None:
    """Note truths that belong elsewhere, are turned or shifted, and other light in a split."""
    elsewhere = _partners(pairs, findings)
    _registration([pair for pair in pairs if pair not in elsewhere], findings)
    _photons(pairs, findings)


def _partners(pairs: Sequence[Pair], findings: Findings) -> list[Pair]:
    """Find truths that belong to another raw image, or are turned; return their pairs."""
    elsewhere = []
    for split in dict.fromkeys(pair.split for pair in pairs):
        members = [pair for pair in pairs if pair.split == split]
        truths = np.stack([pair.truth.small for pair in members])
        for place, pair in enumerate(members):
            alike = np.abs(likeness([pair.raw.small], truths))[:, 0]
            others, turns = alike[0], alike[:, place]
            best, turn = int(others.argmax()), int(turns.argmax())
            found = max(others[best], turns[turn])
            if pair.raw.shape != pair.truth.shape or found < max(_RELATED, others[place] + _BETTER):
                continue
            elsewhere.append(pair)
            if others[best] >= turns[turn]:
                _tell_partner(pair, members[best].truth.path.name, findings)
            else:
                _tell_turn(pair, _TURNS[turn], findings)
    return elsewhere


def _tell_partner(pair: Pair, name: str, findings: Findings) -> None:
    findings.add(
        "registration",
        MEND,
        "The truth belongs to another raw image.",
        "Exchange the files, or correct their names.",
        file=pair.raw.path,
        detail=f"its truth seems to be {name}",
    )


def _tell_turn(pair: Pair, turn: str, findings: Findings) -> None:
    findings.add(
        "registration",
        MEND,
        "The truth lies otherwise than the raw image.",
        "Turn or mirror one of them back.",
        file=pair.raw.path,
        detail=f"its truth has to be {turn}",
    )


def _registration(pairs: Sequence[Pair], findings: Findings) -> None:
    largest = 0.0
    for pair in pairs:
        if pair.shift is None or pair.raw.constant or pair.truth.constant:
            continue
        offset, correlation, in_place = pair.shift
        far, gain = max(map(abs, offset)), abs(correlation) - abs(in_place)
        if abs(correlation) < _CLEARER:
            findings.add(
                "registration",
                LOOK,
                "Raw image and truth seem to have nothing in common.",
                "Look at the pair: does the truth belong to it?",
                file=pair.raw.path,
                detail=f"correlation {correlation:.2f}",
            )
        if gain < _CLEARER / 5 or far < _MOVED:
            continue
        largest = max(largest, far)
        grave = far >= _FAR and gain >= _CLEARER
        findings.add(
            "registration",
            MEND if grave else LOOK,
            f"Raw image and truth are shifted against each other{'' if grave else ', a little'}.",
            "Register them (scikit-image: registration.phase_cross_correlation), or crop both to "
            "what they share; a network learns the shift, and blurs.",
            file=pair.raw.path,
            detail=f"move it by {_along_axes(offset)} px: correlation {in_place:.2f} becomes "
            f"{correlation:.2f}",
        )
    if pairs:
        told = f"largest shift {largest:.1f} px"
        findings.summaries["registration"] = told + _looked_at(pairs, "registration")


def _photons(pairs: Sequence[Pair], findings: Findings) -> None:
    found = [pair.photons for pair in pairs if pair.photons]
    if not pairs:
        return
    if not found:
        findings.summaries["photons"] = "the noise does not tell" + _looked_at(pairs, "photons")
        return
    photons, gain = (float(np.median(each)) for each in
                     ([one.photons for one in found], [one.gain for one in found]))  # fmt: skip
    findings.summaries["photons"] = (
        f"about {photons:.2g} detected where it is brightest, {gain:.2g} counts each"
        + _looked_at(pairs, "photons")
    )
    train = _median(pair.photons.photons for pair in pairs
                    if pair.photons and pair.split == pairs[0].split)  # fmt: skip
    for split in dict.fromkeys(pair.split for pair in pairs[1:]):
        there = _median(pair.photons.photons for pair in pairs
                        if pair.photons and pair.split == split)  # fmt: skip
        if there and train and not 1 / _UNLIKE < there / train < _UNLIKE:
            findings.add(
                "photons",
                LOOK,
                f"The images of {split} have about {there:.2g} photons where they are brightest, "
                f"those of {pairs[0].split} {train:.2g}.",
                "Train on images as noisy as those that the network will see.",
            )


def _looked_at(pairs: Sequence[Pair], check: str) -> str:
    """What a check has not seen all of, and in how many pairs."""
    words = [pair.seen[check] for pair in pairs if pair.seen.get(check)]
    if not words:
        return ""
    alike = "" if len(set(words)) == 1 else " and the like"
    return f"; looked at {words[0]}{alike}, in {len(words)} of {len(pairs)} pairs"


def _along_axes(offset: Sequence[float]) -> str:
    axes = "zyx"[-len(offset) :]
    return ", ".join(f"{axis} {n:+.1f}" for axis, n in zip(axes, offset, strict=True))


def _median(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.median(found)) if found else 0.0
