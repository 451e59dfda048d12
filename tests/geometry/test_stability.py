from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anymask.errors import MaskError
from anymask.geometry.regions import mask_iou
from anymask.geometry.stability import stability_score

some_logits = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.floats(-4, 4, width=32),
)


@given(some_logits, st.floats(-1, 1), st.floats(0, 2))
def test_score_is_the_iou_of_the_two_masks(
    logits: np.ndarray, threshold: float, offset: float
) -> None:
    high, low = logits > threshold + offset, logits > threshold - offset
    expected = mask_iou(high, low) if low.any() else 0.0
    assert stability_score(logits, threshold, offset) == pytest.approx(expected, rel=1e-6)


def test_worked_by_hand() -> None:
    logits = np.array([[2.0, 1.0, 0.5], [-0.5, -1.0, -3.0]])
    assert stability_score(logits) == np.float32(1 / 4)  # both comparisons are strict


def test_leading_axes_are_kept() -> None:
    logits = np.random.default_rng(0).standard_normal((2, 3, 5, 7)).astype(np.float32)
    scores = stability_score(logits)
    assert scores.shape == (2, 3)
    assert scores.dtype == np.float32
    assert scores[1, 2] == stability_score(logits[1, 2])
    assert stability_score(logits[0, 0]).shape == ()


def test_mask_without_a_pixel_scores_zero_not_nan() -> None:
    logits = np.stack([np.full((4, 4), -9.0), np.full((4, 4), 9.0)])
    assert stability_score(logits).tolist() == [0.0, 1.0]
    assert stability_score(np.zeros((3, 0, 5))).tolist() == [0.0, 0.0, 0.0]


def test_rows_longer_than_a_short_integer_do_not_overflow() -> None:
    assert stability_score(np.full((3, 70000), 5.0, np.float16)) == 1.0


def test_no_masks_score_nothing() -> None:
    assert stability_score(np.zeros((0, 4, 4))).shape == (0,)


@pytest.mark.parametrize(
    ("logits", "threshold", "offset", "message"),
    [
        (np.zeros(4), 0.0, 1.0, r"logits has shape \(4,\)"),
        (np.zeros((2, 2), bool), 0.0, 1.0, "logits has dtype bool"),
        (np.zeros((2, 2)), 0.0, -1.0, "offset is -1.0"),
        (np.zeros((2, 2)), 0.0, float("nan"), "offset is nan"),
        (np.zeros((2, 2)), float("inf"), 1.0, "threshold is inf"),
    ],
)
def test_wrong_input_is_refused_by_name(
    logits: np.ndarray, threshold: float, offset: float, message: str
) -> None:
    with pytest.raises(MaskError, match=message):
        stability_score(logits, threshold, offset)
