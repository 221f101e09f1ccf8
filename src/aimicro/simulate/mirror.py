"""A deformable mirror in the pupil: it bends the wave back, though not quite as it is told."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro import checks


@dataclass(frozen=True, eq=False, kw_only=True)
class Mirror:
    r"""A mirror that is told strengths of modes, and adds others.

    .. math:: \mathbf b = G\, \mathrm{clip}(\mathbf c, -s, s) + \mathbf f

    Attributes
    ----------
    response : array_like, (M, M)
        :math:`G`: what each mode of the command adds to each mode of the wave; the unit matrix
        for a mirror that obeys.
    rest : array_like, (M,)
        :math:`\mathbf f`: what it adds when nothing is asked of it, in radians RMS.
    stroke_rad : float
        :math:`s`: how much of a mode it can make at most, in radians RMS.

    Raises
    ------
    ValueError
        If response and rest do not fit, hold what is not finite, or the stroke is not above 0.

    Notes
    -----
    A real mirror is calibrated, and its calibration ages: hence a *loop*, which looks again after
    each correction [1]_.

    Used in chapter 6, *Measuring and correcting a wavefront*.

    References
    ----------
    .. [1] P. Kner, L. Winoto, D. A. Agard, J. W. Sedat, "Closed loop adaptive optics for
       microscopy without a wavefront sensor", Proc. SPIE 7570 (2010).
       https://doi.org/10.1117/12.840943

    Examples
    --------
    >>> lazy = Mirror(response=0.8 * np.eye(2), rest=[0, 0.1], stroke_rad=1)
    >>> lazy.adds([0.5, -3]).round(2).tolist()
    [0.4, -0.7]
    """

    response: ArrayLike
    rest: ArrayLike
    stroke_rad: float = 2.0

    def __post_init__(self) -> None:
        response, rest = np.asarray(self.response, float), np.asarray(self.rest, float)
        fits = response.shape == (rest.size, rest.size) and rest.ndim == 1
        if not (fits and np.isfinite(response).all() and np.isfinite(rest).all()):
            raise ValueError(
                f"Expected a finite square response and one rest for each mode, got shapes "
                f"{response.shape} and {rest.shape}. Take Mirror.ageing(n) for one that is given."
            )
        checks.number("stroke_rad", self.stroke_rad, above=0)
        object.__setattr__(self, "response", response)
        object.__setattr__(self, "rest", rest)

    @classmethod
    def ageing(
        cls,
        n: int,
        *,
        rng: np.random.Generator | int,
        gain_error: float = 0.15,
        cross_talk: float = 0.05,
        rest_rad: float = 0.15,
        stroke_rad: float = 2.0,
    ) -> "Mirror":
        """Draw a mirror whose calibration is no longer right.

        Parameters
        ----------
        n : int
            Modes.
        rng : numpy.random.Generator or int
            Source of randomness, or its seed.
        gain_error, cross_talk : float
            Standard deviation of what a mode makes of itself, around 1, and of any other mode.
        rest_rad : float
            Length of the wave that it adds at rest, in radians RMS.
        stroke_rad : float
            Most of a mode, in radians RMS.

        Returns
        -------
        Mirror
            It is the same mirror each time it is asked; only its makers did not know it.

        Raises
        ------
        ValueError
            For a number out of range.
        """
        n = checks.whole("n", n, low=1)
        for name, value in (("gain_error", gain_error), ("cross_talk", cross_talk),
                            ("rest_rad", rest_rad)):  # fmt: skip
            checks.number(name, value, low=0)
        rng = np.random.default_rng(rng)
        response = np.eye(n) + cross_talk * rng.normal(size=(n, n))
        response[np.diag_indices(n)] = 1 + gain_error * rng.normal(size=n)
        rest = rng.normal(size=n)
        rest *= rest_rad / np.linalg.norm(rest)
        return cls(response=response, rest=rest, stroke_rad=stroke_rad)

    def adds(self, command: Sequence[float] | ArrayLike) -> NDArray[np.float64]:
        """Strengths that the mirror adds to the wave.

        Parameters
        ----------
        command : array_like, (..., M)
            What is asked for, in radians RMS.

        Returns
        -------
        numpy.ndarray
            float64, ``(..., M)``, in radians RMS.

        Raises
        ------
        ValueError
            If there are not as many strengths as modes, or one is not finite.
        """
        asked, n = np.asarray(command, float), len(np.asarray(self.rest))
        if asked.shape[-1:] != (n,) or not np.isfinite(asked).all():
            raise ValueError(
                f"Expected {n} finite strengths, one for each mode of the mirror, got shape "
                f"{asked.shape}. Give radians RMS, 0 for a mode that is to be left alone."
            )
        told = np.clip(asked, -self.stroke_rad, self.stroke_rad)
        return np.asarray(told @ np.asarray(self.response).T + self.rest)
