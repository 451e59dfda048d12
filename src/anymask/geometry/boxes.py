"""Boxes in pixels: half-open XYXY, so that width is ``x1 - x0`` and an empty box has no area.

This is the lowest module of the package, hence also the home of the check that an array is a mask.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import MaskError

MAX_COORDINATE: Final = 2.0**53
"""Above this float64 no longer holds every whole pixel."""


def as_mask(mask: ArrayLike, name: str = "mask") -> NDArray[np.bool_]:
    """Checks that something is one mask.

    Args:
        mask: (H, W) array of booleans, or of numbers that are all 0 or 1.
        name: what the error message calls it.

    Returns:
        (H, W) bool; the given array itself if it is boolean already.

    Raises:
        MaskError: not two-dimensional, or with values other than 0 and 1.
    """
    array = _as_array(mask, name)
    if array.ndim != 2:
        raise MaskError(
            f"{name} has shape {array.shape}; give one mask of shape (height, width), "
            "such as masks[0]"
        )
    return _as_bool(array, name)


def box_from_mask(mask: ArrayLike) -> NDArray[np.int64]:
    """The smallest box around a mask.

    Args:
        mask: (H, W) bool.

    Returns:
        (4,) int64, half-open XYXY in pixels of the mask; zeros for an empty mask.

    Raises:
        MaskError: not one mask.
    """
    (box,) = _boxes(as_mask(mask)[None])
    return np.asarray(box, dtype=np.int64)


def boxes_from_masks(masks: ArrayLike) -> NDArray[np.int64]:
    """The smallest box around each of several masks.

    Args:
        masks: (N, H, W) bool.

    Returns:
        (N, 4) int64, half-open XYXY in pixels of the masks; zeros where a mask is empty.

    Raises:
        MaskError: not three-dimensional, or with values other than 0 and 1.
    """
    array = _as_array(masks, "masks")
    if array.ndim != 3:
        raise MaskError(
            f"masks has shape {array.shape}; give masks of shape (number, height, width), "
            "such as mask[None] for a single one"
        )
    return _boxes(_as_bool(array, "masks"))


def sam_bbox_xywh(mask: ArrayLike) -> NDArray[np.int64]:
    """The ``bbox`` of SAM's published records, which is one pixel short of the true size.

    Args:
        mask: (H, W) bool.

    Returns:
        (4,) int64: first column, first row, last minus first column, last minus first row; zeros
        for an empty mask. A single pixel has width and height 0.

    Raises:
        MaskError: not one mask.
    """
    x0, y0, x1, y1 = box_from_mask(mask)
    return np.array([x0, y0, max(x1 - x0 - 1, 0), max(y1 - y0 - 1, 0)], dtype=np.int64)


def xyxy_to_xywh(boxes_xyxy: ArrayLike) -> NDArray[Any]:
    """Corner boxes as corner and size.

    Args:
        boxes_xyxy: (..., 4) numbers.

    Returns:
        (..., 4) x, y, width, height; int64 for integers, else float64.

    Raises:
        MaskError: the last axis is not 4, or a value is no finite number.
    """
    boxes = _as_boxes(boxes_xyxy, "boxes_xyxy")
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def xywh_to_xyxy(boxes_xywh: ArrayLike) -> NDArray[Any]:
    """Boxes given as corner and size, as corner boxes.

    Args:
        boxes_xywh: (..., 4) x, y, width, height.

    Returns:
        (..., 4) half-open XYXY; int64 for integers, else float64.

    Raises:
        MaskError: the last axis is not 4, or a value is no finite number.
    """
    boxes = _as_boxes(boxes_xywh, "boxes_xywh")
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def clip_boxes(boxes_xyxy: ArrayLike, size_hw: tuple[int, int]) -> NDArray[Any]:
    """Boxes cut off at the border of the picture; one that lies outside keeps no area.

    Args:
        boxes_xyxy: (..., 4) half-open XYXY in pixels.
        size_hw: (height, width) of the picture.

    Returns:
        (..., 4); int64 for integers, else float64.

    Raises:
        MaskError: the last axis is not 4, a value is no finite number, or a size is negative.
    """
    boxes = _as_boxes(boxes_xyxy, "boxes_xyxy")
    height, width = size_hw
    if height < 0 or width < 0:
        raise MaskError(f"size_hw is {size_hw}; give (height, width), neither of them negative")
    limits = np.array([width, height, width, height], dtype=boxes.dtype)
    clipped: NDArray[Any] = np.clip(boxes, np.zeros_like(limits), limits)
    return clipped


def pad_boxes(
    boxes_xyxy: ArrayLike, padding_px: float, size_hw: tuple[int, int] | None = None
) -> NDArray[Any]:
    """Boxes grown by the same margin on every side; boxes without area stay as they are.

    Args:
        boxes_xyxy: (..., 4) half-open XYXY in pixels.
        padding_px: margin, not negative.
        size_hw: (height, width) of the picture at whose border to stop; None does not stop.

    Returns:
        (..., 4); int64 if boxes and margin are integers, else float64.

    Raises:
        MaskError: the last axis is not 4, a value is no finite number, or the margin is negative.
    """
    boxes = _as_boxes(boxes_xyxy, "boxes_xyxy")
    if not 0 <= padding_px < MAX_COORDINATE:
        raise MaskError(f"padding_px is {padding_px}; give a margin of 0 or more pixels")
    margin = np.array([-padding_px, -padding_px, padding_px, padding_px])
    has_area = (box_areas(boxes) > 0)[..., None]
    padded = np.where(has_area, boxes + margin, boxes)
    return padded if size_hw is None else clip_boxes(padded, size_hw)


def box_areas(boxes_xyxy: ArrayLike) -> NDArray[np.float64]:
    """Areas of boxes.

    Args:
        boxes_xyxy: (..., 4) half-open XYXY in pixels.

    Returns:
        (...) float64 in square pixels; 0 for boxes that are empty or turned inside out.

    Raises:
        MaskError: the last axis is not 4, or a value is no finite number.
    """
    boxes = _as_boxes(boxes_xyxy, "boxes_xyxy").astype(np.float64)
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    areas: NDArray[np.float64] = sides[..., 0] * sides[..., 1]
    return areas


def box_iou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of every box of one set with every box of another.

    Args:
        a: (N, 4) half-open XYXY in pixels.
        b: (M, 4) likewise.

    Returns:
        (N, M) float64 in 0..1; 0 where both boxes are empty, never NaN.

    Raises:
        MaskError: a shape is not (number, 4), or a value is no finite number.
    """
    boxes_a, boxes_b = _as_box_list(a, "a"), _as_box_list(b, "b")
    top_left = np.maximum(boxes_a[:, None, :2], boxes_b[None, :, :2])
    bottom_right = np.minimum(boxes_a[:, None, 2:], boxes_b[None, :, 2:])
    common = box_areas(np.concatenate([top_left, bottom_right], axis=-1))
    # an inside-out box may seem to contain a piece of another
    area_a, area_b = box_areas(boxes_a)[:, None], box_areas(boxes_b)[None]
    common = np.minimum(common, np.minimum(area_a, area_b))
    union = area_a + area_b - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def nms(boxes_xyxy: ArrayLike, scores: ArrayLike, iou_threshold: float) -> NDArray[np.int64]:
    """Greedy non-maximum suppression, blind to classes.

    Goes through the boxes from the highest score down (equal scores in the given order), keeps
    a box and drops every later one whose IoU with it is above the threshold. Empty boxes overlap
    nothing and are kept. Memory grows with N, not with N squared.

    Args:
        boxes_xyxy: (N, 4) half-open XYXY in pixels.
        scores: (N,) finite numbers.
        iou_threshold: 0..1.

    Returns:
        (K,) int64 indices of the kept boxes, highest score first.

    Raises:
        MaskError: shapes that do not fit, values that are not finite, a threshold outside 0..1.
    """
    boxes = _as_box_list(boxes_xyxy, "boxes_xyxy")
    left = np.argsort(-_as_scores(scores, len(boxes)), kind="stable")
    if not 0 <= iou_threshold <= 1:
        raise MaskError(f"iou_threshold is {iou_threshold}; give a number from 0 to 1")
    kept: list[int] = []
    while left.size:
        kept.append(int(left[0]))
        overlap = box_iou(boxes[left[:1]], boxes[left[1:]])[0]
        left = left[1:][overlap <= iou_threshold]
    return np.array(kept, dtype=np.int64)


