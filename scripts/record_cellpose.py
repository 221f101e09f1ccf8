"""Record what Cellpose makes of the label images in tests/segment/test_cellpose.py.

What to install: scripts/published_cellpose.py.

python scripts/record_cellpose.py ../shared/data tests/segment/recorded/cellpose.json
"""

import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
from published_cellpose import dynamics

HERE = Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location(
    "test_cellpose", HERE.parent / "tests" / "segment" / "test_cellpose.py"
)
tests = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tests)


def flows(labels):
    """Flows at every seventh pixel inside: enough to tell one rule from another."""
    found = dynamics.masks_to_flows_gpu(labels)[0]
    return np.round(found[:, labels > 0][:, :: tests.EVERY], 6).tolist()


def ends(output):
    inside = output[-1] > 0
    field = output[:-1] * inside / 5
    found = dynamics.follow_flows(field, np.nonzero(inside), niter=200).numpy()
    return np.round(found[:, :: tests.EVERY], 3).tolist()


def masks(output, **settings):
    found = dynamics.compute_masks(output[:-1], output[-1], min_size=15, **settings)
    return tests.runs(found)


def main(data, target):
    labels = tests.cases(Path(data))
    outputs = {
        name: tests.noisy(dynamics.masks_to_flows_gpu(x)[0], x) for name, x in labels.items()
    }
    volume = tests.balls_output()
    recorded = {
        "made by": "python scripts/record_cellpose.py DATA tests/segment/recorded/cellpose.json",
        "versions": {p: importlib.metadata.version(p) for p in ("cellpose", "torch", "numpy")},
        "flows": {name: flows(x) for name, x in labels.items()},
        "ends": {name: ends(x) for name, x in outputs.items()},
        "masks": {name: masks(x) for name, x in outputs.items()},
        "all masks": {name: masks(x, flow_threshold=None) for name, x in outputs.items()},
        "flow errors": {
            name: np.round(dynamics.flow_error(labels[name], x[:2])[0], 6).tolist()
            for name, x in outputs.items()
        },
        "volume": masks(volume, do_3D=True),
    }
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in recorded.items())
    Path(target).write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
