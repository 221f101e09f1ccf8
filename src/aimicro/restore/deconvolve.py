"""Classical deconvolution, tuned: undo the blur of a microscope whose PSF is known.

`wiener` divides the blur out of the spectrum, once. `richardson_lucy` asks again and again which
specimen would have given these counts. Both need the PSF, and one number that says when to stop
before the noise is sharpened too; `best_deconvolved` finds that number for a known truth.
"""

from collections.abc import Sequence
from functools import partial

import numpy.typing as npt

from aimicro import checks
from aimicro.metrics import mean_psnr
from aimicro.restore.denoise import best_tuned
from aimicro.restore.inverse import filter_of
from aimicro.restore.kernel import for_each
from aimicro.restore.lucy import richardson_lucy_estimates
from aimicro.restore.tuning import Parameter, Search, Tuned
from aimicro.simulate import Noise

DECONVOLUTIONS = ("richardson_lucy", "wiener", "gaussian")
# From next to an inverse filter to next to a blur.
_RATIO = Parameter("noise to signal", "", (1e-6, 10.0), ratio=11)
_PAST_PEAK_DB = 0.3


def best_deconvolved(
    image: npt.ArrayLike | Sequence[npt.ArrayLike],
    truth: npt.ArrayLike | Sequence[npt.ArrayLike],
    psf: npt.ArrayLike | Sequence[npt.ArrayLike],
    method: str,
    *,
    data_range: float,
    affine: bool = True,
    background: float = 0.0,
    noise: Noise | None = None,
    total_variation: float = 0.0,
    voxel_size_um: float | Sequence[float] = 1.0,
    accelerated: bool = False,
    most_iterations: int = 100,
) -> Tuned:
    """Deconvolve with the strength that comes closest to the truth.

    This is more than fair to the method: with real images there is no truth to tune on.

    Parameters
    ----------
    image : array_like, (Y, X) or (Z, Y, X), or a list of them
        Blurred image or volume. A list or tuple holds several, which get one strength together;
        a single array is always one image.
    truth : array_like, or a list of them
        The truth of each; with ``affine=True`` in any unit.
    psf : array_like, or a list of them
        As for `richardson_lucy`: one for all, or one for each.
    method : {"richardson_lucy", "wiener", "gaussian"}
        What is tuned: the number of iterations, the ratio of noise to signal, or sigma in pixels
        of a Gaussian filter, which needs no PSF and only denoises.
    data_range : float
        Full scale for `aimicro.metrics.psnr`, in the unit of the truth. Its mean over the images
        is made as large as possible.
    affine : bool
        Whether each image is brought to the brightness of its truth before it is scored, with
        `aimicro.metrics.affine_fit`. The images that are returned are as the method made them.
    background : float
        As for `richardson_lucy`; `wiener` needs this and the noise, a Gaussian nothing.
    noise : Noise, optional
        As for `richardson_lucy`.
    total_variation : float
        As for `richardson_lucy`.
    voxel_size_um : float or sequence of float
        As for `richardson_lucy`.
    accelerated : bool
        As for `richardson_lucy`.
    most_iterations : int
        Where `richardson_lucy` ends at the latest. It ends earlier where the score has fallen
        0.3 dB below its peak.

    Returns
    -------
    Tuned
        Strength, score, images and everything that was tried: iterations, ratios or sigmas.

    Raises
    ------
    TypeError, ValueError
        As for the methods and `aimicro.metrics.psnr`; and if there are not as many truths as
        images, or none.

    Notes
    -----
    Used in chapter 6, *Deconvolution*, and appendix A.
    """
    checks.one_of("method", method, DECONVOLUTIONS)
    if method == "gaussian":
        return best_tuned(image, truth, method, data_range=data_range, affine=affine)
    images, truths = checks.same_number(images=image, truths=truth)
    psfs = for_each(psf, len(images))
    pairs = list(zip(images, psfs, strict=True))
    score = partial(mean_psnr, truths, data_range=data_range, affine=affine)
    many = isinstance(image, list | tuple)
    if method == "wiener":
        filters = [filter_of(*pair, noise=noise, background=background) for pair in pairs]
        search = Search(lambda ratio: tuple(each(ratio) for each in filters), score, _RATIO)
        search.run()
        return search.result(method, many=many, low_end=True)
    most = checks.whole("most_iterations", most_iterations, low=1, hint="Start with 100.")
    run = partial(
        richardson_lucy_estimates,
        noise=noise,
        background=background,
        total_variation=total_variation,
        voxel_size_um=voxel_size_um,
        accelerated=accelerated,
    )
    runs = [run(*pair) for pair in pairs]
    # One run that goes on, not one for each number: the grid counts along with it.
    iterations = Parameter("iterations", "", (1, most), discrete=True)
    search = Search(lambda _: tuple(next(run) for run in runs), score, iterations)
    search.run(_PAST_PEAK_DB)
    return search.result(method, many=many)
