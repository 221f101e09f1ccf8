"""The training loop: a fixed number of steps with a seed, at the speed that the processor has.

Used in chapter 6, *Denoising*, and in appendix A.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from tqdm import tqdm

from aimicro.train.devices import (
    Accelerated,
    Precision,
    Processes,
    available,
    compiles,
    own_random_numbers,
    seed_layers,
)
from aimicro.train.history import Best, History, Means, Metric
from aimicro.train.objectives import Objective, chosen
from aimicro.train.patches import Patches
from aimicro.train.preparation import (
    Batch,
    Schedule,
    check_alone,
    check_counts,
    check_network,
    earlier_training,
    fixed_batches,
    in_bfloat16,
    rates,
    recorded,
    scaled,
)
from aimicro.train.resuming import Checkpoint
from aimicro.train.target_checks import check_targets


def fit(
    network: nn.Module,
    patches: Patches,
    *,
    steps: int,
    validation: Patches | None = None,
    validation_batches: int = 1,
    validate_every: int = 100,
    patience: int | None = None,
    learning_rate: float = 1e-3,
    schedule: Schedule = "cosine",
    objective: str | Objective = "mse",
    metrics: Mapping[str, Metric] | None = None,
    device: str | torch.device = "auto",
    precision: Precision = "auto",
    compile: bool | Literal["auto"] = "auto",
    deterministic: bool = False,
    checkpoint: Checkpoint | None = None,
    progress: bool = False,
    after_validation: Callable[[nn.Module, History], None] | None = None,
) -> History:
    """Train a network on patches; it ends with the best weights it had.

    The same network, patches and settings give the same weights on the same machine: bit for bit
    on a CPU, on a GPU within rounding, or bit for bit where it is `deterministic`.

    Parameters
    ----------
    network : Module
        Takes and gives `(B, C, [Z,] Y, X)`. It is trained in place and left in evaluation mode on
        `device`. Weights that are frozen (``part.requires_grad_(False)``) stay as they are. A new
        network is given the `scaling` of the patches. One that was trained before keeps its own,
        unless the patches were given one.
    patches : Patches
        Gives the batch of each step: `ArrayPatches`, or `FilePatches` from files.
    steps : int
        Number of steps: never a time, since the numbers must repeat.
    validation : Patches, optional
        Its first batch is the fixed set on which the best weights are chosen. Cut it from images
        that are neither in `patches` nor in the test set. Without one the last weights are kept.
    validation_batches : int
        How many batches, from the first, make up that set.
    validate_every : int
        Steps from one validation, and one checkpoint, to the next.
    patience : int, optional
        Stop after so many validations without a better one.
    learning_rate : float
        What the schedule is multiplied by.
    schedule : {"cosine", "constant"} or callable
        ``"cosine"`` lets the rate fall along half a cosine to zero, ``"constant"`` leaves it. Or a
        function of the step, from 0, and `steps` that returns a factor.
    objective : str or Objective
        Name in `aimicro.train.OBJECTIVES`, or a function of network, input and target, for example
        `aimicro.train.blind_spot()`.
    metrics : mapping, optional
        Names, and functions of prediction and target, to note beside the loss, for example
        `aimicro.train.METRICS`.
    device : str or device
        ``"auto"`` is CUDA where there is one, else Apple's MPS, else the CPU.
    precision : {"auto", "float32", "bfloat16"}
        ``"auto"`` computes in bfloat16 where the processor does so natively, which is about twice
        as fast or more. Elsewhere bfloat16 is imitated and slow, so it takes float32. A training
        that is resumed goes on in the precision it began with; another one must be named.
    compile : bool or "auto"
        Whether to compile the network. ``"auto"`` does so for long trainings on a GPU.
    deterministic : bool
        Let PyTorch use only algorithms that give the same numbers each time, also on a GPU. They
        may be slower; where there is none, PyTorch raises an error that names the layer.
    checkpoint : Checkpoint, optional
        Where to keep the best weights and the state of the training.
    progress : bool
        Show a progress bar with the time left.
    after_validation : callable, optional
        Called with the network, as it is then, and the history, before the checkpoint is
        written. After an interruption it may be called for the same validation again.

    Returns
    -------
    History
        Losses and metrics, and the step whose weights were kept.

    Raises
    ------
    ValueError
        For settings out of range, a device that is not there, a network whose weights are all
        frozen, batches that it cannot take, targets that do not fit it or the objective, and an
        objective that cannot be resumed or shared among processes where it is to be.
    TypeError
        For numbers that are none, and a network that a checkpoint cannot hold.
    FileExistsError
        If the checkpoint exists and is not to be resumed: a training never overwrites another.
    CheckpointError
        If the checkpoint cannot be read, or belongs to a training with other settings or images.
    FloatingPointError
        If the loss or the weights are no longer finite numbers.

    Warns
    -----
    RuntimeWarning
        If a training is resumed in bfloat16 on a machine that imitates it.

    Notes
    -----
    On several GPUs or machines the same script is started once for each of them::

        torchrun --nproc-per-node=2 train.py

    Each process takes batches of its own, gradients are averaged, and the first process writes.
    So two processes train as one does with twice the batch.

    Used in chapter 6, *Denoising*, and in appendix A.

    Examples
    --------
    >>> import numpy as np
    >>> from aimicro.models import UNet
    >>> from aimicro.train import ArrayPatches
    >>> clean = np.random.default_rng(0).random((2, 32, 32))
    >>> patches = ArrayPatches(list(clean), list(clean), patch_size=(16, 16), batch_size=2)
    >>> fit(UNet(channels=2, depth=1), patches, steps=4, validate_every=2).step
    [2, 4]
    """
    check_counts(
        patience,
        validation,
        steps=steps,
        validation_batches=validation_batches,
        validate_every=validate_every,
    )
    name, objective = chosen(objective)
    rate, metrics = rates(schedule, learning_rate, steps), dict(metrics or {})
    place = available(device)
    compiled = compiles(compile, place, steps)
    earlier = earlier_training(checkpoint, network)
    patches = scaled(network, patches)
    fixed = fixed_batches(validation, patches.scaling, validation_batches)
    samples = [patches.batch(0), *fixed[:1]]
    check_network(network, samples)
    check_targets(name, network, samples)
    bfloat16 = in_bfloat16(precision, network, samples, place, earlier)
    processes = Processes.joined(place)
    check_alone(name, objective, checkpoint, processes.n)
    settings = recorded(
        patches,
        validation,
        objective=name,
        metrics=list(metrics),
        steps=steps,
        learning_rate=learning_rate,
        schedule=schedule if isinstance(schedule, str) else "function",
        validate_every=validate_every,
        validation_batches=len(fixed),
        processes=processes.n,
    )
    if earlier:
        earlier.check(settings)
    network.scaling = patches.scaling  # type: ignore[assignment]
    fast = Accelerated(
        network,
        place,
        volumes=len(patches.patch_size) == 3,
        bfloat16=bfloat16,
        compiled=compiled,
        processes=processes,
    )
    # All weights in one go, and each of them read but once; Apple's chips know only the former.
    fused = place.type != "mps"
    optimiser = torch.optim.Adam(network.parameters(), fused=fused, foreach=not fused)
    best, history = Best(network), History(metrics={name: [] for name in metrics})
    if earlier:
        history = earlier.restore(network, best, optimiser)
    done = history.step[-1] if history.step else 0
    recent = Means({} if fixed else metrics)
    bar = tqdm(total=steps, initial=done, disable=not (progress and processes.first), unit="step")
    with bar, own_random_numbers(place, deterministic=deterministic):
        fast.train()
        while done < steps and not history.exhausted(patience):
            turn = processes.share(done)
            # Layers that draw random numbers draw the same ones after an interruption.
            seed_layers(place, patches.seed + turn)
            for group in optimiser.param_groups:
                group["lr"] = rate(done)
            x, target = _on(place, patches.batch(turn))
            loss = objective(fast, x, target)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            recent.add(loss, fast.output, target)
            done += 1
            bar.update()
            if done % validate_every == 0 or done == steps:
                trained = recent.over(processes)
                seed_layers(place, patches.seed)
                judged = _judge(fast, objective, fixed, metrics, processes) if fixed else None
                bar.set_postfix(loss=f"{history.add(done, trained, judged):.4g}")
                best.offer(network, history)
                if processes.first and after_validation is not None:
                    after_validation(network, history)
                if processes.first and checkpoint is not None:
                    record = {**settings, "bfloat16": bfloat16}
                    checkpoint.save(network, best, optimiser, history, record)
                fast.train()
    processes.wait()
    network.load_state_dict(best.weights)
    network.eval()
    return history


@torch.no_grad()
def _judge(
    fast: Accelerated,
    objective: Objective,
    fixed: Sequence[Batch],
    metrics: Mapping[str, Metric],
    processes: Processes,
) -> tuple[float, dict[str, float]]:
    """Loss and metrics of the validation patches, of which each process takes its part."""
    means = Means(metrics)
    for batch in fixed[processes.rank :: processes.n]:
        x, target = _on(fast.device, batch)
        means.add(objective(fast.eval(), x, target), fast.output, target)
    return means.over(processes)


def _on(device: torch.device, batch: Batch) -> tuple[Tensor, Tensor]:
    x, target = (torch.from_numpy(array).to(device) for array in batch)
    return x, target
