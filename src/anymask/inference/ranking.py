"""How plausible each candidate of an ambiguous prompt is, as the object that was meant.

The published rule takes the candidate of highest predicted IoU, which is often the whole scene. The
rule here starts from predicted IoU and takes off for what large, wrong masks have in common. It is
linear in five measures that one can look at; docs/quality.md tells how it was found.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.geometry.stability import stability_score

FloatArray = NDArray[np.float32]

LARGE_SHARE: Final = 0.3
"""A mask may cover this much of the picture before it becomes less plausible."""
PER_SHARE: Final = 0.5
PER_BORDER: Final = 0.4
PER_SHALLOWNESS: Final = 0.5
PER_INSTABILITY: Final = 0.8


def plausibility(
    logits: FloatArray, predicted_iou: FloatArray, cells_xy: NDArray[np.floating]
) -> FloatArray:
    """Predicted IoU less what speaks against a mask.

    Args:
        logits: (M, h, w) candidates on the low-res cells of the picture, without padding.
        predicted_iou: (M,) float32.
        cells_xy: (P, 2) the foreground points (x, y) in cells; may be empty.

    Returns:
        (M,) float32; only their order means anything.
    """
    masks = logits > 0
    too_large = np.maximum(0, masks.mean(axis=(1, 2)) - LARGE_SHARE)
    shallow = 1 - np.array([depth(mask, cells_xy) for mask in masks])
    against = (
        PER_SHARE * too_large
        + PER_BORDER * border_share(masks)
        + PER_SHALLOWNESS * shallow
        + PER_INSTABILITY * (1 - stability_score(logits))
    )
    return np.asarray(predicted_iou - against, np.float32)


def border_share(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How much of the picture's edge each mask covers.

    Args:
        masks: (M, h, w) bool.

    Returns:
        (M,) in 0..1.
    """
    sides = (masks[:, 0], masks[:, -1], masks[:, 1:-1, 0], masks[:, 1:-1, -1])
    covered = sum(np.count_nonzero(side, axis=1) for side in sides)
    return np.asarray(covered / sum(side.shape[1] for side in sides))


def depth(mask: NDArray[np.bool_], cells_xy: NDArray[np.floating]) -> float:
    """How deep inside the mask the points lie, beside its deepest place: people click in middles.

    Args:
        mask: (h, w) bool.
        cells_xy: (P, 2) points (x, y) in cells.

    Returns:
        The mean in 0..1: 0 outside of the mask, 1 at its deepest place; 1 without points.
    """
    if not len(cells_xy):
        return 1.0
    distances = inner_distances(mask)
    height, width = mask.shape
    columns, rows = np.floor(cells_xy).astype(np.intp).T
    at_points = distances[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return float(at_points.mean() / max(1, distances.max()))


def inner_distances(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Steps (up, down, left or right) from each cell of a mask to the nearest one outside of it.

    All beyond the picture is outside too. City-block distance needs nothing but running minima.

    Args:
        mask: (h, w) bool.

    Returns:
        (h, w) int32; 0 outside of the mask.
    """
    height, width = mask.shape
    distances = np.pad(np.where(mask, np.int32(height + width), np.int32(0)), 1)
    for axis in (0, 1):
        shape = [1, 1]
        shape[axis] = -1
        place = np.arange(distances.shape[axis], dtype=np.int32).reshape(shape)
        before = np.minimum.accumulate(distances - place, axis=axis) + place
        reverse = np.flip(distances + place, axis)
        behind = np.flip(np.minimum.accumulate(reverse, axis=axis), axis) - place
        distances = np.minimum(before, behind)
    return distances[1:-1, 1:-1]