def _as_array(values: ArrayLike, name: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise MaskError(
            f"{name} cannot be read as an array ({error}); give rows of equal length"
        ) from error


def _as_bool(array: NDArray[Any], name: str) -> NDArray[np.bool_]:
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf":
        raise MaskError(f"{name} has dtype {array.dtype}; give booleans, or numbers 0 and 1")
    mask: NDArray[np.bool_] = array == 1
    if not np.all(mask | (array == 0)):
        raise MaskError(
            f"{name} has values from {array.min()} to {array.max()}; give booleans, or only 0 "
            f"and 1, for example {name} > 0"
        )
    return mask


def _boxes(masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N, H, W) bool -> (N, 4) int64."""
    boxes = np.zeros((len(masks), 4), dtype=np.int64)
    if masks.size == 0:
        return boxes
    for first, axis in enumerate((1, 2)):  # columns, then rows
        lines: NDArray[np.bool_] = np.any(masks, axis=axis)
        boxes[:, first] = lines.argmax(axis=1)
        boxes[:, first + 2] = lines.shape[1] - lines[:, ::-1].argmax(axis=1)
        boxes[~np.any(lines, axis=1)] = 0
    return boxes


def _as_boxes(boxes: ArrayLike, name: str) -> NDArray[Any]:
    """(..., 4) int64 or float64, wide enough for differences of any unsigned or short type."""
    array = _as_array(boxes, name)
    if array.ndim == 0 or array.shape[-1] != 4:
        raise MaskError(f"{name} has shape {array.shape}; give four numbers a box, (number, 4)")
    if array.dtype.kind not in "iuf":
        raise MaskError(f"{name} has dtype {array.dtype}; give integers or floats")
    if not np.all(np.abs(array.astype(np.float64)) < MAX_COORDINATE):
        raise MaskError(f"{name} has a value that is not finite; give coordinates in pixels")
    return array.astype(np.float64 if array.dtype.kind == "f" else np.int64)


def _as_box_list(boxes: ArrayLike, name: str) -> NDArray[np.float64]:
    """(N, 4) float64; an empty list is no boxes."""
    array = _as_array(boxes, name)
    if array.ndim == 1 and array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2:
        raise MaskError(f"{name} has shape {array.shape}; give boxes of shape (number, 4)")
    return _as_boxes(array, name).astype(np.float64)


def _as_scores(scores: ArrayLike, count: int) -> NDArray[np.float64]:
    array = _as_array(scores, "scores")
    if array.shape != (count,):
        raise MaskError(f"scores has shape {array.shape}; give one score a box, ({count},)")
    if array.dtype.kind not in "iuf" or not np.all(np.isfinite(array)):
        raise MaskError("scores has a value that is no finite number; give one number a box")
    return array.astype(np.float64)
