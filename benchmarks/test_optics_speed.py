"""Is `psf` fast? Against the vectorial PSF of psfmodels, in the same run on the same machine.

Run by `make bench`. psfmodels is C++, integrates one radius at a time and knows only pupils that
are round; ours is NumPy and takes any pupil. It integrates pixels from 3 × 3 samples of a table
over the radius; what that costs us, 2 × 2 samples of the image, is told but not judged.
"""

import time
from collections.abc import Callable

import numpy as np
import psfmodels
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from aimicro.simulate.optics import MODELS, blur, psf
from aimicro.simulate.pupil import Pupil

SHAPE = (64, 129, 129)
VOXEL_UM = (0.1, 0.05, 0.05)
PUPIL = Pupil(na=1.4, wavelength_um=0.525, aberrations={"primary spherical": 0.3, "defocus": 0.1})
ROUNDS = 7


def theirs() -> object:
    n = PUPIL.refractive_index
    z = (np.arange(SHAPE[0]) - SHAPE[0] // 2) * VOXEL_UM[0]
    return psfmodels.make_psf(
        z, SHAPE[1], dxy=VOXEL_UM[1], NA=PUPIL.na, wvl=PUPIL.wavelength_um,
        ns=n, ni=n, ni0=n, ng=n, ng0=n, model="vectorial",
    )  # fmt: skip


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@pytest.mark.parametrize("pixel_integrated", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_psf_against_psfmodels(
    benchmark: BenchmarkFixture, model: str, pixel_integrated: bool
) -> None:
    """No slower than the vectorial PSF of psfmodels."""

    def ours() -> object:
        return psf(
            PUPIL, SHAPE, voxel_size_um=VOXEL_UM, model=model, pixel_integrated=pixel_integrated
        )

    ours()
    theirs()
    other = []

    def one_round_of_theirs() -> None:
        # In turn, so that both meet the same neighbours on the machine.
        other.append(seconds(theirs))

    benchmark.pedantic(ours, setup=one_round_of_theirs, rounds=ROUNDS)
    ratio = float(np.median(other) / benchmark.stats["median"])
    benchmark.extra_info["times as fast as psfmodels' vectorial PSF"] = ratio
    kind = f"{model}, pixels integrated" if pixel_integrated else model
    print(f"\n{kind}: {ratio:.2f} times as fast as the vectorial PSF of psfmodels")
    assert pixel_integrated or ratio >= 1


def test_imaging_a_volume(benchmark: BenchmarkFixture) -> None:
    """A (64, 256, 256) volume through a (64, 129, 129) PSF in less than 1.5 s."""
    kernel = psf(PUPIL, SHAPE, voxel_size_um=VOXEL_UM)
    specimen = np.random.default_rng(0).random((64, 256, 256), dtype=np.float32)
    benchmark.pedantic(lambda: blur(specimen, kernel), rounds=ROUNDS, warmup_rounds=1)
    took = float(benchmark.stats["median"])
    print(f"\nimaging {specimen.shape} through {SHAPE}: {took:.2f} s")
    assert took < 1.5
