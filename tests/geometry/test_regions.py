from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage import measure

from anymask.errors import MaskError
from anymask.geometry.boxes import box_from_mask
from anymask.geometry.regions import (
    cleaned_box,
    components,
    drop_islands,
    fill_holes,
    interior_point,
    largest_component,
    mask_iou,
    remove_small_regions,
)

any_mask = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))
EMPTY = np.zeros((20, 20), bool)


def reference_mask() -> np.ndarray:
    """A square with a hole, and two pixels that touch at a corner."""
    mask = np.zeros((20, 20), bool)
    mask[2:12, 2:12] = True
    mask[5:7, 5:7] = False
    mask[15, 15] = mask[16, 16] = True
    return mask


def test_reference_clean_up() -> None:
    mask = reference_mask()
    assert mask.sum() == 98
    filled, changed = remove_small_regions(mask, 10, "holes")
    assert (filled.sum(), changed) == (102, True)
    cleaned, changed = remove_small_regions(filled, 10, "islands")
    assert (cleaned.sum(), changed) == (100, True)
    assert reference_mask().sum() == mask.sum()


def test_largest_island_stays_if_all_are_small() -> None:
    mask = np.zeros((20, 20), bool)
    mask[1:3, 1:3] = True
    mask[10:13, 10:13] = True
    cleaned, changed = remove_small_regions(mask, 50, "islands")
    assert changed
    assert cleaned.sum() == 9
    assert cleaned[10:13, 10:13].all()


def test_small_background_pocket_at_the_border_counts_as_hole() -> None:
    mask = np.ones((10, 10), bool)
    mask[0, 4:6] = False
    assert remove_small_regions(mask, 3, "holes")[0].all()
    kept, changed = remove_small_regions(mask, 2, "holes")
    assert (kept.sum(), changed) == (98, False)


def test_area_equal_to_the_threshold_is_not_small() -> None:
    mask = reference_mask()
    assert not remove_small_regions(mask, 2, "islands")[1]
    assert remove_small_regions(mask, 2.5, "islands")[1]


@pytest.mark.parametrize("mode", ["holes", "islands"])
@pytest.mark.parametrize("area", [0, 10, 10**9])
def test_empty_mask_stays_empty(mode: str, area: int) -> None:
    cleaned, changed = remove_small_regions(EMPTY, area, mode)  # type: ignore[arg-type]
    assert not cleaned.any()
    assert not changed


@given(any_mask, st.integers(0, 20))
def test_clean_up_follows_its_definition(mask: np.ndarray, area: int) -> None:
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    areas = [int((labels == i).sum()) for i in range(1, count + 1)]
    expected = np.isin(labels, [i + 1 for i, a in enumerate(areas) if a >= area]) & mask
    if areas and max(areas) < area:
        expected = labels == 1 + areas.index(max(areas))
    cleaned, changed = remove_small_regions(mask, area, "islands")
    np.testing.assert_array_equal(cleaned, expected)
    assert changed == any(a < area for a in areas)


@given(any_mask, st.integers(0, 20))
def test_filling_adds_exactly_the_small_parts_of_the_background(
    mask: np.ndarray, area: int
) -> None:
    filled, _ = remove_small_regions(mask, area, "holes")
    labels, _ = ndimage.label(~mask, np.ones((3, 3)))
    small = np.bincount(labels.ravel())[labels] < area
    np.testing.assert_array_equal(filled, mask | (small & ~mask & mask.any()))


