"""How far a result is from the truth.

Empty images have one rule. A result that equals its truth is perfect: where both are empty, a
score is 1 and a distance 0. The argument `empty` of each function replaces that value;
``empty=math.nan`` leaves such images out of ``numpy.nanmean``. Where only one of them is empty, a
score that would be 0/0 is 0, a distance is infinite, and all else follows from the formula. What is
no function here is a method of `Confusion`:

=================================================  ==========  ===========  ================
score                                              both empty  truth empty  prediction empty
=================================================  ==========  ===========  ================
`iou`, `dice`, `f_beta`, `precision`, `recall`     1           0            0
`matthews_correlation`, `cohens_kappa`             1           0            0
`specificity`                                      1           TN / N       1
`balanced_accuracy`                                1           TN / 2N      1/2
`centreline_dice`, `surface_dice`, `boundary_iou`  1           0            0
`hausdorff`, `average_surface_distance`            0           infinite     infinite
`match`: every score of its result                 1           0            0
`average_precision`, `panoptic_quality`            1           0            0
`aggregated_jaccard`                               1           0            0
=================================================  ==========  ===========  ================

Here TN are the pixels, of N, that are background in both images. The last two columns hold where
the other image has some foreground, and the argument `empty` does not change them.
"""

from aimicro.metrics.anisotropy import side_contrast
from aimicro.metrics.calibration import (
    Reliability,
    brier_score,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from aimicro.metrics.corrections import Corrections, corrections
from aimicro.metrics.detail import Strayed, crests, strayed, valley
from aimicro.metrics.distance import (
    average_surface_distance,
    boundary_iou,
    hausdorff,
    surface_dice,
)
from aimicro.metrics.doubt import RiskCoverage, Uncertainty, risk_coverage, uncertainty
from aimicro.metrics.matching import (
    Matching,
    aggregated_jaccard,
    average_precision,
    match,
    panoptic_quality,
)
from aimicro.metrics.overlap import (
    Confusion,
    centreline_dice,
    confusion,
    dice,
    iou,
    per_class,
)
from aimicro.metrics.overlap_table import OverlapTable, best_pairs, overlap_table
from aimicro.metrics.resolution import (
    Decorrelation,
    FourierCorrelation,
    decorrelation,
    fourier_correlation,
)
from aimicro.metrics.restoration import AffineFit, affine_fit, mean_psnr, mse, nrmse, psnr, ssim
from aimicro.metrics.seams import seams
from aimicro.metrics.splits import SplitsAndMerges, splits_and_merges
from aimicro.metrics.tracking import (
    TrackingScores,
    score_points,
    score_tracking,
    tracking_graph,
)
from aimicro.metrics.without_truth import Residual, residual, split_error, split_photons

__all__ = [
    "AffineFit",
    "Confusion",
    "Corrections",
    "Decorrelation",
    "FourierCorrelation",
    "Matching",
    "OverlapTable",
    "Reliability",
    "Residual",
    "RiskCoverage",
    "SplitsAndMerges",
    "Strayed",
    "TrackingScores",
    "Uncertainty",
    "affine_fit",
    "aggregated_jaccard",
    "average_precision",
    "average_surface_distance",
    "best_pairs",
    "boundary_iou",
    "brier_score",
    "centreline_dice",
    "confusion",
    "corrections",
    "crests",
    "decorrelation",
    "dice",
    "expected_calibration_error",
    "fit_temperature",
    "fourier_correlation",
    "hausdorff",
    "iou",
    "match",
    "mean_psnr",
    "mse",
    "nrmse",
    "overlap_table",
    "panoptic_quality",
    "per_class",
    "psnr",
    "reliability",
    "residual",
    "risk_coverage",
    "score_points",
    "score_tracking",
    "seams",
    "side_contrast",
    "split_error",
    "split_photons",
    "splits_and_merges",
    "ssim",
    "strayed",
    "surface_dice",
    "tracking_graph",
    "uncertainty",
    "valley",
]
