"""Uploaded picture files: kept by the hash of their pixels, in memory and in a temporary folder.

Small files are kept in memory while there is room, all others in the folder. When that is full too,
the one used longest ago is forgotten; the page sends it again if it is asked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

from anymask.io.files import write_bytes_atomic


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file and where it is.

    Attributes:
        id: hash of its upright RGB pixels.
        width: in pixels, upright.
        height: in pixels, upright.
        source: the file's content, or its path in the store's folder.
        file_bytes: its size.
    """

    id: str
    width: int
    height: int
    source: bytes | Path
    file_bytes: int


class PictureStore:
    """Bounded memory of picture files; threads may share it.

    Args:
        folder: for the files that are not in memory; the store owns what it puts there.
        memory_bytes: at most so much in memory.
        disk_bytes: at most so much in the folder.
    """

    def __init__(self, folder: Path, memory_bytes: int, disk_bytes: int) -> None:
        self.folder = folder
        self._limits = memory_bytes, disk_bytes
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, picture: Picture) -> None:
        """Keep a picture; a file of its own becomes the store's.

        Args:
            picture: whose `source` lies in `folder` if it is a path.
        """
        with self._lock:
            known = self._kept.get(picture.id)
            if known is not None:
                self._drop_file(picture)
                picture = known
            elif isinstance(picture.source, Path):
                target = self.folder / picture.id
                picture = replace(picture, source=picture.source.replace(target))
            self._kept[picture.id] = picture
            self._kept.move_to_end(picture.id)
            self._shrink()

    def get(self, image_id: str) -> Picture | None:
        """The picture, which now counts as used; None if it is unknown or forgotten."""
        with self._lock:
            picture = self._kept.get(image_id)
            if picture is not None:
                self._kept.move_to_end(image_id)
            return picture

    def content(self, picture: Picture) -> bytes | None:
        """The file's bytes; None if it was forgotten meanwhile."""
        if isinstance(picture.source, bytes):
            return picture.source
        try:
            return picture.source.read_bytes()
        except FileNotFoundError:
            return None

    def drop(self, image_id: str) -> bool:
        """Forget a picture; returns whether it was there."""
        with self._lock:
            picture = self._kept.pop(image_id, None)
            if picture is not None:
                self._drop_file(picture)
            return picture is not None

    @property
    def memory_bytes(self) -> int:
        """What the files in memory take."""
        return sum(one.file_bytes for one in self._all() if isinstance(one.source, bytes))

    @property
    def disk_bytes(self) -> int:
        """What the files in the folder take."""
        return sum(one.file_bytes for one in self._all() if isinstance(one.source, Path))

    def _all(self) -> list[Picture]:
        return list(self._kept.values())

    def _shrink(self) -> None:
        memory_limit, disk_limit = self._limits
        while self.memory_bytes > memory_limit:
            oldest = next(one for one in self._all() if isinstance(one.source, bytes))
            self._kept[oldest.id] = self._to_disk(oldest)
        while self.disk_bytes > disk_limit:
            oldest = next(one for one in self._all() if isinstance(one.source, Path))
            del self._kept[oldest.id]
            self._drop_file(oldest)

    def _to_disk(self, picture: Picture) -> Picture:
        if isinstance(picture.source, Path):
            return picture
        path = write_bytes_atomic(self.folder / picture.id, picture.source)
        return replace(picture, source=path)

    @staticmethod
    def _drop_file(picture: Picture) -> None:
        if isinstance(picture.source, Path):
            picture.source.unlink(missing_ok=True)
