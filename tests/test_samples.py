"""The samples in data/ are what today's simulator draws, here and on other machines."""

import json
from pathlib import Path

import numpy as np
import pytest

from aimicro.io import read_tiff
from aimicro.simulate import simulate_pair

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
PAIRS = [
    (task, entry)
    for task in ("denoise", "segment", "track")
    for entry in json.loads((SAMPLES / task / "simulation.json").read_text())["pairs"]
]


@pytest.mark.parametrize(("task", "entry"), PAIRS, ids=[e["files"][0] for _, e in PAIRS])
def test_sample_can_be_made_again(task, entry):
    raw, truth, *tables = (SAMPLES / task / name for name in entry["files"])
    wish = {name: entry[name] for name in ("structure", "shape", "voxel_size_um", "photons")}
    pair = simulate_pair(task, rng=np.random.default_rng(entry["rng"]), **wish)
    # Other processors round differently: in the last digit of a sum, and so, rarely, in a photon.
    np.testing.assert_allclose(pair.truth, read_tiff(truth).data, rtol=1e-5)
    assert np.mean(pair.raw != read_tiff(raw).data) < 1e-3
    for table in tables:
        rows = [tuple(map(int, row.split())) for row in table.read_text().splitlines()]
        assert rows == [tuple(track) for track in pair.lineage]
