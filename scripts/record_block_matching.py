"""Record how well the published BM3D and BM4D do in tests/restore/test_block_matching.py.

Both are free for non-commercial use only, so nothing here depends on them.

pip install --no-deps bm3d bm4d
python scripts/record_block_matching.py tests/restore/recorded/block_matching.json
"""

import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path

from bm3d import bm3d
from bm4d import bm4d

from aimicro.metrics import psnr

HERE = Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location(
    "test_block_matching", HERE.parent / "tests" / "restore" / "test_block_matching.py"
)
tests = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tests)


def decibels(denoise, truths):
    return {
        name: [
            round(psnr(truth, denoise(tests.noisy(truth, sd), sd), data_range=1), 3)
            for sd in tests.SDS
        ]
        for name, truth in truths.items()
    }


def main(target):
    recorded = {
        "made by": f"python scripts/record_block_matching.py {target}",
        "versions": {p: importlib.metadata.version(p) for p in ("bm3d", "bm4d", "numpy")},
        "noise": tests.SDS,
        "bm3d": decibels(bm3d, tests.images()),
        "bm4d": decibels(bm4d, tests.volumes()),
    }
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in recorded.items())
    Path(target).write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
