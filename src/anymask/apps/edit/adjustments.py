"""Colour and sharpness of an object, or of what lies around it.

Each adjustment takes colours (H, W, 3) float32 in 0..1 and gives new ones; `adjusted` applies one
by a matte. Numbers mean what they mean in CSS filters where there is such a one: 1 changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from PIL import Image

from anymask.apps.edit.blurs import blurred, blurred_within
from anymask.apps.edit.colours import luminance, rotated_hue
from anymask.apps.edit.pixels import (
    Picture,
    Unit,
    as_matte,
    as_picture,
    colours_of,
    mixed,
    window_of,
)
from anymask.errors import ImageError
from anymask.geometry.colour_spaces import from_lab, from_linear, to_lab, to_linear

Adjustment = Callable[[Unit, Unit], Unit]
"""Colours (H, W, 3) and how much each pixel counts (H, W) to new colours."""

_WARM_STOPS: Final = 0.5  # of red against blue, at temperature 100
_TINT_STOPS: Final = 0.35
_LUMINANCE_LINEAR: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)


def adjusted(image: Picture, matte: Unit, change: Adjustment, *, margin_px: int = 0) -> Picture:
    """Change an object's colours.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8 or uint16.
        matte: (H, W) bool or float32 in 0..1; of the background give ``1 - matte``.
        change: what to do, worked out in float32 on the box around the matte.
        margin_px: how much around the box the change looks at.

    Returns:
        A new picture; pixels where the matte is 0 are equal to the bit.

    Raises:
        MaskError: a matte of another size.

    Example:
        >>> adjusted(photo, matte, lambda colours, _: saturation(colours, 0))  # doctest: +SKIP
    """
    picture = as_picture(image)
    weight = as_matte(matte, picture)
    window = window_of(weight, margin_px)
    if window is None:
        return picture
    result = picture.copy()
    part = picture[window]
    result[window] = mixed(part, change(colours_of(part), weight[window]), weight[window])
    return result


def customised(image: Picture, matte: Unit, function: Callable[[Any], Any]) -> Picture:
    """Change an object by any function of a picture.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8 or uint16.
        matte: (H, W) bool or float32 in 0..1.
        function: takes (H, W, 3) of the image's depth and gives as much, or a Pillow image of the
            same size; such as ``lambda rgb: Image.fromarray(rgb).filter(ImageFilter.EMBOSS)``.

    Raises:
        ImageError: what it gives is of another size or depth.
    """
    picture = as_picture(image)
    given = function(picture[..., :3].copy())
    found = np.asarray(given.convert("RGB") if isinstance(given, Image.Image) else given)
    if found.shape != (*picture.shape[:2], 3) or found.dtype != picture.dtype:
        raise ImageError(
            f"the function gave shape {found.shape} and dtype {found.dtype}; "
            f"give {(*picture.shape[:2], 3)} and {picture.dtype}, as it was given"
        )
    return mixed(picture, colours_of(found), as_matte(matte, picture))


def brightness(colours: Unit, factor: float) -> Unit:
    """Times a factor: 0 is black, 2 twice as bright."""
    return np.asarray(colours * np.float32(factor))


def contrast(colours: Unit, factor: float) -> Unit:
    """Away from mid grey, or towards it below 1."""
    return np.asarray((colours - 0.5) * np.float32(factor) + 0.5)


def saturation(colours: Unit, factor: float) -> Unit:
    """0 is grey, 2 twice as colourful; luma stays."""
    grey = luminance(colours)[..., None]
    return np.asarray(grey + (colours - grey) * np.float32(factor))


def hue(colours: Unit, degrees: float) -> Unit:
    """Turned around the colour circle in CIE Lab; lightness stays."""
    return rotated_hue(colours, degrees)


def white_balance(colours: Unit, temperature: float, tint: float) -> Unit:
    """Warmer or colder, greener or pinker, at the same luminance.

    Args:
        colours: (H, W, 3) in 0..1.
        temperature: -100 (blue) to 100 (orange).
        tint: -100 (green) to 100 (magenta).
    """
    warm, pink = temperature / 100 * _WARM_STOPS, tint / 100 * _TINT_STOPS
    return _gained(colours, np.exp2([warm + pink / 2, -pink, -warm + pink / 2]))


def grey_world(colours: Unit, weight: Unit) -> Unit:
    """White balance that makes the mean of what counts grey."""
    if not weight.any():
        return colours
    means = np.average(to_linear(colours).reshape(-1, 3), axis=0, weights=weight.reshape(-1))
    return _gained(colours, means.mean() / np.maximum(means, 1e-4))


def _gained(colours: Unit, gains: Any) -> Unit:
    """Channels times gains in linear light, with the luminance of grey kept."""
    gains = np.asarray(gains, np.float32)
    return from_linear(to_linear(colours) * (gains / (gains @ _LUMINANCE_LINEAR)))


def recolour(colours: Unit, weight: Unit, colour: Unit, amount: float) -> Unit:
    """Another colour with the same shading.

    Light and shade are what a pixel's luminance is to the median of what counts; the new colour
    takes them over, highlights running to white.

    Args:
        colours: (H, W, 3) in 0..1.
        weight: (H, W), which pixels count.
        colour: (3,) in 0..1.
        amount: 0 keeps the old colour, 1 takes the new one.
    """
    light = to_linear(colours)
    bright = light @ _LUMINANCE_LINEAR
    counted = bright[weight > 0.5]
    usual = max(float(np.median(counted)) if counted.size else 0.2, 0.01)
    shade = np.clip(bright / usual, 0, 8)[..., None]
    target = to_linear(np.asarray(colour, np.float32))
    shaded = target * np.minimum(shade, 1)
    # above the usual brightness less and less is the colour's own and more the light's
    shine = 1 - np.exp(-np.maximum(shade - 1, 0) * 0.35)
    new = from_linear((shaded + (1 - shaded) * shine).astype(np.float32))
    return np.asarray(colours + (new - colours) * np.float32(amount))


def duotone(colours: Unit, dark: Unit, light: Unit) -> Unit:
    """Two colours for shadows and lights, and what lies between in CIE Lab."""
    ends = to_lab(np.stack([dark, light]).astype(np.float32))
    place = to_lab(colours)[..., :1] / 100
    return from_lab((ends[0] + (ends[1] - ends[0]) * place).astype(np.float32))


def sharpen(colours: Unit, amount: float, radius_px: float) -> Unit:
    """An unsharp mask: the difference to a blur, added."""
    return np.asarray(colours + (colours - blurred(colours, radius_px)) * np.float32(amount))


def blur(colours: Unit, weight: Unit, radius_px: float) -> Unit:
    """A blur of what counts, without what lies around; in linear light."""
    light = blurred_within(to_linear(colours), weight, radius_px / 2)
    return from_linear(light)


def pixelate(colours: Unit, weight: Unit, block_px: int) -> Unit:
    """Squares of the mean colour of what counts in them."""
    rows = np.arange(0, colours.shape[0], block_px)
    columns = np.arange(0, colours.shape[1], block_px)

    def sums(values: Unit) -> Any:
        return np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)

    total = sums(weight.astype(np.float64))[..., None]
    means = sums(colours * weight[..., None].astype(np.float64)) / np.maximum(total, 1e-9)
    wide = means.repeat(block_px, axis=0).repeat(block_px, axis=1)
    return np.asarray(wide[: colours.shape[0], : colours.shape[1]], np.float32)


def private_block_px(matte: Unit) -> int:
    """Squares so large that about eight of them span the object."""
    window = window_of(matte)
    if window is None:
        return 2
    return max(2, *(round(int(part.stop - part.start) / 8) for part in window))
