"""Average precision and recall as COCO defines them, from what single pictures gave.

Written here, not called: a picture's comparison is kept as JSON, so that a run can go on, and
nothing compiled is needed. The tests hold it equal to pycocotools.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.overlap import pairwise_iou
from anymask.evaluation.truth import LARGE_AREA, MEDIUM_AREA, Truth
from anymask.types.records import CompactMask

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

THRESHOLDS: Final = np.linspace(0.5, 0.95, 10)
"""IoU from which on a mask counts as found."""
RECALLS: Final = np.linspace(0.0, 1.0, 101)
AREAS: Final[Mapping[str, tuple[float, float]]] = {
    "all": (0, 1e10),
    "small": (0, MEDIUM_AREA),
    "medium": (MEDIUM_AREA, LARGE_AREA),
    "large": (LARGE_AREA, 1e10),
}
EPSILON: Final = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """D masks found on a picture against its G true objects.

    Attributes:
        scores: (D,) how sure each is.
        areas: (D,) pixels.
        categories: (D,) their classes.
        truth_areas: (G,) pixels.
        truth_categories: (G,).
        crowd: (G,) bool.
        ious: (D, G); what lies below the lowest threshold may be 0.
    """

    scores: Floats
    areas: Floats
    categories: NDArray[np.int64]
    truth_areas: Floats
    truth_categories: NDArray[np.int64]
    crowd: Bools
    ious: Floats

    def to_json(self) -> dict[str, Any]:
        """Without overlaps below the lowest threshold, which never count."""
        rows, columns = np.nonzero(self.ious >= THRESHOLDS[0] - EPSILON)
        overlaps = self.ious[rows, columns]
        return {
            "scores": self.scores.tolist(),
            "areas": self.areas.tolist(),
            "categories": self.categories.tolist(),
            "truth_areas": self.truth_areas.tolist(),
            "truth_categories": self.truth_categories.tolist(),
            "crowd": self.crowd.tolist(),
            "ious": [
                [int(row), int(column), float(iou)]
                for row, column, iou in zip(rows, columns, overlaps, strict=True)
            ],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Compared:
        """What `to_json` gave."""
        scores = np.array(stored["scores"], np.float64)
        truth_areas = np.array(stored["truth_areas"], np.float64)
        ious = np.zeros((len(scores), len(truth_areas)))
        for row, column, iou in stored["ious"]:
            ious[row, column] = iou
        return cls(
            scores,
            np.array(stored["areas"], np.float64),
            np.array(stored["categories"], np.int64),
            truth_areas,
            np.array(stored["truth_categories"], np.int64),
            np.array(stored["crowd"], np.bool_),
            ious,
        )


def compare(
    found: Sequence[CompactMask],
    scores: Sequence[float],
    categories: Sequence[int],
    truths: Sequence[Truth],
) -> Compared:
    """Masks found on a picture against all of its true objects.

    Args:
        found: the masks.
        scores: of each.
        categories: of each.
        truths: crowds included.
    """
    true_masks = [CompactMask.from_array(truth.mask()) for truth in truths]
    crowd = [truth.crowd for truth in truths]
    areas = [
        mask.area if truth.area is None else truth.area
        for truth, mask in zip(truths, true_masks, strict=True)
    ]
    return Compared(
        np.array(scores, np.float64),
        np.array([mask.area for mask in found], np.float64),
        np.array(categories, np.int64),
        np.array(areas, np.float64),
        np.array([truth.category for truth in truths], np.int64),
        np.array(crowd, np.bool_),
        pairwise_iou(found, true_masks, crowd=crowd),
    )


@dataclass(frozen=True, slots=True)
class Score:
    """Means over thresholds and classes.

    Attributes:
        precision: AP; NaN where nothing true is there.
        precision_50: the same at the lowest threshold alone.
        precision_75: the same at 0.75.
        recall: AR.
    """

    precision: float
    precision_50: float
    precision_75: float
    recall: float


def score(
    pictures: Sequence[Compared], *, most: int, area: str = "all", by_class: bool = True
) -> Score:
    """AP and AR.

    Args:
        pictures: what each gave.
        most: masks a picture (and class) that count, the surest.
        area: a name of `AREAS`; objects of other sizes are neither wanted nor wrong.
        by_class: each class by itself, then their mean; else classes are not looked at.
    """
    classes: list[int | None] = [None]
    if by_class:
        present = [one.truth_categories for one in pictures]
        classes = np.unique(np.concatenate([[], *present]).astype(int)).tolist()
    curves = [
        _curves([_match(one, kind, AREAS[area], most) for one in pictures]) for kind in classes
    ]
    wanted = [curve for curve in curves if curve is not None]
    if not wanted:
        return Score(*[float("nan")] * 4)
    precision = np.mean([one[0] for one in wanted], axis=0)
    recall = np.mean([one[1] for one in wanted])
    return Score(float(precision.mean()), float(precision[0]), float(precision[5]), float(recall))


@dataclass(frozen=True, slots=True, eq=False)
class _Matched:
    """(D,) scores, (T, D) whether found and whether to be left out, and what is wanted."""

    scores: Floats
    found: Bools
    ignored: Bools
    wanted: int


def _match(one: Compared, kind: int | None, bounds: tuple[float, float], most: int) -> _Matched:
    """Greedy matching, the surest first, each to the free object it overlaps most."""
    rows = np.flatnonzero(one.categories == kind) if kind is not None else np.arange(len(one.areas))
    columns = np.arange(len(one.truth_areas))
    if kind is not None:
        columns = np.flatnonzero(one.truth_categories == kind)
    rows = rows[np.argsort(-one.scores[rows], kind="stable")][:most]
    areas, crowd = one.truth_areas[columns], one.crowd[columns]
    aside = crowd | (areas < bounds[0]) | (areas > bounds[1])
    ious = one.ious[np.ix_(rows, columns)]
    found, ignored = np.zeros((2, len(THRESHOLDS), len(rows)), np.bool_)
    hopeful = np.flatnonzero((ious >= THRESHOLDS[0] - EPSILON).any(axis=1))
    for level, threshold in enumerate(THRESHOLDS):
        free = np.ones(len(columns), np.bool_)
        for row in hopeful:
            fits = (ious[row] >= min(threshold, 1 - EPSILON)) & (free | crowd)
            fits = fits & ~aside if (fits & ~aside).any() else fits
            if not fits.any():
                continue
            overlaps = np.where(fits, ious[row], -1.0)
            best = int(
                np.flatnonzero(overlaps == overlaps.max())[-1]
            )  # of equals COCO takes the last
            free[best] = False
            found[level, row], ignored[level, row] = True, aside[best]
    outside = (one.areas[rows] < bounds[0]) | (one.areas[rows] > bounds[1])
    return _Matched(one.scores[rows], found, ignored | (~found & outside), int((~aside).sum()))


def _curves(pictures: Sequence[_Matched]) -> tuple[Floats, float] | None:
    """(T,) precision, averaged over recalls, and the recall averaged over thresholds."""
    wanted = sum(one.wanted for one in pictures)
    if not wanted:
        return None
    order = np.argsort(-np.concatenate([one.scores for one in pictures]), kind="stable")
    found = np.concatenate([one.found for one in pictures], axis=1)[:, order]
    ignored = np.concatenate([one.ignored for one in pictures], axis=1)[:, order]
    right = np.cumsum(found & ~ignored, axis=1, dtype=np.float64)
    wrong = np.cumsum(~found & ~ignored, axis=1, dtype=np.float64)
    precision = np.zeros(len(THRESHOLDS))
    if not len(order):
        return precision, 0.0
    for level in range(len(THRESHOLDS)):
        recall = right[level] / wanted
        exact = right[level] / (right[level] + wrong[level] + np.spacing(1))
        envelope = np.maximum.accumulate(exact[::-1])[::-1]
        places = np.searchsorted(recall, RECALLS, side="left")
        reached = places < len(envelope)
        precision[level] = envelope[places[reached]].sum() / len(RECALLS)
    return precision, float((right[:, -1] / wanted).mean())
