"""Picture files of every kind, made here: what loads comes out upright, the rest is refused."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from anymask.errors import ImageError, MaskError, MissingExtraError
from anymask.io.arrays import BACKDROP
from anymask.io.images import DEFAULT_MAX_PIXELS, IMAGE_SUFFIXES, list_images, read_image, read_mask

EXACT = ["PNG", "TIFF", "BMP", "PPM", "TGA", "PCX", "SGI", "ICO"]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def full_range(*shape: int) -> np.ndarray:
    """Noise that holds both black and white."""
    values = noise(*shape)
    values[0, 0], values[-1, -1] = 0, 255
    return values


@pytest.fixture
def photo() -> np.ndarray:
    """(40, 60, 3) uint8, smooth, different in every corner."""
    y, x = np.mgrid[0:40, 0:60]
    return np.dstack([x * 4, y * 6, 255 - x * 2 - y * 3]).astype(np.uint8)


def encoded(image: Image.Image | np.ndarray, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, format=format_name, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes = b"") -> bytes:
    """A PNG put together by hand: any size in its header, any samples in its rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def png16(samples: np.ndarray) -> bytes:
    """A 16-bit PNG of (H, W, C) uint16, C = 1 to 4."""
    height, width, channels = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return png(width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], rows)


def tiff16(samples: np.ndarray, *, order: str = "<", apart: bool = False) -> bytes:
    """An uncompressed 16-bit RGB or RGBA TIFF, bands together or one after another."""
    height, width, bands = samples.shape
    planes = np.moveaxis(samples, -1, 0) if apart else samples[None]
    strips = [plane.astype(order + "u2").tobytes() for plane in planes]
    bits_at, entries = 8, 11 + (bands == 4)
    offsets_at = bits_at + 2 * bands
    counts_at = offsets_at + 4 * len(strips)
    directory_at = counts_at + 4 * len(strips)
    pixels_at = directory_at + 2 + 12 * entries + 4
    sizes = [len(strip) for strip in strips]
    offsets = [pixels_at + sum(sizes[:index]) for index in range(len(strips))]
    many = len(strips) > 1

    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        packed = struct.pack(
            order + ("HH" if kind == 3 and count == 1 else "I"),
            *((value, 0) if kind == 3 and count == 1 else (value,)),
        )
        return struct.pack(order + "HHI", tag, kind, count) + packed

    table = [
        entry(256, 3, 1, width),
        entry(257, 3, 1, height),
        entry(258, 3, bands, bits_at),
        entry(259, 3, 1, 1),
        entry(262, 3, 1, 2),
        entry(273, 4, len(strips), offsets_at if many else offsets[0]),
        entry(277, 3, 1, bands),
        entry(278, 3, 1, height),
        entry(279, 4, len(strips), counts_at if many else sizes[0]),
        entry(284, 3, 1, 2 if apart else 1),
        *([entry(338, 3, 1, 2)] if bands == 4 else []),
        entry(339, 3, 1, 1),
    ]
    assert len(table) == entries
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, directory_at)
    lists = struct.pack(order + "H" * bands, *[16] * bands)
    lists += struct.pack(order + "I" * 2 * len(strips), *offsets, *sizes)
    return (
        head
        + lists
        + struct.pack(order + "H", entries)
        + b"".join(table)
        + bytes(4)
        + b"".join(strips)
    )


# Sources


def test_path_text_bytes_and_streams_give_the_same_picture(
    tmp_path: Path, photo: np.ndarray
) -> None:
    content = encoded(photo, "PNG")
    path = tmp_path / "photo with spaces & ünicöde.png"
    path.write_bytes(content)
    with path.open("rb") as stream:
        for source in (path, str(path), content, bytearray(content), io.BytesIO(content), stream):
            rgb = read_image(source)  # type: ignore[arg-type]
            np.testing.assert_array_equal(rgb, photo)
            assert rgb.flags.c_contiguous
            assert rgb.flags.writeable


