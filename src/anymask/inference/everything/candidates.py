"""`Candidate`: one answer of the decoder, measured at image size only when that is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.geometry.grids import Crop
from anymask.inference.everything.upsampled import Axis, Span, Upsampler, Window
from anymask.types.masks import MASK_THRESHOLD
from anymask.types.records import BoxXyxy, CompactMask, MaskRecord

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

EMPTY_BOX: BoxXyxy = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class CropView:
    """What the candidates of one crop share.

    Attributes:
        crop: the part of the image, with its layer.
        size_hw: (height, width) of the whole image.
        upsampler: of the crop's frame.
        stability_offset: distance of the two thresholds that stability compares.
    """

    crop: Crop
    size_hw: tuple[int, int]
    upsampler: Upsampler
    stability_offset: float


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """The part of low-res logits that can matter at image size.

    Attributes:
        values: (h, w) float32, a copy.
        row: of its first cell.
        column: of its first cell.
        core_rows: first and last row with a logit above the lower stability threshold.
        core_columns: likewise.
    """

    values: FloatArray
    row: int
    column: int
    core_rows: Span
    core_columns: Span

    def window(self, upsampler: Upsampler, below: float) -> Window:
        """Put back among cells of a logit so low that they count for nothing."""
        logits = np.full((upsampler.low_res_px,) * 2, below, np.float32)
        height, width = self.values.shape
        logits[self.row : self.row + height, self.column : self.column + width] = self.values
        return upsampler.window(logits, self.core_rows, self.core_columns)


class Candidate:
    """One mask that may become a record.

    Boxes are half-open XYXY in pixels of the crop. Measured values are kept, so asking again costs
    nothing; `settle` measures all and lets go of the logits.

    Args:
        view: the crop it was found in.
        point_xy: the point that produced it, in pixels of the image.
        predicted_iou: the model's estimate.
        logits: (low_res, low_res) float32, not kept.

    Attributes:
        outer_box: certainly around the mask's box.
        inner_box: certainly inside the mask's box, or None where nothing is certain.
    """

    __slots__ = (
        "_box", "_mask", "_patch", "_stability", "_unstable_above",
        "inner_box", "outer_box", "point_xy", "predicted_iou", "view",
    )  # fmt: skip

    def __init__(
        self,
        view: CropView,
        point_xy: tuple[float, float],
        predicted_iou: float,
        logits: FloatArray,
    ) -> None:
        self.view = view
        self.point_xy = point_xy
        self.predicted_iou = predicted_iou
        self._stability: float | None = None
        self._unstable_above = np.inf
        self._box: BoxXyxy | None = None
        self._mask: CompactMask | None = None
        self._patch = _patch(logits, view)
        self.outer_box, self.inner_box = _bounds(self._patch, view.upsampler)

    @property
    def held_bytes(self) -> int:
        """What its logits take in memory."""
        return 0 if self._patch is None else self._patch.values.nbytes

    @property
    def box(self) -> BoxXyxy:
        """The mask's box; zeros for an empty mask."""
        if self._box is None:
            window = self._window()
            found = window and self.view.upsampler.box_above(window, MASK_THRESHOLD)
            self._box = found or EMPTY_BOX
        return self._box

    @property
    def image_box(self) -> BoxXyxy:
        """`box` in pixels of the image; a corner of the crop for an empty mask."""
        x0, y0, x1, y1 = self.box
        dx, dy, _, _ = self.view.crop.box_xyxy
        return x0 + dx, y0 + dy, x1 + dx, y1 + dy

    @property
    def stability(self) -> float:
        """IoU of the masks cut above and below the threshold; 0 where both are empty."""
        if self._stability is None:
            self._stability = self._measure_stability(self._window())
        return self._stability

    def is_stable(self, at_least: float) -> bool:
        """Whether the stability is at least this; often known without measuring it."""
        if self._stability is None:
            if at_least > self._unstable_above:
                return False
            window = self._window()
            if window is not None:
                self._unstable_above = self._stability_bound(window)
            if at_least > self._unstable_above:
                return False
            self._stability = self._measure_stability(window)
        return self._stability >= at_least

    def mask(self) -> CompactMask:
        """The mask in the frame of the image."""
        if self._mask is None:
            window, box = self._window(), self.box
            if window is None or box == EMPTY_BOX:
                self._mask = CompactMask(self.view.size_hw, EMPTY_BOX, 0, b"")
            else:
                crop = self.view.upsampler.mask_above(window, MASK_THRESHOLD, box)
                x0, y0, _, _ = self.image_box
                self._mask = CompactMask.from_crop(crop, (x0, y0), self.view.size_hw)
        return self._mask

    def settle(self) -> None:
        """Measure everything and let go of the logits."""
        if self._patch is not None:
            self.mask()
            _ = self.stability
            self._patch = None

    def record(self) -> MaskRecord:
        """As everything mode returns it."""
        return MaskRecord(
            self.mask(),
            self.predicted_iou,
            self.stability,
            self.point_xy,
            self.view.crop.box_xyxy,
        )

    def _window(self) -> Window | None:
        if self._patch is None:
            return None
        return self._patch.window(self.view.upsampler, -self.view.stability_offset - 1)

    def _stability_bound(self, window: Window) -> float:
        """No stability is above this: the most that can be inside over the least outside."""
        upsampler, offset = self.view.upsampler, self.view.stability_offset
        most = upsampler.most_above(window, MASK_THRESHOLD + offset)
        fewest = upsampler.fewest_above(window, MASK_THRESHOLD - offset)
        return most / fewest if fewest else np.inf

    def _measure_stability(self, window: Window | None) -> float:
        if window is None:
            return 0.0
        offset = self.view.stability_offset
        thresholds = (MASK_THRESHOLD + offset, MASK_THRESHOLD - offset)
        inner, outer = self.view.upsampler.counts_above(window, thresholds)
        return float(np.float32(inner) / np.float32(outer)) if outer else 0.0


