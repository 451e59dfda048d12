"""What a pickle asks for, told without loading it."""

from __future__ import annotations

import io
import pickletools
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

_HARMLESS = {"collections.OrderedDict", "_codecs.encode"}
_MAX_BYTES = 64 << 20
"""A checkpoint's pickle holds names and shapes only; the numbers lie elsewhere."""


def list_foreign_globals(path: Path) -> list[str]:
    """The classes and functions a checkpoint wants, other than torch's own, as dotted names.

    Works for both kinds of ``torch.save`` files and for bare pickles; stops at the first thing that
    is no pickle. Nothing of the file is run.
    """
    found: dict[str, None] = {}  # a set that keeps the order
    try:
        for data in _pickles(path):
            for name in _globals(data):
                if name.split(".")[0] != "torch" and name not in _HARMLESS:
                    found[name] = None
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error):
        return list(found)
    return list(found)


def _pickles(path: Path) -> Iterator[bytes]:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as handle:
            yield handle.read(_MAX_BYTES)
        return
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename.endswith(".pkl") and member.file_size <= _MAX_BYTES:
                yield archive.read(member)


def _globals(data: bytes) -> Iterator[str]:
    """Names in one pickle or a run of them; raises ValueError where the pickles end."""
    stream = io.BytesIO(data)
    while stream.tell() < len(data):
        memo: dict[int, str] = {}
        strings = ["", ""]
        for operation, argument, _ in pickletools.genops(stream):
            kind = operation.name
            if kind == "GLOBAL":
                yield str(argument).replace(" ", ".")
            elif kind == "STACK_GLOBAL":
                yield ".".join(strings[-2:])
            elif "UNICODE" in kind:
                strings.append(str(argument))
            elif kind == "MEMOIZE":
                memo[len(memo)] = strings[-1]
            elif kind.endswith("PUT"):
                memo[int(argument or 0)] = strings[-1]
            elif kind.endswith("GET"):
                strings.append(memo.get(int(argument or 0), ""))
