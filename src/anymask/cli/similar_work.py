"""What ``anymask similar`` does with its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anymask.apps.draw import label_masks, overlay
from anymask.apps.similar import Similar, find_similar, region_embedding
from anymask.cli.objects import find_objects
from anymask.cli.outputs import SavedPaths, all_or_none
from anymask.cli.plan import Job
from anymask.cli.words_work import image_record
from anymask.errors import PromptError
from anymask.formats.records import json_text
from anymask.inference.everything.generate import everything
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.segment import Model
from anymask.io.files import save_png, write_json_atomic
from anymask.io.images import read_image
from anymask.types.records import CompactMask

KIND: Final = "similar"


@dataclass(frozen=True, slots=True)
class SimilarOrder:
    """How ``anymask similar`` works.

    Attributes:
        least: similarity of an answer.
        most: answers a picture, or None for all.
        regions: how regions are looked for.
        max_pixels: largest picture that is read.
    """

    least: float
    most: int | None
    regions: EverythingSettings
    max_pixels: int


class SimilarSearch:
    """Pictures in turn; the first one has the region that all are searched for.

    Args:
        order: how.
    """

    def __init__(self, order: SimilarOrder) -> None:
        self._order = order
        self._wanted: NDArray[np.float32] | None = None

    def __call__(self, job: Job, model: Model) -> tuple[dict[str, Any], SavedPaths]:
        """Search one picture and save what is similar.

        Returns:
            What was found, and the files written.

        Raises:
            PromptError: the prompt shows nothing, or the first picture failed.
        """
        image_rgb = read_image(job.path, max_pixels=self._order.max_pixels)
        encoded = model.encode(image_rgb)
        given = self._given(job, model, image_rgb) if job.specs else None
        if given is not None:
            self._wanted = region_embedding(encoded, given)
        if self._wanted is None:
            raise PromptError("the picture with the prompt failed, so there is nothing to compare")
        records = everything(model, encoded, self._order.regions)
        found = find_similar(
            self._wanted,
            encoded,
            records,
            without=given,
            least=self._order.least,
            most=self._order.most,
        )
        document = {
            "schema": "anymask.similar/1",
            "image": image_record(job, image_rgb),
            "objects": [_record(number, one) for number, one in enumerate(found)],
        }
        return document, _save(job, image_rgb, given, found, document)

    def _given(self, job: Job, model: Model, image_rgb: NDArray[np.uint8]) -> CompactMask:
        size_hw = (image_rgb.shape[0], image_rgb.shape[1])
        (one,) = find_objects(
            job.path, job.specs, model, size_hw=size_hw, max_pixels=self._order.max_pixels
        )
        if not one.mask.any():
            raise PromptError("the prompt shows nothing; click on what is to be compared")
        return CompactMask.from_array(one.mask)


def _save(
    job: Job,
    image_rgb: NDArray[np.uint8],
    given: CompactMask | None,
    found: Sequence[Similar],
    document: dict[str, Any],
) -> SavedPaths:
    masks = [*([given] if given else []), *(one.record.mask for one in found)]
    texts = [*(["given"] if given else []), *(f"{one.similarity:.2f}" for one in found)]
    painted = image_rgb
    if masks:
        painted = overlay(image_rgb, np.stack([one.array for one in masks]))
        painted = label_masks(painted, [one.box_xyxy for one in masks], texts)
    saved: SavedPaths = {}
    with all_or_none() as written:
        written.append(save_png(job.names.words(KIND, "png"), painted))
        saved["png"] = [json_text(str(written[-1]))]
        written.append(write_json_atomic(job.names.words(KIND, "json"), document))
        saved["json"] = [json_text(str(written[-1]))]
    return saved


def _record(number: int, one: Similar) -> dict[str, Any]:
    return {
        "id": number,
        "similarity": round(one.similarity, 4),
        "segmentation": one.record.rle(),
        "area": one.record.area,
        "box_xyxy": list(one.record.box_xyxy),
        "predicted_iou": round(one.record.predicted_iou, 4),
        "stability_score": round(one.record.stability_score, 4),
    }