def _patch(logits: FloatArray, view: CropView) -> Patch | None:
    """The cells above the lower stability threshold, and all that a pixel reads with one of them.

    A pixel that reads no such cell is a mean of logits at or below the threshold, so it belongs to
    none of the masks that are counted.
    """
    rows_axis, columns_axis = view.upsampler.rows, view.upsampler.columns
    above = logits[: rows_axis.used, : columns_axis.used] > MASK_THRESHOLD - view.stability_offset
    rows, columns = _spans(above)
    if rows is None or columns is None:
        return None
    top, bottom = _padded(rows, rows_axis)
    left, right = _padded(columns, columns_axis)
    return Patch(logits[top:bottom, left:right].copy(), top, left, rows, columns)


def _padded(cells: Span, axis: Axis) -> Span:
    """Start and end of some cells and those that a pixel may read together with one of them."""
    return max(cells[0] - axis.reach + 1, 0), min(cells[1] + axis.reach, axis.used)


def _bounds(patch: Patch | None, upsampler: Upsampler) -> tuple[BoxXyxy, BoxXyxy | None]:
    """Boxes that are certainly around, and certainly inside, the box of the mask."""
    if patch is None:
        return EMPTY_BOX, None
    positive = patch.values > MASK_THRESHOLD
    rows, columns = _spans(positive)
    if rows is None or columns is None:
        return EMPTY_BOX, None
    # a pixel above the threshold reads a cell above it
    y0, y1 = upsampler.rows.pixels_reading(_shifted(rows, patch.row))
    x0, x1 = upsampler.columns.pixels_reading(_shifted(columns, patch.column))
    return (x0, y0, x1 + 1, y1 + 1), _inner_box(positive, patch, upsampler)


def _inner_box(positive: BoolArray, patch: Patch, upsampler: Upsampler) -> BoxXyxy | None:
    """Around pixels that read nothing but cells above the threshold."""
    rows_axis, columns_axis = upsampler.rows, upsampler.columns
    height, width = (
        side - axis.reach + 1
        for side, axis in zip(positive.shape, (rows_axis, columns_axis), strict=True)
    )
    if height < 1 or width < 1:
        return None
    certain = positive[:height]
    for step in range(1, rows_axis.reach):
        certain = certain & positive[step : step + height]
    sure = certain[:, :width]
    for step in range(1, columns_axis.reach):
        sure = sure & certain[:, step : step + width]
    sure = sure & rows_axis.has_start[patch.row : patch.row + height, None]
    sure &= columns_axis.has_start[patch.column : patch.column + width]
    rows, columns = _spans(sure)
    if rows is None or columns is None:
        return None
    y0, y1 = rows_axis.pixels_starting(_shifted(rows, patch.row))
    x0, x1 = columns_axis.pixels_starting(_shifted(columns, patch.column))
    return x0, y0, x1 + 1, y1 + 1


def _shifted(span: Span, by: int) -> Span:
    return span[0] + by, span[1] + by


def _spans(cells: BoolArray) -> tuple[Span | None, Span | None]:
    """The rows and the columns that have a flagged cell, first and last."""
    return _span(np.asarray(cells.any(axis=1))), _span(np.asarray(cells.any(axis=0)))


def _span(flags: BoolArray) -> Span | None:
    """First and last place that is flagged."""
    first = int(flags.argmax())
    if not flags[first]:
        return None
    return first, len(flags) - 1 - int(flags[::-1].argmax())
