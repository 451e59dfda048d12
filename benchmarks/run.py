"""Measures anymask beside the published code: speed, memory and agreement in one table.

Usage: python benchmarks/run.py [--quick] [--only TASK ...] [--out FOLDER]

Everything runs with the Python of the peers' environment (make_peers.sh). Each implementation has a
process of its own; the repetitions of one task go round all of them in turn, so that what slows the
machine for a while slows all. Results of tasks that are not run again are kept from the last time.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPOSITORY = Path(__file__).resolve().parents[1]

if TYPE_CHECKING:
    from crew import Worker
    from inputs import Inputs
    from measures import Measure
    from plan import Task


@dataclass(frozen=True)
class Settings:
    """What the command line asked for."""

    tasks: list[str]
    allocators: list[str]
    threads: int
    quick: bool
    out: Path
    wide_photo: Path | None
    lock: Path | None
    variants: list[str]


class Run:
    """One run over the tasks; collects rows."""

    def __init__(self, settings: Settings, inputs: Inputs, folder: Path) -> None:
        import machine

        self.settings, self.inputs, self.folder = settings, inputs, folder
        self.commit = machine.commit(REPOSITORY)
        self.started = 0

    def rows(self, name: str, task: Task) -> Iterator[dict[str, Any]]:
        """Measure a task with every allocator setting."""
        from crew import Worker
        from measures import MEASURES, Bench
        from plan import ORIGINAL

        with ExitStack() as stack:
            with self.turn():
                reference = stack.enter_context(
                    self._start(Worker, ORIGINAL, architecture="vit_t", allocator="kept")
                )
                reference.ready()
            bench = Bench(self.inputs, reference, self.folder, self.settings.quick)
            for allocator in self.settings.allocators:
                say(f"{name}, allocator {allocator}")
                yield from self._measure(name, task, MEASURES[task.measure](bench, task), allocator)

    def _measure(
        self, name: str, task: Task, measure: Measure, allocator: str
    ) -> Iterator[dict[str, Any]]:
        with ExitStack() as stack:
            workers, rows = self._crew(stack, name, task, measure, allocator)
            rounds = task.quick_rounds if self.settings.quick else task.rounds
            for number in range(rounds):
                self._round(workers, task, measure)
                say(f"  round {number + 1} of {rounds}")
            if rows[0]["seconds"] and not rows[0]["skipped"]:
                for worker, row in workers:
                    self._judge(worker, workers[0][0], row, measure)
        yield from rows

    def _crew(
        self, stack: ExitStack, name: str, task: Task, measure: Measure, allocator: str
    ) -> tuple[list[tuple[Worker, dict[str, Any]]], list[dict[str, Any]]]:
        """Start and warm up the implementations; those that cannot are skipped with a reason."""
        from crew import SkippedError, Worker

        workers, rows = [], []
        for variant in task.variants:
            if not self._wanted(variant.name):
                continue
            row = self._row(name, variant.name, allocator, is_original=variant is task.variants[0])
            rows.append(row)
            with self.turn():
                worker = stack.enter_context(
                    self._start(
                        Worker, variant, architecture=task.architecture, allocator=allocator
                    )
                )
                try:
                    worker.ready()
                    measure.prepare(worker)
                    workers.append((worker, row))
                except SkippedError as reason:
                    self._skip(row, worker, str(reason))
        return workers, rows

    def _round(
        self, workers: list[tuple[Worker, dict[str, Any]]], task: Task, measure: Measure
    ) -> None:
        """One repetition on each implementation."""
        from crew import SkippedError

        with ExitStack() as stack:
            if not task.long:
                stack.enter_context(self.turn())
            for worker, row in list(workers):
                with ExitStack() as alone:
                    if task.long:
                        alone.enter_context(self.turn())
                    try:
                        self._time(worker, row, task, measure)
                    except SkippedError as reason:
                        self._skip(row, worker, str(reason))
                        workers.remove((worker, row))

    def _time(self, worker: Worker, row: dict[str, Any], task: Task, measure: Measure) -> None:
        row["load_average"].append(os.getloadavg()[0])
        if task.burst > 1:
            measure.once(worker)
        for _ in range(task.burst):
            answer = measure.once(worker)
            row["seconds"].append(answer["seconds"])
            row["cpu_seconds"].append(answer["cpu_seconds"])
        # Before it is judged: judging needs memory too.
        row["peak_rss_mb"] = worker.peak_rss_mb

    def _judge(
        self, worker: Worker, original: Worker, row: dict[str, Any], measure: Measure
    ) -> None:
        with self.turn():
            row["quality"] = measure.quality(worker, original)

    def cold_rows(self) -> Iterator[dict[str, Any]]:
        """Measure whole processes."""
        import cold
        from crew import SkippedError
        from plan import COLD_QUICK_ROUNDS, COLD_ROUNDS, COLD_START

        say(COLD_START)
        targets = {way: self.folder / f"cold_{n}" for n, way in enumerate(cold.WAYS)}
        rows = {
            way: self._row(COLD_START, way.name, "default", is_original=way is cold.WAYS[0])
            for way in cold.WAYS
        }
        rounds = COLD_QUICK_ROUNDS if self.settings.quick else COLD_ROUNDS
        for number in range(-1, rounds):  # the first, untimed, fills the caches of files
            with self.turn():
                for way, row in rows.items():
                    if row["skipped"]:
                        continue
                    try:
                        done = cold.run(way, self.inputs, targets[way], self.settings.threads)
                    except SkippedError as reason:
                        row["skipped"] = str(reason)
                        say(f"  {way.name}: skipped: {reason}")
                        continue
                    if number >= 0:
                        row["seconds"].append(done.seconds)
                        row["cpu_seconds"].append(done.cpu_seconds)
                        row["peak_rss_mb"] = max(row["peak_rss_mb"], done.peak_rss_mb)
        for way, row in rows.items():
            if not row["skipped"]:
                row["quality"] = cold.quality(targets[way], targets[cold.WAYS[0]])
        yield from rows.values()

    def _row(self, task: str, variant: str, allocator: str, *, is_original: bool) -> dict[str, Any]:
        return {
            "task": task,
            "variant": variant,
            "allocator": allocator,
            "is_original": is_original,
            "quick": self.settings.quick,
            "commit": self.commit,
            "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "seconds": [],
            "cpu_seconds": [],
            "load_average": [],
            "peak_rss_mb": 0.0,
            "quality": {},
            "skipped": "",
        }

    def _start(self, make: type[Worker], variant: Any, **order: Any) -> Worker:
        self.started += 1
        return make(
            variant,
            number=self.started,
            checkpoint=self.inputs.checkpoint(order["architecture"]),
            threads=self.settings.threads,
            **order,
        )

    def _skip(self, row: dict[str, Any], worker: Worker, reason: str) -> None:
        row["skipped"] = reason
        worker.close()
        say(f"  {row['variant']}: skipped: {reason}")

    def _wanted(self, name: str) -> bool:
        from plan import ORIGINAL

        chosen = self.settings.variants
        return not chosen or name == ORIGINAL.name or any(part in name for part in chosen)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the lock file, if one was named, so that measurements on one machine take turns."""
        if self.settings.lock is None:
            yield
            return
        with self.settings.lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def say(text: str) -> None:
    """Progress, for whoever waits."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def parse() -> tuple[Settings, Path]:
    """The settings, and the Python of the peers' environment."""
    from allocator import SETTINGS
    from plan import COLD_START, TASKS

    every = [*TASKS, COLD_START]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few repetitions, 8 x 8 points")
    parser.add_argument("--only", nargs="+", choices=every, default=every, metavar="TASK")
    parser.add_argument("--variants", nargs="+", default=[], help="parts of names; all if omitted")
    parser.add_argument("--allocator", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "bench")
    parser.add_argument("--peers", type=Path, default=REPOSITORY / "build" / "peers")
    parser.add_argument("--photo", type=Path, help="the wide photo for everything mode")
    parser.add_argument("--lock", type=Path, help="a file to lock while something is measured")
    given = parser.parse_args()
    settings = Settings(
        tasks=given.only,
        allocators=given.allocator,
        threads=given.threads,
        quick=given.quick,
        out=given.out,
        wide_photo=given.photo,
        lock=given.lock,
        variants=given.variants,
    )
    return settings, given.peers / "bin" / "python"


