"""Objects with labels in the forms that other tools read: COCO, YOLO, CSV; and boxes from them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from anymask.errors import FileFormatError
from anymask.formats.sa1b import xywh
from anymask.types.records import MaskRecord

StrPath = str | PathLike[str]
CSV_COLUMNS = ("file", "label", "score", "x0", "y0", "x1", "y1", "area")


@dataclass(frozen=True, slots=True)
class LabelledMask:
    """One object of a picture.

    Attributes:
        label: what it is.
        score: how sure, 0..1.
        record: its mask.
    """

    label: str
    score: float
    record: MaskRecord


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """A box of some detector.

    Attributes:
        box_xyxy: in pixels of the picture.
        label: what the detector calls it, or "".
        score: how sure it is, 1 where it does not tell.
    """

    box_xyxy: tuple[float, float, float, float]
    label: str
    score: float


def coco_detections(
    file_name: str, size_hw: tuple[int, int], objects: Sequence[LabelledMask], words: Sequence[str]
) -> dict[str, Any]:
    """A COCO data set of one picture.

    Args:
        file_name: of the picture.
        size_hw: (height, width) in pixels.
        objects: in the picture.
        words: the vocabulary; its order numbers the categories from 1.
    """
    names = list(dict.fromkeys([*words, *(one.label for one in objects)]))
    numbers = {name: number for number, name in enumerate(names, start=1)}
    return {
        "images": [{"id": 1, "file_name": file_name, "width": size_hw[1], "height": size_hw[0]}],
        "annotations": [
            {
                "id": number,
                "image_id": 1,
                "category_id": numbers[one.label],
                "segmentation": one.record.rle(),
                "area": one.record.area,
                "bbox": xywh(one.record.box_xyxy),
                "iscrowd": 0,
                "score": round(one.score, 6),
            }
            for number, one in enumerate(objects, start=1)
        ],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }


def yolo_lines(
    size_hw: tuple[int, int], objects: Sequence[LabelledMask], words: Sequence[str]
) -> str:
    """YOLO's text form: class from 0, middle, width and height in shares of the picture, score.

    Args:
        size_hw: (height, width) in pixels.
        objects: in the picture.
        words: the vocabulary; its order numbers the classes from 0.
    """
    names = list(dict.fromkeys([*words, *(one.label for one in objects)]))
    height, width = size_hw
    lines = []
    for one in objects:
        x0, y0, x1, y1 = one.record.box_xyxy
        sides = (
            (x0 + x1) / 2 / width,
            (y0 + y1) / 2 / height,
            (x1 - x0) / width,
            (y1 - y0) / height,
        )
        told = " ".join(f"{side:.6f}" for side in sides)
        lines.append(f"{names.index(one.label)} {told} {one.score:.4f}\n")
    return "".join(lines)


def csv_lines(file_name: str, objects: Sequence[LabelledMask]) -> str:
    """One line an object, with a header: see `CSV_COLUMNS`; boxes are half-open pixels."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for one in objects:
        box = one.record.box_xyxy
        writer.writerow([file_name, one.label, f"{one.score:.4f}", *box, one.record.area])
    return text.getvalue()


def read_boxes(path: StrPath, file_name: str) -> list[LabelledBox]:
    """A detector's boxes for one picture.

    Args:
        path: a CSV file with the columns x0, y0, x1, y1 and, where it has them, file, label and
            score; or JSON, a list of objects with bbox (x, y, width, height) and, where they have
            them, file_name, label and score.
        file_name: of the picture; boxes of other files are left out.

    Returns:
        The boxes, in the file's order.

    Raises:
        FileFormatError: no such file, or another form.
    """
    place = Path(path).expanduser()
    try:
        text = place.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{place} cannot be read: {error}") from error
    read = _json_boxes if text.lstrip().startswith("[") else _csv_boxes
    try:
        return [box for file, box in read(text) if file in ("", file_name)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileFormatError(
            f"{place} is no list of boxes ({type(error).__name__}: {error}); give CSV with the "
            "columns x0,y0,x1,y1 and label,score,file where there are such, or a JSON list of "
            'objects with "bbox": [x, y, width, height]'
        ) from error


def _csv_boxes(text: str) -> list[tuple[str, LabelledBox]]:
    rows = csv.DictReader(io.StringIO(text))
    missing = [name for name in ("x0", "y0", "x1", "y1") if name not in (rows.fieldnames or ())]
    if missing:
        raise ValueError(f"there is no column {missing[0]}")
    return [
        (
            row.get("file") or "",
            LabelledBox(
                (float(row["x0"]), float(row["y0"]), float(row["x1"]), float(row["y1"])),
                row.get("label") or "",
                float(row.get("score") or 1),
            ),
        )
        for row in rows
    ]


def _json_boxes(text: str) -> list[tuple[str, LabelledBox]]:
    boxes = []
    for entry in json.loads(text):
        x, y, width, height = (float(side) for side in entry["bbox"])
        box = LabelledBox(
            (x, y, x + width, y + height),
            str(entry.get("label", "")),
            float(entry.get("score", 1)),
        )
        boxes.append((str(entry.get("file_name", "")), box))
    return boxes
