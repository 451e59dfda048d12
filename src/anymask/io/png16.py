"""PNG files of 16-bit colours, which Pillow does not write (W3C: PNG Specification)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anymask.io.files import FAST_PNG

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES: Final = {3: 2, 4: 6}  # RGB, RGBA
_FILTER_UP: Final = 2
_ROWS: Final = 256  # handed to the compressor at once


def png16_bytes(
    pixels: NDArray[np.uint16], *, icc: bytes | None = None, exif: bytes | None = None
) -> bytes:
    """A PNG file.

    Args:
        pixels: (H, W, 3) RGB or (H, W, 4) RGBA uint16.
        icc: colour profile to keep in it.
        exif: EXIF block, from its byte order mark on.
    """
    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    parts = [_SIGNATURE, _chunk(b"IHDR", head)]
    if icc:
        parts.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
    if exif:
        parts.append(_chunk(b"eXIf", exif))
    parts += [_chunk(b"IDAT", part) for part in _compressed(pixels)]
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _compressed(pixels: NDArray[Any]) -> Iterator[bytes]:
    """The rows, each as its difference to the one above, byte by byte."""
    compressor = zlib.compressobj(FAST_PNG)
    above = np.zeros((1, pixels.shape[1] * pixels.shape[2] * 2), np.uint8)
    for start in range(0, len(pixels), _ROWS):
        block = pixels[start : start + _ROWS].astype(">u2")
        rows = block.reshape(len(block), -1).view(np.uint8)
        lines = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
        lines[:, 0] = _FILTER_UP
        np.subtract(rows, np.concatenate([above, rows[:-1]]), out=lines[:, 1:])
        above = rows[-1:]
        yield compressor.compress(lines.tobytes())
    yield compressor.flush()


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
