"""What ``anymask everything`` tells: lines for people, or one JSON object for machines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from anymask.cli.everything_outputs import Job
from anymask.cli.everything_work import Outcome
from anymask.cli.exits import DONE, FAILED, INTERRUPTED, echo_json, error_record
from anymask.formats.records import json_text
from anymask.inference.segment import Model

SCHEMA = "anymask.everything/1"


class Report:
    """Collects outcomes and tells of them.

    Args:
        skipped: pictures whose results are there already.
        total: how many pictures there are, with these.
        out: the output folder.
        as_json: tell all at the end as JSON, instead of each as it comes.
    """

    def __init__(self, skipped: list[Job], total: int, out: Path, *, as_json: bool) -> None:
        self._total, self._out, self._as_json = total, out, as_json
        self._skipped = skipped
        self._outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Tell of one picture."""
        self._outcomes.append(outcome)
        path = json_text(str(outcome.path))
        if outcome.error is not None:
            message = error_record(outcome.error)["message"]
            told = message if path in message else f"{path}: {message}"
            typer.echo(f"error: {told}", err=True)
        elif not self._as_json:
            typer.echo(f"{path}: {_counted(outcome.masks, 'mask')} in {outcome.seconds:.1f} s")
            for target in outcome.saved.values() if self._total == 1 else ():
                typer.echo(f"  {target}")

    def finish(self, model: Model | None, extra: list[Path], *, interrupted: bool) -> int:
        """Tell how it ended.

        Args:
            model: what was used; None if none was needed.
            extra: files about all pictures together.
            interrupted: stopped by Ctrl-C.

        Returns:
            The exit code.
        """
        failed = [outcome for outcome in self._outcomes if outcome.error is not None]
        if self._as_json:
            echo_json(self._record(model, failed, extra, interrupted=interrupted))
        elif self._total > 1 or self._skipped:
            self._summary(failed, extra)
        if interrupted:
            typer.echo("interrupted; run it again to go on with the rest", err=True)
            return INTERRUPTED
        return FAILED if failed else DONE

    def _summary(self, failed: list[Outcome], extra: list[Path]) -> None:
        done = len(self._outcomes) - len(failed)
        told = f"{done} of {self._total} images done"
        told += f", {len(self._skipped)} were done before (--overwrite redoes them)" * bool(
            self._skipped
        )
        told += f", {len(failed)} failed" * bool(failed)
        typer.echo(f"{told}; results in {self._out}{os.sep}")
        for path in extra:
            typer.echo(f"  {path}")

    def _record(
        self, model: Model | None, failed: list[Outcome], extra: list[Path], *, interrupted: bool
    ) -> dict[str, Any]:
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "model": None,
            "out": json_text(str(self._out)),
            "total": self._total,
            "done": len(self._outcomes) - len(failed),
            "skipped": len(self._skipped),
            "failed": len(failed),
            "images": [_outcome_record(one) for one in self._outcomes]
            + [_skipped_record(job) for job in self._skipped],
            "saved": [json_text(str(path)) for path in extra],
        }
        if model is not None:
            record["model"] = {"id": model.model_id, "architecture": model.architecture}
            record["engine"], record["device"] = model.backend.name, model.backend.device
        if interrupted:
            record["error"] = {"type": "Interrupted", "message": "interrupted"}
        elif failed and self._total == 1 and failed[0].error is not None:
            record["error"] = error_record(failed[0].error)
        elif failed:
            message = f"{len(failed)} of {self._total} images failed"
            record["error"] = {"type": "ImagesFailed", "message": message}
        return record


def _outcome_record(outcome: Outcome) -> dict[str, Any]:
    record: dict[str, Any] = {
        "file": json_text(str(outcome.path)),
        "status": "done" if outcome.error is None else "failed",
        "seconds": round(outcome.seconds, 3),
    }
    if outcome.error is not None:
        return {**record, "error": error_record(outcome.error)}
    return {**record, "masks": outcome.masks, "saved": outcome.saved}


def _skipped_record(job: Job) -> dict[str, Any]:
    saved = {kind: json_text(str(path)) for kind, path in job.targets.items()}
    return {"file": json_text(str(job.image.path)), "status": "skipped", "saved": saved}


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
