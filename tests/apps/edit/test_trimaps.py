from __future__ import annotations

import numpy as np
import pytest

from anymask.apps.edit.trimaps import default_band_px, edge_band, unsure_pixels
from editing import disc, within

MASK = disc((80, 100), (50, 40), 20)


@pytest.mark.parametrize("band_px", [1, 3, 8])
def test_the_band_reaches_as_far_to_both_sides(band_px):
    band = edge_band(MASK, band_px=band_px)
    np.testing.assert_array_equal(band, within(MASK, band_px) & within(~MASK, band_px))


def test_unsure_pixels_count_outside_up_to_twice_as_far():
    everywhere = np.ones(MASK.shape, bool)
    band = edge_band(MASK, everywhere, band_px=4)
    np.testing.assert_array_equal(band & ~MASK, within(MASK, 8) & ~MASK)
    np.testing.assert_array_equal(band & MASK, edge_band(MASK, band_px=4) & MASK)


def test_there_is_no_band_without_an_edge():
    for mask in (np.zeros((9, 9), bool), np.ones((9, 9), bool)):
        assert not edge_band(mask, ~mask, band_px=3).any()
    assert not edge_band(MASK, band_px=0).any()


def test_the_border_of_the_picture_is_no_edge():
    mask = np.zeros((20, 30), bool)
    mask[:, :10] = True
    columns = np.flatnonzero(edge_band(mask, band_px=3).any(axis=0))
    assert (columns[0], columns[-1]) == (7, 12)


def test_the_default_band_grows_with_the_picture():
    assert default_band_px((50, 60)) == 2
    assert default_band_px((1024, 700)) == 9


def test_what_a_model_does_not_settle_on():
    probability = np.array([[0.01, 0.5, 0.99, 0.9]], np.float32)
    assert unsure_pixels(probability).tolist() == [[False, True, False, True]]
