"""Files written whole or not at all.

Everything is written to a hidden file beside the target, which takes the target's place when it is
complete. An exception, Ctrl-C or a full disk leaves the former file as it was. A power cut may
still lose the newest file: nothing waits for the disk.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError

StrPath = str | os.PathLike[str]

FAST_PNG: Final = 1
"""Compression of pictures: files a tenth to a fifth larger than usual in less than half the time.
A camera's photo takes longer to write than to segment."""
SMALL_PNG: Final = 6
"""Compression of masks, which takes little time in any case."""

_LONGEST_SUFFIX = 16  # a longer one is kept out of the temporary name, which must stay short

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


@contextmanager
def atomic_path(path: StrPath) -> Iterator[Path]:
    """Gives a temporary path to write to; it becomes `path` when the block ends well.

    Folders that are missing are created. An existing file keeps its permissions, a new one gets
    the usual ones; of a symbolic link the file it points to is replaced.

    Args:
        path: the file to write.

    Yields:
        An empty file in the same folder, with the same ending.

    Raises:
        OSError: naming `path`, where the system refuses.
    """
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp{_short_suffix(target)}"
    with _naming(target):
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "Is a folder; give a file's name", str(target))
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _naming(target, temporary):
            temporary.touch(exist_ok=False)
            yield temporary
            _keep_permissions(target, temporary)
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes_atomic(path: StrPath, content: bytes) -> Path:
    """Writes bytes to a file, whole or not at all.

    Returns:
        `path`.

    Raises:
        OSError: naming `path`, where the system refuses.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def write_text_atomic(path: StrPath, text: str) -> Path:
    r"""Writes text to a file as UTF-8 with ``\n`` line ends, whole or not at all.

    Returns:
        `path`.

    Raises:
        OSError: naming `path`, where the system refuses.
    """
    return write_bytes_atomic(path, text.encode("utf-8"))


def write_json_atomic(path: StrPath, value: object, *, indent: int | None = None) -> Path:
    """Writes a value as JSON and a final newline, whole or not at all.

    Args:
        path: the file to write.
        value: what `json` can write; NaN and infinity are not JSON.
        indent: spaces a level; None writes one line.

    Returns:
        `path`.

    Raises:
        OSError: naming `path`, where the system refuses.
        TypeError: a value that JSON has no form for.
        ValueError: NaN or infinity.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return write_text_atomic(path, text + "\n")


def save_png(path: StrPath, array: NDArray[Any]) -> Path:
    """Writes a PNG, whole or not at all.

    Args:
        path: a name ending in .png.
        array: (H, W) bool, written as 0 and 255; (H, W) uint8 or uint16 grey; (H, W, 3) uint8 RGB;
            (H, W, 4) uint8 RGBA.

    Returns:
        `path`.

    Raises:
        ImageError: another shape, kind of number or ending.
        OSError: naming `path`, where the system refuses.
    """
    from PIL import Image

    if Path(path).suffix.lower() != ".png":
        raise ImageError(f"{os.fspath(path)!r} is written as PNG; give a name ending in .png")
    picture = Image.fromarray(_png_pixels(array))
    level = SMALL_PNG if array.ndim == 2 else FAST_PNG
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG", compress_level=level)
    return Path(path)


def _png_pixels(array: NDArray[Any]) -> NDArray[Any]:
    grey = array.ndim == 2 and array.dtype in (np.bool_, np.uint8, np.uint16)
    colour = array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8
    if 0 in array.shape or not (grey or colour):
        raise ImageError(
            f"array has shape {array.shape} and dtype {array.dtype}; a PNG is written from "
            "(H, W) bool, uint8 or uint16, or from (H, W, 3) or (H, W, 4) uint8"
        )
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    return np.ascontiguousarray(array)


def _short_suffix(target: Path) -> str:
    return target.suffix if len(target.suffix) <= _LONGEST_SUFFIX else ""


def _keep_permissions(target: Path, temporary: Path) -> None:
    if target.exists():
        temporary.chmod(stat.S_IMODE(target.stat().st_mode))


@contextmanager
def _naming(target: Path, temporary: Path | None = None) -> Iterator[None]:
    """Makes the system's errors name the target: a full disk names no file, others the hidden one.

    Errors about anything else, such as a lost connection, pass as they are.
    """
    try:
        yield
    except OSError as error:
        about_disk = error.filename is None and error.errno in _DISK_ERRORS
        about_file = str(error.filename) in (str(target), str(temporary), str(target.parent))
        if not (about_disk or about_file):
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error
