"""What a person drew with the smart tools, as a prompt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask import Prompt
from anymask.formats.labelstudio import pixel_points

from .errors import RequestError

KEYPOINT, RECTANGLE = "keypointlabels", "rectanglelabels"


@dataclass(frozen=True)
class Drawing:
    """The regions of one interaction.

    Attributes:
        regions: keypoints and at most one rectangle, as Label Studio sends them.
        label: the label chosen, or None.
    """

    regions: tuple[Mapping[str, Any], ...]
    label: str | None

    @classmethod
    def parse(cls, context: object) -> Drawing | None:
        """Of a request's context; None where nothing was drawn.

        Raises:
            RequestError: regions of another kind, several rectangles, or a turned picture.
        """
        regions = context.get("result") if isinstance(context, Mapping) else None
        if not regions:
            return None
        if not isinstance(regions, list):
            raise RequestError("context.result must be a list of regions")
        for number, region in enumerate(regions):
            _check(region, f"context.result[{number}]")
        if sum(region["type"] == RECTANGLE for region in regions) > 1:
            raise RequestError("context.result has several rectangles; draw one for each object")
        return cls(tuple(regions), _label(regions))

    def check_size(self, size_hw: tuple[int, int]) -> None:
        """Compare with the picture that was read.

        Raises:
            RequestError: Label Studio shows a picture of another size; masks would not fit it.
        """
        height, width = size_hw
        for number, region in enumerate(self.regions):
            told = region.get("original_width", width), region.get("original_height", height)
            if told != (width, height):
                raise RequestError(
                    f"context.result[{number}] has original_width and original_height {told}, but "
                    f"the picture is {width} x {height} pixels"
                )

    def prompt(self, size_hw: tuple[int, int]) -> Prompt:
        """In pixels of a picture of this size."""
        points, labels, box = [], [], None
        for region in self.regions:
            if region["type"] == RECTANGLE:
                box = _box(region["value"], size_hw)
            else:
                value = region["value"]
                points.append(_inside(pixel_points([value["x"], value["y"]], size_hw), size_hw)[0])
                labels.append(int(region.get("is_positive", True)))
        return Prompt(points=np.array(points).reshape(-1, 2), labels=labels, box=box)


def _check(region: object, where: str) -> None:
    if not isinstance(region, Mapping) or not isinstance(region.get("value"), Mapping):
        raise RequestError(f"{where} must be a region with type and value")
    kind = region.get("type")
    if kind not in (KEYPOINT, RECTANGLE):
        raise RequestError(f"{where} has type {kind!r}; use smart {KEYPOINT} or {RECTANGLE}")
    if region.get("image_rotation"):
        raise RequestError(
            f"{where} has image_rotation {region['image_rotation']}; turn the picture back to 0"
        )
    sides = ("x", "y") if kind == KEYPOINT else ("x", "y", "width", "height")
    for side in sides:
        number = region["value"].get(side)
        if not _is_number(number):
            raise RequestError(f"{where}.value.{side} is {number!r}; give a number in per cent")


def _is_number(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)  # type: ignore[arg-type]  # narrowed on the line above


def _label(regions: list[Mapping[str, Any]]) -> str | None:
    """The label of the newest region that has one."""
    for region in reversed(regions):
        labels = region["value"].get(region["type"])
        if isinstance(labels, list) and labels:
            return str(labels[0])
    return None


def _box(value: Mapping[str, Any], size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Around the rectangle, which Label Studio turns about its upper left corner."""
    (corner,) = pixel_points([value["x"], value["y"]], size_hw)
    (sides,) = pixel_points([value["width"], value["height"]], size_hw)
    angle = math.radians(value.get("rotation") or 0)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    corners = corner + (np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * sides) @ turn
    inside = _inside(corners, size_hw)
    return np.concatenate([inside.min(axis=0), inside.max(axis=0)])


def _inside(points: NDArray[np.float64], size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Moved to the border where a stroke went beyond it."""
    height, width = size_hw
    return np.clip(points, 0, (width, height))
