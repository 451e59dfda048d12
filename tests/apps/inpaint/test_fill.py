from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.apps.inpaint.exemplar import ExemplarSettings
from anymask.apps.inpaint.fill import grown, inpaint
from anymask.apps.inpaint.inpainters import (
    AutoInpainter,
    ExemplarInpainter,
    SmoothInpainter,
    choose,
)
from anymask.errors import ImageError, MaskError


def hole_in(size_hw: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros(size_hw, bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def test_outside_the_hole_every_bit_stays(astronaut):
    mask = hole_in((512, 512), (200, 80, 260, 150))
    result = inpaint(astronaut, mask)
    assert result.image.shape == astronaut.shape
    assert result.image.dtype == astronaut.dtype
    np.testing.assert_array_equal(result.image[~result.hole], astronaut[~result.hole])
    assert (result.image[mask] != astronaut[mask]).any()


@pytest.mark.parametrize("inpainter", [AutoInpainter(), SmoothInpainter(), ExemplarInpainter()])
@pytest.mark.parametrize("size_hw", [(61, 83), (7, 90), (33, 32)])
@pytest.mark.parametrize("corner", [True, False])
def test_odd_sizes_and_holes_at_the_border(astronaut, inpainter, size_hw, corner):
    image = astronaut[100 : 100 + size_hw[0], 180 : 180 + size_hw[1]]
    x, y = (0, 0) if corner else (size_hw[1] - 9, size_hw[0] - 3)
    mask = hole_in(size_hw, (x, y, x + 9, y + 3))
    result = inpaint(image, mask, inpainter=inpainter, grow_px=1, feather_px=1)
    assert result.image.shape == image.shape
    np.testing.assert_array_equal(result.image[~result.hole], image[~result.hole])


@pytest.mark.parametrize("size_hw", [(1, 40), (40, 1), (2, 2), (3, 5)])
def test_pictures_with_nothing_to_copy_are_filled_smoothly(size_hw):
    image = np.full((*size_hw, 3), 90, np.uint8)
    image[-1, -1] = 0
    mask = np.zeros(size_hw, bool)
    mask[-1, -1] = True
    result = inpaint(image, mask, grow_px=0)
    assert result.method == "smooth"
    assert "no pieces of the picture to copy" in result.reason
    assert (result.image == 90).all()


def test_an_empty_mask_changes_nothing(coffee):
    result = inpaint(coffee, np.zeros(coffee.shape[:2], bool))
    np.testing.assert_array_equal(result.image, coffee)
    assert result.method == "none"
    for inpainter in (AutoInpainter(), SmoothInpainter(), ExemplarInpainter()):
        np.testing.assert_array_equal(inpainter(coffee, result.hole), coffee)


def test_a_full_mask_is_refused(coffee):
    full = np.ones(coffee.shape[:2], bool)
    for inpainter in (AutoInpainter(), SmoothInpainter(), ExemplarInpainter()):
        with pytest.raises(MaskError, match="covers the whole picture"):
            inpainter(coffee, full)
    with pytest.raises(MaskError, match=r"^mask covers the whole picture"):
        inpaint(coffee, full)
    nearly = full.copy()
    nearly[0, 0] = False
    with pytest.raises(MaskError, match="grown by 4 px"):
        inpaint(coffee, nearly)
    assert inpaint(coffee[:40, :40], nearly[:40, :40], grow_px=0).image.shape == (40, 40, 3)


def test_grey_alpha_and_16_bit(astronaut):
    image = astronaut[60:160, 180:280]
    mask = hole_in((100, 100), (40, 40, 60, 55))
    colour = inpaint(image, mask).image
    alpha = np.arange(100 * 100, dtype=np.uint8).reshape(100, 100, 1)
    rgba = inpaint(np.concatenate([image, alpha], axis=2), mask).image
    np.testing.assert_array_equal(rgba[..., :3], colour)
    np.testing.assert_array_equal(rgba[..., 3:], alpha)
    grey = image.mean(axis=2).astype(np.uint8)
    filled = inpaint(grey, mask)
    assert filled.image.shape == (100, 100)
    np.testing.assert_array_equal(filled.image[~filled.hole], grey[~filled.hole])
    grey_alpha = inpaint(np.concatenate([grey[..., None], alpha], axis=2), mask).image
    np.testing.assert_array_equal(grey_alpha[..., 0], filled.image)


def test_16_bits_are_kept_in_full(astronaut):
    image = astronaut[60:160, 180:280].astype(np.uint16) * 257 + 3
    mask = hole_in((100, 100), (40, 40, 60, 55))
    deep = inpaint(image, mask)
    np.testing.assert_array_equal(deep.image[~deep.hole], image[~deep.hole])
    shallow = inpaint(astronaut[60:160, 180:280], mask).image
    assert np.abs(deep.image / 257 - shallow)[mask].mean() < 2
    assert len(np.unique(deep.image[mask] % 257)) > 50


def test_equal_seeds_give_equal_pictures(coffee):
    mask = hole_in(coffee.shape[:2], (300, 150, 360, 200))
    first, second, other = (
        ExemplarInpainter(ExemplarSettings(seed=seed))(coffee, mask) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_stripes_go_on_through_the_hole():
    stripes = np.where(np.arange(120) % 12 < 6, 40, 220).astype(np.uint8)
    image = np.repeat(np.tile(stripes, (120, 1))[..., None], 3, axis=2)
    mask = hole_in((120, 120), (40, 30, 80, 85))
    damaged = np.where(mask[..., None], np.uint8(128), image)
    filled = ExemplarInpainter()(damaged, mask)
    assert np.abs(filled.astype(int) - image)[mask].mean() < 4
    smooth = SmoothInpainter()(damaged, mask)
    assert np.abs(smooth.astype(int) - image)[mask].mean() > 20


def test_a_smooth_ramp_goes_on_through_a_scratch():
    ramp = np.linspace(20, 230, 90)
    image = np.repeat(np.tile(ramp, (60, 1))[..., None], 3, axis=2).astype(np.uint8)
    mask = hole_in((60, 90), (10, 28, 80, 31))
    filled = SmoothInpainter()(np.where(mask[..., None], np.uint8(0), image), mask)
    assert np.abs(filled.astype(int) - image).max() <= 2


def test_what_was_hidden_has_no_influence(coffee):
    mask = hole_in(coffee.shape[:2], (200, 100, 240, 150))
    black = np.where(mask[..., None], np.uint8(0), coffee)
    white = np.where(mask[..., None], np.uint8(255), coffee)
    for inpainter in (AutoInpainter(), SmoothInpainter()):
        np.testing.assert_array_equal(inpainter(black, mask), inpainter(white, mask))


def test_a_long_scratch_is_filled_piece_by_piece():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (40, 1400, 3), dtype=np.uint8)
    mask = hole_in((40, 1400), (5, 20, 1395, 22))
    reports = []
    filled = ExemplarInpainter(progress=reports.append)(image, mask)
    np.testing.assert_array_equal(filled[~mask], image[~mask])
    counts = [report.done for report in reports]
    assert counts == sorted(counts)
    assert counts[-1] == reports[-1].total == mask.sum()


def test_the_choice_is_told(astronaut):
    mask = hole_in((512, 512), (200, 80, 260, 150))
    result = inpaint(astronaut, mask, grow_px=0)
    assert result.method == choose(mask).method == "exemplar"
    assert "60 px thick" in result.reason or "59 px thick" in result.reason
    assert inpaint(astronaut, mask, inpainter=SmoothInpainter()).method == "smooth"


@given(st.integers(0, 6), st.integers(0, 8))
def test_the_feather_lies_between_the_mask_and_the_grown_one(grow_px, feather_px):
    mask = hole_in((30, 30), (12, 13, 18, 16))
    hole, share = grown(mask, grow_px, feather_px)
    assert (share[mask] == 1).all()
    assert (share[~hole] == 0).all()
    assert (share[hole] > 0).all()
    assert hole[14, 12 - grow_px]
    assert not hole[14, 11 - grow_px]


def test_wrong_input_is_refused(coffee):
    mask = np.zeros(coffee.shape[:2], bool)
    mask[5, 5] = True
    with pytest.raises(MaskError, match="size of the image"):
        inpaint(coffee, mask.T)
    with pytest.raises(ImageError, match="uint8 or uint16"):
        inpaint(coffee.astype(np.float32), mask)
    with pytest.raises(MaskError, match="grow is -1 px"):
        inpaint(coffee, mask, grow_px=-1)
    with pytest.raises(ImageError, match=r"give \(H, W, 3\)"):
        AutoInpainter()(coffee[..., 0], mask)
    with pytest.raises(MaskError, match="give bool of shape"):
        AutoInpainter()(coffee, mask.astype(np.uint8))
    with pytest.raises(MaskError, match="use the smooth fill"):
        ExemplarInpainter()(coffee[:5, :5], mask[1:6, 1:6])
