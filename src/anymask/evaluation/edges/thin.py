"""Thin lines from a map of edge strength: only the crest across each edge stays."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]

SMOOTHING_PX: Final = 4
"""Radius of the triangle that smooths the map before directions are taken from it."""
BORDER_PX: Final = 5
"""Strength fades to nothing over so many pixels at the sides of the picture."""
MARGIN: Final = 1.01
"""A neighbour must be stronger by this factor to win, so that flat crests stay."""


def thinned(strength: Floats) -> Floats:
    """Suppress what is not the crest, like the thinning of the usual edge evaluations.

    Args:
        strength: (H, W), 0 where there is no edge.

    Returns:
        (H, W): the same strength on crests, else 0.
    """
    across = _direction_across(strength)
    ys, xs = np.indices(strength.shape, np.float64)
    crest = np.ones(strength.shape, np.bool_)
    for step in (-1, 1):
        places = np.stack([ys + step * np.sin(across), xs + step * np.cos(across)])
        beside = ndimage.map_coordinates(strength, places, order=1, mode="nearest")
        crest &= strength * MARGIN >= beside
    return np.asarray(np.where(crest, strength, 0.0) * _fading(strength.shape))


def _direction_across(strength: Floats) -> Floats:
    """(H, W) radians: along it the smoothed strength bends down most."""
    smooth = _triangle(strength)
    dy, dx = np.gradient(smooth)
    dxy, dxx = np.gradient(dx)
    dyy, _ = np.gradient(dy)
    # the eigenvector of the lesser eigenvalue of the second derivatives
    return np.asarray(0.5 * np.arctan2(2 * dxy, dxx - dyy) + np.pi / 2)


def _triangle(values: Floats) -> Floats:
    rising = np.arange(1, SMOOTHING_PX + 1)
    kernel = np.concatenate([rising, [SMOOTHING_PX + 1], rising[::-1]]) / (SMOOTHING_PX + 1) ** 2
    for axis in (0, 1):
        values = ndimage.correlate1d(values, kernel, axis=axis, mode="reflect")
    return values


def _fading(shape: tuple[int, ...]) -> Floats:
    sides = [
        np.minimum(np.minimum(np.arange(length), np.arange(length)[::-1]) / BORDER_PX, 1.0)
        for length in shape
    ]
    return np.minimum(sides[0][:, None], sides[1][None, :])
