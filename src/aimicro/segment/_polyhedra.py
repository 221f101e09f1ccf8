r"""Star-shaped polyhedra in volumes: what they hold, and how much two of them share.

The rays of a polyhedron end in its corners, and the convex hull of their directions tells which
three corners make a face. Seen from the centre, each voxel lies behind one face: as a sum of steps
along the face's rays, *w* along each. It is inside if

.. math:: \sum_k w_k / d_k \le 1

with the lengths *d* of these rays. Which face, and the three *w*, are the same for all polyhedra:
they are looked up in a table.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull

from aimicro.segment._rays import Floats, Spacing, directions, on_sphere
from aimicro.segment._suppression import Index, Stars, stars, suppress

Voxels = npt.NDArray[np.intp]
_Inside = npt.NDArray[np.bool_]

_FEW = 128  # voxels of a polyhedron tell roughly what is shared,
_SURELY = 0.2  # and if it is not by this part of it above the threshold,
_MANY = 4096  # so many tell finely; most nuclei have fewer
_AT_ONCE = 1 << 14  # voxels that are compared with all faces


class Faces(NamedTuple):
    """The triangles that the ends of the rays make, seen from the centre."""

    corners: Index  # (F, 3): numbers of the three rays of each
    planes: npt.NDArray[np.float64]  # (F, 3): of all, a voxel's own face has the largest product
    inverse: npt.NDArray[np.float64]  # (F, 3, 3): from a place (z, y, x) to w along the three rays


def faces(n_rays: int, spacing: Spacing) -> Faces:
    """Convex hull of the directions."""
    hull = ConvexHull(on_sphere(n_rays, spacing))
    corners = hull.simplices.astype(np.intp)
    planes = hull.equations[:, :3] / -hull.equations[:, 3:]
    return Faces(corners, planes, np.linalg.inv(directions(n_rays, spacing)[corners]))


class Table(NamedTuple):
    """The face of each voxel around a centre, up to `reach` of it along (z, y, x)."""

    reach: tuple[int, ...]
    corners: npt.NDArray[np.int32]  # (3, 2 reach_z + 1, …): rays of the face
    weights: Floats  # (3, 2 reach_z + 1, …): w along each of them

    def inside(self, distances: Floats, low: Voxels, high: Voxels) -> _Inside:
        """Voxels of a polyhedron around 0, in the box from `low` to `high`, both included."""
        box = (slice(None), *map(slice, low + self.reach, high + self.reach + 1))
        part = self.weights[box] / distances[self.corners[box]]
        return np.asarray(part.sum(axis=0) <= 1)

    def n_inside(self, voxels: Voxels, distances: Floats) -> npt.NDArray[np.intp]:
        """How many of the voxels (3, N, P) each of N polyhedra holds, (N, n_rays)."""
        place = np.zeros(voxels.shape[1:], np.intp)
        for axis, reach in zip(voxels, self.reach, strict=True):
            # What is farther off is outside, and so is the table's last layer.
            place = place * (2 * reach + 1) + np.clip(axis, -reach, reach) + reach
        rows = np.arange(len(distances))[:, None]
        part = np.zeros(place.shape, np.float32)
        for corners, weights in zip(self.corners, self.weights, strict=True):
            part += weights.ravel()[place] / distances[rows, corners.ravel()[place]]
        return np.asarray((part <= 1).sum(axis=1))


def table(n_rays: int, spacing: Spacing, reach: tuple[int, ...]) -> Table:
    """Look for the face of each voxel, once for all polyhedra."""
    of = faces(n_rays, spacing)
    sides = tuple(2 * far + 1 for far in reach)
    corners = np.empty((3, np.prod(sides)), np.int32)
    weights = np.empty(corners.shape, np.float32)
    for start in range(0, corners.shape[1], _AT_ONCE):
        numbers = np.arange(start, min(start + _AT_ONCE, corners.shape[1]))
        places = np.stack(np.unravel_index(numbers, sides), axis=1) - reach
        face = (places @ of.planes.T).argmax(axis=1)
        corners[:, numbers] = of.corners[face].T
        weights[:, numbers] = np.einsum("ni,nij->jn", places, of.inverse[face])
    return Table(reach, corners.reshape(3, *sides), weights.reshape(3, *sides))


def reaches(rays: Floats, spacing: Spacing, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Voxels along (z, y, x) that no polyhedron passes, or no image."""
    ends = np.abs(directions(len(rays), spacing)).T * rays.max(axis=1, initial=0)
    return tuple(int(min(np.ceil(far), n)) for far, n in zip(ends.max(axis=1), shape, strict=True))


