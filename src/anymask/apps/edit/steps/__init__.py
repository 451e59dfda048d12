"""The steps of an edit: each a small value with its parameters, which turns one scene into another.

What a step does is in the modules beside this package: adjustments, backgrounds, decorations,
placement, shadows.
"""

from __future__ import annotations

from typing import Final

from anymask.apps.edit.steps import behind, colour, objects
from anymask.apps.edit.steps.step import Step

STEPS: Final[dict[str, type[Step]]] = {
    "background-transparent": behind.BackgroundTransparent,
    "background-colour": behind.BackgroundColour,
    "background-gradient": behind.BackgroundGradient,
    "background-blur": behind.BackgroundBlur,
    "background-picture": behind.BackgroundPicture,
    "shadow": behind.Shadow,
    "brightness": colour.Brightness,
    "contrast": colour.Contrast,
    "saturation": colour.Saturation,
    "hue": colour.Hue,
    "white-balance": colour.WhiteBalance,
    "recolour": colour.Recolour,
    "greyscale": colour.Greyscale,
    "duotone": colour.Duotone,
    "sharpen": colour.Sharpen,
    "blur": colour.Blur,
    "pixelate": colour.Pixelate,
    "outline": objects.Outline,
    "glow": objects.Glow,
    "sticker": objects.Sticker,
    "move": objects.Move,
    "duplicate": objects.Duplicate,
    "delete": objects.Delete,
}
"""Every step by the name that recipes and the command line give it."""
