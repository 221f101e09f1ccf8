"""A culture of cells that live on between the pictures taken of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from aimicro import checks
from aimicro.simulate.specimens.drawing import as_field, spacing_um

_ROUNDING_MIN = 5.0  # time constant of rounding up, and of spreading afterwards
_FLASH_GAIN = 1.5  # light that a flash adds, in units of the light of the resting cell
_MARGIN = 4.0  # hidden border around the field where cells wait to enter, in cell radii
_WAVES = 16  # plane waves whose sum is the texture of a cell

_UNITS = "Look up its unit in help(dividing_cells)."


@dataclass(frozen=True)
class CellParameters:
    """How cells live; :func:`dividing_cells` takes the same numbers but for the last.

    Attributes
    ----------
    radius_um : float, default 5
        Radius in µm halfway from one division to the next.
    speed_um_per_min : float, default 0.5
        Speed in µm/min, root mean square.
    persistence_min : float, default 20
        Minutes after which a velocity has forgotten its direction.
    division_time_min : float, default 720
        Mean time in minutes from one division to the next; infinite for cells that never divide.
    mitosis_min : float, default 30
        Minutes for which a mother is rounded before she divides.
    flash_rate_per_cell_hour : float, default 0.05
        Mean number of flashes per cell and hour.
    flash_decay_min : float, default 10
        Minutes after which a flash has decayed to 1/e.
    rounded_fraction : float, default 0.6
        Fraction of its area (in 3D: volume) that a cell keeps when it rounds up. Its light stays
        the same, so that it is brighter by the inverse.

    Raises
    ------
    ValueError
        If a number is outside its range, or cells divide faster than mitoses can be seen.

    Notes
    -----
    Used in chapter 1, *One sample, many microscopes*.
    """

    radius_um: float = 5.0
    speed_um_per_min: float = 0.5
    persistence_min: float = 20.0
    division_time_min: float = 720.0
    mitosis_min: float = 30.0
    flash_rate_per_cell_hour: float = 0.05
    flash_decay_min: float = 10.0
    rounded_fraction: float = 0.6

    def __post_init__(self) -> None:
        for name in ("speed_um_per_min", "flash_rate_per_cell_hour"):
            checks.number(name, getattr(self, name), low=0, hint=_UNITS)
        for name in ("radius_um", "persistence_min", "mitosis_min", "flash_decay_min"):
            checks.number(name, getattr(self, name), above=0, hint=_UNITS)
        hint = "It is a fraction and no percentage."
        checks.number("rounded_fraction", self.rounded_fraction, above=0, high=1, hint=hint)
        if self.division_time_min != np.inf:
            checks.number("division_time_min", self.division_time_min, above=0, hint=_UNITS)
        self.check_pace(0)

    def check_pace(self, minutes: float) -> None:
        """Refuse a time from frame to frame in which a cell could divide unseen."""
        shortest = 4 * max(self.mitosis_min, minutes)
        if self.division_time_min < shortest:
            raise ValueError(
                f"Expected division_time_min of at least {shortest:g}, four times the longer of "
                f"mitosis_min={self.mitosis_min:g} and the {minutes:g} min between frames, got "
                f"{self.division_time_min}. Let cells live longer, or shorten the others."
            )


Cells = NDArray[Any]  # a structured array, one row a cell


class Culture:
    """Cells in a dish: time passes, light bleaches them, and pictures can be drawn at any time.

    Parameters
    ----------
    shape : sequence of int
        ``(Y, X)`` or ``(Z, Y, X)`` of the field in pixels.
    cells : CellParameters
        How the cells live.
    pixel_size_um : float or sequence of float, default 0.5
        Pixel size in µm, in the order of `shape`; one number if it is the same along all axes.
    n : int, default 20
        Cells with their centre in the field at the start.
    half_life_exposures : float, default infinite
        Exposures of dose 1 after which half of the fluorophores are gone.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Raises
    ------
    ValueError
        If a number is outside its range, or `n` cells do not fit.

    Notes
    -----
    Used in chapter 7, *Event-driven acquisition*; :func:`aimicro.simulate.dividing_cells` films it.

    Examples
    --------
    >>> culture = Culture((64, 64), CellParameters(), n=3, rng=0)
    >>> culture.advance(5)
    >>> culture.expose()
    >>> image, labels = culture.draw()
    >>> image.shape, labels.dtype
    ((64, 64), dtype('int32'))
    """

    def __init__(
        self,
        shape: Sequence[int],
        cells: CellParameters,
        *,
        pixel_size_um: float | Sequence[float] = 0.5,
        n: int = 20,
        half_life_exposures: float = np.inf,
        rng: np.random.Generator | int,
    ) -> None:
        self.spacing = spacing_um(shape, pixel_size_um)
        self.shape, self.parameters = tuple(shape), cells
        if half_life_exposures != np.inf:
            checks.number("half_life_exposures", half_life_exposures, above=0)
        if cells.radius_um < 2 * self.spacing.max():
            raise ValueError(
                f"Expected radius_um of at least two pixels, {2 * self.spacing.max():g} µm, "
                f"got {cells.radius_um}. Take larger cells or smaller pixels."
            )
        self.half_life_exposures, self.exposures = half_life_exposures, 0.0
        self.rng = np.random.default_rng(rng)
        self.field_um = np.array([-self.spacing / 2, self.spacing * (np.asarray(shape) - 0.5)])
        self.cells = seed_cells(checks.whole("n", n, low=1), self.field_um, cells, self.rng)

    @property
    def shining(self) -> float:
        """Fraction of the fluorophores that still shine."""
        return float(np.exp2(-self.exposures / self.half_life_exposures))

    def advance(self, minutes: float) -> None:
        """Let time pass: cells grow, flash, divide and move."""
        checks.number("minutes", minutes, above=0)
        self.parameters.check_pace(minutes)
        _age(self.cells, self.field_um, self.parameters, minutes, self.rng)
        self.cells = _divide(self.cells, self.parameters, self.rng)
        _move(self.cells, self.field_um, self.parameters, minutes, self.rng)

    def expose(self, dose: float = 1.0, field: tuple[slice, ...] | None = None) -> None:
        """Light all or a part of the field, which bleaches it; a dose of 1 is one exposure.

        In a part, the cells with their centre in it are lit, as a whole. Their daughters inherit
        how far they are bleached; no cell makes new fluorophores.
        """
        dose = checks.number("dose", dose, low=0)
        if field is None:
            self.exposures += dose
            return
        window = _window(field, self.shape)
        edges = (np.array([[part.start, part.stop] for part in window]) - 0.5).T * self.spacing
        centres = self.cells["centre"]
        lit = np.all((centres >= edges[0]) & (centres < edges[1]), axis=1)
        self.cells["exposed"][lit] += dose

    def draw(
        self, field: tuple[slice, ...] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Draw what still shines, and the ids of the cells, of all or a part of the field."""
        window = _window(field or (), self.shape)
        fading = np.exp2(-self.cells["exposed"] / self.half_life_exposures)
        image, ids = _draw(self.cells, fading, self.spacing, window)
        return (self.shining * image).astype(np.float32), ids


