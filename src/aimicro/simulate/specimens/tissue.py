"""Branched cells beside a bright skin: a case that is hard to segment."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aimicro import checks
from aimicro.simulate.specimens.drawing import (
    as_field,
    block_mean,
    coverage,
    require_positive,
    smooth_noise,
    spacing_um,
    tube_depth,
    upsampling,
    worm_like_chains,
)

CELL_BRIGHTNESS = (0.6, 1.0)  # from the dimmest cell to the brightest


class Tissue(NamedTuple):
    """What :func:`tissue` returns: all light, the cells by number, and the skin apart.

    Attributes
    ----------
    image : ndarray of float32
        Cells and skin together: background 0, brightest pixel 1.
    labels : ndarray of int32
        0 for background and skin, ``1 … n`` for the cells.
    skin : ndarray of float32
        The skin alone; its mask is ``skin > 0``, and the cells alone are ``image - skin``.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.int32]
    skin: NDArray[np.float32]


def tissue(
    shape: Sequence[int],
    *,
    pixel_size_um: float | Sequence[float] = 0.5,
    n: int = 8,
    soma_radius_um: float = 4.0,
    skin_um: float = 6.0,
    skin_brightness: float = 1.0,
    rng: np.random.Generator | int,
) -> Tissue:
    """Draw microglia-like cells below an autofluorescent skin, and label each cell.

    A part of a round body is shown, such as the head of a fish larva. Its skin is a curved layer,
    wavy, patchy and speckled, whose patches look much like cell bodies. Below it, each cell has a
    soma with four to six processes that taper and branch. As microglia do, the cells keep their
    distance: they touch neither each other nor the skin. Processes end before the border.

    Parameters
    ----------
    shape : sequence of int
        ``(Y, X)`` or ``(Z, Y, X)`` in pixels.
    pixel_size_um : float or sequence of float, default 0.5
        Pixel size in µm, in the order of `shape`; one number if it is the same along all axes.
    n : int, default 8
        Number of cells.
    soma_radius_um : float, default 4
        Radius of a soma in µm. Processes are up to 2.4 µm wide, 0.8 µm at their tips, and reach
        about 20 µm from the soma where they have room.
    skin_um : float, default 6
        Thickness of the skin in µm.
    skin_brightness : float, default 1
        Mean brightness of the skin, as a multiple of that of a soma; 0 leaves the skin away.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    Tissue
        Named tuple ``(image, labels, skin)`` of images of `shape`: float32, int32, float32.

    Raises
    ------
    ValueError
        If `n` cells do not fit, `skin_brightness` is negative, or for the reasons given at
        :func:`filaments`.

    Notes
    -----
    A pixel holds the mean over its volume, so that a process thinner than a pixel is dim. Pixels
    that a cell fills by half belong to it, and so do those on the axes of its processes: every
    cell is in one piece.

    Used in chapter 1, *One sample, many microscopes*.

    Examples
    --------
    >>> image, labels, skin = tissue((256, 256), n=4, rng=0)
    >>> np.unique(labels).tolist(), bool((skin[labels > 0] > 0).any())
    ([0, 1, 2, 3, 4], False)
    """
    spacing = spacing_um(shape, pixel_size_um, bytes_each=75)
    n = checks.whole("n", n, low=1)
    require_positive(soma_radius_um=soma_radius_um, skin_um=skin_um)
    hint = "Give 1 for a skin as bright as the cells."
    checks.number("skin_brightness", skin_brightness, low=0, hint=hint)
    rng = np.random.default_rng(rng)
    body = Body(shape, spacing, skin_um, rng)
    somata = _somata(n, soma_radius_um, body, rng)
    pieces = branching_cells(somata, soma_radius_um, _territories(somata, body), rng)

    cells = np.zeros(shape, np.float32)
    labels = np.zeros(shape, np.int32)
    for cell in range(n):
        box, filled, inside = draw_cell(pieces.of(cell), shape, spacing)
        cells[box] += np.float32(rng.uniform(*CELL_BRIGHTNESS)) * filled
        labels[box][inside] = cell + 1
    cells *= np.clip(1 + 0.12 * smooth_noise(shape, spacing, 0.8, rng), 0.5, 1.5)
    skin = np.float32(skin_brightness * np.mean(CELL_BRIGHTNESS)) * _skin(body, rng)
    image = cells + skin
    peak = image.max()
    return Tissue(image / peak, labels, skin / peak)


