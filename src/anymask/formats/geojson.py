"""Masks as GeoJSON: outlines in map coordinates, one feature a mask, and back.

The coordinates are those of the picture's own CRS, which a ``crs`` member names, as GIS programs
write and read it; nothing is reprojected. See docs/geo.md.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import FileFormatError, MaskError
from anymask.geometry import contours
from anymask.geometry.boxes import as_mask, box_from_mask
from anymask.geometry.georeference import GeoReference
from anymask.geometry.regions import components
from anymask.io.files import write_json_atomic

SCHEMA: Final = "anymask.geojson/1"

Record = dict[str, Any]
Floats = Sequence[float] | NDArray[np.floating[Any]]

_MAP, _PIXEL = "map", "pixel"
_DECIMALS: Final = 6

_LONGITUDE_LATITUDE: Final = "EPSG:4326"
# of the names for it the one that says which of the two comes first
_LONGITUDE_LATITUDE_URN: Final = "urn:ogc:def:crs:OGC:1.3:CRS84"
_CRS84_NAME: Final = re.compile(r"(urn:ogc:def:crs:)?OGC:([0-9.]*:)?CRS84", re.IGNORECASE)
_EPSG_NAME: Final = re.compile(r"(urn:ogc:def:crs:)?EPSG:([0-9.]*:)?(?P<code>[0-9]+)", re.I)


def geojson_document(
    masks: Sequence[ArrayLike] | NDArray[np.bool_],
    georeference: GeoReference | None,
    *,
    predicted_iou: Floats | None = None,
    stability: Floats | None = None,
    labels: Sequence[str] | None = None,
    tolerance_px: float = 0.0,
) -> Record:
    """The masks of one picture as a FeatureCollection.

    Args:
        masks: N times (H, W) bool.
        georeference: of the picture; None gives coordinates in pixels, y down.
        predicted_iou: (N,) of the masks; left out, null.
        stability: (N,) of the masks; left out, null.
        labels: N names; left out, there is no such property.
        tolerance_px: how far outlines may leave the pixels, see `contours.polygons`. With 0 they
            are exact, and valid by the rules of OGC Simple Features.

    Returns:
        A dict that JSON can hold.

    Raises:
        FileFormatError: another number of values than of masks.
        MaskError: something that is no mask.
    """
    count = len(masks)
    columns = {
        "predicted_iou": _column("predicted_iou", predicted_iou, count),
        "stability_score": _column("stability", stability, count),
    }
    if labels is not None:
        columns["label"] = _column("labels", labels, count)
    features = []
    for row, mask in enumerate(masks):
        extra = {name: _json_value(column[row]) for name, column in columns.items()}
        features.append(_feature(row, as_mask(mask), georeference, extra, tolerance_px))
    return {"type": "FeatureCollection", **_header(georeference), "features": features}


def document_crs(document: Mapping[str, Any]) -> str | None:
    """The CRS of a document of `read_geojson`.

    Returns:
        Such as "EPSG:32646"; None where the coordinates are pixels, or of an unknown CRS. A
        document of another program that names none has longitude and latitude, "EPSG:4326".

    Raises:
        FileFormatError: a CRS that is named in another way than by EPSG code.
    """
    member = document.get("crs")
    if member is None:
        return None if document.get("schema") == SCHEMA else _LONGITUDE_LATITUDE
    properties = member.get("properties") if isinstance(member, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    text = name if isinstance(name, str) else ""
    if _CRS84_NAME.fullmatch(text):
        return _LONGITUDE_LATITUDE
    found = _EPSG_NAME.fullmatch(text)
    if found is None:
        raise FileFormatError(
            f"crs is {member!r}; it must name an EPSG code, such as urn:ogc:def:crs:EPSG::32646"
        )
    return f"EPSG:{int(found['code'])}"


def masks_from_document(
    document: Mapping[str, Any], georeference: GeoReference | None, size_hw: tuple[int, int]
) -> NDArray[np.bool_]:
    """The features of a document as masks on a picture.

    Args:
        document: of `read_geojson` or `geojson_document`.
        georeference: of the picture; not needed where the coordinates are pixels.
        size_hw: (height, width) of the picture.

    Returns:
        (N, H, W) bool: pixels whose centre lies inside; what lies outside the picture is cut off.

    Raises:
        FileFormatError: another CRS than the picture's, or a geometry that is no polygon.
    """
    if document.get("coordinates") != _PIXEL:
        _check_same_crs(document_crs(document), georeference)
    else:
        georeference = None
    masks = np.zeros((len(document["features"]), *size_hw), np.bool_)
    for row, feature in enumerate(document["features"]):
        polygons = list(_read_polygons(feature, f"feature {row}", georeference))
        masks[row] = contours.rasterise(polygons, size_hw)
    return masks


def write_geojson(path: str | PathLike[str], document: Record) -> None:
    """Write a document of `geojson_document`, whole or not at all.

    Raises:
        OSError: naming `path`, where the system refuses.
    """
    write_json_atomic(path, document)


def read_geojson(path: str | PathLike[str]) -> Record:
    """Read a FeatureCollection, of this program or another.

    Returns:
        The document; masks come back by `masks_from_document`.

    Raises:
        FileFormatError: no such file, no JSON, or no FeatureCollection.
    """
    try:
        document = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise FileFormatError(f"there is no GeoJSON file at {path}") from None
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is not JSON ({error}); give a GeoJSON file") from error
    kind = document.get("type") if isinstance(document, dict) else None
    if kind != "FeatureCollection" or not isinstance(document.get("features"), list):
        raise FileFormatError(
            f"{path} has type {kind!r}; give a GeoJSON FeatureCollection with its features"
        )
    return dict(document)


def _header(georeference: GeoReference | None) -> Record:
    header = {"schema": SCHEMA, "coordinates": _PIXEL if georeference is None else _MAP}
    if georeference is None or georeference.crs is None:
        return header
    name = f"urn:ogc:def:crs:{georeference.crs.replace(':', '::')}"
    if georeference.crs == _LONGITUDE_LATITUDE:
        name = _LONGITUDE_LATITUDE_URN
    return {**header, "crs": {"type": "name", "properties": {"name": name}}}


def _column(name: str, values: Sequence[Any] | NDArray[Any] | None, count: int) -> Sequence[Any]:
    if values is None:
        return [None] * count
    if len(values) != count:
        raise FileFormatError(
            f"{name} has {len(values)} entries but there are {count} masks; give one a mask"
        )
    return values if isinstance(values, Sequence) else values.tolist()


def _json_value(value: str | float | None) -> str | float | None:
    if value is None or isinstance(value, str):
        return value
    return round(float(value), _DECIMALS) if math.isfinite(value) else None


def _feature(
    row: int,
    mask: NDArray[np.bool_],
    georeference: GeoReference | None,
    extra: Record,
    tolerance_px: float,
) -> Record:
    area_px = int(np.count_nonzero(mask))
    return {
        "type": "Feature",
        "id": row,
        "properties": {
            "id": row,
            "area_px": area_px,
            "area_map": None if georeference is None else area_px * georeference.pixel_area,
            **extra,
            "coordinates": _PIXEL if georeference is None else _MAP,
        },
        "geometry": _geometry(mask, georeference, tolerance_px),
    }


def _geometry(
    mask: NDArray[np.bool_], georeference: GeoReference | None, tolerance_px: float
) -> Record | None:
    """A polygon, several of them, or null where the mask is empty."""
    outlines = [
        [_map_ring(ring, georeference) for ring in rings] for rings in _outlines(mask, tolerance_px)
    ]
    if not outlines:
        return None
    if len(outlines) == 1:
        return {"type": "Polygon", "coordinates": outlines[0]}
    return {"type": "MultiPolygon", "coordinates": outlines}


def _outlines(mask: NDArray[np.bool_], tolerance_px: float) -> Iterator[list[contours.Points]]:
    """The rings of each part, exterior first, in pixels of the mask.

    Parts are 4-connected here: an outline that touches itself at a corner, as those of 8-connected
    parts do, is invalid in GIS programs.
    """
    from scipy.ndimage import find_objects

    x0, y0, x1, y1 = box_from_mask(mask).tolist()
    if x0 == x1:
        return
    numbered, _ = components(mask[y0:y1, x0:x1], connectivity=4)
    for number, window in enumerate(find_objects(numbered), start=1):
        corner = np.array([x0 + window[1].start, y0 + window[0].start])
        for polygon in contours.polygons(numbered[window] == number, tolerance_px):
            yield [ring + corner for ring in polygon.rings]


def _map_ring(ring: contours.Points, georeference: GeoReference | None) -> list[list[float]]:
    """A ring closed by its first point; exteriors counter-clockwise where y runs up."""
    if georeference is not None:
        # on the screen, where y runs down, exteriors are clockwise
        ring = georeference.to_map(ring[::-1] if georeference.is_mirrored else ring)
    points: list[list[float]] = ring.tolist()
    return [*points, points[0]]


def _check_same_crs(crs: str | None, georeference: GeoReference | None) -> None:
    if georeference is None:
        raise FileFormatError(
            f"the features have map coordinates ({crs or 'of an unknown CRS'}) but the picture "
            "has no georeference; give that of the picture"
        )
    if crs != georeference.crs:
        raise FileFormatError(
            f"the features have the CRS {crs} but the picture has {georeference.crs}; "
            "reproject the features first"
        )


def _read_polygons(
    feature: Any, where: str, georeference: GeoReference | None
) -> Iterator[contours.Polygon]:
    geometry = feature.get("geometry") if isinstance(feature, dict) else feature
    if geometry is None:
        return
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in ("Polygon", "MultiPolygon"):
        raise FileFormatError(f"{where} has geometry {kind!r}; give Polygon or MultiPolygon")
    coordinates = geometry.get("coordinates")
    try:
        for rings in [coordinates] if kind == "Polygon" else coordinates:
            exterior, *holes = (_pixel_ring(ring, georeference) for ring in rings)
            yield contours.Polygon(exterior, tuple(holes))
    except (TypeError, ValueError, IndexError, MaskError) as error:
        raise FileFormatError(f"{where} has a malformed ring ({error})") from error


def _pixel_ring(ring: Any, georeference: GeoReference | None) -> contours.Points:
    """A ring without the point that closes it, and without heights."""
    points = np.array(ring, np.float64)[:-1, :2]
    return points if georeference is None else georeference.to_pixels(points)
