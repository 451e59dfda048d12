"""Picture files and prior masks, read into arrays; folders of pictures, listed.

docs/images.md says what each kind of file becomes.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError, MaskError
from anymask.io.arrays import (
    as_coverage,
    as_rgb,
    coverage_from_samples,
    rgb_from_samples,
    samples_from_pil,
)
from anymask.io.decode import SUFFIXES_BY_FORMAT, Decoded, PictureSource, decode

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "IMAGE_SUFFIXES",
    "PictureSource",
    "as_rgb",
    "list_images",
    "read_image",
    "read_mask",
]

DEFAULT_MAX_PIXELS = 1 << 28
"""268 megapixels, such as 16384 x 16384: room for panoramas, about 3 GB while it is read."""

IMAGE_SUFFIXES = frozenset(suffix for group in SUFFIXES_BY_FORMAT.values() for suffix in group)
"""Lower-case endings of the picture files that are read, each with its dot."""

_Pixel = TypeVar("_Pixel", bound=np.generic)


def read_image(
    source: PictureSource,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    frame: int = 0,
    value_range: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Reads a picture file, upright.

    Args:
        source: path, the file's bytes, or a file opened in binary mode. What it is is told by its
            content, not by its name.
        max_pixels: largest width x height accepted, checked before any pixel is decoded.
        frame: which frame of an animation, page or stack, from 0.
        value_range: (low, high), the values of a 16- or 32-bit file that become black and white,
            for a series to be scaled alike. See `as_rgb` for what happens without.

    Returns:
        (H, W, 3) uint8 RGB, EXIF orientation applied.

    Raises:
        ImageError: missing, empty, damaged, too large, or no picture.
        MissingExtraError: a HEIC file without pillow-heif.
    """
    decoded = decode(source, max_pixels=max_pixels, frame=frame)
    return upright(rgb_from_samples(_samples(decoded), value_range), decoded.orientation)


def read_mask(
    source: PictureSource | NDArray[Any], *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> NDArray[np.float32]:
    """Reads a prior mask from a picture file or an array.

    Args:
        source: a picture file as for `read_image`, or an array as for `arrays.as_coverage`. Grey
            levels are coverage. Of a coloured palette every entry but the first is mask, as in
            files of object numbers; a palette of greys is read by its greys.
        max_pixels: largest width x height accepted of a file.

    Returns:
        (H, W) float32 coverage in [0, 1], upright.

    Raises:
        ImageError: a file that cannot be read.
        MaskError: values that are no coverage, such as logits or object numbers.
    """
    if hasattr(source, "__array__") or hasattr(source, "__array_interface__"):
        return as_coverage(source)
    if not _is_file_like(source):
        raise MaskError(
            f"mask is a {type(source).__name__}; it must be a path, bytes, or an array (H, W)"
        )
    decoded = decode(source, max_pixels=max_pixels, frame=0)
    return upright(coverage_from_samples(_mask_samples(decoded)), decoded.orientation)


def list_images(folder: str | os.PathLike[str], *, recursive: bool = False) -> list[Path]:
    """Lists the pictures of a folder in natural order: img_2 before img_10.

    Hidden files and folders (a dot first) are left out. Endings may be upper or lower case.

    Args:
        folder: where to look.
        recursive: also in its folders, whose names sort as the files' do.

    Returns:
        Paths that begin with `folder`; never empty.

    Raises:
        ImageError: no such folder, or no picture in it; the message tells what was there instead.
    """
    root = Path(folder)
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise ImageError(f"{str(root)!r} {problem}; give a folder of pictures")
    files = _visible_files(root, recursive)
    pictures = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not pictures:
        raise ImageError(_nothing_found(root, files, recursive))
    return sorted(pictures, key=lambda path: _natural_key(path.relative_to(root)))


def _samples(decoded: Decoded) -> NDArray[Any]:
    return samples_from_pil(decoded.image) if decoded.deep is None else decoded.deep


def _mask_samples(decoded: Decoded) -> NDArray[Any]:
    image = decoded.image
    if image.mode != "P" or "transparency" in image.info:
        return _samples(decoded)
    colours = np.asarray(image.convert("RGB"))
    if np.all(colours == colours[..., :1]):
        return colours
    return np.asarray(np.asarray(image) != 0)


def _is_file_like(source: object) -> bool:
    return isinstance(source, (str, bytes, os.PathLike)) or hasattr(source, "read")


def upright(pixels: NDArray[_Pixel], orientation: int) -> NDArray[_Pixel]:
    """Undo an EXIF orientation: 5 to 8 have rows and columns exchanged, the rest is flips."""
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _visible_files(root: Path, recursive: bool) -> list[Path]:
    found: list[Path] = []
    for folder, folders, names in os.walk(root, onerror=_refuse_folder):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return found


def _refuse_folder(error: OSError) -> None:
    raise ImageError(f"{error.filename!r} cannot be listed: {error.strerror}") from error


def _nothing_found(root: Path, files: list[Path], recursive: bool) -> str:
    seen = Counter(path.suffix.lower() or "no ending" for path in files)
    kinds = ", ".join(f"{count} x {kind}" for kind, count in seen.most_common(6))
    hint = "" if recursive else "; its folders were not searched (recursive=True does)"
    return (
        f"no picture in {str(root)!r}: {len(files)} visible file(s){f' ({kinds})' if kinds else ''}"
        f"{hint}; readable are {' '.join(sorted(IMAGE_SUFFIXES))}"
    )


def _natural_key(path: Path) -> tuple[list[list[tuple[int, int, str]]], str]:
    """Runs of digits compare as numbers, letters without case; the exact name breaks ties."""
    return [_split_digits(part) for part in path.parts], str(path)


def _split_digits(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"([0-9]+)", name.casefold())
    return [
        (0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts if part
    ]
