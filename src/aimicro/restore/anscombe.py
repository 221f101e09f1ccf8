"""The transform that makes the noise of a camera the same in dark and in bright regions.

Photon noise grows with the signal, but most denoisers expect one noise everywhere. `anscombe`,
close to a square root, brings camera counts there; `inverse_anscombe` brings them back without
bias.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy  # imports its statistics, a third of a second, when asked

from aimicro import checks
from aimicro.simulate import Noise

Image = npt.NDArray[np.float32]


def anscombe(
    image: npt.ArrayLike, *, gain: float = 1.0, offset: float = 0.0, read_noise: float = 0.0
) -> Image:
    r"""Transform camera counts so that the noise is the same in dark and in bright regions.

    With :math:`x = (z - o)/g` in photoelectrons and :math:`\sigma = r/g` in electrons,

    .. math:: f(z) = 2 \sqrt{\max\left(x + \tfrac{3}{8} + \sigma^2,\, 0\right)},

    whose noise has a standard deviation close to 1 from a few photons on.

    Parameters
    ----------
    image : array_like, any shape
        *z*, camera counts.
    gain : float
        *g*, counts per photoelectron.
    offset : float
        *o*, counts of a pixel that no photon reached.
    read_noise : float
        *r*, standard deviation in counts.

    Returns
    -------
    ndarray of float32, same shape
        Stabilised values, in units of the noise.

    Raises
    ------
    TypeError, ValueError
        If the image is not made of finite real numbers, the gain is not above 0, or the read
        noise is below 0.

    See Also
    --------
    inverse_anscombe : The way back, which is *not* this formula solved for *z*.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    References
    ----------
    M. Mäkitalo, A. Foi, "Optimal inversion of the generalized Anscombe transformation for
    Poisson-Gaussian noise", IEEE Transactions on Image Processing 22 (2013) 91-103.
    doi:10.1109/TIP.2012.2202675

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> [round(float(anscombe(rng.poisson(n, 100_000)).std()), 1) for n in (5, 50, 500)]
    [1.0, 1.0, 1.0]
    """
    camera = Noise(gain, offset, read_noise)
    counts = checks.intensities("image", image, ndim=None)
    electrons = (counts - camera.offset) / camera.gain
    variance = (camera.read_noise / camera.gain) ** 2
    return (2 * np.sqrt(np.maximum(electrons + 3 / 8 + variance, 0))).astype(np.float32)


def inverse_anscombe(
    values: npt.ArrayLike, *, gain: float = 1.0, offset: float = 0.0, read_noise: float = 0.0
) -> Image:
    r"""Bring denoised values back from `anscombe` to camera counts, without bias.

    A denoiser estimates the mean :math:`E[f(z)]`, and the root of a mean is more than the mean
    of a root. Solving the formula of `anscombe` for *z* therefore comes out too dark, by up
    to a quarter of a photon, which is much where there are few. The exact unbiased inverse asks
    which mean count :math:`\lambda` has that mean,

    .. math:: E[f(z) \mid \lambda] = \sum_k \frac{\lambda^k e^{-\lambda}}{k!}
              \int 2 \sqrt{\max\left(k + n + \tfrac{3}{8} + \sigma^2, 0\right)}
              \, \mathcal{N}(n; 0, \sigma^2) \, dn,

    from a table for :math:`\lambda` up to 100 and :math:`D^2/4 - 1/8 - \sigma^2` above.

    Parameters
    ----------
    values : array_like, any shape
        *D*, denoised values in the units of `anscombe`.
    gain : float
        *g*, as it was for `anscombe`.
    offset : float
        *o*, as it was for `anscombe`.
    read_noise : float
        *r*, as it was for `anscombe`.

    Returns
    -------
    ndarray of float32, same shape
        Camera counts, never below `offset`: no image has less than no light.

    Raises
    ------
    TypeError, ValueError
        As for `anscombe`.

    Notes
    -----
    Used in chapter 6, *Denoising*.

    References
    ----------
    M. Mäkitalo, A. Foi, "Optimal inversion of the Anscombe transformation in low-count Poisson
    image denoising", IEEE Transactions on Image Processing 20 (2011) 99-109.
    doi:10.1109/TIP.2010.2056693; with read noise, as for `anscombe`.

    Examples
    --------
    >>> import numpy as np
    >>> dim = np.random.default_rng(1).poisson(0.5, size=100_000)
    >>> mean = anscombe(dim).mean()
    >>> print(f"solved {(mean / 2) ** 2 - 3 / 8:.2f}, unbiased {inverse_anscombe(mean):.2f}")
    solved 0.38, unbiased 0.50
    """
    camera = Noise(gain, offset, read_noise)
    means, electrons = _expectations(camera.read_noise / camera.gain)
    D = checks.intensities("values", values, ndim=None)
    variance = (camera.read_noise / camera.gain) ** 2
    many = D**2 / 4 - 1 / 8 - variance
    x = np.where(means[-1] < D, many, np.interp(D, means, electrons))
    return (camera.gain * x + camera.offset).astype(np.float32)


@lru_cache(maxsize=8)
def _expectations(
    read_noise: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean of the transformed counts (first) for mean counts from 0 to 100 electrons (second)."""
    electrons = np.linspace(0, 10, 2001) ** 2
    counts = np.arange(250)  # 15 standard deviations above a mean of 100
    error = np.linspace(-8, 8, 1001)
    weight = scipy.stats.norm.pdf(error)
    weight /= weight.sum()
    argument = counts[:, None] + read_noise * error + 3 / 8 + read_noise**2
    given_count = 2 * np.sqrt(np.maximum(argument, 0)) @ weight
    return scipy.stats.poisson.pmf(counts, electrons[:, None]) @ given_count, electrons
