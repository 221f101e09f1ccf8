"""Are features and prediction of the pixel classifier fast? Run by `make bench`.

They are compared with a plain loop over scikit-image's functions that computes the same features,
and the same forest. Times are of the processor, so neighbours on the machine do not count; ratios
are of one run.
"""

import time
from collections.abc import Callable
from itertools import combinations_with_replacement

import numpy as np
import pytest
from skimage import feature, filters

from aimicro.segment.features import SIGMAS, features
from aimicro.segment.pixel_classifier import PixelClassifier
from aimicro.simulate import nuclei, scribble


def seconds(*runs: Callable[[], object], rounds: int = 5) -> list[float]:
    """Shortest time of each on the processor, after one run to warm up.

    In turns, so that all meet the same neighbours on the machine.
    """
    for run in runs:
        run()
    took: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, times in zip(runs, took, strict=True):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
    return [min(times) for times in took]


def plain(image: np.ndarray) -> np.ndarray:
    """The same features, with the last axis for them."""
    found = []
    pairs = list(combinations_with_replacement(range(image.ndim), 2))
    for sigma in SIGMAS:
        blurred = filters.gaussian(image, sigma, preserve_range=True)
        slopes = np.gradient(blurred)
        options = {"mode": "nearest", "use_gaussian_derivatives": False}
        bends = feature.hessian_matrix(image, sigma, **options)
        tensor = [
            filters.gaussian(slopes[i] * slopes[j], sigma / 2, preserve_range=True)
            for i, j in pairs
        ]
        found += [
            blurred,
            np.sqrt(sum(slope**2 for slope in slopes)),
            sum(bend for bend, (i, j) in zip(bends, pairs, strict=True) if i == j),
            filters.difference_of_gaussians(image, 0.66 * sigma, sigma),
            *feature.structure_tensor_eigenvalues(tensor),
            *feature.hessian_matrix_eigvals(bends),
        ]
    return np.stack(found, axis=-1)


@pytest.mark.parametrize("shape", [(512, 512), (32, 128, 128)])
def test_features_against_a_loop_over_scikit_image(shape: tuple[int, ...]) -> None:
    """Faster. Half of the features, by scikit-image's own function, are timed beside it."""
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    options = {"sigma_min": 0.7, "sigma_max": 10, "num_sigma": len(SIGMAS)}
    ours, theirs, fewer = seconds(
        lambda: features(image),
        lambda: plain(image),
        lambda: feature.multiscale_basic_features(image, **options),
    )
    print(
        f"\nfeatures of {shape}: {1e3 * ours:.0f} ms; a loop over scikit-image takes "
        f"{theirs / ours:.1f} times as long, multiscale_basic_features {fewer / ours:.1f} times"
    )
    np.testing.assert_allclose(np.moveaxis(features(image), 0, -1), plain(image), atol=1e-6)
    assert theirs > ours


def test_features_and_prediction_against_a_loop_over_scikit_image() -> None:
    """At least as fast, though most of the time is that of the forest, which is the same."""
    image, labels = nuclei((512, 512), n=30, rng=0)
    image = image + np.random.default_rng(0).normal(0, 0.2, image.shape).astype(np.float32)
    strokes = scribble(1 + (labels > 0), n_strokes=10, rng=0)
    classifier = PixelClassifier.fit(image, strokes, rng=0)
    forest = classifier.forests[0]

    def theirs() -> np.ndarray:
        described = plain(image)
        found = forest.predict_proba(described.reshape(-1, described.shape[-1]))
        return found.T.reshape(-1, *image.shape)

    ours, peers = seconds(lambda: classifier.probabilities(image), theirs)
    ratio = peers / ours
    print(f"\nfeatures and prediction of (512, 512): {ours:.2f} s, {ratio:.1f} times a plain loop")
    assert np.abs(classifier.probabilities(image) - theirs()).mean() < 1e-3
    assert ratio > 1
