"""BM3D: blocks of an image that look alike are filtered together, twice.

What repeats is structure; what does not is noise. Blocks that look alike are stacked, and after a
transform of the whole stack a few coefficients hold what the blocks share, while noise is spread
over all of them.
"""

import math
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
import pywt
from scipy.fft import dct
from scipy.sparse import csr_array

from aimicro import checks
from aimicro.restore._blocks import Blocks, Places, filter_groups
from aimicro.restore.anscombe import Image

FLAT = Blocks(size=(8, 8), reach=(19, 19))  # as published

_THRESHOLD = 2.7  # noise sd: of coefficients that are only noise, 0.7 % are larger


def bm3d(image: npt.ArrayLike, *, sigma: float) -> Image:
    r"""Remove white Gaussian noise from an image by block matching and 3D filtering.

    For every third block of 8 x 8 pixels along each axis, the most similar ones within 19 pixels
    are stacked upon it. The stack of 32 is transformed in 3D (wavelets across the blocks, Haar
    wavelets along the stack), and small coefficients *c* are set to 0. All blocks go back to their
    places, where they overlap in a weighted mean. With this first estimate, the *pilot*, everything
    is done once more, in stacks of 16: blocks are matched in the pilot, and it tells by how much to
    shrink each coefficient,

    .. math:: \hat{c}_1 = c \; [|c| > 2.7 \, \sigma], \qquad
              \hat{c}_2 = c \, \frac{p^2}{p^2 + \sigma^2},

    the latter, with the pilot's coefficients *p* in a cosine transform, being a Wiener filter.

    Parameters
    ----------
    image : array_like, (Y, X)
        Noisy image in any unit.
    sigma : float
        Standard deviation of the noise in the unit of `image`, the same everywhere; 0 gives the
        image back as it is. Photon noise is made so by `aimicro.restore.anscombe`.

    Returns
    -------
    ndarray of float32, (Y, X)
        The denoised image, in the unit of `image`.

    Raises
    ------
    TypeError
        If the image is not made of real numbers, or `sigma` is no number.
    ValueError
        If the image is not 2D, is empty, has a NaN or an infinity, or `sigma` is negative, NaN or
        infinite.

    See Also
    --------
    aimicro.restore.bm4d : The same for volumes.

    Notes
    -----
    Along an axis of fewer than 8 pixels, a block has 4, 2 or 1. In the paper, a stack holds only
    blocks that are similar enough, 16 at most the first time and 32 the second. Here it holds the
    most similar ones, whatever the contrast of the image. How many, and that the mean of a stack
    is kept or shrunk towards the median of the pilot, was chosen by experiment.

    Used in chapter 6, *Denoising*.

    References
    ----------
    K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, "Image denoising by sparse 3-D
    transform-domain collaborative filtering", IEEE Transactions on Image Processing 16 (2007)
    2080-2095. doi:10.1109/TIP.2007.901238

    Examples
    --------
    >>> import numpy as np
    >>> stripes = 100 + 10 * np.sin(np.arange(64) / 3) * np.ones((64, 1))
    >>> noisy = stripes + np.random.default_rng(1).normal(0, 5, stripes.shape)
    >>> [round(float(np.std(image - stripes)), 1) for image in (noisy, bm3d(noisy, sigma=5))]
    [5.0, 0.7]
    """
    values = checks.intensities("image", image, ndim=2, hint="Denoise a volume with bm4d.")
    return in_two_stages(values, sigma, FLAT)


