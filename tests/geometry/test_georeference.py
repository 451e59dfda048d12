from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import ImageError
from anymask.geometry.georeference import GeoReference, affine_from_centres

NORTH_UP = (30.0, 0.0, 500000.0, 0.0, -30.0, 3000000.0)


def rotated(degrees: float, pixel: float = 2.0) -> GeoReference:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return GeoReference((pixel * cos, pixel * sin, 10.0, pixel * sin, -pixel * cos, 20.0))


@st.composite
def georeferences(draw):
    """Pixels of a hair to a kilometre, any turn, up to a strong shear, anywhere on Earth."""
    across = draw(st.floats(1e-6, 1e3))
    down = across * draw(st.floats(0.1, 10))
    turn, shear = draw(st.floats(0, 2 * math.pi)), draw(st.floats(0.2, math.pi - 0.2))
    side = draw(st.sampled_from([-1, 1]))
    a, d = across * math.cos(turn), across * math.sin(turn)
    b, e = down * math.cos(turn + side * shear), down * math.sin(turn + side * shear)
    # a map holds as many digits as pixels of its size need
    reach = 1e7 * min(across, down, 1.0)
    c, f = draw(st.floats(-reach, reach)), draw(st.floats(-reach, reach))
    return GeoReference((a, b, c, d, e, f), "EPSG:32646")


def test_corners_of_a_north_up_raster_lie_where_the_affine_says():
    georeference = GeoReference(NORTH_UP, "EPSG:32646")
    assert georeference.to_map((0, 0)).tolist() == [500000, 3000000]
    assert georeference.to_map([(10, 0), (10, 10)]).tolist() == [
        [500300, 3000000],
        [500300, 2999700],
    ]
    assert georeference.bounds((10, 10)) == (500000, 2999700, 500300, 3000000)
    assert georeference.pixel_area == 900
    assert georeference.is_mirrored


@given(georeferences(), st.tuples(*[st.floats(-10, 50000)] * 2))
def test_pixels_to_map_and_back_is_the_identity(georeference, point):
    there = georeference.to_map(point)
    np.testing.assert_allclose(georeference.to_pixels(there), point, atol=1e-3)


@given(georeferences())
def test_pixel_area_is_the_area_of_the_pixel_on_the_map(georeference):
    (x0, y0), (x1, y1), (x2, y2) = GeoReference(
        (*georeference.affine[:2], 0, *georeference.affine[3:5], 0)
    ).to_map([(0, 0), (1, 0), (0, 1)])
    area = abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0))
    assert georeference.pixel_area == pytest.approx(area)


def test_bounds_of_a_rotated_raster_reach_its_corners():
    left, bottom, right, top = rotated(45, pixel=math.sqrt(2)).bounds((4, 4))
    np.testing.assert_allclose((left, bottom, right, top), (10, 16, 18, 24))


def test_a_box_on_the_map_becomes_the_smallest_box_in_pixels_around_it():
    georeference = GeoReference(NORTH_UP)
    assert georeference.boxes_to_pixels((500030, 2999910, 500090, 2999970)).tolist() == [1, 1, 3, 3]
    many = georeference.boxes_to_pixels([(500030, 2999910, 500090, 2999970)] * 2)
    assert many.tolist() == [[1, 1, 3, 3]] * 2
    around = rotated(45).boxes_to_pixels((10, 20, 12, 22))
    np.testing.assert_allclose(around[2:] - around[:2], [math.sqrt(2)] * 2)


def test_whole_numbers_as_centres_move_by_half_a_pixel():
    assert affine_from_centres(NORTH_UP) == (30, 0, 499985, 0, -30, 3000015)
    sheared = GeoReference(affine_from_centres((2, 1, 10, 0.5, -3, 20)))
    assert sheared.to_map((0.5, 0.5)).tolist() == [10, 20]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turn_and_the_same_turn_of_the_picture_agree(orientation):
    stored = GeoReference((3.0, 0.5, 100.0, 0.25, -2.0, 50.0), "EPSG:32646")
    height, width = 4, 7
    upright = stored.upright(orientation, (height, width))
    turned_hw = (height, width) if orientation < 5 else (width, height)
    np.testing.assert_allclose(upright.bounds(turned_hw), stored.bounds((height, width)))
    assert upright.pixel_area == pytest.approx(stored.pixel_area)
    assert upright.crs == stored.crs


def test_georeferences_are_values():
    first, second = GeoReference(NORTH_UP, "EPSG:32646"), GeoReference(NORTH_UP, "EPSG:32645")
    assert first == GeoReference(NORTH_UP, "EPSG:32646")
    assert first != second
    assert len({first, second}) == 2
    with pytest.raises(AttributeError):
        first.crs = "EPSG:4326"


@pytest.mark.parametrize(
    ("affine", "told"),
    [
        ((0, 0, 0, 0, 0, 0), "without an area"),
        ((30, 0, 0, 0, 0, 0), "without an area"),
        ((1, 2, 0, 2, 4, 0), "without an area"),
        ((1e6, 1e6, 0, 1e6, 1e6 + 1e-6, 0), "without an area"),
        ((30, 0, math.nan, 0, -30, 0), "finite"),
        ((math.inf, 0, 0, 0, -30, 0), "finite"),
        ((30, 0, 0, 0, -30), "5 numbers"),
    ],
)
def test_degenerate_affines_are_refused(affine, told):
    with pytest.raises(ImageError, match=told):
        GeoReference(affine)


def test_tiny_pixels_are_not_degenerate():
    assert GeoReference((1e-9, 0, 0, 0, -1e-9, 0)).pixel_area == pytest.approx(1e-18)


@pytest.mark.parametrize("crs", ["", "32646", "epsg:32646", "EPSG:", "WGS 84"])
def test_a_crs_that_is_no_epsg_code_is_refused(crs):
    with pytest.raises(ImageError, match="EPSG code"):
        GeoReference(NORTH_UP, crs)
