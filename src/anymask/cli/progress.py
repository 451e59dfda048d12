"""A progress bar on stderr, only where a person watches."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from anymask.types.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class ProgressBar:
    """Draws each stage of a job as one bar; a context manager and a `ProgressCallback`.

    Draws nothing where stderr is no terminal.
    """

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> ProgressBar:
        """Start drawing."""
        if sys.stderr.isatty():
            self._bars = _bars()
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the bars away."""
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, report: Progress) -> None:
        """Show how far a stage is."""
        if self._bars is None:
            return
        if report.stage not in self._tasks:
            self._tasks[report.stage] = self._bars.add_task(report.stage, amount="")
        self._bars.update(
            self._tasks[report.stage],
            completed=report.done,
            total=report.total,
            amount=amount(report),
        )


def amount(report: Progress) -> str:
    """How much is done, in words: "12.3 of 44.6 MB", "3 of 8 images"."""
    if report.unit == "bytes":
        total = "" if report.total is None else f" of {report.total / 1e6:.1f}"
        return f"{report.done / 1e6:.1f}{total} MB"
    total = "" if report.total is None else f" of {report.total}"
    return f"{report.done}{total} {report.unit}"


def _bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        # else results that are piped into a file would be drawn on the terminal instead
        redirect_stdout=sys.stdout.isatty(),
    )
