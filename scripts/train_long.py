"""Train the networks of the four tutorials for longer than a page can wait, and keep the weights.

Usage: train_long.py TASK ...   Twenty to forty minutes each on one core.

More pairs than in the tutorial, drawn with another seed than the test volumes; the network at its
full size; ten times the steps. The weights are chosen on validation pairs; the test set is scored
once, after that. Weights and card go to src/aimicro/data/long_trainings.
"""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from long_training import train_and_keep

from aimicro.benchmarks import restoration_task
from aimicro.predict import predict

SIMULATE = {
    "denoise_volumes": "--task denoise -n 96",
    "deconvolve": "--task deconvolve --structure vesicles --photons 20 "
    "--voxel-size 0.3,0.1,0.1 -n 48",
    "correct_aberrations": "--task deaberrate --photons 200 --shape 24,64,64 "
    "--voxel-size 0.3,0.115,0.115 -n 384",
    "enhance_resolution": "--task enhance --photons 30 -n 96",
}
CONFIG = {
    "training_data_dir": {"raw": "dataset/train/raw", "gt": "dataset/train/gt"},
    "validation_data_dir": {"raw": "dataset/val/raw", "gt": "dataset/val/gt"},
    "input_shape": [8, 24, 24],
    "batch_size": 2,
    "intensity_threshold": 0.1,
    "area_ratio_threshold": 0.02,
    "num_channels": 32,
    "channel_reduction": 8,
    "num_residual_groups": 5,
    "num_residual_blocks": 3,
    "epochs": 40,
    "steps_per_epoch": 200,
    "initial_learning_rate": 0.0007,
    "learning_rate_schedule": "cosine",
    "seed": 0,
}
OWN = {
    # At full size, on twice as many pairs, it came no further: 36.89 dB either way.
    "deconvolve": {
        "num_channels": 24,
        "channel_reduction": 4,
        "num_residual_groups": 3,
        "num_residual_blocks": 2,
        "initial_learning_rate": 0.001,
    },
    # A bent wavefront moves light by microns: a patch must be wide enough to show where it went.
    # With one patch a step, larger steps led nowhere.
    "correct_aberrations": {
        "input_shape": [16, 32, 32],
        "batch_size": 1,
        "steps_per_epoch": 250,
        "initial_learning_rate": 0.0003,
    },
}


def train(task: str) -> None:
    """Simulate, train, choose, score, and write weights and card."""
    test = restoration_task(task)
    with tempfile.TemporaryDirectory() as folder:
        simulate = f"aimicro simulate {SIMULATE[task]} --seed 1 --split 0.86,0.12,0.02 -o dataset"
        subprocess.run(shlex.split(simulate), cwd=folder, check=True)
        train_and_keep(
            task,
            Path(folder),
            simulate=simulate,
            config=CONFIG | OWN.get(task, {}),
            measure="psnr",
            score=lambda network: test.score([predict(network, image) for image in test.images]),
        )


if __name__ == "__main__":
    for name in sys.argv[1:] or SIMULATE:
        train(name)
