"""Methods side by side: each result with its score, and the errors below."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aimicro import checks
from aimicro.metrics import affine_fit, mse, psnr, ssim
from aimicro.show.figure import Figure
from aimicro.show.panels import Panels, panels
from aimicro.show.picture import Zoom
from aimicro.show.slider import slider

SCORES: dict[str, Callable[[Any, Any, float], str]] = {
    "psnr": lambda truth, image, span: f"{psnr(truth, image, data_range=span):.1f} dB",
    "ssim": lambda truth, image, span: f"SSIM {ssim(truth, image, data_range=span):.3f}",
    "mse": lambda truth, image, span: f"error {mse(truth, image):.3g}",
}


def compare(
    images: Mapping[str, ArrayLike],
    truth: ArrayLike,
    *,
    data_range: float,
    alt: str,
    caption: str = "",
    score: str = "psnr",
    affine: bool = False,
    notes: Mapping[str, str] | None = None,
    truth_name: str = "Truth",
    view: Callable[[NDArray[Any]], ArrayLike] | None = None,
    limits: tuple[float, float] | None = None,
    errors: bool = False,
    error_limit: float | None = None,
    key: str | None = None,
    zoom: Zoom | None = None,
    pixel_size_um: float | tuple[float, float] | None = None,
    columns: int | None = None,
) -> Panels:
    """Show what methods made of one image beside the truth, each with its score.

    Parameters
    ----------
    images : mapping of str to array_like, shape (Y, X) or (Z, Y, X)
        The results by the names of the methods; all are drawn with the same grey for a value.
    truth : array_like
        What they are compared with, of the same shape.
    data_range : float
        Range of the values, for PSNR and SSIM.
    alt : str
        What a reader who cannot see the figure has to know.
    caption : str
        What to notice.
    score : "psnr", "ssim" or "mse"
        Measured on the whole image or volume, and written below each result.
    affine : bool
        Fit gain and offset of each result to the truth before it is measured and drawn.
    notes : mapping of str to str, optional
        Lines in place of the score, by name; "" for none.
    truth_name : str
        What the last panel is called.
    view : callable, optional
        What is drawn of each, such as ``lambda v: v[:, 84]``; by default volumes are seen from
        above, as the maximum along z.
    limits : (float, float), optional
        Values drawn black and white; by default the extremes of all.
    errors : bool
        Add a row of differences from the truth: red too bright, blue too dark.
    error_limit : float, optional
        The difference drawn in full colour.
    key : str, optional
        What the values are, such as "photons"; draws the colours with their limits.
    zoom : (slice, slice), optional
        Rows and columns of a detail.
    pixel_size_um : float or (float, float), optional
        Pixel size of what is drawn, in (y, x) order; draws a scale bar.
    columns : int, optional
        Panels in a row; with errors by default one for each result and the truth.

    Returns
    -------
    Panels
        The results, the truth, and the errors.

    Raises
    ------
    ValueError
        If a result has another shape than the truth, or a score or a name is not known.

    Notes
    -----
    Used in every chapter that compares methods on images.

    Examples
    --------
    >>> import numpy as np
    >>> from aimicro import show
    >>> truth = np.tile(np.arange(32.0), (32, 1))
    >>> show.compare({"Measured": truth + 1}, truth, data_range=10, alt="Ramps.", errors=True)
    Ramps.
    """
    measure = SCORES[checks.one_of("score", score, SCORES)]
    clean = checks.image("truth", truth)
    results = {name: _alike(name, image, clean, affine) for name, image in images.items()}
    lines = {name: measure(clean, image, data_range) for name, image in results.items()}
    lines[truth_name] = "known"
    for name, note in (notes or {}).items():
        lines[checks.one_of("the name of a note", name, lines)] = note
    draw = view or _from_above
    shown = {
        name: np.asarray(draw(image)) for name, image in (results | {truth_name: clean}).items()
    }
    apart = [shown[name] - shown[truth_name].astype(float) for name in results] if errors else []
    grey = limits or (min(map(np.min, shown.values())), max(map(np.max, shown.values())))
    ranges: dict[str, tuple[float, float]] = {"gray": grey}
    if apart:
        most = error_limit or max(float(np.abs(error).max()) for error in apart) or 1.0
        ranges["RdBu_r"] = (-most, most)
    return panels(
        [*shown.values(), *apart],
        titles=[*shown, *(f"Error: {name}" for name in results if errors)],
        notes=[*lines.values(), *[""] * len(apart)],
        cmap=["gray"] * len(shown) + ["RdBu_r"] * len(apart),
        limits=ranges,
        columns=columns or (len(shown) if apart else None),
        key=key,
        zoom=zoom,
        pixel_size_um=pixel_size_um,
        alt=alt,
        caption=caption,
    )


def slider_of(
    draw: Callable[[Any], Figure],
    values: Any,
    *,
    label: str,
    text: str | Callable[[Any], str] = "{}",
    alt: str,
    caption: str = "",
    start: int = 0,
) -> Figure:
    """Draw a figure for each of several values, and let the reader choose.

    Parameters
    ----------
    draw : callable
        Takes a value, and returns a `Figure`.
    values : iterable
        The values.
    label : str
        What the slider changes, such as "Light".
    text : str or callable
        How a value is written, such as "{} photons" or "NA {:.2f}".
    alt : str
        What happens from the first value to the last.
    caption : str
        What to do and what to notice.
    start : int
        The place of the value that is shown first.

    Returns
    -------
    Figure
        The slider.

    Raises
    ------
    TypeError
        If `draw` returns something else than a figure.
    ValueError
        If there are fewer than two values, or none at `start`.

    Notes
    -----
    Used in chapter 6, *Image formation*.
    """
    listed = list(values)
    write = text.format if isinstance(text, str) else text
    return slider(
        [draw(value) for value in listed],
        label=label,
        values=[write(value) for value in listed],
        alt=alt,
        caption=caption,
        start=start,
    )


def _alike(name: str, image: ArrayLike, truth: NDArray[Any], affine: bool) -> NDArray[Any]:
    """Return a result that can be compared with the truth."""
    found = checks.image(f"images[{name!r}]", image)
    if found.shape != truth.shape:
        raise ValueError(
            f"Expected images[{name!r}] of the truth's shape {truth.shape}, got {found.shape}. "
            "Crop both alike."
        )
    return np.asarray(affine_fit(truth, found).image) if affine else found


def _from_above(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image, or the maximum of a volume along z."""
    return np.asarray(image.max(axis=0)) if image.ndim == 3 else image