def _window(field: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the whole or a part of the field as slices with a start and a stop, and no step."""
    parts = [*field, *[slice(None)] * (len(shape) - len(field))]
    bounds = [part.indices(side) for part, side in zip(parts, shape, strict=True)]
    if any(step != 1 or start >= stop for start, stop, step in bounds):
        raise ValueError(
            f"Expected a field of slices with pixels in {shape} and without steps, got {field}. "
            f"Give a start and a stop within the culture for each axis."
        )
    return tuple(slice(start, stop) for start, stop, _ in bounds)


def _record(ndim: int) -> np.dtype[np.void]:
    """Say what is known of a cell."""
    return np.dtype(
        [
            ("id", np.int32),  # from birth to division, also out of sight
            ("mother", np.int32),
            ("centre", float, ndim),  # µm
            ("velocity", float, ndim),  # µm/min
            ("size", float),  # radius at birth to the power ndim
            ("phase", float),  # from 0 at birth to 1 at division
            ("cycle_min", float),
            ("mitotic", bool),
            ("rounded", float),  # from 0 to 1
            ("kept", float),  # of its area (in 3D: volume) when rounded
            ("concentration", float),  # of fluorophore, when spread
            ("glow", float),  # what a flash adds, as a fraction of the resting light
            ("exposed", float),  # exposures of which it alone was lit, not the whole field
            ("flashes", bool),  # a flash starts in this frame
            ("axes", float, (ndim, ndim)),
            ("stretch", float, ndim),
            ("outline_waves", float, (ndim, 3)),
            ("outline_phases", float, 3),
            ("texture_waves", float, (ndim, _WAVES)),
            ("texture_phases", float, _WAVES),
        ]
    )


def _new_cells(count: int, ndim: int, life: CellParameters, rng: np.random.Generator) -> Cells:
    """Draw all that a cell does not inherit."""
    cells = np.zeros(count, _record(ndim))
    cells["kept"] = life.rounded_fraction
    cells["velocity"] = rng.normal(scale=life.speed_um_per_min / np.sqrt(ndim), size=(count, ndim))
    # The gamma distribution with this shape has a spread of 10 % and is never negative.
    cells["cycle_min"] = life.division_time_min * rng.gamma(100, 1 / 100, size=count)
    cells["axes"] = np.linalg.qr(rng.normal(size=(count, ndim, ndim))).Q
    stretch = rng.uniform(-0.16, 0.16, size=(count, ndim))
    cells["stretch"] = np.exp(stretch - stretch.mean(axis=1, keepdims=True))
    # Plane waves on the unit circle or sphere are smooth, and the same formula in 2D and 3D.
    cells["outline_waves"] = rng.normal(scale=2, size=(count, ndim, 3))
    cells["outline_phases"] = rng.uniform(0, 2 * np.pi, size=(count, 3))
    cells["texture_waves"] = rng.normal(scale=10, size=(count, ndim, _WAVES))
    cells["texture_phases"] = rng.uniform(0, 2 * np.pi, size=(count, _WAVES))
    return cells


def seed_cells(
    n: int, field_um: NDArray[np.float64], life: CellParameters, rng: np.random.Generator
) -> Cells:
    """Put `n` cells into the field, and about as many per area around it, without overlap."""
    world = _world(field_um, life)
    extent, ndim = field_um[1] - field_um[0], field_um.shape[1]
    around = rng.poisson(n * (np.prod((world[1] - world[0]) / extent) - 1))
    cells = _new_cells(n + around, ndim, life, rng)
    cells["id"] = np.arange(1, len(cells) + 1)
    if np.isfinite(life.division_time_min):
        # In a growing culture young cells are more frequent: the density of ages is 2^(1 - phase).
        cells["phase"] = -np.log2(1 - rng.random(len(cells)) / 2)
    else:
        cells["phase"] = 0.5
    cells["size"] = (life.radius_um * rng.uniform(0.95, 1.05, len(cells))) ** ndim / np.sqrt(2)
    cells["concentration"] = rng.uniform(0.2, 0.32, len(cells))
    cells["mitotic"] = cells["phase"] >= 1 - life.mitosis_min / cells["cycle_min"]
    cells["rounded"] = cells["mitotic"]

    return cells[_placed(cells, n, field_um, life, rng)]


def _placed(
    cells: Cells,
    n: int,
    field_um: NDArray[np.float64],
    life: CellParameters,
    rng: np.random.Generator,
) -> list[int]:
    """Give each cell a centre, the first `n` in the field; which of them found room."""
    world, radii = _world(field_um, life), _radii(cells)
    placed: list[int] = []
    for i in range(len(cells)):
        for _ in range(300):
            centre = rng.uniform(*(field_um if i < n else world))
            if i >= n and np.all((centre > field_um[0]) & (centre < field_um[1])):
                continue
            apart = np.linalg.norm(cells["centre"][placed] - centre, axis=1)
            if np.all(apart > radii[placed] + radii[i]):
                cells["centre"][i] = centre
                placed.append(i)
                break
        if i < n and len(placed) <= i:  # around the field, one less does not matter
            raise ValueError(
                f"Expected room for n={n} cells of radius {life.radius_um:g} µm in a field of "
                f"{as_field(field_um[1] - field_um[0])}, got room for {i}. "
                f"Ask for fewer or smaller cells, or for a larger field."
            )
    return placed


def _world(field_um: NDArray[np.float64], life: CellParameters) -> NDArray[np.float64]:
    """Return the corners of the field with its hidden border."""
    return field_um + _MARGIN * life.radius_um * np.array([[-1], [1]])


def _measures(cells: Cells) -> NDArray[np.float64]:
    """Return areas (volumes) as radius to the power of the number of axes."""
    sizes: NDArray[np.float64] = cells["size"] * np.exp2(cells["phase"])
    measures: NDArray[np.float64] = sizes * (1 - (1 - cells["kept"]) * cells["rounded"])
    return measures


def _radii(cells: Cells) -> NDArray[np.float64]:
    """Return the radius in µm of a disc (ball) as large as each cell."""
    radii: NDArray[np.float64] = _measures(cells) ** (1 / cells["centre"].shape[1])
    return radii


def _age(
    cells: Cells,
    field_um: NDArray[np.float64],
    life: CellParameters,
    dt_min: float,
    rng: np.random.Generator,
) -> None:
    """Let the time between two frames pass, for all but the motion."""
    mitosis = 1 - life.mitosis_min / cells["cycle_min"]
    cells["phase"] += dt_min / cells["cycle_min"]
    radii = _radii(cells)[:, None]
    in_plane = np.arange(-field_um.shape[1], 0) >= -2  # daughters part along y and x alone
    low, high = cells["centre"] - field_um[0], field_um[1] - cells["centre"]
    inside = np.all(np.minimum(low, high) > radii * in_plane, axis=1)
    outside = np.any(np.minimum(low, high) < -2 * radii, axis=1)
    ready = cells["phase"] >= mitosis
    waiting = ready & ~cells["mitotic"] & ~inside & ~outside
    cells["phase"][waiting] = np.nextafter(mitosis[waiting], 0)
    cells["mitotic"] = ready & ~waiting
    cells["rounded"] += (cells["mitotic"] - cells["rounded"]) * -np.expm1(-dt_min / _ROUNDING_MIN)
    chance = -np.expm1(-life.flash_rate_per_cell_hour * dt_min / 60)
    cells["flashes"] = (rng.random(len(cells)) < chance) & ~cells["mitotic"]
    cells["glow"] *= np.exp(-dt_min / life.flash_decay_min)
    cells["glow"] += _FLASH_GAIN * cells["flashes"]


def _divide(cells: Cells, life: CellParameters, rng: np.random.Generator) -> Cells:
    """Replace each cell whose time has come by its two daughters."""
    due = cells["phase"] >= 1
    if not due.any():
        return cells
    mothers = np.repeat(cells[due], 2)
    ndim = cells["centre"].shape[1]
    daughters = _new_cells(len(mothers), ndim, life, rng)
    for inherited in ("centre", "rounded", "concentration", "glow", "exposed"):
        daughters[inherited] = mothers[inherited]
    daughters["mother"] = mothers["id"]
    daughters["id"] = cells["id"].max() + 1 + np.arange(len(mothers))
    fraction = rng.uniform(0.46, 0.54, size=len(mothers) // 2)
    daughters["size"] = 2 * mothers["size"] * np.stack([fraction, 1 - fraction], axis=1).ravel()
    daughters["phase"] = (mothers["phase"] - 1) * mothers["cycle_min"] / daughters["cycle_min"]

    angle = np.repeat(rng.uniform(0, 2 * np.pi, size=len(fraction)), 2)
    angle[1::2] += np.pi
    apart = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    daughters["centre"][:, -2:] += _radii(daughters)[:, None] * apart
    return np.concatenate([cells[~due], daughters])


def _move(
    cells: Cells,
    field_um: NDArray[np.float64],
    life: CellParameters,
    dt_min: float,
    rng: np.random.Generator,
) -> None:
    """Walk for the time between two frames, turn a little, and make room for each other."""
    _walk(cells, life, dt_min, rng)
    # Who leaves the hidden border comes back on its other side, so that the density stays.
    low, high = _world(field_um, life)
    cells["centre"] = low + np.mod(cells["centre"] - low, high - low)
    kick = rng.normal(scale=0.05 * np.sqrt(dt_min), size=cells["axes"].shape)
    q, r = np.linalg.qr(cells["axes"] + kick)
    cells["axes"] = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[:, None]
    _make_room(cells)


def _walk(cells: Cells, life: CellParameters, dt_min: float, rng: np.random.Generator) -> None:
    """Take one exact step of the Ornstein–Uhlenbeck process, however long the interval is."""
    shape = cells["centre"].shape
    persistence, x = life.persistence_min, dt_min / life.persistence_min
    keep = np.exp(-x)
    variance = life.speed_um_per_min**2 / shape[1]
    of_velocity = variance * (1 - keep**2)
    of_both = variance * persistence * (1 - keep) ** 2
    of_step = variance * persistence**2 * (2 * x - 3 + 4 * keep - keep**2)

    slope = persistence * (1 - keep) / (1 + keep)  # of_both / of_velocity
    rest = max(of_step - slope * of_both, 0)  # rounding may leave it below 0 when x is tiny
    kick = rng.normal(scale=np.sqrt(of_velocity), size=shape)
    step = persistence * (1 - keep) * cells["velocity"] + slope * kick
    step += rng.normal(scale=np.sqrt(rest), size=shape)
    cells["velocity"] = keep * cells["velocity"] + kick
    cells["centre"] += (1 - cells["rounded"])[:, None] * step


def _make_room(cells: Cells) -> None:
    """Push overlapping cells apart, little by little; rounded ones hardly give way."""
    radii, mobility = _radii(cells), 1 - 0.9 * cells["rounded"]
    for _ in range(10):
        pairs = KDTree(cells["centre"]).query_pairs(2 * radii.max(), output_type="ndarray")
        i, j = pairs.T
        line = cells["centre"][j] - cells["centre"][i]
        distance = np.maximum(np.linalg.norm(line, axis=1), 1e-9)
        overlap = np.maximum(radii[i] + radii[j] - distance, 0)
        if not overlap.any():
            break
        push = (overlap / distance / (mobility[i] + mobility[j]))[:, None] * line
        np.subtract.at(cells["centre"], i, mobility[i, None] * push)
        np.add.at(cells["centre"], j, mobility[j, None] * push)


class _Body(NamedTuple):
    """A cell on the pixels around it."""

    box: tuple[slice, ...]
    offset: NDArray[np.float64]  # (ndim, …), from the centre, 1 at the mean outline
    depth_um: NDArray[np.float64]  # under the outline, negative outside


def _draw(
    cells: Cells,
    fading: NDArray[np.float64],
    spacing: NDArray[np.float64],
    window: tuple[slice, ...],
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Draw a window of the field: fluorophores, and the ids of the cells."""
    starts, stops = np.array([[part.start, part.stop] for part in window]).T
    radii = _radii(cells)
    reach = 1.5 * radii[:, None] + 2 * spacing
    low, high = cells["centre"] + reach, cells["centre"] - reach
    near = np.all((low >= starts * spacing) & (high <= stops * spacing), axis=1)
    # One by one, those out of sight would take long.
    cells, radii, fading = cells[near], radii[near], fading[near]
    shape = tuple(stops - starts)
    deepest, second = np.full((2, *shape), -np.inf)
    ids = np.zeros(shape, np.int32)
    bodies = [
        _body(cell, radius, spacing, starts, stops)
        for cell, radius in zip(cells, radii, strict=True)
    ]
    for cell, body in zip(cells, bodies, strict=True):
        if body is not None:
            deep, next_deep = deepest[body.box], second[body.box]
            ids[body.box][body.depth_um > np.maximum(deep, 0)] = cell["id"]
            np.maximum(next_deep, np.minimum(deep, body.depth_um), out=next_deep)
            np.maximum(deep, body.depth_um, out=deep)

    image = np.zeros(shape)
    brightness = cells["concentration"] * (1 + cells["glow"]) * fading
    brightness /= 1 - (1 - cells["kept"]) * cells["rounded"]
    for cell, bright, body in zip(cells, brightness, bodies, strict=True):
        if body is not None:
            # Between two cells the border runs where both are equally deep.
            deep = deepest[body.box]
            rival = np.where(body.depth_um >= deep, second[body.box], deep)
            depth_um = np.minimum(body.depth_um, (body.depth_um - rival) / 2)
            coverage = np.clip(0.5 + depth_um / spacing.min(), 0, 1)
            covered = coverage > 0
            texture = _texture(cell, body.offset[:, covered])
            image[body.box][covered] += bright * coverage[covered] * texture
    return image, ids


def _body(
    cell: Any,
    radius: float,
    spacing: NDArray[np.float64],
    starts: NDArray[np.int_],
    stops: NDArray[np.int_],
) -> _Body | None:
    """Return the body of a cell, or nothing if it is out of sight."""
    reach = 1.5 * radius + spacing
    first = np.maximum(np.floor((cell["centre"] - reach) / spacing), starts).astype(int)
    last = np.ceil((cell["centre"] + reach) / spacing).astype(int)
    last = np.minimum(last, stops - 1)
    if np.any(first > last):
        return None
    sides = map(np.arange, first, last + 1)
    away = [side * step - at for side, step, at in zip(sides, spacing, cell["centre"], strict=True)]
    irregular = 1 - cell["rounded"]
    half_axes = radius * cell["stretch"] ** irregular
    offset = _combined(
        cell["axes"] / half_axes, np.stack(np.meshgrid(*away, indexing="ij", copy=False))
    )
    distance = np.sqrt(np.square(offset).sum(axis=0))
    direction = offset / np.maximum(distance, 1e-9)
    waves = _waves(cell["outline_waves"], cell["outline_phases"], direction)
    outline = 1 + 0.05 * irregular * waves
    box = tuple(map(slice, first - starts, last + 1 - starts))
    return _Body(box, offset, radius * (outline - distance))


def _texture(cell: Any, offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return smooth clumps around 1, above 0, that move, turn and grow with the cell."""
    waves = _waves(cell["texture_waves"], cell["texture_phases"], offset)
    texture: NDArray[np.float64] = np.exp(0.2 * np.sqrt(2 / _WAVES) * waves)
    return texture


def _waves(
    directions: NDArray[np.float64], phases: NDArray[np.float64], places: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum of plane waves (ndim, W) at places (ndim, ...)."""
    angles = _combined(directions, places)
    angles += phases.reshape(-1, *[1] * (places.ndim - 1))
    waves: NDArray[np.float64] = np.cos(angles, out=angles).sum(axis=0)
    return waves


def _combined(columns: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The products of places (ndim, ...) with each column of a matrix, (columns, ...)."""
    products: NDArray[np.float64] = columns.T @ places.reshape(len(places), -1)
    return products.reshape(len(products), *places.shape[1:])
