"""Score masks of real nuclei with MONAI and MedPy, for tests/metrics/recorded/distance.json.

python scripts/record_distance.py DATA tests/metrics/recorded/distance.json

needs monai, medpy and this package; DATA is the folder with bbbc039_nuclei. Nothing else does.
"""

import importlib.util
import json
import sys
from importlib.metadata import version
from pathlib import Path

import monai.metrics
import numpy as np
import torch
from medpy.metric import binary

TESTS = Path(__file__).resolve().parents[1] / "tests" / "metrics"


def cases(data: Path):
    """The masks that the test makes."""
    spec = importlib.util.spec_from_file_location("test_distance", TESTS / "test_distance.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.cases(data)


def by_monai(truth: np.ndarray, prediction: np.ndarray, spacing: tuple[float, ...]):
    """Two channels are expected, the first of which is background."""
    images = [torch.tensor(np.stack([~mask, mask])[None]) for mask in (prediction, truth)]
    options = {"spacing": spacing}
    hausdorff = monai.metrics.compute_hausdorff_distance
    return {
        "hausdorff": hausdorff(*images, **options).item(),
        "hausdorff 95": hausdorff(*images, percentile=95, **options).item(),
        "pooled": monai.metrics.compute_average_surface_distance(
            *images, symmetric=True, **options
        ).item(),
        **{
            f"surface dice {t}": monai.metrics.compute_surface_dice(
                *images, class_thresholds=[float(t)], **options
            ).item()
            for t in (1, 2)
        },
    }


def by_medpy(truth: np.ndarray, prediction: np.ndarray, spacing: tuple[float, ...]):
    """Its 95th percentile is another definition, and left out."""
    ways = ((prediction, truth), (truth, prediction))
    return {
        "hausdorff": float(binary.hd(prediction, truth, voxelspacing=spacing)),
        "pooled": float(binary.assd(prediction, truth, voxelspacing=spacing)),
        "mean": float(np.mean([binary.asd(*way, voxelspacing=spacing) for way in ways])),
    }


def main() -> None:
    scores = {
        name: {"monai": by_monai(*case), "medpy": by_medpy(*case)}
        for name, *case in cases(Path(sys.argv[1]))
    }
    told = {
        "made by": "python scripts/record_distance.py DATA tests/metrics/recorded/distance.json",
        "versions": {name: version(name) for name in ("monai", "medpy")},
        "cases": scores,
    }
    Path(sys.argv[2]).write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
