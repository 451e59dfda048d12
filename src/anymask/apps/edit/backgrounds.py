"""What lies behind an object: nothing, a colour, a gradient, itself out of focus, another picture.

A matte tells how much of each pixel the object covers. Where it covers all, pixels stay as they
are, bit for bit; in shared pixels the object's own colours are laid over the new background.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from PIL import Image
from scipy import ndimage

from anymask.apps.edit.blurs import blurred, blurred_within
from anymask.apps.edit.cutouts import lifted
from anymask.apps.edit.foreground import foreground_colours
from anymask.apps.edit.mattes import regrown
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
from anymask.geometry.colour_spaces import from_lab, from_linear, to_lab, to_linear

Fit = Literal["cover", "fit", "stretch"]
Falloff = Literal["none", "ground", "distance"]
Harmonise = Literal["none", "background", "object"]

_TRACE: Final = 0.02
_FOCUS_STEPS: Final = 5  # blurs of different widths that a falloff runs through


def without_background(image: Picture, matte: Unit) -> Picture:
    """The object on a transparent background.

    Args:
        image: (H, W, 3) or (H, W, 4).
        matte: (H, W) float32 in 0..1.

    Returns:
        (H, W, 4) RGBA of the image's depth.
    """
    return lifted(as_picture(image), matte)


def over(image: Picture, matte: Unit, backdrop: Unit) -> Picture:
    """The object over an opaque backdrop.

    Args:
        image: (H, W, 3) or (H, W, 4); an alpha it has lets the backdrop through, too.
        matte: (H, W) float32 in 0..1.
        backdrop: (H, W, 3) float32 in 0..1.

    Returns:
        (H, W, 3) of the image's depth; pixels that the object covers wholly are equal to the bit.
    """
    picture = as_picture(image)
    alpha = as_matte(matte, picture)
    if picture.shape[2] == 4:
        alpha = alpha * coverage_of(picture)
    result = picture[..., :3].copy()
    rows, columns = np.nonzero(alpha < 1)
    if not rows.size:
        return result
    own = foreground_colours(colours_of(picture), alpha)[rows, columns]
    share = alpha[rows, columns, None]
    result[rows, columns] = quantised(own * share + backdrop[rows, columns] * (1 - share), picture)
    return result


def plain(size_hw: tuple[int, int], colour: Unit) -> Unit:
    """A backdrop of one colour (3,) in 0..1."""
    return np.broadcast_to(np.asarray(colour, np.float32), (*size_hw, 3))


def gradient(
    size_hw: tuple[int, int], start: Unit, end: Unit, *, angle: float = 90.0, radial: bool = False
) -> Unit:
    """A backdrop that runs from one colour to another, evenly to the eye (in CIE Lab).

    Args:
        size_hw: (height, width).
        start: (3,) colour in 0..1, at the start or in the middle.
        end: (3,) colour in 0..1.
        angle: direction in degrees, 0 to the right, 90 downwards.
        radial: from the middle to the corners instead.
    """
    height, width = size_hw
    y, x = np.mgrid[:height, :width].astype(np.float32)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    if radial:
        place = np.hypot(x, y) / max(np.hypot(height - 1, width - 1) / 2, 1)
    else:
        along = x * np.cos(np.deg2rad(angle)) + y * np.sin(np.deg2rad(angle))
        place = (along - along.min()) / max(float(np.ptp(along)), 1e-6)
    ends = to_lab(np.stack([start, end]).astype(np.float32))
    return from_lab((ends[0] + (ends[1] - ends[0]) * place[..., None]).astype(np.float32))


def out_of_focus(
    image: Picture, matte: Unit, radius_px: float, *, falloff: Falloff = "none"
) -> Unit:
    """The picture's own background, blurred in linear light, with nothing of the object in it.

    Args:
        image: (H, W, 3) or (H, W, 4).
        matte: (H, W) float32 in 0..1.
        radius_px: of the widest blur; its Gaussian's deviation is half of it.
        falloff: "none" blurs all alike. "ground" is sharp where the object stands and blurs more
            the higher up, as on a floor that leads away. "distance" blurs more the farther from
            the object.

    Returns:
        (H, W, 3) float32 in 0..1.
    """
    light = to_linear(colours_of(image))
    seen = clear_of(matte)
    if falloff == "none":
        return from_linear(blurred_within(light, seen, radius_px / 2))
    depth = _ground(matte) if falloff == "ground" else _distance(matte)
    place = depth * (_FOCUS_STEPS - 1)
    result = np.zeros_like(light)
    for step in range(_FOCUS_STEPS):
        share = np.maximum(0, 1 - np.abs(place - step))[..., None]
        # the sharpest is blurred a little, so that the background goes on under the object's edge
        sigma = max(radius_px / 2 * step / (_FOCUS_STEPS - 1), 0.3)
        result += share * _continued(light, seen, sigma)
    return from_linear(result)


def clear_of(matte: Unit) -> Unit:
    """1 where the background shows alone, a little away from the object, else 0."""
    away_px = max(1.0, max(matte.shape) / 400)
    return (~regrown(matte > _TRACE, away_px)).astype(np.float32)


def _continued(light: Unit, seen: Unit, sigma_px: float) -> Unit:
    """Blurred, and where nothing is seen so near, from farther away."""
    wide = max(sigma_px, 8.0)
    near = blurred(seen, sigma_px)[..., None]
    share = np.clip(near * 4, 0, 1)
    sharp = blurred_within(light, seen, sigma_px)
    return sharp * share + blurred_within(light, seen, wide) * (1 - share)


def _ground(matte: Unit) -> Unit:
    """0 at the row the object stands on and below, 1 at the upper border of the picture."""
    rows = np.flatnonzero((matte > 0.5).any(axis=1))
    foot = int(rows[-1]) if rows.size else matte.shape[0] - 1
    depth = np.clip((foot - np.arange(matte.shape[0])) / max(foot * 0.6, 1), 0, 1)
    return np.broadcast_to(depth.astype(np.float32)[:, None], matte.shape)


def _distance(matte: Unit) -> Unit:
    """0 at the object, 1 a quarter of the picture's longer side away."""
    inside = matte > 0.5
    if not inside.any():
        return np.ones(matte.shape, np.float32)
    away = ndimage.distance_transform_edt(~inside) / (max(matte.shape) / 4)
    return np.asarray(np.clip(away, 0, 1), np.float32)


