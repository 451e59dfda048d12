"""`Masks`: what a segmentation returns, one row a prompt, upsampled only when asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from anymask.geometry import boxes, contours, rle
from anymask.geometry.frames import Frame
from anymask.geometry.stability import stability_score

MASK_THRESHOLD = 0.0
"""A pixel belongs to the mask when its logit is above this."""

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Masks:
    """Masks for N prompts on one image.

    Kept as low-res logits, which are small; everything at image size is computed when it is first
    read. Each row has one chosen mask and one to three candidates, best first: an ambiguous prompt
    (one click) has three, see `candidates`.

    Attributes:
        frame: how the image lies on the canvas; `frame.size_hw` is the image's size.
        candidate_logits: (K, L, L) float32 low-res logits of all rows' candidates.
        candidate_iou: (K,) float32 predicted IoU of each candidate.
        offsets: (N + 1,) int; row i owns candidates ``offsets[i]:offsets[i + 1]``, the first of
            them is the chosen one.
        model_id: which weights made them.
        windows_xyxy: the part of the image that each row's logits show, as `Frame` has it; empty
            where all show all of it. See `anymask.segment_zoomed`.
    """

    frame: Frame
    candidate_logits: FloatArray
    candidate_iou: FloatArray
    offsets: NDArray[np.intp]
    model_id: str = ""
    windows_xyxy: tuple[tuple[int, int, int, int] | None, ...] = ()

    @classmethod
    def from_rows(
        cls,
        frame: Frame,
        logits: Sequence[FloatArray],
        iou: Sequence[FloatArray],
        model_id: str,
        windows_xyxy: tuple[tuple[int, int, int, int] | None, ...] = (),
    ) -> Masks:
        """Masks out of each row's candidates.

        Args:
            frame: of the image.
            logits: N arrays (M, L, L), a row's candidates, best first.
            iou: N arrays (M,).
            model_id: see the class.
            windows_xyxy: see the class.
        """
        side = frame.low_res_px
        counts = [len(one) for one in iou]
        return cls(
            frame,
            np.concatenate([np.zeros((0, side, side), np.float32), *logits]),
            np.concatenate([np.zeros(0, np.float32), *iou]),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.intp),
            model_id,
            windows_xyxy,
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[Masks]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, rows: SupportsIndex | slice | list[int] | NDArray[np.generic]) -> Masks:
        """The rows asked for, as masks again: one index gives masks with one row."""
        chosen = np.atleast_1d(np.arange(len(self))[rows])
        spans = [np.arange(self.offsets[row], self.offsets[row + 1]) for row in chosen]
        kept = np.concatenate(spans) if spans else np.zeros(0, np.intp)
        counts = np.array([len(span) for span in spans], np.intp)
        return Masks(
            self.frame,
            self.candidate_logits[kept],
            self.candidate_iou[kept],
            np.concatenate([[0], np.cumsum(counts)]).astype(np.intp),
            self.model_id,
            tuple(self.windows_xyxy[row] for row in chosen) if self.windows_xyxy else (),
        )

    def _frame(self, row: int) -> Frame:
        """How what row's logits show lies on the canvas."""
        if not self.windows_xyxy:
            return self.frame
        return replace(self.frame, window_xyxy=self.windows_xyxy[row])

    @property
    def size_hw(self) -> tuple[int, int]:
        """(height, width) of the image in pixels."""
        return self.frame.size_hw

    @property
    def low_res_logits(self) -> FloatArray:
        """(N, L, L) float32 logits on the padded canvas, as a prompt's `mask_logits` wants them.

        Those of a row that shows a part of the image are brought onto the canvas of all of it.
        """
        logits = self.candidate_logits[self.offsets[:-1]]
        for row, window in enumerate(self.windows_xyxy):
            if window is not None:
                at_size = self._frame(row).logits_to_original(logits[row])
                logits[row] = self.frame.logits_to_low_res(at_size)
        return logits

    @property
    def predicted_iou(self) -> FloatArray:
        """(N,) float32: the model's own estimate of each mask's IoU; it may leave [0, 1]."""
        return self.candidate_iou[self.offsets[:-1]]

    @property
    def candidate_counts(self) -> NDArray[np.intp]:
        """(N,) candidates a row: 3 where the prompt was ambiguous, else 1."""
        return np.diff(self.offsets)

    def candidates(self, row: int) -> Masks:
        """All candidates of one row as masks of their own, best first."""
        row = range(len(self))[row]
        start, stop = self.offsets[row], self.offsets[row + 1]
        return Masks(
            self.frame,
            self.candidate_logits[start:stop],
            self.candidate_iou[start:stop],
            np.arange(stop - start + 1, dtype=np.intp),
            self.model_id,
            self.windows_xyxy[row : row + 1] * int(stop - start),
        )

    def iter_logits(self) -> Iterator[FloatArray]:
        """Each row's (H, W) float32 logits at image size, one at a time."""
        for row, first in enumerate(self.offsets[:-1]):
            yield self._frame(row).logits_to_original(self.candidate_logits[first])

    @property
    def logits(self) -> FloatArray:
        """(N, H, W) float32 logits at image size, computed anew at each call: 4 bytes a pixel."""
        logits = np.empty((len(self), *self.size_hw), np.float32)
        for row, one in enumerate(self.iter_logits()):
            logits[row] = one
        return logits

    @property
    def probability(self) -> FloatArray:
        """(N, H, W) float32 in [0, 1]: how likely each pixel belongs to the object."""
        from scipy.special import expit

        return np.asarray(expit(self.logits), np.float32)

    @cached_property
    def array(self) -> BoolArray:
        """(N, H, W) bool masks at image size."""
        masks = np.zeros((len(self), *self.size_hw), np.bool_)
        for row, logits in enumerate(self.iter_logits()):
            np.greater(logits, MASK_THRESHOLD, out=masks[row])
        masks.setflags(write=False)
        return masks

    @cached_property
    def stability(self) -> FloatArray:
        """(N,) float32 in [0, 1]: IoU of the masks at logit thresholds +1 and -1, image size."""
        scores = [stability_score(logits, MASK_THRESHOLD) for logits in self.iter_logits()]
        return np.array(scores, np.float32).reshape(len(self))

    @cached_property
    def areas(self) -> NDArray[np.int64]:
        """(N,) pixels in each mask."""
        return np.asarray(np.count_nonzero(self.array, axis=(1, 2)), np.int64)

    @cached_property
    def boxes_xyxy(self) -> NDArray[np.int64]:
        """(N, 4) half-open boxes around each mask; zeros for an empty one."""
        return boxes.boxes_from_masks(self.array)

    def rle(self) -> list[rle.Rle]:
        """Each mask as a COCO run-length code."""
        return [rle.encode(mask) for mask in self.array]

    def polygons(self, tolerance_px: float = 0.0) -> list[list[contours.Polygon]]:
        """Each mask as polygons with holes; a mask of several parts has several."""
        return [contours.polygons(mask, tolerance_px) for mask in self.array]

    def __repr__(self) -> str:
        height, width = self.size_hw
        return f"Masks({len(self)} x {height} x {width}, model {self.model_id or 'unknown'})"
