"""BM4D: cubes of a volume that look alike are filtered together, as blocks are by BM3D."""

import numpy.typing as npt

from aimicro import checks
from aimicro.restore._blocks import Blocks
from aimicro.restore.anscombe import Image
from aimicro.restore.bm3d import FLAT, in_two_stages

_CUBES = Blocks(size=(4, 4, 4), reach=(5, 5, 5))  # as published


def bm4d(volume: npt.ArrayLike, *, sigma: float) -> Image:
    """Remove white Gaussian noise from a volume by block matching and 4D filtering.

    What `bm3d` does with squares, done with cubes of 4 x 4 x 4 voxels: the 15 most similar cubes
    within 5 voxels are found, and the 4D stack of 16 is thresholded, and filtered once more with
    the result as pilot.

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
    >>> ball = (np.indices((16, 24, 24)).T - (8, 12, 12) < 6).all(axis=-1).T * 10.0
    >>> noisy = ball + np.random.default_rng(1).normal(0, 2, ball.shape)
    >>> [round(float(np.std(volume - ball)), 1) for volume in (noisy, bm4d(noisy, sigma=2))]
    [2.0, 0.4]
    """
    values = checks.intensities("volume", volume, ndim=3, hint="Denoise an image with bm3d.")
    planes = len(values)
    if planes < _CUBES.size[0]:
        return in_two_stages(values, sigma, Blocks((1, *FLAT.size), (planes - 1, *FLAT.reach)))
    return in_two_stages(values, sigma, _CUBES)
