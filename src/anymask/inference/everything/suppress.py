"""Which of many overlapping masks stay: greedy, the best first, by the overlap of their boxes.

The published algorithm measures every candidate at image size before it compares any. Here
candidates are visited best first and measured only as far as a decision needs. That changes
nothing: a candidate that a better one suppresses cannot suppress others, so whether it was stable
does not matter, and every box that decides between keeping and dropping is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from anymask.inference.everything.candidates import Candidate
from anymask.inference.everything.settings import EverythingSettings
from anymask.types.records import BoxXyxy

EDGE_PX = 20
"""A box this close to the side of a crop, but not of the picture, was probably cut by it."""

Boxes = NDArray[np.float64]


class KeptBoxes:
    """The boxes that stay so far.

    Overlap is measured as published, on boxes that end at the last pixel, so that a box one pixel
    wide has no area.

    Args:
        threshold: boxes that overlap a kept one by more are suppressed.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._boxes: Boxes = np.zeros((0, 4))

    def add(self, box: BoxXyxy) -> None:
        """Keep a half-open box."""
        self._boxes = np.vstack([self._boxes, inclusive(box)])

    def suppress(self, box: BoxXyxy) -> bool:
        """Whether a half-open box overlaps a kept one by more than the threshold."""
        return self.surely_suppress(box, box)

    def surely_suppress(self, inner: BoxXyxy, outer: BoxXyxy) -> bool:
        """Whether every box around `inner` and inside `outer` does.

        It shares at least what `inner` shares, and covers at most what `outer` covers.
        """
        least = inclusive(inner)
        start = np.maximum(self._boxes[:, :2], least[:2])
        end = np.minimum(self._boxes[:, 2:], least[2:])
        common = np.clip(end - start, 0, None).prod(axis=1)
        covered = _areas(self._boxes) + _areas(inclusive(outer)[None]) - common
        return bool((common > self._threshold * covered).any())


def inclusive(box: BoxXyxy) -> Boxes:
    """A half-open box as published: it ends at the last pixel; an empty one stays as it is."""
    x0, y0, x1, y1 = box
    return np.array([x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)], np.float64)


def _areas(boxes: Boxes) -> Boxes:
    areas: Boxes = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def keep_best(candidates: Iterable[Candidate], settings: EverythingSettings) -> list[Candidate]:
    """The candidates of one crop that pass the filters and are not suppressed.

    Args:
        candidates: in the order they were found.
        settings: thresholds for predicted IoU, stability, overlap and area. What a crop cut is
            dropped, what a tile cut stays, to be joined.

    Returns:
        The kept ones, surest first.
    """
    kept: list[Candidate] = []
    boxes = KeptBoxes(settings.box_nms_thresh)
    for candidate in sorted(candidates, key=lambda one: -one.predicted_iou):
        if not is_confident(candidate, settings.pred_iou_thresh):
            continue
        inner = candidate.inner_box
        if inner is not None and boxes.surely_suppress(inner, candidate.outer_box):
            continue
        if not is_stable(candidate, settings.stability_score_thresh):
            continue
        if settings.tile_px is None and is_cut(candidate):
            continue
        if boxes.suppress(candidate.box) or not _has_wanted_area(candidate, settings):
            continue
        boxes.add(candidate.box)
        kept.append(candidate)
    return kept


def is_confident(candidate: Candidate, threshold: float) -> bool:
    """Whether a candidate passes the threshold of predicted IoU; 0 or less lets all pass."""
    # compared in float32, as published
    return threshold <= 0 or candidate.predicted_iou > float(np.float32(threshold))


def is_stable(candidate: Candidate, threshold: float) -> bool:
    """Whether a candidate passes the stability threshold; 0 or less lets all pass."""
    # compared in float32, as published
    return threshold <= 0 or candidate.is_stable(float(np.float32(threshold)))


def _has_wanted_area(candidate: Candidate, settings: EverythingSettings) -> bool:
    """Whether the mask is neither too small nor the whole picture; measured only if asked."""
    share = settings.max_mask_share
    if not settings.min_mask_area and share is None:
        return True
    area = candidate.mask().area
    height, width = candidate.view.size_hw
    return area >= settings.min_mask_area and (share is None or area < share * height * width)


def is_cut(candidate: Candidate) -> bool:
    """Whether the mask's box lies at a side of its crop that is no side of the picture."""
    height, width = candidate.view.size_hw
    box = inclusive(candidate.image_box)
    near_crop = np.abs(box - candidate.view.crop.box_xyxy) <= EDGE_PX
    near_image = np.abs(box - (0, 0, width, height)) <= EDGE_PX
    return bool((near_crop & ~near_image).any())


def keep_in_order(boxes: Sequence[BoxXyxy], scores: Sequence[float], threshold: float) -> list[int]:
    """Greedy suppression of exact boxes.

    Args:
        boxes: half-open, of one frame.
        scores: the higher, the earlier; equal ones in the order given.
        threshold: suppress boxes that overlap an earlier one by more.

    Returns:
        Numbers of the kept ones, best first.
    """
    kept = KeptBoxes(threshold)
    numbers = []
    for number in sorted(range(len(boxes)), key=lambda one: -scores[one]):
        if not kept.suppress(boxes[number]):
            kept.add(boxes[number])
            numbers.append(number)
    return numbers
