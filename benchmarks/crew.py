"""The worker processes, from the side of the one that asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FOLDER = Path(__file__).resolve().parent
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class SkippedError(Exception):
    """The implementation cannot do what was asked."""


class WorkerError(SkippedError):
    """The worker ended, perhaps for want of memory; its messages stand on stderr."""


@dataclass(frozen=True)
class Variant:
    """One implementation in one setting, as a row of the table names it."""

    name: str
    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)


def environment(threads: int) -> dict[str, str]:
    """This process's environment with the number of threads set, and without the network."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return dict(os.environ) | dict.fromkeys(THREAD_VARIABLES, str(threads)) | offline


class Worker:
    """A process with one implementation loaded; a context manager that ends it."""

    def __init__(
        self,
        variant: Variant,
        *,
        number: int,
        architecture: str,
        checkpoint: Path,
        allocator: str,
        threads: int,
    ) -> None:
        order = {
            "kind": variant.kind,
            "options": variant.options,
            "architecture": architecture,
            "checkpoint": str(checkpoint),
            "allocator": allocator,
            "threads": threads,
        }
        self.variant, self.number = variant, number
        self._process = subprocess.Popen(
            [sys.executable, str(FOLDER / "worker.py"), json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(threads),
        )
        self.peak_rss_mb = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ready(self) -> None:
        """Wait until it is loaded.

        Raises:
            SkippedError: there is no such implementation.
        """
        self._reply()

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """One request, one answer.

        Raises:
            SkippedError: the implementation cannot do it.
            WorkerError: the process ended.
        """
        try:
            print(json.dumps({"do": do, **request}), file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise WorkerError(f"{self.variant.name} has ended") from error
        return self._reply()

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        self._process.wait()

    def _reply(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise WorkerError(f"{self.variant.name} ended with {self._process.wait()}")
        reply: dict[str, Any] = json.loads(line)
        if "skipped" in reply:
            raise SkippedError(reply["skipped"])
        self.peak_rss_mb = reply["peak_rss_mb"]
        return reply
