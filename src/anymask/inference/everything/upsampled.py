"""Masks at image size, computed only where they can change: around their outline.

A mask is its low-res logits, stretched to the image by one matrix for the rows and one for the
columns (`anymask.geometry.resample`), and cut at a threshold. The weights of a pixel are not
negative and sum to one, so its logit is a mean of the few cells it reads: between their least and
their largest. The image is divided into tiles. Where all cells that a tile reads are above the
threshold, all its pixels are, and where all are at or below, none is; only the other tiles, those
on the outline, are multiplied out. docs/adr/0005-everything.md has the reasoning in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from anymask.geometry.frames import Frame
from anymask.geometry.resample import mask_upsampling_matrix

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]
Span = tuple[int, int]

SMALLEST_TILE_PX = 32
TILES_PER_SIDE = 36
PIXELS_AT_ONCE = 1 << 20
"""Pixels multiplied out in one step: what they need stays near a core, whatever the image."""


class Axis:
    """How one axis of the image reads the low-res cells, and its division into tiles.

    Attributes:
        length: pixels.
        first_cell: (length,) first cell each pixel reads; rises.
        last_cell: (length,) last cell each pixel reads; rises.
        reach: cells that a pixel reads at most.
        used: cells up to the last that any pixel reads.
        has_start: (used,) whether a pixel starts to read at each cell; small images skip some.
        tile_px: pixels of a tile.
        starts: (T,) first pixel of each tile.
        counts: (T,) pixels of each tile; the last one may have fewer than `tile_px`.
        weights: (T, tile_px, K) of the K cells that a tile reads; zero beyond the last pixel.
        cells: (T, K) which cells these are.
    """

    def __init__(self, matrix: FloatArray, tile_px: int) -> None:
        self.length, low_res = matrix.shape
        read = matrix > 0
        self.first_cell: IntArray = read.argmax(axis=1)
        self.last_cell: IntArray = low_res - 1 - read[:, ::-1].argmax(axis=1)
        self.reach = int((self.last_cell - self.first_cell).max()) + 1
        self.used = int(self.last_cell[-1]) + 1
        self.has_start: BoolArray = np.zeros(self.used, np.bool_)
        self.has_start[self.first_cell] = True
        self.tile_px = tile_px
        self.starts: IntArray = np.arange(0, self.length, tile_px)
        ends = np.minimum(self.starts + tile_px, self.length)
        self.counts: IntArray = ends - self.starts
        self._first, self._last = self.first_cell[self.starts], self.last_cell[ends - 1]
        width = int((self._last - self._first).max()) + 1
        anchors = np.minimum(self._first, low_res - width)
        self.cells: IntArray = anchors[:, None] + np.arange(width)
        self.weights = np.zeros((len(self.starts), tile_px, width), np.float32)
        for tile, (start, end, anchor) in enumerate(zip(self.starts, ends, anchors, strict=True)):
            self.weights[tile, : end - start] = matrix[start:end, anchor : anchor + width]

    def tiles_reading(self, cells: Span) -> slice:
        """The tiles of which a pixel reads one of these cells (first and last, inclusive)."""
        start = np.searchsorted(self._last, cells[0], side="left")
        stop = np.searchsorted(self._first, cells[1], side="right")
        return slice(int(start), int(stop))

    def pixels_reading(self, cells: Span) -> Span:
        """First and last pixel that reads one of these cells."""
        first = int(np.searchsorted(self.last_cell, cells[0], side="left"))
        last = int(np.searchsorted(self.first_cell, cells[1], side="right")) - 1
        return min(first, self.length - 1), max(last, 0)

    def pixels_starting(self, cells: Span) -> Span:
        """First pixel that starts to read at the one cell, last that starts at the other."""
        first = int(np.searchsorted(self.first_cell, cells[0], side="left"))
        return first, int(np.searchsorted(self.first_cell, cells[1], side="right")) - 1


@dataclass(frozen=True, eq=False)
class Window:
    """The tiles that can hold a part of a mask.

    Attributes:
        logits: (low_res, low_res) float32.
        rows: tiles along the height.
        columns: tiles along the width.
        least: (rows, columns) float32 smallest logit among the cells each tile reads.
        largest: (rows, columns) float32 largest logit among them.
    """

    logits: FloatArray
    rows: slice
    columns: slice
    least: FloatArray
    largest: FloatArray


class Upsampler:
    """Everything about one frame that masks on it share.

    Args:
        frame: how the image lies on the canvas.
    """

    def __init__(self, frame: Frame) -> None:
        self.size_hw = frame.size_hw
        self.low_res_px = frame.low_res_px
        self.rows, self.columns = (
            Axis(
                mask_upsampling_matrix(frame.low_res_px, frame.canvas_px, resized, original),
                max(SMALLEST_TILE_PX, -(-original // TILES_PER_SIDE)),
            )
            for resized, original in zip(frame.resized_hw, frame.size_hw, strict=True)
        )
        self._column_weights = np.ascontiguousarray(self.columns.weights.transpose(0, 2, 1))
        self._areas: IntArray = self.rows.counts[:, None] * self.columns.counts[None, :]
        self._full_tile = self.rows.tile_px * self.columns.tile_px

    def window(self, logits: FloatArray, rows: Span, columns: Span) -> Window:
        """The tiles that read any of some cells.

        Args:
            logits: (low_res, low_res) float32.
            rows: first and last row of cells, inclusive.
            columns: first and last column of cells, inclusive.
        """
        tile_rows, tile_columns = (
            self.rows.tiles_reading(rows),
            self.columns.tiles_reading(columns),
        )
        cells_y, cells_x = self.rows.cells[tile_rows], self.columns.cells[tile_columns]
        strips = logits[cells_y]  # (rows, K, low_res)
        least = strips.min(axis=1)[:, cells_x].min(axis=2)
        largest = strips.max(axis=1)[:, cells_x].max(axis=2)
        return Window(logits, tile_rows, tile_columns, least, largest)

    def most_above(self, window: Window, threshold: float) -> int:
        """No more pixels than this are above a threshold."""
        return int(self._window_areas(window)[window.largest > threshold].sum())

    def fewest_above(self, window: Window, threshold: float) -> int:
        """No fewer pixels than this are above a threshold."""
        return int(self._window_areas(window)[window.least > threshold].sum())

    def counts_above(self, window: Window, thresholds: tuple[float, ...]) -> list[int]:
        """How many pixels are above each of some thresholds."""
        low, high = min(thresholds), max(thresholds)
        # the zeros beyond the last pixel of a tile are above a negative threshold
        counts = [self.fewest_above(window, high)] * len(thresholds)
        areas = self._window_areas(window)
        for tile_rows, tile_columns, values in self._outline(window, low, high):
            beyond = values.size - int(areas[tile_rows, tile_columns].sum())
            for number, threshold in enumerate(thresholds):
                above = int(np.count_nonzero(values > threshold))
                counts[number] += above - (beyond if threshold < 0 else 0)
        return counts

    def box_above(self, window: Window, threshold: float) -> tuple[int, int, int, int] | None:
        """The half-open XYXY box around all pixels above a threshold of at least 0.

        Returns:
            The box in pixels of the image, or None where no pixel is above.
        """
        rows, columns = np.nonzero(window.least > threshold)
        spans = [self._tile_box(window, rows, columns)] if len(rows) else []
        for tile_rows, tile_columns, values in self._outline(window, threshold, threshold):
            above = values > threshold
            lines, pillars = np.asarray(above.any(axis=2)), np.asarray(above.any(axis=1))
            touched = np.asarray(lines.any(axis=1))
            if touched.any():
                y0, y1 = _extent(lines[touched], self.rows.starts[window.rows][tile_rows][touched])
                x0, x1 = _extent(
                    pillars[touched], self.columns.starts[window.columns][tile_columns][touched]
                )
                spans.append((x0, y0, x1, y1))
        if not spans:
            return None
        lefts, tops, rights, bottoms = zip(*spans, strict=True)
        return min(lefts), min(tops), max(rights), max(bottoms)

    def mask_above(
        self, window: Window, threshold: float, box_xyxy: tuple[int, int, int, int]
    ) -> BoolArray:
        """The pixels of a box that are above a threshold.

        Args:
            window: the tiles around the mask.
            threshold: at least 0.
            box_xyxy: half-open, inside the window's tiles, as `box_above` gives it.

        Returns:
            (h, w) bool.
        """
        shape = (*window.least.shape, self.rows.tile_px, self.columns.tile_px)
        grid = np.zeros(shape, np.bool_)
        grid[window.least > threshold] = True
        for tile_rows, tile_columns, values in self._outline(window, threshold, threshold):
            grid[tile_rows, tile_columns] = values > threshold
        image = grid.transpose(0, 2, 1, 3).reshape(shape[0] * shape[2], shape[1] * shape[3])
        top = int(self.rows.starts[window.rows.start])
        left = int(self.columns.starts[window.columns.start])
        x0, y0, x1, y1 = box_xyxy
        return image[y0 - top : y1 - top, x0 - left : x1 - left]

    def _outline(
        self, window: Window, low: float, high: float
    ) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
        """The tiles that thresholds from `low` to `high` may cut: rows, columns and logits.

        Yields:
            Numbers of tiles inside the window, and (n, tile_px, tile_px) logits.
        """
        cut = (window.largest > low) & ~(window.least > high)
        rows, columns = np.nonzero(cut)
        step = max(1, PIXELS_AT_ONCE // self._full_tile)
        for start in range(0, len(rows), step):
            tile_rows, tile_columns = rows[start : start + step], columns[start : start + step]
            yield tile_rows, tile_columns, self._multiply(window, tile_rows, tile_columns)

    def _multiply(self, window: Window, tile_rows: IntArray, tile_columns: IntArray) -> FloatArray:
        """Logits of some tiles, (n, tile_px, tile_px)."""
        rows, columns = tile_rows + window.rows.start, tile_columns + window.columns.start
        cells_y, cells_x = self.rows.cells[rows], self.columns.cells[columns]
        patches = window.logits[cells_y[:, :, None], cells_x[:, None, :]]
        stretched = np.matmul(self.rows.weights[rows], patches)
        values: FloatArray = np.matmul(stretched, self._column_weights[columns])
        return values

    def _window_areas(self, window: Window) -> IntArray:
        return self._areas[window.rows, window.columns]

    def _tile_box(
        self, window: Window, rows: IntArray, columns: IntArray
    ) -> tuple[int, int, int, int]:
        """Half-open XYXY around whole tiles."""
        top, bottom = int(rows.min()) + window.rows.start, int(rows.max()) + window.rows.start
        left = int(columns.min()) + window.columns.start
        right = int(columns.max()) + window.columns.start
        return (
            int(self.columns.starts[left]),
            int(self.rows.starts[top]),
            int(self.columns.starts[right] + self.columns.counts[right]),
            int(self.rows.starts[bottom] + self.rows.counts[bottom]),
        )


def _extent(flags: BoolArray, starts: IntArray) -> Span:
    """First pixel and end of the pixels flagged in some tiles, each with at least one flag."""
    first = starts + flags.argmax(axis=1)
    end = starts + flags.shape[1] - flags[:, ::-1].argmax(axis=1)
    return int(first.min()), int(end.max())


@lru_cache(maxsize=32)
def upsampler(frame: Frame) -> Upsampler:
    """The upsampler of a frame, made once."""
    return Upsampler(frame)
