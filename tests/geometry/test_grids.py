"""Point grids and crops of everything mode."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.errors import PromptError
from anymask.geometry.grids import checked_grid, crop_layers, layer_grids, point_grid, tiles


def test_grid_points_are_the_centres_of_cells_row_by_row() -> None:
    grid = point_grid(4)
    assert grid.shape == (16, 2)
    np.testing.assert_allclose(
        grid[:5], [(1 / 8, 1 / 8), (3 / 8, 1 / 8), (5 / 8, 1 / 8), (7 / 8, 1 / 8), (1 / 8, 3 / 8)]
    )


def test_layers_have_the_published_numbers_of_points() -> None:
    assert [len(grid) for grid in layer_grids(32, 2, 2)] == [1024, 256, 64]


def test_crops_are_the_published_ones() -> None:
    crops = crop_layers((1500, 2250), 2, 512 / 1500)
    assert [crop.layer for crop in crops].count(1) == 4
    assert [crop.layer for crop in crops].count(2) == 16
    first = [crop.box_xyxy for crop in crops if crop.layer == 1]
    assert {(x0, y0) for x0, y0, _, _ in first} == {(0, 0), (0, 494), (869, 0), (869, 494)}
    assert first[0] == (0, 0, 1381, 1006)
    second = [crop.box_xyxy for crop in crops if crop.layer == 2]
    assert sorted({x0 for x0, *_ in second}) == [0, 499, 998, 1497]
    assert sorted({y0 for _, y0, *_ in second}) == [0, 311, 622, 933]
    assert second[-1][2] == 2250


def test_tiles_cover_the_picture() -> None:
    covered = np.zeros((700, 1100), bool)
    for tile in tiles((700, 1100), 256, 32):
        x0, y0, x1, y1 = tile.box_xyxy
        assert (x1 - x0, y1 - y0) == (256, 256)
        covered[y0:y1, x0:x1] = True
    assert covered.all()


def test_impossible_grids_and_crops_are_refused() -> None:
    with pytest.raises(PromptError, match="points_per_side is 0"):
        point_grid(0)
    with pytest.raises(PromptError, match="leaves layer 2 of 2 without a point"):
        layer_grids(3, 2, 2)
    with pytest.raises(PromptError, match="no room for crops in layer"):
        crop_layers((2, 2), 4, 0.0)
    with pytest.raises(PromptError, match=r"must have shape \(N, 2\)"):
        checked_grid([0.5], "point_grids[0]")
    with pytest.raises(PromptError, match=r"must lie in 0\.\.1"):
        checked_grid([(0.5, 3.0)], "point_grids[0]")
    with pytest.raises(PromptError, match=r"tile_overlap_px is 64 but tile_px is 64"):
        tiles((100, 100), 64, 64)
