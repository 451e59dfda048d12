"""The loop of ``anymask everything``: pictures side by side, whatever happens to one of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from anymask.cli.everything_outputs import KINDS, Found, Job
from anymask.errors import AnymaskError
from anymask.formats.records import json_text
from anymask.inference.everything.generate import everything
from anymask.inference.everything.partition import Policy
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.segment import Model
from anymask.io.images import read_image
from anymask.types.progress import ProgressCallback


@dataclass(frozen=True, slots=True)
class Work:
    """How every picture is worked on.

    Attributes:
        settings: of everything mode.
        policy: who gets a pixel of a label map.
        max_pixels: largest picture that is read.
        workers: pictures worked on at once.
    """

    settings: EverythingSettings
    policy: Policy
    max_pixels: int
    workers: int


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of one picture.

    Attributes:
        path: the picture.
        seconds: how long it took.
        masks: how many were found.
        saved: kind -> file or folder.
        error: why it failed, or None.
    """

    path: Path
    seconds: float
    masks: int
    saved: dict[str, str]
    error: Exception | None = None


def run(
    jobs: Sequence[Job], model: Model, work: Work, progress: ProgressCallback
) -> Iterator[Outcome]:
    """Work on the pictures; an error ends one of them, not the run.

    Args:
        jobs: pictures with where their results go.
        model: shared by all workers.
        work: how.
        progress: told of the points of a picture that is alone.

    Yields:
        Outcomes as they come.
    """
    points = progress if len(jobs) == 1 else None
    with _workers(work.workers) as (pool, stop):
        futures: list[Future[Outcome]] = [
            pool.submit(_try, job, model, work, points, stop.is_set) for job in jobs
        ]
        for future in as_completed(futures):
            yield future.result()


@contextmanager
def _workers(count: int) -> Iterator[tuple[ThreadPoolExecutor, Event]]:
    """Threads that are told to stop when the block is left early."""
    stop = Event()
    pool = ThreadPoolExecutor(count, thread_name_prefix="anymask-everything")
    try:
        yield pool, stop
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _try(
    job: Job,
    model: Model,
    work: Work,
    progress: ProgressCallback | None,
    cancel: Callable[[], bool],
) -> Outcome:
    started, path = time.perf_counter(), job.image.path
    try:
        image_rgb = read_image(path, max_pixels=work.max_pixels)
        records = everything(model, image_rgb, work.settings, progress=progress, cancel=cancel)
        found = Found(json_text(path.name), image_rgb, records, work.policy)
        for kind, target in job.targets.items():
            KINDS[kind].write(target, found)
    # engines raise RuntimeError when a device has no memory left for this picture
    except (AnymaskError, OSError, MemoryError, RuntimeError) as error:
        return Outcome(path, time.perf_counter() - started, 0, {}, error)
    saved = {kind: json_text(str(target)) for kind, target in job.targets.items()}
    return Outcome(path, time.perf_counter() - started, len(records), saved)
