from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from anymask.errors import FileFormatError, PromptError
from anymask.evaluation.box_prompts import BoxSettings, BoxTask
from anymask.evaluation.jobs import Bench, Summary
from anymask.evaluation.journal import Journal
from anymask.evaluation.run import evaluate
from anymask.evaluation.sets.find import find_mask_sets
from anymask.inference.segment import Model

MakeSet = Callable[..., Path]


def judged(model: Model, out: Path, settings: BoxSettings, *folders: Path) -> Summary:
    task = BoxTask(settings)
    jobs = task.jobs(find_mask_sets(folders))
    run = evaluate(task, jobs, Bench(model), Journal(out / "out", task.settings()))
    assert not run.failures
    again = evaluate(task, jobs, Bench(model), Journal(out / "out", task.settings()))
    assert again.resumed == len(jobs)
    assert task.summary(again.outcomes).figures == task.summary(run.outcomes).figures
    return task.summary(run.outcomes)


def test_true_boxes_of_what_the_model_finds_give_full_precision(
    discs: Model, disc_set: MakeSet, tmp_path: Path
) -> None:
    summary = judged(discs, tmp_path, BoxSettings(), disc_set(radius=32, objects=3))
    assert summary.figures["AP50"] == pytest.approx(1)
    assert summary.figures["mIoU"] > 0.9
    assert summary.headline.startswith("mean over 1 set: AP ")


def test_true_boxes_of_other_things_give_none(
    discs: Model, disc_set: MakeSet, tmp_path: Path
) -> None:
    summary = judged(discs, tmp_path, BoxSettings(), disc_set(radius=12))
    assert summary.figures["AP"] == 0


def test_a_detectors_scores_rank_the_masks(discs: Model, disc_set: MakeSet, tmp_path: Path) -> None:
    folder = disc_set(pictures=1, objects=1)
    right = {"image_id": 1, "category_id": 1, "bbox": [32, 32, 64, 64]}
    wrong = {"image_id": 1, "category_id": 1, "bbox": [180, 180, 300, 300]}
    for scores, expected in (((0.9, 0.1), 1.0), ((0.1, 0.9), 0.5)):
        found = [{**right, "score": scores[0]}, {**wrong, "score": scores[1]}]
        path = tmp_path / f"{scores[0]}.json"
        path.write_text(json.dumps(found))
        out = tmp_path / str(scores[0])
        summary = judged(discs, out, BoxSettings(detections=path, refine=True), folder)
        assert summary.figures["AP50"] == pytest.approx(expected)


def test_a_detectors_boxes_belong_to_one_set(disc_set: MakeSet, tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text("[]")
    task = BoxTask(BoxSettings(detections=tmp_path / "found.json"))
    with pytest.raises(PromptError, match="one by one"):
        task.jobs(find_mask_sets([disc_set("a"), disc_set("b")]))


@pytest.mark.parametrize("content", ["{", '[{"image_id": 1}]', "[3]"])
def test_a_file_that_holds_no_detections_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=r"found\.json"):
        BoxTask(BoxSettings(detections=path))
