"""The way from the original image to the canvas and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from anymask.errors import ImageError, MaskError
from anymask.geometry.frames import MASK_LOGIT, Frame

SIZES = st.tuples(st.integers(1, 6000), st.integers(1, 6000))


@pytest.mark.parametrize(
    ("size_hw", "resized_hw"),
    [
        ((1500, 2250), (683, 1024)),
        ((480, 640), (768, 1024)),
        ((720, 1280), (576, 1024)),
        ((1080, 1920), (576, 1024)),
        ((534, 800), (684, 1024)),
        ((1024, 1024), (1024, 1024)),
        ((3, 4000), (1, 1024)),
    ],
)
def test_resized_sizes_are_the_published_ones(size_hw, resized_hw) -> None:
    assert Frame(size_hw).resized_hw == resized_hw


def test_an_extremely_thin_image_keeps_one_pixel() -> None:
    assert Frame((1, 5000)).resized_hw == (1, 1024)
    assert Frame((5000, 1)).resized_hw == (1024, 1)


@given(SIZES)
def test_the_longer_side_fills_the_canvas(size_hw) -> None:
    assert max(Frame(size_hw).resized_hw) == 1024


@given(SIZES, st.floats(0, 1), st.floats(0, 1))
def test_points_return_to_where_they_came_from(size_hw, across, down) -> None:
    frame = Frame(size_hw)
    point = np.array([across * size_hw[1], down * size_hw[0]])
    canvas = frame.points_to_canvas(point)
    assert (canvas <= np.array(frame.resized_hw[::-1]) + 1e-9).all()
    np.testing.assert_allclose(frame.points_to_original(canvas), point, atol=1e-9)


@given(SIZES)
def test_boxes_move_like_their_corners(size_hw) -> None:
    frame, box = Frame(size_hw), np.array([0.25, 0.5, 0.75, 0.9]) * 100
    corners = frame.points_to_canvas(box.reshape(2, 2)).reshape(4)
    np.testing.assert_allclose(frame.boxes_to_canvas(box), corners)
    np.testing.assert_allclose(frame.boxes_to_original(frame.boxes_to_canvas(box)), box)


@pytest.mark.parametrize("size_hw", [(480, 640), (640, 480), (77, 1000), (1500, 1400), (3, 2000)])
def test_logits_at_image_size_equal_the_published_post_processing(size_hw) -> None:
    frame = Frame(size_hw)
    logits = np.random.default_rng(0).normal(size=(2, 256, 256)).astype(np.float32)
    canvas = F.interpolate(torch.from_numpy(logits)[None], (1024, 1024), mode="bilinear")
    height, width = frame.resized_hw
    expected = F.interpolate(canvas[..., :height, :width], size_hw, mode="bilinear")[0].numpy()
    got = frame.logits_to_original(logits)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=2e-4)  # torch places samples in float32


def test_low_res_logits_of_another_size_are_refused() -> None:
    with pytest.raises(MaskError, match=r"must end in shape \(256, 256\); got \(1, 128, 128\)"):
        Frame((10, 10)).logits_to_original(np.zeros((1, 128, 128), np.float32))


@settings(deadline=None, max_examples=30)
@given(st.tuples(st.integers(20, 700), st.integers(20, 700)))
def test_a_mask_survives_the_way_to_the_decoder_and_back(size_hw) -> None:
    height, width = size_hw
    mask = np.zeros(size_hw, np.float32)
    mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 1
    frame = Frame(size_hw)
    logits = frame.coverage_to_logits(mask)
    back = frame.logits_to_original(logits) > 0
    assert (back & (mask > 0)).sum() / (back | (mask > 0)).sum() > 0.8


def test_the_padding_of_a_mask_prompt_is_background() -> None:
    frame = Frame((320, 480))
    logits = frame.coverage_to_logits(np.ones((320, 480), np.float32))
    rows = -(-frame.resized_hw[0] // 4)
    np.testing.assert_allclose(logits[: rows - 1], MASK_LOGIT, atol=1e-4)
    np.testing.assert_allclose(logits[rows:], -MASK_LOGIT, atol=1e-4)


def test_a_mask_of_another_size_is_refused_with_both_sizes() -> None:
    with pytest.raises(MaskError, match=r"\(10, 20\).*\(20, 10\)"):
        Frame((20, 10)).coverage_to_logits(np.zeros((10, 20), np.float32))


@pytest.mark.parametrize(("size_hw", "canvas"), [((0, 5), 1024), ((5, 5), 0), ((5, 5), 1022)])
def test_impossible_sizes_are_refused(size_hw, canvas) -> None:
    with pytest.raises(ImageError, match=r"size_hw|canvas_px"):
        Frame(size_hw, canvas)


WINDOWED = Frame((100, 200), window_xyxy=(40, 10, 120, 60))


def test_a_window_fills_the_canvas() -> None:
    assert WINDOWED.shown_hw == (50, 80)
    assert WINDOWED.resized_hw == (640, 1024)
    np.testing.assert_allclose(
        WINDOWED.points_to_canvas([(40, 10), (120, 60)]), [(0, 0), (1024, 640)]
    )
    np.testing.assert_allclose(WINDOWED.points_to_original([(0, 0)]), [(40, 10)])
    boxes = np.array([[50, 20, 60, 30], [40, 10, 120, 60]])
    there = WINDOWED.boxes_to_canvas(boxes)
    np.testing.assert_allclose(there[1], (0, 0, 1024, 640))
    np.testing.assert_allclose(WINDOWED.boxes_to_original(there), boxes)


def test_beyond_a_window_is_background() -> None:
    logits = WINDOWED.logits_to_original(np.full((2, 256, 256), 3, np.float32))
    assert logits.shape == (2, 100, 200)
    np.testing.assert_allclose(logits[:, 10:60, 40:120], 3, atol=1e-5)
    assert (logits[:, :10] == -MASK_LOGIT).all()
    assert (logits[:, :, 120:] == -MASK_LOGIT).all()


def test_logits_go_to_the_canvas_of_a_window_and_back() -> None:
    ys, xs = np.mgrid[:100, :200].astype(np.float32)
    logits = 20 - np.hypot(xs - 80, ys - 35)
    low_res = WINDOWED.logits_to_low_res(logits)
    assert low_res.shape == (256, 256)
    assert (low_res[160:] == -MASK_LOGIT).all()  # the padding
    back = WINDOWED.logits_to_original(low_res)
    np.testing.assert_allclose(back[12:58, 42:118], logits[12:58, 42:118], atol=0.6)


def test_a_mask_is_seen_through_the_window() -> None:
    coverage = np.zeros((100, 200), np.float32)
    coverage[10:35, 40:80] = 1
    low_res = WINDOWED.coverage_to_logits(coverage)
    assert (low_res[:79, :127] == MASK_LOGIT).all()
    assert (low_res[81:, :] == -MASK_LOGIT).all()


@pytest.mark.parametrize("window", [(-1, 0, 5, 5), (0, 0, 201, 50), (10, 10, 10, 20)])
def test_a_window_beyond_the_image_is_refused(window: tuple[int, int, int, int]) -> None:
    with pytest.raises(ImageError, match="window_xyxy"):
        Frame((100, 200), window_xyxy=window)
