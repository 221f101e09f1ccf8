import copy
import json
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from aimicro.models import Network, UNet
from aimicro.models.rcan import RCAN
from aimicro.predict import predict
from aimicro.train import (
    LOSSES,
    METRICS,
    ArrayPatches,
    Checkpoint,
    CheckpointError,
    History,
    Linear,
    Scaling,
    checkpoint,
    devices,
    fit,
    load_model,
    preparation,
    save_model,
    structure,
    supervised,
)

RNG = np.random.default_rng(0)
CLEAN = RNG.random((4, 32, 32)).astype(np.float32)
NOISY = CLEAN + RNG.normal(0, 0.1, CLEAN.shape).astype(np.float32)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


class Line(Network):
    """The smallest network: one slope and one intercept for all pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.ndim, self.in_channels, self.out_channels, self.receptive_radius = 2, 1, 1, 0
        self.conv = torch.nn.Conv2d(1, 1, kernel_size=1)
        self.drop = torch.nn.Dropout(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.drop(x) if self.training and self.drop.p else x)


def patches(**arguments: object) -> ArrayPatches:
    return ArrayPatches(
        list(NOISY), list(CLEAN), **{"patch_size": (16, 16), "batch_size": 4, **arguments}
    )


def network() -> UNet:
    torch.manual_seed(0)
    return UNet(channels=4, depth=1)


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_finds_the_regression_line() -> None:
    """For slope and intercept the best squared error is known: that of the regression line."""
    line = Line()
    line.drop.p = 0.0
    training = patches(patch_size=(32, 32), batch_size=32)
    fit(line, training, steps=500, learning_rate=0.05, precision="float32")
    slope, intercept = np.polyfit(NOISY.ravel(), CLEAN.ravel(), deg=1)
    assert slope < 0.93  # noise flattens it, so that handing the image through would be wrong
    np.testing.assert_allclose(predict(line, NOISY[0]), slope * NOISY[0] + intercept, atol=3e-3)


def test_denoises_images_it_has_not_seen() -> None:
    x = np.arange(32) * np.ones((32, 1))
    phases = RNG.uniform(0, 6, size=(24, 1, 1))
    waves = np.sin(x / 3 + phases).astype(np.float32)
    noisy = waves + RNG.normal(0, 0.5, waves.shape).astype(np.float32)
    model = network()
    fit(model, ArrayPatches(list(noisy[:20]), list(waves[:20]), patch_size=(16, 16)), steps=150)
    errors = [
        np.mean((predict(model, raw) - wave) ** 2) for raw, wave in zip(noisy, waves, strict=True)
    ]
    assert np.mean(errors[20:]) < 0.25 / 4  # the raw images have 0.25


@pytest.mark.parametrize("ndim", [2, 3])
def test_same_seed_same_weights_bit_for_bit(ndim: int) -> None:
    images = RNG.random((2, *(16,) * ndim))
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        model = UNet(ndim=ndim, channels=4, depth=1)
        torch.rand(7)  # what others draw must not matter
        training = ArrayPatches(list(images), list(images**2), patch_size=(8,) * ndim, batch_size=2)
        results.append((model, fit(model, training, steps=6, validate_every=2)))
    assert same_weights(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


@pytest.mark.parametrize("ndim", [2, 3])
def test_weights_are_those_of_adam_written_out(ndim: int) -> None:
    """Whatever their order in memory: convolutions want another one than PyTorch's own."""
    images = RNG.random((2, *(16,) * ndim))
    training = ArrayPatches(list(images), list(images**2), patch_size=(8,) * ndim, batch_size=2)
    model = UNet(ndim=ndim, channels=4, depth=1)
    written_out = copy.deepcopy(model)
    fit(model, training, steps=6, schedule="constant", precision="float32", device="cpu")
    adam = torch.optim.Adam(written_out.parameters(), lr=1e-3, foreach=False)
    for step in range(6):
        x, target = map(torch.from_numpy, training.batch(step))
        adam.zero_grad()
        torch.nn.functional.mse_loss(written_out(x), target).backward()
        adam.step()
    for ours, theirs in zip(model.parameters(), written_out.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_random_numbers_of_others_are_left_alone() -> None:
    line = Line()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    fit(line, patches(), steps=2)
    assert torch.equal(torch.rand(3), expected)


def test_best_weights_are_kept() -> None:
    """After a good start the truths turn far too dark; the good weights must be returned."""

    class Spoiled(ArrayPatches):
        def batch(self, step: int):  # type: ignore[no-untyped-def]
            raw, truth = super().batch(step)
            return raw, truth if step < 30 else truth - 9

    spoiled = Spoiled(list(NOISY), list(CLEAN), patch_size=(16, 16), batch_size=4)
    model = network()
    held_out = patches(seed=9)
    history = fit(model, spoiled, steps=60, validate_every=10, validation=held_out)
    assert history.best_step == 30
    assert min(history.validation_loss) == history.validation_loss[2]
    raw, truth = held_out.batch(0)
    with torch.no_grad():
        loss = float(((model(torch.from_numpy(raw)) - torch.from_numpy(truth)) ** 2).mean())
    assert loss == pytest.approx(min(history.validation_loss), rel=0.02)


def test_patience_stops_a_training_that_no_longer_gets_better() -> None:
    model = network()
    # Validation on labels upside down: every step that learns makes it worse.
    held_out = ArrayPatches(list(NOISY), list(-CLEAN), patch_size=(16, 16))
    history = fit(model, patches(), steps=500, validate_every=5, validation=held_out, patience=3)
    assert history.step[-1] == history.best_step + 15


def test_validation_patches_are_brought_to_the_units_of_the_network() -> None:
    """Bright validation images must not be judged by their own mean and spread."""
    line = Line()
    line.drop.p = 0.0
    torch.nn.init.ones_(line.conv.weight)
    torch.nn.init.zeros_(line.conv.bias)
    bright = ArrayPatches(list(CLEAN * 50), list(CLEAN * 50 + 3), patch_size=(16, 16))
    history = fit(line, patches(), steps=1, learning_rate=1e-9, validation=bright)
    assert history.validation_loss[0] == pytest.approx((3 / NOISY.std()) ** 2, rel=1e-2)


def test_bfloat16_is_used_where_asked_and_learns_the_same() -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        seen = []
        model = network()
        model.head.register_forward_hook(lambda _m, _i, out, seen=seen: seen.append(out.dtype))
        history = fit(model, patches(), steps=40, precision=precision)
        assert seen[0] == getattr(torch, precision)
        losses[precision] = history.train_loss[-1]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)


