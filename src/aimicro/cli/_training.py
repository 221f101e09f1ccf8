"""A training from a configuration to a folder of weights: what ``aimicro train`` does."""

import errno
import math
import warnings
from pathlib import Path

import numpy as np

import aimicro
from aimicro.cli._config_faults import parsed
from aimicro.cli._files import make_folder
from aimicro.cli._label_images import check_labels, typical_radius
from aimicro.cli._learners import Learner, learner
from aimicro.cli._pixel_sizes import common_pixel_size
from aimicro.cli._training_log import TABLE, TrainingLog, n_rows
from aimicro.cli.config import (
    COMPLETE,
    Complete,
    CompleteConfig,
    CompleteSegmentation,
    Config,
    SegmentationConfig,
    TrainingConfig,
    complete,
    image_pairs,
    read_complete,
    read_config,
    write_config,
)
from aimicro.train import Checkpoint, FilePatches, best_weights, fit, structure
from aimicro.train.files import smallest_shape
from aimicro.train.patches import TRIES

LAST = "last.safetensors"
_TAKEN = 0.75  # quantile: a quarter of the patches pass thresholds that are proposed
P_MIN, P_MAX = 2.0, 99.9
# Between a training and its resumption. Images may have moved, but must have the same pixels.
_MAY_DIFFER = {"memory_limit_gb", "aimicro", "pair_by_order", "mixed_precision", "pixel_size_um"}
_MAY_DIFFER |= {
    f"{kind}_{what}" for kind in ("training", "validation") for what in ("data_dir", "image_pairs")
}
Pairs = list[tuple[Path, Path]]


def train(config_file: Path, folder: Path, *, resume: bool, task: str | None = None) -> str:
    """Train, and say in one line which weights are the best.

    Parameters
    ----------
    config_file
        As for `aimicro.cli.config.read_config`, or the one that an earlier training wrote.
    folder
        For all that is written; it is created with its parents.
    resume
        Go on with the training that is there, if there is one.
    task
        As for `aimicro.cli.config.read_config`.
    """
    config = read_any(config_file, task)
    earlier = _earlier(folder, resume=resume)
    pairs = image_pairs(config, which="training")
    held_out = image_pairs(config, which="validation")
    if isinstance(config, SegmentationConfig):
        for which in filter(None, (pairs, held_out)):
            check_labels(which, masks=config.method == "unet" and not config.borders)
        if config.method == "stardist" and config.ray_px is None:
            config = config.model_copy(update={"ray_px": typical_radius(pairs)})
    settled = settle(config, pairs, held_out)
    settled = settled.model_copy(update={"pixel_size_um": common_pixel_size(pairs)})
    if earlier:
        _check_same(settled, earlier, folder)
    make_folder(folder)
    try:
        return _train(settled, folder, pairs, held_out)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise OSError(
            f"{folder}: Expected room on the disk, got '{error.strerror}'. Make room and go on "
            "with --resume: what was written before is whole."
        ) from error
    except RuntimeError as error:
        # There is no class for it on a CPU, whose allocator says one or the other.
        told = ("out of memory", "not enough memory", "allocate memory")
        if not any(words in str(error) for words in told):
            raise
        raise ValueError(
            "Expected a network and a batch that fit into memory, got: "
            f"{str(error).splitlines()[0]} Choose a smaller input_shape, batch_size or "
            "num_channels."
        ) from error


# ---- before


