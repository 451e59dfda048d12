"""Picture files opened with Pillow and pillow-heif, without leaving a trace in the process.

No opener is registered, no limit of Pillow's is changed, and no warning of a decoder gets out.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError, ImageError, MissingExtraError
from anymask.io.deep import load_deep

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

PictureSource = str | os.PathLike[str] | bytes | BinaryIO

SUFFIXES_BY_FORMAT: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "HEIF": (".heic", ".heif", ".hif"),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".j2c"),
    "PSD": (".psd",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "ICO": (".ico",),
    "SGI": (".sgi",),
    "PCX": (".pcx",),
    "TGA": (".tga",),  # has no signature, so it is tried last
}
"""What is read, in the order in which it is tried. EPS and WMF are not: they run other programs."""

# What a decoder given damaged bytes has been seen to raise.
_DECODER_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    SyntaxError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    MemoryError,
    AssertionError,
    struct.error,
    zlib.error,
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_ORIENTATION_TAG = 0x0112

# The list of warning filters belongs to the process; two threads that replace it at the same time
# would leave it changed.
_WARNINGS_LOCK = threading.Lock()


class PictureSizeError(ImageError):
    """A picture with more pixels than allowed.

    Args:
        message: one line for people.
        size: (width, height) in pixels.
    """

    def __init__(self, message: str, size: tuple[int, int]) -> None:
        super().__init__(message)
        self.size = size


@dataclass(frozen=True)
class Decoded:
    """A picture file's pixels as they are stored.

    Attributes:
        image: the loaded picture.
        deep: (H, W, 2 to 4) uint16 of a file with 16-bit colours, of which `image` keeps 8 bits.
        orientation: EXIF orientation, 1 to 8, still to be applied to both.
    """

    image: Image.Image
    deep: NDArray[np.uint16] | None
    orientation: int


def decode(source: PictureSource, *, max_pixels: int, frame: int) -> Decoded:
    """Reads one frame of a picture file.

    Args:
        source: path, the file's bytes, or a file opened in binary mode.
        max_pixels: largest width x height accepted, checked before any pixel is decoded.
        frame: number of the frame, from 0.

    Raises:
        ImageError: missing, empty, damaged, too large, or no picture.
        MissingExtraError: a HEIC file without pillow-heif.
    """
    if max_pixels < 1:
        raise ImageError(f"max_pixels is {max_pixels}; it must be at least 1")
    if frame < 0:
        raise ImageError(f"frame is {frame}; frames are counted from 0")
    with _opened(source) as (stream, name), _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _decode_stream(stream, name, max_pixels, frame)


def _decode_stream(stream: BinaryIO, name: str, max_pixels: int, frame: int) -> Decoded:
    header = stream.read(64)
    if not header:
        raise ImageError(f"{name} is empty (0 bytes); a picture file is needed")
    if _is_heif(header):
        return _decode_heif(stream, name, max_pixels, frame)
    return _decode_pillow(stream, name, max_pixels, frame)


@contextmanager
def _opened(source: object) -> Iterator[tuple[BinaryIO, str]]:
    """Yields the source as a binary file at its start, and what to call it in a message."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        yield io.BytesIO(source), f"the picture ({len(source)} bytes)"
    elif isinstance(source, (str, os.PathLike)):
        with _open_path(source) as stream:
            yield stream, repr(os.fspath(source))
    elif hasattr(source, "read"):
        yield _rewound(source), _stream_name(source)
    else:
        raise ImageError(
            f"source is a {type(source).__name__}; it must be a path, bytes or a binary file"
            " (a picture in memory needs no reading: pass it to as_rgb)"
        )


def _open_path(source: str | os.PathLike[str]) -> BinaryIO:
    name = repr(os.fspath(source))
    try:
        mode = Path(source).stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{name} is a folder, not a picture; list_images lists its pictures")
        if not stat.S_ISREG(mode):  # a pipe or device might never end
            raise ImageError(f"{name} is not an ordinary file; give a picture file")
        return Path(source).open("rb")
    except FileNotFoundError as error:
        raise ImageError(f"{name} does not exist; give the path of a picture file") from error
    except AnymaskError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{name} cannot be opened: {reason}") from error


def _rewound(stream: Any) -> BinaryIO:
    """A seekable copy of a stream, from its start where it can go back there."""
    if getattr(stream, "seekable", lambda: False)():
        stream.seek(0)
    content = stream.read()
    if not isinstance(content, bytes):
        raise ImageError(
            f"{_stream_name(stream)} gives {type(content).__name__}; "
            'open it in binary mode: open(path, "rb")'
        )
    return io.BytesIO(content)


def _stream_name(stream: object) -> str:
    name = getattr(stream, "name", None)
    return repr(name) if isinstance(name, str) else "the picture stream"


