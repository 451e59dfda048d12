from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from anymask.evaluation.points import (
    Click,
    centre_click,
    deepest,
    jittered_box,
    next_click,
    random_click,
    truth_box,
)

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))
NOTHING_UNSURE = np.zeros((), np.bool_)


def brute_depth(mask: np.ndarray, y: int, x: int) -> float:
    padded = np.pad(mask, 1)
    ys, xs = np.nonzero(~padded)
    return float(np.hypot(ys - y - 1, xs - x - 1).min())


@given(masks)
def test_the_deepest_pixel_is_that_of_brute_force_and_the_first_of_equals(mask: np.ndarray) -> None:
    depths = np.array(
        [
            [brute_depth(mask, y, x) if mask[y, x] else 0.0 for x in range(mask.shape[1])]
            for y in range(mask.shape[0])
        ]
    )
    depth, (x, y) = deepest(mask)
    assert depth == pytest.approx(depths.max())
    if mask.any():
        assert (y, x) == np.unravel_index(int(depths.argmax()), mask.shape)


def test_the_border_of_the_picture_counts_as_outside() -> None:
    assert centre_click(np.ones((5, 9), np.bool_)) == Click((2, 2), foreground=True)


def test_the_deeper_of_missing_and_excess_gets_the_click() -> None:
    truth, prediction = np.zeros((2, 12, 24), np.bool_)
    truth[2:9, 2:9] = True
    prediction[3:6, 14:17] = True
    assert next_click(truth, prediction, NOTHING_UNSURE) == Click((5, 5), foreground=True)
    assert next_click(prediction, truth, NOTHING_UNSURE) == Click((5, 5), foreground=False)


def test_between_equally_deep_errors_the_click_says_background() -> None:
    truth, prediction = np.zeros((2, 6, 12), np.bool_)
    truth[1:4, 1:4] = True
    prediction[1:4, 7:10] = True
    assert next_click(truth, prediction, NOTHING_UNSURE) == Click((8, 2), foreground=False)


def test_a_perfect_mask_needs_no_click() -> None:
    mask = np.eye(4, dtype=np.bool_)
    assert next_click(mask, mask, NOTHING_UNSURE) is None


def test_unsure_pixels_are_no_errors() -> None:
    truth, prediction = np.zeros((2, 6, 6), np.bool_)
    truth[1:4, 1:4] = True
    assert next_click(truth, prediction, truth) is None


@given(masks, st.integers(0, 9))
def test_a_random_click_lies_on_the_object(mask: np.ndarray, seed: int) -> None:
    if mask.any():
        x, y = random_click(mask, np.random.default_rng(seed)).xy
        assert mask[y, x]


def test_a_box_ends_at_the_last_pixel() -> None:
    mask = np.zeros((8, 8), np.bool_)
    mask[2:5, 1:7] = True
    assert truth_box(mask).tolist() == [1, 2, 6, 4]


@given(st.integers(0, 200))
def test_a_careless_box_stays_in_the_picture_and_near(seed: int) -> None:
    box = np.array([10.0, 20.0, 390.0, 280.0])
    moved = jittered_box(box, (300, 400), np.random.default_rng(seed))
    assert (np.abs(moved - box) <= 20).all()
    assert 0 <= moved[0] <= moved[2] <= 399
    assert 0 <= moved[1] <= moved[3] <= 299
