"""Small holes and islands of masks, removed inside the box of each mask.

The rules are those of `anymask.geometry.regions.remove_small_regions` on the whole image. What lies
around the box is empty, so each side of it is shrunk to one line of pixels that count for as many
as they stand for: parts keep their sizes and their neighbours, at the price of the box alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.geometry.regions import components
from anymask.types.records import CompactMask

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Framed:
    """A mask's box with one line around it for all that lies beyond.

    Attributes:
        pixels: (h, w) bool.
        rows: (h,) how many rows of the image each row stands for.
        columns: (w,) likewise.
    """

    pixels: BoolArray
    rows: IntArray
    columns: IntArray


def clean_mask(
    mask: CompactMask, min_area: int, *, drop_all_small: bool = False
) -> tuple[CompactMask, bool]:
    """Fill holes and remove islands of fewer pixels than `min_area`, in this order.

    Args:
        mask: the mask.
        min_area: parts of fewer pixels are small.
        drop_all_small: empty a mask that has nothing but small islands, else keep its largest.

    Returns:
        The cleaned mask, and whether anything was small.
    """
    if not mask.area:
        return mask, False
    framed = _framed(mask)
    holes, _ = _small(framed, ~framed.pixels, min_area)
    filled = framed.pixels | holes
    islands, largest = _small(framed, filled, min_area)
    if not holes.any() and not islands.any():
        return mask, False
    if largest is not None and not drop_all_small:
        islands &= ~largest
    return _compact(Framed(filled & ~islands, framed.rows, framed.columns), mask), True


def _framed(mask: CompactMask) -> Framed:
    x0, y0, x1, y1 = mask.box_xyxy
    height, width = mask.size_hw
    rows, columns = _weights(y0, y1, height), _weights(x0, x1, width)
    margins = ((int(y0 > 0), int(y1 < height)), (int(x0 > 0), int(x1 < width)))
    return Framed(np.pad(mask.crop, margins), rows, columns)


def _weights(start: int, end: int, length: int) -> IntArray:
    counts = [start] * (start > 0) + [1] * (end - start) + [length - end] * (end < length)
    return np.array(counts, np.int64)


def _small(framed: Framed, pixels: BoolArray, min_area: int) -> tuple[BoolArray, BoolArray | None]:
    """Pixels of the small parts; and, if all parts are small, those of the largest."""
    labels, _ = components(pixels)
    weights = framed.rows[:, None] * framed.columns
    areas = np.bincount(labels.ravel(), weights.ravel())
    small = areas < min_area
    small[0] = False
    chosen: BoolArray = small[labels]
    if len(areas) < 2 or not small[1:].all():
        return chosen, None
    return chosen, labels == areas[1:].argmax() + 1


def _compact(framed: Framed, before: CompactMask) -> CompactMask:
    """Back to a mask of the image; a line that was filled is filled for all it stands for."""
    x0, y0, x1, y1 = before.box_xyxy
    top, left = int(y0 > 0), int(x0 > 0)
    inside = framed.pixels[top : top + y1 - y0, left : left + x1 - x0]
    if np.count_nonzero(inside) == np.count_nonzero(framed.pixels):
        return CompactMask.from_crop(inside, (x0, y0), before.size_hw)
    rows = np.repeat(framed.pixels, framed.rows, axis=0)
    return CompactMask.from_array(np.repeat(rows, framed.columns, axis=1))
