"""Where a picture lies on the map: the affine way from its pixels to map coordinates, and back.

Pixels are (x, y) on the pixel-edge grid of `anymask.geometry`: the corner of the picture is (0, 0),
the centre of its first pixel (0.5, 0.5). Map coordinates are (x, y) = (easting, northing) or
(longitude, latitude), whatever order the axes of the CRS have.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import ImageError

Affine = tuple[float, float, float, float, float, float]
Bounds = tuple[float, float, float, float]
FloatArray = NDArray[np.float64]

_CRS: Final = re.compile(r"EPSG:[0-9]{1,9}")

# rows and columns this close to parallel leave no digits for the way back
_FLATTEST_SINE: Final = 1e-9


@dataclass(frozen=True, slots=True)
class GeoReference:
    """One picture's place on the map.

    Attributes:
        affine: (a, b, c, d, e, f): map x = a * x + b * y + c, map y = d * x + e * y + f, for x and
            y in pixels of the upright picture. Rotated and sheared ones are fine.
        crs: coordinate reference system such as "EPSG:32646"; None where it is not known.

    Raises:
        ImageError: numbers that are not six or not finite, pixels without an area, or a CRS that
            is no EPSG code.
    """

    affine: Affine
    crs: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be inverted."""
        object.__setattr__(self, "affine", tuple(float(number) for number in self.affine))
        _check_affine(self.affine)
        if self.crs is not None and not _CRS.fullmatch(self.crs):
            raise ImageError(
                f'crs is {self.crs!r}; give an EPSG code such as "EPSG:32646", or None'
            )

    def to_map(self, points_xy: ArrayLike) -> FloatArray:
        """Points (..., 2) in pixels to map coordinates."""
        return np.asarray(points_xy, np.float64) @ self._linear.T + self._origin

    def to_pixels(self, points_xy: ArrayLike) -> FloatArray:
        """Points (..., 2) in map coordinates to pixels; outside of the picture too."""
        offsets = np.asarray(points_xy, np.float64) - self._origin
        return np.asarray(offsets @ np.linalg.inv(self._linear).T, np.float64)

    def boxes_to_pixels(self, boxes_xyxy: ArrayLike) -> FloatArray:
        """Boxes (..., 4) XYXY in map coordinates to the smallest boxes in pixels around them."""
        boxes = np.asarray(boxes_xyxy, np.float64)
        corners = self.to_pixels(boxes[..., [[0, 1], [2, 1], [2, 3], [0, 3]]])
        return np.concatenate([corners.min(axis=-2), corners.max(axis=-2)], axis=-1)

    def bounds(self, size_hw: tuple[int, int]) -> Bounds:
        """(min x, min y, max x, max y) in map coordinates of a picture of this size."""
        height, width = size_hw
        corners = self.to_map([(0, 0), (width, 0), (width, height), (0, height)])
        (left, bottom), (right, top) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        return left, bottom, right, top

    @property
    def pixel_area(self) -> float:
        """Area of one pixel in squared units of the map."""
        return abs(self._determinant)

    @property
    def is_mirrored(self) -> bool:
        """Whether the map's y runs up where the picture's runs down, as in nearly every raster."""
        return self._determinant < 0

    def upright(self, orientation: int, stored_hw: tuple[int, int]) -> GeoReference:
        """The georeference of a picture after its EXIF turn.

        Args:
            orientation: EXIF orientation, 1 to 8.
            stored_hw: (height, width) before the turn, to which this georeference belongs.

        Returns:
            One whose pixels are those of the upright picture.
        """
        height, width = stored_hw if orientation < 5 else stored_hw[::-1]
        matrix = np.array([self.affine[:3], self.affine[3:], (0, 0, 1)])
        if orientation >= 5:
            matrix = matrix[:, [1, 0, 2]]
        if orientation in (3, 4, 7, 8):
            matrix = matrix @ np.array([(1, 0, 0), (0, -1, height), (0, 0, 1)])
        if orientation in (2, 3, 6, 7):
            matrix = matrix @ np.array([(-1, 0, width), (0, 1, 0), (0, 0, 1)])
        a, b, c, d, e, f = matrix[:2].ravel().tolist()
        return GeoReference((a, b, c, d, e, f), self.crs)

    @property
    def _linear(self) -> FloatArray:
        a, b, _, d, e, _ = self.affine
        return np.array([(a, b), (d, e)])

    @property
    def _origin(self) -> FloatArray:
        return np.array([self.affine[2], self.affine[5]])

    @property
    def _determinant(self) -> float:
        a, b, _, d, e, _ = self.affine
        return a * e - b * d


def affine_from_centres(affine: Affine) -> Affine:
    """From a convention in which whole numbers are centres of pixels to the one of this module.

    Args:
        affine: for which (0, 0) is the centre of the first pixel, as in world files.

    Returns:
        One for which that is (0.5, 0.5).
    """
    a, b, c, d, e, f = affine
    return a, b, c - (a + b) / 2, d, e, f - (d + e) / 2


def _check_affine(affine: tuple[float, ...]) -> None:
    if len(affine) != 6:
        raise ImageError(f"affine has {len(affine)} numbers; give six: a, b, c, d, e, f")
    if not all(map(math.isfinite, affine)):
        raise ImageError(f"affine is {affine}; give six finite numbers")
    a, b, _, d, e, _ = affine
    across, down = math.hypot(a, d), math.hypot(b, e)
    flat = not across or not down
    if flat or abs((a / across) * (e / down) - (b / down) * (d / across)) < _FLATTEST_SINE:
        raise ImageError(
            f"affine is {affine}, which gives pixels without an area; rows and columns must have "
            "different directions, neither of length 0"
        )
