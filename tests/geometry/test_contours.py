from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.measure import grid_points_in_poly

from anymask.errors import MaskError
from anymask.geometry.contours import Polygon, polygons, rasterise, simplification_iou
from anymask.geometry.regions import components, fill_holes

any_mask = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=16))


def disc(size: int, row: float, column: float, radius: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (y - row) ** 2 + (x - column) ** 2 < radius**2


def two_discs_one_with_a_hole() -> np.ndarray:
    return disc(120, 40, 40, 30) & ~disc(120, 38, 42, 9) | disc(120, 95, 95, 15)


def line(rows: slice | int, columns: slice | int) -> np.ndarray:
    mask = np.zeros((60, 70), bool)
    mask[rows, columns] = True
    return mask


def bent_line() -> np.ndarray:
    mask = line(10, slice(5, 60))
    mask[10:50, 5] = True
    mask[49, 5:30] = True
    return mask


def touching_the_border() -> np.ndarray:
    mask = disc(80, 0, 0, 50)
    mask[70:, 60:] = True
    return mask


def nested() -> np.ndarray:
    """A ring in whose hole lies another ring with a dot in its hole."""
    radii = [45, 35, 25, 15, 5]
    return np.logical_xor.reduce([disc(100, 50, 50, radius) for radius in radii])


SHAPES: dict[str, np.ndarray] = {
    "two discs, one with a hole": two_discs_one_with_a_hole(),
    "single pixel": line(5, 3),
    "two single pixels": line(5, 3) | line(40, 41),
    "horizontal line": line(20, slice(3, 60)),
    "vertical line": line(slice(3, 55), 20),
    "diagonal line": np.eye(50, dtype=bool),
    "other diagonal": np.eye(50, dtype=bool)[::-1],
    "bent line": bent_line(),
    "border": touching_the_border(),
    "full": np.ones((30, 40), bool),
    "nested": nested(),
    "small disc": disc(12, 5, 5, 4),
    "line beside a disc": disc(90, 30, 30, 20) | np.pad(bent_line(), ((0, 30), (0, 20))),
    "checkerboard": np.indices((9, 11)).sum(0) % 2 == 0,
}


def signed_area(ring: np.ndarray) -> float:
    x, y = ring.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def test_single_pixel_is_the_square_around_it() -> None:
    (polygon,) = polygons(line(5, 3))
    assert polygon.exterior.tolist() == [[3, 5], [4, 5], [4, 6], [3, 6]]
    assert polygon.exterior.dtype == np.float64
    assert polygon.holes == ()


def test_rings_have_only_corners_and_run_around_as_documented() -> None:
    mask = np.ones((5, 7), bool)
    mask[2, 2:4] = False
    (polygon,) = polygons(mask)
    assert polygon.exterior.tolist() == [[0, 0], [7, 0], [7, 5], [0, 5]]
    assert [sorted(map(tuple, hole.tolist())) for hole in polygon.holes] == [
        [(2, 2), (2, 3), (4, 2), (4, 3)]
    ]
    assert signed_area(polygon.exterior) == 35
    assert signed_area(polygon.holes[0]) == -2


def test_empty_masks_have_no_polygons() -> None:
    for shape in [(6, 8), (0, 8), (6, 0)]:
        empty = np.zeros(shape, bool)
        assert polygons(empty) == polygons(empty, 1.0) == []
        assert rasterise([], shape).shape == shape
        assert simplification_iou(empty, []) == 1.0


@given(any_mask)
def test_exact_outlines_give_the_mask_back(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(rasterise(polygons(mask), mask.shape), mask)


@given(any_mask)
def test_one_polygon_a_part_with_all_its_holes(mask: np.ndarray) -> None:
    labels, count = components(mask)
    found = polygons(mask)
    assert len(found) == count
    for index, polygon in enumerate(found, start=1):
        part = labels == index
        np.testing.assert_array_equal(rasterise([polygon], mask.shape), part)
        outer = rasterise([Polygon(polygon.exterior)], mask.shape)
        np.testing.assert_array_equal(outer, fill_holes(part))
        assert len(polygon.holes) == components(outer & ~part, 4)[1]
        areas = [signed_area(ring) for ring in polygon.rings]
        assert areas[0] > 0 > max([*areas[1:], -1.0])
        assert sum(areas) == part.sum()


@given(any_mask)
def test_neighbouring_corners_are_never_on_one_line(mask: np.ndarray) -> None:
    for polygon in polygons(mask):
        for ring in polygon.rings:
            sides = np.roll(ring, -1, axis=0) - ring
            assert np.all((sides == 0).sum(axis=1) == 1)
            assert np.all((sides * np.roll(sides, -1, axis=0)) == 0)


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_survive_exactly(name: str) -> None:
    mask = SHAPES[name]
    assert simplification_iou(mask, polygons(mask)) == 1.0


@pytest.mark.parametrize("tolerance", [0.1, 0.5, 1.0, 2.0, 5.0, 1000.0])
@pytest.mark.parametrize("name", SHAPES)
def test_simplified_shapes_keep_their_pixels_parts_and_holes(name: str, tolerance: float) -> None:
    mask = SHAPES[name]
    exact, simple = polygons(mask), polygons(mask, tolerance)
    assert simplification_iou(mask, simple) >= 0.98
    assert [len(p.holes) for p in simple] == [len(p.holes) for p in exact]


@given(any_mask, st.sampled_from([0.5, 1.0, 3.0]), st.sampled_from([0.0, 0.5, 0.98, 1.0]))
def test_simplified_masks_keep_the_promised_iou(
    mask: np.ndarray, tolerance: float, min_iou: float
) -> None:
    simple = polygons(mask, tolerance, min_iou=min_iou)
    assert len(simple) == components(mask)[1]
    assert simplification_iou(mask, simple) >= min_iou
    for polygon in simple:
        assert rasterise([polygon], mask.shape).any()


def test_simplification_leaves_out_corners_within_the_tolerance() -> None:
    mask = disc(400, 200, 200, 150)
    (exact,), (simple,) = polygons(mask), polygons(mask, 1.0)
    assert len(simple.exterior) < len(exact.exterior) / 5
    kept = {tuple(point) for point in exact.exterior.tolist()}
    assert kept.issuperset(map(tuple, simple.exterior.tolist()))
    ends = np.roll(simple.exterior, -1, axis=0)
    for point in exact.exterior:
        chord, offset = ends - simple.exterior, point - simple.exterior
        along = np.clip((offset * chord).sum(1) / (chord**2).sum(1), 0, 1)
        assert np.hypot(*(offset - along[:, None] * chord).T).min() <= 1.0 + 1e-9


def test_loss_of_simplification_is_stated() -> None:
    mask = disc(60, 30, 30, 20)
    coarse = polygons(mask, 6.0, min_iou=0.0)
    filled = rasterise(coarse, (60, 60))
    expected = (filled & mask).sum() / (filled | mask).sum()
    assert simplification_iou(mask, coarse) == pytest.approx(expected)
    assert expected < 0.98 <= simplification_iou(mask, polygons(mask, 6.0))


def test_pixels_touching_at_a_corner_are_one_polygon() -> None:
    (polygon,) = polygons(np.eye(2, dtype=bool))
    assert len(polygon.exterior) == 8


def test_background_that_leaks_only_through_a_corner_is_a_hole() -> None:
    mask = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], bool)
    (polygon,) = polygons(mask)
    assert len(polygon.holes) == 1


