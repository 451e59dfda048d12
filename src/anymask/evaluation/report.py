"""The report of an evaluation: `TASK.json` for machines, `TASK.html` for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask.evaluation.html import Page, page_html
from anymask.evaluation.jobs import Job, Outcome, Summary, Table
from anymask.evaluation.pictures import worst_pictures
from anymask.evaluation.run import Run
from anymask.io.files import write_json_atomic, write_text_atomic

SCHEMA = "anymask.evaluation/1"
WORST_CASES = 20

Record = dict[str, Any]
_BULKY = ("truth", "prediction")
_KEPT_BY_JOURNAL = ("compared",)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a report is about.

    Attributes:
        task: such as "clicks".
        settings: of the task.
        model: id, architecture, engine, device and canvas.
        data: name of the set -> where it lies.
        provenance: version, commit, machine.
        seconds: how long this run took.
    """

    task: str
    settings: Mapping[str, Any]
    model: Mapping[str, Any]
    data: Mapping[str, str]
    provenance: Mapping[str, Any]
    seconds: float


def document(setting: Setting, run: Run, summary: Summary) -> Record:
    """The report for machines."""
    return {
        "schema": SCHEMA,
        "evaluation": setting.task,
        "headline": summary.headline,
        "figures": dict(summary.figures),
        "settings": dict(setting.settings),
        "model": dict(setting.model),
        **setting.provenance,
        "data": dict(setting.data),
        "seconds": round(setting.seconds, 1),
        "images": len(run.outcomes),
        "resumed": run.resumed,
        "failed": [{"image": one.key, "message": one.message} for one in run.failures],
        "notes": list(summary.notes),
        "tables": [_table(table) for table in summary.tables],
        "outcomes": [_outcome(job, outcome) for job, outcome in run.outcomes],
    }


def write_report(folder: Path, setting: Setting, run: Run, summary: Summary) -> tuple[Path, Path]:
    """Write both forms.

    Args:
        folder: where to; made if it is not there.
        setting: what was measured.
        run: its outcomes.
        summary: of them.

    Returns:
        The paths of `TASK.json` and `TASK.html`.

    Raises:
        OSError: naming the file, where the system refuses.
    """
    content = document(setting, run, summary)
    json_path = write_json_atomic(folder / f"{setting.task}.json", content, indent=1)
    head = {key: content[key] for key in ("model", "settings", "data", "version", "commit")}
    page = Page(
        title=f"anymask evaluate {setting.task}",
        summary=summary,
        head={**head, "machine": content["machine"], "seconds": content["seconds"]},
        failures=tuple(one.message for one in run.failures),
        pictures=worst_pictures(run.outcomes, WORST_CASES),
    )
    return json_path, write_text_atomic(folder / f"{setting.task}.html", page_html(page))


def _table(table: Table) -> Record:
    return {
        "title": table.title,
        "columns": list(table.columns),
        "percent": sorted(table.percent),
        "rows": [[_finite(cell) for cell in row] for row in table.rows],
    }


def _finite(cell: str | float | None) -> str | float | None:
    """JSON has no word for what is not a number."""
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _outcome(job: Job, outcome: Outcome) -> Record:
    cases: Sequence[Mapping[str, Any]] = outcome.get("cases", [])
    slim = [{k: v for k, v in case.items() if k not in _BULKY} for case in cases]
    return {
        "set": job.set_name,
        "image": job.picture.key,
        "file": str(job.picture.path),
        **{key: value for key, value in outcome.items() if key not in _KEPT_BY_JOURNAL},
        "cases": slim,
    }
