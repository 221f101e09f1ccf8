"""Is Richardson and Lucy's method quicker than scikit-image's? Run by `make bench`.

The same image, PSF and iterations, in one run; ours also estimates light from beyond the image.
The larger the PSF, the larger the lead: scikit-image makes room for all of it on every side.
"""

import time
from collections.abc import Callable

import numpy as np
import pytest
from skimage.restoration import richardson_lucy as skimage_richardson_lucy

from aimicro.restore import richardson_lucy


def seconds(run: Callable[[], object], *, rounds: int = 3) -> float:
    """Shortest time by the clock, after one run to warm up: transforms use all cores."""
    run()
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        took.append(time.perf_counter() - start)
    return min(took)


@pytest.mark.slow
@pytest.mark.parametrize(("half", "lead"), [((7, 15, 15), 1.3), ((15, 32, 32), 2.5)])
def test_a_volume_is_deconvolved_faster_than_by_scikit_image(
    half: tuple[int, int, int], lead: float
) -> None:
    image = np.random.default_rng(0).poisson(50, (32, 256, 256)).astype(np.float32)
    z, y, x = (np.arange(-n, n + 1) for n in half)
    psf = np.exp(-(z[:, None, None] ** 2) / 8 - (y[:, None] ** 2 + x**2) / 18)
    psf = (psf / psf.sum()).astype(np.float32)
    ours = seconds(lambda: richardson_lucy(image, psf, iterations=10))
    theirs = seconds(lambda: skimage_richardson_lucy(image, psf, num_iter=10, clip=False))
    print(
        f"\nPSF {psf.shape}: {ours:.2f} s, scikit-image {theirs:.2f} s, {theirs / ours:.1f} times"
    )
    assert theirs > lead * ours


def test_a_small_image_is_deconvolved_faster_than_by_scikit_image() -> None:
    """A transform of it is done before a second core has begun, so it must stay on one."""
    image = np.random.default_rng(0).poisson(50, (128, 128)).astype(np.float32)
    y = np.arange(-7, 8)
    psf = np.exp(-(y[:, None] ** 2 + y**2) / 18)
    psf = (psf / psf.sum()).astype(np.float32)
    ours = seconds(lambda: richardson_lucy(image, psf, iterations=50))
    theirs = seconds(lambda: skimage_richardson_lucy(image, psf, num_iter=50, clip=False))
    print(
        f"\nimage {image.shape}: {ours:.3f} s, scikit-image {theirs:.3f} s, "
        f"{theirs / ours:.1f} times"
    )
    assert theirs > ours
