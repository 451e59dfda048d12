"""The objects that an editing command works on: found by the model, or masks that were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.apps.edit.trimaps import unsure_pixels
from anymask.errors import MaskError
from anymask.formats.prompts_json import PromptSpec
from anymask.geometry.boxes import box_from_mask
from anymask.geometry.regions import fill_holes, remove_small_regions
from anymask.inference.segment import Model
from anymask.io.images import read_image, read_mask

_COVERED = 0.5
_SPECK = 0.005  # of the object's area


@dataclass(frozen=True, eq=False, slots=True)
class FoundObject:
    """One object of a picture.

    Attributes:
        mask: (H, W) bool.
        unsure: (H, W) bool, where the model did not settle; None of a mask that was given.
        predicted_iou: the model's estimate, or None.
        stability: of the mask, or None.
    """

    mask: NDArray[np.bool_]
    unsure: NDArray[np.bool_] | None = None
    predicted_iou: float | None = None
    stability: float | None = None


def needs_model(spec: PromptSpec) -> bool:
    """Whether an object has to be found; a mask alone is taken as it is."""
    return spec.points is not None or spec.box is not None


def find_objects(
    path: Path,
    specs: Sequence[PromptSpec],
    model: Model | None,
    *,
    size_hw: tuple[int, int],
    max_pixels: int,
) -> list[FoundObject]:
    """The objects of one picture.

    Args:
        path: the picture.
        specs: what is asked for.
        model: finds what no mask was given of; None where nothing is to be found.
        size_hw: of the picture, which masks must have.
        max_pixels: largest picture that is read.

    Returns:
        One object a spec, in the same order.

    Raises:
        MaskError: a mask of another size.
        ImageError: a file that cannot be read.
        PromptError: a prompt that does not fit the picture.
    """
    found: list[FoundObject | None] = [
        None if needs_model(spec) else _given(spec.mask, size_hw, max_pixels) for spec in specs
    ]
    asked = [row for row, one in enumerate(found) if one is None]
    if asked and model is not None:
        image_rgb = read_image(path, max_pixels=max_pixels)
        masks = model.segment(image_rgb, [specs[row].load() for row in asked])
        for row, mask in zip(asked, masks, strict=True):
            found[row] = FoundObject(
                _tidied(mask.array[0]),
                unsure_pixels(mask.probability[0]),
                float(mask.predicted_iou[0]),
                float(mask.stability[0]),
            )
    return [one for one in found if one is not None]


def object_records(objects: Sequence[FoundObject]) -> list[dict[str, Any]]:
    """The objects for machines."""
    return [
        {
            "id": number,
            "area": int(np.count_nonzero(found.mask)),
            "box_xyxy": box_from_mask(found.mask).tolist(),
            "predicted_iou": _rounded(found.predicted_iou),
            "stability_score": _rounded(found.stability),
        }
        for number, found in enumerate(objects)
    ]


def _tidied(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without specks and pinholes, which would each get an edge of their own."""
    small = np.count_nonzero(mask) * _SPECK
    whole, _ = remove_small_regions(mask, small, "islands")
    return fill_holes(whole, small)


def _given(path: Path | None, size_hw: tuple[int, int], max_pixels: int) -> FoundObject:
    mask = read_mask(path or Path(), max_pixels=max_pixels) > _COVERED
    if mask.shape != size_hw:
        raise MaskError(
            f"mask {str(path)!r} has {mask.shape[1]} x {mask.shape[0]} pixels but the picture has "
            f"{size_hw[1]} x {size_hw[0]}; give the mask at the size of the picture"
        )
    return FoundObject(mask)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
