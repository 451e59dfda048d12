"""Pictures to be edited keep depth, alpha, EXIF and profile."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from anymask.errors import ImageError
from anymask.io.originals import Original, read_original, save_original

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RNG = np.random.default_rng(0)


def noise(*shape: int, depth: type = np.uint8) -> np.ndarray:
    return RNG.integers(0, np.iinfo(depth).max + 1, shape, depth)


def file_of(pixels: np.ndarray, format_name: str, mode: str | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, format_name, **options)
    return buffer.getvalue()


def exif_with(**tags: object) -> Image.Exif:
    exif = Image.Exif()
    numbers = {"orientation": 0x0112, "make": 0x010F}
    for name, value in tags.items():
        exif[numbers[name]] = value
    return exif


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("size", [(1, 1), (7, 1), (300, 5)])
def test_sixteen_bits_come_back_exactly(tmp_path, channels, size):
    pixels = noise(*size, channels, depth=np.uint16)
    exif = exif_with(make="Maker").tobytes().removeprefix(b"Exif\0\0")
    path = save_original(tmp_path / "deep.png", Original(pixels, exif, SRGB))
    back = read_original(path)
    np.testing.assert_array_equal(back.pixels, pixels)
    assert back.pixels.dtype == np.uint16
    assert back.icc == SRGB
    with Image.open(path) as image:
        assert image.getexif()[0x010F] == "Maker"


@pytest.mark.parametrize("ending", ["png", "webp"])
@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 3), (5, 6, 4)])
def test_eight_bits_come_back_exactly(tmp_path, ending, shape):
    pixels = noise(*shape)
    if len(shape) == 3 and shape[2] == 4:
        pixels[0, 0, 3] = 0
    back = read_original(save_original(tmp_path / f"a.{ending}", Original(pixels))).pixels
    expected = np.repeat(pixels[..., None], 3, 2) if back.ndim > pixels.ndim else pixels
    np.testing.assert_array_equal(back, expected)


def test_grey_of_sixteen_bits_is_kept(tmp_path):
    pixels = noise(4, 9, depth=np.uint16)
    back = read_original(save_original(tmp_path / "a.png", Original(pixels)))
    np.testing.assert_array_equal(back.pixels, pixels)


def test_exif_and_profile_survive_and_the_turn_is_done_once(tmp_path):
    exif = exif_with(orientation=6, make="Maker")
    original = read_original(file_of(noise(8, 20, 3), "JPEG", exif=exif, icc_profile=SRGB))
    assert original.pixels.shape == (20, 8, 3)
    for name in ("a.jpg", "a.png", "a.webp"):
        with Image.open(save_original(tmp_path / name, original)) as image:
            assert image.size == (8, 20)
            assert image.info["icc_profile"] == SRGB
            assert dict(image.getexif()) == {0x010F: "Maker"}


def test_the_thumbnail_of_the_unedited_picture_is_left_out(tmp_path):
    head = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x0f\x01\x02\0\x03\0\0\0me\0\0" + b"\x1a\0\0\0"
    jpeg_at = (
        b"\x02\0" + b"\x01\x02\x04\0\x01\0\0\0\x40\0\0\0" + b"\x02\x02\x04\0\x01\0\0\0\x06\0\0\0"
    )
    block = (head + jpeg_at + b"\0\0\0\0").ljust(0x40, b"\0") + b"\xff\xd8SEEN"
    original = read_original(file_of(noise(4, 4, 3), "JPEG", exif=b"Exif\0\0" + block))
    assert original.exif
    assert b"SEEN" not in original.exif
    assert b"me\0" in original.exif


def test_cmyk_becomes_rgb_without_its_profile(tmp_path):
    original = read_original(
        file_of(noise(6, 5, 3), "TIFF", "CMYK", icc_profile=b"x" * 16 + b"CMYK")
    )
    assert original.pixels.shape == (6, 5, 3)
    assert original.icc is None


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    clear = np.zeros((3, 3, 4), np.uint8)
    with pytest.raises(ImageError, match=r"transparent parts, which JPEG cannot hold; save \.png"):
        save_original(tmp_path / "a.jpg", Original(clear))
    with pytest.raises(ImageError, match="16 bits a colour, WEBP holds 8"):
        save_original(tmp_path / "a.webp", Original(noise(3, 3, 3, depth=np.uint16)))
    with pytest.raises(ImageError, match=r"ending '\.bmp'; give one of"):
        save_original(tmp_path / "a.bmp", Original(clear))
    with pytest.raises(ImageError, match="holds sides of up to 16383"):
        save_original(tmp_path / "a.webp", Original(np.zeros((1, 20000, 3), np.uint8)))
    assert not list(tmp_path.iterdir())
    clear[..., 3] = 255
    assert read_original(save_original(tmp_path / "a.jpg", Original(clear))).pixels.shape == (
        3,
        3,
        3,
    )
