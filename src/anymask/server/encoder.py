"""The encoder's queue: each picture encoded once, a few at a time, no more waiting than allowed."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anymask.geometry.frames import Frame
from anymask.inference.encoded import EncodedImage, image_hash
from anymask.inference.segment import Model, resize
from anymask.server.embeddings import EmbeddingCache
from anymask.server.errors import ApiError, error_text

State = Literal["queued", "encoding", "ready", "failed"]
_FAILURES_KEPT = 16
_FIRST_GUESS_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A picture as the encoder takes it; small, whatever the picture's size.

    Attributes:
        image_id: hash of the picture's pixels.
        frame: how it lies on the canvas.
        resized: (h, w, 3) uint8, the longer side as long as the canvas.
    """

    image_id: str
    frame: Frame
    resized: NDArray[np.uint8]


def prepare(rgb: NDArray[np.uint8], canvas_px: int) -> Prepared:
    """The first, cheap half of `Model.encode`.

    Args:
        rgb: (H, W, 3) uint8.
        canvas_px: of the model.
    """
    frame = Frame((rgb.shape[0], rgb.shape[1]), canvas_px)
    return Prepared(image_hash(rgb), frame, resize(rgb, frame.resized_hw))


def encode(model: Model, picture: Prepared) -> EncodedImage:
    """The second, slow half of `Model.encode`."""
    embedding = model.backend.encode(picture.resized)
    return EncodedImage(embedding, picture.frame, model.model_id, picture.image_id)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a picture stands.

    Attributes:
        state: on its way to the embedding.
        position: pictures before it in the queue, or None.
        error: why it failed, or None.
    """

    state: State
    position: int | None = None
    error: str | None = None


class EncodeQueue:
    """Runs the encoder for the pictures that are asked for, and keeps what comes out.

    Args:
        model: whose encoder.
        embeddings: where results go.
        workers: pictures encoded at once.
        waiting: how many may wait.
    """

    def __init__(
        self, model: Model, embeddings: EmbeddingCache, *, workers: int, waiting: int
    ) -> None:
        self._model, self._embeddings = model, embeddings
        self._pool = ThreadPoolExecutor(workers, "anymask-encode")
        self._workers, self._waiting = workers, waiting
        self._tickets: OrderedDict[str, Future[EncodedImage]] = OrderedDict()
        self._lock = threading.Lock()
        self._typical_seconds: float | None = None

    @property
    def typical_seconds(self) -> float | None:
        """How long one picture has lately taken; None before the first."""
        return self._typical_seconds

    def check_room(self) -> None:
        """Refuse to begin what the queue would not take.

        Raises:
            ApiError: 429, the queue is full.
        """
        with self._lock:
            self._check_room()

    def submit(self, image_id: str, make: Callable[[], Prepared]) -> Future[EncodedImage]:
        """Encode a picture, or join those who wait for the same one.

        Args:
            image_id: the picture.
            make: called by the worker.

        Raises:
            ApiError: 429, the queue is full.
        """
        with self._lock:
            known = self._tickets.get(image_id)
            if known is not None and not _has_failed(known):
                return known
            self._check_room()
            ticket = self._pool.submit(self._run, make)
            self._tickets[image_id] = ticket
            self._tickets.move_to_end(image_id)
        ticket.add_done_callback(lambda done: self._settle(image_id, done))
        return ticket

    def standing(self, image_id: str) -> Standing | None:
        """Where a picture stands in the queue; None if it is not in it."""
        with self._lock:
            ticket = self._tickets.get(image_id)
            if ticket is None:
                return None
            if ticket.done():
                return _settled(ticket)
            if ticket.running():
                return Standing("encoding", 0)
            names = [name for name, one in self._tickets.items() if _is_waiting(one)]
            return Standing("queued", names.index(image_id) if image_id in names else 0)

    def after(self, image_id: str, action: Callable[[], None]) -> None:
        """Do something when a picture is not being encoded (any more)."""
        with self._lock:
            ticket = self._tickets.get(image_id)
        if ticket is None:
            action()
        else:
            ticket.add_done_callback(lambda _: action())

    def close(self) -> None:
        """Begin nothing new; what is running goes on to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check_room(self) -> None:
        waiting = sum(map(_is_waiting, self._tickets.values()))
        if waiting >= self._waiting:
            seconds = (self._typical_seconds or _FIRST_GUESS_SECONDS) * waiting / self._workers
            raise ApiError(
                429,
                "queue_full",
                f"{waiting} pictures wait for the encoder already, which is all that may; "
                "try again later",
                retry_after=max(1, math.ceil(seconds / 2)),
            )

    def _run(self, make: Callable[[], Prepared]) -> EncodedImage:
        picture = make()
        started = time.perf_counter()
        encoded = encode(self._model, picture)
        self._note(time.perf_counter() - started)
        self._embeddings.put(encoded)
        return encoded

    def _note(self, seconds: float) -> None:
        before = self._typical_seconds
        self._typical_seconds = seconds if before is None else 0.7 * before + 0.3 * seconds

    def _settle(self, image_id: str, ticket: Future[EncodedImage]) -> None:
        """A success is in the cache now; some failures are remembered, to be told of."""
        with self._lock:
            if self._tickets.get(image_id) is ticket and not _has_failed(ticket):
                del self._tickets[image_id]
            failed = [name for name, one in self._tickets.items() if _has_failed(one)]
            for name in failed[:-_FAILURES_KEPT]:
                del self._tickets[name]


def _is_waiting(ticket: Future[EncodedImage]) -> bool:
    return not ticket.running() and not ticket.done()


def _has_failed(ticket: Future[EncodedImage]) -> bool:
    return ticket.done() and (ticket.cancelled() or ticket.exception() is not None)


def _settled(ticket: Future[EncodedImage]) -> Standing:
    if ticket.cancelled():
        return Standing("failed", error="the server is stopping")
    error = ticket.exception()
    return Standing("ready") if error is None else Standing("failed", error=error_text(error))
