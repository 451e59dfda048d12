"""Instance segmentation from boxes (paper, section 7.4 and appendix D.4).

Each box, true or found by a detector, becomes a mask; masks are ranked by the detector's scores, or
for true boxes by predicted IoU, and judged by COCO's average precision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.evaluation.ap import Compared, compare, score
from anymask.evaluation.cases import best_cases
from anymask.evaluation.clicks_settings import ModelOptions
from anymask.evaluation.detections import Detection, read_detections
from anymask.evaluation.jobs import (
    Bench,
    Job,
    Opened,
    Outcome,
    Summary,
    limited_pictures,
    over_sets,
    shares_of,
    table_by_set,
)
from anymask.evaluation.points import truth_box
from anymask.evaluation.statistics import mean_of
from anymask.evaluation.truth import DataSet
from anymask.inference.segment import Model
from anymask.types.prompt import Prompt
from anymask.types.records import CompactMask

BOXES_AT_ONCE = 32
ALL = 10**9
COLUMNS = ("images", "masks", "mIoU", "AP", "AP50", "AP75", "APs", "APm", "APl", "AR")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxSettings:
    """How boxes are turned into masks and judged.

    Attributes:
        limit: pictures a set; None takes all.
        seed: of drawing them.
        detections: COCO result file of a detector's boxes; None takes the true ones.
        refine: ask a second time with the first answer's logits beside the box.
        most: a detector's masks a picture and class that count.
        options: how the model is asked.
    """

    limit: int | None = None
    seed: int = 0
    detections: Path | None = None
    refine: bool = False
    most: int = 100
    options: ModelOptions = field(default_factory=ModelOptions)


class BoxTask:
    """The evaluation, see `jobs.Task`.

    Args:
        settings: how.

    Raises:
        FileFormatError: a file of detections of another form.
    """

    name = "boxes"

    def __init__(self, settings: BoxSettings) -> None:
        self._settings = settings
        path = settings.detections
        self._detections = None if path is None else read_detections(path)

    def settings(self) -> dict[str, Any]:
        """All that changes outcomes."""
        path = self._settings.detections
        content = None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
        told = {"detections": path and str(path), "detections_sha256": content}
        return {**asdict(self._settings), **told}

    def jobs(self, sets: Sequence[DataSet]) -> list[Job]:
        """Whole pictures.

        Raises:
            PromptError: detections for several sets at once.
        """
        if self._detections is not None and len(sets) > 1:
            raise PromptError(
                f"detections belong to one set but {len(sets)} were given; give them one by one"
            )
        jobs = limited_pictures(sets, self._settings.limit, self._settings.seed)
        return [job for job in jobs if job.truths or self._detections is not None]

    def work(self, bench: Bench, job: Job) -> Outcome:
        """Masks for all boxes of one picture."""
        opened = bench.open(job.picture)
        boxes = _true_boxes(job) if self._detections is None else self._found(job)
        masks, sure = _segment(bench.model, opened, boxes, self._settings)
        scores = sure if self._detections is None else [box.score for box in boxes]
        compared = compare(masks, scores, [box.category for box in boxes], job.truths)
        cases = best_cases(masks, job.truths, compared.ious)
        if self._detections is None:
            for case, box in zip(cases, boxes, strict=True):
                case["box"] = box.box_xyxy.tolist()
        return {"cases": cases, "compared": compared.to_json()}

    def _found(self, job: Job) -> Sequence[Detection]:
        detections: Mapping[str, Sequence[Detection]] = self._detections or {}
        return detections.get(job.picture.key, [])

    def summary(self, outcomes: Sequence[tuple[Job, Outcome]]) -> Summary:
        """AP by set and size."""
        sets: dict[str, list[Outcome]] = {}
        for job, outcome in outcomes:
            sets.setdefault(job.set_name, []).append(outcome)
        if not sets:
            return Summary("nothing was measured", {}, ())
        most = ALL if self._detections is None else self._settings.most
        rows = {name: _row(of_set, most) for name, of_set in sets.items()}
        table = table_by_set("Masks from boxes", COLUMNS, rows, ("images", "masks"))
        figures = shares_of(table)
        source = "true boxes" if self._detections is None else "a detector's boxes"
        return Summary(
            over_sets(len(sets), figures, ("AP", "AP50", "mIoU")),
            figures,
            (table,),
            notes=(f"Masks from {source}; AP and AR are COCO's.",),
        )


def _true_boxes(job: Job) -> list[Detection]:
    boxes = []
    for truth in job.truths:
        mask = truth.mask()
        if not truth.crowd:
            box = truth_box(mask) if mask.any() else np.zeros(4)
            boxes.append(Detection(box, truth.category, 1.0))
    return boxes


def _segment(
    model: Model, opened: Opened, boxes: Sequence[Detection], settings: BoxSettings
) -> tuple[list[CompactMask], list[float]]:
    """Each box's mask, with its predicted IoU."""
    masks: list[CompactMask] = []
    scores: list[float] = []
    for start in range(0, len(boxes), BOXES_AT_ONCE):
        placed = [_inside(box.box_xyxy, opened) for box in boxes[start : start + BOXES_AT_ONCE]]
        answers = settings.options.segment(model, opened, [Prompt(box=box) for box in placed])
        if settings.refine:
            again = [
                Prompt(box=box, mask_logits=logits)
                for box, logits in zip(placed, answers.low_res_logits, strict=True)
            ]
            answers = settings.options.segment(model, opened, again)
        masks += map(CompactMask.from_array, answers.array)
        scores += map(float, answers.predicted_iou)
    return masks, scores


def _inside(box_xyxy: NDArray[np.float64], opened: Opened) -> NDArray[np.float64]:
    """A detector's boxes may end outside of the picture."""
    height, width = opened.encoded.frame.size_hw
    return np.clip(box_xyxy, 0, [width - 1, height - 1, width - 1, height - 1])


def _row(outcomes: Sequence[Outcome], most: int) -> list[float]:
    pictures = [Compared.from_json(one["compared"]) for one in outcomes]
    ious = [float(case["score"]) for one in outcomes for case in one["cases"]]
    whole = score(pictures, most=most)
    sizes = [score(pictures, most=most, area=size) for size in ("small", "medium", "large")]
    return [
        len(outcomes),
        sum(len(one.scores) for one in pictures),
        mean_of(ious),
        whole.precision,
        whole.precision_50,
        whole.precision_75,
        *(one.precision for one in sizes),
        whole.recall,
    ]
