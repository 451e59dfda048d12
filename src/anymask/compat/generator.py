"""`SamAutomaticMaskGenerator`: the published generator, as a thin shell over everything mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anymask.compat.predictor import SamPredictor
from anymask.errors import PromptError
from anymask.formats.sa1b import sam_bbox, xywh
from anymask.geometry import rle
from anymask.inference.everything.generate import everything
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.segment import Model
from anymask.types.records import MaskRecord

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from anymask.nn.model import Sam

OUTPUT_MODES = ("binary_mask", "uncompressed_rle", "coco_rle")


class SamAutomaticMaskGenerator:
    """All masks of an image as dictionaries with the published keys.

    Args:
        model: a network of `sam_model_registry`, or a model of `anymask.load_model`.
        points_per_side: see `EverythingSettings`, like all that follow.
        points_per_batch: likewise.
        pred_iou_thresh: likewise.
        stability_score_thresh: likewise.
        stability_score_offset: likewise.
        box_nms_thresh: likewise.
        crop_n_layers: likewise.
        crop_nms_thresh: likewise.
        crop_overlap_ratio: likewise.
        crop_n_points_downscale_factor: likewise.
        point_grids: likewise.
        min_mask_region_area: likewise.
        output_mode: what `segmentation` is: "binary_mask" (H, W) bool, "uncompressed_rle" or
            "coco_rle".

    Raises:
        PromptError: a parameter that means nothing.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the published signature
        self,
        model: Sam | Model,
        points_per_side: int | None = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float = 0.88,
        stability_score_thresh: float = 0.95,
        stability_score_offset: float = 1.0,
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: list[ArrayLike] | None = None,
        min_mask_region_area: int = 0,
        output_mode: str = "binary_mask",
    ) -> None:
        if output_mode not in OUTPUT_MODES:
            raise PromptError(
                f"output_mode must be one of {', '.join(OUTPUT_MODES)}; got {output_mode!r}"
            )
        self.predictor = SamPredictor(model)
        self.output_mode = output_mode
        self.settings = EverythingSettings(
            points_per_side=points_per_side,
            points_per_batch=points_per_batch,
            pred_iou_thresh=pred_iou_thresh,
            stability_score_thresh=stability_score_thresh,
            stability_score_offset=stability_score_offset,
            box_nms_thresh=box_nms_thresh,
            crop_n_layers=crop_n_layers,
            crop_nms_thresh=crop_nms_thresh,
            crop_overlap_ratio=crop_overlap_ratio,
            crop_n_points_downscale_factor=crop_n_points_downscale_factor,
            point_grids=point_grids,
            min_mask_region_area=min_mask_region_area,
        )

    def generate(self, image: Any) -> list[dict[str, Any]]:
        """Masks of one image.

        Args:
            image: (H, W, 3) uint8 RGB, or whatever else `Model.encode` takes as one picture.

        Returns:
            One dictionary a mask: `segmentation`, `area`, `bbox` (XYWH, width from first to last
            column), `predicted_iou`, `point_coords`, `stability_score`, `crop_box` (XYWH).
        """
        records = everything(self.predictor.core, image, self.settings)
        return [self._published(record) for record in records]

    def _published(self, record: MaskRecord) -> dict[str, Any]:
        return {
            "segmentation": self._segmentation(record),
            "area": record.area,
            "bbox": sam_bbox(record.box_xyxy),
            "predicted_iou": record.predicted_iou,
            "point_coords": [list(record.point_xy)],
            "stability_score": record.stability_score,
            "crop_box": xywh(record.crop_box_xyxy),
        }

    def _segmentation(self, record: MaskRecord) -> Any:
        if self.output_mode == "binary_mask":
            return record.array
        if self.output_mode == "coco_rle":
            return record.rle()
        return rle.encode_uncompressed(record.array)
