"""A collection of odd picture files: each is shown upright or refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from anymask.errors import ImageError
from anymask.io.images import list_images, read_image

pytestmark = pytest.mark.shared

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "G"
MANIFEST = FOLDER / "manifest.json"
ENTRIES = json.loads(MANIFEST.read_text("utf-8")) if MANIFEST.is_file() else []
HUGE = "200MP.heic"
LOADING = [e["file"] for e in ENTRIES if e["pillow"] == "loads" and e["file"] != HUGE]
REFUSED = [e["file"] for e in ENTRIES if e["pillow"] != "loads"]

# Pillow shows these without turning or converting them further, so it is the oracle for them.
SHOWN_AS_PILLOW_DOES = (".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".ppm", ".psd", ".avif", ".mpo")


def odd(shared_dir: Path, name: str) -> Path:
    return shared_dir / "data" / "G" / "odd_images" / name


def test_the_collection_is_whole(shared_dir: Path) -> None:
    assert len(ENTRIES) == 78
    assert len(list_images(odd(shared_dir, ""))) == 78


@pytest.mark.parametrize("name", LOADING)
def test_an_odd_picture_loads_upright(shared_dir: Path, name: str) -> None:
    entry = next(e for e in ENTRIES if e["file"] == name)
    width, height = entry["size"]
    turned = (entry["exif_orientation"] or 1) >= 5
    rgb = read_image(odd(shared_dir, name))
    # the list gives the size Pillow opens with; AVIF files are turned by their own rule
    assert rgb.shape == ((width, height, 3) if turned else (height, width, 3))
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    if "solid" not in name and min(rgb.shape[:2]) > 3 and name != "mode_palette_alpha.png":
        assert rgb.std() > 5, "a picture of one colour"


@pytest.mark.parametrize("name", [n for n in LOADING if n.endswith(SHOWN_AS_PILLOW_DOES)])
def test_an_odd_picture_looks_as_pillow_shows_it(shared_dir: Path, name: str) -> None:
    with Image.open(odd(shared_dir, name)) as image:
        upright = ImageOps.exif_transpose(image)
        expected = np.asarray(upright.convert("RGB"))
        opaque = np.asarray(upright.convert("RGBA"))[..., 3] == 255
    np.testing.assert_array_equal(read_image(odd(shared_dir, name))[opaque], expected[opaque])


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_file_is_refused_by_name(shared_dir: Path, name: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(odd(shared_dir, name))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_picture_of_200_megapixels_is_within_the_limit_but_can_be_refused(
    shared_dir: Path,
) -> None:
    with pytest.raises(ImageError, match="12240 x 16320 = 199756800 pixels; at most 199756799"):
        read_image(odd(shared_dir, HUGE), max_pixels=199_756_799)


@pytest.mark.parametrize(
    ("deep", "plain"),
    [
        ("derived_gray16.png", "derived_progressive_gray.jpg"),
        ("derived_gray16_10bit_range.png", "derived_progressive_gray.jpg"),
        ("derived_cmyk_600x400.jpg", "coffee.png"),
        ("hopper.Lab.tif", "hopper.ppm"),
        ("hopper.psd", "hopper.ppm"),
        ("derived_wrong_extension.png", "rocket.jpg"),
        ("derived photo with spaces & ünicöde.jpg", "rocket.jpg"),
    ],
)
def test_two_files_of_one_picture_look_alike(shared_dir: Path, deep: str, plain: str) -> None:
    first, second = (read_image(odd(shared_dir, name)).astype(int) for name in (deep, plain))
    assert np.abs(first - second).mean() < 8
