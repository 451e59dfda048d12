"""Masks as a folder, in the form of the original program: ``0.png``, ``1.png`` ... and a table.

``metadata.csv`` has a line for each mask; its boxes are SAM's own, see `anymask.formats.sa1b`.
"""

from __future__ import annotations

import csv
import io
import secrets
import shutil
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from anymask.errors import FileFormatError
from anymask.formats.sa1b import sam_bbox, xywh
from anymask.io.files import save_png, write_text_atomic
from anymask.types.records import CompactMask, MaskRecord

StrPath = str | PathLike[str]
TABLE = "metadata.csv"
COLUMNS = (
    "id", "area", "bbox_x0", "bbox_y0", "bbox_w", "bbox_h", "point_input_x", "point_input_y",
    "predicted_iou", "stability_score", "crop_box_x0", "crop_box_y0", "crop_box_w", "crop_box_h",
)  # fmt: skip


def write_mask_folder(folder: StrPath, records: Sequence[MaskRecord]) -> None:
    """Write a folder of masks, whole or not at all; a former one is replaced.

    Args:
        folder: where to; it must not hold anything but a former folder of masks.
        records: N masks; the files are numbered in their order.

    Raises:
        FileFormatError: the folder holds other files.
        OSError: the system refuses.
    """
    target = Path(folder)
    _refuse_foreign(target)
    staging = target.parent / f".{secrets.token_hex(8)}.tmp"
    staging.mkdir(parents=True)
    try:
        for number, record in enumerate(records):
            save_png(staging / f"{number}.png", record.array)
        write_text_atomic(staging / TABLE, _table(records))
        if target.exists():
            shutil.rmtree(target)
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def read_mask_folder(folder: StrPath) -> list[MaskRecord]:
    """Read what `write_mask_folder` wrote.

    Raises:
        FileFormatError: no table, or masks and table that do not fit.
    """
    path = Path(folder) / TABLE
    try:
        lines = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except FileNotFoundError:
        raise FileFormatError(f"there is no {TABLE} in {folder}") from None
    try:
        return [_record(Path(folder), line) for line in lines]
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path} is malformed: {error}") from error


def _record(folder: Path, line: dict[str, str]) -> MaskRecord:
    x, y, width, height = (int(float(line[f"crop_box_{part}"])) for part in ("x0", "y0", "w", "h"))
    return MaskRecord(
        CompactMask.from_array(_read_mask(folder / f"{line['id']}.png")),
        float(line["predicted_iou"]),
        float(line["stability_score"]),
        (float(line["point_input_x"]), float(line["point_input_y"])),
        (x, y, x + width, y + height),
    )


def _read_mask(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L")) > 127
    except OSError as error:
        raise FileFormatError(f"{path} is missing or no picture") from error


def _table(records: Sequence[MaskRecord]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, record in enumerate(records):
        scores = (record.predicted_iou, record.stability_score)
        box, crop = sam_bbox(record.box_xyxy), xywh(record.crop_box_xyxy)
        writer.writerow([number, record.area, *box, *record.point_xy, *scores, *crop])
    return text.getvalue()


def _refuse_foreign(folder: Path) -> None:
    """Never delete what is no folder of masks."""
    if not folder.exists():
        return
    foreign = next((path for path in folder.iterdir() if not _is_ours(path)), None)
    if foreign is not None:
        raise FileFormatError(
            f"{str(folder)!r} holds {foreign.name!r}, which is no mask; give another folder"
        )


def _is_ours(path: Path) -> bool:
    return path.name == TABLE or (path.suffix == ".png" and path.stem.isdigit())
