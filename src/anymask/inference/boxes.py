"""The mask of a box: the answer among all the decoder's that fills the box best.

The published rule for a box takes token 0. The three others are decoded anyway; where token 0 finds
a part or spills over, one of them, or their median, is the object.
"""

from __future__ import annotations

from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.geometry.stability import stability_score
from anymask.inference.backend import Decoded

FloatArray = NDArray[np.float32]

CLEARANCE: Final = 0.05
"""Share of the box's sides that a mask may stand out by; what is further out is cut off."""
PER_FIT: Final = 1.0
PER_PREDICTED_IOU: Final = 1.0
PER_STABILITY: Final = 0.5
PER_AGREEMENT: Final = 1.0


def fill_box(
    logits: FloatArray, predicted_iou: FloatArray, box_cells: NDArray[np.floating]
) -> Decoded:
    """The best of all the decoder's answers to a box, and of their median.

    Args:
        logits: (4, L, L) low-res logits on the canvas.
        predicted_iou: (4,) float32.
        box_cells: (4,) x0, y0, x1, y1 in low-res cells.

    Returns:
        One answer, cut to the box and a little more.
    """
    fused = (logits.sum(axis=0) - logits.max(axis=0) - logits.min(axis=0)) / 2
    answers = np.concatenate([logits, fused[None]])
    iou = np.append(predicted_iou, np.median(predicted_iou)).astype(np.float32)
    answers = cut_to_box(answers, box_cells)
    masks = answers > 0
    score = (
        PER_FIT * fits(masks, box_cells)
        + PER_PREDICTED_IOU * iou
        + PER_STABILITY * stability_score(answers)
        + PER_AGREEMENT * agreement(masks)
    )
    best = int(score.argmax())
    return Decoded(answers[best : best + 1], iou[best : best + 1])


def cut_to_box(logits: FloatArray, box_cells: NDArray[np.floating]) -> FloatArray:
    """Logits with what lies beyond the box and its clearance turned into background.

    Args:
        logits: (M, L, L).
        box_cells: (4,) x0, y0, x1, y1 in cells.

    Returns:
        (M, L, L) float32.
    """
    x0, y0, x1, y1 = box_cells
    clear_x, clear_y = (max(1.0, CLEARANCE * side) for side in (x1 - x0, y1 - y0))
    height, width = logits.shape[-2:]
    rows = _between(np.arange(height) + 0.5, y0 - clear_y, y1 + clear_y)
    columns = _between(np.arange(width) + 0.5, x0 - clear_x, x1 + clear_x)
    inside = rows[:, None] & columns
    return np.where(inside, logits, -np.abs(logits))


def _between(places: NDArray[np.floating], low: float, high: float) -> NDArray[np.bool_]:
    return np.asarray((places >= low) & (places <= high))


def fits(masks: NDArray[np.bool_], box_cells: NDArray[np.floating]) -> NDArray[np.float64]:
    """IoU of the box around each mask with the box that was given.

    Args:
        masks: (M, L, L) bool.
        box_cells: (4,) x0, y0, x1, y1 in cells.

    Returns:
        (M,) in 0..1; 0 for an empty mask.
    """
    return np.array([_box_iou(_box(mask), box_cells) for mask in masks])


def _box(mask: NDArray[np.bool_]) -> NDArray[np.floating]:
    """(4,) x0, y0, x1, y1 around a mask; zeros for an empty one."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return np.zeros(4)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)


def _box_iou(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    both = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - common
    return common / both if both > 0 else 0.0


def agreement(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean IoU of each mask with the others.

    Args:
        masks: (M, L, L) bool; M is at least 2.

    Returns:
        (M,) in 0..1.
    """
    ious = np.zeros((len(masks), len(masks)))
    for one, other in combinations(range(len(masks)), 2):
        both = int(np.count_nonzero(masks[one] & masks[other]))
        either = int(np.count_nonzero(masks[one] | masks[other]))
        ious[one, other] = ious[other, one] = both / max(1, either)
    return np.asarray(ious.sum(axis=1) / (len(masks) - 1), np.float64)
