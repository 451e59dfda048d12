"""Where everything mode looks: grids of points, crops that overlap by layers, tiles.

Boxes are half-open XYXY in pixels of the original image, points (x, y); grids are in 0..1 of the
picture they will be laid on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of a picture that is looked at on its own.

    Attributes:
        box_xyxy: half-open, in pixels of the original image.
        layer: 0 for the whole picture, higher for smaller crops.
    """

    box_xyxy: Box
    layer: int

    @property
    def size_hw(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        x0, y0, x1, y1 = self.box_xyxy
        return y1 - y0, x1 - x0


def point_grid(points_per_side: int) -> NDArray[np.float64]:
    """Centres of the cells of a square grid.

    Args:
        points_per_side: at least 1.

    Returns:
        (points_per_side ** 2, 2) float64 (x, y) in 0..1, row by row, x fastest.

    Raises:
        PromptError: less than one point.
    """
    if points_per_side < 1:
        raise PromptError(f"points_per_side is {points_per_side}; give at least 1")
    margin = 1 / (2 * points_per_side)
    side = np.linspace(margin, 1 - margin, points_per_side)
    xs, ys = np.meshgrid(side, side)
    return np.stack([xs, ys], axis=-1).reshape(-1, 2)


def layer_grids(
    points_per_side: int, layers: int, downscale_factor: int = 1
) -> list[NDArray[np.float64]]:
    """One grid for every layer of crops, coarser from layer to layer.

    Args:
        points_per_side: of the whole picture.
        layers: of crops below it, 0 for none.
        downscale_factor: layer i has ``points_per_side / downscale_factor ** i`` points a side.

    Returns:
        ``layers + 1`` grids as `point_grid` gives them.

    Raises:
        PromptError: a layer without a point.
    """
    sides = [int(points_per_side / downscale_factor**layer) for layer in range(layers + 1)]
    if min(sides) < 1:
        raise PromptError(
            f"points_per_side {points_per_side} with crop_n_points_downscale_factor "
            f"{downscale_factor} leaves layer {sides.index(0)} of {layers} without a point; "
            "give more points, a smaller factor or fewer layers"
        )
    return [point_grid(side) for side in sides]


def checked_grid(points: ArrayLike, name: str) -> NDArray[np.float64]:
    """A grid of the caller's own.

    Args:
        points: (N, 2) of (x, y) in 0..1, at least one.
        name: what the error message calls it.

    Returns:
        (N, 2) float64.

    Raises:
        PromptError: another shape, or a value outside 0..1.
    """
    try:
        grid = np.asarray(points, np.float64)
    except (TypeError, ValueError) as error:
        raise PromptError(f"{name} must be (N, 2) numbers (x, y) in 0..1; got {error}") from error
    if grid.ndim != 2 or grid.shape[1] != 2 or not len(grid):
        raise PromptError(f"{name} must have shape (N, 2) with N >= 1; got shape {grid.shape}")
    if not ((grid >= 0) & (grid <= 1)).all():
        raise PromptError(
            f"{name} must lie in 0..1 of width and height; got values from {grid.min():g} to "
            f"{grid.max():g}"
        )
    return grid


def crop_layers(size_hw: tuple[int, int], layers: int, overlap_ratio: float) -> list[Crop]:
    """The whole picture, then ever smaller crops that overlap their neighbours.

    Layer i has ``2 ** i`` crops a side; neighbours share `overlap_ratio` of the picture's shorter
    side in layer 1, half as much in layer 2, and so on.

    Args:
        size_hw: (height, width) of the picture.
        layers: of crops below the whole picture, 0 for none.
        overlap_ratio: 0..1.

    Returns:
        ``sum(4 ** i)`` crops for i in 0..layers, layer by layer, column by column.

    Raises:
        PromptError: so many layers that a crop has no pixel.
    """
    crops = [Crop((0, 0, size_hw[1], size_hw[0]), 0)]
    for layer in range(1, layers + 1):
        per_side = 2**layer
        overlap = int(overlap_ratio * min(size_hw) * 2 / per_side)
        spans_y, spans_x = (_crop_spans(side, per_side, overlap) for side in size_hw)
        crops += [Crop((x0, y0, x1, y1), layer) for x0, x1 in spans_x for y0, y1 in spans_y]
    empty = next((crop for crop in crops if min(crop.size_hw) < 1), None)
    if empty is not None:
        raise PromptError(
            f"crop_n_layers is {layers} but an image of {size_hw[1]} x {size_hw[0]} pixels has no "
            f"room for crops in layer {empty.layer}; give fewer layers"
        )
    return crops


def tiles(size_hw: tuple[int, int], tile_px: int, overlap_px: int) -> list[Crop]:
    """Square tiles that cover a picture, spread evenly, all of layer 0.

    Args:
        size_hw: (height, width) of the picture.
        tile_px: side of a tile; a shorter picture makes tiles of its own length.
        overlap_px: what neighbours share at least, less than `tile_px`.

    Returns:
        Tiles row by row.

    Raises:
        PromptError: an overlap that leaves no way forward.
    """
    if not 0 <= overlap_px < tile_px:
        raise PromptError(
            f"tile_overlap_px is {overlap_px} but tile_px is {tile_px}; give an overlap of 0 to "
            f"{tile_px - 1}"
        )
    spans_y, spans_x = (_tile_spans(side, tile_px, overlap_px) for side in size_hw)
    return [Crop((x0, y0, x1, y1), 0) for y0, y1 in spans_y for x0, x1 in spans_x]


def _crop_spans(side: int, count: int, overlap: int) -> Sequence[tuple[int, int]]:
    length = math.ceil((overlap * (count - 1) + side) / count)
    starts = [(length - overlap) * number for number in range(count)]
    return [(start, min(start + length, side)) for start in starts]


def _tile_spans(side: int, tile: int, overlap: int) -> Sequence[tuple[int, int]]:
    if side <= tile:
        return [(0, side)]
    count = math.ceil((side - overlap) / (tile - overlap))
    starts = np.linspace(0, side - tile, count).round().astype(int).tolist()
    return [(start, start + tile) for start in starts]
