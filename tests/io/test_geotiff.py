from __future__ import annotations

import logging
import math
import struct

import numpy as np
import pytest
from PIL import Image

from anymask.errors import ImageError
from anymask.geometry.georeference import GeoReference
from anymask.io.geotiff import read_georeference
from anymask.io.images import read_image
from geotiffs import (
    NORTH_UP,
    PIXEL_SCALE,
    TIE_POINTS,
    TRANSFORMATION,
    UTM_46N,
    write_geotiff,
)

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
EXPECTED = (30, 0, 500000, 0, -30, 3000000)
WORLD = "30.0\n0.0\n0.0\n-30.0\n500015.0\n2999985.0\n"


def matrix(a: float, b: float, c: float, d: float, e: float, f: float) -> tuple[float, ...]:
    return (a, b, 0, c, d, e, 0, f, 0, 0, 0, 0, 0, 0, 0, 1.0)


def test_scale_and_tie_point_with_a_projected_code(tmp_path, caplog):
    path = write_geotiff(tmp_path / "a.tif", GREY, NORTH_UP, UTM_46N)
    assert read_georeference(path) == GeoReference(EXPECTED, "EPSG:32646")
    assert read_georeference(path.read_bytes()) == GeoReference(EXPECTED, "EPSG:32646")
    with path.open("rb") as stream:
        assert read_georeference(stream) == GeoReference(EXPECTED, "EPSG:32646")
    assert not caplog.records


def test_a_tie_point_inside_the_picture(tmp_path):
    tags = {**NORTH_UP, TIE_POINTS: (2.0, 1.0, 0, 500060.0, 2999970.0, 0)}
    path = write_geotiff(tmp_path / "a.tif", GREY, tags, UTM_46N)
    assert read_georeference(path) == GeoReference(EXPECTED, "EPSG:32646")


def test_a_negative_scale_still_runs_down_the_map(tmp_path):
    tags = {**NORTH_UP, PIXEL_SCALE: (30.0, -30.0, 0.0)}
    path = write_geotiff(tmp_path / "a.tif", GREY, tags, UTM_46N)
    assert read_georeference(path) == GeoReference(EXPECTED, "EPSG:32646")


def test_pixel_is_point_moves_the_corner_by_half_a_pixel(tmp_path):
    path = write_geotiff(tmp_path / "a.tif", GREY, NORTH_UP, {**UTM_46N, 1025: 2})
    found = read_georeference(path)
    assert found.to_map((0.5, 0.5)).tolist() == [500000, 3000000]
    assert found.bounds((3, 4)) == (499985, 2999925, 500105, 3000015)


@pytest.mark.parametrize("raster_type", [1, 2])
def test_a_rotated_and_sheared_matrix(tmp_path, raster_type):
    affine = (20.0, 5.0, 1000.0, 3.0, -10.0, 2000.0)
    tags = {TRANSFORMATION: matrix(*affine)}
    path = write_geotiff(tmp_path / "a.tif", GREY, tags, {**UTM_46N, 1025: raster_type})
    tied = (0, 0) if raster_type == 1 else (0.5, 0.5)
    found = read_georeference(path)
    assert found.to_map(tied).tolist() == [1000, 2000]
    assert found.affine[:2] + found.affine[3:5] == (20, 5, 3, -10)


@pytest.mark.parametrize(
    ("keys", "crs"),
    [
        ({1024: 1, 3072: 32645}, "EPSG:32645"),
        ({1024: 2, 2048: 4326}, "EPSG:4326"),
        ({1024: 1, 2048: 4326, 3072: 32646}, "EPSG:32646"),
        ({3072: 3857, 2048: 4326}, "EPSG:3857"),
        ({2048: 4326}, "EPSG:4326"),
        ({1024: 1, 2048: 4326, 3072: 32767}, None),
        ({3072: 32767, 2048: 4326}, None),
        ({1024: 1, 2048: 4326}, None),
        ({1024: 3, 2048: 4978}, None),
        ({1024: 1}, None),
        (None, None),
    ],
)
def test_the_code_belongs_to_the_coordinates_of_the_transform(tmp_path, keys, crs):
    path = write_geotiff(tmp_path / "a.tif", GREY, NORTH_UP, keys)
    assert read_georeference(path) == GeoReference(EXPECTED, crs)