def test_resumed_training_equals_one_never_stopped(tmp_path: Path) -> None:
    whole = network()
    expected = fit(whole, patches(), steps=12, validate_every=4, validation=patches(seed=1))

    class Power(BaseException):
        """Something that stops a training in the middle."""

    class Failing(ArrayPatches):
        def batch(self, step: int):  # type: ignore[no-untyped-def]
            if step == 10:
                raise Power
            return super().batch(step)

    file = tmp_path / "checkpoint.safetensors"
    settings = {"steps": 12, "validate_every": 4, "checkpoint": Checkpoint(file, resume=True)}
    failing = Failing(list(NOISY), list(CLEAN), patch_size=(16, 16), batch_size=4)
    with pytest.raises(Power):
        fit(network(), failing, validation=patches(seed=1), **settings)
    resumed = network()
    history = fit(resumed, patches(), validation=patches(seed=1), **settings)
    assert same_weights(whole, resumed)
    assert history == expected
    assert same_weights(load_model(file), whole)


def test_dropout_draws_the_same_numbers_after_a_resume(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    results = []
    for stops in ([8], [4, 8]):
        file.unlink(missing_ok=True)
        for patience_end in stops:
            torch.manual_seed(0)
            line = Line()
            training = patches()
            if patience_end == 4:
                training.batch = _stop_at(4, training)  # type: ignore[method-assign]
            try:
                fit(
                    line,
                    training,
                    steps=8,
                    validate_every=2,
                    checkpoint=Checkpoint(file, resume=True),
                )
            except KeyboardInterrupt:
                continue
        results.append(line)
    assert same_weights(*results)


def _stop_at(last: int, training: ArrayPatches):  # type: ignore[no-untyped-def]
    batch = training.batch

    def stopped(step: int):  # type: ignore[no-untyped-def]
        if step == last:
            raise KeyboardInterrupt
        return batch(step)

    return stopped


CHILDREN = """
    import json, os, signal, sys, time
    from pathlib import Path
    import numpy as np, torch
    from aimicro.models import Network, UNet
    from aimicro.train import ArrayPatches, Checkpoint, fit

    def train(file):
        images = np.random.default_rng(0).random((2, 32, 32))
        torch.manual_seed(0)
        network = UNet(channels=8, depth=2)
        training = ArrayPatches(list(images), list(images**2), patch_size=(16, 16), batch_size=2)
        file = Checkpoint(file, resume=True)
        fit(network, training, steps=60, validate_every=1, checkpoint=file)
        return [float(p.detach().double().sum()) for p in network.parameters()]

    def started(file):
        pid = os.fork()
        if pid:
            return pid
        train(file)
        os._exit(0)

    whole, killed = (Path(sys.argv[1], f"{name}.safetensors") for name in ("whole", "killed"))
    # In this process, so that the children find PyTorch loaded.
    told = {"whole": train(whole), "status": []}
    for number, delay in enumerate((0.0, 0.05, 0.11)):
        before = killed.stat().st_mtime_ns if killed.exists() else 0
        pid = started(killed)
        while not (killed.exists() and killed.stat().st_mtime_ns > before):
            time.sleep(0.01)
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        told["status"].append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        Path(sys.argv[1], f"left_{number}.safetensors").write_bytes(killed.read_bytes())
    told["killed"] = train(killed)
    print(json.dumps(told))
"""


@pytest.mark.long
def test_killed_training_leaves_a_whole_checkpoint_and_ends_the_same(tmp_path: Path) -> None:
    """SIGKILL again and again, while a checkpoint is written at every step."""
    command = [sys.executable, "-c", textwrap.dedent(CHILDREN), str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == [-signal.SIGKILL] * 3
    for number in range(3):
        load_model(tmp_path / f"left_{number}.safetensors")  # raises where the file is not whole
    assert told["killed"] == told["whole"]


def test_a_training_never_overwrites_another(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    fit(network(), patches(), steps=2, checkpoint=Checkpoint(file))
    before = file.read_bytes()
    with pytest.raises(FileExistsError, match=r"expected no checkpoint yet.*resume=True"):
        fit(network(), patches(), steps=2, checkpoint=Checkpoint(file))
    with pytest.raises(CheckpointError, match="expected a training with steps = 3, got one with 2"):
        fit(network(), patches(), steps=3, checkpoint=Checkpoint(file, resume=True))
    with pytest.raises(CheckpointError, match="expected a training with config ="):
        fit(UNet(channels=8, depth=1), patches(), steps=2, checkpoint=Checkpoint(file, resume=True))
    assert file.read_bytes() == before


def test_progress_bar_counts_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    fit(network(), patches(), steps=3, progress=True)
    assert re.search(r"3/3 .*loss=", capsys.readouterr().err)
    fit(network(), patches(), steps=3)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "Expected steps of 1 or more, got 0"),
        ({"validate_every": 0}, "Expected validate_every of 1 or more"),
        ({"patience": 0}, "Expected patience of 1 or more"),
        ({"learning_rate": -1.0}, "Expected learning_rate above 0, got -1"),
        ({"validation_batches": 0}, "Expected validation_batches of 1 or more"),
        (
            {"schedule": "linear"},
            "Expected schedule as one of cosine, constant, got 'linear'. Or give a function",
        ),
        ({"objective": "psnr"}, "Expected objective as one of mse, mae, .*, got 'psnr'"),
    ],
)
def test_bad_settings_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(network(), patches(), **{"steps": 1, **arguments})  # type: ignore[arg-type]


