"""Embeddings kept by image: the latest in memory, more of them as files in the cache folder."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np

from anymask.errors import FileFormatError
from anymask.inference.encoded import EncodedImage
from anymask.inference.segment import Model

_log = logging.getLogger(__name__)

_DAMAGE = (FileFormatError, KeyError, TypeError, ValueError, NotImplementedError, RuntimeError)
"""What reading a damaged file has been seen to raise."""

_HOT = 4
"""Images for which the engine's own notes are kept; they take three times an embedding."""


class EmbeddingCache:
    """Bounded memory and files of encoded images; threads may share it, processes the files.

    Args:
        folder: for the files; each model gets a folder inside.
        model: whose embeddings these are; others' are never returned.
        memory_bytes: at most so much in memory.
        disk_bytes: at most so much in files of this model; 0 keeps none.
    """

    def __init__(self, folder: Path, model: Model, memory_bytes: int, disk_bytes: int) -> None:
        self._folder = folder / _model_key(model)
        self._model_id, self._canvas_px = model.model_id, model.backend.canvas_px
        self._limits = memory_bytes, disk_bytes
        self._kept: OrderedDict[str, EncodedImage] = OrderedDict()
        self._hot: OrderedDict[str, EncodedImage] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, image_id: str) -> EncodedImage | None:
        """The encoded image, from memory or from its file; None if it is in neither."""
        with self._lock:
            encoded = self._kept.get(image_id)
            if encoded is not None:
                self._kept.move_to_end(image_id)
                return encoded
        encoded = self._load(image_id)
        if encoded is not None:
            self._remember(encoded)
        return encoded

    def has(self, image_id: str) -> bool:
        """Whether it is in memory or has a file, without reading that."""
        with self._lock:
            return image_id in self._kept or self._path(image_id).is_file()

    def put(self, encoded: EncodedImage) -> None:
        """Keep an encoded image; a disk that takes no file costs time later, nothing else."""
        self._remember(encoded)
        if encoded.embedding.nbytes > self._limits[1]:
            return
        try:
            encoded.save(self._path(encoded.image_sha256))
            self._shrink_disk()
        except OSError as error:
            _log.warning("an embedding was not kept on disk: %s", error)

    def hot(self, encoded: EncodedImage) -> EncodedImage:
        """The same values to prompt: engines keep notes about an image as long as it lives.

        Only a few of these live at once, whatever the number of embeddings.
        """
        with self._lock:
            known = self._hot.get(encoded.image_sha256) or replace(encoded)
            self._hot[encoded.image_sha256] = known
            self._hot.move_to_end(encoded.image_sha256)
            while len(self._hot) > _HOT:
                self._hot.popitem(last=False)
            return known

    def drop(self, image_id: str) -> None:
        """Forget an image, its file included."""
        with self._lock:
            self._kept.pop(image_id, None)
            self._hot.pop(image_id, None)
        self._path(image_id).unlink(missing_ok=True)

    @property
    def memory_bytes(self) -> int:
        """What the embeddings in memory take."""
        with self._lock:
            return self._held()

    def _held(self) -> int:
        return sum(one.embedding.nbytes for one in self._kept.values())

    def _remember(self, encoded: EncodedImage) -> None:
        with self._lock:
            self._kept[encoded.image_sha256] = encoded
            self._kept.move_to_end(encoded.image_sha256)
            while self._kept and self._held() > self._limits[0]:
                self._kept.popitem(last=False)

    def _path(self, image_id: str) -> Path:
        return self._folder / f"{image_id}.npz"

    def _load(self, image_id: str) -> EncodedImage | None:
        path = self._path(image_id)
        if not path.is_file():
            return None
        try:
            encoded = EncodedImage.load(path)
        except _DAMAGE as error:
            _log.warning("%s is damaged and made anew (%s)", path, error)
            return None
        if not self._is_ours(encoded, image_id):
            _log.warning("%s holds something else than its name says; it is made anew", path)
            return None
        os.utime(path)  # counts as used
        return encoded

    def _is_ours(self, encoded: EncodedImage, image_id: str) -> bool:
        named = encoded.image_sha256 == image_id and encoded.model_id == self._model_id
        fits = encoded.frame.canvas_px == self._canvas_px and encoded.embedding.ndim == 3
        return named and fits and bool(np.isfinite(encoded.embedding).all())

    def _shrink_disk(self) -> None:
        """Delete the files used longest ago; another process may be deleting as well."""
        files = []
        for path in self._folder.glob("*.npz"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            files.append((status.st_mtime_ns, status.st_size, path))
        excess = sum(size for _, size, _ in files) - self._limits[1]
        for _, size, path in sorted(files):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size


def _model_key(model: Model) -> str:
    """A folder's name for all that an embedding depends on besides the image."""
    backend = model.backend
    precision = getattr(backend, "precision", "fp32")
    values = (model.model_id, backend.name, backend.device, backend.canvas_px, precision)
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]
