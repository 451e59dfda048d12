"""Names of colours: how much of a region has which, and which one a phrase begins with."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.geometry.colour_spaces import to_lab
from anymask.types.records import CompactMask

COLOURS: Final[dict[str, tuple[tuple[int, int, int], ...]]] = {
    "black": ((0, 0, 0), (35, 35, 38)),
    "grey": ((85, 85, 88), (130, 130, 130), (180, 180, 180)),
    "white": ((255, 255, 255), (228, 228, 228)),
    "red": ((200, 20, 25), (140, 15, 20), (225, 60, 55)),
    "orange": ((240, 130, 20), (215, 95, 20)),
    "yellow": ((245, 220, 40), (210, 180, 30)),
    "green": ((30, 140, 50), (20, 75, 30), (120, 170, 70), (110, 200, 120)),
    "turquoise": ((40, 180, 180), (90, 215, 205)),
    "blue": ((25, 70, 190), (15, 30, 90), (90, 150, 220)),
    "purple": ((115, 45, 150), (150, 100, 190)),
    "pink": ((240, 140, 175), (225, 75, 140)),
    "brown": ((110, 65, 35), (150, 100, 60), (70, 40, 25)),
    "beige": ((215, 190, 155), (190, 160, 125)),
}
"""What colour names are given to, as sRGB samples; the nearest one in CIELAB names a pixel."""
SAMPLES: Final = 1000
"""Pixels of a region that are looked at."""

_OTHER_NAMES: Final = {"gray": "grey", "violet": "purple", "cyan": "turquoise"}
_COLOURED: Final = re.compile(
    rf"({'|'.join([*COLOURS, *_OTHER_NAMES])})\s+(?:coloured\s+|colored\s+)?(\S.*)", re.IGNORECASE
)


def split_colour(phrase: str) -> tuple[str | None, str]:
    """The colour that a phrase begins with, and the rest.

    Args:
        phrase: without an article, such as "red car".

    Returns:
        A name of `COLOURS`, or None where it begins with none or is nothing else ("orange").
    """
    match = _COLOURED.fullmatch(phrase)
    if match is None:
        return None, phrase
    name = match[1].lower()
    return _OTHER_NAMES.get(name, name), match[2]


def colour_shares(image_rgb: NDArray[np.uint8], region: CompactMask) -> NDArray[np.float64]:
    """How much of a region has which colour.

    Args:
        image_rgb: (H, W, 3) uint8.
        region: a mask of the picture's size.

    Returns:
        (C,) shares in the order of `COLOURS`; their sum is 1, or 0 for an empty region.
    """
    names = list(COLOURS)
    if not region.area:
        return np.zeros(len(names))
    x0, y0, x1, y1 = region.box_xyxy
    pixels = image_rgb[y0:y1, x0:x1][region.crop]
    pixels = pixels[:: max(1, len(pixels) // SAMPLES)]
    samples = np.array([rgb for name in names for rgb in COLOURS[name]], np.float64)
    owner = np.array([number for number, name in enumerate(names) for _ in COLOURS[name]])
    places, named = (to_lab(np.asarray(one / 255, np.float32)) for one in (pixels, samples))
    distances = np.linalg.norm(places[:, None] - named[None], axis=2)
    return np.bincount(owner[distances.argmin(axis=1)], minlength=len(names)) / len(pixels)
