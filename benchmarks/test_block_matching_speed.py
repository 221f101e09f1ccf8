"""Is block matching fast enough for a notebook? Run by `make bench`.

It is compared with scikit-image's non-local means, which looks for similar places, too, but
averages them and does so once. Times are of the processor, so neighbours on the machine do not
count; ratios are of one run.
"""

import time
from collections.abc import Callable

import numpy as np
import pytest
from skimage.restoration import denoise_nl_means

from aimicro.restore import bm3d, bm4d


def seconds(run: Callable[[], object], *, rounds: int = 2) -> float:
    """Shortest time on the processor, after one run to warm up."""
    run()
    took = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        took.append(time.process_time() - start)
    return min(took)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "shape", "patch", "reach"),
    [(bm3d, (256, 256), 8, 19), (bm4d, (16, 128, 128), 4, 6)],
)
def test_block_matching_takes_no_longer_than_a_few_nonlocal_means(
    method: Callable[..., np.ndarray], shape: tuple[int, ...], patch: int, reach: int
) -> None:
    image = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    ours = seconds(lambda: method(image, sigma=1))
    theirs = seconds(lambda: denoise_nl_means(image, patch, reach, h=0.6, sigma=1))
    print(f"\n{method.__name__} {shape}: {ours:.2f} s of processor, non-local means {theirs:.2f} s")
    assert ours < 5 * theirs
