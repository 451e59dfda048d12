"""Label Studio's brush masks and polygons, and back.

A brush mask is the picture's RGBA pixels in row-major order, run-length coded and packed into bits,
most significant first: 32 bits with the number of values, 5 with the bits a value has, less one,
and four times 4 with the bits of the four kinds of run lengths, less one each. Then come the runs:
one bit, set when a single value is repeated; 2 bits with the kind of run length; the length, less
one; and the repeated value, or all values one by one. What is covered has an alpha above 0.

Points are in per cent of the picture's width and height.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import MaskError
from anymask.geometry.boxes import as_mask

Bits = NDArray[np.uint8]

_CHANNELS: Final = 4
_ALPHA: Final = 3
_COUNT_BITS: Final = 32
_VALUE_BITS: Final = 8
_OPAQUE: Final = 255
_LENGTH_BITS: Final = (3, 4, 8, 16)
_LONGEST_RUN: Final = 1 << _LENGTH_BITS[-1]
_HEADER_BITS: Final = _COUNT_BITS + 5 + 4 * len(_LENGTH_BITS)
_MOST_PIXELS: Final = ((1 << _COUNT_BITS) - 1) // _CHANNELS


def encode_brush(mask: ArrayLike) -> list[int]:
    """The code of a mask, as a region's ``rle`` holds it.

    Args:
        mask: (H, W) bool with at least one pixel.

    Returns:
        Bytes as whole numbers 0 to 255; covered pixels are white and opaque, others all 0.

    Raises:
        MaskError: not one mask, one without pixels, or one of more pixels than the format counts.
    """
    array = as_mask(mask)
    if not 0 < array.size <= _MOST_PIXELS:
        raise MaskError(
            f"mask has shape {array.shape}; a brush mask has 1 to {_MOST_PIXELS} pixels"
        )
    lengths, covered = _runs(array.ravel())
    coded: list[int] = np.packbits(
        np.concatenate([_header(array.size), _run_bits(lengths, covered)])
    ).tolist()
    return coded


def decode_brush(code: Sequence[int] | bytes, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of a code, also of one drawn by hand in Label Studio.

    Args:
        code: bytes, or whole numbers 0 to 255.
        size_hw: ``original_height`` and ``original_width`` of the region; nothing larger is made.

    Returns:
        (H, W) bool: pixels with an alpha above 0.

    Raises:
        MaskError: a code that is malformed, cut off, or of another size.
    """
    data = _as_bytes(code)
    reader = _Reader(data)
    count = reader.read(_COUNT_BITS)
    value_bits = reader.read(5) + 1
    length_bits = [reader.read(4) + 1 for _ in _LENGTH_BITS]
    height, width = size_hw
    if count != height * width * _CHANNELS:
        raise MaskError(
            f"rle holds {count} values but {width} x {height} pixels (width x height) of RGBA are "
            f"{height * width * _CHANNELS}; give the region's original_height and original_width"
        )
    values = np.zeros(count, dtype=np.bool_)
    start = 0
    while start < count:
        is_repeated = reader.read(1)
        end = start + 1 + reader.read(length_bits[reader.read(2)])
        if end > count:
            raise MaskError(f"rle has a run beyond its {count} values; the code is damaged")
        if is_repeated:
            values[start:end] = reader.read(value_bits) > 0
        else:
            values[start:end] = reader.any_set(end - start, value_bits)
        start = end
    return np.ascontiguousarray(values.reshape(height, width, _CHANNELS)[..., _ALPHA])


def percent_points(points_xy: ArrayLike, size_hw: tuple[int, int]) -> list[list[float]]:
    """Points as Label Studio keeps them.

    Args:
        points_xy: (N, 2) (x, y) in pixels; what lies outside the picture moves to its border.
        size_hw: (height, width) of the picture.

    Returns:
        N pairs [x, y] of 0 to 100 per cent.
    """
    height, width = size_hw
    points = np.asarray(points_xy, np.float64).reshape(-1, 2)
    percent: list[list[float]] = np.clip(100 * points / (width, height), 0, 100).tolist()
    return percent