coordinate = st.integers(-60, 260).map(lambda value: value * 0.0937 + 0.0123)


@given(
    st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=9),
    st.integers(1, 14),
    st.integers(1, 14),
)
def test_any_ring_is_filled_like_another_implementation(
    points: list[tuple[float, float]], height: int, width: int
) -> None:
    ring = np.array(points)
    expected = grid_points_in_poly((height, width), ring[:, ::-1] - 0.5)
    clear = distance_to_ring(ring, height, width) > 1e-9  # on the ring itself either is right
    filled = rasterise([Polygon(ring)], (height, width))
    np.testing.assert_array_equal(filled[clear], expected[clear])


def distance_to_ring(ring: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height, width): how far each pixel's centre is from the nearest edge."""
    y, x = np.mgrid[:height, :width] + 0.5
    centre = np.stack([x, y], axis=-1)[..., None, :]
    start, edge = ring, np.roll(ring, -1, axis=0) - ring
    length = np.maximum((edge**2).sum(axis=-1), 1e-30)
    along = np.clip(((centre - start) * edge).sum(axis=-1) / length, 0, 1)
    return np.linalg.norm(centre - start - along[..., None] * edge, axis=-1).min(axis=-1)


def test_integer_points_and_closed_rings_are_accepted() -> None:
    ring = [(1, 1), (4, 1), (4, 3), (1, 3), (1, 1)]
    expected = np.zeros((5, 6), bool)
    expected[1:3, 1:4] = True
    np.testing.assert_array_equal(rasterise([Polygon(np.array(ring))], (5, 6)), expected)


