from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from anymask.errors import MaskError
from anymask.formats.labelstudio import decode_brush, encode_brush, percent_points, pixel_points
from conftest import REPOSITORY

GOLDEN = json.loads((REPOSITORY / "tests/golden/label_studio_brush.json").read_bytes())["cases"]
WHITE = [case for case in GOLDEN if case["name"] != "coloured"]
MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=40))


def drawn(case: dict) -> np.ndarray:
    return np.array([[pixel == "#" for pixel in row] for row in case["rows"]])


@given(MASKS)
def test_a_mask_comes_back_from_its_code(mask):
    assert np.array_equal(decode_brush(encode_brush(mask), mask.shape), mask)


@given(MASKS)
def test_the_code_is_bytes_and_ready_for_json(mask):
    code = encode_brush(mask)
    assert all(type(value) is int and 0 <= value <= 255 for value in code)
    assert json.loads(json.dumps(code)) == code


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_codes_made_by_label_studio_are_read(case):
    mask = decode_brush(case["rle"], tuple(case["size"]))
    assert mask.shape == tuple(case["size"])
    if "rows" in case:
        assert np.array_equal(mask, drawn(case))


@pytest.mark.parametrize("case", WHITE, ids=lambda case: case["name"])
def test_codes_equal_those_made_by_label_studio(case):
    code = encode_brush(decode_brush(case["rle"], tuple(case["size"])))
    # Label Studio's Python package fills up whole bytes with one more
    assert case["rle"] in (code, [*code, 0])


def test_runs_longer_than_the_format_counts_are_cut():
    mask = np.zeros((700, 501), np.bool_)
    mask[300:] = True
    code = encode_brush(mask)
    assert len(code) < 100
    assert np.array_equal(decode_brush(code, mask.shape), mask)


def test_rows_and_columns_are_not_exchanged():
    mask = np.zeros((2, 3), np.bool_)
    mask[0, 2] = True
    assert np.array_equal(decode_brush(encode_brush(mask), (2, 3)), mask)
    assert not np.array_equal(decode_brush(encode_brush(mask), (3, 2)), mask.T)


@given(MASKS, st.data())
def test_a_code_that_is_cut_off_says_so(mask, data):
    code = encode_brush(mask)
    short = code[: data.draw(st.integers(0, len(code) - 2))]
    with pytest.raises(MaskError, match="cut off"):
        decode_brush(short, mask.shape)


@given(st.binary(max_size=60))
def test_damaged_codes_are_mask_errors(data):
    with contextlib.suppress(MaskError):
        assert decode_brush(data, (3, 4)).shape == (3, 4)


def test_a_code_of_another_size_is_refused_before_anything_is_made():
    code = [0xFF, 0xFF, 0xFF, 0xFF, *encode_brush(np.ones((2, 2)))[4:]]
    with pytest.raises(MaskError, match="holds 4294967295 values but 2 x 2 pixels"):
        decode_brush(code, (2, 2))


@pytest.mark.parametrize("code", ["text", [1.5], [300], [-1], None, 10**12])
def test_what_is_no_list_of_bytes_is_refused(code):
    with pytest.raises(MaskError, match="whole numbers 0 to 255"):
        decode_brush(code, (2, 2))


@pytest.mark.parametrize("mask", [np.zeros((0, 4)), np.zeros(4), np.full((2, 2), 7)])
def test_what_is_no_mask_is_refused(mask):
    with pytest.raises(MaskError, match="mask has"):
        encode_brush(mask)


def test_points_are_per_cent_of_width_and_height():
    assert percent_points([[150, 100], [300, 400]], (400, 600)) == [[25.0, 25.0], [50.0, 100.0]]
    assert percent_points([[-3, 500]], (400, 600)) == [[0.0, 100.0]]


@given(
    arrays(np.float64, (5, 2), elements=st.floats(0, 50)),
    st.tuples(st.integers(50, 5000), st.integers(50, 5000)),
)
def test_points_come_back_in_pixels(points, size_hw):
    assert np.allclose(pixel_points(percent_points(points, size_hw), size_hw), points)
