"""Threads with a share of the cores each."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from anymask.nn.fast.crew import MOST_WORKERS, shared_out, workers_for


@pytest.fixture(params=[1, 2, 4])
def cores(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_answers_come_in_the_order_of_the_jobs(cores: int) -> None:
    def work(job: int) -> tuple[int, str]:
        time.sleep(0.002 * (job % 3))
        return job * job, threading.current_thread().name

    answers = shared_out(work, range(12))
    assert [answer for answer, _ in answers] == [job * job for job in range(12)]
    assert len({name for _, name in answers}) <= cores


def test_each_thread_has_its_share_of_the_cores_and_others_keep_theirs(cores: int) -> None:
    shares = set(shared_out(lambda _: torch.get_num_threads(), range(20)))
    assert shares == {cores // workers_for(20)}
    seen = []
    stranger = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    stranger.start()
    stranger.join()
    assert seen == [cores]
    assert torch.get_num_threads() == cores


def test_no_more_threads_than_jobs(cores: int) -> None:
    assert workers_for(1) == workers_for(0) == 1
    assert workers_for(3) == min(cores, 3)
    assert workers_for(1000) == min(cores, MOST_WORKERS)


def test_a_failure_is_raised_and_the_rest_is_left(cores: int) -> None:
    done = []

    def work(job: int) -> None:
        time.sleep(0.005)
        if job == 1:
            raise RuntimeError("no memory")
        done.append(job)

    with pytest.raises(RuntimeError, match="no memory"):
        shared_out(work, range(100))
    assert len(done) < 50
    assert torch.get_num_threads() == cores


def test_several_callers_at_once(cores: int) -> None:
    answers: list[list[int]] = []
    callers = [
        threading.Thread(target=lambda: answers.append(shared_out(lambda job: job + 1, range(30))))
        for _ in range(3)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=30)
    assert answers == [list(range(1, 31))] * 3
    assert torch.get_num_threads() == cores
