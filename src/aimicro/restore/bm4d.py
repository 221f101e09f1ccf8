"""BM4D: cubes of a volume that look alike are filtered together, as blocks are by BM3D."""

import numpy.typing as npt

from aimicro import checks
from aimicro.restore._blocks import Blocks
from aimicro.restore.anscombe import Image
from aimicro.restore.bm3d import FLAT, in_two_stages

_CUBES = Blocks(size=(4, 4, 4), reach=(6, 6, 6))  # published: 5, which is up to 0.3 dB worse


def bm4d(volume: npt.ArrayLike, *, sigma: float) -> Image:
    """Remove white Gaussian noise from a volume by block matching and 4D filtering.

    What `bm3d` does with squares, done with cubes of 4 x 4 x 4 voxels: the most similar ones within
    6 voxels are stacked in 4D, 32 at a time. Cosine transforms take the place of the wavelets,
    which on 4 voxels are no more than Haar's.

    Parameters
    ----------
    volume : array_like, (Z, Y, X)
        Noisy volume in any unit.
    sigma : float
        Standard deviation of the noise in the unit of `volume`, the same everywhere; 0 gives the
        volume back as it is.

    Returns
    -------
    ndarray of float32, (Z, Y, X)
        The denoised volume, in the unit of `volume`.

    Raises
    ------
    TypeError
        If the volume is not made of real numbers, or `sigma` is no number.
    ValueError
        If the volume is not 3D, is empty, has a NaN or an infinity, or `sigma` is negative, NaN or
        infinite.

    See Also
    --------
    aimicro.restore.bm3d : The same for images, with the formulas.

    Notes
    -----
    With 1 to 3 planes there is no room for cubes: then the blocks are flat, those of `bm3d`, and
    similar ones are looked for in all planes. One plane gives what `bm3d` gives.

    Used in appendix A, *Denoising*.

    References
    ----------
    M. Maggioni, V. Katkovnik, K. Egiazarian, A. Foi, "Nonlocal transform-domain filter for
    volumetric data denoising and reconstruction", IEEE Transactions on Image Processing 22
    (2013) 119-133. doi:10.1109/TIP.2012.2210725

    Examples
    --------
    >>> import numpy as np
    >>> box = np.zeros((16, 24, 24))
    >>> box[4:12, 8:20, 6:18] = 10
    >>> noisy = box + np.random.default_rng(1).normal(0, 2, box.shape)
    >>> [round(float(np.std(volume - box)), 1) for volume in (noisy, bm4d(noisy, sigma=2))]
    [2.0, 0.2]
    """
    values = checks.intensities("volume", volume, ndim=3, hint="Denoise an image with bm3d.")
    planes = len(values)
    if planes < _CUBES.size[0]:
        flat = Blocks((1, *FLAT.size), (planes - 1, *FLAT.reach))
        return in_two_stages(values, sigma, flat)
    return in_two_stages(values, sigma, _CUBES, basis="dct", groups=(32, 32))
