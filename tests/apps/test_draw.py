from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anymask.apps.draw import PALETTE, line_width_px, overlay
from anymask.errors import ImageError, MaskError
from anymask.types.prompt import Prompt

GREY = np.full((120, 160, 3), 128, np.uint8)


def block(y0: int, y1: int, x0: int, x1: int, size_hw=(120, 160)) -> np.ndarray:
    mask = np.zeros(size_hw, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_the_fill_mixes_colour_and_picture_and_the_rest_stays():
    painted = overlay(GREY, block(20, 100, 20, 140), opacity=0.5)
    expected = np.rint(128 + (np.array(PALETTE[0]) - 128) * 0.5)
    np.testing.assert_array_equal(painted[60, 80], expected)
    np.testing.assert_array_equal(painted[5, 5], GREY[5, 5])
    assert (GREY == 128).all(), "the picture given is not changed"


def test_the_outline_is_opaque_on_the_border_even_without_fill():
    painted = overlay(GREY, block(20, 100, 20, 140), opacity=0)
    assert tuple(painted[60, 20]) == PALETTE[0]
    assert tuple(painted[60, 80]) == (128, 128, 128)


def test_neighbours_get_different_colours():
    painted = overlay(GREY, np.stack([block(10, 50, 10, 70), block(60, 110, 80, 150)]), opacity=1)
    assert (tuple(painted[30, 40]), tuple(painted[85, 115])) == PALETTE[:2]
    assert len(set(PALETTE)) == len(PALETTE)


def test_a_small_mask_stays_visible_on_a_large_one_in_any_order():
    large, small = block(5, 115, 5, 155), block(50, 70, 70, 90)
    first = overlay(GREY, np.stack([small, large]), opacity=1)
    second = overlay(GREY, np.stack([large, small]), opacity=1)
    assert tuple(first[60, 80]) == PALETTE[0]
    assert tuple(second[60, 80]) == PALETTE[1]


def test_the_single_pixel_of_a_mask_can_be_seen():
    painted = overlay(GREY, block(60, 61, 80, 81))
    assert tuple(painted[60, 80]) == PALETTE[0]


def test_an_empty_mask_and_no_mask_change_nothing():
    np.testing.assert_array_equal(overlay(GREY, np.zeros((120, 160), bool)), GREY)
    np.testing.assert_array_equal(overlay(GREY, np.zeros((0, 120, 160), bool)), GREY)


def test_foreground_and_background_points_differ_by_colour_and_sign():
    image = np.full((450, 600, 3), 128, np.uint8)
    prompt = Prompt(points=[(100.5, 200.5), (300.5, 200.5)], labels=[1, 0])
    painted = overlay(image, np.zeros((450, 600), bool), [prompt]).astype(int)
    beside_the_sign = np.s_[197, [97, 297]]  # between the bars of the plus
    green, red = painted[beside_the_sign]
    assert green[1] > green[0]
    assert red[0] > red[1]
    assert painted[200, [100, 300]].tolist() == [[255] * 3] * 2
    above_the_middle = painted[198, [100, 300]]
    assert above_the_middle[0].tolist() == [255] * 3
    assert above_the_middle[1].tolist() == red.tolist()


def test_a_box_is_drawn_along_its_sides_only():
    painted = overlay(GREY, np.zeros((120, 160), bool), [Prompt(box=(20, 30, 140, 100))])
    for y, x in ((30, 80), (99, 80), (60, 20), (60, 139)):
        assert painted[y, x].tolist() != [128, 128, 128]
    for y, x in ((60, 80), (10, 80), (60, 5), (110, 150)):
        assert painted[y, x].tolist() == [128, 128, 128]


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.lists(st.floats(-30, 70), min_size=4, max_size=4),
    st.tuples(st.floats(-20, 60), st.floats(-20, 60)),
)
def test_prompts_anywhere_on_pictures_of_any_size_are_drawn_without_trouble(size_hw, box, point):
    image = np.zeros((*size_hw, 3), np.uint8)
    x0, x1 = sorted(box[:2])
    y0, y1 = sorted(box[2:])
    prompt = Prompt(points=[point], box=(x0, y0, x1, y1))
    assert overlay(image, np.ones(size_hw, bool), [prompt]).shape == image.shape


def test_lines_grow_with_the_picture():
    assert line_width_px((512, 512)) == 1.5
    assert line_width_px((3000, 4200)) == 10


def test_a_twelve_megapixel_picture_takes_no_seconds():
    image = np.zeros((3000, 4000, 3), np.uint8)
    mask = block(200, 2800, 200, 3800, (3000, 4000))
    started = time.perf_counter()
    overlay(image, mask, [Prompt(box=(200, 200, 3800, 2800))])
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("image", "masks", "options", "error"),
    [
        (GREY[..., 0], np.zeros((120, 160), bool), {}, ImageError),
        (GREY.astype(float), np.zeros((120, 160), bool), {}, ImageError),
        (GREY, np.zeros((160, 120), bool), {}, MaskError),
        (GREY, np.zeros((120, 160)), {}, MaskError),
        (GREY, np.zeros((120, 160), bool), {"opacity": 2}, ImageError),
        (GREY, np.zeros((120, 160), bool), {"palette": ()}, ImageError),
        (GREY, np.zeros((120, 160), bool), {"prompts": [Prompt(points=[(1, 1)])] * 2}, MaskError),
    ],
)
def test_wrong_arguments_are_refused(image, masks, options, error):
    with pytest.raises(error):
        overlay(image, masks, **options)


def test_markers_leave_a_small_object_in_a_large_picture_visible() -> None:
    image = np.full((2000, 3000, 3), 120, np.uint8)
    mask = np.zeros((2000, 3000), bool)
    mask[1000:1048, 500:548] = True
    click, box = Prompt(points=[(524, 1024)]), Prompt(box=(500, 1000, 548, 1048))
    for prompt in (click, box):
        painted = overlay(image, mask, [prompt], opacity=0)
        touched = (painted != image).any(axis=2)
        assert not touched[:990].any()
        assert touched[1000:1048, 500:548].mean() < 0.5
    assert (overlay(image, mask, [click], opacity=0)[1024, 524] != 120).any()
