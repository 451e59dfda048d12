from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from anymask.errors import FileFormatError, MaskError
from anymask.formats.geojson import (
    document_crs,
    geojson_document,
    masks_from_document,
    read_geojson,
    write_geojson,
)
from anymask.geometry.georeference import GeoReference

UTM = GeoReference((30, 0, 500000, 0, -30, 3000000), "EPSG:32646")
ROTATED = GeoReference((20, 5, 1000, 3, -10, 2000), "EPSG:32646")
DEGREES = GeoReference((1e-5, 0, 13.4, 0, -1e-5, 52.5), "EPSG:4326")
REFERENCES = (None, UTM, ROTATED, DEGREES, GeoReference((0.5, 0, 7, 0, 0.25, 9)))

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=7))


def rectangle(x0: int, y0: int, x1: int, y1: int, size_hw: tuple[int, int] = (10, 10)):
    mask = np.zeros(size_hw, np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


def polygons(feature: dict) -> list[list[np.ndarray]]:
    geometry = feature["geometry"]
    if geometry is None:
        return []
    several = geometry["type"] == "MultiPolygon"
    found = geometry["coordinates"] if several else [geometry["coordinates"]]
    return [[np.array(ring) for ring in rings] for rings in found]


def signed_area(ring: np.ndarray) -> float:
    """Shoelace; positive for a ring that runs counter-clockwise where y runs up."""
    x, y = (ring - ring[0]).T
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2


def test_six_pixels_of_thirty_metres_have_5400_square_metres():
    document = geojson_document([rectangle(4, 2, 6, 5)], UTM)
    (feature,) = document["features"]
    ((ring,),) = polygons(feature)
    assert signed_area(ring) == 5400
    assert feature["properties"]["area_px"] == 6
    assert feature["properties"]["area_map"] == 5400
    assert (*ring.min(axis=0), *ring.max(axis=0)) == (
        *UTM.to_map((4, 5)),
        *UTM.to_map((6, 2)),
    )
    assert document_crs(document) == "EPSG:32646"


def test_the_crs_is_named_as_gis_programs_name_it():
    document = geojson_document([], UTM)
    assert document["crs"] == {
        "type": "name",
        "properties": {"name": "urn:ogc:def:crs:EPSG::32646"},
    }
    degrees = geojson_document([], DEGREES)
    assert degrees["crs"]["properties"]["name"] == "urn:ogc:def:crs:OGC:1.3:CRS84"
    assert document_crs(degrees) == "EPSG:4326"


def test_two_rasters_keep_their_own_crs():
    other = GeoReference(UTM.affine, "EPSG:32645")
    documents = [geojson_document([rectangle(0, 0, 2, 2)], one) for one in (UTM, other, UTM)]
    assert [document_crs(one) for one in documents] == ["EPSG:32646", "EPSG:32645", "EPSG:32646"]
    assert documents[0] == documents[2]
    with pytest.raises(FileFormatError, match=r"EPSG:32646 but the picture has EPSG:32645"):
        masks_from_document(documents[0], other, (10, 10))


def test_without_georeference_coordinates_are_pixels_and_say_so():
    document = geojson_document([rectangle(4, 2, 6, 5)], None)
    assert "crs" not in document
    assert document["coordinates"] == "pixel"
    (feature,) = document["features"]
    assert feature["properties"]["coordinates"] == "pixel"
    assert feature["properties"]["area_map"] is None
    ((ring,),) = polygons(feature)
    assert (*ring.min(axis=0), *ring.max(axis=0)) == (4, 2, 6, 5)


def test_without_crs_coordinates_are_the_rasters_own():
    document = geojson_document([rectangle(4, 2, 6, 5)], GeoReference(UTM.affine))
    assert "crs" not in document
    assert document["coordinates"] == "map"
    assert document_crs(document) is None
    assert document["features"][0]["properties"]["area_map"] == 5400


def test_properties_of_a_feature():
    document = geojson_document(
        [rectangle(0, 0, 2, 2), rectangle(5, 5, 6, 6)],
        UTM,
        predicted_iou=np.array([0.91234567, math.nan], np.float32),
        stability=[0.5, 1],
        labels=["roof", "tree"],
    )
    assert [feature["id"] for feature in document["features"]] == [0, 1]
    assert document["features"][0]["properties"] == {
        "id": 0,
        "area_px": 4,
        "area_map": 3600,
        "predicted_iou": 0.912346,
        "stability_score": 0.5,
        "label": "roof",
        "coordinates": "map",
    }
    assert document["features"][1]["properties"]["predicted_iou"] is None
    json.dumps(document, allow_nan=False)
    plain = geojson_document([rectangle(0, 0, 2, 2)], UTM)["features"][0]["properties"]
    assert "label" not in plain
    assert plain["predicted_iou"] is None


def test_an_empty_mask_is_a_feature_without_a_place():
    (feature,) = geojson_document([np.zeros((4, 4), np.bool_)], UTM)["features"]
    assert feature["geometry"] is None
    assert feature["properties"]["area_map"] == 0


def test_holes_and_parts():
    mask = rectangle(0, 0, 5, 5)
    mask[2, 2] = False
    mask[8, 8] = True
    first, second = polygons(geojson_document([mask], UTM)["features"][0])
    assert [signed_area(ring) for ring in first] == [25 * 900, -900]
    assert [signed_area(ring) for ring in second] == [900]


@given(MASKS, st.sampled_from(REFERENCES))
def test_areas_are_exact_and_exteriors_run_counter_clockwise(mask, georeference):
    (feature,) = geojson_document([mask], georeference)["features"]
    area = 0.0
    for exterior, *holes in polygons(feature):
        assert signed_area(exterior) > 0
        assert all(signed_area(hole) < 0 for hole in holes)
        area += sum(signed_area(ring) for ring in (exterior, *holes))
    pixel_area = 1 if georeference is None else georeference.pixel_area
    assert area == pytest.approx(np.count_nonzero(mask) * pixel_area, rel=1e-6)


@given(MASKS)
def test_no_ring_touches_itself(mask):
    (feature,) = geojson_document([mask], UTM)["features"]
    for rings in polygons(feature):
        for ring in rings:
            np.testing.assert_array_equal(ring[0], ring[-1])
            assert len({tuple(point) for point in ring.tolist()}) == len(ring) - 1


@given(st.lists(MASKS, max_size=3), st.sampled_from(REFERENCES))
def test_masks_come_back_from_the_map(masks, georeference):
    masks = [np.pad(mask, ((0, 7 - mask.shape[0]), (0, 7 - mask.shape[1]))) for mask in masks]
    document = json.loads(json.dumps(geojson_document(masks, georeference)))
    found = masks_from_document(document, georeference, (7, 7))
    np.testing.assert_array_equal(found, np.array(masks, np.bool_).reshape(-1, 7, 7))


def test_a_file_round_trip(tmp_path):
    mask = rectangle(3, 1, 9, 4)
    document = geojson_document([mask], UTM, labels=["Straße"])
    write_geojson(tmp_path / "a.geojson", document)
    assert read_geojson(tmp_path / "a.geojson") == document
    (found,) = masks_from_document(read_geojson(tmp_path / "a.geojson"), UTM, (10, 10))
    np.testing.assert_array_equal(found, mask)


def test_pixels_of_a_document_do_not_depend_on_the_picture_s_place():
    document = geojson_document([rectangle(3, 1, 9, 4)], None)
    (found,) = masks_from_document(document, UTM, (10, 10))
    np.testing.assert_array_equal(found, rectangle(3, 1, 9, 4))


def test_outlines_may_be_simplified():
    y, x = np.mgrid[:60, :60]
    disc = np.hypot(y - 30, x - 30) < 25
    exact, simple = (
        polygons(geojson_document([disc], UTM, tolerance_px=tolerance)["features"][0])[0][0]
        for tolerance in (0, 1)
    )
    assert len(simple) < len(exact) / 3
    assert signed_area(simple) == pytest.approx(signed_area(exact), rel=0.05)


@pytest.mark.parametrize(
    ("name", "crs"),
    [
        ("EPSG:32646", "EPSG:32646"),
        ("urn:ogc:def:crs:EPSG::32646", "EPSG:32646"),
        ("urn:ogc:def:crs:EPSG:9.9:32646", "EPSG:32646"),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326"),
        ("OGC:CRS84", "EPSG:4326"),
    ],
)
def test_names_that_other_programs_give_a_crs(name, crs):
    member = {"type": "name", "properties": {"name": name}}
    assert document_crs({"crs": member, "features": []}) == crs


def test_a_document_of_another_program_without_crs_has_longitude_and_latitude():
    assert document_crs({"type": "FeatureCollection", "features": []}) == "EPSG:4326"


@pytest.mark.parametrize(
    "member", ["EPSG:32646", {"type": "link"}, {"properties": {"name": "ESRI:102100"}}, 7]
)
def test_a_crs_without_epsg_code_is_refused(member):
    with pytest.raises(FileFormatError, match="EPSG code"):
        document_crs({"crs": member, "features": []})


def test_features_on_the_map_need_the_picture_s_place():
    document = geojson_document([rectangle(0, 0, 2, 2)], UTM)
    with pytest.raises(FileFormatError, match="no georeference"):
        masks_from_document(document, None, (10, 10))


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [0, 0]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
        {"type": "Polygon", "coordinates": [["a", "b", "c", "d"]]},
        {"type": "Polygon", "coordinates": 7},
        {"type": "Polygon"},
        {"type": "MultiPolygon", "coordinates": [[0, 0]]},
        "Polygon",
    ],
)
def test_a_geometry_that_is_no_polygon_is_refused(geometry):
    document = {"coordinates": "pixel", "features": [{"type": "Feature", "geometry": geometry}]}
    with pytest.raises(FileFormatError, match="feature 0"):
        masks_from_document(document, None, (4, 4))


def test_heights_are_left_out():
    ring = [[0, 0, 9], [2, 0, 9], [2, 2, 9], [0, 2, 9], [0, 0, 9]]
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}
    found = masks_from_document({"coordinates": "pixel", "features": [feature]}, None, (4, 4))
    np.testing.assert_array_equal(found[0], rectangle(0, 0, 2, 2, (4, 4)))


@pytest.mark.parametrize("name", ["predicted_iou", "stability", "labels"])
def test_another_number_of_values_than_of_masks_is_refused(name):
    with pytest.raises(FileFormatError, match=f"{name} has 2 entries but there are 1 masks"):
        geojson_document([rectangle(0, 0, 1, 1)], UTM, **{name: ["1", "2"]})


def test_what_is_no_mask_is_refused():
    with pytest.raises(MaskError):
        geojson_document(np.zeros((1, 2, 3, 4), np.bool_), UTM)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"type": "Feature"}', '{"type": "FeatureCollection"}']
)
def test_what_is_no_feature_collection_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.geojson").write_text(content)
    with pytest.raises(FileFormatError, match=r"a\.geojson"):
        read_geojson(tmp_path / "a.geojson")


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(FileFormatError, match=r"none\.geojson"):
        read_geojson(tmp_path / "none.geojson")