def test_a_transform_without_a_code_warns_once(tmp_path, caplog):
    path = write_geotiff(tmp_path / "nowhere.tif", GREY, NORTH_UP)
    assert read_georeference(path).crs is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "nowhere.tif" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_two_rasters_keep_their_own_crs(tmp_path):
    first = write_geotiff(tmp_path / "a.tif", GREY, NORTH_UP, UTM_46N)
    second = write_geotiff(tmp_path / "b.tif", GREY, NORTH_UP, {**UTM_46N, 3072: 32645})
    one, other = read_georeference(first), read_georeference(second)
    assert (one.crs, other.crs) == ("EPSG:32646", "EPSG:32645")
    assert read_georeference(first) == one


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [(), (3,)])
def test_the_georeference_belongs_to_the_upright_picture(tmp_path, orientation, channels):
    pixels = (np.arange(12, dtype=np.uint8) * 20).reshape(3, 4)
    stored = np.broadcast_to(pixels.reshape(3, 4, *[1] * len(channels)), (3, 4, *channels)).copy()
    path = write_geotiff(tmp_path / "a.tif", stored, NORTH_UP, UTM_46N, orientation)
    upright, found = read_image(path)[..., 0], read_georeference(path)
    plain = GeoReference(EXPECTED, "EPSG:32646")
    for value in pixels.ravel():
        (row, column), (upright_row, upright_column) = (
            np.argwhere(grid == value)[0] for grid in (pixels, upright)
        )
        np.testing.assert_array_equal(
            found.to_map((upright_column + 0.5, upright_row + 0.5)),
            plain.to_map((column + 0.5, row + 0.5)),
        )


def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path):
    path = write_geotiff(tmp_path / "a.tif", GREY, NORTH_UP, UTM_46N, orientation=77)
    assert read_georeference(path).affine == EXPECTED


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif", "bmp"])
def test_pictures_without_georeference_have_none(tmp_path, ending, caplog):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(GREY).save(path)
    assert read_georeference(path) is None
    assert not caplog.records


def test_control_points_alone_are_no_transform(tmp_path):
    tags = {TIE_POINTS: (0, 0, 0, 1, 1, 0, 4.0, 0, 0, 9, 2, 0, 0, 3.0, 0, 1, 7, 0)}
    assert read_georeference(write_geotiff(tmp_path / "a.tif", GREY, tags, UTM_46N)) is None


@pytest.mark.parametrize(
    ("picture", "world"),
    [
        ("a.tif", "a.tfw"),
        ("a.tiff", "a.tfw"),
        ("a.jpg", "a.jgw"),
        ("a.jpeg", "a.jpegw"),
        ("a.png", "a.pgw"),
        ("a.png", "a.wld"),
        ("A.PNG", "A.PGW"),
        ("a.b.png", "a.b.pgw"),
    ],
)
def test_a_world_file_beside_the_picture(tmp_path, picture, world, caplog):
    Image.fromarray(GREY).save(tmp_path / picture)
    (tmp_path / world).write_text(WORLD)
    assert read_georeference(tmp_path / picture) == GeoReference(EXPECTED)
    assert read_georeference(str(tmp_path / picture)) == GeoReference(EXPECTED)
    assert len(caplog.records) == 2


def test_a_world_file_names_its_numbers_column_by_column(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a.pgw").write_text("2\n0.5\n1\n-3\n10\n20")
    found = read_georeference(tmp_path / "a.png")
    assert found.to_map((0.5, 0.5)).tolist() == [10, 20]
    assert found.affine[:2] + found.affine[3:5] == (2, 1, 0.5, -3)


def test_tags_go_before_a_world_file_which_may_add_the_transform(tmp_path):
    (tmp_path / "a.tfw").write_text(WORLD.replace("5000", "6000"))
    path = write_geotiff(tmp_path / "a.tif", GREY, NORTH_UP, UTM_46N)
    assert read_georeference(path) == GeoReference(EXPECTED, "EPSG:32646")
    write_geotiff(path, GREY, None, UTM_46N)
    assert read_georeference(path) == GeoReference((30, 0, 600000, 0, -30, 3000000), "EPSG:32646")


def test_a_world_file_belongs_to_the_stored_pixels(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY).save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "a.jgw").write_text(WORLD)
    assert read_image(tmp_path / "a.jpg").shape == (4, 3, 3)
    found = read_georeference(tmp_path / "a.jpg")
    # turned clockwise, the lower left pixel of the file is the upper left one of the picture
    assert found.to_map((0, 0)).tolist() == [500000, 2999910]
    assert found.bounds((4, 3)) == (500000, 2999910, 500120, 3000000)


