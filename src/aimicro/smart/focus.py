"""Where the focus is, told by how two snaps differ."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro import checks
from aimicro.simulate import Microscope, Noise
from aimicro.smart._spectra import frequencies, variance, window

_FINEST = 0.25  # cycles per pixel; beyond, a lens of low aperture passes no light


class FocusReader:
    r"""Reads the height of a thin specimen from snaps at known distances from each other.

    The spectrum of snap *k* is :math:`F_k = O \, H(z_k - z)`, with the unknown specimen :math:`O`
    and the transfer function :math:`H` of the lens at this defocus. For every height *z* the
    specimen that fits best is known in closed form, and what remains is

    .. math:: r(z) = \sum_f \Big( \sum_k \frac{|F_k|^2}{v_k}
              - \frac{|\sum_k H_k F_k / v_k|^2}{\sum_k H_k^2 / v_k} \Big)

    with the noise :math:`v_k`. The height with the least rest is the answer. This is phase
    diversity [1]_ with a single unknown; it needs two snaps, and no training.

    Parameters
    ----------
    microscope : Microscope
        The lens; its pixels are those of the snaps.
    shape : (int, int)
        ``(Y, X)`` of the snaps in pixels.
    reach_um : float
        Largest defocus that may occur, the known distances included.
    step_um : float, default 0.5
        Steps in which heights are tried.
    specimens : sequence of array_like, (Y, X), optional
        Sharp specimens of the kind that will come, of the shape of the snaps.

    Raises
    ------
    ValueError
        If a number is out of range, or the snaps are smaller than 16 pixels.

    Notes
    -----
    The snaps fade to nothing at the border (Tukey window), since light beyond it is not known.

    Used in chapter 7, *Adaptive acquisition*.

    References
    ----------
    .. [1] R. A. Gonsalves, "Phase retrieval and diversity in adaptive optics", Optical
       Engineering 21 (1982) 829-832. https://doi.org/10.1117/12.7972989
    """

    def __init__(
        self,
        microscope: Microscope,
        shape: tuple[int, int],
        *,
        reach_um: float,
        step_um: float = 0.5,
        specimens: Sequence[ArrayLike] = (),
    ) -> None:
        checks.number("reach_um", reach_um, above=0, unit="µm")
        self.step_um = checks.number("step_um", step_um, above=0, high=reach_um, unit="µm")
        if min(shape) < 16:
            raise ValueError(f"Expected snaps of 16 pixels or more, got {shape}. Take larger ones.")
        self._planes = math.ceil(reach_um / step_um)
        lens = replace(microscope, voxel_size_um=(step_um, *microscope.voxel_size_um[-2:]))
        odd = [side - 1 + side % 2 for side in shape]
        stack = lens.psf((2 * self._planes + 1, *odd)).astype(float)
        stack /= stack.sum(axis=(1, 2), keepdims=True)
        padded = np.zeros((len(stack), *shape))
        padded[:, : odd[0], : odd[1]] = stack
        shift = (-(odd[0] // 2), -(odd[1] // 2))
        self._otfs = np.fft.rfft2(np.roll(padded, shift, axis=(1, 2))).real
        self._window = window(shape)
        across = frequencies(shape)
        self._use = (across > 1 / min(shape)) & (across < _FINEST)
        self._typical = self._power(specimens, across) if len(specimens) else None

    def _power(
        self, specimens: Sequence[ArrayLike], across: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Mean power of specimens in rings, relative to their squared mean."""
        fields = [checks.intensities("specimens", one, ndim=2) for one in specimens]
        relative = [(field / field.mean() - 1) * self._window for field in fields]
        power = np.mean([np.abs(np.fft.rfft2(one)) ** 2 for one in relative], axis=0)
        ring = np.rint(across * min(self._window.shape)).astype(int)
        means = np.bincount(ring.ravel(), power.ravel()) / np.maximum(np.bincount(ring.ravel()), 1)
        found: NDArray[np.float64] = means[ring][self._use]
        return found

    def otf(self, defocus_um: float) -> NDArray[np.float64]:
        """Transfer function at a defocus: ``(Y, X // 2 + 1)``, to multiply ``rfft2`` with."""
        plane = round(defocus_um / self.step_um)
        if abs(plane) > self._planes:
            raise ValueError(
                f"Expected a defocus within {self._planes * self.step_um:g} µm, got "
                f"{defocus_um:g}. Make the reader with a larger reach_um."
            )
        found: NDArray[np.float64] = self._otfs[self._planes + plane]
        return found

    def misfit(
        self,
        images: Sequence[ArrayLike],
        at_um: Sequence[float],
        heights_um: ArrayLike,
        *,
        noise: Noise,
        background: float = 0.0,
    ) -> NDArray[np.float64]:
        """Tell how badly each height explains the snaps.

        Parameters
        ----------
        images : sequence of array_like, (Y, X)
            Two snaps or more, of a specimen that has not moved.
        at_um : sequence of float
            Height of the focus in each.
        heights_um : array_like
            Heights of the specimen that are tried.
        noise : Noise
            Of the camera, in the unit of the images.
        background : float, default 0
            What a pixel without a specimen shows; it matters only with `specimens`.

        Returns
        -------
        ndarray of float64
            :math:`r` for each height.

        Raises
        ------
        ValueError
            If there are fewer than two snaps, or not as many heights of the focus.
        """
        if len(images) != len(at_um) or len(images) < 2:
            raise ValueError(
                f"Expected two snaps or more, with a height each, got {len(images)} and "
                f"{len(at_um)}. One snap alone cannot tell above from below."
            )
        values = [checks.intensities("images", image, ndim=2) for image in images]
        spectra = np.array([np.fft.rfft2((v - v.mean()) * self._window)[self._use] for v in values])
        power = float(np.sum(self._window**2))
        variances = np.array([power * variance(value, noise) for value in values])[:, None]
        light = max(float(np.mean(values)) - background, 1e-6)
        rests = []
        for height in np.asarray(heights_um, float):
            otfs = np.array([self.otf(at - height)[self._use] for at in at_um])
            fits = np.abs(np.sum(otfs * spectra / variances, axis=0)) ** 2
            seen = np.sum(otfs**2 / variances, axis=0)
            rests.append(self._rest(fits, seen, light))
        return np.array(rests)

    def _rest(self, fits: NDArray[np.float64], seen: NDArray[np.float64], light: float) -> float:
        """Sum over frequencies what a height leaves, but for what all heights share."""
        if self._typical is None:
            return -float(np.sum(fits / (seen + 1e-12)))
        power = self._typical * light**2
        return float(np.sum(np.log1p(power * seen) - power * fits / (1 + power * seen)))

    def find(
        self,
        images: Sequence[ArrayLike],
        at_um: Sequence[float],
        *,
        within_um: float,
        noise: Noise,
        background: float = 0.0,
    ) -> float:
        """Return the height in µm, between ``-within_um`` and ``within_um``, that explains best."""
        count = int(within_um / self.step_um)
        heights = self.step_um * np.arange(-count, count + 1)
        rests = self.misfit(images, at_um, heights, noise=noise, background=background)
        best = int(rests.argmin())
        if not 0 < best < len(heights) - 1:
            return float(heights[best])
        low, middle, high = rests[best - 1 : best + 2]
        bend = low - 2 * middle + high
        return float(heights[best] + self.step_um * 0.5 * (low - high) / max(bend, 1e-12))


