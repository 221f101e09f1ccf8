"""A U-Net as a segmenter, from labels to labels: patches, training, prediction, objects."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, label
from skimage.filters import threshold_otsu

from aimicro import simulate
from aimicro.metrics import average_precision
from aimicro.models import UNet
from aimicro.predict import predict
from aimicro.segment import unet
from aimicro.train import (
    ArrayPatches,
    Percentile,
    Scaling,
    cross_entropy,
    fit,
    load_model,
    save_model,
    supervised,
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.manual_seed(0)


def crowded(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A field of nuclei, most of which touch another, in counts; and their labels."""
    sharp, labels = simulate.nuclei((128, 128), n=30, radius_um=9, pixel_size_um=1, rng=seed)
    photons = np.random.default_rng(seed).poisson(200 * gaussian_filter(sharp, 1) + 10)
    return (2 * photons + 100).astype(np.uint16), labels


@pytest.mark.long
def test_learned_borders_tell_crowded_nuclei_apart(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """At least 0.15 better than by Otsu's threshold and components, on fields never seen."""
    images, labels = map(list, zip(*map(crowded, range(4)), strict=True))
    patches = ArrayPatches(
        images,
        labels,
        patch_size=(64, 64),
        batch_size=4,
        target=partial(unet.targets, borders=2),
        scaling=Scaling(Percentile(1, 99.8), output=None),
    )
    network = UNet(out_channels=3, channels=8, depth=2)
    objective = supervised(cross_entropy((1, 1, 3)))
    settings = {"learning_rate": 5e-3, "precision": "float32", "device": "cpu"}
    fit(network, patches, steps=100, objective=objective, **settings)  # type: ignore[arg-type]
    save_model(tmp_path / "unet.safetensors", network)
    network = load_model(tmp_path / "unet.safetensors")  # knows how to scale each image
    tests, truths = map(list, zip(*map(crowded, (100, 101)), strict=True))
    brighter = [image * np.uint16(3) + np.uint16(500) for image in tests]
    learned, again = (
        [unet.segment(predict(network, image), seed_threshold=0.8, min_pixels=20) for image in some]
        for some in (tests, brighter)
    )
    bright = [label(image > threshold_otsu(image))[0].astype(np.int32) for image in tests]
    by_otsu, by_network, in_brighter = (
        average_precision(truths, found, thresholds=0.5) for found in (bright, learned, again)
    )
    assert by_network > by_otsu + 0.15
    assert by_network > 0.8
    assert in_brighter == pytest.approx(by_network, abs=0.05)
