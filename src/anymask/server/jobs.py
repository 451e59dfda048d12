"""Long work in the background: one at a time, watched by anybody, cancelled at once."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from anymask.inference.everything.generate import Cancelled
from anymask.server.errors import WORK_ERRORS, ApiError, error_text
from anymask.types.progress import Progress

_log = logging.getLogger(__name__)

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
FINAL: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})
_FINISHED_KEPT = 64
_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job at one moment.

    Attributes:
        state: where it is.
        done: points asked so far.
        total: points to ask; 0 until that is known.
        error: why it failed, or None.
    """

    state: JobState = "queued"
    done: int = 0
    total: int = 0
    error: str | None = None


class Job:
    """One piece of work; its worker tells it how far it is, anybody may look.

    Args:
        image_id: the picture it is about.
    """

    def __init__(self, image_id: str) -> None:
        self.id = secrets.token_hex(16)
        self.image_id = image_id
        self.result: bytes | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._snapshot = Snapshot()
        self._listeners: list[Callable[[], None]] = []

    @property
    def snapshot(self) -> Snapshot:
        """Where it is now."""
        with self._lock:
            return self._snapshot

    def progress(self, report: Progress) -> None:
        """Take note of how far the work is; a `ProgressCallback`."""
        self.become(Snapshot("running", report.done, report.total or 0))

    def is_stopped(self) -> bool:
        """Whether the work should end; what `everything` takes as `cancel`."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the work to end."""
        self._stop.set()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have a function called, in any thread, whenever something changed.

        Returns:
            What ends that.
        """
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners.remove(listener)

        return unsubscribe

    def become(self, snapshot: Snapshot) -> None:
        """Change, once and for all if the new state is final, and tell the listeners."""
        with self._lock:
            if self._snapshot.state in FINAL:
                return
            self._snapshot = snapshot
            listeners = list(self._listeners)
        for listener in listeners:
            listener()


Work = Callable[[Job], bytes]


class JobStore:
    """Runs jobs one after the other and keeps what came out, both within limits.

    Args:
        jobs: how many may run and wait.
        result_bytes: how much of results is kept; the oldest go first.
    """

    def __init__(self, jobs: int, result_bytes: int) -> None:
        self._limit, self._result_bytes = jobs, result_bytes
        self._pool = ThreadPoolExecutor(1, "anymask-job")
        self._jobs: OrderedDict[str, tuple[Job, Future[bytes]]] = OrderedDict()
        self._lock = threading.Lock()

    def submit(self, image_id: str, work: Work) -> Job:
        """Queue some work.

        Raises:
            ApiError: 429, enough is queued.
        """
        job = Job(image_id)
        with self._lock:
            self._check_room()
            future = self._pool.submit(_run, job, work)
            self._jobs[job.id] = job, future
        future.add_done_callback(lambda done: self._finish(job, done))
        return job

    def get(self, job_id: str) -> Job:
        """A job by its id.

        Raises:
            ApiError: 404, unknown or forgotten.
        """
        return self._find(job_id)[0]

    def cancel(self, job_id: str) -> Job:
        """End a job: at once if it waits, else at its next step. A finished one stays as it is.

        Raises:
            ApiError: 404, unknown or forgotten.
        """
        job, future = self._find(job_id)
        job.stop()
        future.cancel()
        return job

    def close(self) -> None:
        """End all jobs."""
        with self._lock:
            all_jobs = list(self._jobs.values())
        for job, future in all_jobs:
            job.stop()
            future.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _find(self, job_id: str) -> tuple[Job, Future[bytes]]:
        with self._lock:
            found = self._jobs.get(job_id)
        if found is None:
            raise ApiError(
                404, "job_unknown", f"there is no job {job_id}; results are kept for a while only"
            )
        return found

    def _check_room(self) -> None:
        active = sum(job.snapshot.state not in FINAL for job, _ in self._jobs.values())
        if active >= self._limit:
            raise ApiError(
                429,
                "jobs_full",
                f"{active} jobs run or wait already, which is all that may; "
                "cancel one or try again later",
                retry_after=_RETRY_SECONDS,
            )

    def _finish(self, job: Job, future: Future[bytes]) -> None:
        at = job.snapshot
        if future.cancelled() or isinstance(future.exception(), (Cancelled, CancelledError)):
            job.become(Snapshot("cancelled", at.done, at.total))
        elif future.exception() is None:
            job.result = future.result()
            job.become(Snapshot("done", at.total, at.total))
        else:
            job.become(Snapshot("failed", at.done, at.total, _reason(future.exception())))
        with self._lock:
            self._forget_old()

    def _forget_old(self) -> None:
        finished = [job for job, _ in self._jobs.values() if job.snapshot.state in FINAL]
        held = sum(len(job.result or b"") for job in finished)
        for number, job in enumerate(finished[:-1]):  # the newest stays, however large
            if held <= self._result_bytes and len(finished) - number <= _FINISHED_KEPT:
                return
            held -= len(job.result or b"")
            del self._jobs[job.id]


def _run(job: Job, work: Work) -> bytes:
    job.become(Snapshot("running"))
    return work(job)


def _reason(error: BaseException | None) -> str:
    """Why a job failed, for the client; what nobody expected goes to the log alone."""
    if isinstance(error, (*WORK_ERRORS, ApiError)):
        return str(error.detail) if isinstance(error, ApiError) else error_text(error)
    _log.error("a job failed by a bug: %r", error, exc_info=error)
    return "something went wrong inside the server; its log tells more"
