r"""How far the outline of a mask is from where it should be.

The outline, or border, of a mask is made of its pixels with a neighbour outside of it, across an
edge (a face in 3D). What lies outside the image counts as background, so an object that leaves
the image has a border there, too. Each border pixel of one mask has a distance to the
nearest one of the other; the scores here sum up these distances, from the truth and from the
prediction.

The truth is always the first argument. Without a `spacing` lengths are in pixels; with one they
are in its unit. The table of `aimicro.metrics` tells what a score is where a mask is empty.
A mask without any background has no border but that of the image, and is refused.

Used in chapter 10, *Overlap and distance*.
"""

from collections.abc import Sequence
from typing import Literal

import numpy.typing as npt

from aimicro import checks
from aimicro.metrics import _borders
from aimicro.metrics.overlap import iou

_LENGTH = "Give a length in the unit of spacing, or in pixels."


def hausdorff(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    percentile: float = 100,
    spacing: float | Sequence[float] | None = None,
    empty: float = 0.0,
) -> float:
    r"""Hausdorff distance of two masks: how far off the outline is where it is worst.

    .. math:: \mathrm{HD} = \max \left( \max_{t \in \partial T} d(t, \partial P),\;
        \max_{p \in \partial P} d(p, \partial T) \right)

    with the borders :math:`\partial T` and :math:`\partial P`, and the distance *d* to the nearest
    pixel of a border. One wrong pixel far away decides it. Therefore the 95th percentile, HD95, is
    often taken instead of both inner maxima.

    Parameters
    ----------
    truth : array_like of bool, (Y, X) or (Z, Y, X)
        True mask; 0 and 1 will do.
    prediction : array_like of bool, same shape
        Predicted mask.
    percentile : float
        100 for the maximum, 95 for HD95. The percentile is taken in each direction, and the
        larger one returned; that of both together would be another number.
    spacing : float or sequence of float, optional
        Length of a pixel along each axis, ``[z,] y, x``, in µm for example.
    empty : float
        Value where both masks are empty.

    Returns
    -------
    float
        Distance in the unit of `spacing`, or in pixels; 0 for equal masks, infinite where only
        one is empty.

    Raises
    ------
    TypeError, ValueError
        If a mask holds anything but 0 and 1 or has no background, the shapes differ, `percentile`
        is not within 0 to 100, or `spacing` does not fit.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    References
    ----------
    D. P. Huttenlocher, G. A. Klanderman, W. J. Rucklidge, "Comparing images using the Hausdorff
    distance", IEEE Transactions on Pattern Analysis and Machine Intelligence 15 (1993) 850-863.
    doi:10.1109/34.232073

    Examples
    --------
    >>> hausdorff([[1, 1, 0, 0, 0]], [[1, 1, 0, 0, 1]])
    3.0
    """
    hint = "Give 100 for the maximum, 95 for HD95."
    checks.number("percentile", percentile, low=0, high=100, hint=hint)
    distances = _borders.surface_distances(truth, prediction, spacing)
    return float(empty) if distances is None else max(d.percentile(percentile) for d in distances)


def average_surface_distance(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    symmetric: Literal["pooled", "mean"] = "pooled",
    spacing: float | Sequence[float] | None = None,
    empty: float = 0.0,
) -> float:
    r"""Average distance between the outlines of two masks.

    .. math:: \mathrm{ASSD} = \frac{D_T + D_P}{|\partial T| + |\partial P|}, \quad
        \mathrm{MASD} = \frac{1}{2} \left(
        \frac{D_T}{|\partial T|} + \frac{D_P}{|\partial P|} \right)

    with :math:`D_T = \sum_{t \in \partial T} d(t, \partial P)` and likewise :math:`D_P`.

    Parameters
    ----------
    truth : array_like of bool, (Y, X) or (Z, Y, X)
        True mask; 0 and 1 will do.
    prediction : array_like of bool, same shape
        Predicted mask.
    symmetric : {"pooled", "mean"}
        "pooled" for ASSD, in which the longer border weighs more; "mean" for MASD, in which both
        directions weigh the same.
    spacing : float or sequence of float, optional
        Length of a pixel along each axis, ``[z,] y, x``, in µm for example.
    empty : float
        Value where both masks are empty.

    Returns
    -------
    float
        Distance in the unit of `spacing`, or in pixels; 0 for equal masks, infinite where only
        one is empty.

    Raises
    ------
    TypeError, ValueError
        As for `hausdorff`; and if `symmetric` is unknown.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    References
    ----------
    L. Maier-Hein et al., "Metrics reloaded: recommendations for image analysis validation",
    Nature Methods 21 (2024) 195-212. doi:10.1038/s41592-023-02151-z

    Examples
    --------
    >>> average_surface_distance([[1, 1, 0, 0, 0]], [[1, 1, 0, 0, 1]])
    0.6
    >>> average_surface_distance([[1, 1, 0, 0, 0]], [[1, 1, 0, 0, 1]], symmetric="mean")
    0.5
    """
    checks.one_of("symmetric", symmetric, ("pooled", "mean"))
    distances = _borders.surface_distances(truth, prediction, spacing)
    if distances is None:
        return float(empty)
    if symmetric == "mean":
        return sum(d.total / d.n for d in distances) / 2
    return sum(d.total for d in distances) / sum(d.n for d in distances)


