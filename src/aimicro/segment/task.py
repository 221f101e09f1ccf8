"""A segmentation task: images, their true objects, and the score of any answer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.metrics import average_precision
from aimicro.segment._objects import pixel_of

_SHOWN = (0.5, 0.75, 0.9)  # what papers report: found at all, drawn well, drawn as experts do


@dataclass(frozen=True, eq=False, kw_only=True)
class SegmentationTask:
    """Images to segment and their truth: the same, and scored alike, for every method.

    All objects count alike, in whichever image they are: true positives, inventions and misses of
    all images are added up before they are divided (`aimicro.metrics.average_precision`).

    Attributes
    ----------
    name : str
        What is segmented: "nuclei of BBBC039".
    images : sequence of array_like, (Y, X) or (Z, Y, X)
        As measured; kept as float32.
    truths : sequence of array_like of int
        The true objects in each image, 0 for background; kept as int32.
    thresholds : tuple of float
        Values of IoU over which `score` is the mean.
    spacing : float or sequence of float
        Size of a pixel along ``[z,] y, x``; only their ratio matters.

    Raises
    ------
    TypeError
        If an image is none, or a truth is a mask or made of floating-point numbers.
    ValueError
        If there are not as many truths as images, or none; if an image and its truth differ in
        shape; if one is RGB or one-hot; or if a threshold is no fraction.

    Notes
    -----
    Used in chapter 8, *Six ways to segment one image set*, and chapter 9.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.array([[1, 1, 1, 1, 0, 2, 2]])
    >>> task = SegmentationTask(name="a row", images=[truth * 100.0], truths=[truth])
    >>> task.scores([truth])
    {'AP50': 1.0, 'AP75': 1.0, 'AP90': 1.0}
    >>> round(task.score([truth % 2]), 3)
    0.5
    """

    name: str
    images: Sequence[npt.NDArray[np.float32]]
    truths: Sequence[npt.NDArray[np.int32]]
    thresholds: Sequence[float] = _SHOWN
    spacing: float | Sequence[float] = 1.0

    def __post_init__(self) -> None:
        images, truths = checks.same_number(images=list(self.images), truths=list(self.truths))
        pairs = [_pair(*both) for both in zip(images, truths, strict=True)]
        object.__setattr__(self, "images", tuple(image for image, _ in pairs))
        object.__setattr__(self, "truths", tuple(truth for _, truth in pairs))
        object.__setattr__(self, "thresholds", tuple(np.atleast_1d(self.thresholds).tolist()))
        object.__setattr__(self, "spacing", pixel_of(self.spacing, truths[0].ndim))
        self.score(self.truths)  # the thresholds are checked here, before any work

    @property
    def pixel(self) -> tuple[float, ...]:
        """Size of a pixel along each axis, the smallest being 1."""
        sides = pixel_of(self.spacing, self.truths[0].ndim)
        return tuple(side / min(sides) for side in sides)

    @property
    def radius(self) -> float:
        """Radius in pixels of the disc or ball as large as the median object; 10 without any."""
        ids = (np.unique(truth, return_counts=True) for truth in self.truths)
        sizes = np.concatenate([counts[names > 0] for names, counts in ids]) * np.prod(self.pixel)
        if not sizes.size:
            return 10.0
        ball = math.pi if len(self.pixel) == 2 else 4 / 3 * math.pi
        return float((np.median(sizes) / ball) ** (1 / len(self.pixel)))

    def score(self, labels: Sequence[npt.ArrayLike]) -> float:
        """Mean average precision over the thresholds, of labels for all images."""
        return float(np.mean(self._precision(labels, self.thresholds)))

    def scores(self, labels: Sequence[npt.ArrayLike]) -> dict[str, float]:
        """Average precision at an IoU of 0.5, 0.75 and 0.9: columns of a scoreboard."""
        values = self._precision(labels, _SHOWN)
        return {f"AP{at * 100:.0f}": float(v) for at, v in zip(_SHOWN, values, strict=True)}

    def _precision(
        self, labels: Sequence[npt.ArrayLike], thresholds: Sequence[float]
    ) -> npt.NDArray[np.float64]:
        answers = [checks.labels("labels", each) for each in labels]
        return np.asarray(
            average_precision(self.truths, answers, thresholds=thresholds), dtype=np.float64
        )


def _pair(
    image: npt.ArrayLike, truth: npt.ArrayLike
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """An image and its truth in the types that the methods take."""
    values = checks.intensities("images", image)
    objects = checks.labels("truths", truth)
    if values.shape != objects.shape:
        raise ValueError(
            f"Expected an image and its truth of one shape, got {values.shape} and "
            f"{objects.shape}. Choose one channel of an image, and number the objects of masks "
            "that are stacked (one-hot) in one label image."
        )
    return values.astype(np.float32), objects.astype(np.int32)
