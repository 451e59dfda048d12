"""`evaluate`: all jobs of a task, side by side, whatever happens to one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass

from anymask.errors import AnymaskError
from anymask.evaluation.jobs import Bench, Job, Outcome, Task
from anymask.evaluation.journal import Journal
from anymask.types.progress import Progress, ProgressCallback


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that could not be done.

    Attributes:
        key: of the job.
        message: why, in one line.
    """

    key: str
    message: str


@dataclass(frozen=True, slots=True)
class Run:
    """What became of all jobs.

    Attributes:
        outcomes: of the jobs that were done, in their order.
        failures: of those that were not.
        resumed: how many were done by an earlier run.
    """

    outcomes: tuple[tuple[Job, Outcome], ...]
    failures: tuple[Failure, ...]
    resumed: int


def evaluate(
    task: Task,
    jobs: Sequence[Job],
    bench: Bench,
    journal: Journal,
    *,
    workers: int = 1,
    progress: ProgressCallback | None = None,
) -> Run:
    """Do the jobs that the journal does not know yet.

    Args:
        task: how.
        jobs: their keys are unique.
        bench: where; shared by all workers.
        journal: what is done already; every outcome is added at once.
        workers: pictures worked on at once; the outcomes do not depend on it.
        progress: told of every job.

    Returns:
        All outcomes, those of the journal included. An error ends one job, not the run.
    """
    known = journal.read()
    done = {job.key: known[job.key] for job in jobs if job.key in known}
    left = [job for job in jobs if job.key not in done]
    failures, resumed = [], len(done)
    for number, (job, result) in enumerate(_results(task, left, bench, workers), start=1):
        if isinstance(result, Exception):
            failures.append(Failure(job.key, _told(job, result)))
        else:
            journal.add(job.key, result)
            done[job.key] = result
        if progress is not None:
            progress(Progress(task.name, resumed + number, len(jobs), "images"))
    outcomes = tuple((job, done[job.key]) for job in jobs if job.key in done)
    return Run(outcomes, tuple(failures), resumed)


def _results(
    task: Task, jobs: Sequence[Job], bench: Bench, workers: int
) -> Iterator[tuple[Job, Outcome | Exception]]:
    """Results as they come."""
    with _pool(workers) as pool:
        futures: dict[Future[Outcome | Exception], Job] = {
            pool.submit(_try, task, bench, job): job for job in jobs
        }
        for future in as_completed(futures):
            yield futures[future], future.result()


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that begin nothing new when the block is left early."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="anymask-evaluate")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _try(task: Task, bench: Bench, job: Job) -> Outcome | Exception:
    try:
        return task.work(bench, job)
    # engines raise RuntimeError when a device has no memory left for this picture
    except (AnymaskError, OSError, MemoryError, RuntimeError) as error:
        return error


def _told(job: Job, error: Exception) -> str:
    message = " ".join((str(error) or type(error).__name__).split())
    return message if str(job.picture.path) in message else f"{job.picture.path}: {message}"
