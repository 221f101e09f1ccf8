"""Record what StarDist and Cellpose say of the label images in tests/metrics/test_matching.py.

pip install --no-deps stardist csbdeep cellpose six opencv-python-headless fastremap fill-voids
pip install numba
python scripts/record_matching.py ../shared/data tests/metrics/recorded/matching.json
"""

import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
from cellpose.metrics import aggregated_jaccard_index, average_precision
from stardist.matching import matching, matching_dataset

HERE = Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location(
    "test_matching", HERE.parent / "tests" / "metrics" / "test_matching.py"
)
tests = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tests)


def numbers(found):
    return [float(f"{getattr(found, name):.9g}") for name in tests.FIELDS]


def main(data, target):
    real = tests.real_cases(Path(data))
    cases = real | tests.made_cases()
    truths, predictions = zip(*real.values(), strict=True)
    stardist = {
        name: {
            score: [numbers(x) for x in matching(*pair, thresh=tests.THRESHOLDS, criterion=score)]
            for score in ("iou", "iot", "iop")
        }
        for name, pair in cases.items()
    }
    pooled = matching_dataset(truths, predictions, thresh=tests.THRESHOLDS, show_progress=False)
    average = matching_dataset(
        truths, predictions, thresh=tests.THRESHOLDS, show_progress=False, by_image=True
    )
    cellpose = {
        name: [float(x) for x in average_precision(*pair, threshold=tests.COCO)[0]]
        for name, pair in cases.items()
        if pair[0].any() and not any(labels.all() for labels in pair)  # which it counts wrong
    }
    recorded = {
        "made by": "python scripts/record_matching.py DATA tests/metrics/recorded/matching.json",
        "versions": {p: importlib.metadata.version(p) for p in ("stardist", "cellpose", "numpy")},
        "fields": list(tests.FIELDS),
        "thresholds": tests.THRESHOLDS,
        "stardist": stardist,
        "stardist pooled": [numbers(x) for x in pooled],
        "stardist accuracy by image": [x.accuracy for x in average],
        "cellpose thresholds": tests.COCO,
        "cellpose": cellpose,
        "cellpose aji": {
            name: float(aggregated_jaccard_index([real[name][0]], [real[name][1]])[0])
            for name in ("eroded", "renumbered")
        },
    }
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in recorded.items())
    Path(target).write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    np.seterr(invalid="ignore")  # Cellpose divides 0 by 0
    main(*sys.argv[1:])