def test_self_crossing_ring_is_even_odd() -> None:
    star = 50 + 45 * np.array(
        [(np.sin(4 * np.pi * k / 5), -np.cos(4 * np.pi * k / 5)) for k in range(5)]
    )
    filled = rasterise([Polygon(star)], (100, 100))
    assert not filled[50, 50]
    assert filled[12, 50]


def test_overlapping_polygons_are_united() -> None:
    a = Polygon(np.array([(0, 0), (4, 0), (4, 4), (0, 4)]))
    b = Polygon(np.array([(2, 2), (6, 2), (6, 6), (2, 6)]))
    assert rasterise([a, b, a], (6, 6)).sum() == 28


def test_sides_shared_by_two_polygons_leave_no_gap_and_no_overlap() -> None:
    corners = np.array([(0.3, 0.7), (19.1, 2.2), (17.7, 18.9), (1.4, 16.6)])
    upper, lower = Polygon(corners[[0, 1, 2]]), Polygon(corners[[0, 2, 3]])
    parts = [rasterise([polygon], (20, 20)) for polygon in (upper, lower)]
    assert not (parts[0] & parts[1]).any()
    np.testing.assert_array_equal(parts[0] | parts[1], rasterise([Polygon(corners)], (20, 20)))


def test_what_lies_outside_the_picture_is_cut_off() -> None:
    huge = Polygon(np.array([(-1e12, -1e12), (1e12, -1e12), (1e12, 1e12), (-1e12, 1e12)]))
    assert rasterise([huge], (4, 5)).all()
    outside = Polygon(np.array([(50.0, 50), (60, 50), (60, 60)]))
    assert not rasterise([outside], (4, 5)).any()


def test_flat_ring_fills_nothing() -> None:
    assert not rasterise([Polygon(np.array([(0, 2), (5, 2), (9, 2)]))], (5, 10)).any()


def test_polygon_is_a_frozen_value() -> None:
    points = np.array([(0.0, 0), (4, 0), (4, 4)])
    polygon = Polygon(points)
    points[0] = 99
    assert polygon.exterior[0].tolist() == [0, 0]
    with pytest.raises(ValueError, match="read-only"):
        polygon.exterior[0, 0] = 1
    with pytest.raises(AttributeError):
        polygon.exterior = points  # type: ignore[misc]


TRIANGLE = np.array([(0, 0), (4, 0), (4, 4)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Polygon(TRIANGLE[:2]), "exterior has 2 points; give at least 3"),
        (lambda: Polygon(np.zeros((0, 2))), "exterior has 0 points"),
        (lambda: Polygon(TRIANGLE, (TRIANGLE, TRIANGLE[:1])), r"holes\[1\] has 1 points"),
        (lambda: Polygon(TRIANGLE.ravel()), r"exterior has shape \(6,\)"),
        (lambda: Polygon([(0, 0), (1, 1, 1), (2, 2)]), "exterior cannot be read"),  # type: ignore[arg-type, list-item]
        (lambda: Polygon(TRIANGLE * np.nan), "exterior has a coordinate that is not finite"),
        (lambda: Polygon(TRIANGLE * np.array(1e300)), "not finite"),
        (lambda: rasterise([Polygon(TRIANGLE)], (-1, 4)), r"size_hw is \(-1, 4\)"),
        (lambda: rasterise([TRIANGLE], (4, 4)), r"polygons\[0\] is a ndarray"),  # type: ignore[list-item]
        (lambda: polygons(np.zeros((2, 3, 4), bool)), r"mask has shape \(2, 3, 4\)"),
        (lambda: polygons(line(1, 1), -1.0), "tolerance_px is -1.0"),
        (lambda: polygons(line(1, 1), float("nan")), "tolerance_px is nan"),
        (lambda: polygons(line(1, 1), 1.0, min_iou=2.0), "min_iou is 2.0"),
    ],
)
def test_wrong_input_is_refused_by_name(make: Callable[[], object], message: str) -> None:
    with pytest.raises(MaskError, match=message):
        make()


def test_twelve_megapixels_with_thousands_of_corners_take_a_fraction_of_a_second() -> None:
    noise = np.random.default_rng(0).standard_normal((375, 500))
    mask = (ndimage.gaussian_filter(noise, 5) > 0).repeat(8, 0).repeat(8, 1)
    start = time.perf_counter()
    found = polygons(mask, 1.0)
    assert time.perf_counter() - start < 5  # about 0.2 on an idle machine
    assert simplification_iou(mask, found) >= 0.98
