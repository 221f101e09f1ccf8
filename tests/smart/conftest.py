"""A small dish under a small lens."""

import pytest

from aimicro.simulate import CellParameters, Culture, Microscope
from aimicro.smart import DrivenMicroscope


@pytest.fixture(scope="session")
def make_microscope():
    """Return a function that makes a fresh microscope over the same culture."""

    def make(seed: int = 0, half_life: float = 50.0, life: dict | None = None, **kwargs):
        cells = CellParameters(**(life or {}))
        culture = Culture((96, 128), cells, n=9, half_life_exposures=half_life, rng=seed)
        lens = Microscope("widefield", na=0.25, refractive_index=1.0, voxel_size_um=(0.5, 0.5))
        return DrivenMicroscope(culture, lens, **{"view": (48, 64), "rng": seed, **kwargs})

    return make
