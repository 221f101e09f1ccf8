"""A PSF that is not known, out of many that may be: weighed by how well each explains the image."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aimicro import checks
from aimicro.restore.anscombe import Image


def likely_psf(
    candidates: Sequence[npt.ArrayLike], log_likelihoods: npt.ArrayLike, *, tolerance: float
) -> Image:
    r"""The mean of candidates for a PSF, weighed by how likely they make an image.

    .. math:: h = \sum_k w_k h_k, \qquad w_k \propto L_k^{1/\tau}

    With a *tolerance* :math:`\tau` of 1 that would be Bayes' rule, if each candidate came with the
    true specimen. It comes with an estimate, which bends itself to a wrong PSF and makes all
    likelihoods too sharp. So it takes hundreds. And candidates must differ in shape, not in width:
    with a PSF that is narrower than the true one, a wider specimen explains the image as well.

    Parameters
    ----------
    candidates : sequence of array_like, (Y, X) or (Z, Y, X)
        PSFs of one shape, for instance through random wavefronts of the kind that is expected.
    log_likelihoods : array_like, as many numbers as candidates
        Of one image with each, from `log_likelihood`.
    tolerance : float
        :math:`\tau`, above 0. Small takes the likeliest alone, large the plain mean.

    Returns
    -------
    ndarray of float32, shape of a candidate
        A PSF for `richardson_lucy` and the others, with a sum of 1.

    Raises
    ------
    TypeError, ValueError
        If there are no candidates, or not one likelihood for each, if a number is not finite or a
        candidate negative somewhere, if they differ in shape, or if the tolerance is not above 0.

    Notes
    -----
    Used in appendix A, *Aberration correction*.

    References
    ----------
    J. Markham, J.-A. Conchello, "Parametric blind deconvolution: a robust method for the
    simultaneous estimation of image and blur", Journal of the Optical Society of America A 16
    (1999) 2377-2391. doi:10.1364/JOSAA.16.002377, which searches the parameters of one PSF instead.

    Examples
    --------
    >>> narrow, wide = np.zeros((3, 3)), np.ones((3, 3)) / 9
    >>> narrow[1, 1] = 1
    >>> float(likely_psf([narrow, wide], [-900, -1000], tolerance=1)[1, 1])
    1.0
    """
    tau = checks.number("tolerance", tolerance, above=0, hint="Start with 1000.")
    hint = "Give each as an image or a volume."
    psfs = [checks.intensities("each candidate", psf, low=0, hint=hint) for psf in candidates]
    logs = np.asarray(log_likelihoods, dtype=float)
    if not psfs or logs.shape != (len(psfs),):
        raise ValueError(
            f"Expected a log-likelihood for each of one or more PSFs, got shape {logs.shape} for "
            f"{len(psfs)}. Compute one with log_likelihood for each."
        )
    if not np.isfinite(logs).all():
        raise ValueError(
            f"Expected log-likelihoods that are finite, got {logs[~np.isfinite(logs)][0]:g}. Leave "
            "out the candidates with which the image cannot be explained."
        )
    if len({psf.shape for psf in psfs}) > 1:
        raise ValueError(
            f"Expected PSFs of one shape, got {sorted({psf.shape for psf in psfs})}. "
            "Compute all in the same window."
        )
    weights = np.exp((logs - logs.max()) / tau)
    mean = np.tensordot(weights, np.stack(psfs), axes=1)
    return np.asarray(mean / mean.sum(), np.float32)
