"""Masks of everything mode as a COCO data set: one category, run-length codes.

`bbox` follows COCO, XYWH in whole pixels, unlike SAM's own records. Masks keep their run-length
code, since polygons would lose holes; `iscrowd` is 0, which readers of COCO take for codes too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from anymask.errors import FileFormatError
from anymask.formats.sa1b import xywh
from anymask.io.files import write_json_atomic
from anymask.types.records import MaskRecord

StrPath = str | PathLike[str]
Document = dict[str, Any]
CATEGORY = {"id": 1, "name": "object", "supercategory": ""}


@dataclass(frozen=True, slots=True)
class CocoImage:
    """A picture with its masks.

    Attributes:
        file_name: of the picture.
        size_hw: (height, width) in pixels.
        records: its masks.
    """

    file_name: str
    size_hw: tuple[int, int]
    records: Sequence[MaskRecord]


def coco_document(images: Iterable[CocoImage]) -> Document:
    """A COCO data set; pictures and masks are numbered from 1 in the order given."""
    document: Document = {"images": [], "annotations": [], "categories": [CATEGORY]}
    for image in images:
        height, width = image.size_hw
        number = len(document["images"]) + 1
        document["images"].append(
            {"id": number, "file_name": image.file_name, "width": width, "height": height}
        )
        for record in image.records:
            annotation = _annotation(record, number, len(document["annotations"]) + 1)
            document["annotations"].append(annotation)
    return document


def merge(documents: Iterable[Document]) -> Document:
    """Several data sets of one category as one, numbered anew."""
    merged = coco_document([])
    for document in documents:
        numbers = {}
        for image in document["images"]:
            numbers[image["id"]] = len(merged["images"]) + 1
            merged["images"].append({**image, "id": numbers[image["id"]]})
        for annotation in document["annotations"]:
            number = len(merged["annotations"]) + 1
            image_id = numbers[annotation["image_id"]]
            merged["annotations"].append({**annotation, "id": number, "image_id": image_id})
    return merged


def write_coco(path: StrPath, document: Document) -> None:
    """Write a data set, whole or not at all.

    Raises:
        OSError: naming `path`, where the system refuses.
    """
    write_json_atomic(path, document)


def read_coco(path: StrPath) -> Document:
    """Read a data set.

    Raises:
        FileFormatError: no such file, no JSON, or without images, annotations or categories.
    """
    try:
        document = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise FileFormatError(f"there is no file at {path}") from None
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is not JSON ({error}); give a COCO file") from error
    parts = ("images", "annotations", "categories")
    if not isinstance(document, dict) or not all(
        isinstance(document.get(part), list) for part in parts
    ):
        raise FileFormatError(f"{path} is no COCO file; it must have {', '.join(parts)}")
    return document


def _annotation(record: MaskRecord, image: int, number: int) -> Document:
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORY["id"],
        "segmentation": record.rle(),
        "area": record.area,
        "bbox": xywh(record.box_xyxy),
        "iscrowd": 0,
        "score": record.predicted_iou,
        "stability_score": record.stability_score,
        "point_coords": [list(record.point_xy)],
    }
