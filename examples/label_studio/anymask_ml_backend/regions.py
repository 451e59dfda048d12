"""Masks as the regions of a prediction, checked before they are sent."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from anymask.formats.labelstudio import encode_brush, percent_points
from anymask.geometry.contours import Polygon, polygons

from .errors import RequestError
from .interface import BRUSH, Control

Mask = NDArray[np.bool_]
Percent = Annotated[float, Field(ge=0, le=100)]
Score = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1)]
HOLES_ARE_FILLED = "polygons cannot carry holes; use brush labels to keep them"


class BrushValue(BaseModel):
    """Of a region of type brushlabels."""

    format: Literal["rle"] = "rle"
    rle: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=1)]
    brushlabels: list[Name]


class PolygonValue(BaseModel):
    """Of a region of type polygonlabels."""

    points: Annotated[list[tuple[Percent, Percent]], Field(min_length=3)]
    closed: Literal[True] = True
    polygonlabels: list[Name]


class Region(BaseModel):
    """One region of a prediction, as Label Studio's page wants it."""

    id: Name
    from_name: Name
    to_name: Name
    type: Literal["brushlabels", "polygonlabels"]
    original_width: Annotated[int, Field(ge=1)]
    original_height: Annotated[int, Field(ge=1)]
    image_rotation: Literal[0] = 0
    value: BrushValue | PolygonValue
    score: Score
    readonly: bool = False
    origin: Literal["prediction"] = "prediction"
    meta: dict[str, list[str]] | None = None


class Prediction(BaseModel):
    """The answer for one task."""

    model_version: Name
    score: Score
    result: list[Region]


def regions(
    mask: Mask,
    control: Control,
    *,
    image: str,
    label: str | None,
    score: float,
    tolerance_px: float,
) -> list[Region]:
    """One mask as regions of a tag: one brush mask, or a polygon for each part.

    Args:
        mask: (H, W) bool; an empty one has no regions.
        control: the tag.
        image: name of the picture's tag.
        label: the label chosen; None takes the tag's only one.
        score: of the mask, cut off at 0 and 1.
        tolerance_px: how far outlines may leave the pixels.

    Raises:
        RequestError: the label is none of the tag's.
    """
    label = _label(control, label)
    if control.kind == BRUSH:
        masks = [mask] if mask.any() else []
        values: list[tuple[BrushValue | PolygonValue, bool]] = [
            (BrushValue(rle=encode_brush(one), brushlabels=[label]), False) for one in masks
        ]
    else:
        size_hw = (mask.shape[0], mask.shape[1])
        values = [
            (_polygon_value(polygon, size_hw, label), bool(polygon.holes))
            for polygon in polygons(mask, tolerance_px)
        ]
    return [
        Region.model_validate(
            {
                "id": uuid4().hex[:10],
                "from_name": control.name,
                "to_name": image,
                "type": control.kind,
                "original_width": mask.shape[1],
                "original_height": mask.shape[0],
                "value": value,
                "score": min(max(score, 0.0), 1.0),
                "meta": {"text": [HOLES_ARE_FILLED]} if loses_holes else None,
            }
        )
        for value, loses_holes in values
    ]


def _polygon_value(polygon: Polygon, size_hw: tuple[int, int], label: str) -> PolygonValue:
    points = percent_points(polygon.exterior, size_hw)
    return PolygonValue.model_validate({"points": points, "polygonlabels": [label]})


def _label(control: Control, label: str | None) -> str:
    if label is None and len(control.labels) == 1:
        return next(iter(control.labels))
    if label is None or (control.labels and label not in control.labels):
        raise RequestError(
            f"label {label!r} is none of tag {control.name!r}, which has "
            f"{', '.join(sorted(control.labels)) or 'labels from the task'}; give the smart tool's "
            "tag the same labels"
        )
    return label