def paint(
    labels: npt.NDArray[np.int32],
    points: npt.NDArray[np.integer],
    distances: Floats,
    spacing: Spacing,
) -> None:
    """Write the numbers of polyhedra into a volume, from the last one to the first."""
    if not len(points):
        return
    distances = distances * _swelling(distances.shape[1])
    reach = reaches(distances.T, spacing, labels.shape)
    cones = table(distances.shape[1], spacing, reach)
    ends = np.array(labels.shape) - 1
    steps = directions(distances.shape[1], spacing)
    for number in range(len(points), 0, -1):
        point, rays = points[number - 1].astype(np.intp), distances[number - 1]
        corners = steps * rays[:, None]
        low = np.maximum(np.floor(corners.min(axis=0)).astype(np.intp), -point)
        high = np.minimum(np.ceil(corners.max(axis=0)).astype(np.intp), ends - point)
        box = tuple(map(slice, point + low, point + high + 1))
        labels[box][cones.inside(rays, low, high)] = number


def _swelling(n_rays: int) -> np.float32:
    """How much longer than in a ball rays are in the polyhedron that holds as much as the ball."""
    even = (1.0, 1.0, 1.0)
    volume = np.abs(np.linalg.det(directions(n_rays, even)[faces(n_rays, even).corners])).sum() / 6
    return np.float32((4 / 3 * np.pi / volume) ** (1 / 3))


def kept_polyhedra(
    rays: Floats,
    voxels: Index,
    scores: Floats,
    *,
    spacing: Spacing,
    shape: tuple[int, ...],
    threshold: float,
) -> Index:
    """Places of those that are kept, the best first.

    A polyhedron has `rays` (n_rays, N) above 0 from one of the `voxels` (N,), which are numbers
    in the flat image; no two have the same.
    """
    n_rays = len(rays)
    of = faces(n_rays, spacing)
    steps = directions(n_rays, spacing).astype(np.float32)
    sixth = np.abs(np.linalg.det(steps[of.corners])) / 6
    volume = np.zeros(len(voxels), np.float32)
    for (i, j, k), part in zip(of.corners, sixth, strict=True):
        volume += part * rays[i] * rays[j] * rays[k]
    polyhedra = stars(rays, voxels, steps, volume, shape=shape)
    cones = table(n_rays, spacing, tuple(far + 1 for far in reaches(rays, spacing, shape)))

    def too_close(best: int, other: Index) -> _Inside:
        shared = _overlap(polyhedra, cones, best, other, _FEW)
        sure = _SURELY * volume[best] / np.minimum(volume[other], volume[best])
        unsure = shared < threshold + sure
        if unsure.any():
            shared[unsure] = _overlap(polyhedra, cones, best, other[unsure], _MANY)
        return np.asarray(shared > threshold)

    return suppress(polyhedra, scores, shape=shape, threshold=threshold, too_close=too_close)


def _overlap(polyhedra: Stars, cones: Table, best: int, other: Index, most: int) -> Floats:
    """Shared volume over the smaller of both, of one polyhedron with each of some others.

    Counted are voxels of the best one, all or as many as `most` of them.
    """
    own = np.array(cones.reach) - 1
    low = np.maximum(np.floor(polyhedra.low[:, best] - polyhedra.centre[:, best]), -own)
    high = np.minimum(np.ceil(polyhedra.high[:, best] - polyhedra.centre[:, best]), own)
    low, high = low.astype(np.intp), high.astype(np.intp)
    inside = np.argwhere(cones.inside(polyhedra.rays[:, best], low, high)) + low
    some = inside[:: -(-len(inside) // most)].T
    n_shared = np.empty(len(other), np.float32)
    for start in range(0, len(other), at_once := max(1, (1 << 18) // some.shape[1])):
        few = other[start : start + at_once]
        shift = (polyhedra.centre[:, [best]] - polyhedra.centre[:, few]).astype(np.intp)
        voxels = some[:, None] + shift[..., None]
        n_shared[start : start + at_once] = cones.n_inside(voxels, polyhedra.rays[:, few].T)
    shared = n_shared * (len(inside) / some.shape[1])
    return np.asarray(shared / np.minimum(polyhedra.size[other], polyhedra.size[best]))