def use_peers(python: Path) -> None:
    """Go on with the Python of the peers' environment."""
    if Path(sys.prefix) == python.parents[1].resolve():
        return
    if not python.exists():
        script = Path(__file__).with_name("make_peers.sh")
        raise SystemExit(f"there is no {python}; run {script} {python.parents[1]}")
    raise SystemExit(subprocess.run([str(python), *sys.argv], check=False).returncode)


def main() -> None:
    """Measure, keep what was measured before of other tasks, write the report."""
    settings, python = parse()
    use_peers(python)
    import inputs
    import machine
    import report
    from plan import COLD_START, COLD_TITLE, TASKS

    settings.out.mkdir(parents=True, exist_ok=True)
    made = inputs.prepare(settings.out / "inputs", settings.wide_photo)
    height, width = made.size_hw("wide")
    titles = {name: task.title.format(height=height, width=width) for name, task in TASKS.items()}
    titles[COLD_START] = COLD_TITLE
    rows = report.read(settings.out)["rows"]
    with tempfile.TemporaryDirectory(prefix="anymask-bench-") as folder:
        run = Run(settings, made, Path(folder))
        for name in settings.tasks:
            new = list(run.cold_rows() if name == COLD_START else run.rows(name, TASKS[name]))
            rows = replaced(rows, new)
            page = report.write(settings.out, machine.describe(settings.threads), titles, rows)
    sys.stdout.write(page.read_text(encoding="utf-8"))
    say(f"written to {page.parent}")


def replaced(rows: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the new ones in place of older ones of the same task and allocator."""
    measured = {(row["task"], row["allocator"]) for row in new}
    return [row for row in rows if (row["task"], row["allocator"]) not in measured] + new


if __name__ == "__main__":
    main()
