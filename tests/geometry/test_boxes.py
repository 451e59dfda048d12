from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anymask.errors import AnymaskError, MaskError
from anymask.geometry.boxes import (
    as_mask,
    box_areas,
    box_from_mask,
    box_iou,
    boxes_from_masks,
    clip_boxes,
    nms,
    pad_boxes,
    sam_bbox_xywh,
    xywh_to_xyxy,
    xyxy_to_xywh,
)

any_mask = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9))
coordinates = st.floats(-50, 50, width=32)


@st.composite
def box_lists(draw: st.DrawFn) -> np.ndarray:
    """Any number of boxes, some of them without area."""
    corners = draw(
        hnp.arrays(np.float64, st.tuples(st.integers(0, 8), st.just(4)), elements=coordinates)
    )
    return np.concatenate(
        [np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], 1
    )


def square_6x8() -> np.ndarray:
    mask = np.zeros((6, 8), bool)
    mask[1:4, 2:5] = True
    return mask


@pytest.mark.parametrize(
    ("mask", "half_open", "published"),
    [
        (square_6x8(), [2, 1, 5, 4], [2, 1, 2, 2]),
        (np.ones((6, 8), bool), [0, 0, 8, 6], [0, 0, 7, 5]),
        (np.zeros((6, 8), bool), [0, 0, 0, 0], [0, 0, 0, 0]),
        (np.ones((1, 1), bool), [0, 0, 1, 1], [0, 0, 0, 0]),
    ],
)
def test_reference_boxes(mask: np.ndarray, half_open: list[int], published: list[int]) -> None:
    assert box_from_mask(mask).tolist() == half_open
    assert sam_bbox_xywh(mask).tolist() == published
    assert box_from_mask(mask).dtype == np.int64


def test_published_box_of_the_reference_disc() -> None:
    y, x = np.mgrid[:300, :400]
    disc = (y - 150) ** 2 + (x - 200) ** 2 < 100
    assert sam_bbox_xywh(disc).tolist() == [191, 141, 18, 18]
    assert xyxy_to_xywh(box_from_mask(disc)).tolist() == [191, 141, 19, 19]


@given(any_mask)
def test_box_is_the_range_of_the_pixels(mask: np.ndarray) -> None:
    rows, columns = np.nonzero(mask)
    expected = [0, 0, 0, 0]
    if rows.size:
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert box_from_mask(mask).tolist() == expected


def test_boxes_of_a_stack_equal_boxes_one_by_one() -> None:
    masks = np.random.default_rng(0).random((20, 7, 5)) < 0.05
    np.testing.assert_array_equal(boxes_from_masks(masks), [box_from_mask(m) for m in masks])


@pytest.mark.parametrize("shape", [(0, 4, 5), (3, 0, 5), (3, 4, 0)])
def test_stack_without_pixels_has_zero_boxes(shape: tuple[int, int, int]) -> None:
    assert boxes_from_masks(np.zeros(shape, bool)).tolist() == [[0, 0, 0, 0]] * shape[0]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_numbers_zero_and_one_are_a_mask(dtype: type) -> None:
    np.testing.assert_array_equal(as_mask(square_6x8().astype(dtype)), square_6x8())


def test_boolean_mask_is_not_copied() -> None:
    mask = square_6x8()
    assert as_mask(mask) is mask


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((1, 4, 5)), r"mask has shape \(1, 4, 5\)"),
        (np.zeros(4), r"mask has shape \(4,\)"),
        ([], r"mask has shape \(0,\)"),
        (np.array([[0, 255]], np.uint8), "mask has values from 0 to 255"),
        (np.array([[0.0, np.nan]]), "mask has values from nan to nan"),
        (np.array([["a"]]), "mask has dtype <U1"),
        (np.array([[1 + 0j]]), "mask has dtype complex128"),
        ([[1, 0], [1]], "mask cannot be read as an array"),
    ],
)
def test_what_is_no_mask_is_refused_by_name(value: object, message: str) -> None:
    with pytest.raises(MaskError, match=message) as caught:
        as_mask(value)  # type: ignore[arg-type]
    assert isinstance(caught.value, AnymaskError)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def test_single_mask_where_a_stack_is_needed_is_refused() -> None:
    with pytest.raises(MaskError, match=r"masks has shape \(4, 5\).*mask\[None\]"):
        boxes_from_masks(np.zeros((4, 5), bool))


@given(hnp.arrays(np.int64, (5, 4), elements=st.integers(-1000, 1000)))
def test_corner_and_size_forms_round_trip(boxes: np.ndarray) -> None:
    there_and_back = xywh_to_xyxy(xyxy_to_xywh(boxes))
    np.testing.assert_array_equal(there_and_back, boxes)
    assert there_and_back.dtype == np.int64


def test_unsigned_and_short_integers_do_not_wrap() -> None:
    assert xyxy_to_xywh(np.array([9, 9, 2, 2], np.uint8)).tolist() == [9, 9, -7, -7]
    assert xywh_to_xyxy(np.array([200, 0, 100, 1], np.uint8)).tolist() == [200, 0, 300, 1]
    assert pad_boxes(np.array([1, 1, 3, 3], np.uint16), 2).tolist() == [-1, -1, 5, 5]
    assert box_areas(np.array([0, 0, 30000, 30000], np.int16)) == 9e8


def test_clipping_keeps_to_the_picture() -> None:
    boxes = [[-5, -5, 3, 4], [2, 2, 90, 80], [50, 50, 60, 60]]
    clipped = clip_boxes(boxes, (20, 30))
    assert clipped.tolist() == [[0, 0, 3, 4], [2, 2, 30, 20], [30, 20, 30, 20]]
    assert box_areas(clipped).tolist() == [12, 28 * 18, 0]


