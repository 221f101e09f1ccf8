"""Cellpose as it is published, its `dynamics`, also beside a torch without CUDA.

pip install torch
pip install --no-deps cellpose torchvision fastremap fill-voids opencv-python-headless
pip install numpy scipy scikit-image tqdm pillow tifffile pytest

Of torchvision only what resizes images is asked for. Beside a torch without CUDA its operators are
missing, and it cannot be imported until the names of two are known; nothing calls them.
"""

import contextlib

import torch

for operator in ("nms", "qnms"):
    with contextlib.suppress(RuntimeError):  # where the operator is there
        schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        torch.library.define(f"torchvision::{operator}", schema)

from cellpose import dynamics  # noqa: E402

__all__ = ["dynamics"]
