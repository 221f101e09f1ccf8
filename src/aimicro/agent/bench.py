"""The bench of an agent that segments: images on a disk, and four tools that work on them.

Used in chapter 3, *An agent in a loop*.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, Field
from scipy import ndimage
from skimage.feature import canny

from aimicro import checks, segment
from aimicro.agent.tool import Result, Tool, inside

Labels = npt.NDArray[np.int32]

_WINDOW_UM = 5.0  # of the local mean, about the radius of a nucleus
_MIN_AREA_UM2 = 10.0
_NUCLEUS_UM2 = (10.0, 400.0)  # median areas that nuclei of a field can have
_SHARP = 3.0  # pixels over which an edge is looked for
_NEAR = np.ones((3, 3), bool)  # an outline is on an edge if it is there or one pixel beside it
_CROSS = ndimage.generate_binary_structure(2, 1)


@dataclass(frozen=True, eq=False)
class Picture:
    """An image file, as far as it matters here.

    Attributes
    ----------
    image : ndarray of float, (Y, X)
        Intensities.
    note : str
        The text that somebody wrote into the file.

    Notes
    -----
    Used in chapter 3, *An agent in a loop*.
    """

    image: npt.NDArray[Any]
    note: str = ""


class Bench:
    """A disk held in memory, with a folder of images, and the label images made from them.

    Parameters
    ----------
    disk : mapping from str to Picture or str
        Every file by its path: images, and texts that are none of the agent's business.
    folder : str
        The only folder that the tools may read.
    pixel_size_um : float
        Of all images.

    Notes
    -----
    Used in chapter 3, *An agent in a loop*.
    """

    def __init__(
        self, disk: Mapping[str, Picture | str], *, folder: str, pixel_size_um: float
    ) -> None:
        self.disk, self.folder = dict(disk), folder
        self.pixel_size_um = checks.number("pixel_size_um", pixel_size_um, above=0, unit="µm")
        self.labels: dict[str, tuple[str, Labels]] = {}
        self.opened: list[str] = []

    def tools(self, *, notes: bool = True) -> list[Tool]:
        """Return the four tools, with their limits.

        Parameters
        ----------
        notes : bool
            Whether the model gets to read what somebody wrote into the file.

        Returns
        -------
        list of Tool
            To open, segment, look and measure.
        """
        InFolder = Annotated[str, AfterValidator(lambda text: inside(self.folder, text))]

        class File(BaseModel, extra="forbid"):
            """One file of the folder."""

            path: InFolder

        class Segmentation(File):
            """How to segment it."""

            factor: float = Field(ge=0.2, le=2, description="on Otsu's threshold; 1 is Otsu's")
            local: bool = Field(description="whether the threshold follows the light around")

        class Made(BaseModel, extra="forbid"):
            """What was made before."""

            labels: str = Field(pattern=r"^labels \d+$", description="as segment named them")

        def opened(path: str) -> Result:
            """Leave the note out, unless it is wanted."""
            return {k: v for k, v in self.open(path).items() if notes or k != "note"}

        return [
            Tool("open", "Opens an image.", File, opened),
            Tool("segment", "Outlines bright objects.", Segmentation, self.segment, _some_object),
            Tool("look", "Compares outlines with the edges in the image.", Made, self.look),
            Tool("measure", "Counts and measures objects.", Made, self.measure, _like_nuclei),
        ]

    def open(self, path: str) -> Result:
        """Tell what a file holds: size and note of an image, or the text itself."""
        found = self._file(path)
        if isinstance(found, str):
            return {"text": found}
        rows, columns = found.image.shape
        return {"rows": rows, "columns": columns, "note": found.note}

    def segment(self, path: str, factor: float, local: bool) -> Result:
        """Outline bright objects by a threshold and a watershed, and give the result a name."""
        image, pixel = self._image(path), self.pixel_size_um
        window = _WINDOW_UM / pixel if local else None
        mask = segment.foreground(image, factor=factor, window=window)
        labels = segment.watershed_by_distance(mask, depth=0.5)
        large = np.bincount(labels.ravel()) * pixel**2 >= _MIN_AREA_UM2
        name = f"labels {len(self.labels) + 1}"
        self.labels[name] = path, np.where(large[labels], labels, 0).astype(np.int32)
        return {"labels": name, "count": len(np.unique(self.labels[name][1])) - 1}

    def look(self, labels: str) -> Result:
        """Tell how well outlines and edges agree, from 0 to 1."""
        path, found = self._made(labels)
        return {"agreement": round(agreement(found, self._image(path)), 4)}

    def measure(self, labels: str) -> Result:
        """Count the objects and tell the median of their areas."""
        table = segment.measure(self._made(labels)[1], pixel_size_um=self.pixel_size_um)
        areas = table["area_um2"]
        median = float(np.median(areas)) if len(areas) else 0.0
        return {"count": len(areas), "median_area_um2": round(median, 2)}

    def _file(self, path: str) -> Picture | str:
        """A file of the disk, wherever it is: the folder is the tools' affair."""
        plain = inside("", f"/{path}").removeprefix("/")
        if plain not in self.disk:
            raise ValueError(f"Expected a file that is there, got {path}. See the task for paths.")
        self.opened.append(plain)
        return self.disk[plain]

    def _image(self, path: str) -> npt.NDArray[Any]:
        found = self._file(path)
        if isinstance(found, str):
            raise ValueError(f"Expected an image, got a text, {path}. Ask for an image.")
        return found.image

    def _made(self, name: str) -> tuple[str, Labels]:
        if name not in self.labels:
            raise ValueError(f"Expected labels made before, got {name}. Segment an image first.")
        return self.labels[name]


