"""Masks of everything mode as JSON: SAM's own records, and the files of SA-1B made of them.

The published fields keep their published meaning: `bbox` is XYWH from the first to the last pixel,
one less than the pixels it covers; `crop_box` is XYWH in pixels; `segmentation` is a compressed
run-length code. A file of records is a list; a file of SA-1B has the picture's name and size too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import FileFormatError, MaskError
from anymask.geometry import rle
from anymask.io.files import write_json_atomic
from anymask.types.records import BoxXyxy, CompactMask, MaskRecord

Record = dict[str, Any]
StrPath = str | PathLike[str]

_FIELDS = ("segmentation", "predicted_iou", "stability_score", "point_coords", "crop_box")


@dataclass(frozen=True, slots=True)
class Sa1bFile:
    """What a file of SA-1B holds.

    Attributes:
        image_id: the picture's number.
        file_name: its name.
        size_hw: (height, width) in pixels.
        records: its masks.
    """

    image_id: int
    file_name: str
    size_hw: tuple[int, int]
    records: tuple[MaskRecord, ...]


def sam_record(record: MaskRecord) -> Record:
    """A mask as the published generator returns it with compressed codes, ready for JSON."""
    return {
        "segmentation": record.rle(),
        "area": record.area,
        "bbox": sam_bbox(record.box_xyxy),
        "predicted_iou": record.predicted_iou,
        "point_coords": [list(record.point_xy)],
        "stability_score": record.stability_score,
        "crop_box": xywh(record.crop_box_xyxy),
    }


def sam_bbox(box_xyxy: BoxXyxy) -> list[int]:
    """A half-open box as SAM's XYWH, whose width and height are one pixel short."""
    x, y, width, height = xywh(box_xyxy)
    return [x, y, max(width - 1, 0), max(height - 1, 0)]


def xywh(box_xyxy: BoxXyxy) -> list[int]:
    """A half-open box as its corner, width and height."""
    x0, y0, x1, y1 = box_xyxy
    return [x0, y0, x1 - x0, y1 - y0]


def record_from(record: Mapping[str, Any]) -> MaskRecord:
    """The mask of a published record; area and box are taken from its code.

    Raises:
        FileFormatError: a field that is missing or malformed.
    """
    missing = [name for name in _FIELDS if name not in record]
    if missing:
        raise FileFormatError(f"the record lacks {', '.join(missing)}")
    try:
        mask = CompactMask.from_array(rle.decode(record["segmentation"]))
        x, y, width, height = map(round, record["crop_box"])
        ((point_x, point_y),) = record["point_coords"]
        return MaskRecord(
            mask,
            float(record["predicted_iou"]),
            float(record["stability_score"]),
            (float(point_x), float(point_y)),
            (x, y, x + width, y + height),
        )
    except (MaskError, TypeError, ValueError) as error:
        raise FileFormatError(f"the record is malformed: {error}") from error


def write_records(path: StrPath, records: Sequence[MaskRecord]) -> None:
    """Write a list of published records, as the original program does with --convert-to-rle.

    Raises:
        OSError: naming `path`, where the system refuses.
    """
    write_json_atomic(path, [sam_record(record) for record in records])


def read_records(path: StrPath) -> list[MaskRecord]:
    """Read what `write_records` wrote.

    Raises:
        FileFormatError: no such file, no JSON, or no list of records.
    """
    content = _read_json(path)
    if not isinstance(content, list):
        raise FileFormatError(f"{path} is no list of records; give a file of SAM's records")
    return _records(content, path)


def write_sa1b(path: StrPath, file: Sa1bFile) -> None:
    """Write a file in the form of SA-1B.

    Raises:
        OSError: naming `path`, where the system refuses.
    """
    height, width = file.size_hw
    image = {
        "image_id": file.image_id,
        "width": width,
        "height": height,
        "file_name": file.file_name,
    }
    annotations = [
        {"id": number, **sam_record(record)} for number, record in enumerate(file.records)
    ]
    write_json_atomic(path, {"image": image, "annotations": annotations})


def read_sa1b(path: StrPath) -> Sa1bFile:
    """Read a file of SA-1B.

    Raises:
        FileFormatError: no such file, no JSON, or of another form.
    """
    content = _read_json(path)
    try:
        image, annotations = content["image"], content["annotations"]
        about = int(image["image_id"]), str(image["file_name"])
        size_hw = int(image["height"]), int(image["width"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{path} is no file of SA-1B; it must have image and annotations"
        ) from error
    records = _records(annotations, path)
    if any(record.size_hw != size_hw for record in records):
        raise FileFormatError(f"{path} has a mask of another size than its image {size_hw}")
    return Sa1bFile(*about, size_hw, tuple(records))


def _records(content: Sequence[Any], path: StrPath) -> list[MaskRecord]:
    records = []
    for number, one in enumerate(content):
        if not isinstance(one, Mapping):
            raise FileFormatError(f"{path}: entry {number} is no record")
        try:
            records.append(record_from(one))
        except FileFormatError as error:
            raise FileFormatError(f"{path}, entry {number}: {error}") from error
    return records


def _read_json(path: StrPath) -> Any:
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise FileFormatError(f"there is no file at {path}") from None
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is not JSON ({error}); give a file of records") from error


def image_id(name: str) -> int:
    """A number for a picture: the digits of an SA-1B name ("sa_123.jpg"), else from its letters."""
    stem = Path(name).stem
    digits = stem.removeprefix("sa_")
    if digits.isascii() and digits.isdigit():
        return int(digits)
    # FNV-1a, the same on every machine
    number = np.uint64(14695981039346656037)
    with np.errstate(over="ignore"):
        for byte in stem.encode("utf-8", "surrogateescape"):
            number = (number ^ np.uint64(byte)) * np.uint64(1099511628211)
    return int(number >> np.uint64(12))
