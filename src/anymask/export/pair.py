"""The pair id: which encoder and which decoder graphs belong together.

Embeddings of one network decoded by another give masks of the right shape and no sense. So every
exported file carries the id of its set in the model's metadata, and whoever puts two of them
together compares. Reading and writing the metadata takes neither PyTorch nor the ``onnx`` package:
a model is a protobuf message, of which only the outermost fields are looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from os import PathLike

import numpy as np

from anymask.errors import WeightsError

PAIR_ID_KEY = "pair_id"
SCHEMA_KEY = "schema"
MODEL_KEY, ARCHITECTURE_KEY, PART_KEY = "model", "architecture", "part"
"""Of exported files: which weights, which network, and which of `parts.PARTS` it is."""

_DIGITS = 16
_IR_VERSION, _METADATA = 1, 14  # numbers of ModelProto's fields
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def make_pair_id(model_id: str, contents: Mapping[str, bytes | memoryview]) -> str:
    """The id of what belongs together.

    Args:
        model_id: which weights, such as "vit_t@18348d14".
        contents: name -> a model file's content, before it is stamped, or a tensor's bytes.

    Returns:
        Such as "vit_t@18348d14-0b5e9a3c41d2f678": equal for equal names and contents.
    """
    digest = hashlib.sha256(_prefixed(model_id.encode()))
    for name in sorted(contents):
        digest.update(_prefixed(name.encode()))
        digest.update(hashlib.sha256(contents[name]).digest())
    return f"{model_id}-{digest.hexdigest()[:_DIGITS]}"


def stamp(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """A model file's content with entries added to its metadata.

    Args:
        content: an ONNX model.
        metadata: key -> value, such as ``{PAIR_ID_KEY: ...}``; a key that is there already is
            given anew, since readers take the last one.

    Returns:
        The new content.
    """
    return content + b"".join(_entry(key, value) for key, value in metadata.items())


def read_metadata(model: bytes | str | PathLike[str]) -> dict[str, str]:
    """The metadata of a model file.

    Args:
        model: its content or its path.

    Returns:
        Key -> value; the last one where a key comes twice.

    Raises:
        WeightsError: it cannot be read, or is no ONNX model.
    """
    name = "the model" if isinstance(model, bytes) else str(model)
    try:
        content = model if isinstance(model, bytes) else np.memmap(model, np.uint8, "r").data
        return dict(_entries(memoryview(content)))
    except OSError as error:
        raise WeightsError(f"{name} cannot be read ({error.strerror or error})") from error
    except (IndexError, ValueError) as error:
        raise WeightsError(f"{name} is damaged or no ONNX file; export it again") from error


def read_pair_id(model: bytes | str | PathLike[str]) -> str:
    """The pair id in a model file.

    Args:
        model: its content or its path.

    Returns:
        The id.

    Raises:
        WeightsError: it cannot be read, or carries no pair id.
    """
    found = read_metadata(model).get(PAIR_ID_KEY)
    if found is None:
        name = "the model" if isinstance(model, bytes) else model
        raise WeightsError(f"{name} carries no pair id; export it again with anymask")
    return found


def check_pair(expected: str, found: str, *, what: str = "the decoder") -> None:
    """Refuse parts that do not belong together.

    Args:
        expected: the pair id of what is there already.
        found: the pair id of what is added to it.
        what: is added, for the message.

    Raises:
        WeightsError: they differ.
    """
    if expected != found:
        raise WeightsError(
            f"{what} belongs to pair {found} but pair {expected} is in use; "
            "take all parts from one export"
        )


def _entries(model: memoryview) -> Iterator[tuple[str, str]]:
    seen: set[int] = set()
    for number, value in _fields(model):
        seen.add(number)
        if number == _METADATA:
            entry = {key: str(text, "utf-8") for key, text in _fields(value)}
            yield entry.get(1, ""), entry.get(2, "")
    if _IR_VERSION not in seen:
        raise ValueError("no version of the format")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and bytes of each field; a number's bytes are empty."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        length = _FIXED.get(kind, 0)
        if kind == _VARINT:
            _, place = _varint(message, place)
        elif kind == _BYTES:
            length, place = _varint(message, place)
        elif kind not in _FIXED:
            raise ValueError(f"field {number} is of no kind in use")
        if place + length > len(message):
            raise ValueError(f"field {number} is cut off")
        yield number, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, place
    raise ValueError("a number is too long")


def _entry(key: str, value: str) -> bytes:
    """One StringStringEntryProto as a field of ModelProto."""
    parts = _field(1, key.encode()) + _field(2, value.encode())
    return _field(_METADATA, parts)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | _BYTES]) + _prefixed(content)


def _prefixed(content: bytes) -> bytes:
    """Bytes behind their length."""
    length, head = len(content), bytearray()
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + content
