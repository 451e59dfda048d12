"""The temporary folder of a running server; those of servers that were killed are swept away."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO

if sys.platform != "win32":  # where nothing is swept
    import fcntl

_PREFIX, _LOCK = "anymask-serve-", "lock"


class Spool:
    """A private folder that lives as long as its process."""

    def __init__(self) -> None:
        sweep(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = (self.folder / _LOCK).open("wb")
        try_to_lock(self._lock)

    def close(self) -> None:
        """Delete it with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def sweep(parent: Path) -> None:
    """Delete the folders that servers left behind when they were killed."""
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        try:
            with lock.open("r+b") as file:
                abandoned = try_to_lock(file)
        except OSError:  # somebody else's, or gone already
            continue
        if abandoned:
            shutil.rmtree(lock.parent, ignore_errors=True)


def try_to_lock(file: IO[bytes]) -> bool:
    """Lock a file until it is closed or its process ends; False if another has it locked."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
