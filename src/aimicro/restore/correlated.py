"""Block matching for noise that neighbouring pixels share, such as stripes along a scanned line."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from aimicro import checks
from aimicro.restore._blocks import Places, filter_groups
from aimicro.restore.anscombe import Image
from aimicro.restore.bm3d import FLAT, block_basis, put_back, stacked

_THRESHOLD = 2.7  # noise sd, as in `bm3d`
_HINT = "Give pictures without light, or differences of two pictures divided by the root of 2."


def bm3d_correlated(
    image: npt.ArrayLike, *, noise: Sequence[npt.ArrayLike], strength: float = 1.0
) -> Image:
    r"""Remove correlated noise from an image by block matching, told what the noise looks like.

    As `bm3d`, but each coefficient *c* of a block has a noise of its own: correlated noise is
    strong in some, such as stripes along X, and weak in others. Its standard deviation in each,
    :math:`\sigma_k`, is measured on blocks of pictures of noise alone, and

    .. math:: \hat{c}_1 = c \; [|c| > 2.7 \, s \, \sigma_k], \qquad
              \hat{c}_2 = c \, \frac{p^2}{p^2 + (s \, \sigma_k)^2}.

    Noisy blocks would be matched by their stripes. So they are matched in an image that a Wiener
    filter, told the spectrum of the noise, has smoothed.

    Parameters
    ----------
    image : array_like, (Y, X)
        Noisy image in any unit, of at least 8 x 8 pixels.
    noise : sequence of array_like, (Y, X)
        Pictures of noise alone with the shape and in the unit of `image`, one or more.
    strength : float
        *s*, what the measured noise is multiplied by.

    Returns
    -------
    ndarray of float32, (Y, X)
        The denoised image, in the unit of `image`.

    Raises
    ------
    TypeError
        If an image is not made of real numbers.
    ValueError
        If an image is not 2D, too small or not finite, no picture of noise is given, one has
        another shape or holds no noise, or the strength is not above 0.

    See Also
    --------
    bm3d : Where the noise of a pixel tells nothing about that of the next.

    Notes
    -----
    Blocks of one stack are taken to have independent noise, although they overlap. A method that
    minds that does better still (Mäkinen, Azzari, Foi 2020, doi:10.1109/TIP.2020.3014721).

    Used in chapter 6, *Learning from noise alone*.

    References
    ----------
    K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, "Image restoration by sparse 3D
    transform-domain collaborative filtering", Proc. SPIE 6812 (2008) 681207.
    doi:10.1117/12.766355

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> lines = [gaussian_filter(rng.normal(size=(64, 64)), (0, 2)) for _ in range(3)]
    >>> quiet = bm3d_correlated(lines[0] + 5, noise=lines[1:])
    >>> bool(quiet.std() < 0.5 * lines[0].std())
    True
    """
    values = checks.intensities("image", image, ndim=2)
    strength = checks.number("strength", strength, above=0, hint="Try 1.")
    pictures = [checks.intensities("noise", picture, ndim=2) for picture in noise]
    if not pictures:
        raise ValueError(f"Expected at least one picture in noise, got none. {_HINT}")
    for picture in pictures:
        if picture.shape != values.shape:
            raise ValueError(
                f"Expected pictures of noise of shape {values.shape}, got {picture.shape}. Crop "
                "both alike."
            )
        if picture.std() == 0:
            raise ValueError(f"Expected noise, got a picture that is {picture.flat[0]:g}. {_HINT}")
    if min(values.shape) < max(FLAT.size):
        raise ValueError(f"Expected at least 8 x 8 pixels, got shape {values.shape}.")
    pure = [(picture - picture.mean()).astype(np.float32) for picture in pictures]
    level = values.mean()
    noisy = (values - level).astype(np.float32)
    basis, sd = _told("bior1.5", pure, strength)
    hard = partial(_hard, basis=basis, sd=sd)
    pilot = filter_groups(noisy, _wiener_filtered(noisy, pure), FLAT, 32, hard)
    dark = np.median(pilot)
    basis, sd = _told("dct", pure, strength)
    shrink = partial(_shrink, basis=basis, sd=sd)
    quiet = filter_groups(noisy - dark, pilot - dark, FLAT, 16, shrink)
    return np.asarray(quiet + dark + level, np.float32)


def _told(name: str, noise: Sequence[Image], strength: float) -> tuple[Image, Image]:
    """The basis, and the noise in each of its coefficients."""
    basis = block_basis(name, FLAT.size)
    power = np.mean([((FLAT.cut(n) @ basis.T) ** 2).mean(axis=0) for n in noise], axis=0)
    deviation = strength * np.sqrt(np.maximum(power, 1e-6 * power.max()))
    return basis, deviation.astype(np.float32)


def _wiener_filtered(noisy: Image, noise: Sequence[Image]) -> Image:
    """The image without the frequencies in which there is mostly noise."""

    def power(image: Image) -> Image:
        """How strong each frequency is, the mean of those around it."""
        spectrum = np.abs(np.fft.fft2(image)) ** 2
        return np.asarray(gaussian_filter(spectrum, 1.5, mode="wrap"))

    of_noise = np.mean([power(n) for n in noise], axis=0)
    total = np.maximum(power(noisy), 1e-12)
    share = np.maximum(total - of_noise, 0) / total
    return np.asarray(np.fft.ifft2(share * np.fft.fft2(noisy)).real, np.float32)


def _hard(noisy: Image, _: Image, alike: Places, *, basis: Image, sd: Image) -> tuple[Image, Image]:
    """Keep what stands out of the noise of its coefficient."""
    stacks = stacked(noisy, alike, basis)
    keep = np.abs(stacks) > _THRESHOLD * sd
    keep[0, :, 0] = True  # the mean of the stack
    weights = 1 / (keep * sd**2).sum(axis=(0, 2))
    return put_back(stacks * keep, weights, alike, basis, len(noisy))


def _shrink(
    noisy: Image, pilot: Image, alike: Places, *, basis: Image, sd: Image
) -> tuple[Image, Image]:
    """Shrink by what the pilot says of the signal, and the pictures of noise of the noise."""
    power = stacked(pilot, alike, basis) ** 2
    gain = power / (power + sd**2)
    weights = 1 / np.maximum((gain**2 * sd**2).sum(axis=(0, 2)), float((sd**2).mean()))
    return put_back(gain * stacked(noisy, alike, basis), weights, alike, basis, len(noisy))
