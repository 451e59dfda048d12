"""How much masks agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anymask.types.records import CompactMask

Mask = NDArray[np.bool_]


def mask_iou(prediction: Mask, truth: Mask, unsure: Mask | None = None) -> float:
    """Intersection over union of two masks.

    Args:
        prediction: (H, W) bool.
        truth: likewise.
        unsure: pixels that count for nothing.

    Returns:
        0..1; 1 where both are empty.
    """
    if unsure is not None:
        prediction, truth = prediction & ~unsure, truth & ~unsure
    union = int(np.count_nonzero(prediction | truth))
    return int(np.count_nonzero(prediction & truth)) / union if union else 1.0


def pairwise_iou(
    a: Sequence[CompactMask], b: Sequence[CompactMask], *, crowd: Sequence[bool] | None = None
) -> NDArray[np.float64]:
    """Intersection over union of every mask of `a` with every mask of `b`.

    Args:
        a: masks of one picture.
        b: likewise.
        crowd: of `b`; with a crowd the intersection is divided by the area of the mask of `a`, as
            COCO does.

    Returns:
        (len(a), len(b)) float64 in 0..1.
    """
    shared = np.zeros((len(a), len(b)))
    boxes = np.array([one.box_xyxy for one in a], np.int64).reshape(-1, 4)
    crops: dict[int, Mask] = {}
    for column, other in enumerate(b):
        inside = other.crop
        low = np.maximum(boxes[:, :2], other.box_xyxy[:2])
        high = np.minimum(boxes[:, 2:], other.box_xyxy[2:])
        for row in np.flatnonzero((low < high).all(axis=1)):
            crop = crops.get(int(row))
            if crop is None:
                crop = crops[int(row)] = a[int(row)].crop
            (x0, y0), (x1, y1) = low[row], high[row]
            ax, ay = boxes[row, :2]
            bx, by = other.box_xyxy[:2]
            mine = crop[y0 - ay : y1 - ay, x0 - ax : x1 - ax]
            theirs = inside[y0 - by : y1 - by, x0 - bx : x1 - bx]
            shared[row, column] = np.count_nonzero(mine & theirs)
    areas_a = np.array([one.area for one in a], np.float64).reshape(-1, 1)
    areas_b = np.array([one.area for one in b], np.float64).reshape(1, -1)
    union = areas_a + areas_b - shared
    if crowd is not None:
        union = np.where(np.asarray(crowd, np.bool_).reshape(1, -1), areas_a, union)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
