"""Domain randomisation: the same specimen, as a thousand microscopes might show it."""

from dataclasses import dataclass, fields
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from aimicro import checks


@dataclass(frozen=True)
class Randomise:
    r"""Change background, texture, contrast and shape of a specimen at random.

    A network that has seen enough variety takes a real image for one variation more [1]_. Each
    call draws a strength :math:`s` for each of the four changes, evenly from its range, and makes
    them in this order, with :math:`M` and :math:`M_2` the brightest pixels of :math:`f` and
    :math:`f_2`, and smooth random fields :math:`g_1, g_2, g_3`:

    .. math:: f_1(\mathbf x) &= f(\mathbf x + s_\text{shape}\, L\, \mathbf g_1(\mathbf x)) \\
              f_2 &= f_1\, e^{s_\text{texture}\, g_2} \\
              f_3 &= b\, M_2\, (f_2 / M_2)^\gamma \\
              f_4 &= f_3 + s_\text{background}\, M\, g_3

    Attributes
    ----------
    background : (float, float), default (0, 0.3)
        Range of the height of an uneven background that is added, as a fraction of :math:`M`. It
        lies between 0 and this height, and changes over about a third of the field.
    texture : (float, float), default (0, 0.25)
        Range of the strength of a grainy texture, the standard deviation of the logarithm of
        what the image is multiplied by. Grains are a fiftieth of the field in size.
    contrast : (float, float), default (0, 0.4)
        Range of the change of contrast: :math:`\ln\gamma` and :math:`\ln b`, of gamma and
        brightness, are each drawn evenly between -s and s.
    shape : (float, float), default (0, 0.02)
        Range of the elastic deformation: standard deviation of the displacement as a fraction
        of the length :math:`L` of each side, up to 0.03, beyond which the image would fold. It
        changes over about a fifth of the field, and dies out towards the border.

    Raises
    ------
    ValueError
        If a range does not rise from 0 or more, or `shape` goes beyond 0.03.

    Notes
    -----
    With all strengths 0 nothing changes. Labels follow the deformation by their nearest pixel,
    so that no new label appears; one that is a few pixels thin may break or vanish.

    Used in chapter 1, *One sample, many microscopes*.

    References
    ----------
    .. [1] J. Tobin et al., "Domain randomization for transferring deep neural networks from
       simulation to the real world", IEEE/RSJ International Conference on Intelligent Robots and
       Systems (2017) 23–30. https://doi.org/10.1109/IROS.2017.8202133

    Examples
    --------
    >>> image, labels = np.zeros((64, 64), np.float32), np.zeros((64, 64), np.int32)
    >>> image[16:48, 16:48], labels[16:48, 16:48] = 1, 1
    >>> changed, moved = Randomise(shape=(0.02, 0.02))(image, labels, rng=0)
    >>> changed.dtype, moved.dtype, np.unique(moved).tolist()
    (dtype('float32'), dtype('int32'), [0, 1])
    """

    background: tuple[float, float] = (0.0, 0.3)
    texture: tuple[float, float] = (0.0, 0.25)
    contrast: tuple[float, float] = (0.0, 0.4)
    shape: tuple[float, float] = (0.0, 0.02)

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = getattr(self, field.name)
            hint = "Give a rising range (low, high), or (0, 0) to leave it out."
            largest = 0.03 if field.name == "shape" else np.inf  # beyond, the image would fold
            checks.number(f"the low end of {field.name}", low, low=0, hint=hint)
            checks.number(f"the high end of {field.name}", high, low=low, high=largest, hint=hint)

    @overload
    def __call__(
        self, image: ArrayLike, labels: None = None, *, rng: np.random.Generator | int
    ) -> NDArray[np.float32]: ...

    @overload
    def __call__(
        self, image: ArrayLike, labels: ArrayLike, *, rng: np.random.Generator | int
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]: ...

    def __call__(
        self,
        image: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        rng: np.random.Generator | int,
    ) -> NDArray[np.float32] | tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Draw one variation.

        Parameters
        ----------
        image : array_like
            ``(Y, X)`` or ``(Z, Y, X)`` amount of fluorophore, not negative.
        labels : array_like, optional
            Whole numbers of the same shape, which are deformed as the image is.
        rng : numpy.random.Generator or int
            Source of randomness, or its seed.

        Returns
        -------
        image : numpy.ndarray
            float32 image of the same shape, not negative. Its peak need not be 1 any more.
        labels : numpy.ndarray
            int32 labels, only if labels were given.

        Raises
        ------
        ValueError
            If the image is neither 2D nor 3D, a value is negative or not finite, or the labels
            are of another shape or no whole numbers.
        """
        hint = "Change the images of a series one by one."
        image = checks.image("image", image, low=0, hint=hint).astype(np.float32)
        rng = np.random.default_rng(rng)
        background, texture, contrast, shape = (
            rng.uniform(*getattr(self, field.name)) for field in fields(self)
        )
        log_gamma, log_brightness = contrast * rng.uniform(-1, 1, size=2)
        where = _displaced(image.shape, shape, rng) if shape > 0 else None

        changed = image if where is None else map_coordinates(image, where, order=1, mode="nearest")
        if texture > 0:
            changed = changed * np.exp(np.float32(texture) * _smooth(image.shape, 0.02, rng))
        if contrast > 0 and (peak := changed.max()) > 0:
            gamma, brightness = np.exp(log_gamma), np.exp(log_brightness)
            changed = brightness * peak * (changed / peak) ** gamma
        if background > 0:
            glow = _smooth(image.shape, 0.35, rng)
            changed = changed + background * image.max() * (glow - glow.min()) / np.ptp(glow)
        changed = np.array(changed, dtype=np.float32)

        if labels is None:
            return changed
        labels = checks.labels("labels", labels).astype(np.int32)
        if labels.shape != image.shape:
            raise ValueError(
                f"Expected labels of shape {image.shape}, that of the image, got {labels.shape}. "
                "Give both as the specimen came."
            )
        if where is None:
            return changed, labels
        return changed, map_coordinates(labels, where, order=0, mode="nearest")


def _smooth(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a smooth random field of standard deviation 1; `scale` is a fraction of each side."""
    n_nodes = int(np.ceil(1 / scale)) + 4
    nodes = (np.arange(n_nodes) - 2) * scale  # from beyond one border to beyond the other
    field = rng.standard_normal((n_nodes,) * len(shape), dtype=np.float32)
    for side in shape:  # each step takes the first axis, and puts its pixels last
        pixels = (np.arange(side) + 0.5) / side
        bells = np.exp(-(((pixels[:, None] - nodes) / scale) ** 2)).astype(np.float32)
        bells /= np.linalg.norm(bells, axis=1, keepdims=True)
        field = np.tensordot(field, bells, axes=(0, 1))
    return field


def _displaced(
    shape: tuple[int, ...], strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return for each pixel where its value comes from, ``(ndim, *shape)`` in pixels."""
    where = np.indices(shape, dtype=np.float32)
    for axis, side in enumerate(shape):
        # Nothing moves across the border, since nobody knows what lies beyond.
        held = np.sqrt(2) * np.sin(np.pi * (where[axis] + 0.5) / side)
        where[axis] += np.float32(strength * side) * held * _smooth(shape, 0.2, rng)
    return where
