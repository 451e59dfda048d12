"""The georeference of a picture file: GeoTIFF tags, or a world file beside the picture.

Of a GeoTIFF the affine transform and the EPSG code are read, nothing else; docs/geo.md says what
that leaves out.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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

_MODEL_TYPE, _RASTER_TYPE, _GEOGRAPHIC, _PROJECTED = 1024, 1025, 2048, 3072
_PIXEL_IS_POINT: Final = 2
_CODE_KEY_OF_MODEL: Final = {1: _PROJECTED, 2: _GEOGRAPHIC}
_EPSG_CODES: Final = range(1024, 32767)
"""Codes the standard leaves to the EPSG; 32767 says that the file describes a CRS of its own."""

_LONGEST_WORLD_FILE = 4096


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
    with _header(source) as (image, name):
        tags: Mapping[int, Any] = dict(image.tag_v2) if is_tiff else {}  # type: ignore[attr-defined]
        size_wh, orientation = image.size, 1 if is_tiff else _orientation(image)
    if is_tiff:  # Pillow exchanges the sides of some files when it opens them
        size_wh = tags[_IMAGE_WIDTH], tags[_IMAGE_LENGTH]
        orientation = tags.get(_ORIENTATION_TAG, 1)
    keys = _geo_keys(tags)
    with _naming(name):
        affine = _affine_from_tags(tags, keys)
    if affine is None and world is not None:
        with _naming(repr(str(world))):
            affine = _affine_from_world_file(world)
    if affine is None:
        return None
    with _naming(name):
        stored = GeoReference(affine, _crs(keys))
        found = stored.upright(orientation, (size_wh[1], size_wh[0]))
    if found.crs is None:
        _log.warning(
            "%s has a place on the map but no EPSG code; map coordinates are in its own units", name
        )
    return found
