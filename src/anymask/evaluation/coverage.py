"""Everything mode against truth: how much of it is covered, how much is said twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.cases import best_cases
from anymask.evaluation.jobs import (
    Bench,
    Job,
    Outcome,
    Summary,
    limited_pictures,
    over_sets,
    shares_of,
    table_by_set,
)
from anymask.evaluation.overlap import pairwise_iou
from anymask.evaluation.proposals import all_masks
from anymask.evaluation.statistics import mean_of
from anymask.evaluation.truth import DataSet
from anymask.inference.everything.presets import preset
from anymask.inference.everything.settings import EverythingSettings
from anymask.types.records import CompactMask

Mask = NDArray[np.bool_]

DUPLICATE_IOU = 0.8
"""Two masks of a picture that overlap by more are the same one."""
COLUMNS = ("images", "objects", "masks", "best IoU", "found", "covered", "picture", "duplicates")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageSettings:
    """What everything mode is asked for.

    Attributes:
        limit: pictures a set; None takes all.
        seed: of drawing them.
        everything: settings of everything mode.
    """

    limit: int | None = None
    seed: int = 0
    everything: EverythingSettings = field(default_factory=lambda: preset("exact"))


class CoverageTask:
    """The evaluation, see `jobs.Task`.

    Args:
        settings: how.
    """

    name = "everything"

    def __init__(self, settings: CoverageSettings) -> None:
        self._settings = settings

    def settings(self) -> dict[str, Any]:
        """All that changes outcomes."""
        return asdict(self._settings)

    def jobs(self, sets: Sequence[DataSet]) -> list[Job]:
        """Whole pictures."""
        jobs = limited_pictures(sets, self._settings.limit, self._settings.seed)
        return [job for job in jobs if job.truths]

    def work(self, bench: Bench, job: Job) -> Outcome:
        """All masks of one picture against its objects."""
        opened = bench.open(job.picture)
        found = [one.mask for one in all_masks(bench.model, opened, self._settings.everything)]
        truths = [truth for truth in job.truths if not truth.crowd]
        true_masks = [CompactMask.from_array(truth.mask()) for truth in truths]
        cases = best_cases(found, truths, pairwise_iou(found, true_masks))
        covered = union(found, opened.encoded.frame.size_hw)
        true = union(true_masks, opened.encoded.frame.size_hw)
        measures = {
            "masks": len(found),
            "covered": _share(covered & true, true),
            "picture": float(covered.mean()),
            "duplicates": duplicates(found),
        }
        return {"cases": cases, "measures": measures}

    def summary(self, outcomes: Sequence[tuple[Job, Outcome]]) -> Summary:
        """Means over pictures and objects by set."""
        sets: dict[str, list[Outcome]] = {}
        for job, outcome in outcomes:
            sets.setdefault(job.set_name, []).append(outcome)
        if not sets:
            return Summary("nothing was measured", {}, ())
        rows = {name: _row(of_set) for name, of_set in sets.items()}
        counts = ("images", "objects", "masks")
        table = table_by_set("Everything mode", COLUMNS, rows, counts)
        figures = shares_of(table)
        return Summary(
            over_sets(len(sets), figures, COLUMNS),
            figures,
            (table,),
            notes=(
                "best IoU is that of the mask that fits an object best, found the share of objects "
                "for which it is 0.5 or more; covered and picture are the shares of true pixels "
                "and of all pixels under any mask; duplicates the share of masks that overlap a "
                f"surer one by more than {DUPLICATE_IOU:g}.",
            ),
        )


def duplicates(found: Sequence[CompactMask]) -> float:
    """Share of masks that say again what an earlier one said."""
    if not found:
        return 0.0
    ious = np.triu(pairwise_iou(found, found), k=1)
    return float((ious > DUPLICATE_IOU).any(axis=0).mean())


def union(masks: Sequence[CompactMask], size_hw: tuple[int, int]) -> Mask:
    """(H, W) bool: what any mask covers."""
    covered = np.zeros(size_hw, np.bool_)
    for mask in masks:
        x0, y0, x1, y1 = mask.box_xyxy
        covered[y0:y1, x0:x1] |= mask.crop
    return covered


def _share(part: Mask, whole: Mask) -> float:
    count = int(np.count_nonzero(whole))
    return int(np.count_nonzero(part)) / count if count else 1.0


def _row(outcomes: Sequence[Outcome]) -> list[float]:
    best = [float(case["score"]) for one in outcomes for case in one["cases"]]
    measures = [one["measures"] for one in outcomes]
    return [
        len(outcomes),
        len(best),
        sum(one["masks"] for one in measures),
        mean_of(best),
        mean_of(float(score >= 0.5) for score in best),
        *(mean_of(one[name] for one in measures) for name in COLUMNS[-3:]),
    ]
