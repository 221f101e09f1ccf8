"""Record what StarDist makes of the label images in tests/segment/test_stardist.py.

pip install --no-deps stardist csbdeep six
pip install numba
AIMICRO_DATA_DIR=FOLDER python scripts/record_stardist.py tests/segment/recorded/stardist.json
"""

import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
from stardist.geometry import polygons_to_label, star_dist
from stardist.nms import non_maximum_suppression
from stardist.utils import edt_prob

from aimicro import data

HERE = Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location(
    "test_stardist", HERE.parent / "tests" / "segment" / "test_stardist.py"
)
tests = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tests)

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


def main(target):
    cells = data.nuclei()
    assert not cells.simulated, "set AIMICRO_DATA_DIR"
    recorded = {
        "made by": "python scripts/record_stardist.py tests/segment/recorded/stardist.json",
        "versions": {p: importlib.metadata.version(p) for p in ("stardist", "numpy")},
        "fields": [field(labels) for labels in tests.crops(cells.truth)],
    }
    Path(target).write_text(json.dumps(recorded) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
