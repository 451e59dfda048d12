"""Around an object: an outline, a glow, the border of a sticker."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from scipy import ndimage

from anymask.apps.edit.blurs import blurred
from anymask.apps.edit.cutouts import lifted
from anymask.apps.edit.pixels import (
    Picture,
    Unit,
    as_matte,
    as_picture,
    colours_of,
    coverage_of,
    quantised,
)
from anymask.errors import ImageError

Side = Literal["outside", "inside", "middle"]

_STARTS: Final = {"outside": 0.0, "inside": -1.0, "middle": -0.5}  # of the line, by its width
_SMOOTH: Final = 0.15  # of a sticker's border, how much its outline is rounded


def outlined(
    image: Picture, matte: Unit, colour: Unit, width_px: float, *, side: Side = "outside"
) -> Picture:
    """Draw the object's outline.

    Args:
        image: (H, W, 3) or (H, W, 4).
        matte: (H, W) float32 in 0..1.
        colour: (3,) in 0..1.
        width_px: of the line.
        side: of the object's edge the line lies on.

    Raises:
        ImageError: another side.
        MaskError: a matte of another size.
    """
    if side not in _STARTS:
        raise ImageError(f"side is {side!r}; give one of {', '.join(_STARTS)}")
    picture, start = as_picture(image), _STARTS[side] * width_px
    matte = as_matte(matte, picture)
    away = distance_to(matte)
    line = np.clip(away - start + 0.5, 0, 1) * np.clip(start + width_px - away + 0.5, 0, 1)
    if side == "outside":
        line = line * (1 - matte)
    return _painted(picture, np.asarray(line, np.float32), colour)


def glowing(
    image: Picture, matte: Unit, colour: Unit, radius_px: float, *, strength: float = 1.0
) -> Picture:
    """Light around the object, behind it.

    Args:
        image: (H, W, 3) or (H, W, 4).
        matte: (H, W) float32 in 0..1.
        colour: (3,) in 0..1.
        radius_px: how far it reaches.
        strength: 1 is full at the object's edge.
    """
    picture = as_picture(image)
    matte = as_matte(matte, picture)
    halo = np.clip(blurred(matte, radius_px / 2) * 2 * strength, 0, 1) * (1 - matte)
    return _painted(picture, np.asarray(halo, np.float32), colour)


def sticker(image: Picture, matte: Unit, colour: Unit, width_px: float) -> Picture:
    """The object with a border around it, on a transparent background.

    Args:
        image: (H, W, 3) or (H, W, 4).
        matte: (H, W) float32 in 0..1.
        colour: (3,) of the border, in 0..1.
        width_px: of the border.

    Returns:
        (H, W, 4) RGBA of the image's depth and size; at the picture's border it is cut off.
    """
    picture = as_picture(image)
    matte = as_matte(matte, picture)
    object_ = lifted(picture, matte)
    away = blurred(distance_to(matte), width_px * _SMOOTH)
    border = np.clip(width_px - away + 0.5, 0, 1)
    border = np.maximum(border, matte > 0) if matte.any() else np.zeros_like(matte)
    alpha = coverage_of(object_)
    laid = colours_of(object_) * alpha[..., None] + np.asarray(colour) * (1 - alpha[..., None])
    result = object_.copy()
    shown = (border > 0) & (alpha < 1)
    result[shown, :3] = quantised(laid[shown].astype(np.float32), object_)
    result[..., 3] = quantised(np.asarray(np.maximum(border, alpha), np.float32), object_)
    return result


def distance_to(matte: Unit) -> Unit:
    """Distance of each pixel to the object's edge, negative inside; far off where it has none."""
    inside = matte >= 0.5
    if not inside.any() or inside.all():
        return np.full(matte.shape, -1e6 if inside.any() else 1e6, np.float32)
    outer = ndimage.distance_transform_edt(~inside) - 0.5
    inner = ndimage.distance_transform_edt(inside) - 0.5
    return np.asarray(np.where(inside, -inner, outer), np.float32)


def _painted(picture: Picture, line: Unit, colour: Unit) -> Picture:
    """A colour laid over a picture; where that is transparent, the paint alone."""
    line = as_matte(line, picture)
    cover = coverage_of(picture)
    alpha = line + cover * (1 - line)
    share = (line / np.maximum(alpha, 1e-6))[..., None]
    painted = line > 0
    result = picture.copy()
    laid = colours_of(picture) * (1 - share) + np.asarray(colour, np.float32) * share
    result[painted, :3] = quantised(laid[painted], picture)
    if picture.shape[2] == 4:
        result[painted, 3] = quantised(alpha[painted], picture)
    return result
