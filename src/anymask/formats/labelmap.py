"""Label maps as PNG: each pixel's grey value is the number of its object, 0 is nobody's."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import FileFormatError
from anymask.io.files import save_png

StrPath = str | PathLike[str]
MOST_LABELS = 65535
"""The largest label that a PNG holds."""


def write_label_map(path: StrPath, labels: NDArray[np.unsignedinteger[Any]]) -> None:
    """Write labels as an 8-bit PNG, or 16-bit where one is above 255.

    Args:
        path: a name ending in .png.
        labels: (H, W) unsigned integers.

    Raises:
        FileFormatError: no label map, or a label above `MOST_LABELS`.
        OSError: naming `path`, where the system refuses.
    """
    if labels.ndim != 2 or labels.dtype.kind != "u" or not labels.size:
        raise FileFormatError(
            f"labels has shape {labels.shape} and dtype {labels.dtype}; "
            "give (H, W) unsigned integers"
        )
    largest = int(labels.max())
    if largest > MOST_LABELS:
        raise FileFormatError(
            f"labels go up to {largest} but a PNG holds {MOST_LABELS}; save them as .npy instead"
        )
    save_png(path, labels.astype(np.uint8 if largest <= 255 else np.uint16))


def read_label_map(path: StrPath) -> NDArray[np.uint16]:
    """Read a label map.

    Returns:
        (H, W) uint16.

    Raises:
        FileFormatError: no such file, or no grey PNG.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(Path(path)) as image:
            pixels = np.asarray(image)
    except FileNotFoundError:
        raise FileFormatError(f"there is no label map at {path}") from None
    except (UnidentifiedImageError, OSError) as error:
        raise FileFormatError(f"{path} is no picture; give a label map as PNG") from error
    if pixels.ndim != 2:
        raise FileFormatError(f"{path} is a colour picture; give a label map in grey")
    return pixels.astype(np.uint16)
