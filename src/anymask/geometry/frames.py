"""The frames of reference a picture passes through, and the only place that converts between them.

original image, or a window of it -> resized so that its longer side fills the canvas -> padded at
the right and bottom to the square canvas the encoder sees -> low-res grid of the mask decoder (4
canvas pixels a cell). Points are (x, y), sizes (height, width), boxes half-open XYXY.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import ImageError, MaskError
from anymask.geometry.resample import average, upsample_masks

CANVAS_PX = 1024
LOW_RES_STRIDE_PX = 4
MASK_LOGIT = 10.0
"""Logit given to a pixel that a user's mask covers; uncovered pixels get its negative."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One image's way to the canvas and back.

    Attributes:
        size_hw: (height, width) of the original image in pixels.
        canvas_px: side of the square canvas in pixels.
        window_xyxy: the part of the image that the canvas shows, in whole pixels; None is all of
            it. What lies beyond is background on the way back.
    """

    size_hw: tuple[int, int]
    canvas_px: int = CANVAS_PX
    window_xyxy: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse sizes that no image has."""
        height, width = self.size_hw
        if height < 1 or width < 1:
            raise ImageError(f"size_hw must be at least 1 x 1 pixel; got {height} x {width}")
        if self.canvas_px < 1 or self.canvas_px % LOW_RES_STRIDE_PX:
            raise ImageError(
                f"canvas_px must be a positive multiple of {LOW_RES_STRIDE_PX}; "
                f"got {self.canvas_px}"
            )
        x0, y0, x1, y1 = self._shown_xyxy
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ImageError(
                f"window_xyxy must be a box of pixels inside {width} x {height} (width x height); "
                f"got {self.window_xyxy}"
            )

    @property
    def _shown_xyxy(self) -> tuple[int, int, int, int]:
        height, width = self.size_hw
        return self.window_xyxy or (0, 0, width, height)

    @property
    def shown_hw(self) -> tuple[int, int]:
        """(height, width) of what the canvas shows, in pixels of the original image."""
        x0, y0, x1, y1 = self._shown_xyxy
        return y1 - y0, x1 - x0

    @property
    def low_res_px(self) -> int:
        """Side of the square low-res grid in cells."""
        return self.canvas_px // LOW_RES_STRIDE_PX

    @property
    def resized_hw(self) -> tuple[int, int]:
        """(height, width) after scaling the longer side to the canvas, rounded half up.

        The shorter side keeps at least one pixel, so that a 1 x 5000 strip stays an image.
        """
        scale = self.canvas_px / max(self.shown_hw)
        height, width = (max(1, int(side * scale + 0.5)) for side in self.shown_hw)
        return height, width

    @property
    def visible_low_res_hw(self) -> tuple[int, int]:
        """Rows and columns of the low-res grid that pixels of the image read; padding is beyond."""
        height, width = (
            # the pixel at the edge reads the cell around its centre or before it, and the next
            min(self.low_res_px, int((side - 0.5) / LOW_RES_STRIDE_PX - 0.5) + 2)
            for side in self.resized_hw
        )
        return height, width

    @property
    def _scale_xy(self) -> NDArray[np.float64]:
        (height, width), (resized_h, resized_w) = self.shown_hw, self.resized_hw
        return np.array([resized_w / width, resized_h / height])

    @property
    def _corner_xy(self) -> NDArray[np.float64]:
        return np.array(self._shown_xyxy[:2], np.float64)

    def points_to_canvas(self, points_xy: ArrayLike) -> NDArray[np.float64]:
        """Points (..., 2) of the original image to canvas pixels, per-axis ratio of the sizes."""
        return (np.asarray(points_xy, np.float64) - self._corner_xy) * self._scale_xy

    def points_to_original(self, points_xy: ArrayLike) -> NDArray[np.float64]:
        """Points (..., 2) of the canvas back to original pixels."""
        return np.asarray(points_xy, np.float64) / self._scale_xy + self._corner_xy

    def boxes_to_canvas(self, boxes_xyxy: ArrayLike) -> NDArray[np.float64]:
        """Boxes (..., 4) XYXY of the original image to canvas pixels."""
        boxes = np.asarray(boxes_xyxy, np.float64)
        return self.points_to_canvas(boxes.reshape(-1, 2)).reshape(boxes.shape)

    def boxes_to_original(self, boxes_xyxy: ArrayLike) -> NDArray[np.float64]:
        """Boxes (..., 4) XYXY of the canvas back to original pixels."""
        boxes = np.asarray(boxes_xyxy, np.float64)
        return self.points_to_original(boxes.reshape(-1, 2)).reshape(boxes.shape)

    def logits_to_original(self, low_res: NDArray[np.float32]) -> NDArray[np.float32]:
        """Low-res logits to the size of the original image.

        Equal to the published post-processing: bilinear to the canvas, crop of the padding,
        bilinear to the original size.

        Args:
            low_res: (..., low_res_px, low_res_px) float32 logits.

        Returns:
            (..., H, W) float32 logits, ``-MASK_LOGIT`` beyond the window.
        """
        self._check_low_res(low_res)
        shown = upsample_masks(low_res, self.canvas_px, self.resized_hw, self.shown_hw)
        if self.window_xyxy is None:
            return shown
        x0, y0, x1, y1 = self.window_xyxy
        logits = np.full((*shown.shape[:-2], *self.size_hw), -MASK_LOGIT, np.float32)
        logits[..., y0:y1, x0:x1] = shown
        return logits

    def coverage_to_logits(self, coverage: NDArray[np.float32]) -> NDArray[np.float32]:
        """A mask of the original image to the low-res logits that prompt the decoder with it.

        Each low-res cell averages the mask over its area; covered cells become `MASK_LOGIT`,
        uncovered cells and the padding ``-MASK_LOGIT``, partly covered ones lie between.

        Args:
            coverage: (H, W) float32 in [0, 1] at the original size.

        Returns:
            (low_res_px, low_res_px) float32.
        """
        share = self._averaged(coverage)
        return np.asarray(2 * MASK_LOGIT * share - MASK_LOGIT, np.float32)

    def logits_to_low_res(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of the original image to the low-res grid; the padding gets ``-MASK_LOGIT``.

        Args:
            logits: (H, W) float32 at the original size.

        Returns:
            (low_res_px, low_res_px) float32.
        """
        return np.asarray(self._averaged(logits + MASK_LOGIT) - MASK_LOGIT, np.float32)

    def _averaged(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(H, W) values of the image to their means over the low-res cells; 0 in the padding."""
        if values.shape != self.size_hw:
            raise MaskError(
                f"mask has shape {values.shape} but the image has {self.size_hw} (height, width);"
                " give the mask at the size of the image"
            )
        x0, y0, x1, y1 = self._shown_xyxy
        cell_h, cell_w = (
            LOW_RES_STRIDE_PX * original / resized
            for resized, original in zip(self.resized_hw, self.shown_hw, strict=True)
        )
        return average(values[y0:y1, x0:x1], (self.low_res_px,) * 2, (cell_h, cell_w))

    def _check_low_res(self, low_res: NDArray[np.float32]) -> None:
        side = self.low_res_px
        if low_res.shape[-2:] != (side, side):
            raise MaskError(
                f"low-res logits must end in shape ({side}, {side}); got {low_res.shape}"
            )