class Body:
    """A round body of which the field shows a part, and the skin on it."""

    def __init__(
        self,
        shape: Sequence[int],
        spacing: NDArray[np.float64],
        skin_um: float,
        rng: np.random.Generator,
    ):
        self.shape, self.spacing, self.skin_um = shape, spacing, skin_um
        self.band_um = 1.5 * skin_um  # wide enough for the waves of the skin; free of cells
        self.last = spacing * (np.asarray(shape) - 1)
        height, width = self.last[-2:]
        angle = rng.uniform(0, 2 * np.pi)
        self.radius = 0.8 * float(np.hypot(height, width))
        # The surface crosses the field at about a third of its side from the middle.
        shift = self.radius - 0.36 * min(height, width)
        self.centre = self.last / 2
        self.centre[-2:] += shift * np.array([np.sin(angle), np.cos(angle)])
        if len(shape) == 3:
            self.centre[0] = self.last[0]  # the upper planes cut the body where it is narrower

    def depth(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how deep points in µm lie below the surface."""
        return np.asarray(self.radius - np.linalg.norm(points - self.centre, axis=-1))


def _somata(n: int, radius_um: float, body: Body, rng: np.random.Generator) -> NDArray[np.float64]:
    """Place the cell bodies below the skin, each of them away from the others."""
    margin = np.minimum(radius_um, body.last / 2)  # a stack may be thinner than a soma
    pixel = body.spacing.max()
    somata = np.empty((0, len(body.shape)))
    while len(somata) < n:
        points = rng.uniform(margin, body.last - margin, size=(100, len(body.shape)))
        points = points[body.depth(points) > body.band_um + 1.5 * radius_um + pixel]
        apart = np.linalg.norm(points[:, None] - somata, axis=-1).min(axis=1, initial=1e9)
        room = apart > 3 * radius_um + 2 * pixel
        if not room.any():
            raise ValueError(
                f"Expected room for n={n} cells with a soma of {radius_um:g} µm below the skin, in "
                f"a field of {as_field(body.spacing * body.shape)}, got room for {len(somata)}. "
                f"Ask for fewer cells or a larger field."
            )
        far = np.flatnonzero(apart >= 0.4 * apart.max())
        somata = np.concatenate([somata, points[rng.choice(far)][None]])
    return somata


def _territories(
    somata: NDArray[np.float64], body: Body
) -> Callable[[NDArray[np.float64], NDArray[np.int_]], NDArray[np.bool_]]:
    """Return the rule where a process may be: in the field, below the skin, nearest to its soma."""
    margin = BASE_UM + 1.5 * body.spacing.max()

    def allowed(points: NDArray[np.float64], owner: NDArray[np.int_]) -> NDArray[np.bool_]:
        inside = np.all((points >= 0) & (points <= body.last), axis=-1)
        inside &= body.depth(points) > body.band_um + margin
        distance = np.linalg.norm(points[:, :, None] - somata, axis=-1)
        mine = np.arange(len(somata)) == owner[:, None, None]
        own = distance.min(axis=-1, where=mine, initial=np.inf)
        others = distance.min(axis=-1, where=~mine, initial=np.inf)
        # Half of the difference is at most the distance to the border between two territories.
        return np.asarray(inside & ((others - own) / 2 > margin))

    return allowed


def _skin(body: Body, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the skin, with a mean brightness of 1."""
    shape, spacing = body.shape, body.spacing
    squared = np.zeros(shape, np.float32)
    for axis, middle in enumerate(body.centre):
        offset = (spacing[axis] * np.arange(shape[axis]) - middle).astype(np.float32)
        squared += (offset**2).reshape(-1, *(1,) * (len(shape) - 1 - axis))
    waves = 0.1 * np.clip(smooth_noise(shape, spacing, 1.5 * body.skin_um, rng), -2.5, 2.5)
    from_middle = np.abs(
        np.float32(body.radius - body.band_um / 2)
        - np.sqrt(squared)
        + np.float32(body.skin_um) * waves
    )
    depth = np.float32(body.skin_um / 2) - from_middle
    layer = coverage(depth, float(spacing.min()))
    patches = np.clip(smooth_noise(shape, spacing, 3.0, rng), -2, 2)
    speckles = np.clip(smooth_noise(shape, spacing, 0.9, rng), -2, 2)
    skin = layer * np.exp(np.float32(0.45) * patches + np.float32(0.3) * speckles)
    return np.asarray(skin * (layer.sum() / max(skin.sum(), np.float32(1e-9))), np.float32)


TIP_UM, BASE_UM = 0.4, 1.2  # radii of a process, far from the soma and at it
REACHES_UM = (9.0, 8.0, 6.0)  # of a process to its first fork, to its second, and to its end
STEP_UM = 0.5

Allowed = Callable[[NDArray[np.float64], NDArray[np.int_]], NDArray[np.bool_]]


class Segments(NamedTuple):
    """Straight pieces of tube, in µm: ends, the radius at each of them, and to whom they belong."""

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    radii: NDArray[np.float64]
    owner: NDArray[np.int_]

    def of(self, owner: int) -> "Segments":
        """Return the pieces of one cell."""
        mine = self.owner == owner
        return Segments(*(part[mine] for part in self))


class Tips(NamedTuple):
    """Where processes go on growing: place, direction, way from the soma so far, and cell."""

    tip: NDArray[np.float64]
    direction: NDArray[np.float64]
    walked: NDArray[np.float64]
    owner: NDArray[np.int_]


def branching_cells(
    somata: NDArray[np.float64], soma_radius_um: float, allowed: Allowed, rng: np.random.Generator
) -> Segments:
    """Grow processes from all somata at once, a generation of branches after the other.

    A process ends where ``allowed(points, owner)`` is first false along it.
    """
    n, ndim = somata.shape
    # The soma itself is a short thick piece; processes leave from its middle.
    axis = soma_radius_um * rng.uniform(-0.5, 0.5, size=(n, ndim)) / np.sqrt(ndim)
    thick = np.full((n, 2), 0.85 * soma_radius_um)
    generations = [Segments(somata - axis, somata + axis, thick, np.arange(n))]
    tips = _first_tips(somata, rng)
    for reach_um in (soma_radius_um + REACHES_UM[0], *REACHES_UM[1:]):
        pieces, tips = _grow(tips, reach_um, soma_radius_um, allowed, rng)
        generations.append(pieces)
    return Segments(*map(np.concatenate, zip(*generations, strict=True)))


def _first_tips(somata: NDArray[np.float64], rng: np.random.Generator) -> Tips:
    """Let four to six processes leave each soma, spread around it."""
    counts = rng.integers(4, 7, size=len(somata))
    owner = np.repeat(np.arange(len(somata)), counts)
    place = np.concatenate([np.arange(count) for count in counts])
    place = place + rng.uniform(-0.3, 0.3, size=len(owner))
    angle = 2 * np.pi * (place / counts[owner] + rng.random(len(somata))[owner])
    direction = rng.normal(scale=0.5, size=(len(owner), somata.shape[1]))
    direction[:, -2:] = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    return Tips(somata[owner], direction, np.zeros(len(owner)), owner)


def _grow(
    tips: Tips,
    reach_um: float,
    soma_radius_um: float,
    allowed: Allowed,
    rng: np.random.Generator,
) -> tuple[Segments, Tips]:
    """Let every tip grow by about a reach, and fork."""
    chains = worm_like_chains(
        tips.direction,
        length_um=reach_um,
        step_um=STEP_UM,
        persistence_length_um=12.0,
        rng=rng,
    )
    nodes = tips.tip[:, None] + np.concatenate([np.zeros_like(chains[:, :1]), chains], axis=1)
    steps = chains.shape[1]
    grown = np.logical_and.accumulate(allowed(nodes[:, 1:], tips.owner), axis=1)
    grown &= np.arange(steps) < steps * rng.uniform(0.6, 1, size=(len(nodes), 1))
    walked = tips.walked[:, None] + STEP_UM * np.arange(steps + 1)
    beyond = np.maximum(walked - soma_radius_um, 0)
    radius = np.minimum(TIP_UM + (BASE_UM - TIP_UM) * np.exp(-beyond / 5), 0.6 * soma_radius_um)
    pieces = Segments(
        nodes[:, :-1][grown],
        nodes[:, 1:][grown],
        np.stack([radius[:, :-1], radius[:, 1:]], axis=-1)[grown],
        np.broadcast_to(tips.owner[:, None], grown.shape)[grown],
    )
    last = grown.sum(axis=1)
    long = np.flatnonzero(last > 2)
    last = last[long]
    heading = (nodes[long, last] - nodes[long, last - 1]) / STEP_UM
    tips = Tips(nodes[long, last], heading, walked[long, last], tips.owner[long])
    return pieces, _fork(tips, rng)


def _fork(tips: Tips, rng: np.random.Generator) -> Tips:
    """Turn most tips into two that lean to opposite sides; the others only bend."""
    heading = tips.direction
    aside = rng.normal(size=heading.shape)
    aside -= (aside * heading).sum(axis=1, keepdims=True) * heading
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    first = np.arange(len(heading))
    second = first[rng.random(len(heading)) < 0.75]
    parent = np.concatenate([first, second])
    side = np.concatenate([np.ones(len(first)), -np.ones(len(second))])
    lean = (side * rng.uniform(0.4, 0.9, size=len(parent)))[:, None] * aside[parent]
    return Tips(tips.tip[parent], heading[parent] + lean, tips.walked[parent], tips.owner[parent])


def draw_cell(
    cell: Segments, shape: Sequence[int], spacing: NDArray[np.float64]
) -> tuple[tuple[slice, ...], NDArray[np.float32], NDArray[np.bool_]]:
    """Return the box around a cell, how much of each pixel it fills, and the pixels it owns."""
    nodes = np.stack([cell.starts, cell.ends])
    reach = cell.radii.max() + spacing
    first = np.floor((nodes.min(axis=(0, 1)) - reach) / spacing).astype(int)
    last = np.ceil((nodes.max(axis=(0, 1)) + reach) / spacing).astype(int)
    first, last = np.maximum(first, 0), np.minimum(last, np.asarray(shape) - 1)
    factors = upsampling(spacing, 2 * TIP_UM)
    fine = spacing / factors
    nodes -= spacing * first - (spacing - fine) / 2  # from the middle of the first fine pixel
    soma = np.arange(len(cell.radii)) == 0  # apart, because all pieces get boxes of the same size
    depth = np.full((last + 1 - first) * factors, -np.inf, np.float32)
    for part in (soma, ~soma):
        if part.any():
            starts, ends = nodes[:, part]
            tubes = tube_depth(starts, ends, cell.radii[part], shape=depth.shape, spacing=fine)
            np.maximum(depth, tubes, out=depth)
    filled = block_mean(coverage(depth, fine.min()), factors)
    inside = filled >= 0.5
    # Thin processes fill no pixel by half, but their axes hold the cell together.
    along = np.linspace(0, 1, 1 + int(np.ceil(4 * STEP_UM / spacing.min())))[:, None, None]
    axes = np.round((cell.starts + along * (cell.ends - cell.starts)) / spacing).astype(int)
    index = np.clip(axes - first, 0, last - first)
    inside[tuple(np.moveaxis(index, -1, 0))] = True
    return tuple(map(slice, first, last + 1)), filled, inside
