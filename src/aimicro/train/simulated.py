"""Patches that are simulated as the training asks for them, so that none comes twice.

Used in chapter 6, *Measuring and correcting a wavefront*.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from aimicro.train.patches import Array, Patches
from aimicro.train.scaling import Linear, Scaling
from aimicro.train.windows import Pixels

Draw = Callable[[int, np.random.Generator], tuple[ArrayLike, ArrayLike]]


class SimulatedPatches(Patches):
    """A new batch for every step, from a function that simulates.

    Parameters
    ----------
    draw : callable
        Of a number of patches and a generator of random numbers; returns inputs
        ``(B, C, [Z,] Y, X)`` and targets ``(B, C_out, [Z,] Y, X)``.
    patch_size : sequence of int
        ``([Z,] Y, X)`` of the inputs.
    batch_size : int
        Patches in a batch.
    seed : int
        The batch of a step is a function of the seed and the step alone.

    Raises
    ------
    ValueError
        For sizes out of range, and for what `draw` returns in another shape.

    Notes
    -----
    Nothing is scaled, turned or mirrored: `draw` gives the numbers that the network gets.

    Used in chapter 6, *Measuring and correcting a wavefront*.

    Examples
    --------
    >>> def draw(n, rng):
    ...     means = rng.random((n, 1, 1, 1))
    ...     return rng.poisson(9 * means, (n, 1, 8, 8)), means
    >>> images, means = SimulatedPatches(draw, patch_size=(8, 8), batch_size=4).batch(0)
    >>> images.shape, means.shape
    ((4, 1, 8, 8), (4, 1, 1, 1))
    """

    def __init__(
        self, draw: Draw, *, patch_size: tuple[int, ...], batch_size: int = 32, seed: int = 0
    ) -> None:
        super().__init__(
            patch_size=patch_size,
            batch_size=batch_size,
            augment=False,
            target=None,
            keep=None,
            seed=seed,
        )
        self.draw = draw
        self.scaling, self.keep_scaling = Scaling(Linear(), output=None), False
        self._pairs = []

    def batch(self, step: int) -> tuple[Array, Array]:
        """Input and target of one step, new for each."""
        x, target = self.draw(self.batch_size, np.random.default_rng([self.seed, step]))
        x, target = np.asarray(x, np.float32), np.asarray(target, np.float32)
        expected = (self.batch_size, *self.patch_size)
        if (x.shape[:1] + x.shape[2:], target.shape[:1]) != (expected, expected[:1]):
            raise ValueError(
                f"Expected {self.batch_size} inputs of size {self.patch_size} and as many targets, "
                f"got shapes {x.shape} and {target.shape}. Let draw(n, rng) return n of each."
            )
        return x, target

    def _scale(self, scaling: Scaling) -> None:
        """Leave the numbers as they are drawn."""

    def settings(self) -> dict[str, Any]:
        """What decides the batches, and the name of the function that draws them."""
        return super().settings() | {"draw": getattr(self.draw, "__name__", str(self.draw))}

    # ---- there are no images to cut from

    def _indices(self, rng: np.random.Generator) -> Iterator[int]:
        return iter(())

    def _shape(self, key: Any) -> tuple[int, ...]:
        return self.patch_size

    def _name(self, key: Any) -> str:
        return "simulated"

    def _whole(self, key: Any) -> Pixels:
        return np.zeros(self.patch_size)

    def _window(self, key: Any, window: tuple[slice, ...]) -> Pixels:
        return self._whole(key)[window]
