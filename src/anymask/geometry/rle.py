"""Run-length codes as COCO defines them, plain (a list of counts) and compressed (a string).

Counts are the lengths of alternating runs down the columns, left to right, the first of them
background (0 long if the top left pixel is foreground). The compressed string holds each count
from the fourth on as the difference to the one two before, in base-32 digits of which the lowest
comes first: five bits, a bit that says whether more follow, plus 48.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import MaskError
from anymask.geometry.boxes import as_mask

MAX_COUNT: Final = 2**32 - 1
"""The longest run and the largest mask the format's reference implementation can hold."""

_DIGIT_BITS: Final = 5
_SIGN_BIT: Final = 16
_MORE_BIT: Final = 32
_FIRST_CHARACTER: Final = 48
# a difference of two counts needs 33 bits and a sign
_MAX_DIGITS: Final = 7
_COLUMNS_AT_A_TIME: Final = 64


class Rle(TypedDict):
    """A compressed code, ready for JSON: ``size`` is [height, width], ``counts`` ASCII text."""

    size: list[int]
    counts: str


class UncompressedRle(TypedDict):
    """A plain code, ready for JSON: ``size`` is [height, width], ``counts`` the run lengths."""

    size: list[int]
    counts: list[int]


def encode(mask: ArrayLike) -> Rle:
    """The compressed code of a mask.

    Args:
        mask: (H, W) bool with at least one pixel.

    Raises:
        MaskError: not one mask, or one without pixels.
    """
    plain = encode_uncompressed(mask)
    return {"size": plain["size"], "counts": counts_to_string(plain["counts"])}


def encode_uncompressed(mask: ArrayLike) -> UncompressedRle:
    """The plain code of a mask.

    Args:
        mask: (H, W) bool with at least one pixel.

    Raises:
        MaskError: not one mask, or one without pixels.
    """
    array = as_mask(mask)
    if array.size == 0:
        raise MaskError(f"mask has shape {array.shape}; give a mask with at least one pixel")
    no_background = np.zeros(int(array[0, 0]), dtype=np.int64)
    counts = np.diff(np.concatenate([no_background, _changes(array)]), prepend=0, append=array.size)
    height, width = array.shape
    return {"size": [height, width], "counts": counts.tolist()}


