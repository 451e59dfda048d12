"""Whether this process gives freed memory back to the system at once, or keeps it for reuse.

glibc maps every big array anew and returns it when it is freed; each time, the system has to clear
the pages again. On virtual machines that is a large part of a network's time. A library must not
change this for its host, a program may; so the benchmark measures all code both ways.
"""

from __future__ import annotations

import ctypes

SETTINGS = ("default", "kept")

_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Serve big arrays from the heap and never shrink it (glibc only)."""
    libc = ctypes.CDLL(None)
    if not (libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)):
        raise OSError("mallopt refused the setting; run with --allocator default")


def apply(setting: str) -> None:
    """Choose one of `SETTINGS` for this process."""
    if setting == "kept":
        keep_freed_memory()
