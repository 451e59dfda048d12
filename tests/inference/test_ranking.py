"""Which candidate of one click is the object that was meant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_cdt

from anymask.inference.ranking import border_share, depth, inner_distances, plausibility

SIDE = 32


def disc(radius: float, centre_xy: tuple[float, float] = (16, 16)) -> np.ndarray:
    """Logits: above 0 inside of a disc, steep at its edge."""
    ys, xs = np.mgrid[:SIDE, :SIDE] + 0.5
    return (5 * (radius - np.hypot(xs - centre_xy[0], ys - centre_xy[1]))).astype(np.float32)


def best(logits: list[np.ndarray], iou: list[float], xy: tuple[float, float] = (16, 16)) -> int:
    ranks = plausibility(np.array(logits), np.array(iou, np.float32), np.array([xy]))
    return int(ranks.argmax())


def test_of_equally_plausible_masks_the_one_of_highest_predicted_iou_is_chosen() -> None:
    assert best([disc(6), disc(6), disc(6)], [0.7, 0.9, 0.8]) == 1


def test_a_mask_of_the_whole_scene_needs_far_more_predicted_iou() -> None:
    scene = np.full((SIDE, SIDE), 9, np.float32)
    assert best([disc(6), scene], [0.7, 0.99]) == 0


def test_a_mask_with_the_click_at_its_edge_loses_against_one_with_the_click_in_its_middle() -> None:
    assert best([disc(6), disc(6, (20.5, 16))], [0.8, 0.85]) == 0


def test_a_mask_that_hangs_on_the_threshold_loses_against_a_clear_one() -> None:
    assert best([disc(6), disc(6) / 50], [0.8, 0.85]) == 0


def test_without_a_point_the_place_of_masks_does_not_count() -> None:
    ranks = plausibility(
        np.array([disc(6), disc(6, (12, 16))]), np.ones(2, np.float32), np.zeros((0, 2))
    )
    assert ranks[0] == pytest.approx(ranks[1], abs=0.01)


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_distances_are_those_of_an_oracle(mask: np.ndarray) -> None:
    padded = np.pad(mask, 1)
    expected = distance_transform_cdt(padded, metric="taxicab")[1:-1, 1:-1]
    np.testing.assert_array_equal(inner_distances(mask), expected)


def test_depth_is_one_in_the_middle_and_zero_outside() -> None:
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    assert depth(mask, np.array([[4.5, 4.5]])) == 1
    assert depth(mask, np.array([[0.5, 0.5]])) == 0
    assert depth(mask, np.array([[9.0, 9.0]])) == 0
    assert depth(mask, np.array([[4.5, 4.5], [0.5, 0.5]])) == 0.5
    assert depth(np.zeros((9, 9), bool), np.array([[4.5, 4.5]])) == 0


def test_border_share_counts_each_cell_of_the_edge_once() -> None:
    whole = np.ones((5, 7), bool)
    corner = np.zeros((5, 7), bool)
    corner[0, 0] = True
    np.testing.assert_allclose(border_share(np.array([whole, corner])), [1, 1 / 20])
