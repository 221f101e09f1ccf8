"""What `fit` settles and refuses before the work: a mistake must not show after hours.

Used in chapter 6, *Denoising*, and in appendix A.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import nn

from aimicro.checks import number, one_of, whole
from aimicro.models import check_input
from aimicro.train.devices import Precision, native_bfloat16, too_thin_for_bfloat16
from aimicro.train.history import finite
from aimicro.train.patches import Array, Patches
from aimicro.train.resuming import Checkpoint, Earlier
from aimicro.train.scaling import Scaling

Factor = Callable[[int, int], float]
Schedule = Literal["cosine", "constant"] | Factor
Batch = tuple[Array, Array]

SCHEDULES: Mapping[str, Factor] = {
    "cosine": lambda step, steps: (1 + math.cos(math.pi * step / steps)) / 2,
    "constant": lambda step, steps: 1.0,
}


def check_counts(patience: int | None, validation: Patches | None, **counts: int) -> None:
    """Refuse numbers of steps and batches that are none, and patience with nothing to wait for."""
    for name, count in counts.items():
        whole(name, count, low=1)
    if patience is not None:
        whole("patience", patience, low=1)
        if validation is None:
            raise ValueError(
                f"Expected validation patches to be patient with, got patience = {patience} and no "
                "validation. Give some, or leave patience out."
            )


def rates(schedule: Schedule, learning_rate: float, steps: int) -> Callable[[int], float]:
    """The learning rate as a function of the step."""
    number("learning_rate", learning_rate, above=0, hint="Try 1e-3.")
    if callable(schedule):
        factor = schedule
    else:
        hint = "Or give a function of the step and steps that returns a factor."
        factor = SCHEDULES[one_of("schedule", schedule, SCHEDULES, hint=hint)]
    for step in {0, steps - 1}:
        number(f"schedule({step}, {steps})", factor(step, steps), low=0)
    return lambda step: learning_rate * factor(step, steps)


def earlier_training(checkpoint: Checkpoint | None, network: nn.Module) -> Earlier | None:
    """The training to go on with, if there is one."""
    if checkpoint is None:
        return None
    if not isinstance(checkpoint, Checkpoint):
        raise TypeError(
            f"Expected a Checkpoint, got {checkpoint!r}. Write Checkpoint(path), or "
            "Checkpoint(path, resume=True) to go on with the training there."
        )
    return checkpoint.earlier(network)


def scaled(network: nn.Module, patches: Patches) -> Patches:
    """The patches in the scale of a network that was trained before, unless they were given one."""
    old: Scaling | None = getattr(network, "scaling", None)
    if old is None or patches.keep_scaling:
        return patches
    # Where one of the two has no scale for the output, they do not learn the same kind of thing.
    both = old.output is not None and patches.scaling.output is not None
    return patches.with_scaling(Scaling(old.input, old.output if both else patches.scaling.output))


def fixed_batches(validation: Patches | None, scaling: Scaling, n: int) -> list[Batch]:
    """The batches on which the best weights are chosen."""
    if validation is None:
        return []
    same = validation.with_scaling(scaling)
    return [same.batch(index) for index in range(n)]


def check_network(network: nn.Module, batches: Sequence[Batch]) -> None:
    """Refuse batches that the network cannot take, and weights that cannot be trained."""
    for x, _ in batches:
        check_input(network, x.shape)
    if not finite(network.state_dict()):
        raise ValueError(
            "Expected a network with finite weights, got NaN or infinite ones. Build it anew, or "
            "load weights that are whole."
        )
    if not any(weights.requires_grad for weights in network.parameters()):
        raise ValueError(
            "Expected a network with weights to train, got one in which all are frozen. Leave a "
            "part free, for example network.expand.requires_grad_(True)."
        )


def check_alone(name: str, objective: Any, checkpoint: Checkpoint | None, processes: int) -> None:
    """Refuse to interrupt or to share a training in which something else learns along."""
    if not getattr(objective, "learns_along", False):
        return
    if checkpoint is not None and checkpoint.resume:
        raise ValueError(
            f"Expected no checkpoint to resume for the objective {name}, whose discriminator is "
            "not stored, got one. Train in one go: leave resume=True out, or the checkpoint."
        )
    if processes > 1:
        raise ValueError(
            f"Expected one process for the objective {name}, whose discriminator learns in each "
            f"on its own, got {processes}. Start the script without torchrun."
        )


def in_bfloat16(
    precision: Precision,
    network: nn.Module,
    batches: Sequence[Batch],
    device: torch.device,
    earlier: Earlier | None,
) -> bool:
    """Whether to compute in bfloat16: as asked, as before an interruption, or as is quickest."""
    one_of("precision", precision, ["auto", "float32", "bfloat16"])
    began_with = earlier.settings.get("bfloat16") if earlier else None
    if precision == "auto":
        wished = native_bfloat16(device) if began_with is None else bool(began_with)
    else:
        wished = precision == "bfloat16"
    if wished and any(
        too_thin_for_bfloat16(network, torch.from_numpy(x), device) for x, _ in batches
    ):
        if precision == "bfloat16":
            raise ValueError(
                "Expected no convolution deeper than the volume it sees, got patches of "
                f"{batches[0][0].shape[2:]}, which are too thin. Choose thicker ones, or the "
                "precision float32 or auto: a CPU computes them wrongly in bfloat16."
            )
        return False
    if wished and precision == "auto" and not native_bfloat16(device):
        warnings.warn(
            f"The training goes on in bfloat16, as it began, which {device} imitates and is slow "
            "at. Set the precision to float32 to go on in that: numbers then differ in rounding.",
            RuntimeWarning,
            stacklevel=3,
        )
    return wished


def recorded(patches: Patches, validation: Patches | None, **others: Any) -> dict[str, Any]:
    """What must be the same when a training is resumed."""
    return {
        **patches.settings(),
        "scaling": patches.scaling.to_dict(),
        "images": patches.digest(),
        "validation": validation.digest() if validation else None,
        "validation_patches": validation.settings() if validation else None,
        **others,
    }
