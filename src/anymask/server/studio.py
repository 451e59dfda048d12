"""What the server holds: a model, pictures, embeddings, queues. No request leaves a trace in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError, MissingExtraError
from anymask.inference.encoded import EncodedImage
from anymask.inference.everything.generate import everything
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.segment import Model
from anymask.io.decode import PictureSizeError
from anymask.io.images import read_image
from anymask.server.answers import everything_json, text_json
from anymask.server.decoder_files import DecoderFiles, sha256
from anymask.server.embeddings import EmbeddingCache
from anymask.server.encoder import EncodeQueue, Prepared, Standing, prepare
from anymask.server.errors import ApiError, one_line
from anymask.server.jobs import Job, JobStore
from anymask.server.limits import Limits
from anymask.server.pictures import Picture, PictureStore
from anymask.server.spool import Spool
from anymask.server.uploads import Arrivals
from anymask.server.words import TextOrder, WordSearch
from anymask.types.records import MaskRecord
from anymask.words.load import load_scorer
from anymask.words.scorer import RegionTextScorer

T = TypeVar("T")
_POINTS_PER_STEP = 16
"""A job looks whether it is cancelled after so many points; onnxruntime asks them singly anyway."""


@dataclass(frozen=True, slots=True)
class Received:
    """An uploaded picture that was understood.

    Attributes:
        picture: what is kept.
        prepared: what the encoder takes.
    """

    picture: Picture
    prepared: Prepared


class Studio:
    """The state behind the HTTP interface; a context manager that cleans up after itself.

    Args:
        model: shared by all threads.
        decoder: the graphs for the page.
        cache_dir: where embeddings are kept between runs.
        limits: what bounds everything.
        load_scorer: makes what knows words, when the first phrase comes; left out, the offline one.
    """

    def __init__(
        self,
        model: Model,
        decoder: DecoderFiles,
        cache_dir: Path,
        limits: Limits,
        load_scorer: Callable[[], RegionTextScorer] = load_scorer,
    ) -> None:
        self.model, self.decoder, self.limits = model, decoder, limits
        self.decoder_sha256 = {name: sha256(content) for name, content in decoder.files.items()}
        self._spool = Spool()
        self.pictures = PictureStore(
            self._spool.folder, limits.picture_memory_bytes, limits.picture_disk_bytes
        )
        self.embeddings = EmbeddingCache(
            cache_dir / "embeddings",
            model,
            limits.embedding_memory_bytes,
            limits.embedding_disk_bytes,
        )
        self.encoder = EncodeQueue(
            model, self.embeddings, workers=limits.encoders, waiting=limits.encode_queue
        )
        self.jobs = JobStore(limits.jobs, limits.result_bytes)
        self._words = WordSearch(load_scorer)
        self.arrivals = Arrivals(self._spool.folder, limits.uploads, limits.picture_disk_bytes)
        self._readers = ThreadPoolExecutor(2, "anymask-read")
        self._workers = Bounded(2, limits.decode_queue)
        self._editors = Bounded(1, limits.edit_queue)  # so that clicks need not wait for edits
        self.is_stopping = False
        self._lock = threading.Lock()
        self._leaving: dict[object, Callable[[], None]] = {}

    def __enter__(self) -> Studio:
        """Ready as it was made."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End what runs and delete the temporary files."""
        self.stop()
        self._spool.close()

    def stop(self) -> None:
        """End jobs and begin nothing new, so that everybody who waits gets an answer."""
        with self._lock:
            self.is_stopping = True
            leaving = list(self._leaving.values())
        self.jobs.close()
        self.encoder.close()
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._workers.close()
        self._editors.close()
        for action in leaving:
            action()

    @contextmanager
    def when_stopping(self, action: Callable[[], None]) -> Iterator[None]:
        """Have something done if the studio is stopped inside the block, or was before it."""
        key = object()
        with self._lock:
            self._leaving[key] = action
            is_late = self.is_stopping
        if is_late:
            action()
        try:
            yield
        finally:
            with self._lock:
                del self._leaving[key]

    def work(self, task: Callable[[], T]) -> Future[T]:
        """Run something short for a request, beside others.

        Raises:
            ApiError: 429, too many wait already.
        """
        return self._workers.submit(task)

    def edit(self, task: Callable[[], T]) -> Future[T]:
        """Run an edit, one after the other.

        Raises:
            ApiError: 429, too many wait already.
        """
        return self._editors.submit(task)

    def read(self, source: bytes | Path) -> Future[Received]:
        """Decode an uploaded file, beside the event loop.

        The future raises `ApiError`: 400 empty, 413 too many pixels, 415 no picture.
        """
        return self._readers.submit(self._read, source)

    def _read(self, source: bytes | Path) -> Received:
        file_bytes = len(source) if isinstance(source, bytes) else source.stat().st_size
        content = source if isinstance(source, bytes) else source.read_bytes()
        rgb = read_upload(content, self.limits.pixels)
        prepared = prepare(rgb, self.model.backend.canvas_px)
        height, width = prepared.frame.size_hw
        return Received(Picture(prepared.image_id, width, height, source, file_bytes), prepared)

    def accept(self, received: Received) -> Standing:
        """Keep a picture and queue it for the encoder unless its embedding is there.

        Raises:
            ApiError: 429, the queue is full; the picture is not kept then.
        """
        image_id = received.picture.id
        ready = self.embeddings.has(image_id)
        if not ready:
            self.encoder.submit(image_id, lambda: received.prepared)
        self.pictures.put(received.picture)
        return self.standing(received.picture)

    def picture(self, image_id: str) -> Picture:
        """A picture that was uploaded.

        Raises:
            ApiError: 404, unknown or forgotten.
        """
        picture = self.pictures.get(image_id)
        if picture is None:
            raise unknown_image(image_id)
        return picture

    def forget(self, image_id: str) -> None:
        """Forget a picture and its embedding, also one that is just being made.

        Raises:
            ApiError: 404, unknown or forgotten already.
        """
        if not self.pictures.drop(image_id):
            raise unknown_image(image_id)
        self._words.forget(image_id)
        self.encoder.after(image_id, lambda: self._drop_embedding(image_id))

    def _drop_embedding(self, image_id: str) -> None:
        if self.pictures.get(image_id) is None:  # it may have been sent again
            self.embeddings.drop(image_id)

    def standing(self, picture: Picture) -> Standing:
        """Where a picture stands; one whose embedding was dropped is queued anew."""
        standing = self.encoder.standing(picture.id)
        if standing is not None:
            return standing
        if self.embeddings.has(picture.id):
            return Standing("ready")
        self._encode(picture)
        return self.encoder.standing(picture.id) or Standing("ready")

    def encoded(self, picture: Picture) -> Future[EncodedImage]:
        """The embedding of a picture, as soon as it is there.

        Raises:
            ApiError: 429, it is not there and the queue is full.
        """
        kept = self.embeddings.get(picture.id)
        if kept is None:
            return self._encode(picture)
        ready: Future[EncodedImage] = Future()
        ready.set_result(kept)
        return ready

    def _encode(self, picture: Picture) -> Future[EncodedImage]:
        canvas_px = self.model.backend.canvas_px
        return self.encoder.submit(picture.id, lambda: prepare(self.rgb(picture), canvas_px))

    def rgb(self, picture: Picture) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 pixels, upright.

        Raises:
            ApiError: 404, forgotten meanwhile.
        """
        return read_image(self.content(picture), max_pixels=self.limits.pixels)

    def content(self, picture: Picture) -> bytes:
        """The uploaded file's bytes.

        Raises:
            ApiError: 404, forgotten meanwhile.
        """
        content = self.pictures.content(picture)
        if content is None:
            raise unknown_image(picture.id)
        return content

    def everything(self, picture: Picture, settings: EverythingSettings) -> Job:
        """Queue everything mode for a picture.

        Raises:
            ApiError: 422, more points than one job may ask; 429, enough is queued.
        """
        self._check_points(picture, settings)
        return self.jobs.submit(picture.id, lambda job: self._everything(picture, settings, job))

    def text(self, picture: Picture, order: TextOrder) -> Job:
        """Queue the search for phrases in a picture.

        Raises:
            ApiError: 429, enough is queued.
        """
        return self.jobs.submit(picture.id, lambda job: self._text(picture, order, job))

    def _text(self, picture: Picture, order: TextOrder, job: Job) -> bytes:
        def records() -> list[MaskRecord]:
            image = self.embeddings.hot(self.encoded(picture).result())
            settings = self.in_steps(order.settings.regions)
            return everything(
                self.model, image, settings, progress=job.progress, cancel=job.is_stopped
            )

        found = self._words.find(picture.id, order, lambda: self.rgb(picture), records, job)
        if self.pictures.get(picture.id) is None:  # forgotten meanwhile
            self._words.forget(picture.id)
        return text_json(found)

    def _check_points(self, picture: Picture, settings: EverythingSettings) -> None:
        grids = settings.grids()
        crops = settings.crops((picture.height, picture.width))
        points, most = sum(len(grids[crop.layer]) for crop in crops), self.limits.job_points
        if points > most:
            raise ApiError(
                422,
                "too_many_points",
                f"these settings ask {points} points of the picture; at most {most} are allowed: "
                "take fewer points_per_side, fewer crops or larger tiles",
            )

    def _everything(self, picture: Picture, settings: EverythingSettings, job: Job) -> bytes:
        whole = settings.tile_px is None and settings.crop_n_layers == 0
        image = self.embeddings.hot(self.encoded(picture).result()) if whole else self.rgb(picture)
        return everything_json(self.model, image, settings, job)

    def in_steps(self, settings: EverythingSettings) -> EverythingSettings:
        """Settings of a job that can be cancelled soon."""
        if self.model.backend.name != "onnx":
            return settings
        return replace(settings, points_per_batch=_POINTS_PER_STEP)


class Bounded:
    """A pool of threads that refuses work beyond what may wait.

    Args:
        threads: working at once.
        waiting: working or waiting at once.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "anymask-work")
        self._places = threading.Semaphore(waiting)

    def submit(self, task: Callable[[], T]) -> Future[T]:
        """Run a task.

        Raises:
            ApiError: 429, all places are taken.
        """
        if not self._places.acquire(blocking=False):
            message = "too many requests are being worked on already; try again later"
            raise ApiError(429, "busy", message, retry_after=1)
        future = self._pool.submit(task)
        future.add_done_callback(lambda _: self._places.release())
        return future

    def close(self) -> None:
        """Begin nothing new."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def read_upload(content: bytes, max_pixels: int) -> NDArray[np.uint8]:
    """An uploaded file as (H, W, 3) uint8.

    Raises:
        ApiError: 400 empty, 413 too many pixels, 415 no picture.
    """
    if not content:
        raise ApiError(400, "empty", "the body is empty; send a picture file's bytes as the body")
    try:
        return read_image(content, max_pixels=max_pixels)
    except PictureSizeError as error:
        width, height = error.size
        raise ApiError(
            413,
            "too_many_pixels",
            f"the picture has {width} x {height} = {width * height} pixels; "
            f"at most {max_pixels} are taken: make it smaller",
        ) from error
    except (ImageError, MissingExtraError) as error:
        raise ApiError(415, "no_picture", one_line(str(error))) from error


def unknown_image(image_id: str) -> ApiError:
    """The error for a picture that is not here."""
    return ApiError(404, "image_unknown", f"there is no picture {image_id} here; upload it (again)")
