"""Tracking is scored with an extra; the rest does without, and the error names it."""

import subprocess
import sys

import numpy as np
import pytest

from aimicro.metrics import score_points, score_tracking

FILM = (np.ones((1, 1, 1), int), [(1, 0, 0, 0)])
POINTS = np.array([[0, 1, 0, 5, 5]])


def test_a_missing_traccuracy_is_told_how_to_get(monkeypatch):
    monkeypatch.setitem(sys.modules, "traccuracy", None)
    with pytest.raises(ImportError, match=r"pip install traccuracy"):
        score_tracking(FILM, FILM)
    with pytest.raises(ImportError, match="traccuracy"):
        score_points(POINTS, POINTS, max_distance=1)


def test_the_metrics_do_not_import_traccuracy():
    code = "import sys, aimicro.metrics, aimicro.track; sys.exit('traccuracy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
