"""What everything mode can be told, under the published names and with the published defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError
from anymask.geometry.grids import Crop, checked_grid, crop_layers, layer_grids, tiles

_LEAST = {
    "points_per_batch": 1,
    "crop_n_points_downscale_factor": 1,
    "memory_budget_bytes": 1,
    "stability_score_offset": 0,
    "crop_n_layers": 0,
    "min_mask_region_area": 0,
    "tile_px": 1,
    "min_mask_area": 0,
    "max_masks": 1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EverythingSettings:
    """Parameters of everything mode.

    Attributes:
        points_per_side: the grid on the whole picture has this squared many points; None where
            `point_grids` gives the points.
        points_per_batch: points handed to the engine at once.
        pred_iou_thresh: keep masks with a predicted IoU above this; 0 or less keeps all.
        stability_score_thresh: keep masks at least as stable as this; 0 or less keeps all.
        stability_score_offset: distance of the logit thresholds that stability compares from 0.
        box_nms_thresh: of two masks in a crop whose boxes overlap by more, the surer one stays.
        crop_n_layers: layers of ever smaller crops to look at besides the whole picture.
        crop_nms_thresh: of two masks from different crops whose boxes overlap by more, the one
            from the smaller crop stays.
        crop_overlap_ratio: what neighbouring crops share, in shorter sides of the picture.
        crop_n_points_downscale_factor: layer i has this to the power of i fewer points a side.
        point_grids: (N, 2) points (x, y) in 0..1, one array a layer.
        min_mask_region_area: remove holes and islands with fewer pixels *inside* masks; 0 leaves
            them. It never drops a mask.
        skip_full_image: look at the crops only, not at the picture as a whole.
        tile_px: cut the picture into overlapping tiles of this side instead of looking at it whole,
            and join masks across their seams; for pictures much larger than the canvas.
        tile_overlap_px: what neighbouring tiles share at least.
        novel_share: ask at most this share of a grid's points, those that the image's embedding
            shows to be most unlike each other; 1 asks all. See docs/everything.md for what is lost.
        novel_distance: with less than all points, also leave out those whose embedding is closer
            than this (1 minus cosine) to that of a point already asked.
        min_mask_area: drop masks with fewer pixels.
        max_mask_share: drop masks that cover at least this share of the picture; None keeps them.
        drop_all_small: when `min_mask_region_area` finds nothing but small islands, drop the mask
            instead of keeping its largest island.
        max_masks: keep this many, those with the highest mean of predicted IoU and stability.
        memory_budget_bytes: how much the logits of undecided masks may take; beyond it they are
            decided at once, which takes longer and gives the same masks.
    """

    points_per_side: int | None = 32
    points_per_batch: int = 64
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    stability_score_offset: float = 1.0
    box_nms_thresh: float = 0.7
    crop_n_layers: int = 0
    crop_nms_thresh: float = 0.7
    crop_overlap_ratio: float = 512 / 1500
    crop_n_points_downscale_factor: int = 1
    point_grids: Sequence[ArrayLike] | None = None
    min_mask_region_area: int = 0
    skip_full_image: bool = False
    tile_px: int | None = None
    tile_overlap_px: int = 128
    novel_share: float = 1.0
    novel_distance: float = 0.0
    min_mask_area: int = 0
    max_mask_share: float | None = None
    drop_all_small: bool = False
    max_masks: int | None = None
    memory_budget_bytes: int = 2**29

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if (self.points_per_side is None) == (self.point_grids is None):
            raise PromptError("give either points_per_side or point_grids, and the other as None")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise PromptError(f"{name} must be at least {least}; got {value}")
        if not 0 < self.novel_share <= 1:
            raise PromptError(f"novel_share must lie in (0, 1]; got {self.novel_share}")
        self._check_parts()
        grids = self.grids()
        if self.point_grids is not None:  # as values, so that settings can be compared
            frozen = tuple(tuple(map(tuple, grid.tolist())) for grid in grids)
            object.__setattr__(self, "point_grids", frozen)

    def _check_parts(self) -> None:
        """Refuse layers and tiles that contradict each other."""
        if self.tile_px is not None and (self.crop_n_layers or self.skip_full_image):
            raise PromptError("tile_px was given with crops; give one of tile_px or crop_n_layers")
        if self.tile_px is not None and not 0 <= self.tile_overlap_px < self.tile_px:
            raise PromptError(
                f"tile_overlap_px is {self.tile_overlap_px} but tile_px is {self.tile_px}; "
                f"give an overlap of 0 to {self.tile_px - 1}"
            )
        if self.skip_full_image and not self.crop_n_layers:
            raise PromptError("skip_full_image leaves nothing to look at; give crop_n_layers >= 1")

    def grids(self) -> list[NDArray[np.float64]]:
        """One grid of points in 0..1 a layer.

        Raises:
            PromptError: not one usable grid for each layer.
        """
        layers = self.crop_n_layers
        if self.point_grids is None:
            factor = self.crop_n_points_downscale_factor
            return layer_grids(self.points_per_side or 0, layers, factor)
        if len(self.point_grids) != layers + 1:
            raise PromptError(
                f"point_grids has {len(self.point_grids)} grids but there are {layers + 1} layers "
                "(the whole picture and crop_n_layers); give one grid a layer"
            )
        return [checked_grid(g, f"point_grids[{i}]") for i, g in enumerate(self.point_grids)]

    def crops(self, size_hw: tuple[int, int]) -> list[Crop]:
        """The parts of a picture of this size to look at, the whole picture first if at all."""
        if self.tile_px is not None:
            return tiles(size_hw, self.tile_px, self.tile_overlap_px)
        crops = crop_layers(size_hw, self.crop_n_layers, self.crop_overlap_ratio)
        return crops[1:] if self.skip_full_image else crops