@pytest.mark.parametrize(
    "text",
    ["", "1\n2\n3", WORLD + "7\n", "thirty\n" + WORLD[5:], WORLD.replace(".", ","), "0\n" * 6],
)
def test_a_malformed_world_file_is_refused_by_name(tmp_path, text):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a.pgw").write_text(text)
    with pytest.raises(ImageError, match=r"a\.pgw' has a georeference that cannot be used") as told:
        read_georeference(tmp_path / "a.png")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "tags",
    [
        {**NORTH_UP, PIXEL_SCALE: (0.0, 0.0, 0.0)},
        {**NORTH_UP, PIXEL_SCALE: (math.nan, 30.0, 0.0)},
        {**NORTH_UP, PIXEL_SCALE: (30.0,)},
        {**NORTH_UP, TIE_POINTS: (0.0, 0.0, 0.0)},
        {**NORTH_UP, TIE_POINTS: (0.0, 0.0, 0.0, math.inf, 0.0, 0.0)},
        {TRANSFORMATION: matrix(1, 2, 0, 2, 4, 0)},
        {TRANSFORMATION: (1.0, 2.0)},
    ],
)
def test_a_degenerate_transform_is_refused_by_name(tmp_path, tags):
    path = write_geotiff(tmp_path / "odd.tif", GREY, tags, UTM_46N)
    with pytest.raises(ImageError, match=r"odd\.tif' has a georeference that cannot be used"):
        read_georeference(path)


def test_values_kept_elsewhere_are_no_codes(tmp_path):
    path = write_geotiff(tmp_path / "a.tif", GREY, NORTH_UP, UTM_46N)
    directory = struct.pack("<4H", 3072, 0, 1, 32646)
    moved = path.read_bytes().replace(directory, struct.pack("<4H", 3072, 34737, 5, 32646))
    assert read_georeference(moved).crs is None


@pytest.mark.parametrize("content", [b"", b"no picture", b"II*\0", b"II*\0\xff\xff\xff\xff"])
def test_what_is_no_picture_is_refused_where_its_content_is_needed(tmp_path, content):
    (tmp_path / "a.tif").write_bytes(content)
    (tmp_path / "a.tfw").write_text(WORLD)
    with pytest.raises(ImageError, match=r"a\.tif"):
        read_georeference(tmp_path / "a.tif")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ImageError, match="does not exist"):
        read_georeference(tmp_path / "none.tif")


def test_damaged_tags_never_bring_another_error_or_a_warning(tmp_path):
    whole = write_geotiff(tmp_path / "a.tif", GREY, NORTH_UP, UTM_46N).read_bytes()
    random = np.random.default_rng(0)
    outcomes = set()
    for _ in range(400):
        damaged = bytearray(whole[: random.integers(8, len(whole) + 1)])
        for at in random.integers(4, len(damaged), 3):
            damaged[at] = random.integers(256)
        try:
            outcomes.add(type(read_georeference(bytes(damaged))))
        except ImageError:
            outcomes.add(ImageError)
    assert outcomes == {GeoReference, type(None), ImageError}


def test_pixels_are_not_decoded(tmp_path):
    whole = write_geotiff(tmp_path / "a.tif", GREY, NORTH_UP, UTM_46N).read_bytes()
    truncated = whole[: whole.index(GREY.tobytes())]
    with pytest.raises(ImageError):
        read_image(truncated)
    assert read_georeference(truncated) == GeoReference(EXPECTED, "EPSG:32646")
