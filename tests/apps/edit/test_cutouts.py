from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage import data

from anymask.apps.edit.cutouts import cutout
from anymask.apps.edit.edges import Edge
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
    with pytest.raises(ImageError, match="uint8 or uint16"):
        cutout(IMAGE / 255, np.ones((6, 8), bool))


def disc(size_hw, centre_xy, radius):
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    return np.hypot(x - centre_xy[0], y - centre_xy[1]) <= radius


def test_depth_and_alpha_of_the_picture_are_kept():
    deep = np.random.default_rng(0).integers(0, 65536, (9, 7, 4), np.uint16)
    rgba = cutout(deep, np.ones((9, 7), bool))
    np.testing.assert_array_equal(rgba, deep)
    grey = cutout(deep[..., 0], np.ones((9, 7), bool))
    assert grey.shape == (9, 7, 4)
    assert grey.dtype == np.uint16
    assert np.all(grey[..., 3] == 65535)


@pytest.mark.parametrize("kind", ["feather", "soft"])
def test_an_edge_keeps_to_its_ring(kind):
    mask = disc((120, 160), (80, 60), 30)
    rgba = cutout(data.coffee()[:120, :160], mask, crop=False, edge=Edge(kind, 4, grow_px=2))
    alpha = rgba[..., 3]
    assert np.all(alpha[disc((120, 160), (80, 60), 27)] == 255)
    assert not alpha[~disc((120, 160), (80, 60), 37)].any()


def test_growing_and_shrinking_move_the_edge_by_the_radius():
    mask = disc((60, 60), (30, 30), 15)
    image = np.zeros((60, 60, 3), np.uint8)
    for grow in (5, -5):
        alpha = cutout(image, mask, crop=False, edge=Edge(grow_px=grow))[..., 3] > 0
        width = np.count_nonzero(alpha[30])
        assert abs(width - (31 + 2 * grow)) <= 1
    assert not cutout(image, mask, edge=Edge(grow_px=-40)).any()
    border = np.zeros((60, 60), bool)
    border[:20] = True
    kept = cutout(image, border, crop=False, edge=Edge(grow_px=-5))[..., 3] > 0
    assert kept[0].all()
    assert not kept[15].any()


@pytest.mark.parametrize("kind", ["hard", "feather", "soft"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (31, 17)])
def test_pictures_of_any_size(kind, size):
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    half = np.zeros(size, bool)
    half[: (size[0] + 1) // 2, : (size[1] + 1) // 2] = True
    for mask in (half, np.ones(size, bool), np.zeros(size, bool)):
        rgba = cutout(image, mask, crop=False, edge=Edge(kind))
        assert rgba.shape == (*size, 4)
        if mask.all():
            np.testing.assert_array_equal(rgba[..., :3], image)
            assert np.all(rgba[..., 3] == 255)
        if not mask.any():
            assert not rgba.any()


def test_the_colours_of_a_soft_edge_are_the_objects_own():
    alpha = np.clip((30 - np.hypot(*np.mgrid[-50:50, -50:50])) / 12 + 0.5, 0, 1)[..., None]
    red, blue = np.array([220, 40, 30]), np.array([20, 60, 200])
    image = np.rint(red * alpha + blue * (1 - alpha)).astype(np.uint8)
    rgba = cutout(image, alpha[..., 0] > 0.5, crop=False, edge=Edge("soft", 8)).astype(int)
    shared = (rgba[..., 3] > 60) & (rgba[..., 3] < 250)
    assert np.abs(rgba[shared][:, :3] - red).max() < 30
    assert np.abs(rgba[..., 3] / 255 - alpha[..., 0]).mean() < 0.01


def test_an_edge_that_cannot_be_is_refused():
    with pytest.raises(MaskError, match="one of hard, feather, soft"):
        Edge("fuzzy")
    with pytest.raises(MaskError, match="give 0 to 1000"):
        Edge("feather", -1)
    with pytest.raises(MaskError, match="give -1000 to 1000"):
        Edge(grow_px=float("nan"))
