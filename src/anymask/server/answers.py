"""Masks as the JSON that clients get: for prompts, and of everything mode."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.formats.sa1b import sam_bbox, sam_record
from anymask.geometry import rle
from anymask.geometry.boxes import box_from_mask
from anymask.geometry.stability import stability_score
from anymask.inference.encoded import EncodedImage
from anymask.inference.everything.generate import everything
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.segment import Model
from anymask.server.jobs import Job
from anymask.types.masks import MASK_THRESHOLD, Masks
from anymask.types.prompt import Prompt
from anymask.types.records import MaskRecord
from anymask.words.find import PhraseResult


def masks_json(
    model: Model, encoded: EncodedImage, prompts: Sequence[Prompt], *, multimask: bool | None
) -> bytes:
    """All candidates of all prompts, best first, as the response's body.

    Args:
        model: what to ask.
        encoded: the image.
        prompts: in pixels of the image.
        multimask: see `Model.segment`.

    Raises:
        PromptError: a prompt that does not fit the image.
    """
    masks = model.segment(encoded, list(prompts), multimask=multimask)
    return _json({"masks": list(_candidates(masks))})


def _candidates(masks: Masks) -> Iterator[dict[str, Any]]:
    """One at a time at image size, so that memory does not depend on their number."""
    for row in range(len(masks)):
        candidates = masks.candidates(row)
        pairs = zip(candidates.iter_logits(), candidates.predicted_iou.tolist(), strict=True)
        for number, (logits, iou) in enumerate(pairs):
            yield {"prompt": row, "candidate": number, **_measures(logits, iou)}


def _measures(logits: NDArray[np.float32], iou: float) -> dict[str, Any]:
    mask = logits > MASK_THRESHOLD
    x0, y0, x1, y1 = box_from_mask(mask).tolist()
    return {
        "segmentation": rle.encode(mask),
        "bbox": sam_bbox((x0, y0, x1, y1)),
        "area": int(np.count_nonzero(mask)),
        "predicted_iou": finite(iou),
        "stability_score": finite(float(stability_score(logits, MASK_THRESHOLD))),
    }


def everything_json(
    model: Model,
    image: EncodedImage | NDArray[np.uint8],
    settings: EverythingSettings,
    job: Job,
) -> bytes:
    """All masks of a picture as the result's body; tells the job how far it is.

    Raises:
        Cancelled: the job was stopped.
    """
    records = everything(model, image, settings, progress=job.progress, cancel=job.is_stopped)
    return _json({"records": [_record(record) for record in records]})


def text_json(results: Sequence[PhraseResult]) -> bytes:
    """What was found for phrases as the result's body; records come phrase by phrase."""
    return _json(
        {
            "phrases": [{"phrase": one.phrase, "presence": one.presence} for one in results],
            "records": [
                {**_record(found.record), "label": one.phrase, "score": found.score}
                for one in results
                for found in one.found
            ],
        }
    )


def _record(record: MaskRecord) -> dict[str, Any]:
    row = sam_record(record)
    row["predicted_iou"] = finite(row["predicted_iou"])
    row["stability_score"] = finite(row["stability_score"])
    return row


def finite(number: float) -> float | None:
    """A number as JSON has it; None for what JSON has no form for."""
    return number if math.isfinite(number) else None


def prompt_mask(code: dict[str, Any], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of a prompt, after its size was compared with the picture's.

    Args:
        code: run-length code, ``size`` [height, width] and ``counts``.
        size_hw: of the picture.

    Raises:
        PromptError: of another size.
        MaskError: malformed.
    """
    if tuple(code["size"]) != size_hw:
        raise PromptError(
            f"mask has size {list(code['size'])} but the picture has {list(size_hw)} "
            "(height, width); give a mask of the picture's size"
        )
    return rle.decode(code)


def _json(value: object) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
