from __future__ import annotations

import numpy as np
import pytest

from anymask.apps.edit.shadows import cast_shadow, drop_shadow, kept_shadow, with_shadow
from editing import SIZES, disc, masks, noise, plain, replayed, same

SIZE = (80, 100)
MASK = disc(SIZE, (50, 40), 15)
MATTE = MASK.astype(np.float32)
BLACK = np.zeros(3, np.float32)


def test_a_drop_shadow_is_the_shape_elsewhere():
    sharp = drop_shadow(MATTE, 12, 7, 0)
    np.testing.assert_allclose(sharp, np.roll(MATTE, (7, 12), (0, 1)), atol=1e-5)
    soft = drop_shadow(MATTE, 12, 7, 10)
    assert soft.sum() == pytest.approx(sharp.sum(), rel=0.02)
    assert 0 < soft[47, 78] < 1


def test_a_cast_shadow_starts_where_the_object_stands():
    post = np.zeros(SIZE, np.float32)
    post[20:70, 30:36] = 1
    shade = cast_shadow(post, lean=1.0, length=0.5, blur_px=0)
    assert shade[69, 33] > 0.8
    assert not shade[73:].any(), "none in front"
    assert shade[50, 33 + 38] > 0.3, "leans to the right, half as high"
    assert not shade[:43].any()
    front = cast_shadow(post, lean=1.0, length=-0.1, blur_px=0)
    assert front[72, 60:64].max() > 0.3
    assert not cast_shadow(post, 1.0, 0.0, 5).any()
    assert not cast_shadow(post * 0, 1.0, 0.5, 5).any()


def test_the_far_end_of_a_cast_shadow_is_softer():
    post = np.zeros((200, 200), np.float32)
    post[40:180, 60:80] = 1
    shade = cast_shadow(post, lean=0.0, length=1.0, blur_px=24)
    near, far = (np.count_nonzero((row > 0.02) & (row < 0.3)) for row in (shade[175], shade[70]))
    assert far > near + 6


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["drop", "cast"])
def test_a_shadow_lies_behind_the_object(kind, dtype):
    image = noise(SIZE, 3, dtype)
    found = replayed(image, MASK, f"shadow:kind={kind},edge=hard")
    np.testing.assert_array_equal(found[MASK], image[MASK])
    assert (found <= image).all()
    assert (found[~MASK] < image[~MASK]).any()
    same_as_before = replayed(image, MASK, f"shadow:kind={kind},opacity=0")
    np.testing.assert_array_equal(same_as_before, image)


def test_opacity_is_how_much_of_the_light_a_full_shadow_takes():
    image = plain(SIZE, (200, 100, 50))
    shade = np.ones(SIZE, np.float32)
    found = with_shadow(image, MATTE, shade, BLACK, 0.5)
    np.testing.assert_allclose(found[~MASK], np.tile([100, 50, 25], ((~MASK).sum(), 1)), atol=1)


def test_on_a_transparent_background_the_shadow_is_transparent_too():
    clear = np.zeros((*SIZE, 4), np.uint8)
    clear[MASK] = (10, 200, 30, 255)
    shade = np.ones(SIZE, np.float32)
    found = with_shadow(clear, MATTE, shade, np.array([1, 0, 0]), 0.4)
    assert (found[~MASK] == (255, 0, 0, 102)).all()
    np.testing.assert_array_equal(found[MASK], clear[MASK])


def test_a_plain_picture_has_no_shadow_to_be_kept():
    image = plain(SIZE, (180, 180, 180))
    image[MASK] = (10, 10, 10)
    np.testing.assert_allclose(kept_shadow(image, MATTE), 1, atol=0.01)


def test_light_that_falls_off_evenly_is_no_shadow():
    ramp = np.linspace(120, 220, SIZE[1])[None, :, None] * np.ones((SIZE[0], 1, 3))
    image = ramp.astype(np.uint8)
    image[MASK] = (10, 10, 10)
    assert kept_shadow(image, MATTE).min() > 0.9


def test_a_shadow_near_the_object_is_found():
    image = plain(SIZE, (180, 180, 180))
    shadow = disc(SIZE, (60, 60), 10) & ~MASK
    image[shadow] = (80, 80, 80)
    image[MASK] = (200, 20, 20)
    light = kept_shadow(image, MATTE)
    assert light[64, 60] < 0.4
    assert light[5, 5] > 0.98


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("kind", ["drop", "cast"])
def test_any_size_and_empty_or_full_masks(kind, size_hw):
    image = noise(size_hw, 4)
    for mask in masks(size_hw):
        assert replayed(image, mask, f"shadow:kind={kind}").shape == image.shape
        kept_shadow(image, mask.astype(np.float32))
    for mask in (np.zeros(size_hw, bool), np.ones(size_hw, bool)):
        assert (kept_shadow(image, mask.astype(np.float32)) == 1).all()
    assert same(replayed(image, np.zeros(size_hw, bool), f"shadow:kind={kind}"), image)
    opaque = noise(size_hw, 3)
    assert same(replayed(opaque, np.ones(size_hw, bool), f"shadow:kind={kind}"), opaque)
