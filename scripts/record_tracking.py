"""Score small films with py-ctcmetrics, for tests/metrics/recorded/tracking.json.

python scripts/record_tracking.py tests/metrics/recorded/tracking.json

needs py-ctcmetrics and this package; nothing else does. The films are one pixel high, cut out of
simulated ones, and spoilt; they are stored with their scores, a letter for each label.
"""

import json
import string
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ctc_metrics import evaluate_sequence
from tifffile import imwrite

from aimicro.simulate.films import dividing_cells
from aimicro.track import link, write_lineage

LETTERS = "." + string.ascii_letters + string.digits
ERRORS = {"NS": "merged_cells", "FN": "missed_cells", "FP": "invented_cells",
          "ED": "redundant_links", "EA": "missed_links", "EC": "confused_links"}  # fmt: skip
SCORES = {"TRA": "tra", "DET": "det", "LNK": "lnk", "AOGM": "aogm", "CHOTA": "chota"}


def films(seed: int):
    """A truth, and a tracking of it with cells missed, merged and invented."""
    rng = np.random.default_rng(seed)
    whole = dividing_cells(10, (64, 64), n=7, division_time_min=150, frame_interval_s=480, rng=seed)
    truth = link(whole.labels[:, 32:33])
    spoilt = truth[0].copy()
    for frame in spoilt[1::2]:
        present = np.unique(frame[frame > 0])
        lost, into, merged = rng.choice(present, 3)
        frame[frame == lost] = 0
        frame[frame == merged] = into
        frame[0, np.flatnonzero(frame[0] == 0)[:3]] = 99
    return truth, link(spoilt, min_overlap=0.5)


def by_ctc(truth, prediction):
    """Write both as the Cell Tracking Challenge wants them, and score them."""
    with TemporaryDirectory() as folder:
        places = Path(folder, "01_GT", "TRA"), Path(folder, "01_RES")
        names = ("man_track", "man_track"), ("res_track", "mask")
        for place, (table, image), (labels, lineage) in zip(
            places, names, (truth, prediction), strict=True
        ):
            place.mkdir(parents=True)
            write_lineage(place / f"{table}.txt", lineage)
            for frame, values in enumerate(labels):
                imwrite(place / f"{image}{frame:03}.tif", values.astype(np.uint16))
        wanted = ["Valid", "DET", "TRA", "LNK", "CHOTA", "BC"]
        result = evaluate_sequence(str(places[1]), str(places[0].parent), wanted, threads=1)
    assert result["Valid"] == 1
    scores = {ours: float(result[theirs]) for theirs, ours in SCORES.items()}
    counts = {ours: int(result[f"AOGM_{theirs}"]) for theirs, ours in ERRORS.items()}
    divisions = {f"division_f1 {i}": result[f"BC({i})"] for i in (0, 1)}  # None without any
    return scores | counts | {name: float(f1) for name, f1 in divisions.items() if f1 is not None}


def stored(labels, lineage):
    """Label images as text."""
    frames = ["".join(LETTERS[label] for label in frame.ravel()) for frame in labels]
    return {"frames": frames, "lineage": [list(map(int, track)) for track in lineage]}


if __name__ == "__main__":
    cases = []
    for seed in range(12):
        truth, prediction = films(seed)
        cases.append({"truth": stored(*truth), "prediction": stored(*prediction),
                      "scores": by_ctc(truth, prediction)})  # fmt: skip
    record = {
        "made by": "python scripts/record_tracking.py tests/metrics/recorded/tracking.json",
        "versions": {"py-ctcmetrics": version("py-ctcmetrics")},
        "letters": LETTERS,
    }
    head = json.dumps(record, indent=1)[:-2]
    lines = ",\n".join(json.dumps(case) for case in cases)
    Path(sys.argv[1]).write_text(f'{head},\n "cases": [\n{lines}\n]}}\n', encoding="utf-8")
