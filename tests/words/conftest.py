"""A scorer that tells colours, for tests without weights; and the real one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from anymask.io.weights.cache import locate
from anymask.io.weights.zoo import TEXT_ZOO
from anymask.types.records import CompactMask, MaskRecord
from anymask.words.load import load_scorer
from anymask.words.scorer import RegionTextScorer

COLOURS = ("red", "green", "blue")
SIZE_HW = (40, 60)


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


def record(x0: int, y0: int, x1: int, y1: int, iou: float = 0.9) -> MaskRecord:
    mask = np.zeros(SIZE_HW, bool)
    mask[y0:y1, x0:x1] = True
    box = (0, 0, SIZE_HW[1], SIZE_HW[0])
    return MaskRecord(CompactMask.from_array(mask), iou, 0.95, ((x0 + x1) / 2, (y0 + y1) / 2), box)


@pytest.fixture
def scorer() -> ColourScorer:
    return ColourScorer()


@pytest.fixture
def picture() -> np.ndarray:
    """Grey, with a red, a green and a blue field; regions of these are made by `record`."""
    image = np.full((*SIZE_HW, 3), 90, np.uint8)
    image[5:15, 5:15] = (250, 10, 10)
    image[5:15, 25:35] = (10, 250, 10)
    image[25:35, 5:25] = (10, 10, 250)
    return image


RED, GREEN, BLUE = record(5, 5, 15, 15), record(25, 5, 35, 15), record(5, 25, 25, 35)


@pytest.fixture(scope="session")
def offline_scorer() -> RegionTextScorer:
    """The scorer with published weights; never fetched by a test."""
    if any(locate(entry) is None for entry in TEXT_ZOO):
        pytest.skip("the weights for words are not in the cache; run `anymask models fetch text`")
    return load_scorer(offline=True)
