"""Outlines as GeoJSON, with the properties that QuPath writes and reads.

Coordinates are pixels, x first, from the upper left corner of the image. A geometry has a foreign
member `plane` where it is not on the first one; its `z` and `t` count from 0.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aimicro.io._drawn import Drawn, read_bytes, ring


def read_geojson(path: Path) -> list[Drawn]:
    """Return what is drawn in a FeatureCollection, a list of features, or a single one."""
    try:
        content = json.loads(read_bytes(path).decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError(
            "Expected GeoJSON, got JSON nested too deep. Export the annotations again."
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError, OverflowError) as error:
        raise ValueError(
            f"Expected GeoJSON, got no JSON at all: {error}. Export the annotations again."
        ) from error
    if isinstance(content, dict):
        content = content.get("features", [content])
    if not isinstance(content, list):
        raise _unlike("a FeatureCollection", content)
    return [_drawn(f"feature {place}", feature) for place, feature in enumerate(content)]


def geojson_bytes(features: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a FeatureCollection."""
    collection = {"type": "FeatureCollection", "features": list(features)}
    return json.dumps(collection, separators=(",", ":"), ensure_ascii=False).encode()


def feature(
    name: str,
    polygons: Sequence[Sequence[NDArray[np.int64]]],
    *,
    plane: int | None,
    kind: str | None,
) -> dict[str, Any]:
    """Return an annotation of QuPath, on a plane of a stack counted from 0."""
    coordinates = [
        [[*corners[:, ::-1].tolist(), corners[0, ::-1].tolist()] for corners in rings]
        for rings in polygons
    ]
    one = len(coordinates) == 1
    geometry: dict[str, Any] = {
        "type": "Polygon" if one else "MultiPolygon",
        "coordinates": coordinates[0] if one else coordinates,
    }
    if plane is not None:
        geometry["plane"] = {"c": -1, "z": plane, "t": 0}  # -1 is all channels
    properties: dict[str, Any] = {"objectType": "annotation", "name": name}
    if kind is not None:
        properties["classification"] = {"name": kind}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _drawn(where: str, content: Any) -> Drawn:
    """Read one feature, or say what is wrong with it."""
    geometry = content.get("geometry") if isinstance(content, dict) else None
    if not isinstance(geometry, dict):
        raise _unlike(f"{where} with a geometry", content)
    properties = content.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    name = properties.get("name")
    name = name if isinstance(name, str) else ""
    polygons: Any = geometry.get("coordinates")
    if geometry.get("type") == "Polygon":
        polygons = [polygons]
    elif geometry.get("type") != "MultiPolygon":
        raise ValueError(
            f"Expected {where} as a Polygon or MultiPolygon, got {geometry.get('type')!r}. Points "
            "and lines enclose no pixels: delete them, or draw areas."
        )
    if not _is_nested(polygons):
        raise _unlike(f"{where} as polygons, each a list of rings", polygons)
    plane = geometry.get("plane")
    plane = plane if isinstance(plane, dict) else {}
    return Drawn(
        name,
        [[ring(where, corners) for corners in rings] for rings in polygons],
        _whole(where, plane.get("z", 0)),
        _whole(where, plane.get("t", 0)),
        _kind(properties.get("classification")),
    )


def _is_nested(polygons: Any) -> bool:
    return isinstance(polygons, list) and all(isinstance(one, list) and one for one in polygons)


def _whole(where: str, value: Any) -> int:
    if isinstance(value, int) and value >= 0:
        return value
    raise _unlike(f"{where} on a plane counted from 0", value)


def _kind(classification: Any) -> str | None:
    """Name of a class; of one within another, QuPath lists the names since 0.5."""
    if isinstance(classification, dict):
        names = classification.get("names")
        nested = ": ".join(map(str, names)) if isinstance(names, list) else None
        classification = classification.get("name", nested)
    return classification if isinstance(classification, str) else None


def _unlike(expected: str, value: Any) -> ValueError:
    text = " ".join(repr(value).split())
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return ValueError(
        f"Expected {expected}, got {shown}. Export the annotations again, from QuPath with File > "
        "Object data > Export as GeoJSON."
    )