def pixel_points(points_percent: ArrayLike, size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Points of Label Studio in pixels.

    Args:
        points_percent: (N, 2) [x, y] in per cent of width and height.
        size_hw: (height, width) of the picture.

    Returns:
        (N, 2) float64 (x, y).
    """
    height, width = size_hw
    points = np.asarray(points_percent, np.float64).reshape(-1, 2)
    return points * (width, height) / 100


def _runs(pixels: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Lengths in values, none above the longest the format has, and what each run repeats."""
    starts = np.concatenate([[0], np.flatnonzero(pixels[1:] != pixels[:-1]) + 1])
    lengths = _CHANNELS * np.diff(starts, append=pixels.size)
    pieces = -(-lengths // _LONGEST_RUN)
    cut = np.full(int(pieces.sum()), _LONGEST_RUN, dtype=np.int64)
    cut[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * _LONGEST_RUN
    return cut, np.repeat(pixels[starts], pieces)


def _header(pixels: int) -> Bits:
    fields = [(_CHANNELS * pixels, _COUNT_BITS), (_VALUE_BITS - 1, 5)]
    fields += [(bits - 1, 4) for bits in _LENGTH_BITS]
    return np.concatenate([_to_bits(np.array([value]), np.array([bits])) for value, bits in fields])


def _run_bits(lengths: NDArray[np.int64], covered: NDArray[np.bool_]) -> Bits:
    """All runs, each of a flag, the kind of its length, its length and its value."""
    kinds = np.searchsorted(1 << np.array(_LENGTH_BITS), lengths)
    length_bits = np.array(_LENGTH_BITS)[kinds]
    words = (4 | kinds) << length_bits | (lengths - 1)
    words = words << _VALUE_BITS | np.where(covered, _OPAQUE, 0)
    return _to_bits(words, 3 + length_bits + _VALUE_BITS)


def _to_bits(words: NDArray[np.int64], widths: NDArray[np.int64]) -> Bits:
    """Numbers one after the other, each in as many bits as `widths` says."""
    ends = np.cumsum(widths)
    places = np.repeat(ends, widths) - 1 - np.arange(ends[-1])
    return ((np.repeat(words, widths) >> places) & 1).astype(np.uint8)


def _as_bytes(code: Sequence[int] | bytes) -> bytes:
    # bytes(n) of a number would make n bytes
    if not isinstance(code, bytes | list | tuple):
        raise MaskError(f"rle is a {type(code).__name__}; give a list of whole numbers 0 to 255")
    try:
        return bytes(code)
    except (TypeError, ValueError) as error:
        raise MaskError(f"rle cannot be read ({error}); give whole numbers 0 to 255") from error


class _Reader:
    """Numbers out of packed bits, the most significant bit first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def read(self, bits: int) -> int:
        """The next number of up to 32 bits."""
        first, end = self._advance(bits)
        window = self._data[first // 8 : (end + 7) // 8]
        return int.from_bytes(window, "big") >> (-end % 8) & ((1 << bits) - 1)

    def any_set(self, count: int, bits: int) -> NDArray[np.bool_]:
        """(count,): which of the next numbers are not 0."""
        first, end = self._advance(count * bits)
        window = np.frombuffer(self._data[first // 8 : (end + 7) // 8], np.uint8)
        flat = np.unpackbits(window)[first % 8 :][: count * bits]
        found: NDArray[np.bool_] = np.any(flat.reshape(count, bits), axis=1)
        return found

    def _advance(self, bits: int) -> tuple[int, int]:
        first, self._position = self._position, self._position + bits
        if self._position > 8 * len(self._data):
            raise MaskError("rle ends in the middle of a run; the code is cut off")
        return first, self._position
