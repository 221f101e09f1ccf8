"""The listing of the page drives a microscope through pymmcore-plus; its camera is our culture.

Micro-Manager's demo camera is a device adapter, which no package registry has; a camera written in
Python is one of pymmcore-plus's own ways. The package brings 250 MB along, so these tests run where
it is installed (``pip install pymmcore-plus``), as each week on GitHub.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aimicro.simulate import CellParameters, Culture, Microscope
from aimicro.smart import DrivenMicroscope, MDAEvent

unicore = pytest.importorskip("pymmcore_plus.experimental.unicore")
useq = pytest.importorskip("useq")

PAGE = Path(__file__).resolve().parents[2] / "notebooks" / "chapter07_event_driven.ipynb"


def driven() -> DrivenMicroscope:
    """The same microscope every time."""
    lens = Microscope("widefield", na=0.25, refractive_index=1, voxel_size_um=(0.5, 0.5))
    culture = Culture((64, 64), CellParameters(), n=4, half_life_exposures=5, rng=0)
    return DrivenMicroscope(culture, lens, view=(64, 64), rng=0)


class CultureCamera(unicore.SimpleCameraDevice):
    """A camera that looks at the simulated culture."""

    def __init__(self) -> None:
        super().__init__()
        self.microscope, self.exposure_ms = driven(), 10.0

    def get_exposure(self) -> float:
        return self.exposure_ms

    def set_exposure(self, exposure: float) -> None:
        self.exposure_ms = exposure

    def sensor_shape(self) -> tuple[int, int]:
        return 64, 64

    def dtype(self) -> Any:
        return np.float32

    def snap(self, buffer: np.ndarray) -> dict[str, Any]:
        buffer[:] = self.microscope.snap(MDAEvent(exposure=self.exposure_ms)).image
        return {}


def listing() -> str:
    """The code that the page shows for a real microscope."""
    cells = json.loads(PAGE.read_text(encoding="utf-8"))["cells"]
    (text,) = ("".join(cell["source"]) for cell in cells if cell["id"] == "real")
    return re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]


def test_the_listing_carries_out_a_plan_and_what_the_reaction_asks_for():
    core = unicore.UniMMCore()
    core.loadPyDevice("Camera", camera := CultureCamera())
    core.initializeDevice("Camera")
    core.setCameraDevice("Camera")
    core.setAutoShutter(False)  # there is none
    # There is no microscope whose configuration could be loaded.
    code = re.sub(r"^core\.loadSystem.*\n", "", listing(), flags=re.MULTILINE)
    code = code.replace("CMMCorePlus.instance()", "ours")
    seen: list[tuple[np.ndarray, float]] = []

    def react(image, event):
        """Ask for a longer exposure after the second frame, and end after the third."""
        seen.append((image.copy(), event.exposure))
        if len(seen) == 2:
            return [useq.MDAEvent(exposure=40)]
        return [names["stop"]] if len(seen) == 3 else []

    names: dict[str, Any] = {"react": react, "ours": core}
    before, start, run = code.partition("core.run_mda(")
    exec(before, names)
    for _ in range(2):
        names["queue"].put(useq.MDAEvent(exposure=10))
    exec(f"thread = {start}{run}", names)
    thread = names["thread"]
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert [exposure for _, exposure in seen] == [10, 10, 40]

    alone = driven()
    frames = [alone.snap(MDAEvent(exposure=exposure)) for exposure in (10, 10, 40)]
    for (image, _), frame in zip(seen, frames, strict=True):
        np.testing.assert_array_equal(image, frame.image)
    assert camera.microscope.time_s == alone.time_s