def surface_dice(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    tolerance: float,
    spacing: float | Sequence[float] | None = None,
    empty: float = 1.0,
) -> float:
    r"""Fraction of both outlines that is right within a tolerance, the normalised surface distance.

    .. math:: \mathrm{NSD}_\tau = \frac{
        |\{t \in \partial T: d(t, \partial P) \le \tau\}| +
        |\{p \in \partial P: d(p, \partial T) \le \tau\}|}{|\partial T| + |\partial P|}

    Parameters
    ----------
    truth : array_like of bool, (Y, X) or (Z, Y, X)
        True mask; 0 and 1 will do.
    prediction : array_like of bool, same shape
        Predicted mask.
    tolerance : float
        :math:`\tau`, in the unit of `spacing`, or in pixels. It has no default: take what two
        people differ by who draw the same outline.
    spacing : float or sequence of float, optional
        Length of a pixel along each axis, ``[z,] y, x``, in µm for example.
    empty : float
        Value where both masks are empty.

    Returns
    -------
    float
        0 to 1, which means that no border pixel is farther off than the tolerance.

    Raises
    ------
    TypeError, ValueError
        As for `hausdorff`; and if `tolerance` is not a finite number from 0 up.

    Notes
    -----
    Border pixels are counted. Where pixels are not cubes, those of a tilted surface stand for
    different areas; programs that weigh them by area give slightly other numbers.

    Used in chapter 10, *Overlap and distance*.

    References
    ----------
    S. Nikolov et al., "Clinically applicable segmentation of head and neck anatomy for
    radiotherapy: deep learning algorithm development and validation study", Journal of Medical
    Internet Research 23 (2021) e26151. doi:10.2196/26151

    Examples
    --------
    >>> surface_dice([[1, 1, 0, 0, 0]], [[1, 1, 0, 0, 1]], tolerance=1)
    0.8
    """
    checks.number("tolerance", tolerance, low=0, hint=_LENGTH)
    distances = _borders.surface_distances(truth, prediction, spacing)
    if distances is None:
        return float(empty)
    return sum(d.within(tolerance) for d in distances) / sum(d.n for d in distances)


def boundary_iou(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    width: float,
    spacing: float | Sequence[float] | None = None,
    empty: float = 1.0,
) -> float:
    r"""Intersection over union of the boundary bands of two masks.

    .. math:: \mathrm{BIoU} = \frac{|T_w \cap P_w|}{|T_w \cup P_w|}, \quad
        T_w = \{x \in T: d(x, \partial T) < w\}

    The inside of a large object is easily right, and hides a bad outline from `iou`. Here it does
    not count.

    Parameters
    ----------
    truth : array_like of bool, (Y, X) or (Z, Y, X)
        True mask; 0 and 1 will do.
    prediction : array_like of bool, same shape
        Predicted mask.
    width : float
        Width *w* of the bands, in the unit of `spacing`, or in pixels: 1 pixel for the border
        alone. If all objects are thinner than that, it is the same as `iou`.
    spacing : float or sequence of float, optional
        Length of a pixel along each axis, ``[z,] y, x``, in µm for example.
    empty : float
        Value where both masks are empty.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    TypeError, ValueError
        As for `hausdorff`; and if `width` is not a finite number above 0.

    Notes
    -----
    Used in chapter 10, *Overlap and distance*.

    References
    ----------
    B. Cheng, R. Girshick, P. Dollár, A. C. Berg, A. Kirillov, "Boundary IoU: improving
    object-centric image segmentation evaluation", Proceedings of the IEEE/CVF Conference on
    Computer Vision and Pattern Recognition (2021) 15334-15342. doi:10.48550/arXiv.2103.16562

    Examples
    --------
    >>> truth = [[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 0]]
    >>> prediction = [[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0]]
    >>> boundary_iou(truth, prediction, width=1)
    0.69...
    """
    checks.number("width", width, above=0, hint=_LENGTH)
    return iou(*_borders.boundary_bands(truth, prediction, width, spacing), empty=empty)