def test_a_stream_that_cannot_go_back_is_read(photo: np.ndarray) -> None:
    class OneWay(io.RawIOBase):
        def __init__(self) -> None:
            self.rest = io.BytesIO(encoded(photo, "PNG"))

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            return self.rest.readinto(buffer)

    np.testing.assert_array_equal(read_image(OneWay()), photo)  # type: ignore[arg-type]


def test_a_stream_read_to_its_end_is_read_again(photo: np.ndarray) -> None:
    stream = io.BytesIO(encoded(photo, "PNG"))
    stream.read()
    np.testing.assert_array_equal(read_image(stream), photo)


def test_the_ending_does_not_matter(tmp_path: Path, photo: np.ndarray) -> None:
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encoded(photo, "PNG"))
    np.testing.assert_array_equal(read_image(path), photo)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.png' does not exist"):
        read_image(tmp_path / "nowhere.png")


def test_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"is a folder.*list_images"):
        read_image(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no name here")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match=r"pipe\.png' is not an ordinary file"):
        read_image(tmp_path / "pipe.png")


@pytest.mark.parametrize("name", ["a\0b.png", "n" * 5000 + ".png"])
def test_impossible_names_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(ImageError, match=r"cannot be opened|does not exist"):
        read_image(name)


def test_a_line_break_in_a_name_stays_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / "two\nlines.png")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", [None, 5, np.zeros((3, 3)), Image.new("RGB", (2, 2)), ["a.png"]])
def test_what_is_no_source_is_named(source: object) -> None:
    with pytest.raises(ImageError, match="must be a path, bytes or a binary file"):
        read_image(source)  # type: ignore[arg-type]


def test_a_text_stream_is_told_to_be_binary() -> None:
    with pytest.raises(ImageError, match="binary mode"):
        read_image(io.StringIO("text"))  # type: ignore[arg-type]


# Kinds of file


@pytest.mark.parametrize("format_name", EXACT)
def test_lossless_kinds_come_back_exactly(format_name: str, photo: np.ndarray) -> None:
    options = {"sizes": [(60, 40)]} if format_name == "ICO" else {}
    np.testing.assert_array_equal(read_image(encoded(photo, format_name, **options)), photo)


@pytest.mark.parametrize("format_name", ["WEBP", "GIF", "JPEG2000", "JPEG", "AVIF", "MPO"])
def test_other_kinds_come_back_alike(format_name: str, photo: np.ndarray) -> None:
    if format_name not in registered_writers():
        pytest.skip(f"this Pillow writes no {format_name}")
    rgb = read_image(encoded(photo, format_name))
    assert rgb.shape == photo.shape
    assert np.abs(rgb.astype(int) - photo).mean() < 12


def registered_writers() -> set[str]:
    Image.init()
    return set(Image.SAVE)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_every_png_mode_looks_as_pillow_shows_it(mode: str, photo: np.ndarray) -> None:
    image = Image.fromarray(photo).convert(mode)
    np.testing.assert_array_equal(read_image(encoded(image, "PNG")), image.convert("RGB"))


def test_cmyk_jpeg_is_not_inverted(photo: np.ndarray) -> None:
    image = Image.fromarray(photo).convert("CMYK")
    rgb = read_image(encoded(image, "JPEG", quality=95, subsampling=0))
    assert np.abs(rgb.astype(int) - np.asarray(image.convert("RGB"))).mean() < 6


def test_cmyk_tiff_looks_as_pillow_shows_it(photo: np.ndarray) -> None:
    image = Image.fromarray(photo).convert("CMYK")
    np.testing.assert_array_equal(read_image(encoded(image, "TIFF")), image.convert("RGB"))


def test_lab_tiff_has_its_colours(photo: np.ndarray) -> None:
    from PIL import ImageCms

    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(Image.fromarray(photo), srgb, lab, outputMode="LAB")
    rgb = read_image(encoded(image, "TIFF"))
    assert np.abs(rgb.astype(int) - photo).mean() < 3


