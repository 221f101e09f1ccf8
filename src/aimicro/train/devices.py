"""Where a training computes, how exactly, and as one of how many processes.

Used in chapter 6, *Denoising*, and in appendix A.
"""

import atexit
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from aimicro.checks import one_of

Precision = Literal["auto", "float32", "bfloat16"]

# Compiling takes about a minute, and saves some milliseconds of a step on a GPU: fewer steps would
# not win it back. On a CPU it saves little, and needs a C++ compiler.
COMPILE_FROM = 10_000


def best_device() -> torch.device:
    """CUDA where there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def native_bfloat16(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 numbers itself, so that they save time."""
    if device.type == "cuda":
        # Before Ampere (compute capability 8) bfloat16 is imitated.
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def available(device: str | torch.device) -> torch.device:
    """The device meant, with the number of this process's GPU; ValueError if there is none."""
    if device == "auto":
        found = best_device()
    else:
        try:
            found = torch.device(device)
        except (RuntimeError, TypeError) as error:
            raise ValueError(
                f"Expected device as auto, cpu, cuda, cuda:1 or mps, got {device!r}. Try auto."
            ) from error
    n = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (found.index or 0) >= n.get(found.type, 0):
        raise ValueError(
            f"Expected a device of this machine, got {found}, of whose kind PyTorch finds "
            f"{n.get(found.type, 0)} here. Use device='auto', or install PyTorch for your graphics "
            "processor."
        )
    if found.type == "cuda" and found.index is None:
        found = torch.device("cuda", int(os.environ.get("LOCAL_RANK", torch.cuda.current_device())))
    return found


def compiles(compile: bool | Literal["auto"], device: torch.device, steps: int) -> bool:
    """Whether to compile the network: where it is asked for, or wins time."""
    if isinstance(compile, bool):
        return compile
    one_of("compile", compile, ["auto"], hint="Or True or False.")
    return device.type == "cuda" and steps >= COMPILE_FROM


def too_thin_for_bfloat16(model: nn.Module, raw: Tensor, device: torch.device) -> bool:
    """Whether `device` would compute a network wrongly in bfloat16, for a batch of this thickness.

    On a CPU, PyTorch 2.13 takes numbers that nobody has written into account where a convolution
    is deeper than the volume it sees, such as 3 on 2 slices: in the gradient of its weights, and
    with a single slice in its result. They come out as NaN, or different with each run.
    """
    if device.type != "cpu" or raw.dim() != 5:
        return False
    thin = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Compare kernel and volume."""
        thin.append(inputs[0].shape[2] < layer.kernel_size[0])  # type: ignore[index]

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv3d)]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        with torch.no_grad(), autocast(device, True):
            model.eval()(raw[:1].to(device))
    finally:
        for hook in hooks:
            hook.remove()
    return any(thin)


def autocast(device: torch.device, bfloat16: bool) -> AbstractContextManager[Any]:
    """Context in which convolutions are computed in bfloat16, if so wished."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16)


@contextmanager
def own_random_numbers(device: torch.device, *, deterministic: bool) -> Iterator[None]:
    """Leave the random numbers of others alone, and PyTorch's choice of algorithms as it was."""
    before = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    if deterministic:
        # Without it, cuBLAS may sum in another order each time.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warned)


def seed_layers(device: torch.device, seed: int) -> None:
    """Let layers that draw random numbers on a device draw the same ones from here on."""
    if device.type == "cpu":  # ``torch.manual_seed`` would ask for every kind of device there is
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


@dataclass(frozen=True)
class Processes:
    """How many processes train together, and which of them this is; the first one writes."""

    n: int = 1
    rank: int = 0
    device: torch.device | None = None

    @classmethod
    def joined(cls, device: torch.device) -> "Processes":
        """Join the processes that ``torchrun`` started, if it did."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        if device.type == "cuda":
            torch.cuda.set_device(device)
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
            atexit.register(dist.destroy_process_group)
        return cls(dist.get_world_size(), dist.get_rank(), device)

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and shows progress."""
        return self.rank == 0

    def share(self, step: int) -> int:
        """Number of the batch that this process takes in a step."""
        return step * self.n + self.rank

    def mean(self, values: Sequence[Tensor]) -> float:
        """Mean of the values of all processes, of which some may have none."""
        if self.n == 1:
            return float(torch.stack(list(values)).mean())
        total = torch.stack(
            [
                sum((value.cpu() for value in values), torch.zeros(())),
                torch.tensor(float(len(values))),
            ]
        )
        dist.all_reduce(total := total.to(self.device))
        return float(total[0] / total[1])

    def wait(self) -> None:
        """Until the others are here, too."""
        if self.n > 1:
            dist.barrier()


class Accelerated(nn.Module):
    """A network as `device` computes it fastest; takes and gives float32.

    Parameters
    ----------
    network : Module
        It is moved to the device, with its memory in the order that convolutions want.
    device : device
        Where to compute.
    bfloat16, compiled : bool
        Whether to compute in bfloat16, and whether to compile the network.
    processes : Processes
        With more than one of them gradients are averaged.
    """

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        *,
        volumes: bool,
        bfloat16: bool,
        compiled: bool,
        processes: Processes,
    ) -> None:
        super().__init__()
        # channels_last puts the channels of a pixel side by side: fast convolutions want that.
        self.layout = torch.channels_last_3d if volumes else torch.channels_last
        network.to(device=device, memory_format=self.layout)  # type: ignore[call-overload]
        self.device, self.in_bfloat16 = device, bfloat16
        self.output = torch.empty(0)  # the last one, for metrics
        if processes.n > 1:
            network = DistributedDataParallel(network, broadcast_buffers=False)
        self.network = torch.compile(network) if compiled else network

    def forward(self, x: Tensor) -> Any:
        """Compute, and note the output."""
        with autocast(self.device, self.in_bfloat16):
            output = self.network(x.to(memory_format=self.layout))
        if isinstance(output, Tensor):
            output = output.float()
            self.output = output.detach()
            return output
        output = tuple(part.float() for part in output)
        self.output = output[0].detach()
        return output
