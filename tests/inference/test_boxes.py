"""Which of the decoder's answers a box gets."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.inference.boxes import agreement, cut_to_box, fill_box, fits

SIDE = 32
BOX = np.array([8.0, 8.0, 24.0, 24.0])


def filled(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    logits = np.full((SIDE, SIDE), -5, np.float32)
    logits[y0:y1, x0:x1] = 5
    return logits


def test_an_answer_that_fills_the_box_beats_a_part_of_it() -> None:
    part, whole = filled(8, 8, 14, 14), filled(8, 8, 24, 24)
    chosen = fill_box(np.array([part, whole, whole, part]), np.full(4, 0.9, np.float32), BOX)
    assert chosen.logits.shape == (1, SIDE, SIDE)
    np.testing.assert_array_equal(chosen.logits[0] > 0, whole > 0)


def test_the_single_answer_stands_where_all_agree() -> None:
    whole = filled(8, 8, 24, 24)
    chosen = fill_box(np.array([whole] * 4), np.array([0.9, 0.5, 0.5, 0.5], np.float32), BOX)
    assert chosen.iou[0] == np.float32(0.9)


def test_what_lies_beyond_the_box_is_cut_off() -> None:
    wide = filled(0, 8, 32, 24)
    cut = cut_to_box(wide[None], BOX)[0]
    np.testing.assert_array_equal(cut > 0, filled(7, 8, 25, 24) > 0)
    assert (np.abs(cut) == 5).all()


def test_all_answers_empty_give_an_empty_mask() -> None:
    nothing = np.full((4, SIDE, SIDE), -5, np.float32)
    chosen = fill_box(nothing, np.zeros(4, np.float32), BOX)
    assert not (chosen.logits > 0).any()


def test_fit_is_the_iou_of_boxes() -> None:
    masks = np.array([filled(8, 8, 24, 24), filled(8, 8, 16, 24), filled(0, 0, 0, 0)]) > 0
    np.testing.assert_allclose(fits(masks, BOX), [1, 0.5, 0])


def test_agreement_is_the_mean_iou_with_the_others() -> None:
    masks = np.array([filled(0, 0, 8, 8), filled(0, 0, 8, 8), filled(0, 0, 8, 4)]) > 0
    np.testing.assert_allclose(agreement(masks), [0.75, 0.75, 0.5])


def test_a_box_without_area_is_answered() -> None:
    point = np.array([4.0, 4.0, 4.0, 4.0])
    chosen = fill_box(np.array([filled(0, 0, 9, 9)] * 4), np.ones(4, np.float32), point)
    assert (chosen.logits > 0).sum() == pytest.approx(4, abs=5)
