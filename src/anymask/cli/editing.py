"""The run of ``anymask cutout`` and ``anymask edit``: jobs in turn, and their report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from anymask.cli.model_choice import ModelChoice, load
from anymask.cli.objects import needs_model
from anymask.cli.outputs import SavedPaths
from anymask.cli.plan import FoundImage, Job, plan_jobs
from anymask.cli.progress import ProgressBar
from anymask.cli.report import Report
from anymask.cli.work import attempts
from anymask.formats.prompts_json import PromptSpec
from anymask.inference.segment import Model
from anymask.types.progress import Progress

Handle = Callable[[Job, Model | None], tuple[dict[str, Any], SavedPaths]]


def run_jobs(
    images: Sequence[tuple[FoundImage, tuple[PromptSpec, ...]]],
    choice: ModelChoice,
    handle: Handle,
    out: Path,
    *,
    as_json: bool,
    stage: str,
    without_objects: bool = False,
    bar: ProgressBar | None = None,
) -> int:
    """Work on the images and tell of each.

    Args:
        images: with the objects asked of them.
        choice: the model, loaded only where an object has to be found.
        handle: works on one picture; gives its document and the files written.
        out: the output folder.
        as_json: tell it for machines.
        stage: what the progress bar says.
        without_objects: also work on images that nothing is asked of.
        bar: the bar that `handle` reports to as well, where it does.

    Returns:
        The exit code.
    """
    chosen = [(image, specs) for image, specs in images if specs or without_objects]
    skipped = [image.path for image, specs in images if not (specs or without_objects)]
    jobs = plan_jobs(chosen, out)
    report = Report(len(jobs), out, skipped, as_json=as_json)
    model, interrupted = None, False
    try:
        with bar or ProgressBar() as progress:
            if any(needs_model(spec) for job in jobs for spec in job.specs):
                model = load(choice, progress)
            done = attempts(jobs, lambda job: handle(job, model))
            for number, outcome in enumerate(done, start=1):
                report.add(outcome)
                if len(jobs) > 1:
                    progress(Progress(stage, number, len(jobs), "images"))
    except KeyboardInterrupt:
        interrupted = True
    return report.finish(model, interrupted=interrupted)
