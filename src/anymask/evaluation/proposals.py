"""Object proposals (paper, section 7.3 and appendix D.3): how many objects masks find (AR@k)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from anymask.evaluation.ap import Compared, compare, score
from anymask.evaluation.cases import best_cases
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
from anymask.evaluation.truth import DataSet
from anymask.inference.everything.generate import everything
from anymask.inference.everything.presets import preset
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.segment import Model
from anymask.types.records import MaskRecord

COUNTS = (10, 100, 1000)
"""So many proposals a picture count, the surest and most stable."""
COLUMNS = ("images", "objects", "masks", *(f"AR@{k}" for k in COUNTS), "ARs", "ARm", "ARl")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalSettings:
    """How proposals are made.

    Attributes:
        limit: pictures a set; None takes all.
        seed: of drawing them.
        everything: settings of everything mode.
    """

    limit: int | None = None
    seed: int = 0
    everything: EverythingSettings = field(default_factory=lambda: preset("proposals"))


class ProposalTask:
    """The evaluation, see `jobs.Task`.

    Args:
        settings: how.
    """

    name = "proposals"

    def __init__(self, settings: ProposalSettings) -> None:
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
        records = all_masks(bench.model, bench.open(job.picture), self._settings.everything)
        found = [record.mask for record in records]
        scores = [(one.predicted_iou + one.stability_score) / 2 for one in records]
        compared = compare(found, scores, [0] * len(found), job.truths)
        cases = best_cases(found, job.truths, compared.ious)
        return {"cases": cases, "compared": compared.to_json()}

    def summary(self, outcomes: Sequence[tuple[Job, Outcome]]) -> Summary:
        """AR by set, number of proposals and size."""
        sets: dict[str, list[Compared]] = {}
        for job, outcome in outcomes:
            sets.setdefault(job.set_name, []).append(Compared.from_json(outcome["compared"]))
        if not sets:
            return Summary("nothing was measured", {}, ())
        rows = {name: _row(pictures) for name, pictures in sets.items()}
        counts = ("images", "objects", "masks")
        table = table_by_set("Recall of proposals", COLUMNS, rows, counts)
        figures = shares_of(table)
        return Summary(
            over_sets(len(sets), figures, [f"AR@{k}" for k in COUNTS]),
            figures,
            (table,),
            notes=(f"ARs, ARm and ARl are by size, with {COUNTS[-1]} proposals.",),
        )


def all_masks(model: Model, opened: Opened, settings: EverythingSettings) -> list[MaskRecord]:
    """Everything mode on a picture that is encoded already, where that is enough."""
    whole = not settings.crop_n_layers and settings.tile_px is None
    return everything(model, opened.encoded if whole else opened.rgb, settings)


def _row(pictures: Sequence[Compared]) -> list[float]:
    recalls = [score(pictures, most=k, by_class=False).recall for k in COUNTS]
    sizes = [
        score(pictures, most=COUNTS[-1], area=size, by_class=False).recall
        for size in ("small", "medium", "large")
    ]
    return [
        len(pictures),
        sum(int((~one.crowd).sum()) for one in pictures),
        sum(len(one.scores) for one in pictures),
        *recalls,
        *sizes,
    ]