@given(any_mask, st.sampled_from([4, 8]))
def test_components_agree_with_another_implementation(mask: np.ndarray, connectivity: int) -> None:
    labels, count = components(mask, connectivity)
    expected, expected_count = measure.label(mask, connectivity=connectivity // 4, return_num=True)
    assert labels.dtype == np.int32
    assert count == expected_count
    pairs = set(zip(labels.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == count + (not mask.all())
    firsts = [int((labels.ravel() == i).argmax()) for i in range(1, count + 1)]
    assert firsts == sorted(firsts)


def test_pixels_that_touch_at_a_corner_are_one_part_of_eight_two_of_four() -> None:
    mask = np.eye(2, dtype=bool)
    assert components(mask)[1] == 1
    assert components(mask, 4)[1] == 2


def test_largest_component_and_its_ties() -> None:
    assert largest_component(reference_mask()).sum() == 96
    twins = np.array([[1, 0, 1]], bool)
    assert largest_component(twins).tolist() == [[True, False, False]]
    assert not largest_component(EMPTY).any()


def test_holes_are_filled_up_to_the_given_area() -> None:
    mask = reference_mask()
    assert fill_holes(mask).sum() == 102
    assert fill_holes(mask, max_area=4).sum() == 102
    assert fill_holes(mask, max_area=3).sum() == 98
    assert not fill_holes(EMPTY).any()


@given(any_mask)
def test_filling_all_holes_agrees_with_another_implementation(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))


def test_dropping_islands_may_leave_nothing() -> None:
    assert drop_islands(reference_mask(), 3).sum() == 96
    assert drop_islands(reference_mask(), 2).sum() == 98
    assert not drop_islands(reference_mask(), 97).any()
    assert not drop_islands(EMPTY, 1).any()


def test_stray_island_does_not_blow_up_the_box() -> None:
    mask = np.zeros((100, 150), bool)
    mask[10:30, 20:50] = True
    mask[97, 147:150] = True
    assert cleaned_box(mask).tolist() == [20, 10, 50, 30]
    assert cleaned_box(mask, keep="all", min_area=4).tolist() == [20, 10, 50, 30]
    assert cleaned_box(mask, keep="all", min_area=3).tolist() == [20, 10, 150, 98]
    assert cleaned_box(mask, keep="all").tolist() == box_from_mask(mask).tolist()
    assert cleaned_box(mask, keep="all", min_area=10**6).tolist() == [20, 10, 50, 30]


@pytest.mark.parametrize("keep", ["all", "largest"])
def test_cleaned_box_of_an_empty_mask_is_zero(keep: str) -> None:
    assert cleaned_box(EMPTY, keep=keep, min_area=5).tolist() == [0, 0, 0, 0]  # type: ignore[arg-type]


def slow_interior_point(mask: np.ndarray) -> tuple[int, int]:
    """The definition, with exact integers."""
    padded = np.pad(mask, 1)
    outside = np.argwhere(~padded) - 1
    inside = np.argwhere(mask)
    squared = ((inside[:, None] - outside[None]) ** 2).sum(-1).min(1)
    row, column = inside[squared.argmax()]
    return int(column), int(row)


@given(any_mask)
def test_interior_point_follows_its_definition(mask: np.ndarray) -> None:
    expected = slow_interior_point(mask) if mask.any() else None
    assert interior_point(mask) == expected


def test_interior_point_is_the_first_of_equals_and_x_comes_first() -> None:
    assert interior_point(np.ones((3, 9), bool)) == (1, 1)
    assert interior_point(np.ones((9, 5), bool)) == (2, 2)
    assert interior_point(EMPTY) is None
    assert interior_point(np.zeros((0, 4), bool)) is None


def test_interior_point_avoids_the_border_of_the_picture() -> None:
    mask = np.zeros((50, 50), bool)
    mask[:21, :21] = True
    assert interior_point(mask) == (10, 10)


def test_interior_point_is_made_of_plain_integers() -> None:
    point = interior_point(reference_mask())
    assert point is not None
    assert [type(value) for value in point] == [int, int]


def test_iou_of_masks() -> None:
    left, right = np.zeros((2, 4), bool), np.zeros((2, 4), bool)
    left[:, :3] = True
    right[:, 1:] = True
    assert mask_iou(left, right) == 0.5
    assert mask_iou(left, EMPTY[:2, :4]) == 0.0
    assert mask_iou(EMPTY, EMPTY) == 1.0
    assert isinstance(mask_iou(left, right), float)


@given(any_mask)
def test_no_function_changes_its_input(mask: np.ndarray) -> None:
    mask.flags.writeable = False
    remove_small_regions(mask, 3, "holes")
    remove_small_regions(mask, 3, "islands")
    largest_component(mask)
    fill_holes(mask)
    drop_islands(mask, 3)
    interior_point(mask)


def test_wrong_arguments_are_refused_by_name() -> None:
    with pytest.raises(MaskError, match="mode is 'hole'"):
        remove_small_regions(EMPTY, 3, "hole")  # type: ignore[arg-type]
    with pytest.raises(MaskError, match="area_threshold is nan"):
        remove_small_regions(EMPTY, float("nan"), "holes")
    with pytest.raises(MaskError, match="connectivity is 6"):
        components(EMPTY, 6)
    with pytest.raises(MaskError, match="keep is 'most'"):
        cleaned_box(EMPTY, keep="most")  # type: ignore[arg-type]
    with pytest.raises(MaskError, match="max_area is inf"):
        fill_holes(EMPTY, float("inf"))
    with pytest.raises(MaskError, match=r"a has shape \(20, 20\) but b has \(20, 19\)"):
        mask_iou(EMPTY, EMPTY[:, 1:])
    with pytest.raises(MaskError, match=r"b has shape \(20,\)"):
        mask_iou(EMPTY, EMPTY[0])
    with pytest.raises(MaskError, match=r"mask has shape \(1, 20, 20\)"):
        interior_point(EMPTY[None])
