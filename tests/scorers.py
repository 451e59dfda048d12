"""A scorer that tells colours, for tests without weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anymask.types.records import CompactMask

COLOURS = ("red", "green", "blue")


class ColourScorer:
    """Knows "red", "green" and "blue": a region is the shares of its mean colour."""

    name = "colours"
    threshold = 0.5

    def embed_regions(self, image_rgb: np.ndarray, regions: Sequence[CompactMask]) -> np.ndarray:
        means = [image_rgb[one.array].mean(axis=0) for one in regions]
        rows = np.array(means, np.float32).reshape(-1, 3)
        return rows / np.maximum(rows.sum(axis=1, keepdims=True), 1)

    def embed_phrases(self, phrases: Sequence[str]) -> np.ndarray:
        return np.array([[colour in one for colour in COLOURS] for one in phrases], np.float32)
