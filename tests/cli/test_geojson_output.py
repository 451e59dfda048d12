from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.formats.geojson import document_crs, masks_from_document, read_geojson
from anymask.io.geotiff import read_georeference
from geotiffs import NORTH_UP, UTM_46N, write_geotiff


@pytest.fixture
def raster(tmp_path):
    """Makes a GeoTIFF, 80 wide and 60 high, 2400 m by 1800 m."""

    def make(name: str = "scene.tif", **options: object) -> Path:
        pixels = np.full((60, 80, 3), 90, np.uint8)
        return write_geotiff(tmp_path / name, pixels, **{"doubles": NORTH_UP, **options})

    return make


def test_masks_are_saved_in_the_crs_of_the_raster(run, raster, stub, tmp_path):
    path = raster(keys=UTM_46N)
    ended = run("segment", path, "--point", "40,30", "--save", "mask,json,geojson", "--json")
    assert (ended.code, ended.err) == (0, "")
    (image,) = ended.json["images"]
    (saved,) = image["saved"]["geojson"]
    document = read_geojson(tmp_path / saved)
    assert document_crs(document) == "EPSG:32646"
    mask = np.asarray(Image.open(tmp_path / "anymask-out/scene_mask.png")) > 0
    (found,) = masks_from_document(document, read_georeference(path), (60, 80))
    np.testing.assert_array_equal(found, mask)
    properties = document["features"][0]["properties"]
    assert properties["area_map"] == 900 * mask.sum()
    (record,) = image["result"]["objects"]
    for name in ("predicted_iou", "stability_score"):
        assert properties[name] == record[name]


def test_rasters_of_one_run_keep_their_own_crs(run, raster, stub, tmp_path):
    raster("a.tif", keys=UTM_46N)
    raster("b.tif", keys={**UTM_46N, 3072: 32645})
    run("segment", "a.tif", "b.tif", "--point", "40,30", "--save", "geojson")
    for name, crs in (("a", "EPSG:32646"), ("b", "EPSG:32645")):
        assert document_crs(read_geojson(tmp_path / f"anymask-out/{name}.geojson")) == crs


def test_a_raster_without_crs_warns_once_and_is_saved_in_its_own_units(run, raster, stub, tmp_path):
    ended = run("segment", raster(), "--point", "40,30", "--save", "geojson")
    assert ended.code == 0
    assert ended.err.startswith("warning: ")
    assert ended.err.count("\n") == 1
    document = read_geojson(tmp_path / "anymask-out/scene.geojson")
    assert document["coordinates"] == "map"
    assert "crs" not in document


def test_an_ordinary_picture_warns_once_and_is_saved_in_pixels(run, picture, stub, tmp_path):
    ended = run("segment", picture(), "--point", "40,30", "--save", "geojson")
    assert ended.code == 0
    assert ended.err.startswith("warning: ")
    assert ended.err.count("\n") == 1
    assert read_geojson(tmp_path / "anymask-out/photo.geojson")["coordinates"] == "pixel"


def test_geojson_is_saved_only_when_asked_for(run, raster, stub, tmp_path):
    ended = run("segment", raster(), "--point", "40,30")
    assert (ended.code, ended.err) == (0, "")
    assert not list((tmp_path / "anymask-out").glob("*.geojson"))


@pytest.mark.parametrize("coordinates", ["map", "EPSG:32646", "epsg:32646"])
def test_prompts_in_map_coordinates(run, raster, stub, coordinates):
    words = ("segment", raster(keys=UTM_46N), "--json", "--save", "json")
    pixels = run(
        *words, "--point", "40,30", "--background", "0,0", "--object", "box=10,20,30,40",
    )  # fmt: skip
    on_map = run(
        *words, "--coordinates", coordinates,
        "--point", "501200,2999100", "--background", "500000,3000000",
        "--object", "box=500300,2998800,500900,2999400",
    )  # fmt: skip
    assert (on_map.code, on_map.err) == (0, "")
    result, same = (ended.json["images"][0]["result"] for ended in (pixels, on_map))
    assert same == result


def test_prompts_of_a_file_in_map_coordinates(run, raster, stub, tmp_path):
    prompts = [{"points": [[501200, 2999100]]}]
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    ended = run(
        "segment", raster(keys=UTM_46N), "--json",
        "--prompts", "prompts.json", "--coordinates", "map",
    )  # fmt: skip
    assert ended.json["images"][0]["result"]["objects"][0]["prompt"]["points"] == [[40, 30]]


def test_prompts_of_another_crs_are_refused(run, raster, stub):
    words = ("--point", "501200,2999100", "--coordinates", "EPSG:32645")
    ended = run("segment", raster(keys=UTM_46N), *words)
    assert ended.code == 2
    assert "EPSG:32645 but the picture has EPSG:32646" in ended.err


def test_map_coordinates_on_an_ordinary_picture_are_refused(run, picture, stub):
    ended = run("segment", picture(), "--point", "501200,2999100", "--coordinates", "map")
    assert ended.code == 2
    assert "no georeference" in ended.err


@pytest.mark.parametrize("word", ["", "metres", "EPSG", "EPSG:x", "32646"])
def test_unknown_coordinates_are_refused(run, picture, stub, word):
    ended = run("segment", picture(), "--point", "4,4", "--coordinates", word)
    assert ended.code == 2
    assert "--coordinates" in ended.err
    assert not stub.calls