def test_padding_grows_boxes_but_not_empty_ones() -> None:
    boxes = [[5, 5, 10, 10], [0, 0, 0, 0]]
    assert pad_boxes(boxes, 2).tolist() == [[3, 3, 12, 12], [0, 0, 0, 0]]
    assert pad_boxes(boxes, 7, (11, 30)).tolist() == [[0, 0, 17, 11], [0, 0, 0, 0]]
    assert pad_boxes(boxes[0], 0.5).tolist() == [4.5, 4.5, 10.5, 10.5]
    assert pad_boxes(boxes, 2).dtype == np.int64


@pytest.mark.parametrize("padding", [-1, float("nan"), float("inf")])
def test_padding_that_is_no_margin_is_refused(padding: float) -> None:
    with pytest.raises(MaskError, match="padding_px is"):
        pad_boxes([0, 0, 1, 1], padding)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (np.zeros((2, 3)), r"shape \(2, 3\)"),
        (np.zeros(()), r"shape \(\)"),
        ([[0, 0, np.nan, 1]], "not finite"),
        ([[0, 0, np.inf, 1]], "not finite"),
        ([[True, False, True, True]], "dtype bool"),
        ([["a", "b", "c", "d"]], "dtype <U1"),
    ],
)
def test_what_are_no_boxes_is_refused_by_name(boxes: object, message: str) -> None:
    with pytest.raises(MaskError, match=f"boxes_xyxy has .*{message}"):
        xyxy_to_xywh(boxes)  # type: ignore[arg-type]


def test_iou_worked_by_hand() -> None:
    a = [[0, 0, 10, 10], [0, 0, 0, 0]]
    b = [[5, 0, 15, 10], [0, 0, 10, 10], [10, 0, 20, 10], [0, 0, 0, 0]]
    np.testing.assert_allclose(box_iou(a, b), [[1 / 3, 1, 0, 0], [0, 0, 0, 0]])


@given(box_lists(), box_lists())
def test_iou_is_never_nan_and_in_range(a: np.ndarray, b: np.ndarray) -> None:
    iou = box_iou(a, b)
    assert iou.shape == (len(a), len(b))
    assert np.all((iou >= 0) & (iou <= 1))
    np.testing.assert_array_equal(iou.T, box_iou(b, a))


@given(any_mask, any_mask)
def test_iou_of_filled_boxes_is_iou_of_their_pixels(a: np.ndarray, b: np.ndarray) -> None:
    filled = []
    for box in (box_from_mask(a), box_from_mask(b)):
        pixels = np.zeros((9, 9), bool)
        pixels[box[1] : box[3], box[0] : box[2]] = True
        filled.append(pixels)
    union = (filled[0] | filled[1]).sum()
    expected = (filled[0] & filled[1]).sum() / union if union else 0.0
    assert box_iou([box_from_mask(a)], [box_from_mask(b)])[0, 0] == pytest.approx(expected)


def test_iou_with_no_boxes_has_the_right_shape() -> None:
    assert box_iou([], [[0, 0, 1, 1]]).shape == (0, 1)
    assert box_iou(np.zeros((2, 4)), []).shape == (2, 0)


def test_iou_of_an_inside_out_box_is_zero() -> None:
    assert box_iou([[8, 8, 2, 2]], [[0, 0, 10, 10]])[0, 0] == 0


def greedy(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    """The definition, one pair after the other."""
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(box_iou([boxes[k]], [boxes[i]])[0, 0] <= threshold for k in kept):
            kept.append(i)
    return kept


@given(box_lists(), st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.data())
def test_nms_follows_its_definition(
    boxes: np.ndarray, threshold: float, data: st.DataObject
) -> None:
    scores = data.draw(
        hnp.arrays(np.float64, len(boxes), elements=st.sampled_from([0.1, 0.5, 0.9]))
    )
    assert nms(boxes, scores, threshold).tolist() == greedy(boxes, scores, threshold)


def test_nms_suppresses_only_above_the_threshold() -> None:
    boxes = [[0, 0, 10, 10], [0, 0, 10, 5]]  # IoU exactly 0.5
    assert nms(boxes, [0.9, 0.8], 0.5).tolist() == [0, 1]
    assert nms(boxes, [0.9, 0.8], 0.49).tolist() == [0]
    assert nms(boxes, [0.8, 0.9], 0.49).tolist() == [1]


def test_nms_keeps_the_first_of_equal_scores() -> None:
    assert nms([[0, 0, 4, 4]] * 3, [1, 1, 1], 0.7).tolist() == [0]


def test_nms_suppresses_lines_one_pixel_wide() -> None:
    line = np.zeros((9, 9), bool)
    line[4, 1:8] = True
    assert nms(boxes_from_masks([line, line]), [0.5, 0.6], 0.7).tolist() == [1]


def test_nms_of_nothing_and_of_empty_masks() -> None:
    kept = nms([], [], 0.7)
    assert kept.shape == (0,)
    assert kept.dtype == np.int64
    assert nms(np.zeros((2, 4)), [0.1, 0.2], 0.7).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("scores", "threshold", "message"),
    [
        ([0.5], 0.7, r"scores has shape \(1,\)"),
        ([0.5, np.nan], 0.7, "scores has a value"),
        ([0.5, 0.5], 1.5, "iou_threshold is 1.5"),
        ([0.5, 0.5], float("nan"), "iou_threshold is nan"),
    ],
)
def test_nms_refuses_wrong_input_by_name(
    scores: list[float], threshold: float, message: str
) -> None:
    with pytest.raises(MaskError, match=message):
        nms([[0, 0, 1, 1], [0, 0, 2, 2]], scores, threshold)