def test_palette_transparency_becomes_the_backdrop(photo: np.ndarray) -> None:
    image = Image.fromarray(photo).quantize(16)
    see_through = np.asarray(image) == 3
    assert see_through.any()
    rgb = read_image(encoded(image, "PNG", transparency=3))
    np.testing.assert_array_equal(rgb[see_through], BACKDROP)
    np.testing.assert_array_equal(rgb[~see_through], np.asarray(image.convert("RGB"))[~see_through])


@pytest.mark.parametrize("transparency", [b"\xff\x00" + b"\xff" * 14, 1])
def test_palette_transparency_warns_nobody(transparency: object, photo: np.ndarray) -> None:
    image = Image.fromarray(photo).quantize(16)
    rgb = read_image(encoded(image, "PNG", transparency=transparency))
    np.testing.assert_array_equal(rgb[np.asarray(image) == 1], BACKDROP)


def test_a_transparent_colour_without_palette_becomes_the_backdrop() -> None:
    grey = np.array([[10, 20], [30, 40]], np.uint8)
    rgb = read_image(encoded(grey, "PNG", transparency=20))
    np.testing.assert_array_equal(rgb[..., 0], [[10, BACKDROP], [30, 40]])


def test_opaque_alpha_in_a_file_changes_nothing(photo: np.ndarray) -> None:
    rgba = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    for format_name in ("PNG", "TIFF"):
        np.testing.assert_array_equal(read_image(encoded(rgba, format_name)), photo)


# Depth


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_of_widened_8_bits_comes_back_exactly(channels: int) -> None:
    eight = noise(9, 11, channels)
    if channels in (2, 4):
        eight[..., -1] = 255
    expected = eight[..., :-1] if channels in (2, 4) else eight
    rgb = read_image(png16(eight.astype(np.uint16) * 257))
    np.testing.assert_array_equal(rgb, np.broadcast_to(expected, (9, 11, 3)))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_12_bit_range_in_a_16_bit_png_is_not_black(channels: int) -> None:
    eight = full_range(9, 11, channels)
    if channels in (2, 4):
        eight[..., -1] = 255
    expected = eight[..., :-1] if channels in (2, 4) else eight
    rgb = read_image(png16(eight.astype(np.uint16) * 16))
    assert np.abs(rgb.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("factor", [257, 16])
def test_16_bit_tiff_is_read_in_full_depth(
    apart: bool, order: str, bands: int, factor: int
) -> None:
    eight = full_range(9, 11, bands)
    if bands == 4:
        eight[..., 3] = 255
    rgb = read_image(tiff16(eight.astype(np.uint16) * factor, order=order, apart=apart))
    difference = np.abs(rgb.astype(int) - eight[..., :3]).max()
    assert difference == 0 if factor == 257 else difference <= 2


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("factor", [257, 16])
def test_compressed_16_bit_tiff_is_not_black(
    apart: bool, tile: tuple[int, int] | None, factor: int
) -> None:
    tifffile = pytest.importorskip("tifffile")
    eight = noise(40, 50, 3)
    deep = eight.astype(np.uint16) * factor
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        np.moveaxis(deep, -1, 0) if apart else deep,
        photometric="rgb",
        planarconfig="separate" if apart else "contig",
        compression="zlib",
        tile=tile,
    )
    difference = np.abs(read_image(buffer.getvalue()).astype(int) - eight).max()
    # of compressed bands that lie apart only the upper bytes can be had: 16 levels of 12 bits
    assert difference <= (0 if factor == 257 else 17 if apart else 2)


def test_16_bit_grey_tiff_is_stretched() -> None:
    eight = full_range(9, 11)
    rgb = read_image(encoded(eight.astype(np.uint16) * 4, "TIFF"))
    assert np.abs(rgb[..., 0].astype(int) - eight).max() <= 2


