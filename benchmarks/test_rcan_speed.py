"""Is the 3D-RCAN of appendix A fast, small in memory, and without seams? Run by `make bench`.

Training is compared with the loop that everybody writes first, in the same run, so that a slower
machine gives the same ratio. Memory is what the kernel says of a whole `aimicro apply`, without the
pages of files, which it can drop. Times are told, but not judged.
"""

import math
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.utils.flop_counter import FlopCounterMode

from aimicro.cli.config import CompleteConfig, write_config
from aimicro.io import write_tiff
from aimicro.models import RCAN
from aimicro.models.rcan import ChannelAttention
from aimicro.predict import predict, tiles
from aimicro.train import ArrayPatches, fit, save_model
from aimicro.train.devices import best_device, native_bfloat16
from aimicro.train.scaling import Percentile, Scaling

# Not smaller: PyTorch 2.13 has a slower convolution in float32, and takes it for few pixels.
PATCH = (16, 64, 64)
STEPS = 3
ROUNDS = 5
BLOCK = (16, 256, 256)  # of the publication
PUBLISHED = {"tile": (28, 268, 268), "halo": 6, "overlap": (2, 32, 32)}  # with a halo around it
WHOLE = (64, 512, 512)
GB = 1e9


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def network() -> RCAN:
    torch.manual_seed(0)
    return RCAN(ndim=3)


def counts(shape: tuple[int, ...]) -> np.ndarray:
    """A volume in camera counts."""
    image = np.random.default_rng(0).gamma(2.0, 300.0, (1, *shape[1:])) + 100
    return np.tile(image.astype(np.uint16), (shape[0], 1, 1))


# ---- training


def plain_loop(model: RCAN, training: ArrayPatches) -> None:
    """float32, contiguous memory: what a tutorial shows."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    for step in range(STEPS):
        raw, truth = (torch.from_numpy(array).to(best_device()) for array in training.batch(step))
        loss = torch.nn.functional.l1_loss(model(raw), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def flop_of_a_step() -> int:
    """Of the convolutions, forwards and backwards."""
    model = network()
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 1, *PATCH)).mean().backward()
    return counter.get_total_flops()


def bfloat16_peak() -> float:
    """FLOP/s of a large matrix product, the fastest there is."""
    matrix = torch.ones(4096, 4096, dtype=torch.bfloat16, device=best_device())
    return 2 * 4096**3 / min(seconds(lambda: (matrix @ matrix)[0, 0].item()) for _ in range(4))


def test_training_against_a_plain_loop(benchmark: BenchmarkFixture) -> None:
    """At least 1.7 times as fast where bfloat16 is native, and nowhere slower."""
    volumes = np.random.default_rng(0).random((2, 16, 96, 96))
    training = ArrayPatches(list(volumes), list(volumes), patch_size=PATCH, batch_size=1)
    ours, theirs = network().to(best_device()), network().to(best_device())

    def our_loop() -> None:
        fit(ours, training, steps=STEPS, learning_rate=1e-4, loss="mae")

    our_loop()
    plain_loop(theirs, training)
    plain = []

    def one_round_of_theirs() -> None:
        # In turn, so that both meet the same neighbours on the machine.
        plain.append(seconds(lambda: plain_loop(theirs, training)))

    benchmark.pedantic(our_loop, setup=one_round_of_theirs, rounds=ROUNDS)
    ours_took, theirs_took = float(benchmark.stats["median"]), float(np.median(plain))
    rate, peak = STEPS * flop_of_a_step() / ours_took, bfloat16_peak()
    benchmark.extra_info["times a plain loop"] = ratio = theirs_took / ours_took
    print(
        f"\ntraining 3D-RCAN on {PATCH}: {STEPS / ours_took:.2f} steps/s, {ratio:.2f} times those "
        f"of a plain loop; {rate / 1e9:.0f} GFLOP/s, {rate / peak:.0%} of a matrix product in "
        f"bfloat16 ({peak / 1e9:.0f} GFLOP/s)"
    )
    # 5 % is what the medians of equal loops differ by from run to run.
    assert ratio >= (1.7 if native_bfloat16(best_device()) else 0.95)


# ---- applying


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training of the default network."""
    folder = tmp_path_factory.mktemp("model")
    told = {"training_data_dir": {"raw": "raw", "gt": "gt"}, "input_shape": BLOCK}
    told |= {"ndim": 3, "p_min": 2.0, "p_max": 99.9, "aimicro": "0.1.0"}
    write_config(folder / "config.json", CompleteConfig(**told))
    save_model(folder / "weights_001_0.5.safetensors", network())
    return folder