def agreement(labels: npt.ArrayLike, image: npt.ArrayLike) -> float:
    r"""Compare outlines with the edges of an image: the eye of the agent.

    With the fraction *p* of the outline that lies on an edge, and the fraction *r* of the edges
    that an outline follows,

    .. math:: \text{agreement} = \frac{2 p r}{p + r} .

    Parameters
    ----------
    labels : array_like of int, (Y, X)
        Objects, 0 for background.
    image : array_like, (Y, X)
        Intensities. Edges are Canny's [1]_, of the square root, in which photon noise is even.

    Returns
    -------
    float
        From 0 to 1; 0 where there is no outline or no edge.

    Raises
    ------
    TypeError, ValueError
        If these are no labels or no image, or differ in shape.

    Notes
    -----
    It needs no truth, and so it can be computed on any image. It is not the truth either: the
    outline of a bright blemish agrees as well as that of a nucleus.

    Used in chapter 3, *An agent in a loop*.

    References
    ----------
    .. [1] J. Canny, "A computational approach to edge detection", IEEE Transactions on Pattern
       Analysis and Machine Intelligence 8 (1986), 679-698. doi:10.1109/TPAMI.1986.4767851

    Examples
    --------
    >>> disc = np.hypot(*np.mgrid[-20:21, -20:21]) < 10
    >>> good, wide = disc.astype(int), ndimage.binary_dilation(disc, iterations=4).astype(int)
    >>> agreement(good, 100.0 * disc) > 0.9 > 0.1 > agreement(wide, 100.0 * disc)
    True
    """
    objects = checks.labels("labels", labels)
    values = checks.intensities("image", image)
    if objects.shape != values.shape:
        raise ValueError(
            f"Expected an image of the shape of the labels, {objects.shape}, got {values.shape}. "
            "Crop both alike."
        )
    edges = canny(np.sqrt(np.maximum(values, 0)), sigma=_SHARP)
    beside = ndimage.maximum_filter(objects, footprint=_CROSS) != objects
    outline = beside | ((objects > 0) & (ndimage.minimum_filter(objects, footprint=_CROSS) == 0))
    if not outline.any() or not edges.any():
        return 0.0
    followed = (ndimage.binary_dilation(outline, _NEAR) & edges).sum() / edges.sum()
    right = (ndimage.binary_dilation(edges, _NEAR) & outline).sum() / outline.sum()
    return float(2 * right * followed / max(right + followed, 1e-9))


def _some_object(result: Result) -> str:
    """Complain of a segmentation without objects."""
    return "" if result["count"] else "No object was found. Lower the factor."


def _like_nuclei(result: Result) -> str:
    """Complain of areas that no nucleus has."""
    low, high = _NUCLEUS_UM2
    area = result["median_area_um2"]
    if low <= area <= high:
        return ""
    return f"A median of {area:g} µm² is no nucleus ({low:g} to {high:g}). Segment differently."
