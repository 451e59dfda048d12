"""Several threads with a share of the cores each.

The operations of a decoder are small: cores that share every one of them wait for each other much
of the time. With prompts enough for all, each core is better off with prompts of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch

MOST_WORKERS = 8
"""More would wait for Python's lock."""

Job = TypeVar("Job")
Answer = TypeVar("Answer")


def workers_for(jobs: int) -> int:
    """How many threads `shared_out` works with."""
    return max(1, min(torch.get_num_threads(), MOST_WORKERS, jobs))


def shared_out(work: Callable[[Job], Answer], jobs: Sequence[Job]) -> list[Answer]:
    """`work` done on each job, by as many threads as PyTorch uses for one operation.

    Args:
        work: must not depend on state of the calling thread, such as inference mode.
        jobs: what to do.

    Returns:
        The answers, in the order of the jobs.
    """
    cores, workers = torch.get_num_threads(), workers_for(len(jobs))
    if workers == 1:
        return [work(job) for job in jobs]
    ready = Barrier(workers + 1)

    def start() -> None:
        torch.get_num_threads()  # a thread takes over the process's number at its first question
        torch.set_num_threads(cores // workers)
        ready.wait()

    with ThreadPoolExecutor(workers, "anymask-prompts") as pool:
        try:
            started = [pool.submit(start) for _ in range(workers)]
            ready.wait()
        except BaseException:
            ready.abort()  # or those that wait would do so for ever
            raise
        torch.set_num_threads(cores)  # the number that threads to come take over
        for one in started:
            one.result()
        return list(pool.map(work, jobs))
