"""What everything mode can be told, under the published names and with the published defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError
from anymask.geometry.grids import Crop, checked_grid, crop_layers, layer_grids


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
    memory_budget_bytes: int = 2**29

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if (self.points_per_side is None) == (self.point_grids is None):
            raise PromptError("give either points_per_side or point_grids, and the other as None")
        for name in ("points_per_batch", "crop_n_points_downscale_factor", "memory_budget_bytes"):
            if getattr(self, name) < 1:
                raise PromptError(f"{name} must be at least 1; got {getattr(self, name)}")
        for name in ("crop_n_layers", "min_mask_region_area"):
            if getattr(self, name) < 0:
                raise PromptError(f"{name} must be at least 0; got {getattr(self, name)}")
        self.grids()

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
        """The parts of a picture of this size to look at, the whole picture first."""
        return crop_layers(size_hw, self.crop_n_layers, self.crop_overlap_ratio)
