"""A region as small pictures for a classifier: alone, and with what is around it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.types.records import CompactMask

GREY: Final = 127
MARGIN: Final = 1.15
"""Side of a view in longer sides of the region's box."""

Picture = NDArray[np.uint8]


def region_views(image_rgb: Picture, region: CompactMask, side_px: int) -> Picture:
    """Two views of a region.

    Args:
        image_rgb: (H, W, 3) uint8.
        region: a mask of the picture's size, not empty.
        side_px: of each view.

    Returns:
        (2, side, side, 3) uint8: the region on grey; the picture around its box as it is. What is
        beyond the picture is grey.
    """
    plain, inside = square_around(image_rgb, region, MARGIN, GREY)
    alone = np.where(inside[..., None], plain, np.uint8(GREY))
    return np.stack([_resized(view, side_px) for view in (alone, plain)])


def square_around(
    image_rgb: Picture, region: CompactMask, margin: float, beyond: int
) -> tuple[Picture, NDArray[np.bool_]]:
    """A square of the picture around the middle of a region's box.

    Args:
        image_rgb: (H, W, 3) uint8.
        region: a mask of the picture's size, not empty.
        margin: side of the square in longer sides of the box, 1 or more.
        beyond: shade of what is beyond the picture.

    Returns:
        (S, S, 3) uint8 and the region in it, (S, S) bool.
    """
    x0, y0, x1, y1 = region.box_xyxy
    side = max(2, round(max(x1 - x0, y1 - y0) * margin))
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    plain = np.full((side, side, 3), beyond, np.uint8)
    inside = np.zeros((side, side), np.bool_)
    height, width = image_rgb.shape[:2]
    rows = slice(max(0, top), min(height, top + side))
    columns = slice(max(0, left), min(width, left + side))
    plain[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = (
        image_rgb[rows, columns]
    )
    inside[y0 - top : y1 - top, x0 - left : x1 - left] = region.crop
    return plain, inside


def _resized(view: Picture, side_px: int) -> Picture:
    picture = Image.fromarray(view).resize((side_px, side_px), Image.Resampling.BILINEAR)
    return np.asarray(picture)
