"""The georeference of a picture file: GeoTIFF tags, or a world file beside the picture.

Of a GeoTIFF the affine transform and the EPSG code are read, nothing else; docs/geo.md says what
that leaves out.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anymask.errors import ImageError
from anymask.geometry.georeference import Affine, GeoReference, affine_from_centres
from anymask.io.decode import (
    _WARNINGS_LOCK,
    PictureSource,
    _open_pillow,
    _opened,
    _orientation,
    _refusing_damage,
)

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_log = logging.getLogger(__name__)

_TIFF_SIGNATURES: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_IMAGE_WIDTH, _IMAGE_LENGTH, _ORIENTATION_TAG = 256, 257, 274
_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION, _GEO_KEYS = 33550, 33922, 34264, 34735
_TAGS: Final = (_ORIENTATION_TAG, _PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION, _GEO_KEYS)

_MODEL_TYPE, _RASTER_TYPE, _GEOGRAPHIC, _PROJECTED = 1024, 1025, 2048, 3072
_PIXEL_IS_POINT: Final = 2
_CODE_KEYS_BY_MODEL: Final = {0: (_PROJECTED, _GEOGRAPHIC), 1: (_PROJECTED,), 2: (_GEOGRAPHIC,)}
_EPSG_CODES: Final = range(1024, 32767)
"""Codes the standard leaves to the EPSG; 32767 tells of a CRS that the file itself describes."""

_LONGEST_WORLD_FILE: Final = 4096


@dataclass(frozen=True, slots=True)
class _Header:
    """What a picture file says besides its pixels.

    Attributes:
        stored_hw: (height, width) before the EXIF turn.
        orientation: EXIF orientation, 1 to 8.
        tags: of a TIFF file those of `_TAGS` that it has; else empty.
    """

    stored_hw: tuple[int, int]
    orientation: int
    tags: Mapping[int, Any]


def read_georeference(source: PictureSource) -> GeoReference | None:
    """Reads where a picture lies on the map, without decoding its pixels.

    Tags of a GeoTIFF go before a world file (such as .tfw, .jgw, .pgw), which has no CRS. The
    result belongs to the upright picture, as `read_image` returns it. A transform without an EPSG
    code logs one warning.

    Args:
        source: a picture file as for `read_image`. A world file is looked for beside a path only.

    Returns:
        The georeference; None for a picture that has no affine transform.

    Raises:
        ImageError: a file that cannot be read, or a transform that is malformed or degenerate.
    """
    world = _find_world_file(source)
    with _opened(source) as (stream, name):
        is_tiff = stream.read(4) in _TIFF_SIGNATURES
        if not is_tiff and world is None:
            return None
        header = _read_header(stream, name, is_tiff=is_tiff)
    with _naming(name):
        keys = _geo_keys(header.tags)
        found = _from_tags(header.tags, keys)
    if found is None and world is not None:
        with _naming(repr(str(world))):
            found = GeoReference(_world_file_affine(world), _crs(keys))
    if found is None:
        return None
    if found.crs is None:
        _log.warning("%s has no EPSG code; its map coordinates are in units of its own", name)
    return found.upright(header.orientation, header.stored_hw)


def _read_header(stream: Any, name: str, *, is_tiff: bool) -> _Header:
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _open_pillow(stream, name)
        with _refusing_damage(name, image.format):
            return _tiff_header(image) if is_tiff else _other_header(image)


def _tiff_header(image: ImageFile) -> _Header:
    # of a picture lying on its side Pillow exchanges width and height as soon as it is opened
    entries: Mapping[int, Any] = image.tag_v2  # type: ignore[attr-defined]
    tags = {tag: entries[tag] for tag in _TAGS if tag in entries}
    orientation = tags.get(_ORIENTATION_TAG, 1)
    if orientation not in range(1, 9):
        orientation = 1
    return _Header((entries[_IMAGE_LENGTH], entries[_IMAGE_WIDTH]), orientation, tags)


def _other_header(image: ImageFile) -> _Header:
    width, height = image.size
    return _Header((height, width), _orientation(image), {})


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Puts the file's name before what is wrong with its georeference."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name} has a georeference that cannot be used: {error}") from error


def _from_tags(tags: Mapping[int, Any], keys: Mapping[int, int]) -> GeoReference | None:
    affine = _tags_affine(tags)
    if affine is None:
        return None
    if keys.get(_RASTER_TYPE) == _PIXEL_IS_POINT:
        affine = affine_from_centres(affine)
    return GeoReference(affine, _crs(keys))


def _tags_affine(tags: Mapping[int, Any]) -> Affine | None:
    """The transform as the tags have it; None for none, or for control points alone."""
    if _PIXEL_SCALE in tags and _TIE_POINTS in tags:
        scale_x, scale_y = _floats(tags, _PIXEL_SCALE, 2)
        column, row, _, x, y = _floats(tags, _TIE_POINTS, 5)
        # rows run down the map; some writers give that scale a sign, all readers ignore it
        scale_y = -abs(scale_y)
        return scale_x, 0.0, x - column * scale_x, 0.0, scale_y, y - row * scale_y
    if _TRANSFORMATION in tags:
        a, b, _, c, d, e, _, f = _floats(tags, _TRANSFORMATION, 8)
        return a, b, c, d, e, f
    return None


def _floats(tags: Mapping[int, Any], tag: int, count: int) -> list[float]:
    """The first numbers of a tag."""
    values = tags[tag] if isinstance(tags[tag], tuple) else (tags[tag],)
    try:
        numbers = [float(value) for value in values[:count]]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) < count:
        raise ImageError(f"TIFF tag {tag} holds {len(values)} values; {count} numbers are needed")
    return numbers


def _geo_keys(tags: Mapping[int, Any]) -> dict[int, int]:
    """The keys whose value stands in the directory itself, as all codes do."""
    directory = tags.get(_GEO_KEYS, ())
    if not isinstance(directory, tuple) or not all(isinstance(one, int) for one in directory):
        raise ImageError(f"TIFF tag {_GEO_KEYS} is no list of whole numbers")
    entries = (directory[at : at + 4] for at in range(4, len(directory) - 3, 4))
    return {key: value for key, location, _, value in entries if location == 0}


def _crs(keys: Mapping[int, int]) -> str | None:
    codes = [keys.get(key) for key in _CODE_KEYS_BY_MODEL.get(keys.get(_MODEL_TYPE, 0), ())]
    given = [code for code in codes if code]
    return f"EPSG:{given[0]}" if given and given[0] in _EPSG_CODES else None


def _find_world_file(source: PictureSource) -> Path | None:
    """The file beside a picture with the ending that its own ending asks for."""
    if not isinstance(source, (str, os.PathLike)):
        return None
    path = Path(source)
    ending = path.suffix[1:]
    if not ending:
        return None
    endings = [f"{ending[0]}{ending[-1]}w", f"{ending}w", "wld"]
    candidates = [path.with_suffix(f".{one}") for one in [*endings, *map(str.upper, endings)]]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _world_file_affine(path: Path) -> Affine:
    try:
        with path.open("rb") as stream:
            words = stream.read(_LONGEST_WORLD_FILE).split()
        a, d, b, e, c, f = map(float, words)
    except (OSError, ValueError) as error:
        raise ImageError(f"a world file must hold six numbers, one a line ({error})") from error
    return affine_from_centres((a, b, c, d, e, f))
