from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anymask.evaluation.coverage import CoverageSettings, CoverageTask, duplicates, union
from anymask.evaluation.jobs import Bench, Summary, Task
from anymask.evaluation.journal import Journal
from anymask.evaluation.proposals import ProposalSettings, ProposalTask
from anymask.evaluation.run import evaluate
from anymask.evaluation.sets.find import find_mask_sets
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.segment import Model
from anymask.types.records import CompactMask

GRID = EverythingSettings(
    points_per_side=4, pred_iou_thresh=0, stability_score_thresh=0, min_mask_area=1
)
"""Its points at 32 + 64 k include the middles of no disc; those at 64 need another grid."""
MIDDLES = EverythingSettings(
    points_per_side=2, pred_iou_thresh=0, stability_score_thresh=0, min_mask_area=1
)


def judged(task: Task, model: Model, folder: Path) -> Summary:
    run = evaluate(task, task.jobs(find_mask_sets([folder])), Bench(model), Journal(folder, {}))
    assert not run.failures
    return task.summary(run.outcomes)


def test_proposals_find_every_disc_below_a_point(
    discs: Model, disc_set: Callable[..., Path]
) -> None:
    folder = disc_set(objects=4, radius=48)
    summary = judged(ProposalTask(ProposalSettings(everything=MIDDLES)), discs, folder)
    assert summary.figures["AR@1000"] > 0.9
    assert summary.figures["AR@10"] > 0.9
    assert "ARs" not in summary.figures  # there are no small ones
    missed = judged(ProposalTask(ProposalSettings(everything=GRID)), discs, disc_set("far"))
    assert missed.figures["AR@1000"] < 0.5


def test_everything_covers_what_it_finds(discs: Model, disc_set: Callable[..., Path]) -> None:
    folder = disc_set(objects=4, radius=32)
    summary = judged(CoverageTask(CoverageSettings(everything=MIDDLES)), discs, folder)
    assert summary.figures["found"] == 1
    assert summary.figures["covered"] == 1
    assert summary.figures["picture"] == pytest.approx(4 * np.pi * 48**2 / 256**2, abs=0.02)
    assert summary.figures["duplicates"] == 0


def test_a_mask_that_is_there_twice_is_a_duplicate() -> None:
    masks = np.zeros((3, 20, 20), np.bool_)
    masks[0, 2:12, 2:12] = masks[1, 2:12, 2:11] = masks[2, 14:, 14:] = True
    found = [CompactMask.from_array(mask) for mask in masks]
    assert duplicates(found) == pytest.approx(1 / 3)
    assert duplicates([]) == 0
    assert (union(found, (20, 20)) == masks.any(axis=0)).all()
