"""Prompts: what a person shows a promptable network, and how a machine plays the person.

A prompt is clicks inside and outside an object, a box around it, a rough mask, or several of these.
For training, prompts are drawn from labels (`targets`), and the click of somebody who corrects an
answer is imitated (`Prompt.corrected`). Without a person a `grid` of clicks asks everywhere, and
`segment` makes labels of the many answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt

from aimicro import checks, metrics

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Maps = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]

_RADIUS = 3  # pixels of the disc that is drawn for a click: one pixel would drown in the average
_NOTHING = 0.1  # of the prompts are clicks where nothing is, so that the answer may be: nothing
_POINT, _BOX, _ROUGH = 0.5, 0.3, 0.2  # kinds among the other prompts
_CARELESS = 0.1  # of the side of a box, the standard deviation of each of its edges


@dataclass(frozen=True, eq=False, kw_only=True)
class Prompt:
    """What is meant: clicks, a box, a rough mask, or several of them.

    Attributes
    ----------
    points : sequence of (int, int)
        Clicked pixels (y, x).
    inside : sequence of bool or None
        Whether each click lies inside what is meant; None if all do.
    box : (int, int, int, int) or None
        First row and column inside, and first row and column beyond: (top, left, bottom, right).
    mask : ndarray of bool, (Y, X), or None
        Roughly what is meant, or an earlier answer.

    Raises
    ------
    ValueError
        If there are not as many `inside` as points.

    Notes
    -----
    Used in chapter 9, *Segment what I point at*.

    Examples
    --------
    >>> prompt = Prompt(points=[(12, 30)]).clicked((12, 40), inside=False)
    >>> prompt.points, prompt.inside
    (((12, 30), (12, 40)), (True, False))
    """

    points: Sequence[tuple[int, int]] = ()
    inside: Sequence[bool] | None = None
    box: Box | None = None
    mask: Mask | None = None

    def __post_init__(self) -> None:
        points = tuple((int(y), int(x)) for y, x in self.points)
        inside = (True,) * len(points) if self.inside is None else tuple(map(bool, self.inside))
        if len(inside) != len(points):
            raise ValueError(
                f"Expected inside for each of {len(points)} points, got {len(inside)}. Write True "
                "for a click inside the object, False for one outside."
            )
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "inside", inside)

    def clicked(self, point: tuple[int, int], *, inside: bool) -> "Prompt":
        """The same with one more click."""
        known = self.inside or ()
        return replace(self, points=(*self.points, point), inside=(*known, inside))

    def corrected(
        self, truth: Mask, found: Mask, *, rng: np.random.Generator | None = None
    ) -> "Prompt":
        """The same after a person has seen the answer, and clicked where it is wrong.

        Parameters
        ----------
        truth, found : ndarray of bool, (Y, X)
            What was meant, and what was answered; the answer becomes the rough mask.
        rng : Generator, optional
            Chooses any wrong pixel. Without one the click is that of a careful person: where it is
            wrong furthest from anything right.

        Returns
        -------
        Prompt
            With one click more; without one, if nothing is wrong.
        """
        wrong = truth != found
        seen = replace(self, mask=found)
        if not wrong.any():
            return seen
        if rng is None:
            # Missing and superfluous pixels that touch are two errors.
            place = int(np.maximum(_depth(truth & ~found), _depth(found & ~truth)).argmax())
        else:
            place = int(rng.choice(np.flatnonzero(wrong)))
        y, x = np.unravel_index(place, truth.shape)
        return seen.clicked((int(y), int(x)), inside=bool(truth[y, x]))


@dataclass(frozen=True, eq=False)
class Questions:
    """Prompts about one image, and the masks that were meant.

    Attributes
    ----------
    prompts : sequence of Prompt
        P prompts.
    masks : ndarray of bool, (P, Y, X)
        What each means; empty where there is nothing at the click.

    Notes
    -----
    Used in chapter 9, *Segment what I point at*.
    """

    prompts: Sequence[Prompt]
    masks: Mask

    @property
    def maps(self) -> Maps:
        """The prompts drawn for a network, (P, 4, Y, X)."""
        return render(self.prompts, self.masks.shape[1:])

    def corrected(self, found: Mask, *, rng: np.random.Generator | None = None) -> "Questions":
        """The same questions after a click on what is wrong in each answer, (P, Y, X)."""
        triples = zip(self.prompts, self.masks, found, strict=True)
        return Questions([p.corrected(m, f, rng=rng) for p, m, f in triples], self.masks)

    def iou(self, found: Mask) -> npt.NDArray[np.float64]:
        """How well each answer (P, Y, X) was what was meant, (P,)."""
        pairs = zip(self.masks, found, strict=True)
        return np.array([metrics.iou(mask, answer) for mask, answer in pairs])


def render(prompts: Sequence[Prompt], shape: Sequence[int]) -> Maps:
    """Draw prompts as maps that a network takes beside the image.

    Parameters
    ----------
    prompts : sequence of Prompt
        P prompts.
    shape : (int, int)
        Of the image, (Y, X) in pixels.

    Returns
    -------
    ndarray of float32, (P, 4, Y, X)
        Discs around clicks inside, and around clicks outside; the box and the rough mask, 1 inside
        and -1 outside. All 0 for what a prompt has not.

    Raises
    ------
    ValueError
        For clicks outside the image, a box that is empty or leaves it, a mask of another shape, and
        prompts that say nothing.

    Notes
    -----
    Used in chapter 9, *Segment what I point at*.

    Examples
    --------
    >>> prompt = Prompt(points=[(8, 8)], box=(2, 3, 12, 13))
    >>> clicks, others, box, mask = render([prompt], (16, 16))[0]
    >>> int(clicks.sum()), int(others.sum()), int((box > 0).sum()), int(mask.sum())
    (29, 0, 100, 0)
    """
    height, width = (checks.whole("shape", side, low=1) for side in shape)
    for prompt in prompts:
        _check_prompt(prompt, (height, width))
    maps = np.zeros((len(prompts), 4, height, width), np.float32)
    y, x = np.ogrid[:height, :width]
    for drawn, prompt in zip(maps, prompts, strict=True):
        for (row, column), inside in zip(prompt.points, prompt.inside or (), strict=True):
            drawn[0 if inside else 1][(y - row) ** 2 + (x - column) ** 2 <= _RADIUS**2] = 1
        if prompt.box is not None:
            top, left, bottom, right = prompt.box
            drawn[2] = -1
            drawn[2, top:bottom, left:right] = 1
        if prompt.mask is not None:
            drawn[3] = np.where(prompt.mask, 1, -1)
    return maps


def targets(labels: npt.ArrayLike, *, n: int = 6, rng: np.random.Generator | int) -> Questions:
    """Play a person who means objects of an image: draw prompts, with the masks that they mean.

    Half of those that mean an object are a click on any of its pixels, three tenths a careless
    box, two tenths a rough mask. One prompt in ten is a click in the background, and means nothing;
    all are, where there is no object.

    Parameters
    ----------
    labels : array_like of int, (Y, X)
        Ids of objects, 0 for background.
    n : int
        Prompts. Every object is as likely to be meant, whatever its size.
    rng : Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    Questions
        Prompts and masks.

    Raises
    ------
    TypeError, ValueError
        For what is no label image, and less than one prompt.

    See Also
    --------
    segment : Back to labels.

    Notes
    -----
    Used in chapter 9, *Segment what I point at*.

    Examples
    --------
    >>> labels = np.zeros((32, 32), np.int32)
    >>> labels[4:12, 4:12], labels[16:28, 10:20] = 1, 2
    >>> questions = targets(labels, n=5, rng=0)
    >>> questions.masks.shape, questions.maps.shape
    ((5, 32, 32), (5, 4, 32, 32))
    """
    ids = checks.labels("labels", labels, ndim=2)
    n, rng = checks.whole("n", n, low=1), np.random.default_rng(rng)
    names = np.unique(ids[ids > 0])
    empty = np.argwhere(ids == 0)
    prompts, masks = [], []
    for _ in range(n):
        if not len(names) or (len(empty) and rng.random() < _NOTHING):
            masks.append(np.zeros(ids.shape, bool))
            prompts.append(Prompt(points=[tuple(rng.choice(empty))]))
        else:
            masks.append(ids == rng.choice(names))
            prompts.append(_meant(masks[-1], rng))
    return Questions(prompts, np.stack(masks))


def ask(
    labels: npt.ArrayLike,
    *,
    kind: str = "click",
    careless: float = 0.0,
    min_pixels: int = 1,
    rng: np.random.Generator | int | None = None,
) -> Questions:
    """Play a careful person who means each object once: to judge a network, not to train it.

    Parameters
    ----------
    labels : array_like of int, (Y, X)
        Ids of objects, 0 for background.
    kind : {"click", "box"}
        One click, where the object is deepest; or a box around it.
    careless : float
        Of boxes, as for `box_of`.
    min_pixels : int
        Smaller objects are left out.
    rng : Generator or int, optional
        For careless boxes.

    Returns
    -------
    Questions
        In the order of ids.

    Raises
    ------
    TypeError, ValueError
        For what is no label image, an unknown kind, and labels without such an object.

    Notes
    -----
    Used in chapter 9, *Segment what I point at*.

    Examples
    --------
    >>> labels = np.zeros((9, 20), np.int32)
    >>> labels[2:7, 2:7], labels[2:7, 10:19] = 1, 2
    >>> [prompt.points for prompt in ask(labels).prompts], ask(labels, kind="box").prompts[0].box
    ([((4, 4),), ((4, 12),)], (2, 2, 7, 7))
    """
    ids = checks.labels("labels", labels, ndim=2)
    checks.one_of("kind", kind, ("click", "box"))
    smallest = checks.whole("min_pixels", min_pixels, low=1)
    rng = None if rng is None else np.random.default_rng(rng)
    names, sizes = np.unique(ids[ids > 0], return_counts=True)
    masks = [ids == name for name in names[sizes >= smallest]]
    if not masks:
        raise ValueError(
            f"Expected an object of {smallest} pixels or more, got none. Lower min_pixels."
        )
    if kind == "box":
        prompts = [Prompt(box=box_of(mask, careless=careless, rng=rng)) for mask in masks]
    else:
        places = [np.unravel_index(_depth(mask).argmax(), mask.shape) for mask in masks]
        prompts = [Prompt(points=[(int(y), int(x))]) for y, x in places]
    return Questions(prompts, np.stack(masks))


def box_of(mask: Mask, *, careless: float = 0.0, rng: np.random.Generator | None = None) -> Box:
    """The box around a mask, or that of a person who is careless.

    Parameters
    ----------
    mask : ndarray of bool, (Y, X)
        With a pixel inside or more.
    careless : float
        Standard deviation of each edge as a fraction of the side, cut at twice that.
    rng : Generator, optional
        Moves the edges.

    Returns
    -------
    (int, int, int, int)
        First row and column inside, and first beyond: (top, left, bottom, right).

    Raises
    ------
    ValueError
        For an empty mask, and carelessness without a source of randomness.

    Notes
    -----
    Used in chapter 9, *Segment what I point at*.

    Examples
    --------
    >>> mask = np.zeros((8, 8), bool)
    >>> mask[2:5, 1:7] = True
    >>> box_of(mask)
    (2, 1, 5, 7)
    """
    careless = checks.number("careless", careless, low=0, below=0.25, hint="Try 0.1.")
    if not mask.any() or (careless and rng is None):
        raise ValueError(
            "Expected a mask with an object, and an rng to be careless with, got "
            f"{np.count_nonzero(mask)} pixels and rng={rng}. Leave out empty masks."
        )
    found = []
    for axis in (1, 0):
        inside = np.flatnonzero(mask.any(axis=axis))
        ends = np.array([inside[0], inside[-1] + 1])
        if rng is not None:
            moved = (careless * rng.normal(size=2)).clip(-2 * careless, 2 * careless)
            ends = np.rint(ends + moved * len(inside)).astype(int)
        low = int(ends[0].clip(0, mask.shape[1 - axis] - 1))
        found.append((low, int(ends[1].clip(low + 1, mask.shape[1 - axis]))))
    (top, bottom), (left, right) = found
    return top, left, bottom, right


def grid(shape: Sequence[int], *, step: int = 8) -> list[Prompt]:
    """A click every few pixels: nobody points, so ask everywhere.

    Parameters
    ----------
    shape : (int, int)
        Of the image, (Y, X) in pixels.
    step : int
        From one click to the next, in pixels: less than the smallest object is wide.

    Returns
    -------
    list of Prompt
        One click inside each, row by row.

    Raises
    ------
    TypeError, ValueError
        For sides and a step that are no whole numbers of 1 or more.

    Notes
    -----
    Used in chapter 9, *Segment what I point at*.

    Examples
    --------
    >>> [prompt.points[0] for prompt in grid((8, 16), step=8)]
    [(4, 4), (4, 12)]
    """
    step = checks.whole("step", step, low=1, hint="Try half the width of a small object.")
    rows, columns = (
        range(min(step // 2, side - 1), side, step)
        for side in (checks.whole("shape", each, low=1) for each in shape)
    )
    return [Prompt(points=[(y, x)]) for y in rows for x in columns]


def segment(
    masks: npt.ArrayLike,
    quality: npt.ArrayLike,
    *,
    least_quality: float = 0.5,
    overlap: float = 0.5,
    min_pixels: int = 1,
    logits: bool = True,
) -> Labels:
    """Make labels of many masks, of which most mean the same objects.

    The mask that is thought best is kept. Each further one, in the order of quality, is kept unless
    those before it have taken too much of it already; it gets what is left.

    Parameters
    ----------
    masks : array_like, (P, Y, X)
        Answers to P prompts.
    quality : array_like, (P,)
        Expected IoU of each, from 0 to 1.
    least_quality : float
        Masks with less are left out.
    overlap : float
        Fraction of a mask that may be taken already, from 0 to 1.
    min_pixels : int
        Smaller masks are left out, and those of which less is free.
    logits : bool
        Whether masks are logits, inside above 0; else they are true and false, or probabilities,
        inside above 0.5.

    Returns
    -------
    ndarray of int32, (Y, X)
        Ids 1, 2, … from the best mask on, 0 for background.

    Raises
    ------
    TypeError, ValueError
        For other shapes, not as many qualities as masks, NaN, and settings out of range.

    See Also
    --------
    targets : The other way.

    Notes
    -----
    SAM compares boxes and suppresses by their IoU, so that an object and its part can both stay.
    In a label image a pixel has one owner.

    Used in chapter 9, *Segment what I point at*.

    Examples
    --------
    >>> masks = np.array([[[1, 1, 0, 0]], [[1, 1, 1, 0]], [[0, 0, 1, 1]]], bool)
    >>> segment(masks, [0.9, 0.7, 0.8], logits=False).tolist()
    [[1, 1, 2, 2]]
    """
    values, scores = _checked_answers(masks, quality)
    least = checks.number("least_quality", least_quality, low=0, high=1, hint="Try 0.5.")
    share = checks.number("overlap", overlap, low=0, high=1, hint="Try 0.5.")
    smallest = checks.whole("min_pixels", min_pixels, low=1)
    labels = np.zeros(values.shape[1:], np.int32)
    for place in np.argsort(-scores, kind="stable"):
        if scores[place] < least:
            break
        inside = values[place] > (0 if logits else 0.5)
        free = inside & (labels == 0)
        size, left = np.count_nonzero(inside), np.count_nonzero(free)
        if left >= smallest and size - left <= share * size:
            labels[free] = labels.max() + 1
    return labels


def _depth(mask: Mask) -> npt.NDArray[np.float64]:
    """How far each pixel lies from all that is outside; the frame of the image is an end, too."""
    return np.asarray(distance_transform_edt(np.pad(mask, 1)))[1:-1, 1:-1]


def _meant(mask: Mask, rng: np.random.Generator) -> Prompt:
    """One prompt that means this object."""
    kind = rng.choice(3, p=[_POINT, _BOX, _ROUGH])
    if kind == 0:
        return Prompt(points=[tuple(rng.choice(np.argwhere(mask)))])
    if kind == 1:
        return Prompt(box=box_of(mask, careless=_CARELESS, rng=rng))
    change = binary_dilation if rng.random() < 0.5 else binary_erosion
    rough = change(mask, iterations=int(rng.integers(1, 4)))
    return Prompt(mask=rough if rough.any() else mask)


def _check_prompt(prompt: Prompt, shape: tuple[int, int]) -> None:
    """Refuse what does not lie in the image."""
    size = f"the image of {shape[0]} x {shape[1]} pixels"
    for point in prompt.points:
        if not all(0 <= place < side for place, side in zip(point, shape, strict=True)):
            raise ValueError(
                f"Expected clicks (y, x) inside {size}, got {point}. Give pixels in the order row, "
                "column, counted from 0."
            )
    if prompt.box is not None:
        top, left, bottom, right = prompt.box
        if not (0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]):
            raise ValueError(
                f"Expected a box (top, left, bottom, right) inside {size}, got {prompt.box}. Cut "
                "it at the border; top and left come first."
            )
    if prompt.mask is not None and np.shape(prompt.mask) != shape:
        raise ValueError(
            f"Expected a rough mask of {size}, got shape {np.shape(prompt.mask)}. Crop both alike."
        )
    if not prompt.points and prompt.box is None and prompt.mask is None:
        raise ValueError("Expected a click, a box or a mask, got an empty prompt. Add one of them.")


def _checked_answers(
    masks: npt.ArrayLike, quality: npt.ArrayLike
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Masks (P, Y, X) and their qualities (P,), or a clear error."""
    values = checks.image("masks", masks, ndim=3, hint="Give (P, Y, X), a mask for each prompt.")
    scores = np.asarray(quality, np.float64)
    if scores.shape != values.shape[:1] or not np.isfinite(scores).all():
        raise ValueError(
            f"Expected a finite quality for each of {len(values)} masks, got shape {scores.shape}. "
            "Give both as the network returned them."
        )
    return values, scores
