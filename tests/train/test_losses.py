import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from aimicro.metrics import psnr as psnr_of_images
from aimicro.metrics import ssim as ssim_of_images
from aimicro.train import LOSSES, METRICS

RNG = np.random.default_rng(0)
PSNR, SSIM = METRICS["psnr"], METRICS["ssim"]


def pair(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    """A prediction and a truth that are alike, and go below 0 and above 1 as real ones do."""
    truth = RNG.random(shape) * 1.3 - 0.1
    return (truth + RNG.normal(0, 0.2, shape)).astype(np.float32), truth.astype(np.float32)


def batch(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image)[None, None]


@pytest.mark.parametrize("shape", [(20, 31), (11, 11), (11, 16, 13), (14, 12, 20)])
def test_ssim_is_that_of_scikit_image(shape: tuple[int, ...]) -> None:
    prediction, truth = pair(*shape)
    expected = ssim_of_images(truth, prediction, data_range=1)
    assert float(SSIM(batch(prediction), batch(truth))) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(
    ("shape", "widths"),
    [
        ((8, 16, 16), (7, 11, 11)),  # the largest odd width that fits
        ((3, 12, 9), (3, 11, 9)),
        ((2, 16, 16), (1, 11, 11)),
        ((1, 1), (1, 1)),
    ],
)
def test_window_shrinks_to_fit_a_thin_stack(
    shape: tuple[int, ...], widths: tuple[int, ...]
) -> None:
    def local_mean(image: np.ndarray) -> np.ndarray:
        for axis, width in enumerate(widths):
            weights = np.exp(-(np.arange(-(width // 2), width // 2 + 1) ** 2) / (2 * 1.5**2))
            image = correlate1d(image, weights / weights.sum(), axis)
        inside = (slice(w // 2, n - w // 2) for w, n in zip(widths, shape, strict=True))
        return image[tuple(inside)]

    prediction, truth = pair(*shape)
    x, t = prediction.astype(float), truth.astype(float)
    mx, mt = local_mean(x), local_mean(t)
    vx, vt = local_mean(x * x) - mx**2, local_mean(t * t) - mt**2
    covariance = local_mean(x * t) - mx * mt
    similarity = ((2 * mx * mt + 1e-4) * (2 * covariance + 9e-4)) / (
        (mx**2 + mt**2 + 1e-4) * (vx + vt + 9e-4)
    )
    assert float(SSIM(batch(prediction), batch(truth))) == pytest.approx(
        similarity.mean(), abs=2e-5
    )


def test_psnr_has_full_scale_1_and_is_averaged_over_patches() -> None:
    pairs = [pair(16, 16) for _ in range(3)]
    prediction, truth = (torch.cat([batch(pair[i]) for pair in pairs]) for i in (0, 1))
    expected = np.mean([psnr_of_images(t, x, data_range=1) for x, t in pairs])
    assert float(PSNR(prediction, truth)) == pytest.approx(expected, rel=1e-5)


def test_metrics_of_a_batch_are_the_means_of_its_patches() -> None:
    """So it does not matter into how many batches the validation patches are put."""
    prediction, truth = torch.rand(2, 4, 1, 8, 12, 12).unbind()
    for metric in METRICS.values():
        one_by_one = [float(metric(prediction[i : i + 1], truth[i : i + 1])) for i in range(4)]
        assert float(metric(prediction, truth)) == pytest.approx(np.mean(one_by_one), rel=1e-5)


@pytest.mark.parametrize("shape", [(16, 16), (8, 16, 16)])
def test_losses_with_ssim(shape: tuple[int, ...]) -> None:
    prediction, truth = (batch(image) for image in pair(*shape))
    dissimilarity = 1 - float(SSIM(prediction, truth))
    assert float(LOSSES["ssim"](prediction, truth)) == pytest.approx(dissimilarity)
    both = float(LOSSES["mae"](prediction, truth)) + dissimilarity
    assert float(LOSSES["mae+ssim"](prediction, truth)) == pytest.approx(both)


@pytest.mark.parametrize("name", ["ssim", "mae+ssim"])
def test_following_the_gradient_leads_to_the_truth(name: str) -> None:
    torch.manual_seed(0)
    truth = torch.rand(1, 1, 5, 14, 14)
    image = (truth + 0.3 * torch.randn_like(truth)).requires_grad_()
    optimiser = torch.optim.Adam([image], lr=0.02)
    before = float(SSIM(image.detach(), truth))
    for _ in range(150):
        optimiser.zero_grad()
        LOSSES[name](image, truth).backward()
        optimiser.step()
    assert before < 0.8
    assert float(SSIM(image.detach(), truth)) > 0.99


def test_flat_images_have_a_similarity_and_a_gradient() -> None:
    flat = torch.zeros(1, 1, 8, 12, 12, requires_grad=True)
    loss = LOSSES["ssim"](flat, torch.zeros(1, 1, 8, 12, 12))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()
