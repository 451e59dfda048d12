from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anymask.apps.cutout import cutout
from anymask.errors import ImageError, MaskError

IMAGE = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


@given(arrays(np.bool_, (6, 8)), st.booleans())
def test_colours_stay_inside_and_nothing_is_left_outside(mask, crop):
    rgba = cutout(IMAGE, mask, crop=crop)
    inside = rgba[..., 3] == 255
    assert inside.sum() == mask.sum()
    np.testing.assert_array_equal(rgba[inside][:, :3], IMAGE[mask])
    assert not rgba[~inside].any()


def test_cropped_to_the_box():
    mask = np.zeros((6, 8), bool)
    mask[1:3, 2:7] = True
    assert cutout(IMAGE, mask).shape == (2, 5, 4)
    assert cutout(IMAGE, mask, crop=False).shape == (6, 8, 4)


def test_an_empty_mask_gives_a_transparent_picture():
    empty = np.zeros((6, 8), bool)
    assert cutout(IMAGE, empty).tolist() == [[[0, 0, 0, 0]]]
    assert not cutout(IMAGE, empty, crop=False).any()


def test_wrong_sizes_are_refused():
    with pytest.raises(MaskError, match="size of the image"):
        cutout(IMAGE, np.ones((8, 6), bool))
    with pytest.raises(ImageError, match="give \\(H, W, 3\\) uint8"):
        cutout(IMAGE[..., 0], np.ones((6, 8), bool))