def _is_heif(header: bytes) -> bool:
    if header[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(header[:4], "big"), len(header))
    brands = {header[8:12], *(header[at : at + 4] for at in range(16, end - 3, 4))}
    return bool(brands & _HEIF_BRANDS) and not brands & _AVIF_BRANDS


def _decode_heif(stream: BinaryIO, name: str, max_pixels: int, frame: int) -> Decoded:
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError("pillow_heif", "heif", f"to read the HEIC file {name}") from error
    with _refusing_damage(name, "HEIF"):
        stream.seek(0)
        pictures = pillow_heif.open_heif(stream)
        order = [pictures.primary_index, *range(len(pictures))]
        order[1:] = [index for index in order[1:] if index != order[0]]
        _check_frame(name, frame, len(order))
        picture = pictures[order[frame]]
        _check_size(name, picture.size, max_pixels)
        # the decoder has already turned it, so whatever EXIF says is done
        return Decoded(picture.to_pillow(), None, 1)


def _decode_pillow(stream: BinaryIO, name: str, max_pixels: int, frame: int) -> Decoded:
    image = _open_pillow(stream, name)
    with _refusing_damage(name, image.format):
        _check_size(name, image.size, max_pixels)
        _seek_frame(image, name, frame)
        _check_size(name, image.size, max_pixels)
        deep = load_deep(image, lambda: _reopened(stream, name, frame))
        return Decoded(image, deep, _orientation(image))


def _reopened(stream: BinaryIO, name: str, frame: int) -> ImageFile:
    image = _open_pillow(stream, name)
    _seek_frame(image, name, frame)
    return image


def _open_pillow(stream: BinaryIO, name: str) -> ImageFile:
    """Reads the header alone. `Image.open` would apply the process-wide pixel limit."""
    from PIL import Image

    stream.seek(0)
    prefix = stream.read(16)
    complaints: list[str] = []
    for load_formats in (Image.preinit, Image.init):  # the usual five load ten times faster
        load_formats()
        image = _try_formats(stream, prefix, complaints)
        if image is not None:
            return image
    raise ImageError(_unreadable(name, prefix, complaints))


def _try_formats(stream: BinaryIO, prefix: bytes, complaints: list[str]) -> ImageFile | None:
    """The picture by the first of the loaded formats that takes it; others may complain."""
    from PIL import Image

    for format_name in SUFFIXES_BY_FORMAT:
        factory, accepts = Image.OPEN.get(format_name, (None, None))
        verdict = factory is not None and (accepts is None or accepts(prefix))
        if isinstance(verdict, str):
            complaints.append(verdict)
        elif verdict and factory is not None:
            stream.seek(0)
            try:
                return factory(stream, "")
            except (*_DECODER_ERRORS, Image.DecompressionBombError) as error:
                if accepts is not None:
                    complaints.append(f"{format_name}: {_one_line(error)}")
    return None


def _unreadable(name: str, prefix: bytes, complaints: list[str]) -> str:
    if complaints:
        return f"{name} is damaged or of an unsupported kind ({complaints[0]}); save it anew as PNG"
    known = ", ".join(SUFFIXES_BY_FORMAT)
    return f"{name} is not a picture (it begins with {prefix[:8]!r}); readable are {known}"


@contextmanager
def _refusing_damage(name: str, format_name: str | None) -> Iterator[None]:
    from PIL import Image

    try:
        yield
    except AnymaskError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{name} exceeds Pillow's own limit for {format_name} files, which the program sets "
            f"as PIL.Image.MAX_IMAGE_PIXELS: {_one_line(error)}"
        ) from error
    except _DECODER_ERRORS as error:
        raise ImageError(
            f"{name} is a damaged or truncated {format_name} file ({_one_line(error)}); "
            "a whole one is needed"
        ) from error


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__


def _check_size(name: str, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"{name} is {width} x {height} pixels; it needs at least one pixel")
    if width * height > max_pixels:
        raise PictureSizeError(
            f"{name} is {width} x {height} = {width * height} pixels; at most {max_pixels} are "
            f"read: make it smaller, or pass a larger max_pixels",
            size,
        )


def _check_frame(name: str, frame: int, count: int) -> None:
    if frame >= count:
        raise ImageError(f"{name} has {count} frame(s), counted from 0; frame={frame} is none")


def _seek_frame(image: ImageFile, name: str, frame: int) -> None:
    if frame == 0:  # what a file opens with; a PSD counts its layers from 1
        return
    _check_frame(name, frame, getattr(image, "n_frames", 1))
    image.seek(frame)


def _orientation(image: ImageFile) -> int:
    """EXIF orientation still to be applied; Pillow turns TIFF files itself and drops the tag."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except _DECODER_ERRORS:  # a damaged note about the picture leaves the picture good
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
