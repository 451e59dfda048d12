"""What a measured implementation has to offer, so that all are asked in the same way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


class NotOfferedError(Exception):
    """The implementation has no such way to run; the reason is shown in the table."""


@dataclass(frozen=True)
class Decoded:
    """Low-res logits (N, M, 256, 256) and predicted IoU (N, M), float32."""

    logits: np.ndarray
    iou: np.ndarray


class Subject:
    """One implementation with its weights loaded. What it lacks, it does not override."""

    def encode(self, image: np.ndarray) -> np.ndarray:
        """(h, w, 3) uint8 RGB, the longer side 1024 pixels, to (256, 64, 64) float32."""
        raise NotOfferedError("has no encoder for this model")

    def hold(self, embedding: np.ndarray, size_hw: tuple[int, int]) -> None:
        """Take an encoded image of this size, about which the following calls ask."""
        raise NotOfferedError("takes no embedding")

    def decode(self, points_xy: np.ndarray) -> Decoded:
        """(N, 2) foreground points in pixels of the image, each a prompt, all candidates."""
        raise NotOfferedError("has no decoder")

    def mask(self, point_xy: tuple[float, float]) -> np.ndarray:
        """One click to the chosen mask, (H, W) bool."""
        raise NotOfferedError("has no predictor")

    def everything(self, photo: np.ndarray, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """(H, W, 3) uint8 RGB to records whose segmentation is compressed RLE."""
        raise NotOfferedError("has no everything mode")
