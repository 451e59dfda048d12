"""Several threads with a share of the cores each.

A decoder's operations are small: two cores that share every one of them wait for each other most of
the time, above all on a machine that does other things too. With prompts enough for all, each core
is better off with prompts of its own.
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


def shared_out(work: Callable[[Job], Answer], jobs: Sequence[Job]) -> list[Answer]:
    """`work` done on each job, by as many threads as PyTorch uses for one operation.

    Args:
        work: must not depend on state of the calling thread, such as inference mode.
        jobs: what to do.

    Returns:
        The answers, in the order of the jobs.
    """
    cores = torch.get_num_threads()
    workers = min(cores, MOST_WORKERS, len(jobs))
    if workers < 2:
        return [work(job) for job in jobs]
    ready = Barrier(workers + 1)

    def do(share: Sequence[Job]) -> list[Answer]:
        # of this thread, and of threads that will use PyTorch for the first time
        torch.set_num_threads(cores // workers)
        ready.wait()
        return [work(job) for job in share]

    with ThreadPoolExecutor(workers, "anymask-prompts") as pool:
        shares = [pool.submit(do, jobs[start::workers]) for start in range(workers)]
        ready.wait()
        torch.set_num_threads(cores)  # for the latter
        done = [share.result() for share in shares]
    return [done[number % workers][number // workers] for number in range(len(jobs))]
