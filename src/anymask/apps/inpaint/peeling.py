"""A first fill of a hole, from its rim inwards, by patches of the picture.

Newson et al., "Video inpainting of complex scenes", 2014: begun from a smooth fill, the search
would settle on the picture's blurred places.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.apps.inpaint.patches import RADIUS, patches_at, whole
from anymask.apps.inpaint.smooth import Hole, Levels

_MOST_SOURCES: Final = 6000


def peeled(levels: Levels, hole: Hole, rng: np.random.Generator) -> Levels:
    """Fill layer after layer, each pixel by the patches that continue what is known around it.

    Args:
        levels: (H, W, C) float32.
        hole: (H, W) bool; some patches of the picture are free of it.
        rng: chooses the patches compared, where there are many.

    Returns:
        (H, W, C) float32, a new array; known values are kept.
    """
    from scipy.ndimage import binary_erosion

    filled = np.where(hole[..., None], np.float32(0), levels)
    ys, xs = _sample(whole(hole), rng)
    sources = patches_at(filled, ys, xs)
    unknown = hole.copy()
    while unknown.any():
        layer = unknown & ~binary_erosion(unknown, np.ones((3, 3), bool), border_value=1)
        found = _continued(filled, unknown, layer, sources)
        filled[layer] = found
        unknown &= ~layer
    return filled


def _sample(allowed: Hole, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    ys, xs = np.nonzero(allowed)
    if len(ys) > _MOST_SOURCES:
        chosen = np.sort(rng.choice(len(ys), _MOST_SOURCES, replace=False))
        ys, xs = ys[chosen], xs[chosen]
    return ys, xs


def _continued(filled: Levels, unknown: Hole, layer: Hole, sources: Levels) -> Levels:
    """The layer's pixels, each the mean of what the best patches around it propose."""
    side, channels = 2 * RADIUS + 1, filled.shape[2]
    padded = np.pad(filled, ((RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0)))
    known = np.pad(~unknown, RADIUS)
    ys, xs = np.nonzero(layer)
    seen = patches_at(known[..., None].astype(np.float32), ys + RADIUS, xs + RADIUS)
    wanted = patches_at(padded, ys + RADIUS, xs + RADIUS)
    best = _nearest(wanted, np.repeat(seen, channels, axis=1), sources)
    totals = np.zeros((*padded.shape[:2], channels + 1), np.float32)
    proposals = sources[best].reshape(-1, side, side, channels)
    for dy in range(-RADIUS, RADIUS + 1):
        for dx in range(-RADIUS, RADIUS + 1):
            near = np.float32(1 / (1 + dy * dy + dx * dx))
            at = (ys + RADIUS + dy, xs + RADIUS + dx)
            totals[(*at, slice(0, channels))] += proposals[:, dy + RADIUS, dx + RADIUS] * near
            totals[(*at, channels)] += near
    here = totals[ys + RADIUS, xs + RADIUS]
    return np.asarray(here[:, :channels] / here[:, channels:], np.float32)


def _nearest(wanted: Levels, seen: Levels, sources: Levels) -> NDArray[np.intp]:
    """For each patch, the source that differs least where it is known."""
    costs = seen @ np.square(sources).T
    costs -= 2 * ((wanted * seen) @ sources.T)
    return np.asarray(np.argmin(costs, axis=1), np.intp)
