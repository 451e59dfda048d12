from __future__ import annotations

import numpy as np
import pytest

from anymask.apps.edit.colours import parse_colour
from anymask.apps.edit.decorations import distance_to, glowing, outlined, sticker
from anymask.errors import ImageError, MaskError
from editing import SIZES, disc, masks, noise, plain, replayed, same, within

SIZE = (80, 100)
MASK = disc(SIZE, (50, 40), 20)
MATTE = MASK.astype(np.float32)
RED = parse_colour("red")


def ring(inner: float, outer: float) -> np.ndarray:
    """Pixels between two distances from the mask's edge; negative is inside."""
    away = distance_to(MATTE)
    return (away >= inner) & (away <= outer)


@pytest.mark.parametrize(
    ("side", "low", "high"), [("outside", 0, 6), ("inside", -6, 0), ("middle", -3, 3)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_outline_is_a_line_of_its_width_on_its_side(side, low, high, dtype):
    image = noise(SIZE, 3, dtype)
    found = outlined(image, MATTE, RED, 6, side=side)
    white = np.iinfo(dtype).max
    assert (found[ring(low + 1, high - 1)] == (white, 0, 0)).all()
    elsewhere = ~ring(low - 1, high + 1)
    np.testing.assert_array_equal(found[elsewhere], image[elsewhere])
    if side == "outside":
        np.testing.assert_array_equal(found[MASK], image[MASK])


def test_an_outline_has_no_line_along_the_border_of_the_picture():
    half = np.zeros(SIZE, np.float32)
    half[:, :50] = 1
    found = outlined(plain(SIZE, (9, 9, 9)), half, RED, 4, side="inside")
    assert (found[:, :44] == 9).all()


def test_a_glow_fades_outwards_and_leaves_the_object_alone():
    image = plain(SIZE, (10, 10, 10))
    found = glowing(image, MATTE, RED, 12)
    np.testing.assert_array_equal(found[MASK], image[MASK])
    row = found[40, 71:, 0].astype(int)
    assert row[0] > 180
    assert (np.diff(row) <= 0).all()
    far = ~within(MASK, 24)
    np.testing.assert_array_equal(found[far], image[far])
    assert glowing(image, MATTE, RED, 12, strength=0.3)[40, 71, 0] < row[0] / 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_sticker_is_the_object_with_a_border_on_nothing(dtype):
    image = noise(SIZE, 3, dtype)
    found = sticker(image, MATTE, np.ones(3), 8)
    white = np.iinfo(dtype).max
    assert found.shape == (*SIZE, 4)
    np.testing.assert_array_equal(found[MASK][:, :3], image[MASK])
    border = ring(1, 6)
    assert (found[border] == white).all()
    assert not found[~within(MASK, 10)][:, 3].any()


def test_decorations_of_pictures_with_alpha_are_seen_where_those_are_transparent():
    clear = np.zeros((*SIZE, 4), np.uint8)
    clear[MASK] = (0, 0, 255, 255)
    line = outlined(clear, MATTE, RED, 6)
    assert (line[ring(1, 5)] == (255, 0, 0, 255)).all()
    glow = glowing(clear, MATTE, RED, 12)
    shown = glow[40, 75]
    assert tuple(shown[:3]) == (255, 0, 0)
    assert 0 < shown[3] < 255


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("step", ["outline", "outline:side=inside,width=1", "glow", "sticker"])
def test_any_size_and_empty_or_full_masks(step, size_hw):
    image = noise(size_hw)
    for mask in masks(size_hw):
        assert replayed(image, mask, step).shape[:2] == size_hw
    full, empty = np.ones(size_hw, bool), np.zeros(size_hw, bool)
    if step == "sticker":
        assert not replayed(image, empty, step)[..., 3].any()
        np.testing.assert_array_equal(replayed(image, full, step)[..., :3], image)
    else:
        assert same(replayed(image, empty, step), image)
        assert same(replayed(image, full, step), image)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ImageError, match="give one of outside, inside, middle"):
        outlined(noise(SIZE), MATTE, RED, 3, side="above")
    for draw in (outlined, glowing, sticker):
        with pytest.raises(MaskError, match="size of the image"):
            draw(noise(SIZE), MATTE.T, RED, 3)
