"""A PSF that is not known: out of many that may be, or searched from one that is nearly right."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from aimicro import checks
from aimicro.restore.anscombe import Image
from aimicro.restore.lucy import log_likelihood
from aimicro.simulate import Noise


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
    (1999) 2377-2391. doi:10.1364/JOSAA.16.002377, which searches the parameters of one PSF instead,
    as `likeliest_parameters` does.

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


def likeliest_parameters(
    image: npt.ArrayLike,
    psf_of: Callable[[npt.NDArray[np.float64]], npt.ArrayLike],
    start: npt.ArrayLike,
    *,
    step: float,
    iterations: int = 30,
    noise: Noise | None = None,
    background: float = 0.0,
    most: int = 150,
) -> npt.NDArray[np.float64]:
    """Search the parameters of a PSF that make an image likeliest: parametric blind deconvolution.

    Each trial deconvolves the image with its PSF [1]_. A simplex creeps uphill [2]_: of a handful
    of trials the worst is mirrored at the others, again and again, and no slope is asked for.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X)
        As for `richardson_lucy`.
    psf_of : callable
        Takes the parameters and gives a PSF, for instance one through a wavefront.
    start : array_like of float
        Parameters to begin with: the likeliest of many that were drawn. A search that begins far
        off may end on another hill.
    step : float
        How far the first trials are from there, in each parameter.
    iterations : int
        Of each deconvolution. Too few prefer PSFs that are too weak.
    noise : Noise, optional
        The camera, as for `richardson_lucy`.
    background : float
        As for `richardson_lucy`.
    most : int
        Trials, at least as many as parameters and two more.

    Returns
    -------
    ndarray of float64
        The parameters.

    Raises
    ------
    TypeError, ValueError
        If the parameters are not finite numbers in a list, if a number is not as described, or as
        for `richardson_lucy`.

    Notes
    -----
    The estimate bends itself to a wrong PSF, as `likely_psf` tells. So what comes out is too weak,
    and the more so the more the true PSF smears. The search ends where trials differ by less than
    a thirtieth of `step`, and 3 in the logarithm of their likelihood.

    Used in appendix A, *Aberration correction*.

    References
    ----------
    .. [1] J. Markham, J.-A. Conchello, "Parametric blind deconvolution: a robust method for the
       simultaneous estimation of image and blur", Journal of the Optical Society of America A 16
       (1999) 2377-2391. doi:10.1364/JOSAA.16.002377
    .. [2] J. A. Nelder, R. Mead, "A simplex method for function minimization", The Computer
       Journal 7 (1965) 308-313. doi:10.1093/comjnl/7.4.308

    Examples
    --------
    >>> y, x = np.mgrid[-4:5, -4:5]
    >>> def leaning(slope):
    ...     spot = np.exp(-(y**2) / 8 - (x - slope[0] * y) ** 2 / 2)
    ...     return spot / spot.sum()
    >>> points = 2000 * np.pad(leaning([0.5]), 8)
    >>> found = likeliest_parameters(points, leaning, [0.2], step=0.2)
    >>> bool(abs(found[0] - 0.5) < 0.05)
    True
    """
    begin = np.asarray(start, dtype=float)
    if begin.ndim != 1 or not begin.size or not np.isfinite(begin).all():
        raise ValueError(
            f"Expected start as a list of finite parameters, got {start!r}. Give what psf_of "
            "takes, for instance the likeliest of many that were drawn."
        )
    checks.number("step", step, above=0, hint="Give how far parameters may be off.")
    checks.whole("most", most, low=begin.size + 2, hint="Start with 30 for each parameter.")

    def unlikeliness(parameters: npt.NDArray[np.float64]) -> float:
        """What is to become small."""
        return -log_likelihood(
            image, psf_of(parameters), iterations=iterations, noise=noise, background=background
        )

    simplex = np.vstack([begin, begin + step * np.eye(begin.size)])
    options = {"maxfev": most, "initial_simplex": simplex, "xatol": step / 30, "fatol": 3}
    found: npt.NDArray[np.float64] = minimize(
        unlikeliness, begin, method="Nelder-Mead", options=options
    ).x
    return found