def spectrum(image: ArrayLike, *, noise: Noise, bins: int = 24) -> NDArray[np.float32]:
    """Describe an image by how strong it is at each fineness, whatever lies where.

    Parameters
    ----------
    image : array_like, (Y, X)
        Intensities.
    noise : Noise
        Of the camera, in the unit of the image.
    bins : int, default 24
        Rings up to 0.25 cycles per pixel.

    Returns
    -------
    ndarray of float32, (bins,)
        Logarithm of the mean power in each ring, where noise alone has 0.

    Raises
    ------
    ValueError
        If the image is not 2D, or `bins` not 1 or more.

    Notes
    -----
    A network that reads defocus gets these numbers, as Pinkard and others give theirs the size of
    the Fourier transform: https://doi.org/10.1364/OPTICA.6.000794

    Used in chapter 7, *Adaptive acquisition*.
    """
    values = checks.intensities("image", image, ndim=2)
    count = checks.whole("bins", bins, low=1)
    fading = window(values.shape)
    power = np.abs(np.fft.rfft2((values - values.mean()) * fading)) ** 2
    power /= np.sum(fading**2) * variance(values, noise)
    across = frequencies(values.shape)
    ring = np.minimum((across * count / _FINEST).astype(int), count)
    sums = np.bincount(ring.ravel(), power.ravel(), count + 1)[:count]
    counts = np.bincount(ring.ravel(), minlength=count + 1)[:count]
    return np.log(sums / np.maximum(counts, 1) + 0.05).astype(np.float32)
