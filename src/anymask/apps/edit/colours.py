"""Colour written by people, luminance and hue."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from anymask.apps.edit.pixels import Unit
from anymask.errors import ImageError
from anymask.geometry.colour_spaces import from_lab, to_lab

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


def rotated_hue(colours: Unit, degrees: float) -> Unit:
    """Turn the hue in CIE Lab: lightness and chroma stay."""
    lab = to_lab(colours)
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    a, b = lab[..., 1] * cos - lab[..., 2] * sin, lab[..., 1] * sin + lab[..., 2] * cos
    return from_lab(np.stack([lab[..., 0], a, b], axis=-1).astype(np.float32))
