"""Record what StarDist makes of the labels in tests/segment/test_stardist*.py.

pip install --no-deps stardist csbdeep six
pip install numba
AIMICRO_DATA_DIR=FOLDER python scripts/record_stardist.py tests/segment/recorded
"""

import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
from stardist.geometry import polygons_to_label, polyhedron_to_label, star_dist, star_dist3D
from stardist.nms import non_maximum_suppression, non_maximum_suppression_3d
from stardist.rays3d import Rays_GoldenSpiral
from stardist.utils import edt_prob

from aimicro import data

HERE = Path(__file__).resolve().parent


def module(name):
    path = HERE.parent / "tests" / "segment" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


tests, volumes = module("test_stardist"), module("test_stardist_volumes")

NOISE = ("0.001", "0.1", "0.2")


def chosen(labels, noise):
    output = tests.predicted(labels, noise)
    points, scores, distances = non_maximum_suppression(
        np.ascontiguousarray(np.moveaxis(output[1:], 0, -1)),
        output[0],
        b=None,
        nms_thresh=0.4,
        prob_thresh=0,  # of logits
    )
    painted = polygons_to_label(distances, points, labels.shape, prob=scores)
    return {"points": points.tolist(), "areas": np.bincount(painted.ravel()).tolist()}


def field(labels):
    both = np.concatenate([edt_prob(labels)[..., None], star_dist(labels, 32)], axis=-1)
    some = both.reshape(-1, 33)[tests.sampled(labels)]
    return {
        "targets": [[float(f"{value:.7g}") for value in row] for row in some],
        "sums": [float(f"{value:.9g}") for value in both.sum(axis=(0, 1), dtype=np.float64)],
        "chosen": {noise: chosen(labels, float(noise)) for noise in NOISE},
    }


def chosen_in_volume(labels, noise, rays):
    output = volumes.predicted(labels, noise)
    points, scores, distances = non_maximum_suppression_3d(
        np.ascontiguousarray(np.moveaxis(output[1:], 0, -1)),
        output[0],
        rays,
        b=None,
        nms_thresh=0.4,
        prob_thresh=0,  # of logits
    )
    # As large as a ball, not only with its corners there.
    longer = distances * volumes.volume_factor(rays.vertices * volumes.SPACING)
    painted = polyhedron_to_label(longer, points, rays, labels.shape, prob=scores, verbose=False)
    return {"points": points.tolist(), "volumes": np.bincount(painted.ravel()).tolist()}


def volume(labels):
    rays = Rays_GoldenSpiral(volumes.N_RAYS, anisotropy=volumes.SPACING)
    probability = edt_prob(labels, anisotropy=volumes.SPACING)
    both = np.concatenate([probability[..., None], star_dist3D(labels, rays)], axis=-1)
    some = both.reshape(len(probability.ravel()), -1)[volumes.sampled(labels)]
    return {
        "targets": [[float(f"{value:.7g}") for value in row] for row in some],
        "chosen": {noise: chosen_in_volume(labels, float(noise), rays) for noise in NOISE},
    }


def save(folder, name, values):
    recorded = {
        "made by": "python scripts/record_stardist.py tests/segment/recorded",
        "versions": {p: importlib.metadata.version(p) for p in ("stardist", "numpy")},
        **values,
    }
    (Path(folder) / name).write_text(json.dumps(recorded) + "\n")


def main(folder):
    save(folder, "stardist_volumes.json", volume(volumes.nuclei()))
    cells = data.nuclei()
    assert not cells.simulated, "set AIMICRO_DATA_DIR"
    fields = [field(labels) for labels in tests.crops(cells.truth)]
    save(folder, "stardist.json", {"fields": fields})


if __name__ == "__main__":
    main(*sys.argv[1:])
