"""Outlines of masks along the edges of the pixels, and back.

One polygon is one 8-connected part of a mask: pixels that touch at a corner belong to the same
part, and its outline passes that corner twice. Holes are the 4-connected background it encloses.
Outer rings run clockwise on the screen (x right, y down), rings of holes the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import MaskError
from anymask.geometry.boxes import MAX_COORDINATE, as_mask, box_from_mask
from anymask.geometry.regions import components, mask_iou

Points = NDArray[np.float64]

# no corner of a pixel outline is nearer than this to the chord of its neighbours
_FINEST_TOLERANCE_PX: Final = 0.25


@dataclass(frozen=True, eq=False)
class Polygon:
    """One outline with its holes; rings close by themselves.

    Attributes:
        exterior: (N, 2) float64 xy in pixels, at least three points.
        holes: any number of (M, 2) float64 rings likewise.

    Raises:
        MaskError: a ring of another shape, of fewer than three points, or with a coordinate that
            is no finite number.
    """

    exterior: Points
    holes: tuple[Points, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "exterior", _as_ring(self.exterior, "exterior"))
        holes = tuple(_as_ring(hole, f"holes[{i}]") for i, hole in enumerate(self.holes))
        object.__setattr__(self, "holes", holes)

    @property
    def rings(self) -> tuple[Points, ...]:
        """The exterior, then the holes."""
        return (self.exterior, *self.holes)


def polygons(
    mask: ArrayLike, tolerance_px: float = 0.0, *, min_iou: float = 0.98
) -> list[Polygon]:
    """The outlines of all parts of a mask, with their holes.

    With tolerance 0 they follow the pixels exactly and `rasterise` gives the mask back. Otherwise
    corners are left out as long as the outline stays within the tolerance (Douglas-Peucker). A
    part whose IoU with its exact outline would fall below `min_iou` gets half the tolerance, and
    so on down to its exact outline: small parts and thin lines never vanish.

    Args:
        mask: (H, W) bool.
        tolerance_px: how far a left-out corner may lie from the outline, in pixels.
        min_iou: 0..1, the IoU every part keeps; 0 only keeps parts from vanishing.

    Returns:
        One polygon a part, in row-major order of their first pixel; none for an empty mask.

    Raises:
        MaskError: not one mask, a tolerance that is negative or not finite, or `min_iou` outside
            0..1.
    """
    array = as_mask(mask)
    if not 0 <= tolerance_px < MAX_COORDINATE:
        raise MaskError(f"tolerance_px is {tolerance_px}; give 0 or more pixels")
    if not 0 <= min_iou <= 1:
        raise MaskError(f"min_iou is {min_iou}; give a number from 0 to 1")
    exact = _exact_polygons(array)
    return _simplify(exact, tolerance_px, min_iou) if tolerance_px > 0 else exact


def rasterise(polygons: Sequence[Polygon], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Fills polygons: pixels whose centre lies inside one.

    Inside is even-odd over the rings of one polygon, so rings may cross themselves. A pixel
    inside several polygons is filled. A centre exactly on an outline is inside if the outline
    is to its left or above it. What lies outside the picture is cut off.

    Args:
        polygons: outlines in pixels.
        size_hw: (height, width) of the result.

    Returns:
        (H, W) bool.

    Raises:
        MaskError: a size that is negative.
    """
    height, width = size_hw
    if height < 0 or width < 0:
        raise MaskError(f"size_hw is {size_hw}; give (height, width), neither of them negative")
    _, rows, first, end = _spans(_edges(polygons), 0, height)
    first, end = np.clip(first, 0, width), np.clip(end, 0, width)
    return _fill(rows * width + first, rows * width + end, height * width).reshape(height, width)


def simplification_iou(mask: ArrayLike, polygons: Sequence[Polygon]) -> float:
    """What is left of a mask in its polygons: the IoU of the mask with the filled polygons.

    Args:
        mask: (H, W) bool.
        polygons: outlines in pixels of the mask.

    Returns:
        0..1; 1 if nothing was lost, also for an empty mask without polygons.

    Raises:
        MaskError: not one mask.
    """
    array = as_mask(mask)
    return mask_iou(array, rasterise(polygons, (array.shape[0], array.shape[1])))


def _as_ring(points: ArrayLike, name: str) -> Points:
    try:
        ring = np.array(points, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise MaskError(f"{name} cannot be read ({error}); give (x, y) points") from error
    if ring.ndim != 2 or ring.shape[1] != 2:
        raise MaskError(f"{name} has shape {ring.shape}; give (x, y) points, shape (number, 2)")
    if len(ring) < 3:
        raise MaskError(f"{name} has {len(ring)} points; give at least 3, a polygon has an inside")
    if not np.all(np.abs(ring) < MAX_COORDINATE):
        raise MaskError(f"{name} has a coordinate that is not finite; give (x, y) in pixels")
    ring.flags.writeable = False
    return ring


# --- from a mask to exact rings


def _exact_polygons(mask: NDArray[np.bool_]) -> list[Polygon]:
    x0, y0, x1, y1 = box_from_mask(mask).tolist()
    if x1 == x0:
        return []
    part = np.pad(mask[y0:y1, x0:x1], 1)
    rings = _trace(part)
    owners, is_hole = _owners(part, rings)
    shift = np.array([x0 - 1, y0 - 1], dtype=np.float64)
    holes: dict[int, list[Points]] = {}
    for index in np.flatnonzero(is_hole):
        holes.setdefault(int(owners[index]), []).append(rings[index] + shift)
    return [
        Polygon(rings[index] + shift, tuple(holes.get(int(owners[index]), ())))
        for index in np.flatnonzero(~is_hole)
    ]
