"""Regions of a picture in three colours, and scorers."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.types.records import CompactMask, MaskRecord
from scorers import ColourScorer

SIZE_HW = (40, 60)


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
