"""Shadows: kept from the old background, or made by the object's shape."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.apps.edit.backgrounds import clear_of
from anymask.apps.edit.blurs import blurred, blurred_within
from anymask.apps.edit.pixels import Picture, Unit, as_picture, colours_of, coverage_of, quantised
from anymask.geometry.colour_spaces import to_linear

_BLURS: Final = 4  # widths that a cast shadow's softness runs through


def drop_shadow(matte: Unit, x_px: float, y_px: float, blur_px: float) -> Unit:
    """A shadow of the object's own shape, as on paper a little behind it.

    Args:
        matte: (H, W) float32 in 0..1.
        x_px: how far to the right.
        y_px: how far down.
        blur_px: how soft.

    Returns:
        (H, W) float32 in 0..1, 1 in full shadow.
    """
    moved = ndimage.shift(matte, (y_px, x_px), order=1, mode="constant")
    return blurred(moved.astype(np.float32), blur_px / 2)


def cast_shadow(matte: Unit, lean: float, length: float, blur_px: float) -> Unit:
    """A shadow lying on the ground, from the row the object stands on.

    Args:
        matte: (H, W) float32 in 0..1.
        lean: how far it leans to the right for each pixel of the object's height.
        length: how far up the picture it reaches, as a part of the object's height; negative
            reaches down, to the front.
        blur_px: how soft it is at its far end; where the object stands it is sharp.

    Returns:
        (H, W) float32 in 0..1, 1 in full shadow.
    """
    rows = np.flatnonzero((matte > 0.5).any(axis=1))
    if not rows.size or length == 0:
        return np.zeros(matte.shape, np.float32)
    foot, tall = float(rows[-1]), max(float(rows[-1] - rows[0]), 1.0)
    y, x = np.mgrid[: matte.shape[0], : matte.shape[1]].astype(np.float32)
    above = (foot - y) / length  # height on the object that throws its shadow here
    flat = ndimage.map_coordinates(
        matte, [foot - above, x - lean * above], order=1, mode="constant"
    )
    flat[above < 0] = 0
    place = np.clip(above / tall, 0, 1) * (_BLURS - 1)
    shade = np.zeros(matte.shape, np.float32)
    for step in range(_BLURS):
        soft = blurred(flat.astype(np.float32), max(0.5, blur_px / 2 * step / (_BLURS - 1)))
        shade += np.maximum(0, 1 - np.abs(place - step)) * soft
    return np.asarray(shade * (1 - 0.5 * place / (_BLURS - 1)), np.float32)


def with_shadow(image: Picture, matte: Unit, shade: Unit, colour: Unit, opacity: float) -> Picture:
    """Lay a shadow over the background and under the object.

    Args:
        image: (H, W, 3) or (H, W, 4).
        matte: (H, W) float32 in 0..1, of the object.
        shade: (H, W) float32 in 0..1.
        colour: (3,) of the shadow, in 0..1.
        opacity: of a full shadow, 0..1.

    Returns:
        The picture, of the same form; where it is transparent the shadow is half transparent.
    """
    picture = as_picture(image)
    dark, cover = (shade * np.float32(opacity)), coverage_of(picture)
    # how much of what is seen there is the object, which the shadow lies behind
    own = np.clip(matte / np.maximum(cover, 1e-6), 0, 1)
    front, behind = dark * (1 - own), dark * own
    content = cover * (1 - front)
    below = (1 - content - front) * behind
    alpha = content + front + below
    share = ((front + below) / np.maximum(alpha, 1e-6))[..., None]
    changed = (share[..., 0] > 0) & (alpha > 0)
    result = picture.copy()
    mixed = colours_of(picture) * (1 - share) + np.asarray(colour, np.float32) * share
    result[changed, :3] = quantised(mixed[changed], picture)
    if picture.shape[2] == 4:
        result[changed, 3] = quantised(alpha[changed], picture)
    return result


def kept_shadow(image: Picture, matte: Unit) -> Unit:
    """How much darker the background is near the object than it is around, as (H, W) in 0..1.

    Right for plain backdrops: brightness is taken to change evenly over the picture where there
    is no shadow.

    Args:
        image: (H, W, 3) or (H, W, 4).
        matte: (H, W) float32 in 0..1.

    Returns:
        1 where no shadow falls; multiply a new background's linear light by it.
    """
    seen = clear_of(matte)
    if not matte.any() or not seen.any():
        return np.ones(matte.shape, np.float32)
    smooth = max(1.0, max(matte.shape) / 200)
    light = blurred_within(to_linear(colours_of(image)), seen, smooth).mean(axis=-1)
    lit = _even_light(light, seen > 0)
    ratio = np.clip(light / np.maximum(lit, 1e-3), 0, 1)
    # texture and noise are no shadow
    shade = np.clip((1 - ratio - 0.08) / 0.92, 0, 1)
    return np.asarray(1 - shade * _fading(matte), np.float32)


def _even_light(light: Unit, seen: NDArray[np.bool_]) -> Unit:
    """The upper envelope of brightness: a quadratic surface, refitted without what lies below."""
    height, width = light.shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] + np.zeros((1, width), np.float32)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None] + np.zeros((height, 1), np.float32)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    step = max(1, max(light.shape) // 160)
    sample, values = terms[::step, ::step][seen[::step, ::step]], light[::step, ::step]
    values = values[seen[::step, ::step]]
    used = np.ones(len(values), bool)
    factors: NDArray[Any] = np.zeros(6)
    for _ in range(6):
        if np.count_nonzero(used) < 12:
            break
        factors = np.linalg.lstsq(sample[used], values[used], rcond=None)[0]
        used = values >= sample @ factors - 0.02
    return np.asarray(terms @ factors, np.float32)


def _fading(matte: Unit) -> Unit:
    """1 near the object, 0 farther away than it is large: shadows hang on to what casts them."""
    inside = matte > 0.5
    if not inside.any():
        return np.zeros(matte.shape, np.float32)
    reach = max(4.0, float(np.sqrt(np.count_nonzero(inside))) * 1.2)
    away = ndimage.distance_transform_edt(~inside)
    return np.asarray(np.clip(2 - 2 * away / reach, 0, 1), np.float32)
