"""Colour written by people, and colour spaces: luminance, linear light, CIE Lab, hue."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from anymask.apps.edit.pixels import Unit
from anymask.errors import ImageError

LUMINANCE: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Rec. 709 weights of R, G, B."""

_NAMES: Final = {
    "black": "#000000",
    "white": "#ffffff",
    "grey": "#808080",
    "gray": "#808080",
    "red": "#ff0000",
    "green": "#008000",
    "blue": "#0000ff",
    "yellow": "#ffff00",
    "orange": "#ffa500",
    "purple": "#800080",
    "pink": "#ffc0cb",
    "cyan": "#00ffff",
    "magenta": "#ff00ff",
    "brown": "#a52a2a",
}

# sRGB to XYZ (D65), and the white that Lab is measured from
_TO_XYZ: Final = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ],
    np.float32,
)
_WHITE: Final = _TO_XYZ.sum(axis=1)
_EPSILON: Final = 216 / 24389
_KAPPA: Final = 24389 / 27


def parse_colour(text: str) -> Unit:
    """A colour written as "#rrggbb", "#rgb" or by a plain English name.

    Returns:
        (3,) float32 in 0..1.

    Raises:
        ImageError: something else.
    """
    word = _NAMES.get(text.strip().lower(), text.strip())
    match = re.fullmatch(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", word)
    if not match:
        raise ImageError(
            f"{text!r} is no colour; write #rrggbb, such as #ff8800, or one of {', '.join(_NAMES)}"
        )
    digits = match[1] if len(match[1]) == 6 else "".join(2 * digit for digit in match[1])
    return np.asarray(np.frombuffer(bytes.fromhex(digits), np.uint8) / 255, np.float32)


def luminance(colours: Unit) -> Unit:
    """(..., 3) colours in 0..1 to their (...) luma in 0..1."""
    return np.asarray(colours @ LUMINANCE, np.float32)


def to_linear(colours: Unit) -> Unit:
    """SRGB values to linear light, both 0..1."""
    low, high = colours / 12.92, ((np.maximum(colours, 0) + 0.055) / 1.055) ** 2.4
    return np.where(colours <= 0.04045, low, high).astype(np.float32)


def from_linear(light: Unit) -> Unit:
    """Linear light to sRGB values, both 0..1."""
    low, high = light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, low, high).astype(np.float32)


def to_lab(colours: Unit) -> Unit:
    """(..., 3) sRGB in 0..1 to CIE L* (0..100), a*, b* under D65."""
    xyz = to_linear(colours) @ (_TO_XYZ / _WHITE[:, None]).T
    f = np.where(xyz > _EPSILON, np.cbrt(xyz), (_KAPPA * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def from_lab(lab: Unit) -> Unit:
    """CIE Lab to (..., 3) sRGB, clipped to 0..1."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f**3 > _EPSILON, f**3, (116 * f - 16) / _KAPPA) * _WHITE
    light = np.clip(xyz @ np.linalg.inv(_TO_XYZ).T.astype(np.float32), 0, 1)
    return np.clip(from_linear(light.astype(np.float32)), 0, 1)


def rotated_hue(colours: Unit, degrees: float) -> Unit:
    """Turn the hue in CIE Lab: lightness and chroma stay."""
    lab = to_lab(colours)
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    a, b = lab[..., 1] * cos - lab[..., 2] * sin, lab[..., 1] * sin + lab[..., 2] * cos
    return from_lab(np.stack([lab[..., 0], a, b], axis=-1).astype(np.float32))