def placed_picture(
    picture: Picture, size_hw: tuple[int, int], *, fit: Fit = "cover", colour: Unit | None = None
) -> Unit:
    """Another picture as a backdrop.

    Args:
        picture: (h, w, 3) or (h, w, 4).
        size_hw: of the backdrop.
        fit: "cover" fills it and cuts off what is too much, "fit" shows all of the picture,
            "stretch" changes its proportions.
        colour: (3,) in 0..1, of what is left around or shines through; None takes black.

    Returns:
        (H, W, 3) float32 in 0..1.
    """
    picture = as_picture(picture)
    if fit not in ("cover", "fit", "stretch"):
        raise ImageError(f"fit is {fit!r}; give cover, fit or stretch")
    height, width = size_hw
    down, across = height / picture.shape[0], width / picture.shape[1]
    if fit != "stretch":
        down = across = max(down, across) if fit == "cover" else min(down, across)
    size = max(1, round(picture.shape[0] * down)), max(1, round(picture.shape[1] * across))
    alpha = coverage_of(picture)
    planes = [*np.moveaxis(colours_of(picture) * alpha[..., None], -1, 0), alpha]
    scaled = np.stack([_scaled(plane, size) for plane in planes], axis=-1)
    laid = _centred(scaled, size_hw)
    behind = np.zeros(3, np.float32) if colour is None else np.asarray(colour, np.float32)
    return np.clip(laid[..., :3] + behind * (1 - laid[..., 3:]), 0, 1)


def _scaled(plane: Unit, size_hw: tuple[int, int]) -> Unit:
    source = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(source.resize(size_hw[::-1], Image.Resampling.LANCZOS), np.float32)


def _centred(layer: Unit, size_hw: tuple[int, int]) -> Unit:
    """Cut off or surrounded by nothing, with its middle in the middle."""
    result = np.zeros((*size_hw, layer.shape[2]), np.float32)
    there, here = [], []
    for new, old in zip(size_hw, layer.shape, strict=False):
        offset, length = (new - old) // 2, min(new, old)
        there.append(slice(max(offset, 0), max(offset, 0) + length))
        here.append(slice(max(-offset, 0), max(-offset, 0) + length))
    result[tuple(there)] = layer[tuple(here)]
    return result


def harmonised(
    colours: Unit, like: Unit, *, weight: Unit, like_weight: Unit, amount: float
) -> Unit:
    """Colours brought towards those of another part: mean and spread in CIE Lab.

    After Reinhard, Ashikhmin, Gooch, Shirley: Color Transfer between Images, 2001.

    Args:
        colours: (H, W, 3) float32 in 0..1.
        like: (h, w, 3) float32 in 0..1.
        weight: (H, W), which of the colours count.
        like_weight: (h, w), which of the other part count.
        amount: 0 changes nothing, 1 takes mean and spread over wholly.
    """
    if not weight.any() or not like_weight.any():
        return colours
    lab = to_lab(colours)
    mean, spread = _statistics(lab, weight)
    other_mean, other_spread = _statistics(to_lab(like), like_weight)
    # a flat part has no spread to be blown up, and contrast is only partly a matter of light
    gain = np.clip(other_spread / np.maximum(spread, 1.0), 0.6, 1.6)
    moved = (lab - mean) * gain + other_mean
    return from_lab((lab + (moved - lab) * amount).astype(np.float32))


def _statistics(lab: Unit, weight: Unit) -> tuple[Unit, Unit]:
    """Mean and deviation of each channel."""
    values, counts = lab.reshape(-1, 3), weight.reshape(-1)
    mean = np.average(values, axis=0, weights=counts)
    spread = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=counts))
    return mean.astype(np.float32), spread.astype(np.float32)
