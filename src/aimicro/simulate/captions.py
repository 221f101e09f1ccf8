"""Figure captions of which every word is known to be true: the facts first, then the sentence.

A `Facts` says how an image was taken. `written` puts it into one of three forms, `read` finds the
facts in any text again, by rule, and `Facts.image` takes the image. So what a language model says
of an image can be counted right or wrong.

Used in chapter 3, *Attention by hand*.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import factorial, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimicro import checks
from aimicro.simulate.microscope import Microscope, Recording
from aimicro.simulate.specimens import beads, filaments, nuclei, vesicles

Chances = Mapping[Any, float]

EMISSION_NM = 525
FIELD = 240  # pixels of 65 nm; it divides by 1, 2, 3 and 4


def _around(mean: int) -> Chances:
    """Chances of 2 to 12 objects, as of a Poisson law without its ends."""
    weights = {n: mean**n / factorial(n) for n in range(2, 13)}
    return {n: weight / sum(weights.values()) for n, weight in weights.items()}


# What this laboratory does: for each fact the fact that it depends on, and the chances.
HABITS: Mapping[str, tuple[str, Mapping[Any, Chances]]] = {
    "specimen": ("", {"": {"nuclei": 0.4, "filaments": 0.25, "vesicles": 0.2, "beads": 0.15}}),
    "count": (
        "specimen",
        {
            "nuclei": _around(3),
            "filaments": _around(6),
            "vesicles": _around(9),
            "beads": _around(4),
        },
    ),
    "modality": (
        "specimen",
        {
            "nuclei": {"confocal": 0.5, "widefield": 0.3, "light-sheet": 0.15, "two-photon": 0.05},
            "filaments": {
                "confocal": 0.3,
                "widefield": 0.6,
                "light-sheet": 0.05,
                "two-photon": 0.05,
            },
            "vesicles": {
                "confocal": 0.25,
                "widefield": 0.45,
                "light-sheet": 0.25,
                "two-photon": 0.05,
            },
            "beads": {"confocal": 0.3, "widefield": 0.3, "light-sheet": 0.1, "two-photon": 0.3},
        },
    ),
    "na": (
        "modality",
        {
            "confocal": {0.5: 0.05, 0.8: 0.15, 1.2: 0.3, 1.4: 0.5},
            "widefield": {0.5: 0.25, 0.8: 0.4, 1.2: 0.1, 1.4: 0.25},
            "light-sheet": {0.5: 0.6, 0.8: 0.3, 1.2: 0.05, 1.4: 0.05},
            "two-photon": {0.5: 0.05, 0.8: 0.3, 1.2: 0.6, 1.4: 0.05},
        },
    ),
    "pixel_nm": (
        "na",
        {
            0.5: {65: 0.05, 130: 0.15, 195: 0.3, 260: 0.5},
            0.8: {65: 0.1, 130: 0.35, 195: 0.35, 260: 0.2},
            1.2: {65: 0.4, 130: 0.4, 195: 0.15, 260: 0.05},
            1.4: {65: 0.6, 130: 0.25, 195: 0.1, 260: 0.05},
        },
    ),
    "photons": (
        "modality",
        {
            "confocal": {15: 0.4, 30: 0.3, 150: 0.2, 600: 0.1},
            "widefield": {15: 0.1, 30: 0.2, 150: 0.4, 600: 0.3},
            "light-sheet": {15: 0.1, 30: 0.4, 150: 0.4, 600: 0.1},
            "two-photon": {15: 0.6, 30: 0.2, 150: 0.1, 600: 0.1},
        },
    ),
}

FORMS = (
    "{modality} image of {count} {specimen} , taken at NA {na} with pixels of {pixel_nm} nm and "
    "{photons} photons ; it is {noise} and {sampling} .",
    "{count} {specimen} , seen by {modality} microscopy with pixels of {pixel_nm} nm , NA {na} and "
    "{photons} photons ; the image is {sampling} and {noise} .",
    "{noise} image , {sampling} , with {photons} photons and pixels of {pixel_nm} nm ; it shows "
    "{count} {specimen} , by {modality} microscopy at NA {na} .",
)


@dataclass(frozen=True)
class Facts:
    """What is true of an image.

    Attributes
    ----------
    specimen : {"nuclei", "filaments", "vesicles", "beads"}
        What is in the field.
    count : int
        How many of them, 2 to 12.
    modality : {"confocal", "widefield", "light-sheet", "two-photon"}
        How the image was formed.
    na : {0.5, 0.8, 1.2, 1.4}
        Numerical aperture.
    pixel_nm : {65, 130, 195, 260}
        Pixel size in nm.
    photons : {15, 30, 150, 600}
        Expected photons in the brightest pixel, beside 1 of background.

    Raises
    ------
    ValueError
        For a value that is none of these.

    Notes
    -----
    Used in chapter 3, *Attention by hand*.

    Examples
    --------
    >>> facts = Facts("nuclei", 7, "confocal", 1.4, 130, 15)
    >>> facts.noise, facts.sampling
    ('noisy', 'coarse')
    >>> int(facts.image(0).labels.max())
    7
    """

    specimen: str
    count: int
    modality: str
    na: float
    pixel_nm: int
    photons: int

    def __post_init__(self) -> None:
        for name, (_, chances) in HABITS.items():
            known = sorted({value for options in chances.values() for value in options})
            if getattr(self, name) not in known:
                raise ValueError(
                    f"Expected a {name} of {', '.join(map(str, known))}, got "
                    f"{getattr(self, name)!r}. Choose one that captions have a word for."
                )

    @property
    def noise(self) -> str:
        """By rule: "noisy" below 100 photons, whose noise is more than a tenth; else "clean"."""
        return "noisy" if self.photons < 100 else "clean"

    @property
    def sampling(self) -> str:
        """By rule: "coarse" if a pixel is larger than λ/4NA, after Nyquist; else "fine"."""
        return "coarse" if self.pixel_nm > EMISSION_NM / (4 * self.na) else "fine"

    @property
    def chance(self) -> float:
        """How often this laboratory takes such an image: the product of its `HABITS`."""
        known = {"": "", **asdict(self)}
        return prod(chances[known[on]][known[name]] for name, (on, chances) in HABITS.items())

    def words(self) -> dict[str, str]:
        """All that a caption states, the two consequences included, as tokens."""
        return {name: str(value) for name, value in asdict(self).items()} | {
            "noise": self.noise,
            "sampling": self.sampling,
        }

    def image(self, rng: np.random.Generator | int) -> Recording:
        """Take the image: 15.6 µm wide, with the `labels` of its objects where they are nuclei.

        Parameters
        ----------
        rng : numpy.random.Generator or int
            Source of randomness, or its seed.

        Returns
        -------
        Recording
            Image, truth, and microscope.
        """
        rng = np.random.default_rng(rng)
        specimen, labels = _drawn(self.specimen, self.count, rng)
        pixel, coarser = self.pixel_nm / 1000, round(self.pixel_nm / 65)
        microscope = Microscope(self.modality, na=self.na, voxel_size_um=(pixel, pixel))
        with warnings.catch_warnings():
            # A coarse image is meant to be one.
            warnings.filterwarnings("ignore", category=UserWarning, message=".*Nyquist.*")
            peak = microscope.expected(specimen, oversampling=coarser).max()
            return microscope.image(
                specimen,
                photons=self.photons / peak,
                background=1,
                labels=labels,
                rng=rng,
                oversampling=coarser,
            )


def draw(n: int, *, rng: np.random.Generator | int) -> list[Facts]:
    """Facts of images as the laboratory takes them, each after its habits.

    Parameters
    ----------
    n : int
        How many.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    list of Facts
        One for each image.

    Raises
    ------
    TypeError, ValueError
        For a number that is none.

    Notes
    -----
    Used in chapter 3, *Attention by hand*.

    Examples
    --------
    >>> [facts.specimen for facts in draw(3, rng=0)]
    ['filaments', 'filaments', 'beads']
    """
    rng = np.random.default_rng(rng)
    drawn = []
    for _ in range(checks.whole("n", n, low=0)):
        known: dict[str, Any] = {"": ""}
        for name, (on, chances) in HABITS.items():
            options = chances[known[on]]
            place = np.searchsorted(np.cumsum([*options.values()])[:-1], rng.random(), "right")
            known[name] = [*options][place]
        drawn.append(Facts(**{name: known[name] for name in HABITS}))
    return drawn


def written(facts: Facts, *, form: int) -> str:
    """Write a caption.

    Parameters
    ----------
    facts : Facts
        What it states.
    form : {0, 1, 2}
        Which of the three `FORMS`.

    Returns
    -------
    str
        Words, numbers and marks with a space between any two, so that they are easily told apart.

    Raises
    ------
    TypeError, ValueError
        For a form that there is not.

    Notes
    -----
    No two facts and forms give the same text, so the chance of a caption is `Facts.chance` / 3 if
    forms are equally likely.

    Used in chapter 3, *Attention by hand*.

    Examples
    --------
    >>> written(Facts("beads", 2, "widefield", 0.8, 130, 600), form=1)[:52]
    '2 beads , seen by widefield microscopy with pixels o'
    """
    return FORMS[checks.whole("form", form, low=0, high=len(FORMS) - 1)].format(**facts.words())


def read(text: str) -> dict[str, str]:
    """Find what a text states, by rule.

    Parameters
    ----------
    text : str
        A caption, or what somebody wrote in place of one.

    Returns
    -------
    dict
        The word for each fact, under its name in `Facts.words`. What is not stated is missing; of
        two statements the first counts.

    Notes
    -----
    Used in chapter 3, *Attention by hand*.

    Examples
    --------
    >>> read("confocal image of 7 nuclei , taken at NA 1.4")
    {'specimen': 'nuclei', 'count': '7', 'modality': 'confocal', 'na': '1.4'}
    """
    found = {name: re.search(rule, f" {text} ") for name, rule in _RULES.items()}
    return {name: match[1] for name, match in found.items() if match}


_RULES = {
    "specimen": r" (nuclei|filaments|vesicles|beads) ",
    "count": r" (\d+) (?:nuclei|filaments|vesicles|beads) ",
    "modality": r" (confocal|widefield|light-sheet|two-photon) ",
    "na": r" NA (\d\.\d) ",
    "pixel_nm": r" (\d+) nm ",
    "photons": r" (\d+) photons ",
    "noise": r" (noisy|clean) ",
    "sampling": r" (fine|coarse) ",
}


def _drawn(
    specimen: str, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
    """The specimen on a fine grid, and its labels if it has any."""
    shape, pixel = (FIELD, FIELD), 0.065
    if specimen == "nuclei":
        return nuclei(shape, pixel_size_um=pixel, n=n, radius_um=1.5, rng=rng)
    if specimen == "filaments":
        return filaments(shape, pixel_size_um=pixel, n=n, rng=rng), None
    if specimen == "vesicles":
        return vesicles(shape, pixel_size_um=pixel, n=n, rng=rng)[0], None
    return beads(shape, pixel_size_um=pixel, n=n, diameter_um=0.2, rng=rng)[0], None
