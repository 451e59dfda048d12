"""Scratches and dust of old photos, found by being narrow and unlike their surroundings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.apps.inpaint.smooth import Hole
from anymask.geometry.regions import components

Plane = NDArray[np.float32]

_ANGLES: Final = 12
_LINE: Final = 8  # widths that a scratch is at least long
_LARGEST_SPECK: Final = 2  # widths of a scratch that a speck is at most across
_NEIGHBOURHOOD: Final = 8  # times the widest damage: where it is compared with what is usual


@dataclass(frozen=True, slots=True)
class DamageSettings:
    """What counts as damage.

    Attributes:
        widest_px: of a scratch or a speck; None takes a 150th of the picture's shorter side.
        contrast: levels of 255 by which damage differs from its surroundings.
        unusual: times by which it differs more than is usual there; more finds less.
    """

    widest_px: int | None = None
    contrast: float = 30.0
    unusual: float = 4.0

    def width_px(self, size_hw: tuple[int, ...]) -> int:
        """The widest damage in a picture of this size."""
        return self.widest_px or max(round(min(size_hw) / 150), 3)


def find_scratches(lightness: Plane, settings: DamageSettings | None = None) -> Hole:
    """Long thin lines, lighter or darker than both their sides.

    Args:
        lightness: (H, W) float32, 0..255.
        settings: what counts.

    Returns:
        (H, W) bool.
    """
    settings = settings or DamageSettings()
    width = settings.width_px(lightness.shape)
    found = np.zeros(lightness.shape, bool)
    for narrow in _narrow(lightness, width):
        along = _line_means(narrow, 6 * width + 1)
        straight = along.max(axis=0) - np.median(along, axis=0)
        likely = straight > np.maximum(
            0.5 * settings.contrast, settings.unusual * _usual(straight, width)
        )
        pixels = _near(likely, width) & (narrow > 0.5 * settings.contrast)
        found |= _kept(pixels, _is_line(width))
    return found


def find_dust(lightness: Plane, settings: DamageSettings | None = None) -> Hole:
    """Small specks, lighter or darker than all around.

    Args:
        lightness: (H, W) float32, 0..255.
        settings: what counts.

    Returns:
        (H, W) bool.
    """
    from scipy.ndimage import maximum_filter

    settings = settings or DamageSettings()
    width = settings.width_px(lightness.shape)
    found = np.zeros(lightness.shape, bool)
    for narrow in _narrow(lightness, _LARGEST_SPECK * width):
        strong = narrow > np.maximum(
            1.5 * settings.contrast, 1.5 * settings.unusual * _usual(narrow, width)
        )
        # half as unlike as the speck's own peak: texture beside it stays out
        peak = maximum_filter(np.where(strong, narrow, np.float32(0)), 2 * width + 1)
        pixels = _near(strong, 1) & (narrow > np.maximum(0.5 * peak, 0.5 * settings.contrast))
        found |= _kept(pixels, lambda box, _: max(box) <= _LARGEST_SPECK * width + 2)
    return found


def _is_line(width: int) -> Callable[[tuple[int, int], int], bool]:
    """Long, and covering little of the square around it."""
    return lambda box, area: max(box) >= _LINE * width and area <= 3 * width * max(box)


def _narrow(lightness: Plane, width: int) -> tuple[Plane, Plane]:
    """How much lighter, and how much darker, each pixel is than anything as wide as this."""
    from scipy.ndimage import grey_closing, grey_opening

    disc = _disc(width // 2 + 1)
    lighter = lightness - grey_opening(lightness, footprint=disc)
    darker = grey_closing(lightness, footprint=disc) - lightness
    return np.asarray(lighter, np.float32), np.asarray(darker, np.float32)


def _disc(radius: int) -> Hole:
    ys, xs = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(np.hypot(ys, xs) <= radius + 0.5)


def _line_means(plane: Plane, length: int) -> Plane:
    """(angles, H, W): the mean along a short line through each pixel."""
    from scipy.signal import fftconvolve

    reach = length // 2
    padded = np.pad(plane, reach, mode="reflect" if min(plane.shape) > reach else "edge")
    means = []
    for angle in np.arange(_ANGLES) * np.pi / _ANGLES:
        kernel = np.zeros((length, length), np.float32)
        steps = np.linspace(-reach, reach, 2 * length)
        ys, xs = np.rint(steps * np.sin(angle)), np.rint(steps * np.cos(angle))
        kernel[(ys + reach).astype(int), (xs + reach).astype(int)] = 1
        means.append(fftconvolve(padded, kernel / kernel.sum(), mode="valid"))
    return np.asarray(means, np.float32)


def _usual(plane: Plane, width: int) -> Plane:
    """What is usual around each pixel."""
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(plane, _NEIGHBOURHOOD * width + 1), np.float32)


def _near(mask: Hole, reach: int) -> Hole:
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask, np.ones((3, 3), bool), iterations=reach))


def _kept(pixels: Hole, is_damage: Callable[[tuple[int, int], int], bool]) -> Hole:
    """The connected parts whose box (height, width) and area are a damage's."""
    from scipy.ndimage import find_objects

    labels, count = components(pixels)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    kept = np.zeros(count + 1, bool)
    for number, (rows, columns) in enumerate(find_objects(labels), start=1):
        box = (rows.stop - rows.start, columns.stop - columns.start)
        kept[number] = is_damage(box, int(areas[number]))
    return np.asarray(kept[labels])
