"""Pictures to be edited, read and saved in their own depth, with alpha, EXIF and colour profile."""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.errors import ImageError
from anymask.io.arrays import rgb_from_samples, samples_from_pil
from anymask.io.decode import Decoded, PictureSource, decode
from anymask.io.files import FAST_PNG, atomic_path
from anymask.io.images import DEFAULT_MAX_PIXELS, upright
from anymask.io.png16 import png16_bytes

_log = logging.getLogger(__name__)

_ORIENTATION: Final = 0x0112
_DAMAGED_EXIF: Final = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    SyntaxError,
    OverflowError,
    struct.error,
)
_LONGEST_SIDE: Final = {"JPEG": 65535, "WEBP": 16383}
_Saver = Callable[[Path, "Original"], None]


@dataclass(frozen=True, eq=False, slots=True)
class Original:
    """A picture with what else its file tells.

    Attributes:
        pixels: (H, W) grey, or (H, W, 2 to 4) grey + alpha, RGB or RGBA; uint8 or uint16, upright.
        exif: EXIF block without orientation and thumbnail, from its byte order mark on; or None.
        icc: colour profile of the pixels, or None.
    """

    pixels: NDArray[Any]
    exif: bytes | None = None
    icc: bytes | None = None


def read_original(source: PictureSource, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Original:
    """Read a picture file as it is to be edited.

    CMYK, LAB and other colours than RGB become RGB and lose their profile; numbers beyond 16 bits
    become 8 bits as `anymask.io.images.read_image` makes them. EXIF loses its thumbnail, which
    would still show the picture as it was.

    Args:
        source: path, bytes or an open binary file.
        max_pixels: largest width x height accepted.

    Raises:
        ImageError: missing, empty, damaged, too large, or no picture.
        MissingExtraError: a HEIC file without pillow-heif.
    """
    decoded = decode(source, max_pixels=max_pixels, frame=0)
    pixels = upright(_pixels(decoded), decoded.orientation)
    return Original(pixels, _exif(decoded.image), _profile(decoded.image))


def save_original(path: str | os.PathLike[str], original: Original) -> Path:
    """Write a picture with its EXIF and profile, whole or not at all.

    Args:
        path: a name ending in .png (8 or 16 bits), or .jpg or .webp (8 bits).
        original: what to write; JPEG takes no alpha but that which covers everything.

    Returns:
        `path`.

    Raises:
        ImageError: another ending, or a picture that the format cannot hold.
        OSError: naming `path`, where the system refuses.
    """
    target = Path(path)
    saver = _SAVERS.get(target.suffix.lower())
    if saver is None:
        raise ImageError(
            f"{str(target)!r} has the ending {target.suffix!r}; give one of {', '.join(_SAVERS)}"
        )
    with atomic_path(target) as temporary:
        saver(temporary, original)
    return target


def png_bytes(original: Original) -> bytes:
    """A picture as a PNG file, with its EXIF and profile.

    Args:
        original: what to write, 8 or 16 bits.
    """
    pixels = original.pixels
    if pixels.dtype == np.uint16 and pixels.ndim == 3:
        return png16_bytes(pixels, icc=original.icc, exif=original.exif)
    buffer = BytesIO()
    _save_pillow(buffer, original, "PNG", compress_level=FAST_PNG)
    return buffer.getvalue()


def _pixels(decoded: Decoded) -> NDArray[Any]:
    samples = samples_from_pil(decoded.image) if decoded.deep is None else decoded.deep
    if samples.dtype == np.bool_:
        return samples.astype(np.uint8) * np.uint8(255)
    if samples.dtype in (np.uint8, np.uint16):
        return samples
    if samples.dtype.kind in "iu" and samples.min() >= 0 and 255 < samples.max() <= 65535:
        return samples.astype(np.uint16)
    return rgb_from_samples(samples)


def _exif(image: Image.Image) -> bytes | None:
    """EXIF without what no longer holds of an upright, edited picture."""
    try:
        exif = image.getexif()
        exif.pop(_ORIENTATION, None)
        return exif.tobytes().removeprefix(b"Exif\0\0") if exif else None
    except _DAMAGED_EXIF as error:
        _log.warning("the picture's EXIF is damaged and is left out: %s", error)
        return None


def _profile(image: Image.Image) -> bytes | None:
    """The profile, where it is one of RGB colours as the pixels are."""
    icc = image.info.get("icc_profile")
    return icc if isinstance(icc, bytes) and icc[16:20] == b"RGB " else None


def _save_png(path: Path, original: Original) -> None:
    path.write_bytes(png_bytes(original))


def _save_jpeg(path: Path, original: Original) -> None:
    pixels = original.pixels
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        if np.any(pixels[..., 3] != np.iinfo(pixels.dtype).max):
            raise ImageError("the picture has transparent parts, which JPEG cannot hold; save .png")
        original = Original(pixels[..., :3], original.exif, original.icc)
    _save_pillow(path, original, "JPEG", quality=95, subsampling=0)


def _save_webp(path: Path, original: Original) -> None:
    _save_pillow(path, original, "WEBP", lossless=True, exact=True)


def _save_pillow(
    target: Path | BytesIO, original: Original, format_name: str, **options: Any
) -> None:
    pixels, longest = original.pixels, _LONGEST_SIDE.get(format_name)
    if pixels.dtype != np.uint8 and format_name != "PNG":
        raise ImageError(f"the picture has 16 bits a colour, {format_name} holds 8; save .png")
    if longest is not None and max(pixels.shape[:2]) > longest:
        raise ImageError(f"{format_name} holds sides of up to {longest} px; save .png")
    if original.exif:
        options["exif"] = b"Exif\0\0" + original.exif
    if original.icc:
        options["icc_profile"] = original.icc
    Image.fromarray(pixels).save(target, format_name, **options)


_SAVERS: Final[dict[str, _Saver]] = {
    ".png": _save_png,
    ".jpg": _save_jpeg,
    ".jpeg": _save_jpeg,
    ".webp": _save_webp,
}
