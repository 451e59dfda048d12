from __future__ import annotations

import numpy as np
import pytest

from anymask.apps.edit import mattes
from anymask.apps.edit.edges import EDGE_KINDS, Edge
from anymask.apps.edit.mattes import default_feather_px, feathered, matte, regrown, soft
from anymask.apps.edit.trimaps import edge_band
from anymask.errors import MaskError
from editing import SIZES, disc, masks, noise, plain, within


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_a_matte_has_the_size_of_the_picture_and_lies_between_0_and_1(kind, size_hw):
    image = noise(size_hw)
    for mask in masks(size_hw):
        found = matte(image, mask, Edge(kind))
        assert found.shape == size_hw
        assert found.dtype == np.float32
        assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_empty_and_full_masks_have_no_edge(kind, size_hw):
    image = noise(size_hw)
    assert not matte(image, np.zeros(size_hw, bool), Edge(kind, 3)).any()
    assert (matte(image, np.ones(size_hw, bool), Edge(kind, 3)) == 1).all()


def test_a_hard_matte_is_the_mask():
    mask = disc((40, 50), (20, 20), 9)
    np.testing.assert_array_equal(matte(noise((40, 50)), mask, Edge()), mask)


@pytest.mark.parametrize("width_px", [1, 2.5, 7])
def test_a_feather_changes_a_ring_of_its_width_evenly(width_px):
    mask = disc((80, 90), (45, 40), 25)
    found = feathered(mask, width_px)
    outer, inner = within(mask, width_px + 1), ~within(~mask, width_px + 1)
    assert not found[~outer].any()
    assert (found[inner] == 1).all()
    row = found[40, 45:]
    assert (np.diff(row) <= 0).all()
    assert np.interp(0.5, row[::-1], np.arange(45, 90)[::-1]) == pytest.approx(70.5, abs=0.1)


def test_a_feather_at_the_border_of_the_picture_does_not_fade():
    mask = np.zeros((30, 30), bool)
    mask[:, :15] = True
    found = feathered(mask, 4)
    assert (found[:, 0] == 1).all()
    assert (found == found[:1]).all()


def test_the_default_feather_grows_with_the_picture():
    assert default_feather_px((100, 80)) == 1
    assert default_feather_px((4000, 3000)) == 8


def test_growing_and_shrinking_are_exact_and_stop_at_the_border():
    mask = disc((60, 60), (30, 30), 12)
    np.testing.assert_array_equal(regrown(mask, 4.5), within(mask, 4.5))
    np.testing.assert_array_equal(regrown(mask, -4.5), ~within(~mask, 4.5))
    np.testing.assert_array_equal(regrown(mask, 0), mask)
    assert regrown(mask, 100).all()
    assert not regrown(mask, -100).any()
    assert regrown(np.ones((5, 5), bool), -3).all()


def test_a_soft_matte_equals_the_mask_outside_its_band():
    image, mask = noise((60, 70)), disc((60, 70), (30, 30), 14)
    band = edge_band(mask, band_px=4)
    found = soft(image, mask, band)
    np.testing.assert_array_equal(found[~band], mask[~band].astype(np.float32))


def blend(size_hw=(90, 110), dtype=np.uint8):
    """Red over blue with a wide edge: picture and true alpha."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    alpha = np.clip((28 - np.hypot(x - 55, y - 45)) / 10 + 0.5, 0, 1)[..., None]
    mixed = np.array([0.9, 0.2, 0.1]) * alpha + np.array([0.1, 0.3, 0.8]) * (1 - alpha)
    return np.rint(mixed * np.iinfo(dtype).max).astype(dtype), alpha[..., 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_soft_matte_is_truer_than_a_feather_where_colours_tell(dtype):
    image, alpha = blend(dtype=dtype)
    mask = alpha > 0.2  # three pixels too large
    errors = [
        np.abs(matte(image, mask, edge) - alpha).mean()
        for edge in (Edge("soft", 9), Edge("feather", 6), Edge())
    ]
    assert errors[0] < errors[1] / 2
    assert errors[0] < errors[2] / 2


def test_a_large_band_is_solved_at_a_smaller_size_with_little_loss(monkeypatch):
    image, alpha = blend()
    mask = alpha > 0.5
    monkeypatch.setattr(mattes, "MAX_UNKNOWN", 800)
    found = matte(image, mask, Edge("soft", 9))
    assert np.abs(found - alpha).mean() < 0.01


def test_what_the_model_was_unsure_of_widens_a_soft_edge():
    mask = disc((60, 70), (30, 30), 14)
    unsure = disc((60, 70), (30, 30), 22)
    image = np.where(unsure[..., None], 200, 30).astype(np.uint8).repeat(3, axis=2)
    narrow = matte(image, mask, Edge("soft", 5))
    wide = matte(image, mask, Edge("soft", 5), unsure=unsure)
    assert not narrow[30, 51]
    assert wide[30, 51] > 0.5
    assert not wide[~within(mask, 10)].any()


def test_a_flat_picture_gives_a_matte_like_a_feather():
    mask = disc((60, 70), (30, 30), 14)
    found = matte(plain((60, 70), (90, 90, 90)), mask, Edge("soft", 4))
    assert ((found > 0.5) == mask).mean() > 0.98


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(MaskError, match="size of the image"):
        matte(noise((5, 6)), np.ones((6, 5), bool), Edge("soft"))
