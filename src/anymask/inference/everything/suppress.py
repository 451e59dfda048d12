"""Suppression of duplicates by their boxes, with the published arithmetic.

The published boxes name their last pixel, and width is last minus first, one less than the pixels:
a mask one pixel wide has no area and overlaps nothing. Overlaps are float32, the threshold is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.inference.everything.candidates import EMPTY_BOX, Candidate
from anymask.types.records import BoxXyxy

Boxes = NDArray[np.float32]
ROUNDING = 1e-6
"""An overlap that is larger by this cannot have been rounded to below the threshold in float32."""


def suppressed(boxes_xyxy: ArrayLike, scores: ArrayLike, iou_threshold: float) -> NDArray[np.intp]:
    """Greedy suppression: the best box stays, and drops those that overlap it by more.

    Args:
        boxes_xyxy: (N, 4) half-open, whole pixels.
        scores: (N,); equal ones keep their order.
        iou_threshold: overlap above which the lesser box goes.

    Returns:
        (K,) numbers of the boxes that stay, best first.
    """
    boxes = published(np.reshape(np.asarray(boxes_xyxy), (-1, 4)))
    left = np.argsort(-np.asarray(scores, np.float32), kind="stable")
    kept: list[int] = []
    while left.size:
        kept.append(int(left[0]))
        left = left[1:][~(overlaps(boxes[left[0]], boxes[left[1:]]) > iou_threshold)]
    return np.array(kept, np.intp)


def select(
    candidates: Iterable[Candidate],
    iou_threshold: float,
    accepts: Callable[[Candidate], bool],
) -> list[Candidate]:
    """What `suppressed` keeps of the candidates that are accepted, measuring as few as possible.

    A candidate that is suppressed suppresses nothing, so candidates are visited from the best
    down. One whose least possible overlap with a kept one is too large goes unmeasured.

    Args:
        candidates: of one crop.
        iou_threshold: as `suppressed` takes it.
        accepts: whether a candidate passes the filters; called as seldom as possible.

    Returns:
        The kept ones, best first.
    """
    kept: list[Candidate] = []
    boxes = np.zeros((16, 4), np.float32)
    for candidate in sorted(candidates, key=lambda one: -one.predicted_iou):
        others = boxes[: len(kept)]
        if _surely_suppressed(candidate, others, iou_threshold) or not accepts(candidate):
            continue
        box = published(np.array([candidate.box]))[0]
        if (overlaps(box, others) > iou_threshold).any():
            continue
        if len(kept) == len(boxes):
            boxes = np.concatenate([boxes, np.zeros_like(boxes)])
        boxes[len(kept)] = box
        kept.append(candidate)
    return kept


def published(boxes_xyxy: NDArray[np.generic]) -> Boxes:
    """(N, 4) half-open boxes with their last pixel instead of their end, as float32."""
    boxes = boxes_xyxy.astype(np.float32)
    return boxes - np.array([0, 0, 1, 1], np.float32) * (boxes[:, 2:] > boxes[:, :2]).all(
        axis=1, keepdims=True
    )


def overlaps(box: Boxes, others: Boxes) -> NDArray[np.float64]:
    """IoU of one published box with (N, 4) others, rounded to float32; NaN without any area."""
    common = _common(box, others)
    union = _areas(box[None]) + _areas(others) - common
    with np.errstate(invalid="ignore"):
        return (common / union).astype(np.float64)


def _surely_suppressed(candidate: Candidate, others: Boxes, iou_threshold: float) -> bool:
    """Whether the overlap is too large wherever the box lies between its bounds.

    Growing the box from the inner to the real one cannot make the common part smaller, and the
    real box is no larger than the outer one: inner common part over the union with the outer box
    is at most the real overlap.
    """
    if candidate.inner_box is None or not len(others):
        return False
    inner, outer = published(_rows((candidate.inner_box, candidate.outer_box))).astype(np.float64)
    common = _common(inner, others.astype(np.float64))
    union = _areas(outer[None]) + _areas(others.astype(np.float64)) - common
    return bool((common > (iou_threshold + ROUNDING) * union).any())


def _rows(boxes: Sequence[BoxXyxy]) -> NDArray[np.generic]:
    return np.array(boxes)


def _common(box: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    return np.maximum(width, 0) * np.maximum(height, 0)


def _areas(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


__all__ = ["EMPTY_BOX", "overlaps", "published", "select", "suppressed"]