def read_any(path: Path, task: str | None = None) -> Config:
    """Read a configuration, be it written by hand or by an earlier training."""
    try:
        earlier = complete(parsed(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return read_config(path, task=task)  # or it says what is wrong
    if task not in (None, earlier.task):
        return read_config(path, task=task)  # which says that it is for another task
    model = TrainingConfig if isinstance(earlier, CompleteConfig) else SegmentationConfig
    return model.model_validate(earlier.model_dump(include=set(model.model_fields)))


def _earlier(folder: Path, *, resume: bool) -> Complete | None:
    """Configuration of the training that the folder holds, if it holds one."""
    found = [folder / name for name in (COMPLETE, LAST, TABLE) if (folder / name).exists()]
    found += folder.glob("weights_*.safetensors")
    if not found:
        return None
    if not resume:
        raise FileExistsError(
            f"Expected no training in {folder} yet, got {found[0].name}. Add --resume to go on "
            "with it, or choose another -o."
        )
    config = read_complete(folder, todo="Choose another -o.")
    # A training that is killed between its first weights and its first checkpoint begins again.
    later = [file.name for file in folder.glob("weights_*") if not file.match("weights_001_*")]
    if not (folder / LAST).exists() and (later or n_rows(folder) > 1):
        raise ValueError(
            f"{folder}: Expected {LAST} to go on from, got none beside the results of a training. "
            "Put it back, or choose another -o."
        )
    return config


def settle(config: Config, pairs: Pairs, held_out: Pairs) -> Complete:
    """Settle what depends on the images, and refuse what does not go together."""
    smallest = smallest_shape(pairs)
    ndim = len(smallest)
    patch = _cut_patch(config, smallest)
    if config.data_augmentation and patch[-1] != patch[-2]:
        square = [*patch[:-2], min(patch[-2:]), min(patch[-2:])]
        got = list(patch) if patch == config.patch_shape(ndim) else _told(config, patch, smallest)
        raise ValueError(
            f"input_shape: Expected patches as wide as high to turn them, got {got}. Write "
            f'"input_shape": {square}, or "data_augmentation": false.'
        )
    if patch != config.patch_shape(ndim):
        warnings.warn(f"{_told(config, patch, smallest)}.", UserWarning, stacklevel=2)
    if held_out and len(smallest_shape(held_out)) != ndim:
        raise ValueError(
            f"Expected validation images with {ndim} axes like the training images, got "
            f"{held_out[0][0]} with {smallest_shape(held_out[:1])}. Choose others."
        )
    if config.early_stopping_patience and not held_out:
        raise ValueError(
            "early_stopping_patience: Expected validation images to judge by, got none. Add "
            "validation_data_dir, or leave early_stopping_patience out."
        )
    settled = {"input_shape": patch, "ndim": ndim, "aimicro": aimicro.__version__}
    if isinstance(config, SegmentationConfig):
        _check_segmentation(config, ndim)
        return CompleteSegmentation(**config.model_dump() | {"loss": config.objective} | settled)
    return CompleteConfig(**config.model_dump() | {"p_min": P_MIN, "p_max": P_MAX} | settled)


def _cut_patch(config: Config, smallest: tuple[int, ...]) -> tuple[int, ...]:
    """The largest patch that fits into each image, and that the network can halve."""
    patch = tuple(map(min, config.patch_shape(len(smallest)), smallest))
    if not isinstance(config, SegmentationConfig):
        return patch
    divisor = 2**config.depth
    halved = tuple(size - size % divisor for size in patch)
    if 0 in halved:
        raise ValueError(
            f"Expected patches of at least {divisor} pixels along each axis, since the network "
            f"halves them {config.depth} times, got {list(patch)} of images of which the smallest "
            f"is {smallest}. Lower depth, raise input_shape, or leave small images out."
        )
    return halved


def _told(config: Config, patch: tuple[int, ...], smallest: tuple[int, ...]) -> str:
    """Why a patch is not what was wished."""
    wished = config.patch_shape(len(smallest))
    why = f"since the smallest image is {smallest}"
    if patch != tuple(map(min, wished, smallest)):
        assert isinstance(config, SegmentationConfig)
        why = f"a multiple of {2**config.depth} that fits into the smallest image, {smallest}"
    return f"input_shape {list(wished)} cut to {list(patch)}, {why}"


def _check_segmentation(config: SegmentationConfig, ndim: int) -> None:
    if ndim == 3 and config.method != "unet":
        raise ValueError(
            f'method: Expected "unet" for volumes, got "{config.method}", which knows images '
            'only. Write "method": "unet", or train on single slices.'
        )


def _check_same(now: Complete, earlier: Complete, folder: Path) -> None:
    ours, theirs = (config.model_dump(mode="json") for config in (now, earlier))
    # Another task has other keys, of which none is of interest.
    same_task = ours["task"] == theirs["task"]
    keys = [key for key in ours if key not in _MAY_DIFFER and ours[key] != theirs.get(key)]
    if keys:
        keys = keys if same_task else ["task"]
        differing = "; ".join(f"{key} {ours[key]}, was {theirs[key]}" for key in keys)
        raise ValueError(
            f"{folder / COMPLETE}: Expected the settings with which the training began, got "
            f"{differing}. Resume with those settings, or choose another -o."
        )


# ---- the training


def _train(config: Complete, folder: Path, pairs: Pairs, held_out: Pairs) -> str:
    learns = learner(config)
    patches = _patches(config, learns, pairs, fraction_of_memory=0.9 if held_out else 1.0)
    validation = _validation_patches(config, learns, held_out) if held_out else None
    _check_different(patches, validation)
    if isinstance(config, CompleteConfig):
        _check_thresholds(patches, config)
    if not (folder / COMPLETE).exists():
        write_config(folder / COMPLETE, config)
    log = TrainingLog(folder, config)
    history = fit(
        learns.network,
        patches,
        steps=config.epochs * config.steps_per_epoch,
        validation=validation,
        validation_batches=config.validation_patches // validation.batch_size if validation else 1,
        validate_every=config.steps_per_epoch,
        patience=config.early_stopping_patience,
        learning_rate=config.initial_learning_rate,
        schedule=lambda step, _: (
            config.learning_rate(step / config.steps_per_epoch) / config.initial_learning_rate
        ),
        objective=learns.objective,
        metrics=learns.metrics,
        precision=config.mixed_precision,
        checkpoint=Checkpoint(folder / LAST, resume=True),
        progress=True,
        after_validation=log,
    )
    log.finish(history)
    n = len(history.step)
    end = "stopped early" if n < config.epochs else "finished"
    done = f"{end} after {n} epochs" if log.n_epochs else f"was {end} already, after {n} epochs"
    return f"{folder}: the training {done}; its best weights are {best_weights(folder).name}."


def _check_different(patches: FilePatches, validation: FilePatches | None) -> None:
    """Refuse images that teach nothing, or do not judge, wherever they lie."""
    if same := patches.without_difference():
        raise ValueError(
            f"Expected raw images and their truth, got {len(same)} that are their own truth, the "
            f"first is {same[0]}. Name other files as gt."
        )
    if validation and (shared := validation.shared_with(patches)):
        raise ValueError(
            f"Expected validation images that are not trained on, got {len(shared)} that are, the "
            f"first is {shared[0]}. Keep some images apart for validation."
        )


def _check_thresholds(patches: FilePatches, config: CompleteConfig) -> None:
    """Refuse thresholds that no patch passes, and name some that a quarter of them would."""
    keep = structure(config.intensity_threshold, config.area_ratio_threshold)
    areas, levels = [], []  # what the thresholds could be at most, for each patch to pass
    for patch in patches.judged(TRIES):
        if keep(patch):
            return
        areas.append(np.mean(patch > config.intensity_threshold))
        levels.append(np.quantile(patch, 1 - config.area_ratio_threshold, method="lower"))
    fitting = {
        "area_ratio_threshold": np.quantile(areas, _TAKEN, method="lower"),
        "intensity_threshold": np.quantile(levels, _TAKEN, method="lower"),
    }
    # Rounded down: at the figure itself the patch that it comes from would not pass.
    fitting = {name: math.floor(1000 * value - 1) / 1000 for name, value in fitting.items()}
    named = [f'"{name}": {value:g}' for name, value in fitting.items() if value > 0]
    advice = f"{' or '.join(named)}, which about a quarter of them pass"
    any_patch = '"intensity_threshold": 0, which takes any patch'
    raise ValueError(
        f"Expected thresholds that some patches of the truth pass, got intensity_threshold "
        f"{config.intensity_threshold:g} and area_ratio_threshold {config.area_ratio_threshold:g}, "
        f"which none of {TRIES} passed. For these images write "
        f"{advice if named else any_patch}."
    )


def _patches(
    config: Complete, learns: Learner, pairs: Pairs, *, fraction_of_memory: float
) -> FilePatches:
    return FilePatches(
        pairs,
        patch_size=config.patch_shape(config.ndim),
        batch_size=config.batch_size,
        augment=config.data_augmentation,
        target=learns.target,
        keep=learns.keep,
        scaling=learns.scaling,
        memory_limit_bytes=fraction_of_memory * config.memory_limit_gb * 1e9,
        seed=config.seed,
        progress=True,
    )


def _validation_patches(config: Complete, learns: Learner, held_out: Pairs) -> FilePatches:
    """Cut them once and as they lie: so they may be smaller, and need not be square."""
    changes = {
        "data_augmentation": False,
        "input_shape": _cut_patch(config, smallest_shape(held_out)),
        # No more than a training batch at a time, and as many of them as make validation_patches.
        "batch_size": math.gcd(config.validation_patches, config.batch_size),
    }
    cut = config.model_copy(update=changes)
    return _patches(cut, learns, held_out, fraction_of_memory=0.1)
