from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from anymask.evaluation.overlap import mask_iou, pairwise_iou
from anymask.types.records import CompactMask


def scattered(seed: int, count: int) -> np.ndarray:
    """Rectangles with holes, (count, 20, 30)."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, 20, 30), np.bool_)
    for mask in masks:
        y, x = rng.integers(0, 15), rng.integers(0, 25)
        mask[y : y + rng.integers(1, 12), x : x + rng.integers(1, 12)] = True
    return masks & (rng.random(masks.shape) < 0.8)


def encoded(masks: np.ndarray) -> list[dict]:
    return [coco_mask.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in masks]


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 5))
def test_pairwise_iou_is_that_of_pycocotools(seed: int, first: int, second: int) -> None:
    a, b = scattered(seed, first), scattered(seed + 1, second)
    crowd = [bool(number % 2) for number in range(second)]
    expected = coco_mask.iou(encoded(a), encoded(b), [int(one) for one in crowd])
    ours = pairwise_iou(
        [CompactMask.from_array(one) for one in a],
        [CompactMask.from_array(one) for one in b],
        crowd=crowd,
    )
    np.testing.assert_allclose(ours, expected)


def test_two_empty_masks_agree() -> None:
    empty = np.zeros((3, 3), np.bool_)
    assert mask_iou(empty, empty) == 1.0


def test_unsure_pixels_count_for_nothing() -> None:
    truth = np.array([[1, 1, 0, 0]], np.bool_)
    prediction = np.array([[1, 1, 1, 0]], np.bool_)
    assert mask_iou(prediction, truth) == pytest.approx(2 / 3)
    assert mask_iou(prediction, truth, np.array([[0, 0, 1, 0]], np.bool_)) == 1.0
