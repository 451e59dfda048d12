from __future__ import annotations

import numpy as np
import pytest

from anymask.apps.edit.placement import Placement, placed, without_object
from anymask.errors import ImageError, MaskError
from editing import SIZES, disc, flat_fill, masks, noise, plain, replayed, same, within

SIZE = (80, 100)
MASK = disc(SIZE, (40, 40), 12)
MATTE = MASK.astype(np.float32)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_deleting_fills_the_object_and_its_rim_and_nothing_else(dtype, channels):
    image = noise(SIZE, channels, dtype)
    found = without_object(image, MATTE, flat_fill)
    hole = within(MASK, 2)
    np.testing.assert_array_equal(found[~hole], image[~hole])
    assert (found[hole][:, :3] == found[40, 40, :3]).all()
    assert found.shape == image.shape


def test_the_filled_place_is_as_transparent_as_what_lies_around():
    image = noise(SIZE, 4)
    image[..., 3] = 90
    image[MASK, 3] = 255
    found = without_object(image, MATTE, flat_fill)
    assert np.abs(found[MASK][:, 3].astype(int) - 90).max() <= 12


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_moving_by_whole_pixels_moves_every_bit(dtype):
    image = noise(SIZE, 3, dtype)
    found, matte = placed(image, MATTE, Placement(30, -9), fill=flat_fill)
    there = np.roll(MASK, (-9, 30), (0, 1))
    np.testing.assert_array_equal(found[there], image[MASK])
    np.testing.assert_array_equal(matte, there)
    untouched = ~(there | within(MASK, 2))
    np.testing.assert_array_equal(found[untouched], image[untouched])
    left = MASK & ~there
    assert (found[left] == found[left][0]).all()


def test_a_duplicate_leaves_the_first_where_it_was():
    image = noise(SIZE)
    found = replayed(image, MASK, "duplicate:x=40,y=20,edge=hard")
    there = np.roll(MASK, (20, 40), (0, 1))
    np.testing.assert_array_equal(found[there], image[MASK])
    np.testing.assert_array_equal(found[~there], image[~there])


def test_what_leaves_the_picture_is_cut_off():
    image = noise(SIZE)
    half, _ = placed(image, MATTE, Placement(-40, 0))
    np.testing.assert_array_equal(half[40, :13], image[40, 40:53])
    for far in (Placement(500, 0), Placement(0, -500), Placement(-3000.5, 20, 2)):
        found, matte = placed(image, MATTE, far)
        np.testing.assert_array_equal(found, image)
        assert not matte.any()


@pytest.mark.parametrize(("scale", "degrees"), [(2, 0), (0.5, 0), (1, 90), (1.5, 37), (0.3, -60)])
def test_scaling_and_turning_are_about_the_middle(scale, degrees):
    image = plain(SIZE, (20, 20, 20))
    image[MASK] = (220, 60, 30)
    found, matte = placed(image, MATTE, Placement(10, 0, scale, degrees), fill=flat_fill)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    assert matte.sum() == pytest.approx(MASK.sum() * scale**2, rel=0.06)
    assert (matte * x).sum() / matte.sum() == pytest.approx(50, abs=0.3)
    assert (matte * y).sum() / matte.sum() == pytest.approx(40, abs=0.3)
    assert np.abs(found[matte == 1].astype(int) - [220, 60, 30]).max() <= 1, "no fringe"


def test_a_scaled_object_keeps_its_colours_where_it_is_half_there():
    image = plain(SIZE, (20, 20, 20))
    image[MASK] = (220, 60, 30)
    clear = np.dstack([image, np.where(MASK, 255, 0).astype(np.uint8)])
    clear[~MASK] = 0
    found, matte = placed(clear, MATTE, Placement(20, 0, 1.7, 15), fill=flat_fill)
    edge = (matte > 0.1) & (matte < 0.95)
    assert edge.any()
    assert np.abs(found[edge][:, :3].astype(int) - [220, 60, 30]).max() <= 6


def test_turning_goes_clockwise():
    image = plain(SIZE, (0, 0, 0))
    bar = np.zeros(SIZE, bool)
    bar[35:45, 30:60] = True
    image[bar] = (255, 0, 0)
    image[35:45, 50:60] = (0, 255, 0)  # its right end
    found, _ = placed(image, bar.astype(np.float32), Placement(degrees=90), fill=flat_fill)
    assert tuple(found[52, 45]) == (0, 255, 0), "comes to lie below"
    assert tuple(found[28, 45]) == (255, 0, 0)


def test_later_steps_find_the_object_at_its_new_place():
    image = noise(SIZE)
    found = replayed(image, MASK, "move:x=30,edge=hard", "brightness:factor=0,edge=hard")
    there = np.roll(MASK, 30, 1)
    assert not found[there].any()
    gone = replayed(image, MASK, "delete:edge=hard", "brightness:factor=0,edge=hard")
    np.testing.assert_array_equal(gone, replayed(image, MASK, "delete:edge=hard"))


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize(
    "step",
    ["delete:", "move:x=2,y=-1,", "move:scale=1.3,turn=20,", "duplicate:scale=0.4,"],
)
def test_any_size_keeps_its_size_or_is_refused_in_words(step, size_hw):
    image, words = noise(size_hw), f"{step}edge=hard"
    assert same(replayed(image, np.zeros(size_hw, bool), words), image)
    for mask in (*masks(size_hw), np.ones(size_hw, bool)):
        if within(mask, 2).all() and not step.startswith("duplicate"):
            with pytest.raises(MaskError, match="covers the whole picture"):
                replayed(image, mask, words)
        else:
            assert replayed(image, mask, words).shape == image.shape


def test_what_cannot_be_is_refused():
    for numbers in ({"scale": 0}, {"x_px": float("nan")}, {"degrees": float("inf")}):
        with pytest.raises(ImageError, match=r"give a scale of 0\.01 to 100"):
            Placement(**numbers)
    with pytest.raises(ImageError, match="the inpainter gave shape"):
        without_object(noise(SIZE), MATTE, lambda image, hole: image[1:])
    with pytest.raises(MaskError, match="size of the image"):
        placed(noise(SIZE), MATTE.T, Placement())


def test_the_default_inpainter_fits():
    from anymask.apps.inpaint.inpainters import AutoInpainter

    image = noise((40, 50), 4, np.uint16)
    mask = disc((40, 50), (25, 20), 4)
    found = without_object(image, mask.astype(np.float32), AutoInpainter())
    np.testing.assert_array_equal(found[~within(mask, 2)], image[~within(mask, 2)])
