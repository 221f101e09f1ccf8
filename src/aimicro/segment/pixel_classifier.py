"""Pixel classification: paint a few strokes, and a random forest says what every pixel is.

Each pixel is described by filters (`aimicro.segment.features`). A random forest learns from the
pixels under the strokes which descriptions belong to which class. *Autocontext* asks a second
forest, which also sees what the first one said of the surroundings.

A classifier stops at pixels: it gives a probability of each class. Objects need a second step,
`segment`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from skimage.measure import label
from skimage.segmentation import watershed
from sklearn.ensemble import RandomForestClassifier

from aimicro import checks
from aimicro.segment._parts import Part, parts
from aimicro.segment._strokes import Labels, count_classes, dealt, strokes_of
from aimicro.segment.features import (
    SIGMAS,
    Array,
    Lengths,
    feature_names,
    features,
    image_with_channels,
    reach_px,
    sizes_and_steps,
    smooth,
)

_MOST_BYTES = 2**28  # of features at a time, of which the forest is given a copy


@dataclass(frozen=True, eq=False)
class PixelClassifier:
    """A random forest, or two of them, that tell classes of pixels apart; made by `fit`.

    Attributes
    ----------
    forests : tuple of sklearn.ensemble.RandomForestClassifier
        One, or with autocontext two.
    n_classes : int
        Classes that it knows.
    n_channels : int or None
        Channels of its images; None for images without an axis of channels.
    sigmas : tuple of float
        Sizes of the filters, in the unit of `spacing`.
    spacing : tuple of float
        Distance from pixel to pixel, ``[z,] y, x``, one for each axis.

    Notes
    -----
    There is no function that saves a classifier: scikit-learn's way is a pickle, which runs
    whatever a stranger has put into it. Keep images, strokes and seed, and fit again.

    Used in chapter 8, *Six ways to segment one image set* and *The microglia case*.

    References
    ----------
    S. Berg et al., "ilastik: interactive machine learning for (bio)image analysis", Nature Methods
    16 (2019) 1226-1232. doi:10.1038/s41592-019-0582-9

    Z. Tu, X. Bai, "Auto-context and its application to high-level vision tasks and 3D brain image
    segmentation", IEEE Transactions on Pattern Analysis and Machine Intelligence 32 (2010)
    1744-1757. doi:10.1109/TPAMI.2009.186

    A. Kreshuk, C. Zhang, "Machine learning: advanced image segmentation using ilastik", Methods in
    Molecular Biology 2040 (2019) 449-463. doi:10.1007/978-1-4939-9686-5_21

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(0, 1, (64, 64))
    >>> image[:, 32:] *= 3  # as bright, but rougher
    >>> strokes = np.zeros(image.shape, np.int32)
    >>> strokes[10:50, 10], strokes[10:50, 54] = 1, 2
    >>> classifier = PixelClassifier.fit(image, strokes, n_trees=20, rng=0)
    >>> rough = classifier.probabilities(image)[1] > 0.5
    >>> round(float(rough[:, :32].mean()), 1), round(float(rough[:, 32:].mean()), 1)
    (0.1, 0.8)
    """

    forests: tuple[RandomForestClassifier, ...]
    n_classes: int
    n_channels: int | None
    sigmas: Lengths
    spacing: Lengths

    @classmethod
    def fit(
        cls,
        images: npt.ArrayLike | Sequence[npt.ArrayLike],
        scribbles: npt.ArrayLike | Sequence[npt.ArrayLike],
        *,
        sigmas: Sequence[float] = SIGMAS,
        spacing: float | Sequence[float] = 1.0,
        channels: bool = False,
        autocontext: bool = False,
        n_trees: int = 100,
        rng: np.random.Generator | int,
    ) -> Self:
        """Learn from the pixels that somebody painted.

        The second forest of autocontext must see the first one err as it will on new images. But
        of pixels that it has learnt, a forest is always sure. So what the second forest is told of
        a stroke comes from a forest that was made without this stroke, and its neighbours on the
        stroke: strokes are dealt out to three groups, and each group is left out once.

        Parameters
        ----------
        images : array_like, or list or tuple of them
            As for `aimicro.segment.features`, in one unit.
        scribbles : array_like of int, (Y, X) or (Z, Y, X), or list or tuple of them
            0 where nothing was painted, and classes from 1 without a gap; one for each image.
        sigmas : sequence of float
            Sizes of the filters, in the unit of `spacing`.
        spacing : float or sequence of float, default 1
            Distance from pixel to pixel along each axis, ``[z,] y, x``.
        channels : bool
            Whether the first axis of the images holds channels.
        autocontext : bool
            Whether a second forest learns from what the first one says of the surroundings. Every
            class then needs two strokes that do not touch.
        n_trees : int, default 100
            Trees in a forest.
        rng : numpy.random.Generator or int
            Source of randomness, or its seed.

        Returns
        -------
        PixelClassifier
            Which has learnt.

        Raises
        ------
        TypeError
            If images or scribbles are of another type: scribbles are whole numbers.
        ValueError
            If a scribble has another shape than its image, there are fewer than two classes or one
            is left out, images differ in axes or channels, or have what `features` refuses.
        """
        trees = checks.whole("n_trees", n_trees, low=1, hint="Try 100.")
        given, painted = checks.same_number(images=images, scribbles=scribbles)
        arrays = [image_with_channels(image, channels=channels) for image in given]
        if len({(array.ndim, len(array)) for array in arrays}) > 1:
            raise ValueError(
                "Expected images with the same axes and channels, got shapes "
                f"{[np.shape(image) for image in given]}. Fit one classifier for each kind."
            )
        sizes, steps = sizes_and_steps(sigmas, spacing, arrays[0].ndim - 1)
        strokes = [strokes_of(s, a.shape[1:]) for s, a in zip(painted, arrays, strict=True)]
        n_classes = count_classes(strokes)
        random = np.random.default_rng(rng)
        blank = cls((), n_classes, len(arrays[0]) if channels else None, sizes, steps)
        if not autocontext:
            rows = [blank._rows(a, None, s > 0) for a, s in zip(arrays, strokes, strict=True)]
            return replace(
                blank, forests=(_forest(rows, [s[s > 0] for s in strokes], trees, random),)
            )
        return replace(blank, forests=blank._two_forests(arrays, strokes, trees, random))

    def probabilities(self, image: npt.ArrayLike) -> Array:
        """Say of each pixel how probable each class is.

        Parameters
        ----------
        image : array_like
            As in the training: the same axes, channels and unit.

        Returns
        -------
        ndarray of float32, (K, [Z,] Y, X)
            What the trees say on average, 1 in sum. Class 1 comes first.

        Raises
        ------
        TypeError, ValueError
            As for `aimicro.segment.features`; and if the image has other axes or channels than
            those of the training.

        Notes
        -----
        Features take 190 bytes a pixel in 2D and 240 in 3D, for each channel. So they are made for
        a part of the image at a time, with as much around it as the filters reach: 256 MB, or as
        much as a part three times as long as that reach needs.
        """
        array = image_with_channels(image, channels=self.n_channels is not None)
        expected = (self.n_channels or 1, *self.spacing)
        if (len(array), array.ndim) != (expected[0], len(expected)):
            kind = f"{len(self.spacing)}D with {expected[0]} channel{'s' * (expected[0] > 1)}"
            raise ValueError(
                f"Expected an image as in training, {kind}, got shape {np.shape(image)}. "
                "Give such an image, or fit another classifier."
            )
        (belief,) = self._ask(self.forests[:1], array, None)
        for forest in self.forests[1:]:
            (belief,) = self._ask([forest], array, belief)
        return belief

    def _two_forests(
        self,
        images: Sequence[Array],
        scribbles: Sequence[Labels],
        n_trees: int,
        rng: np.random.Generator,
    ) -> tuple[RandomForestClassifier, RandomForestClassifier]:
        """Fit a forest, and another to what forests say of strokes that they have not seen."""
        trios = zip(images, scribbles, dealt(scribbles, self.n_classes, rng), strict=True)
        images, scribbles, groups = zip(*(t for t in trios if t[1].any()), strict=True)
        described = [
            self._rows(image, None, group >= 0) for image, group in zip(images, groups, strict=True)
        ]
        answers = [s[s > 0] for s in scribbles]
        group_of = [group[group >= 0] for group in groups]  # as rows and answers are
        blind = []
        for one in range(max(group.max() for group in groups) + 1):
            known = [group != one for group in group_of]
            seen = [rows[k] for rows, k in zip(described, known, strict=True)]
            right = [classes[k] for classes, k in zip(answers, known, strict=True)]
            blind.append(_forest(seen, right, n_trees, rng))
        told = [
            self._told(image, rows, group, blind)
            for image, rows, group in zip(images, described, groups, strict=True)
        ]
        first = _forest(described, answers, n_trees, rng)
        return first, _forest(told, answers, n_trees, rng)

    def _told(
        self,
        image: Array,
        rows: Array,
        groups: npt.NDArray[np.int_],
        blind: Sequence[RandomForestClassifier],
    ) -> Array:
        """Features of strokes, and what the forests that have not seen them say of their places."""
        beliefs = enumerate(self._ask(blind, image, None))
        said = np.concatenate([self._rows(None, belief, groups == one) for one, belief in beliefs])
        in_order = np.empty_like(said)
        in_order[groups[groups >= 0].argsort(kind="stable")] = said  # which is group by group
        return np.concatenate([rows, in_order], axis=1)

    def _ask(
        self, forests: Sequence[RandomForestClassifier], image: Array, belief: Array | None
    ) -> list[Array]:
        """Probabilities (K, [Z,] Y, X) by each forest, part by part."""
        answers = [np.empty((self.n_classes, *image.shape[1:]), np.float32) for _ in forests]
        for part in self._parts(image, belief):
            described = self._describe(image, belief, part)  # (F, [Z,] Y, X)
            rows = np.ascontiguousarray(described.reshape(len(described), -1).T)
            for forest, answer in zip(forests, answers, strict=True):
                found = forest.predict_proba(rows).T
                answer[(slice(None), *part.own)] = found.reshape(-1, *described.shape[1:])
        return answers

    def _rows(
        self, image: Array | None, belief: Array | None, mask: npt.NDArray[np.bool_]
    ) -> Array:
        """Features (N, F) of the pixels in a mask, in their order."""
        places, found = [], []
        number = np.cumsum(mask).reshape(mask.shape)
        for part in self._parts(image, belief):
            here = mask[part.own]
            if here.any():
                places.append(number[part.own][here])
                found.append(self._describe(image, belief, part)[:, here].T)
        if not found:  # an image without a stroke among others
            return np.empty((0, self._n_features(image, belief)), np.float32)
        return np.concatenate(found)[np.concatenate(places).argsort()]

    def _describe(self, image: Array | None, belief: Array | None, part: Part) -> Array:
        """Features of an image, of what is believed of it, or of both, (F, [Z,] Y, X)."""
        found = []
        if image is not None:
            near = image[(slice(None), *part.seen)]
            found.append(features(near, sigmas=self.sigmas, spacing=self.spacing, channels=True))
        if belief is not None:
            said = belief[(slice(None), *part.seen)]
            found += [said, *(smooth(said, sigma, self.spacing) for sigma in self.sigmas)]
        return np.concatenate([each[(slice(None), *part.inner)] for each in found])

    def _parts(self, image: Array | None, belief: Array | None) -> Iterator[Part]:
        """Parts of an image whose features fit into memory."""
        shape = next(given.shape[1:] for given in (image, belief) if given is not None)
        many = self._n_features(image, belief)
        return parts(shape, reach_px(self.sigmas, self.spacing), _MOST_BYTES / (4 * many))

    def _n_features(self, image: Array | None, belief: Array | None) -> int:
        """How many there are of a pixel."""
        n_channels = self.n_channels or 1
        own = feature_names(len(self.spacing), sigmas=self.sigmas, n_channels=n_channels)
        said = self.n_classes * (1 + len(self.sigmas))
        return len(own) * (image is not None) + said * (belief is not None)


def segment(
    probabilities: npt.ArrayLike,
    *,
    of_class: int,
    threshold: float = 0.5,
    core_threshold: float | None = None,
    min_size_px: int = 1,
) -> Labels:
    """Make objects of the pixels that probably belong to one class.

    Pixels above the threshold that touch, if only at a corner, are an object. Where objects touch
    each other, their cores may still be apart: with a second, higher threshold each core becomes an
    object, and grows from there down the probability (a watershed) until it meets another one or
    the first threshold. What has no core is left out.

    Parameters
    ----------
    probabilities : array_like, (K, Y, X) or (K, Z, Y, X)
        Of each class, from 0 to 1.
    of_class : int
        The class, from 1 to K.
    threshold : float, default 0.5
        Probability from which a pixel belongs to an object.
    core_threshold : float, optional
        Probability from which it belongs to a core, at least `threshold`.
    min_size_px : int, default 1
        Pixels that an object has at least; smaller ones are left out.

    Returns
    -------
    ndarray of int32, (Y, X) or (Z, Y, X)
        0 for background, and objects from 1 without a gap.

    Raises
    ------
    TypeError
        If probabilities are no real numbers, or an argument is no number.
    ValueError
        If probabilities have other axes, NaN, or lie outside 0 to 1; there is no such class; a
        threshold is not within 0 to 1, or the core's lies below the other.

    Notes
    -----
    In ilastik, too, this is a step of its own, in its object classification, where the second
    threshold makes a hysteresis.

    Used in chapter 8, *Six ways to segment one image set* and *The microglia case*.

    Examples
    --------
    >>> cells = [0.1, 0.9, 0.6, 0.8, 0.1, 0.6, 0.1]
    >>> probabilities = [[[1 - p for p in cells]], [cells]]  # (2, 1, 7)
    >>> segment(probabilities, of_class=2).tolist()
    [[0, 1, 1, 1, 0, 2, 0]]
    >>> segment(probabilities, of_class=2, core_threshold=0.7).tolist()
    [[0, 1, 1, 2, 0, 0, 0]]
    """
    hint = "Give what `PixelClassifier.probabilities` returns, with its axis of classes."
    array = checks.image("probabilities", np.asarray(probabilities), ndim=(3, 4), hint=hint)
    if array.min() < 0 or array.max() > 1:
        raise ValueError(
            f"Expected probabilities from 0 to 1, got {array.min():g} to {array.max():g}. {hint}"
        )
    which = checks.whole("of_class", of_class, low=1, high=len(array), hint="Classes begin at 1.")
    low = checks.number("threshold", threshold, above=0, high=1, hint="Try 0.5.")
    smallest = checks.whole("min_size_px", min_size_px, low=1, hint="Give 1 to keep all objects.")
    probability = array[which - 1]
    mask = probability >= low
    if core_threshold is None:
        found = label(mask, connectivity=mask.ndim)
    else:
        hint = "Give a probability between the threshold and 1."
        core = checks.number("core_threshold", core_threshold, low=low, high=1, hint=hint)
        cores = label(probability >= core, connectivity=mask.ndim)
        found = watershed(-probability, cores, mask=mask, connectivity=mask.ndim)
    return _without_small(found, smallest)


def _without_small(labels: npt.NDArray[np.integer], smallest: int) -> Labels:
    """Leave small objects out and number the others anew."""
    keep = np.bincount(labels.ravel()) >= smallest
    keep[0] = False
    return np.asarray((np.cumsum(keep) * keep)[labels], np.int32)


def _forest(
    rows: Sequence[Array], classes: Sequence[Labels], n_trees: int, rng: np.random.Generator
) -> RandomForestClassifier:
    """Grow a forest on pixels of all images."""
    seed = int(rng.integers(2**31))
    forest = RandomForestClassifier(n_trees, random_state=seed)
    return forest.fit(np.concatenate(rows), np.concatenate(classes))
