"""One object from the same prompt, without learning: the classical opponents of a promptable model.

Used in chapter 9, *Segment what I point at*.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.segmentation import random_walker

from aimicro import checks
from aimicro.segment._objects import filled, pieces, smoothed
from aimicro.segment.prompts import Mask, Prompt, render


def pick(labels: npt.ArrayLike, prompt: Prompt) -> Mask:
    """Choose, of objects that are segmented already, the one that a prompt means.

    Parameters
    ----------
    labels : array_like of int, (Y, X)
        Ids of objects, 0 for background, for example by `aimicro.segment.best_classical`.
    prompt : Prompt
        Each click inside is a vote for the object under it. Without clicks, it is the object with
        the highest IoU with the box, or with the rough mask.

    Returns
    -------
    ndarray of bool, (Y, X)
        The object; empty where there is none.

    Raises
    ------
    TypeError, ValueError
        For what is no label image, and prompts outside it.

    Notes
    -----
    Used in chapter 9, *Segment what I point at*.

    Examples
    --------
    >>> pick([[1, 1, 0, 2]], Prompt(points=[(0, 3)])).astype(int).tolist()
    [[0, 0, 0, 1]]
    """
    ids = checks.labels("labels", labels, ndim=2)
    *_, box, rough = render([prompt], ids.shape)[0]
    clicked = [
        ids[y, x] for (y, x), yes in zip(prompt.points, prompt.inside or (), strict=True) if yes
    ]
    if clicked:
        names, votes = np.unique([name for name in clicked if name], return_counts=True)
    else:
        meant = (box if prompt.box is not None else rough) > 0
        names, shared = np.unique(ids[meant & (ids > 0)], return_counts=True)
        sizes = np.array([np.count_nonzero(ids == name) for name in names])
        votes = shared / (sizes + np.count_nonzero(meant) - shared)
    return (ids == names[votes.argmax()]) if len(names) else np.zeros(ids.shape, bool)


def otsu_in_box(image: npt.ArrayLike, prompt: Prompt, *, smoothing: float = 1.0) -> Mask:
    """Cut what is bright in a box from what is dark there: its largest piece, without holes.

    Parameters
    ----------
    image : array_like, (Y, X)
        Intensities; the object is bright.
    prompt : Prompt
        With a box.
    smoothing : float
        Standard deviation of a Gaussian blur, in pixels.

    Returns
    -------
    ndarray of bool, (Y, X)
        The object; empty where all in the box is alike.

    Raises
    ------
    TypeError, ValueError
        For what is no image, a prompt without a box, and boxes that leave the image.

    Notes
    -----
    Otsu's threshold is that of the box alone, so that neither other objects nor uneven light
    elsewhere matter.

    Used in chapter 9, *Segment what I point at*.

    Examples
    --------
    >>> otsu_in_box([[9, 0, 5, 5, 0, 9]], Prompt(box=(0, 1, 1, 5)), smoothing=0).astype(int)
    array([[0, 0, 1, 1, 0, 0]])
    """
    light = checks.intensities("image", image, ndim=2)
    render([prompt], light.shape)
    if prompt.box is None:
        raise ValueError(
            "Expected a prompt with a box, got none. Draw one, or use walk for clicks."
        )
    top, left, bottom, right = prompt.box
    part = smoothed(light, smoothing, (1.0, 1.0), name="smoothing")[top:bottom, left:right]
    found = np.zeros(light.shape, bool)
    if part.min() < part.max():
        found[top:bottom, left:right] = _largest(part > threshold_otsu(part))
    return found


def walk(
    image: npt.ArrayLike, prompt: Prompt, *, beta: float = 100.0, foreground: Mask | None = None
) -> Mask:
    """Let each pixel walk at random until it meets a click: the object is where inside comes first.

    Steps are unlikely across edges of brightness, so walks seldom leave the object they began in.

    Parameters
    ----------
    image : array_like, (Y, X)
        Intensities.
    prompt : Prompt
        With a click inside. Discs around clicks are where walks end.
    beta : float
        How unlikely it is to cross an edge, above 0.
    foreground : ndarray of bool, (Y, X), optional
        Outside of it walks end as well, outside the object: say where it is surely dark.

    Returns
    -------
    ndarray of bool, (Y, X)
        The object, in one piece with a click inside.

    Raises
    ------
    TypeError, ValueError
        For what is no image, a prompt without a click inside, and clicks outside the image.

    Notes
    -----
    Without a click outside and a foreground, all is inside.

    Used in chapter 9, *Segment what I point at*.

    References
    ----------
    L. Grady, "Random walks for image segmentation", IEEE Transactions on Pattern Analysis and
    Machine Intelligence 28, 1768-1783 (2006). doi:10.1109/TPAMI.2006.233

    Examples
    --------
    >>> image = np.zeros((24, 24))
    >>> image[4:20, 4:12] = 1
    >>> int(walk(image, Prompt(points=[(10, 7), (10, 18)], inside=[True, False])).sum())
    128
    """
    light = checks.intensities("image", image, ndim=2)
    beta = checks.number("beta", beta, above=0, hint="Try 100.")
    inside, outside = render([prompt], light.shape)[0, :2] > 0
    if not inside.any():
        raise ValueError("Expected a click inside, got none. A box has otsu_in_box.")
    ends = np.where(inside, 1, np.where(outside, 2, 0))
    if foreground is not None:
        ends[~foreground & ~inside] = 2
    if not (ends == 2).any():
        return np.ones(light.shape, bool)
    if not (ends == 0).any():
        return np.asarray(inside)
    found = _walked(light, ends, beta) == 1
    numbers = pieces(found)
    return np.isin(numbers, np.unique(numbers[inside & found]))


def _walked(light: npt.NDArray[np.float64], ends: npt.NDArray[Any], beta: float) -> Any:
    """Which kind of end each pixel meets first, computed where it is open at all."""
    window = ndimage.find_objects((ends != 2).astype(int))[0]
    around = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in window)
    found = np.full(ends.shape, 2)
    if (ends[around] == 2).any():
        span = np.ptp(light[around]) or 1.0
        found[around] = random_walker(light[around] / span, ends[around], beta=beta, mode="bf")
    return found


def _largest(mask: Mask) -> Mask:
    """The largest piece of a mask, without holes."""
    numbers = pieces(mask)
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    return filled(numbers == sizes.argmax())
