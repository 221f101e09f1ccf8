"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest

from aimicro import data


@pytest.fixture(scope="session")
def traccuracy() -> None:
    """Skip a test that scores a tracking where the extra ``tracking`` is not installed."""
    pytest.importorskip("traccuracy", reason="needs the extra tracking")


@pytest.fixture(scope="session")
def real_nuclei(shared_data: Path) -> data.Collection:
    """Return eight fields of real nuclei with their outlines, never the twin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIMICRO_DATA_DIR", str(shared_data))
        cells = data.nuclei()
    assert not cells.simulated
    return cells


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder with real images, which a test run must have unless it says otherwise."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("AIMICRO_DATA_DIR") or beside)
    if folder.is_dir():
        return folder
    if os.environ.get("AIMICRO_WITHOUT_DATA") == "1":
        pytest.skip("AIMICRO_WITHOUT_DATA=1: this test reads real images, and there are none")
    pytest.fail(
        f"Expected a folder with real images, got {folder}, which does not exist. Set "
        "AIMICRO_DATA_DIR to it (see data/README.md), or AIMICRO_WITHOUT_DATA=1 to do without."
    )
