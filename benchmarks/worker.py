"""A process that holds one implementation and does what it is asked, timed.

Started by crew.py with one JSON argument; reads one JSON request a line from stdin and answers each
with one line on stdout. What a library prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import allocator
import numpy as np
from subject import NotOfferedError, Subject

KINDS = {
    "original": ("subject_original", "Original"),
    "transformers": ("subject_transformers", "Transformers"),
    "onnxruntime": ("subject_onnxruntime", "OnnxRuntime"),
    "anymask": ("subject_anymask", "Anymask"),
}


def encode(subject: Subject, *, image: str, save: str | None = None) -> dict[str, Any]:
    """Encode the image of an .npy file."""
    pixels = np.load(image)
    answer, timing = timed(lambda: subject.encode(pixels))
    if save:
        np.save(save, answer)
    return timing


def hold(subject: Subject, *, embedding: str, size_hw: list[int]) -> dict[str, Any]:
    """Take an encoded image from an .npy file."""
    subject.hold(np.load(embedding), (size_hw[0], size_hw[1]))
    return {}


def decode(
    subject: Subject, *, points_xy: list[list[float]], save: str | None = None
) -> dict[str, Any]:
    """Decode points about the image held."""
    points = np.array(points_xy)
    answer, timing = timed(lambda: subject.decode(points))
    if save:
        np.savez(save, logits=answer.logits, iou=answer.iou)
    return timing


def mask(subject: Subject, *, point_xy: list[float], save: str | None = None) -> dict[str, Any]:
    """One click to a full-size mask."""
    answer, timing = timed(lambda: subject.mask((point_xy[0], point_xy[1])))
    if save:
        np.save(save, answer)
    return timing


def everything(
    subject: Subject, *, photo: str, parameters: dict[str, Any], save: str | None = None
) -> dict[str, Any]:
    """All objects of the photo of an .npy file."""
    pixels = np.load(photo)
    answer, timing = timed(lambda: subject.everything(pixels, parameters))
    if save:
        Path(save).write_text(json.dumps(answer), encoding="utf-8")
    return timing


REQUESTS: dict[str, Callable[..., dict[str, Any]]] = {
    "encode": encode,
    "hold": hold,
    "decode": decode,
    "mask": mask,
    "everything": everything,
}


def timed(call: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """The answer, with its seconds on the wall and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    answer = call()
    return answer, {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - processor,
    }


def load(order: dict[str, Any]) -> Subject:
    """The implementation that the order names."""
    module, name = KINDS[order["kind"]]
    maker = getattr(import_module(module), name)
    checkpoint = Path(order["checkpoint"])
    return maker(order["architecture"], checkpoint, order["threads"], **order["options"])


def answer(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What comes back, with the process's peak of memory; or why there is nothing."""
    try:
        result = work()
    except NotOfferedError as reason:
        return {"skipped": str(reason)}
    return result | {"peak_rss_mb": peak_rss_mb()}


def peak_rss_mb() -> float:
    """The most memory this process ever held."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage counts what the parent held when it started this process
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def serve(order: dict[str, Any], replies: TextIO) -> None:
    """Load, then answer requests until stdin closes."""
    held: list[Subject] = []

    def start() -> dict[str, Any]:
        held.append(load(order))
        return {}

    print(json.dumps(answer(start)), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        work = REQUESTS[request.pop("do")]
        print(json.dumps(answer(lambda: work(held[0], **request))), file=replies, flush=True)  # noqa: B023


def main() -> None:
    """Keep stdout for the answers, then serve."""
    order = json.loads(sys.argv[1])
    allocator.apply(order["allocator"])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(order, replies)


if __name__ == "__main__":
    main()