def applied(model: Path, shape: tuple[int, ...], folder: Path) -> tuple[float, float]:
    """Seconds and bytes that `aimicro apply` takes for a volume."""
    write_tiff(folder / "raw.tif", counts(shape), axes="ZYX")
    options = ["-m", model, "-i", folder / "raw.tif", "-o", folder / "out.tif", "--overwrite"]
    start, peak = time.perf_counter(), 0
    run = subprocess.Popen([sys.executable, "-m", "aimicro", "apply", *map(str, options)])
    while run.poll() is None:
        status = Path(f"/proc/{run.pid}/status").read_text()
        now = re.search(r"RssAnon:\s+(\d+) kB", status) or "00"  # it has just ended
        peak = max(peak, 1024 * int(now[1]))
        time.sleep(0.01)
    assert run.returncode == 0
    return time.perf_counter() - start, peak


def n_computed(shape: tuple[int, ...]) -> int:
    """Voxels of all blocks of a volume, with their halos."""
    return sum(
        math.prod(s.stop - s.start for s in part.window) for part in tiles(shape, **PUBLISHED)
    )


def test_applying_to_one_block(model: Path, tmp_path: Path) -> None:
    """In less than 2 GB."""
    start_up, _ = applied(model, (3, 16, 16), tmp_path)
    took, peak = applied(model, PUBLISHED["tile"], tmp_path)
    rate = n_computed(PUBLISHED["tile"]) / (took - start_up)
    minutes = (n_computed(WHOLE) / rate + start_up) / 60
    print(
        f"\napplying 3D-RCAN to {PUBLISHED['tile']}: {rate / 1e3:.0f} thousand voxels/s, "
        f"{start_up:.1f} s to start, {peak / GB:.2f} GB; so {minutes:.1f} min for {WHOLE}, which "
        f"are {len(tiles(WHOLE, **PUBLISHED))} blocks and with their halos "
        f"{n_computed(WHOLE):,} voxels"
    )
    assert peak < 2 * GB


@pytest.mark.slow
def test_applying_to_a_whole_volume(model: Path, tmp_path: Path) -> None:
    """In less than 2 GB, too. It takes minutes."""
    took, peak = applied(model, WHOLE, tmp_path)
    print(f"\napplying 3D-RCAN to {WHOLE}: {took / 60:.1f} min, {peak / GB:.2f} GB")
    assert peak < 2 * GB


# ---- seams


def hold_attention(model: RCAN, image: np.ndarray, scaling: Scaling) -> None:
    """Let attention weigh channels by their means over the whole image, in each tile of it."""
    held: dict[torch.nn.Module, torch.Tensor] = {}
    for module in model.modules():
        if isinstance(module, ChannelAttention):
            module.excite.register_forward_hook(
                lambda excite, _, weights: held.setdefault(excite, weights)
            )
    predict(model, image, tile=image.shape, scaling=scaling)


def test_seams() -> None:
    """Cut or whole: the same within 0.5 % of the range, of which more would show without a halo.

    That channel attention takes its means over a tile instead of the image is another matter, and
    left out here.
    """
    model, image = network(), np.random.default_rng(0).gamma(2.0, 300.0, (16, 128, 128))
    scaling = Scaling(Percentile().for_image(image), None)
    hold_attention(model, image, scaling)

    def restored(tile: tuple[int, ...], halo: int, overlap: int | tuple[int, ...]) -> np.ndarray:
        return predict(model, image, tile=tile, halo=halo, overlap=overlap, scaling=scaling)

    whole = restored(image.shape, 0, 0)
    cut, bare = restored((28, 60, 60), 6, (2, 6, 6)), restored((16, 48, 48), 0, (2, 6, 6))
    with_halo, without = (float(np.abs(x - whole).max() / np.ptp(whole)) for x in (cut, bare))
    print(f"\nseams between tiles: {with_halo:.3%} of the range, without a halo {without:.3%}")
    assert with_halo < 0.005 < without
