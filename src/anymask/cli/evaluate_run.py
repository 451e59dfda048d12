"""The way of every ``anymask evaluate`` command: jobs, model, report, and what is printed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from anymask.cli.evaluate_options import Order
from anymask.cli.exits import (
    DONE,
    FAILED,
    INTERRUPTED,
    UsageError,
    echo_columns,
    echo_json,
)
from anymask.cli.model_choice import ModelChoice, check_model, load
from anymask.cli.progress import ProgressBar
from anymask.evaluation.html import cell_text
from anymask.evaluation.jobs import Bench, Job, Summary, Table, Task, data_id
from anymask.evaluation.journal import Journal
from anymask.evaluation.provenance import code_id, provenance
from anymask.evaluation.report import Setting, document, write_report
from anymask.evaluation.run import Run, evaluate
from anymask.evaluation.truth import DataSet
from anymask.inference.segment import Model
from anymask.io.images import DEFAULT_MAX_PIXELS


def run(task: Task, sets: Sequence[DataSet], order: Order, choice: ModelChoice) -> int:
    """Do a task on data sets, write its report and print its tables.

    Args:
        task: what is measured.
        sets: on what.
        order: how.
        choice: with which model.

    Returns:
        The exit code.
    """
    check_model(choice)
    jobs = task.jobs(sets)
    if not jobs:
        raise UsageError(f"{sets[0].path} has no objects to measure on")
    started = time.perf_counter()
    try:
        with ProgressBar() as progress:
            model = load(choice, progress)
            bench = Bench(model, order.embeddings, order.max_pixels or DEFAULT_MAX_PIXELS)
            journal = _journal(task, jobs, model, order)
            done = evaluate(task, jobs, bench, journal, workers=order.workers, progress=progress)
    except KeyboardInterrupt:
        return _interrupted(as_json=order.as_json)
    setting = Setting(
        task=task.name,
        settings=task.settings(),
        model=_model_record(model),
        data={one.name: str(one.path) for one in sets},
        provenance=provenance(),
        seconds=time.perf_counter() - started,
    )
    summary = task.summary(done.outcomes)
    saved = write_report(order.out, setting, done, summary)
    _tell(done, summary, saved, document(setting, done, summary), as_json=order.as_json)
    return FAILED if done.failures else DONE


def _journal(task: Task, jobs: Sequence[Job], model: Model, order: Order) -> Journal:
    about = {
        "task": task.name,
        "settings": task.settings(),
        "model": _model_record(model),
        "code": code_id(),
        "data": data_id(jobs),
    }
    journal = Journal(order.out, about)
    if order.overwrite:
        journal.clear()
    return journal


def _model_record(model: Model) -> dict[str, Any]:
    return {
        "id": model.model_id,
        "architecture": model.architecture,
        "engine": model.backend.name,
        "device": model.backend.device,
        "canvas_px": model.backend.canvas_px,
    }


def _interrupted(*, as_json: bool) -> int:
    typer.echo("interrupted; run it again to go on with the rest", err=True)
    if as_json:
        echo_json({"error": {"type": "Interrupted", "message": "interrupted"}})
    return INTERRUPTED


def _tell(
    done: Run, summary: Summary, saved: Sequence[Path], record: dict[str, Any], *, as_json: bool
) -> None:
    """Tables for people, the headline last; or one object."""
    for failure in done.failures:
        typer.echo(f"error: {failure.message}", err=True)
    if as_json:
        record.pop("outcomes")
        record["saved"] = [str(path) for path in saved]
        if done.failures:
            total = len(done.failures) + len(done.outcomes)
            message = f"{len(done.failures)} of {total} images failed"
            record["error"] = {"type": "ImagesFailed", "message": message}
        echo_json(record)
        return
    for table in summary.tables:
        _print_table(table)
    for note in summary.notes:
        typer.echo(note)
    if done.resumed:
        typer.echo(f"{done.resumed} images were done before (--overwrite starts anew)")
    for path in saved:
        typer.echo(f"  {path}")
    typer.echo(summary.headline)


def _print_table(table: Table) -> None:
    typer.echo(table.title)
    rows = [
        [cell_text(table, name, value) for name, value in zip(table.columns, row, strict=True)]
        for row in table.rows
    ]
    echo_columns([table.columns, *rows], indent="  ")
    typer.echo("")