def test_a_loss_that_explodes_is_reported() -> None:
    with pytest.raises(
        FloatingPointError, match=r"Expected a finite loss.*Lower the learning_rate"
    ):
        fit(Line(), patches(), steps=60, learning_rate=1e20, validate_every=60)


def test_losses_are_the_textbook_ones() -> None:
    a, b = torch.tensor([0.0, 3.0]), torch.tensor([1.0, -1.0])
    assert LOSSES["mse"](a, b) == (1 + 16) / 2
    assert LOSSES["mae"](a, b) == (1 + 4) / 2


def rates(monkeypatch: pytest.MonkeyPatch, **arguments: object) -> list[float]:
    """Learning rates of the steps of a training."""
    seen = []
    step = torch.optim.Adam.step

    def noted(optimiser: torch.optim.Adam, *arguments: object) -> None:
        seen.append(optimiser.param_groups[0]["lr"])
        step(optimiser, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(torch.optim.Adam, "step", noted)
        fit(Line(), patches(), steps=8, learning_rate=0.02, **arguments)  # type: ignore[arg-type]
    return seen


def test_learning_rate_follows_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    cosine = [0.02 * (1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)]
    assert rates(monkeypatch) == cosine
    assert rates(monkeypatch, schedule="cosine") == cosine
    assert rates(monkeypatch, schedule="constant") == [0.02] * 8
    halving = rates(monkeypatch, schedule=lambda step, steps: 0.5 ** (4 * step // steps))
    assert halving == [0.02, 0.02, 0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025]


def still() -> Line:
    """A line, y = x + 1/4, for a training whose learning rate leaves it alone."""
    line = Line()
    line.drop.p = 0.0
    torch.nn.init.ones_(line.conv.weight)
    torch.nn.init.constant_(line.conv.bias, 0.25)
    return line


STILL = {"learning_rate": 1e-9, "precision": "float32"}


def test_metrics_are_those_of_the_validation_patches() -> None:
    held_out = patches(seed=5)
    settings = {"steps": 4, "validate_every": 2, "metrics": METRICS, **STILL}
    history = fit(still(), patches(), validation=held_out, **settings)
    raw, truth = (torch.from_numpy(array) for array in held_out.batch(0))
    for name, metric in METRICS.items():
        assert history.metrics[name] == pytest.approx([float(metric(raw + 0.25, truth))] * 2)


def test_without_validation_metrics_are_those_of_the_steps() -> None:
    settings = {"steps": 5, "validate_every": 2, "metrics": {"mae": LOSSES["mae"]}, **STILL}
    history = fit(still(), patches(), objective="mae", **settings)
    assert history.metrics["mae"] == history.train_loss
    assert len(history.metrics["mae"]) == 3


def test_validation_loss_is_the_mean_of_all_validation_batches() -> None:
    held_out = patches(seed=5)
    errors = [np.mean((raw + 0.25 - truth) ** 2) for raw, truth in map(held_out.batch, range(3))]
    assert errors[0] != pytest.approx(np.mean(errors), rel=1e-3)
    for n in (1, 3):
        settings = {"steps": 1, "validation_batches": n, **STILL}
        history = fit(still(), patches(), validation=held_out, **settings)
        assert history.validation_loss == [pytest.approx(np.mean(errors[:n]), rel=1e-5)]


def test_after_validation_sees_network_and_history_before_the_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    seen = []

    def note(model: torch.nn.Module, history: History) -> None:
        seen.append((list(history.step), file.exists(), copy.deepcopy(model)))

    model = network()
    settings = {
        "steps": 5,
        "validate_every": 2,
        "checkpoint": Checkpoint(file),
        "after_validation": note,
    }
    fit(model, patches(), **settings)
    assert [entry[:2] for entry in seen] == [([2], False), ([2, 4], True), ([2, 4, 5], True)]
    assert [same_weights(entry[2], model) for entry in seen] == [False, False, True]


def test_every_step_trains_whatever_was_looked_at_between_them() -> None:
    """Validation and prediction switch dropout off; the next step has it again."""
    line, switched_on = Line(), []

    def objective(model: torch.nn.Module, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():
            switched_on.append(line.training and line.drop.training)
        return ((model(x) - target) ** 2).mean()

    fit(
        line,
        patches(),
        steps=6,
        objective=objective,
        validation=patches(seed=1),
        validate_every=2,
        after_validation=lambda model, _: predict(model, NOISY[0]),
    )
    assert switched_on == [True] * 6


def test_interrupted_after_validation_is_called_again_with_the_same(tmp_path: Path) -> None:
    seen: list[History] = []

    def note(_: torch.nn.Module, history: History) -> None:
        seen.append(copy.deepcopy(history))
        if len(seen) == 2:
            raise KeyboardInterrupt

    settings = {
        "steps": 6,
        "validate_every": 2,
        "checkpoint": Checkpoint(tmp_path / "c.safetensors", resume=True),
        "validation": patches(seed=5),
        "metrics": METRICS,
        "after_validation": note,
    }
    with pytest.raises(KeyboardInterrupt):
        fit(network(), patches(), **settings)
    history = fit(network(), patches(), **settings)
    assert [entry.step for entry in seen] == [[2], [2, 4], [2, 4], [2, 4, 6]]
    assert seen[1] == seen[2]
    assert seen[3] == history
    assert {name: len(values) for name, values in history.metrics.items()} == {"psnr": 3, "ssim": 3}


@pytest.mark.parametrize(
    "other",
    [
        {"schedule": "constant"},
        {"metrics": METRICS},
        {"validation": patches(seed=5)},
    ],
    ids=["schedule", "metrics", "validation"],
)
def test_resume_with_other_settings_is_refused(tmp_path: Path, other: dict[str, object]) -> None:
    file = tmp_path / "checkpoint.safetensors"
    fit(network(), patches(), steps=2, checkpoint=Checkpoint(file))
    (name,) = other
    told = "the validation images" if name == "validation" else f"a training with {name}"
    with pytest.raises(CheckpointError, match=f"expected {told}"):
        fit(network(), patches(), steps=2, checkpoint=Checkpoint(file, resume=True), **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "which", "other"),
    [
        ("augment", "patches", {"augment": False}),
        ("keep", "patches", {"keep": structure(0.2, 0.1)}),
        ("keep", "patches", {"keep": None}),
        ("target", "patches", {"target": lambda labels: labels[np.newaxis], "scaling": Scaling()}),
        ("validation_patches", "validation", {"augment": False}),
        ("validation_patches", "validation", {"batch_size": 2}),
    ],
)
def test_resume_with_other_patches_of_the_same_images_is_refused(
    tmp_path: Path, name: str, which: str, other: dict[str, object]
) -> None:
    file, settings = tmp_path / "checkpoint.safetensors", {"keep": structure(0.1, 0.1)}
    same = {"patches": patches(**settings), "validation": patches(seed=5, **settings)}
    fit(network(), steps=2, checkpoint=Checkpoint(file), **same)  # type: ignore[arg-type]
    others = {**same, which: patches(**{**settings, "seed": same[which].seed, **other})}
    with pytest.raises(CheckpointError, match=f"expected a training with {name} = .*, got"):
        fit(network(), steps=2, checkpoint=Checkpoint(file, resume=True), **others)  # type: ignore[arg-type]


def thin(thickness: int) -> ArrayPatches:
    volumes = RNG.random((2, thickness, 16, 16))
    return ArrayPatches(list(volumes), list(volumes), patch_size=(thickness, 8, 8), batch_size=2)


def test_thin_volumes_are_not_trained_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch computes a 3-deep convolution on 1 or 2 slices wrongly in bfloat16 on a CPU."""
    monkeypatch.setattr(
        sys.modules["aimicro.train.preparation"], "native_bfloat16", lambda _device: True
    )
    in_float32 = []
    # A U-Net of depth 1 sees half of the slices in its lower level.
    networks = {"RCAN": lambda: RCAN(3, 4, 1, 1, 2), "UNet": lambda: UNet(3, channels=4, depth=1)}
    for name, slices in (
        ("RCAN", 1),
        ("RCAN", 2),
        ("RCAN", 3),
        ("UNet", 2),
        ("UNet", 4),
        ("UNet", 6),
    ):
        seen = []
        model = networks[name]()
        model.register_forward_hook(lambda _m, _i, out, seen=seen: seen.append(out.dtype))
        fit(model, thin(slices), steps=2, device="cpu")
        if seen[-1] == torch.float32:
            in_float32.append((name, slices))
    assert in_float32 == [("RCAN", 1), ("RCAN", 2), ("UNet", 2), ("UNet", 4)]


def test_bfloat16_for_thin_volumes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no convolution deeper than the volume.*\(2, 8, 8\)"):
        fit(RCAN(3, 4, 1, 1, 2), thin(2), steps=1, precision="bfloat16", device="cpu")


# ---- refused before the work


class Watched(UNet):
    """Counts how often it computes."""

    def __init__(self, channels: int = 4, depth: int = 1) -> None:
        super().__init__(channels=channels, depth=depth)
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return super().forward(x)


REFUSED: list[tuple[dict[str, object], type[Exception], str]] = [
    ({"steps": 250 / 3}, TypeError, r"Expected steps as a whole number of 1 or more, got 83\.3"),
    ({"steps": 10.5}, TypeError, "Expected steps as a whole number"),
    ({"validate_every": 2.5}, TypeError, "Expected validate_every as a whole number"),
    ({"patience": 3}, ValueError, "Expected validation patches to be patient with, got patience"),
    ({"precision": "fp16"}, ValueError, "Expected precision as one of auto, float32, bfloat16"),
    ({"compile": "yes"}, ValueError, "Expected compile as one of auto, got 'yes'. Or True"),
    ({"device": "gpu"}, ValueError, "Expected device as auto, cpu, cuda, .* got 'gpu'"),
    ({"device": "cuda:99"}, ValueError, "Expected a device of this machine, got cuda:99, of whose"),
    ({"schedule": lambda step, steps: math.nan}, ValueError, r"schedule\(0, 5\).* got nan"),
    ({"schedule": lambda step, steps: -step}, ValueError, r"schedule\(4, 5\).* got -4"),
    ({"checkpoint": "weights.safetensors"}, TypeError, r"Write Checkpoint\(path\)"),
    ({"checkpoint": Checkpoint("no/such/x.safetensors")}, FileNotFoundError, "Create it first"),
    ({"objective": "msee"}, ValueError, "Did you mean mse"),
]


@pytest.mark.parametrize(("arguments", "kind", "message"), REFUSED)
def test_refused_before_the_work(
    arguments: dict[str, object], kind: type[Exception], message: str
) -> None:
    model = Watched()
    with pytest.raises(kind, match=message) as caught:
        fit(model, patches(), **{"steps": 5, **arguments})  # type: ignore[arg-type]
    assert model.calls == 0
    assert model.scaling is None
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has CUDA")
def test_cuda_without_cuda_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"got cuda, of .* finds 0 here\. Use device='auto'"):
        fit(network(), patches(), steps=1, device="cuda")


def test_network_that_cannot_be_stored_is_refused_before_the_work(tmp_path: Path) -> None:
    file = Checkpoint(tmp_path / "c.safetensors")
    with pytest.raises(
        TypeError, match=r"a subclass of aimicro\.models\.Network to store, got Conv"
    ):
        fit(torch.nn.Conv2d(1, 1, 1), patches(), steps=1, checkpoint=file)
    model = Watched()
    model.config["channels"] = object()
    with pytest.raises(TypeError, match="that JSON can hold"):
        fit(model, patches(), steps=1, checkpoint=file)
    assert model.calls == 0


def test_batches_that_do_not_fit_the_network_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected a batch .* for this network"):
        fit(UNet(ndim=3, channels=2, depth=1), patches(), steps=1)
    with pytest.raises(ValueError, match="that divide by 8"):
        fit(UNet(channels=2, depth=3), patches(patch_size=(12, 12)), steps=1)
    with pytest.raises(ValueError, match="that divide by 2"):
        fit(network(), patches(), steps=1, validation=patches(patch_size=(15, 15)))


def test_weights_that_are_not_finite_are_refused() -> None:
    model = network()
    torch.nn.init.constant_(next(model.parameters()), math.nan)
    with pytest.raises(ValueError, match="Expected a network with finite weights"):
        fit(model, patches(), steps=1)


def test_last_step_that_breaks_the_weights_is_reported() -> None:
    """The loss of a step is measured before its gradient, so it does not tell."""

    def steep(model: torch.nn.Module, x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return (0 * model(x)).sum().sqrt()

    with pytest.raises(FloatingPointError, match=r"Expected finite weights.*at step 1\."):
        fit(network(), patches(), steps=1, objective=steep)


@pytest.mark.parametrize("first", [1, 2])
def test_nan_in_validation_is_reported(first: int) -> None:
    def objective(model: torch.nn.Module, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        loss = ((model(x) - t) ** 2).mean()
        if not model.training:
            judged.append(float(loss))
        return loss if len(judged) < first or model.training else loss * math.nan

    judged: list[float] = []
    with pytest.raises(FloatingPointError, match=f"got nan in validation at step {2 * first}"):
        fit(
            network(),
            patches(),
            steps=8,
            validate_every=2,
            validation=patches(seed=1),
            objective=objective,
        )


@pytest.mark.parametrize("objective", ["bce", "dice", supervised(LOSSES["bce"])])
def test_probabilities_are_learned_from_masks_only(objective: object) -> None:
    """A mask in float32 is scaled like an image, and then is none."""
    model, masks = Watched(), [(image > 0.5).astype(np.float32) for image in CLEAN]
    scaled = ArrayPatches(list(NOISY), masks, patch_size=(16, 16))
    with pytest.raises(ValueError, match=r"from 0 to 1 for the objective .*, got ones from -1\."):
        fit(model, scaled, steps=1, objective=objective)  # type: ignore[arg-type]
    assert model.calls == 0
    left = ArrayPatches(
        list(NOISY), masks, patch_size=(16, 16), scaling=Scaling(scaled.scaling.input, None)
    )
    fit(network(), left, steps=1, objective=objective, validation=left)  # type: ignore[arg-type]


# ---- going on


@pytest.mark.parametrize("which", ["patches", "validation"])
def test_resume_with_other_images_is_refused(tmp_path: Path, which: str) -> None:
    """Also where shape, mean and spread are the same."""
    file = Checkpoint(tmp_path / "checkpoint.safetensors", resume=True)
    same = {"patches": patches(), "validation": patches(seed=5)}
    fit(network(), steps=2, checkpoint=file, **same)  # type: ignore[arg-type]
    fit(network(), steps=2, checkpoint=file, **same)  # type: ignore[arg-type]
    turned = ArrayPatches(list(NOISY[:, ::-1]), list(CLEAN), patch_size=(16, 16), batch_size=4)
    turned.seed = same[which].seed
    kind = "training" if which == "patches" else "validation"
    with pytest.raises(CheckpointError, match=rf"expected the {kind} images .* got others\."):
        fit(network(), steps=2, checkpoint=file, **{**same, which: turned})  # type: ignore[arg-type]


def test_training_goes_on_in_the_precision_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that computes in bfloat16 itself, and then on one that does not."""
    file = Checkpoint(tmp_path / "checkpoint.safetensors", resume=True)

    def train(native: bool, last: int, **arguments: object) -> torch.dtype:
        monkeypatch.setattr(preparation, "native_bfloat16", lambda _device: native)
        seen, model, training = [], network(), patches()
        model.register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
        training.batch = _stop_at(last, training)  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            fit(model, training, steps=9, validate_every=2, checkpoint=file, device="cpu",
                **arguments)  # type: ignore[arg-type]  # fmt: skip
        return seen[-1]

    assert train(True, 2) == torch.bfloat16
    with pytest.warns(RuntimeWarning, match=r"goes on in bfloat16.*Set the precision to float32"):
        assert train(False, 4) == torch.bfloat16
    assert train(False, 6, precision="float32") == torch.float32
    assert train(True, 8) == torch.float32  # as it went on last


def test_damaged_state_of_a_training_is_refused(tmp_path: Path) -> None:
    file = Checkpoint(tmp_path / "checkpoint.safetensors", resume=True)
    fit(network(), patches(), steps=2, checkpoint=file)
    header, tensors = checkpoint.read_checkpoint(file.path)
    progress = header["progress"]
    weights = checkpoint.strip_prefix(tensors, "weights.")
    for training, history in (
        ({}, progress["history"]),
        (checkpoint.strip_prefix(tensors, "training."), {"stepp": [2]}),
        (checkpoint.strip_prefix(tensors, "training."), 7),
    ):
        model = network()
        model.scaling = patches().scaling
        damaged = {**progress, "history": history}
        checkpoint.write_checkpoint(
            file.path, model, weights, seed=0, training=training, progress=damaged
        )
        with pytest.raises(CheckpointError, match="expected the state of a training, got a dam"):
            fit(network(), patches(), steps=2, checkpoint=file)


def test_finished_weights_are_no_training_to_go_on_with(tmp_path: Path) -> None:
    save_model(tmp_path / "w.safetensors", network())
    with pytest.raises(CheckpointError, match="got finished weights"):
        fit(network(), patches(), steps=1, checkpoint=Checkpoint(tmp_path / "w.safetensors", True))


# ---- fine-tuning


BRIGHT = [image * 100 + 500 for image in NOISY]


def bright(**arguments: object) -> ArrayPatches:
    return ArrayPatches(BRIGHT, BRIGHT, patch_size=(16, 16), batch_size=4, **arguments)  # type: ignore[arg-type]


def test_trained_network_keeps_its_scaling() -> None:
    model = network()
    fit(model, patches(), steps=2)
    before = model.scaling
    history = fit(model, bright(), steps=1, learning_rate=1e-9)
    assert model.scaling == before
    assert history.train_loss[0] > 1e3  # it sees the bright images as they are


def test_trained_network_takes_a_scaling_that_the_patches_were_given() -> None:
    model = network()
    fit(model, patches(), steps=2)
    chosen = Scaling(Linear(500, 100), Linear(500, 100))
    fit(model, bright(scaling=chosen), steps=1)
    assert model.scaling == chosen


def test_restoring_network_that_learns_masks_next_does_not_scale_them() -> None:
    model = network()
    fit(model, patches(), steps=2)
    before = model.scaling
    masks = ArrayPatches(list(NOISY), list(CLEAN > 0.5), patch_size=(16, 16), batch_size=4)
    seen = []

    def objective(model: torch.nn.Module, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        seen.append(set(t.unique().tolist()))
        return LOSSES["bce"](model(x), t)

    fit(model, masks, steps=2, objective=objective)
    assert model.scaling == Scaling(before.input, None)
    assert seen == [{0.0, 1.0}] * 2
    fit(model, patches(), steps=1)
    assert model.scaling == before


# ---- how it is computed


def test_metrics_may_be_plain_numbers() -> None:
    metrics = {
        "worst": lambda x, t: float((x - t).abs().max()),
        "count": lambda x, t: len(t),
        "counted": lambda x, t: (x > t).sum(),
        "any": lambda x, t: bool((x > t).any()),
    }
    for validation in (patches(seed=1), None):
        history = fit(network(), patches(), steps=2, metrics=metrics, validation=validation)
        assert history.metrics["worst"][0] > 0
        assert history.metrics["count"] == [4]
        assert history.metrics["counted"][0] > 1
        assert history.metrics["any"] == [1]


def test_deterministic_algorithms_are_for_the_training_alone() -> None:
    seen = []

    def note(*_: object) -> None:
        seen.append(torch.are_deterministic_algorithms_enabled())

    for deterministic in (True, False):
        fit(network(), patches(), steps=1, deterministic=deterministic, after_validation=note)
    assert seen == [True, False]
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("compile", "device", "steps", "expected"),
    [
        (True, "cpu", 1, True),
        (False, "cuda", 10**6, False),
        ("auto", "cpu", 10**6, False),
        ("auto", "cuda", 10**3, False),
        ("auto", "cuda", 10**4, True),
    ],
)
def test_long_trainings_on_a_gpu_are_compiled(
    compile: bool | str, device: str, steps: int, expected: bool
) -> None:
    assert devices.compiles(compile, torch.device(device), steps) is expected  # type: ignore[arg-type]


def test_compiled_network_trains_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled without making machine code, which would take a minute."""
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model: compiled(model, backend="aot_eager"))
    results = [network(), network()]
    for compile, model in zip((False, True), results, strict=True):
        settings = {"steps": 3, "precision": "float32", "device": "cpu", "compile": compile}
        fit(model, patches(), **settings)  # type: ignore[arg-type]
    for plain, other in zip(*(model.state_dict().values() for model in results), strict=True):
        torch.testing.assert_close(plain, other, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("ndim", [2, 3])
def test_on_a_gpu_the_same_line_is_learned_in_bfloat16_compiled(ndim: int) -> None:
    images = RNG.random((2, *(16,) * ndim))
    losses = []
    for settings in ({"device": "cpu", "precision": "float32"}, {"device": "cuda"},
                     {"device": "cuda", "compile": True}):  # fmt: skip
        torch.manual_seed(0)
        model = UNet(ndim=ndim, channels=4, depth=1)
        training = ArrayPatches(list(images), list(images**2), patch_size=(8,) * ndim)
        history = fit(model, training, steps=40, **settings)  # type: ignore[arg-type]
        assert next(model.parameters()).device.type == settings["device"]
        losses.append(history.train_loss[-1])
    assert losses == pytest.approx([losses[0]] * 3, rel=0.1)


@pytest.mark.gpu
def test_on_a_gpu_deterministic_training_repeats_bit_for_bit() -> None:
    torch.cuda.manual_seed(3)
    expected = torch.rand(3, device="cuda")
    torch.cuda.manual_seed(3)
    results = []
    for _ in range(2):
        model = network()
        fit(model, patches(), steps=20, device="cuda", deterministic=True)
        results.append(model.cpu())
    assert same_weights(*results)
    assert torch.equal(torch.rand(3, device="cuda"), expected)


# ---- frozen weights


def test_frozen_weights_stay_bit_for_bit_while_the_others_learn(tmp_path: Path):
    network = UNet(channels=2, depth=1)
    network.contract.requires_grad_(False)
    network.bottom.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    patches = ArrayPatches(list(NOISY), list(CLEAN), patch_size=(16, 16), batch_size=2)
    at = Checkpoint(tmp_path / "training")
    history = fit(network, patches, steps=20, validate_every=5, checkpoint=at)
    changed = {name for name, old in before.items() if not network.state_dict()[name].equal(old)}
    assert changed == {name for name in before if name.startswith(("expand", "head"))}
    assert history.train_loss[-1] < history.train_loss[0]
    again = UNet(channels=2, depth=1)
    again.load_state_dict(before)
    again.contract.requires_grad_(False)
    again.bottom.requires_grad_(False)
    fit(again, patches, steps=20, validate_every=5)
    for name, weights in network.state_dict().items():
        assert weights.equal(again.state_dict()[name]), name


def test_a_network_with_nothing_to_learn_is_refused():
    network = UNet(channels=2, depth=1).requires_grad_(False)
    patches = ArrayPatches(list(NOISY), list(CLEAN), patch_size=(16, 16), batch_size=2)
    with pytest.raises(ValueError, match=r"all are frozen.*requires_grad_"):
        fit(network, patches, steps=1)
