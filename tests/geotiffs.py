"""Tiny GeoTIFF files, their tags written one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin

PIXEL_SCALE, TIE_POINTS, TRANSFORMATION, GEO_KEYS = 33550, 33922, 34264, 34735
SHORT, DOUBLE = 3, 12

UTM_46N = {1024: 1, 1025: 1, 3072: 32646}
"""Projected, pixels are areas, EPSG:32646."""

NORTH_UP = {PIXEL_SCALE: (30.0, 30.0, 0.0), TIE_POINTS: (0.0, 0.0, 0.0, 500000.0, 3000000.0, 0.0)}
"""Pixels of 30 m, the upper left corner at (500000, 3000000)."""


def write_geotiff(
    path: Path,
    pixels: np.ndarray,
    doubles: dict[int, tuple[float, ...]] | None = None,
    keys: dict[int, int] | None = None,
    orientation: int = 1,
) -> Path:
    """Writes a TIFF with these tags of numbers and these keys."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, values in (doubles or {}).items():
        tags.tagtype[tag] = DOUBLE
        tags[tag] = values
    if keys is not None:
        entries = [part for key, value in sorted(keys.items()) for part in (key, 0, 1, value)]
        tags.tagtype[GEO_KEYS] = SHORT
        tags[GEO_KEYS] = (1, 1, 0, len(keys), *entries)
    if orientation != 1:
        tags[274] = orientation
    Image.fromarray(pixels).save(path, format="TIFF", tiffinfo=tags)
    return path