def decode(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The mask of a code.

    Args:
        rle: ``size`` [height, width] and ``counts`` as str, bytes or whole numbers.

    Returns:
        (H, W) bool, C-contiguous.

    Raises:
        MaskError: a malformed code.
    """
    (height, width), counts = _parse(rle)
    columns = np.repeat(_is_foreground(counts), counts).reshape(width, height)
    mask = np.empty((height, width), dtype=np.bool_)
    # a whole-array transpose runs through memory three times slower
    for first in range(0, width, _COLUMNS_AT_A_TIME):
        block = slice(first, first + _COLUMNS_AT_A_TIME)
        mask[:, block] = columns[block].T
    return mask


def area(rle: Mapping[str, Any]) -> int:
    """The number of foreground pixels of a code, without decoding it.

    Raises:
        MaskError: a malformed code.
    """
    _, counts = _parse(rle)
    return int(counts[1::2].sum())


def box_xyxy(rle: Mapping[str, Any]) -> NDArray[np.int64]:
    """The smallest box around the mask of a code, without decoding it.

    Args:
        rle: ``size`` [height, width] and ``counts`` as str, bytes or whole numbers.

    Returns:
        (4,) int64, half-open XYXY in pixels; zeros for an empty mask.

    Raises:
        MaskError: a malformed code.
    """
    (height, _), counts = _parse(rle)
    ends = np.cumsum(counts)
    runs = _is_foreground(counts) & (counts > 0)
    if not runs.any():
        return np.zeros(4, dtype=np.int64)
    first, last = (ends - counts)[runs], ends[runs] - 1
    x0, x1 = first[0] // height, last[-1] // height + 1
    # a run into the next column covers the bottom of one and the top of the other
    if np.any(first // height != last // height):
        return np.array([x0, 0, x1, height], dtype=np.int64)
    return np.array([x0, (first % height).min(), x1, (last % height).max() + 1], dtype=np.int64)


def counts_to_string(counts: ArrayLike) -> str:
    """Compresses run lengths.

    Args:
        counts: (R,) whole numbers, 0 to `MAX_COUNT`.

    Raises:
        MaskError: a count that is negative, too large or no whole number.
    """
    values = _as_counts(counts)
    differences = values.copy()
    differences[3:] -= values[1:-2]
    places = np.arange(_MAX_DIGITS)
    rest = differences[:, None] >> (_DIGIT_BITS * places)  # (R, digits)
    # a digit is the last one if what is above it only repeats its sign bit
    above = rest >> _DIGIT_BITS
    more = np.where(rest & _SIGN_BIT, above != -1, above != 0)
    used = np.concatenate([np.ones_like(more[:, :1]), more[:, :-1]], axis=1)
    characters = (rest & (_MORE_BIT - 1)) + _MORE_BIT * more + _FIRST_CHARACTER
    used = np.logical_and.accumulate(used, axis=1)
    return bytes(characters[used].astype(np.uint8)).decode()


def string_to_counts(text: str | bytes) -> NDArray[np.int64]:
    """Run lengths from their compressed form.

    Args:
        text: ``counts`` of a compressed code.

    Returns:
        (R,) int64.

    Raises:
        MaskError: a character that is not in the alphabet, a number that does not end or is too
            large, a negative count.
    """
    digits = _digits(text)
    is_last = (digits & _MORE_BIT) == 0
    if digits.size and not is_last[-1]:
        raise MaskError("counts ends in the middle of a number; the text of the code is cut off")
    ends = np.flatnonzero(is_last) + 1
    starts = np.concatenate([[0], ends])[:-1]
    lengths = ends - starts
    if np.any(lengths > _MAX_DIGITS):
        raise MaskError(f"counts has a number above {MAX_COUNT}; the text is no run-length code")
    places = np.arange(digits.size) - np.repeat(starts, lengths)
    parts = (digits & (_MORE_BIT - 1)) << (_DIGIT_BITS * places)
    values = np.add.reduceat(parts, starts) if digits.size else parts
    is_negative = (digits[ends - 1] & _SIGN_BIT) != 0
    return _as_counts(_undo_differences(values - (is_negative << (_DIGIT_BITS * lengths))))


def _changes(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Indices down the columns at which a pixel differs from the one before, ascending.

    Compares along the rows of memory and sorts the few hits, which is far faster than
    transposing the mask.
    """
    height, width = mask.shape
    rows, columns = np.divmod(np.flatnonzero(mask[1:] != mask[:-1]), width)
    to_next_column = np.flatnonzero(mask[0, 1:] != mask[-1, :-1]) + 1
    return np.sort(np.concatenate([columns * height + rows + 1, to_next_column * height]))


def _is_foreground(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (np.arange(counts.size) & 1).astype(np.bool_)


def _parse(rle: Mapping[str, Any]) -> tuple[tuple[int, int], NDArray[np.int64]]:
    """Size and run lengths of a code, checked against each other."""
    if not isinstance(rle, Mapping):
        raise MaskError(
            f"rle is a {type(rle).__name__}; give a mapping with size [height, width] and counts"
        )
    missing = [key for key in ("size", "counts") if key not in rle]
    if missing:
        raise MaskError(f"rle lacks {' and '.join(missing)}; give size [height, width] and counts")
    height, width = _parse_size(rle["size"])
    text = rle["counts"]
    counts = string_to_counts(text) if isinstance(text, str | bytes) else _as_counts(text)
    if counts.sum() != height * width:
        raise MaskError(
            f"counts add up to {counts.sum()} pixels but size [{height}, {width}] has "
            f"{height * width}; the code is damaged or its size is wrong"
        )
    return (height, width), counts


def _parse_size(size: Any) -> tuple[int, int]:
    values = size.tolist() if isinstance(size, np.ndarray) else size
    if isinstance(values, list | tuple) and len(values) == 2 and all(map(_is_side, values)):
        height, width = int(values[0]), int(values[1])
        if height * width <= MAX_COUNT:
            return height, width
    raise MaskError(
        f"size is {str(size)[:80]}; give [height, width], two whole numbers above 0 and no more "
        f"than {MAX_COUNT} pixels"
    )


def _is_side(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value > 0)


def _as_counts(counts: ArrayLike) -> NDArray[np.int64]:
    try:
        array = np.asarray(counts)
    except (ValueError, TypeError) as error:
        raise MaskError(f"counts cannot be read ({error}); give a list of run lengths") from error
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise MaskError(
            f"counts has shape {array.shape} and dtype {array.dtype}; give text, or a list of "
            "whole numbers"
        )
    if np.any(array < 0) or np.any(array > MAX_COUNT):
        raise MaskError(f"counts has a run outside 0 to {MAX_COUNT}; the code is damaged")
    return array.astype(np.int64)


def _digits(text: str | bytes) -> NDArray[np.int64]:
    """One number 0..63 a character."""
    try:
        data = text.encode("ascii") if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        raise MaskError("counts has characters that are not ASCII; it is no code") from error
    digits = np.frombuffer(data, dtype=np.uint8).astype(np.int64) - _FIRST_CHARACTER
    wrong = np.flatnonzero((digits < 0) | (digits >= 2 * _MORE_BIT))
    if wrong.size:
        raise MaskError(
            f"counts has the character {chr(data[wrong[0]])!r} at {wrong[0]}; a run-length code "
            "uses only '0' to 'o'"
        )
    return digits


def _undo_differences(values: NDArray[np.int64]) -> NDArray[np.int64]:
    counts = values.copy()
    counts[1::2] = np.cumsum(values[1::2])
    counts[2::2] = np.cumsum(values[2::2])
    return counts
