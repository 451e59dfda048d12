"""What a segmentation found, as a JSON file: ``anymask.segment/1``.

docs/cli.md shows one. Boxes named ``box_xyxy`` are half-open pixels of the original image; ``bbox``
is SAM's own, see `anymask.geometry.boxes.sam_bbox_xywh`. Numbers that are not finite become null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import FileFormatError
from anymask.geometry import contours, rle
from anymask.geometry.boxes import sam_bbox_xywh
from anymask.io.files import write_json_atomic
from anymask.types.masks import Masks
from anymask.types.prompt import Prompt

SCHEMA = "anymask.segment"
VERSION = 1

Record = dict[str, Any]

_DECIMALS = 6


def result_document(
    masks: Masks,
    prompts: Sequence[Prompt],
    *,
    file: str | PathLike[str] | None = None,
    architecture: str = "",
    engine: str = "",
    device: str = "",
    polygon_tolerance_px: float = 0.0,
) -> Record:
    """Everything about the objects of one image, ready for JSON.

    Args:
        masks: N rows.
        prompts: the N prompts that were asked.
        file: name of the picture, or None for one that is no file.
        architecture: of the model, such as "vit_t".
        engine: which engine ran it, such as "torch".
        device: where it ran, such as "cpu".
        polygon_tolerance_px: how far polygons may leave the outline; 0 follows the pixels.

    Returns:
        A dict of the schema ``anymask.segment/1``.

    Raises:
        FileFormatError: another number of prompts than of masks.
    """
    if len(prompts) != len(masks):
        raise FileFormatError(
            f"prompts has {len(prompts)} entries but masks has {len(masks)} rows; give the "
            "prompts that were asked, in order"
        )
    height, width = masks.size_hw
    return {
        "schema": f"{SCHEMA}/{VERSION}",
        "version": VERSION,
        "model": {"id": masks.model_id, "architecture": architecture},
        "engine": engine,
        "device": device,
        "image": {
            "file": None if file is None else json_text(str(file)),
            "width": width,
            "height": height,
        },
        "objects": [
            object_record(masks, row, prompt, polygon_tolerance_px=polygon_tolerance_px)
            for row, prompt in enumerate(prompts)
        ],
    }


def object_record(
    masks: Masks, row: int, prompt: Prompt, *, polygon_tolerance_px: float = 0.0
) -> Record:
    """One object: the chosen mask in every form, and the candidates where there are several.

    Args:
        masks: the result.
        row: which row of it.
        prompt: what was asked for this row.
        polygon_tolerance_px: how far polygons may leave the outline; 0 follows the pixels.

    Returns:
        A dict that JSON can hold.
    """
    mask = masks.array[row]
    window = masks.windows_xyxy[row] if masks.windows_xyxy else None
    return {
        "id": row,
        "prompt": prompt_record(prompt),
        **_mask_record(mask, masks.predicted_iou[row], masks.stability[row]),
        "box_xyxy": masks.boxes_xyxy[row].tolist(),
        "bbox": sam_bbox_xywh(mask).tolist(),
        "polygons": [
            polygon_record(polygon) for polygon in contours.polygons(mask, polygon_tolerance_px)
        ],
        "candidates": _candidate_records(masks.candidates(row)),
    } | ({"window_xyxy": list(window)} if window else {})


def prompt_record(prompt: Prompt) -> Record:
    """A prompt's numbers; of a mask only whether there was one."""
    return {
        "points": numbers(prompt.points_xy),
        "labels": prompt.labels.tolist(),
        "box": None if prompt.box_xyxy is None else numbers(prompt.box_xyxy),
        "has_mask": prompt.mask is not None or prompt.mask_logits is not None,
    }


def polygon_record(polygon: contours.Polygon) -> Record:
    """One outline and its holes as lists of [x, y]; rings close by themselves."""
    return {
        "exterior": numbers(polygon.exterior),
        "holes": [numbers(hole) for hole in polygon.holes],
    }


def numbers(array: NDArray[np.floating[Any]]) -> Any:
    """An array as nested lists; whole numbers lose their ``.0``, which halves the file."""
    if np.all(array == np.rint(array)):
        return array.astype(np.int64).tolist()
    return np.round(array, _DECIMALS).tolist()


def json_text(text: str) -> str:
    """A file name as JSON can hold it: bytes that are no UTF-8 become question marks."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def write_result(path: str | PathLike[str], document: Record) -> None:
    """Write a document of `result_document`, whole or not at all.

    Args:
        path: where to.
        document: what `result_document` returned.

    Raises:
        OSError: naming `path`, where the system refuses.
    """
    write_json_atomic(path, document)


def read_result(path: str | PathLike[str]) -> Record:
    """Read what `write_result` wrote.

    Args:
        path: the file.

    Returns:
        The document; masks come back by `anymask.geometry.rle.decode(object["segmentation"])`.

    Raises:
        FileFormatError: no such file, no JSON, or another schema.
    """
    try:
        document = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise FileFormatError(f"there is no result file at {path}") from None
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is not JSON ({error}); give a file of results") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != f"{SCHEMA}/{VERSION}":
        raise FileFormatError(
            f"{path} has schema {schema!r} but this version reads '{SCHEMA}/{VERSION}'"
        )
    return dict(document)


def _mask_record(
    mask: NDArray[np.bool_], predicted_iou: np.floating[Any], stability: np.floating[Any]
) -> Record:
    return {
        "segmentation": rle.encode(mask),
        "area": int(np.count_nonzero(mask)),
        "predicted_iou": _number(predicted_iou),
        "stability_score": _number(stability),
    }


def _candidate_records(candidates: Masks) -> list[Record]:
    """The answers to an ambiguous prompt, best first; none where there was only one."""
    if len(candidates) < 2:
        return []
    return [
        _mask_record(mask, iou, stability)
        for mask, iou, stability in zip(
            candidates.array, candidates.predicted_iou, candidates.stability, strict=True
        )
    ]


def _number(value: np.floating[Any]) -> float | None:
    return round(float(value), _DECIMALS) if math.isfinite(value) else None
