from __future__ import annotations

import numpy as np
import pytest

from anymask.apps.edit.pixels import (
    as_matte,
    as_picture,
    colours_of,
    coverage_of,
    mixed,
    quantised,
    window_of,
)
from anymask.errors import ImageError, MaskError
from editing import noise


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("channels", "becomes"), [(None, 3), (1, 3), (2, 4), (3, 3), (4, 4)])
def test_every_kind_of_picture_becomes_rgb_or_rgba_of_its_depth(channels, becomes, dtype):
    image = noise((4, 5), channels, dtype)
    picture = as_picture(image)
    assert picture.shape == (4, 5, becomes)
    assert picture.dtype == dtype
    first = image if channels is None else image[..., 0]
    np.testing.assert_array_equal(picture[..., 0], first)
    if channels in (2, 4):
        np.testing.assert_array_equal(picture[..., 3], image[..., -1])


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 5, 3)), np.zeros((4, 5, 5), np.uint8), np.zeros((0, 5, 3), np.uint8)],
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(ImageError, match="of uint8 or uint16"):
        as_picture(image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_survives_the_way_to_numbers_and_back(dtype):
    levels = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    image = np.stack([levels] * 4, axis=-1)[None]
    np.testing.assert_array_equal(quantised(colours_of(image), image), image[..., :3])
    np.testing.assert_array_equal(quantised(coverage_of(image), image), image[..., 3])


def test_mattes_are_checked():
    image = noise((4, 5))
    for wrong, message in (
        (np.ones((5, 4), bool), "size of the image"),
        (np.full((4, 5), 255, np.uint8), "give bool, or floats"),
        (np.full((4, 5), 1.5), "give 0 to 1"),
        (np.full((4, 5), np.nan), "give 0 to 1"),
    ):
        with pytest.raises(MaskError, match=message):
            as_matte(wrong, image)


def test_a_window_is_the_box_with_a_margin_cut_off_at_the_border():
    weight = np.zeros((10, 12))
    weight[1:3, 4:9] = 0.1
    assert window_of(weight) == np.s_[1:3, 4:9]
    assert window_of(weight, 2) == np.s_[0:5, 2:11]
    assert window_of(weight * 0) is None


def test_mixing_keeps_what_has_no_weight_and_alpha():
    image = noise((6, 7), 4, np.uint16)
    weight = np.linspace(0, 1, 42, dtype=np.float32).reshape(6, 7)
    found = mixed(image, np.ones((6, 7, 3), np.float32), weight)
    np.testing.assert_array_equal(found[0, 0], image[0, 0])
    np.testing.assert_array_equal(found[..., 3], image[..., 3])
    assert (found[-1, -1, :3] == 65535).all()
