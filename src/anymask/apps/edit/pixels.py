"""Pictures of 8 and 16 bits, with and without alpha, as the numbers editing works on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import ImageError, MaskError

Picture = NDArray[Any]
"""(H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16."""
Unit = NDArray[np.float32]
"""Colours or coverage in 0..1."""

_ACCEPTED = "give (H, W), (H, W, 1 to 4), at least one pixel, of uint8 or uint16"


def as_picture(image: NDArray[Any]) -> Picture:
    """A picture as RGB or RGBA in its own depth; grey is repeated.

    Args:
        image: (H, W), or (H, W, C) of grey, grey + alpha, RGB or RGBA; uint8 or uint16.

    Returns:
        (H, W, 3) or (H, W, 4), the input itself where nothing had to change.

    Raises:
        ImageError: something else.
    """
    shape = image.shape
    fits = image.ndim == 2 or (image.ndim == 3 and 1 <= shape[2] <= 4)
    if not fits or 0 in shape or image.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"image has shape {shape} and dtype {image.dtype}; {_ACCEPTED}")
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] >= 3:
        return image
    grey, alpha = image[..., :1], image[..., 1:]
    return np.concatenate([grey, grey, grey, alpha], axis=2)


def white_of(image: Picture) -> int:
    """The value of white: 255 or 65535."""
    return int(np.iinfo(image.dtype).max)


def colours_of(image: Picture) -> Unit:
    """(H, W, 3) float32 colours in 0..1."""
    return np.asarray(image[..., :3] * np.float32(1 / white_of(image)), np.float32)


def coverage_of(image: Picture) -> Unit:
    """(H, W) float32 alpha in 0..1, all 1 for a picture without."""
    if image.shape[2] == 3:
        return np.ones(image.shape[:2], np.float32)
    return np.asarray(image[..., 3] * np.float32(1 / white_of(image)), np.float32)


def quantised(values: NDArray[np.floating[Any]], like: Picture) -> Picture:
    """Numbers in 0..1 as whole ones of the depth of another picture; the rest is clipped."""
    levels = np.rint(np.clip(values, 0, 1) * np.float32(white_of(like)))
    return np.asarray(levels, like.dtype)


def as_matte(matte: ArrayLike, image: Picture) -> Unit:
    """A mask or matte of a picture's size as (H, W) float32 in 0..1.

    Raises:
        MaskError: another size, or values that are no coverage.
    """
    array = np.asarray(matte)
    if array.shape != image.shape[:2]:
        raise MaskError(
            f"mask has shape {array.shape} but the image has {image.shape[:2]} (height, width); "
            "give the mask at the size of the image"
        )
    if array.dtype != np.bool_ and array.dtype.kind != "f":
        raise MaskError(f"mask has dtype {array.dtype}; give bool, or floats from 0 to 1")
    values = array.astype(np.float32, copy=False)
    if not (values.min() >= 0 and values.max() <= 1):
        raise MaskError(f"mask values run from {values.min():g} to {values.max():g}; give 0 to 1")
    return values


def window_of(weight: NDArray[Any], margin_px: int = 0) -> tuple[slice, slice] | None:
    """Where a mask or matte is not 0, and a margin around; None where it is 0 everywhere."""
    inside = weight > 0
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not rows.size:
        return None
    (height, width), margin = weight.shape, margin_px
    return (
        slice(max(int(rows[0]) - margin, 0), min(int(rows[-1]) + 1 + margin, height)),
        slice(max(int(columns[0]) - margin, 0), min(int(columns[-1]) + 1 + margin, width)),
    )


def mixed(image: Picture, changed: Unit, weight: Unit) -> Picture:
    """Lay changed colours over a picture.

    Args:
        image: stays as it is.
        changed: (H, W, 3) float32 in 0..1.
        weight: (H, W) float32: 0 keeps the pixel, 1 takes the changed one.

    Returns:
        A new picture; its alpha is that of `image`, and pixels of weight 0 are equal to the bit.
    """
    result = image.copy()
    rows, columns = np.nonzero(weight)
    share = weight[rows, columns, None]
    before = image[rows, columns, :3] * np.float32(1 / white_of(image))
    after = np.clip(changed[rows, columns], 0, 1)
    result[rows, columns, :3] = quantised(before + (after - before) * share, image)
    return result