def in_two_stages(
    values: npt.NDArray[np.float64],
    sigma: float,
    blocks: Blocks,
    *,
    basis: str = "bior1.5",
    groups: tuple[int, int] = (32, 16),
) -> Image:
    """A pilot by hard thresholding in a basis, then a Wiener filter; each in stacks of so many."""
    hint = "It is the noise's standard deviation, in the unit of the image."
    sigma = checks.number("sigma", sigma, low=0, hint=hint)
    if sigma == 0:
        return values.astype(np.float32)
    sides = zip(blocks.size, values.shape, strict=True)
    fitting = Blocks(tuple(2 ** int(math.log2(min(pair))) for pair in sides), blocks.reach)
    level = values.mean()
    noisy = ((values - level) / sigma).astype(np.float32)
    hard = partial(_hard, basis=block_basis(basis, fitting.size))
    pilot = filter_groups(noisy, noisy, fitting, groups[0], hard)
    # A Wiener filter shrinks the mean of a stack, too, so 0 must be what the image is mostly.
    dark = np.median(pilot)
    wiener = partial(_wiener, basis=block_basis("dct", fitting.size))
    quiet = filter_groups(noisy - dark, pilot - dark, fitting, groups[1], wiener)
    return np.asarray((quiet + dark).astype(np.float64) * sigma + level, np.float32)


def _hard(noisy: Image, _: Image, alike: Places, *, basis: Image) -> tuple[Image, Image]:
    """Keep what stands out of the noise; the fewer coefficients are left, the less noise is."""
    stacks = stacked(noisy, alike, basis)
    keep = np.abs(stacks) > _THRESHOLD
    keep[0, :, 0] = True  # the mean of the stack
    return put_back(stacks * keep, 1 / keep.sum(axis=(0, 2)), alike, basis, len(noisy))


def _wiener(noisy: Image, pilot: Image, alike: Places, *, basis: Image) -> tuple[Image, Image]:
    """Shrink by what the pilot says of signal and noise."""
    power = stacked(pilot, alike, basis) ** 2
    gain = power / (power + 1)
    weights = 1 / np.maximum((gain**2).sum(axis=(0, 2)), 1)
    return put_back(gain * stacked(noisy, alike, basis), weights, alike, basis, len(noisy))


def stacked(rows: Image, alike: Places, basis: Image) -> Image:
    """Coefficients (K, G, N) of stacks of blocks, each of which is a row (P, N)."""
    return np.tensordot(block_basis("haar", alike.shape[:1]), (rows @ basis.T)[alike], axes=1)


def put_back(
    stacks: Image, weights: Image, alike: Places, basis: Image, many: int
) -> tuple[Image, Image]:
    """Undo `stacked`: sums of weighted blocks (P, N), and of their weights (P,)."""
    weights = weights.astype(np.float32)
    stacks = np.tensordot(block_basis("haar", alike.shape[:1]).T, weights[:, None] * stacks, axes=1)
    spectra = stacks.reshape(alike.size, -1)
    # Transposed, each row has a single 1: the place of the block.
    ones, ends = np.ones(alike.size, np.float32), np.arange(alike.size + 1)
    put = csr_array((ones, alike.ravel(), ends), (alike.size, many)).T
    # The transform is linear: one inverse for the sum of all spectra that fall on a block.
    sums = (put @ spectra) @ np.linalg.inv(basis).T
    return sums, put @ np.broadcast_to(weights, alike.shape).ravel()


@lru_cache
def block_basis(name: str, size: tuple[int, ...]) -> Image:
    """Basis functions of a block as rows (N, N), the mean first, of norm 1: noise stays 1."""
    basis = np.ones((1, 1))
    for side in size:
        basis = np.asarray(np.kron(basis, _along_axis(name, side)))
    return np.asarray(basis, np.float32)


def _along_axis(name: str, side: int) -> npt.NDArray[np.float64]:
    """Basis functions along one axis, of a cosine transform or of wavelets down to one number."""
    if name == "dct":
        return np.asarray(dct(np.eye(side), axis=0, norm="ortho"))
    mean: npt.NDArray[np.float64] = np.eye(side)
    details: list[npt.NDArray[np.float64]] = []
    while len(mean) > 1:
        mean, detail = pywt.dwt(mean, name, mode="periodization", axis=0)
        details.insert(0, detail)
    rows = np.concatenate([mean, *details])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
