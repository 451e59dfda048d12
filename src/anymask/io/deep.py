"""16-bit colours in full, which Pillow reduces to their upper 8 bits while it decodes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_PLANAR_CONFIGURATION, _BITS_PER_SAMPLE = 284, 258  # TIFF tags
_OPPOSITE = {"L": "B", "B": "L"}


def load_deep(image: ImageFile, reopen: Callable[[], ImageFile]) -> NDArray[np.uint16] | None:
    """Decodes the pixels of an opened file.

    Pillow's unpackers of 16-bit colours keep the upper byte of each value. A second pass over the
    same file with the unpacker of the opposite byte order brings the lower ones.

    Args:
        image: the opened, not yet loaded file; loaded afterwards.
        reopen: opens the same frame of the same file again.

    Returns:
        (H, W, 2 to 4) uint16 where the file holds 16-bit colours, else None.

    Raises:
        ValueError: 16-bit bands, stored one after another, of a kind that Pillow would misread.
    """
    bands_apart = _bands_apart(image)
    unpackers = [_deep_unpacker(image, tile.args, bands_apart) for tile in image.tile]
    if not unpackers or None in unpackers:
        image.load()
        return None
    upper = [name for name in unpackers if name is not None]
    if upper[0] == "LA;16B":
        both = _unpacked(image, ["RGBA"] * len(upper))  # four bytes a pixel, as they lie
        return _joined(both[..., 0::2], both[..., 1::2])
    # libtiff, which does the compressed ones, gives the upper bytes of such bands in any case
    upper_only = bands_apart and image.tile[0].codec_name == "libtiff"
    high = _unpacked(image, upper)
    if upper_only:
        return _from_upper(high)
    return _joined(high, _unpacked(reopen(), [name[:-1] + _OPPOSITE[name[-1]] for name in upper]))


def _deep_unpacker(image: ImageFile, tile_args: object, bands_apart: bool) -> str | None:
    """Name of Pillow's unpacker for the upper bytes of a tile's 16-bit colours, if it has such."""
    name = str(tile_args[0] if isinstance(tile_args, tuple) else tile_args)
    if re.fullmatch("LA;16B|(RGB|RGBA|RGBX);16[BLN]", name):
        return name.replace("N", "L" if sys.byteorder == "little" else "B")
    if bands_apart and len(name) == 1:  # Pillow takes these bands for 8-bit ones
        if name not in "RGBA":
            raise ValueError(f"16-bit bands of kind {name} stored one after another")
        return f"{name};16{_byte_order(image)}"
    return None


def _bands_apart(image: ImageFile) -> bool:
    """Whether a TIFF stores its 16-bit bands one after another."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE)
    return (
        tags.get(_PLANAR_CONFIGURATION) == 2
        and isinstance(bits, tuple)
        and len(bits) > 1
        and bits[0] == 16
    )


def _byte_order(image: ImageFile) -> str:
    prefix = getattr(getattr(image, "tag_v2", None), "prefix", b"II")
    return "L" if prefix == b"II" else "B"


def _unpacked(image: ImageFile, names: list[str]) -> NDArray[np.uint8]:
    """Loads an image with these unpackers in place of its own, one a tile."""
    tiles = []
    for tile, name in zip(image.tile, names, strict=True):
        args = (name, *tile.args[1:]) if isinstance(tile.args, tuple) else name
        tiles.append(tile._replace(args=args))
    image.tile = tiles
    image.load()
    return np.asarray(image)


def _joined(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return np.bitwise_or(np.left_shift(high.astype(np.uint16), 8), low, dtype=np.uint16)


def _from_upper(high: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Upper bytes alone: an 8-bit picture where they suffice, else values left to be stretched."""
    return _joined(high, high if high.max() >= 64 else np.zeros_like(high))
