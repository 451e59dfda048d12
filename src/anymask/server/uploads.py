"""Picture files on their way in: a little in memory, the rest in the temporary folder."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from anymask.server.errors import ApiError

IN_MEMORY_BYTES = 1 << 20


class Arrivals:
    """Counts what is arriving; used from the event loop only.

    Args:
        folder: for files of more than a megabyte.
        count: how many may arrive at once.
        total_bytes: how much of them may lie in the folder.
    """

    def __init__(self, folder: Path, count: int, total_bytes: int) -> None:
        self._folder = folder
        self._count, self._total_bytes = count, total_bytes
        self._now, self._bytes_now = 0, 0

    @contextmanager
    def enter(self) -> Iterator[Arrival]:
        """A place for one file; what was not taken from it is deleted at the end.

        Raises:
            ApiError: 429, all places are taken.
        """
        if self._now >= self._count:
            raise _busy(f"{self._now} pictures are being received already, which is all that may")
        self._now += 1
        arrival = Arrival(self._folder / f"arriving-{secrets.token_hex(8)}", self._reserve)
        try:
            yield arrival
        finally:
            self._now -= 1
            self._bytes_now -= arrival.file_bytes
            arrival.path.unlink(missing_ok=True)

    def _reserve(self, count: int) -> None:
        if self._bytes_now + count > self._total_bytes:
            raise _busy("the pictures being received fill the room there is for them")
        self._bytes_now += count


class Arrival:
    """One file on its way in.

    Args:
        path: where it goes if it is large.
        reserve: called with the number of bytes before they are written.
    """

    def __init__(self, path: Path, reserve: Callable[[int], None]) -> None:
        self.path = path
        self.file_bytes = 0
        self._reserve = reserve
        self._pending = bytearray()

    async def receive(self, chunks: AsyncIterator[bytes]) -> bytes | Path:
        """All of the file: its content if it is small, else its path."""
        async for chunk in chunks:
            self._pending += chunk
            if len(self._pending) >= IN_MEMORY_BYTES:
                await self._write()
        if not self.file_bytes:
            return bytes(self._pending)
        await self._write()
        return self.path

    async def _write(self) -> None:
        part, self._pending = self._pending, bytearray()
        self._reserve(len(part))
        self.file_bytes += len(part)
        await asyncio.to_thread(_append, self.path, part)


def _append(path: Path, part: bytearray) -> None:
    with path.open("ab") as file:
        file.write(part)


def _busy(reason: str) -> ApiError:
    return ApiError(429, "busy", f"{reason}; try again later", retry_after=1)
