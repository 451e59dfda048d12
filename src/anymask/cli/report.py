"""What ``anymask segment`` tells: lines for people, or one JSON object for machines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from anymask.cli.exits import (
    DONE,
    FAILED,
    INTERRUPTED,
    USAGE,
    echo_json,
    error_record,
)
from anymask.cli.work import Outcome
from anymask.errors import MaskError, PromptError, PromptTypeError
from anymask.formats.records import json_text
from anymask.inference.segment import Model

SCHEMA = "anymask.run/1"

_PROMPT_ERRORS = (PromptError, PromptTypeError, MaskError)


class Report:
    """Collects outcomes and tells of them.

    Args:
        total: how many pictures there are to work on.
        out: the output folder.
        skipped: pictures that no prompt was given for.
        as_json: tell all at the end as JSON, instead of each as it comes.
    """

    def __init__(self, total: int, out: Path, skipped: Sequence[Path], *, as_json: bool) -> None:
        self._total = total
        self._out = out
        self._skipped = skipped
        self._as_json = as_json
        self._outcomes: list[Outcome] = []
        self._records: list[dict[str, Any]] = []

    def add(self, outcome: Outcome) -> None:
        """Tell of one picture."""
        if outcome.error is not None:
            typer.echo(f"error: {_reason(outcome)}", err=True)
        if self._as_json:
            self._records.append(_record(outcome))
        elif outcome.error is None:
            _echo_done(outcome, alone=self._total == 1)
        # the masks of a thousand pictures need not stay in memory
        self._outcomes.append(
            Outcome(outcome.path, outcome.seconds, None, outcome.saved, outcome.error)
        )

    def finish(self, model: Model | None, *, interrupted: bool) -> int:
        """Tell how it ended.

        Args:
            model: what was used; None if the run did not get that far.
            interrupted: stopped by Ctrl-C.

        Returns:
            The exit code.
        """
        if self._as_json:
            echo_json(self._run_record(model, interrupted=interrupted))
        elif self._total > 1:
            self._echo_summary()
        if interrupted:
            typer.echo(self._interruption(), err=True)
            return INTERRUPTED
        return self._exit_code()

    @property
    def _failed(self) -> list[Outcome]:
        return [outcome for outcome in self._outcomes if outcome.error is not None]

    @property
    def _done(self) -> list[Outcome]:
        return [outcome for outcome in self._outcomes if outcome.error is None]

    def _exit_code(self) -> int:
        failed = self._failed
        if self._total == 1 and failed and isinstance(failed[0].error, _PROMPT_ERRORS):
            return USAGE
        return FAILED if failed else DONE

    def _echo_summary(self) -> None:
        failed = self._failed
        counts = f"{len(self._done)} of {self._total} images done"
        counts += f", {len(failed)} failed" if failed else ""
        counts += f", {len(self._skipped)} without prompts skipped" if self._skipped else ""
        typer.echo(f"{counts}; results in {self._out}{os.sep}")
        for outcome in failed:
            typer.echo(f"  failed: {_reason(outcome)}")

    def _interruption(self) -> str:
        names = ", ".join(outcome.path.name for outcome in self._done)
        complete = f" ({names}); their files in {self._out} are complete" if names else ""
        return f"interrupted: {len(self._done)} of {self._total} images done{complete}"

    def _run_record(self, model: Model | None, *, interrupted: bool) -> dict[str, Any]:
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "model": None,
            "out": json_text(str(self._out)),
            "total": self._total,
            "done": len(self._done),
            "failed": len(self._failed),
            "images": self._records,
            "skipped": [json_text(str(path)) for path in self._skipped],
        }
        if model is not None:
            record["model"] = {"id": model.model_id, "architecture": model.architecture}
        error = self._error_record(interrupted=interrupted)
        return {**record, "error": error} if error else record

    def _error_record(self, *, interrupted: bool) -> dict[str, str] | None:
        """What `error` says of the whole run; None exactly when the exit code is 0."""
        failed = self._failed
        if interrupted:
            return {"type": "Interrupted", "message": self._interruption()}
        if not failed:
            return None
        if self._total == 1 and failed[0].error is not None:
            return error_record(failed[0].error)
        return {"type": "ImagesFailed", "message": f"{len(failed)} of {self._total} images failed"}


def _record(outcome: Outcome) -> dict[str, Any]:
    record: dict[str, Any] = {
        "file": json_text(str(outcome.path)),
        "status": "done" if outcome.error is None else "failed",
        "seconds": round(outcome.seconds, 3),
    }
    if outcome.error is not None:
        return {**record, "error": error_record(outcome.error)}
    return {**record, "saved": outcome.saved, "result": outcome.document}


def _echo_done(outcome: Outcome, *, alone: bool) -> None:
    document = outcome.document or {}
    objects = document.get("objects", [])
    counted = "1 object" if len(objects) == 1 else f"{len(objects)} objects"
    done = counted if "objects" in document else "done"
    typer.echo(f"{json_text(str(outcome.path))}: {done} in {outcome.seconds:.1f} s")
    for line in document.get("told", ()):
        typer.echo(f"  {line}")
    if not alone:
        return
    for record in objects:
        typer.echo(f"  object {record['id']}: {_describe(record)}")
    for paths in outcome.saved.values():
        for path in paths:
            typer.echo(f"  {path}")


def _describe(record: dict[str, Any]) -> str:
    if not record["area"]:
        return "nothing found there"
    scores = [
        f"{name} {record[key]:.2f}"
        for name, key in (("predicted IoU", "predicted_iou"), ("stability", "stability_score"))
        if record[key] is not None
    ]
    named = [f"{json_text(record['label'])} {record['score']:.2f}"] if "label" in record else []
    return ", ".join([*named, f"{record['area']:,} pixels", *scores])


def _reason(outcome: Outcome) -> str:
    """The error with the picture's name in front, unless it says it itself."""
    error = error_record(outcome.error or RuntimeError())["message"]
    path = json_text(str(outcome.path))
    return error if path in error else f"{path}: {error}"
