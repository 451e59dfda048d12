"""Connected parts of a mask: cleaning, counting, comparing.

Parts of the foreground are 8-connected: pixels that touch at a corner belong together. None of
these functions changes the array it is given; where there is nothing to change, the result may be
that array itself.
"""

from __future__ import annotations

import math
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import MaskError
from anymask.geometry.boxes import as_mask, box_from_mask
from anymask.geometry.runs import label

RegionMode = Literal["holes", "islands"]
Keep = Literal["all", "largest"]

_CONNECTIVITIES: Final = (4, 8)


def components(mask: ArrayLike, connectivity: int = 8) -> tuple[NDArray[np.int32], int]:
    """Numbers the connected parts of a mask.

    Args:
        mask: (H, W) bool.
        connectivity: 8 or 4 neighbours.

    Returns:
        (H, W) int32, 0 for background and 1.. in row-major order of each part's first pixel; and
        the number of parts.

    Raises:
        MaskError: not one mask, or another connectivity.
    """
    if connectivity not in _CONNECTIVITIES:
        raise MaskError(f"connectivity is {connectivity}; give 4 or 8")
    return label(as_mask(mask), corners=connectivity == 8)


def remove_small_regions(
    mask: ArrayLike, area_threshold: float, mode: RegionMode
) -> tuple[NDArray[np.bool_], bool]:
    """SAM's clean-up of small holes or small islands, both 8-connected.

    Holes are all parts of the background, also pockets at the border. If every island is small,
    the largest stays. An empty mask stays empty in both modes.

    Args:
        mask: (H, W) bool.
        area_threshold: parts of fewer pixels are small.
        mode: ``"holes"`` fills small holes, ``"islands"`` removes small islands.

    Returns:
        The cleaned (H, W) bool mask, and whether anything was small.

    Raises:
        MaskError: not one mask, no finite threshold, or another mode.
    """
    array = as_mask(mask)
    _check_area(area_threshold, "area_threshold")
    if mode not in get_args(RegionMode):
        raise MaskError(f"mode is {mode!r}; give 'holes' or 'islands'")
    labels, _ = components(~array if mode == "holes" else array)
    areas = _areas(labels)
    small = areas < area_threshold
    if not array.any() or not small.any():
        return array, False
    if mode == "holes":
        return array | _select(labels, small), True
    if small.all():
        small[areas.argmax()] = False
    return _select(labels, ~small), True


def largest_component(mask: ArrayLike) -> NDArray[np.bool_]:
    """The part of a mask with the most pixels, the first in row-major order of equals.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) bool; empty for an empty mask.

    Raises:
        MaskError: not one mask.
    """
    array = as_mask(mask)
    labels, count = components(array)
    if count < 2:
        return array
    largest: NDArray[np.bool_] = labels == _areas(labels).argmax() + 1
    return largest


def fill_holes(mask: ArrayLike, max_area: float | None = None) -> NDArray[np.bool_]:
    """Fills background that the mask encloses, 4-connected and away from the border.

    Args:
        mask: (H, W) bool.
        max_area: leave holes of more pixels than this; None fills all.

    Returns:
        (H, W) bool.

    Raises:
        MaskError: not one mask, or no finite area.
    """
    array = as_mask(mask)
    limit = math.inf if max_area is None else _check_area(max_area, "max_area")
    labels, count = components(~array, connectivity=4)
    is_hole = _areas(labels) <= limit
    border = np.concatenate([labels[:1].ravel(), labels[-1:].ravel(), labels[:, [0, -1]].ravel()])
    is_hole[border[border > 0] - 1] = False
    return array | _select(labels, is_hole) if count else array


def drop_islands(mask: ArrayLike, min_area: float) -> NDArray[np.bool_]:
    """Removes all small parts, the whole mask if it has only such.

    Args:
        mask: (H, W) bool.
        min_area: parts of fewer pixels go.

    Returns:
        (H, W) bool.

    Raises:
        MaskError: not one mask, or no finite area.
    """
    _check_area(min_area, "min_area")
    labels, _ = components(mask)
    return _select(labels, _areas(labels) >= min_area)


def cleaned_box(
    mask: ArrayLike, *, keep: Keep = "largest", min_area: float = 0
) -> NDArray[np.int64]:
    """The box around a mask that a few stray pixels cannot blow up.

    Args:
        mask: (H, W) bool.
        keep: ``"largest"`` looks only at the largest part, ``"all"`` at every part that is not
            too small.
        min_area: with ``"all"``, ignore parts of fewer pixels; the largest part always counts.

    Returns:
        (4,) int64, half-open XYXY in pixels of the mask; zeros for an empty mask.

    Raises:
        MaskError: not one mask, no finite area, or another value of `keep`.
    """
    if keep not in get_args(Keep):
        raise MaskError(f"keep is {keep!r}; give 'largest' or 'all'")
    if keep == "largest":
        return box_from_mask(largest_component(mask))
    return box_from_mask(remove_small_regions(mask, min_area, "islands")[0])


def interior_point(mask: ArrayLike) -> tuple[int, int] | None:
    """The pixel deepest inside a mask, where the border of the picture counts as an edge.

    It has the largest Euclidean distance to any pixel outside, and is the first in row-major
    order of equals.

    Args:
        mask: (H, W) bool.

    Returns:
        Column and row of the pixel (x, y), or None for an empty mask.

    Raises:
        MaskError: not one mask.
    """
    from scipy import ndimage

    array = as_mask(mask)
    x0, y0, x1, y1 = box_from_mask(array).tolist()
    if x1 == x0:
        return None
    # the ring around the box is background, so what lies beyond is never the nearest
    depth = ndimage.distance_transform_edt(np.pad(array[y0:y1, x0:x1], 1))[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return x0 + int(column), y0 + int(row)


def mask_iou(a: ArrayLike, b: ArrayLike) -> float:
    """Intersection over union of two masks.

    Args:
        a: (H, W) bool.
        b: (H, W) bool.

    Returns:
        0..1, never NaN; 1 for equal masks, hence also for two empty ones.

    Raises:
        MaskError: not two masks of the same size.
    """
    mask_a, mask_b = as_mask(a, "a"), as_mask(b, "b")
    if mask_a.shape != mask_b.shape:
        raise MaskError(f"a has shape {mask_a.shape} but b has {mask_b.shape}; give equal sizes")
    union = np.count_nonzero(mask_a | mask_b)
    return np.count_nonzero(mask_a & mask_b) / union if union else 1.0


def _areas(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Pixels of the parts 1, 2, ... as (count,)."""
    return np.bincount(labels.ravel())[1:]


def _select(labels: NDArray[np.int32], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of the parts whose entry is true; `chosen` starts at part 1."""
    selected: NDArray[np.bool_] = np.concatenate([[False], chosen])[labels]
    return selected


def _check_area(area: float, name: str) -> float:
    if not math.isfinite(area):
        raise MaskError(f"{name} is {area}; give a finite number of pixels")
    return area
