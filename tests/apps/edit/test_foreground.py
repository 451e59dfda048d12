from __future__ import annotations

import numpy as np
import pytest

from anymask.apps.edit.foreground import foreground_colours
from anymask.apps.edit.pixels import colours_of
from editing import SIZES, noise

RED, BLUE = np.array([0.9, 0.1, 0.1], np.float32), np.array([0.1, 0.2, 0.9], np.float32)


def edge(size: int = 64) -> np.ndarray:
    """An alpha that runs from 1 to 0 in the middle."""
    ramp = np.clip((size / 2 - np.arange(size)) / 12 + 0.5, 0, 1).astype(np.float32)
    return np.broadcast_to(ramp, (size, size)).copy()


def test_the_background_is_taken_out_of_shared_pixels():
    alpha = edge()
    mixed = RED * alpha[..., None] + BLUE * (1 - alpha[..., None])
    found = foreground_colours(mixed, alpha)
    assert np.abs(found - RED)[alpha > 0.2].max() < 0.05


def test_what_the_object_covers_wholly_stays_as_it_is():
    alpha = edge()
    colours = colours_of(noise(alpha.shape))
    found = foreground_colours(colours, alpha)
    np.testing.assert_array_equal(found[alpha == 1], colours[alpha == 1])
    far = np.arange(64) > 32 + 6 + 9
    np.testing.assert_array_equal(found[:, far], colours[:, far])


@pytest.mark.parametrize("size_hw", SIZES)
def test_pictures_of_any_size(size_hw):
    colours = colours_of(noise(size_hw))
    for share in (0.0, 0.4, 1.0):
        found = foreground_colours(colours, np.full(size_hw, share, np.float32))
        assert found.shape == colours.shape
        assert 0 <= found.min() <= found.max() <= 1
        if share != 0.4:
            np.testing.assert_array_equal(found, colours)


@pytest.mark.parametrize("tile_px", [16, 50])
def test_tiles_leave_no_seams(tile_px: int, monkeypatch: pytest.MonkeyPatch):
    y, x = np.mgrid[:150, :190] - 80
    alpha = np.clip((60 - np.hypot(y, x)) / 10, 0, 1).astype(np.float32)
    colours = colours_of(noise(alpha.shape))
    whole = foreground_colours(colours, alpha)
    monkeypatch.setattr("anymask.apps.edit.foreground._TILE_PX", tile_px)
    found = foreground_colours(colours, alpha)
    partly = (alpha > 0) & (alpha < 1)
    np.testing.assert_array_equal(found[partly], whole[partly])