def test_32_bit_files_are_stretched_over_their_finite_values() -> None:
    values = np.linspace(-7, 3000, 256, dtype=np.float32).reshape(16, 16)
    values[3, 4], values[5, 6] = np.nan, np.inf
    grey = read_image(encoded(values, "TIFF"))[..., 0]
    assert grey[3, 4] == 0
    assert grey[5, 6] == 255
    assert (grey[0, 0], grey[-1, -1]) == (0, 255)
    whole = np.arange(0, 256000, 1000, dtype=np.int32).reshape(16, 16)
    np.testing.assert_array_equal(
        read_image(encoded(whole, "TIFF"))[..., 0].ravel(), np.arange(256)
    )


def test_value_range_is_used_for_deep_files() -> None:
    deep = np.full((4, 4), 100, np.uint16)
    assert read_image(encoded(deep, "PNG"), value_range=(0, 200))[0, 0, 0] == 128


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "TIFF", "WEBP", "MPO"])
def test_exif_orientation_is_applied_once(
    format_name: str, orientation: int, photo: np.ndarray
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(photo, format_name, exif=exif)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    rgb = read_image(content)
    assert rgb.shape == ((60, 40, 3) if orientation >= 5 else (40, 60, 3))
    np.testing.assert_array_equal(rgb, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_colours_are_turned_too(orientation: int) -> None:
    eight = noise(6, 9, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain = encoded(eight, "PNG", exif=exif)
    deep = png16(eight.astype(np.uint16) * 257)
    at = plain.index(b"eXIf") - 4
    length = struct.unpack(">I", plain[at : at + 4])[0] + 12
    deep = deep[:33] + plain[at : at + length] + deep[33:]  # after the header chunk
    np.testing.assert_array_equal(read_image(deep), read_image(plain))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_senseless_orientation_is_ignored(value: int, photo: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    np.testing.assert_array_equal(read_image(encoded(photo, "PNG", exif=exif)), photo)


def test_damaged_exif_does_not_spoil_the_picture(photo: np.ndarray) -> None:
    content = encoded(photo, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffgarbage")
    assert read_image(content).shape == photo.shape


# Frames


@pytest.mark.parametrize("format_name", ["GIF", "TIFF", "WEBP", "PNG"])
def test_frames_are_counted_from_the_first(format_name: str) -> None:
    frames = [Image.new("RGB", (8, 6), (level, level, level)) for level in (0, 120, 255)]
    content = encoded(
        frames[0],
        format_name,
        save_all=True,
        append_images=frames[1:],
        **({"lossless": True} if format_name == "WEBP" else {}),
    )
    assert read_image(content)[0, 0, 0] == 0
    assert abs(int(read_image(content, frame=1)[0, 0, 0]) - 120) <= 1
    assert read_image(content, frame=2)[0, 0, 0] == 255
    with pytest.raises(ImageError, match=r"3 frame\(s\).*frame=3"):
        read_image(content, frame=3)


def test_a_second_frame_of_a_still_picture_is_refused(photo: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"1 frame\(s\)"):
        read_image(encoded(photo, "JPEG"), frame=1)


def test_a_negative_frame_is_refused(photo: np.ndarray) -> None:
    with pytest.raises(ImageError, match="frame is -1"):
        read_image(encoded(photo, "PNG"), frame=-1)


# HEIC


def heic(photo: np.ndarray, orientation: int = 1) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = pillow_heif.from_pillow(Image.fromarray(photo))
    buffer = io.BytesIO()
    try:
        picture.save(buffer, quality=95, exif=exif.tobytes())
    except RuntimeError:
        pytest.skip("this pillow-heif writes no HEIC")
    return buffer.getvalue()


def test_heic_is_read_without_registering_an_opener(photo: np.ndarray) -> None:
    content = heic(photo)
    before = set(Image.OPEN)
    rgb = read_image(content)
    assert np.abs(rgb.astype(int) - photo).mean() < 12
    assert "HEIF" not in set(Image.OPEN) - before


def test_heic_is_turned_once(photo: np.ndarray) -> None:
    expected = np.rot90(photo, -1)
    rgb = read_image(heic(photo, orientation=6))
    assert rgb.shape == expected.shape
    assert np.abs(rgb.astype(int) - expected).mean() < 12


def test_damaged_heic_is_refused(tmp_path: Path, photo: np.ndarray) -> None:
    path = tmp_path / "half.heic"
    content = heic(photo)
    path.write_bytes(content[: len(content) // 3])
    with pytest.raises(ImageError, match=r"half\.heic' is a damaged or truncated HEIF file"):
        read_image(path)


def test_heic_size_is_checked_before_decoding(photo: np.ndarray) -> None:
    with pytest.raises(ImageError, match="2400 pixels; at most 2399"):
        read_image(heic(photo), max_pixels=2399)


def test_heic_without_its_library_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "phone.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingExtraError, match=r"pillow_heif .*phone\.heic.*anymask\[heif\]"):
        read_image(path)


# Refusals


def test_an_empty_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ImageError, match=r"empty\.jpg' is empty"):
        read_image(tmp_path / "empty.jpg")


@pytest.mark.parametrize(
    "content", [b"this is text, not a picture\n" * 9, b"%PDF-1.7 " * 9, bytes(300), b"\x00", b"P"]
)
def test_what_is_no_picture_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"notes\.jpg' is (not a picture|damaged)") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_postscript_is_not_run(photo: np.ndarray) -> None:
    with pytest.raises(ImageError, match="not a picture"):
        read_image(encoded(photo, "EPS"))


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("kept", [0.9, 0.5, 0.02])
def test_truncated_files_are_refused_by_name(tmp_path: Path, format_name: str, kept: float) -> None:
    path = tmp_path / f"cut.{format_name.lower()}"
    content = encoded(noise(60, 70, 3), format_name)
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ImageError, match=r"cut\.\w+' is .*(damaged|truncated)") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(60000, 60000), (2**31 - 1, 2**31 - 1), (20000, 20000)])
def test_a_bomb_is_refused_from_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(
        ImageError, match=rf"{size[0]} x {size[1]} = .*at most {DEFAULT_MAX_PIXELS}"
    ):
        read_image(png(*size, 8, 2))


def test_max_pixels_is_a_limit_one_can_reach(photo: np.ndarray) -> None:
    content = encoded(photo, "PNG")
    assert read_image(content, max_pixels=2400).shape == photo.shape
    with pytest.raises(ImageError, match="60 x 40 = 2400 pixels; at most 2399"):
        read_image(content, max_pixels=2399)
    with pytest.raises(ImageError, match="max_pixels is 0"):
        read_image(content, max_pixels=0)


def test_pillows_own_limit_is_neither_needed_nor_changed(
    monkeypatch: pytest.MonkeyPatch, photo: np.ndarray
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    content = encoded(photo, "PNG")
    np.testing.assert_array_equal(read_image(content), photo)
    assert Image.MAX_IMAGE_PIXELS == 100
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    with pytest.raises(ImageError, match="MAX_IMAGE_PIXELS"):
        read_image(encoded(photo, "TIFF"))


def test_odd_metadata_warns_nobody_and_filters_stay(photo: np.ndarray) -> None:
    content = bytearray(encoded(photo, "TIFF"))
    at = content.index(struct.pack("<HHI", 258, 3, 3))  # bits per sample
    content[at + 4 : at + 8] = struct.pack("<I", 3)
    before = list(warnings.filters)
    threads = [threading.Thread(target=read_image, args=(bytes(content),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_importing_pulls_in_no_picture_library() -> None:
    code = (
        "import sys, anymask.io.images, anymask.io.files;"
        "sys.exit(any(name in sys.modules for name in ('PIL', 'pillow_heif', 'torch', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Folders


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_pictures_are_listed_in_natural_order(tmp_path: Path) -> None:  # C50
    touch(tmp_path, "img_10.png", "img_2.PNG", "img_1.Jpg", "Img_3.jpeg", "a.webp", "notes.txt")
    names = [path.name for path in list_images(tmp_path)]
    assert names == ["a.webp", "img_1.Jpg", "img_2.PNG", "Img_3.jpeg", "img_10.png"]


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_every_readable_ending_is_listed_in_any_case(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path, f"one{suffix}", f"two{suffix.upper()}")
    assert len(list_images(tmp_path)) == 2


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "seen.png", "._seen.png", ".hidden.png", ".cache/thumb.png")
    assert list_images(tmp_path, recursive=True) == [tmp_path / "seen.png"]


def test_folders_are_searched_only_when_asked(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "day10/a.png", "day2/a.png")
    assert list_images(str(tmp_path)) == [tmp_path / "b.png"]
    assert list_images(tmp_path, recursive=True) == [
        tmp_path / "b.png",
        tmp_path / "day2" / "a.png",
        tmp_path / "day10" / "a.png",
    ]


def test_a_folder_without_pictures_tells_what_it_holds(tmp_path: Path) -> None:  # C50
    touch(tmp_path, "a.txt", "b.TXT", "clip.mp4", "README", "inside/c.png")
    with pytest.raises(ImageError) as caught:
        list_images(tmp_path)
    message = str(caught.value)
    for expected in (str(tmp_path), "2 x .txt", "1 x .mp4", "1 x no ending", "recursive", ".png"):
        assert expected in message
    assert "\n" not in message


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:  # C50
    with pytest.raises(ImageError, match=r"no picture in .*0 visible file\(s\)"):
        list_images(tmp_path)


def test_a_missing_folder_and_a_file_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    with pytest.raises(ImageError, match="nowhere' does not exist"):
        list_images(tmp_path / "nowhere")
    with pytest.raises(ImageError, match=r"a\.png' is a file, not a folder"):
        list_images(tmp_path / "a.png")


# Masks


@pytest.fixture
def mask() -> np.ndarray:
    disc = np.hypot(*np.mgrid[-10:10, -15:15]) < 8
    return np.asarray(disc)


def test_mask_files_of_every_kind_give_the_same_coverage(mask: np.ndarray) -> None:
    bits = mask.astype(np.uint8)
    grey_palette = Image.fromarray(bits * 255).convert("P")
    object_numbers = Image.fromarray(bits * 3)
    object_numbers.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
    cutout = np.dstack([noise(*mask.shape, 3), bits * 255])
    kinds = [
        encoded(Image.fromarray(mask), "PNG"),
        encoded(bits * 255, "PNG"),
        encoded(bits, "PNG"),
        encoded(bits.astype(np.uint16) * 65535, "PNG"),
        encoded(np.dstack([bits * 255] * 3), "BMP"),
        encoded(grey_palette, "PNG"),
        encoded(object_numbers, "PNG"),
        encoded(cutout, "PNG"),
    ]
    for content in kinds:
        coverage = read_mask(content)
        assert coverage.dtype == np.float32
        np.testing.assert_array_equal(coverage, mask)


def test_a_jpeg_mask_stays_near(mask: np.ndarray) -> None:
    coverage = read_mask(encoded(mask.astype(np.uint8) * 255, "JPEG", quality=95))
    np.testing.assert_array_equal(coverage > 0.5, mask)


def test_a_mask_file_is_turned_as_its_picture(mask: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    coverage = read_mask(encoded(mask.astype(np.uint8) * 255, "PNG", exif=exif))
    np.testing.assert_array_equal(coverage, np.rot90(mask, -1))


def test_a_mask_array_is_taken_as_it_is(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(read_mask(mask), mask)


def test_a_label_picture_is_no_mask() -> None:
    with pytest.raises(MaskError, match="mask == number"):
        read_mask(encoded(np.array([[0, 1, 2, 3]], np.uint8), "PNG"))


def test_an_unreadable_mask_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        read_mask(tmp_path / "mask.png")
    with pytest.raises(MaskError, match="NoneType"):
        read_mask(None)  # type: ignore[arg-type]
