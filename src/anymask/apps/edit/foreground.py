"""The object's own colours in pixels it shares with the background, so that no halo stays.

Multi-level estimation (Germer, Uelwer, Conrad, Harmeling: Fast Multi-Level Foreground Estimation,
2020): colours F and B with alpha F + (1 - alpha) B equal to the picture and smooth where alpha
changes, from one pixel up to the full size.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from anymask.apps.edit.pixels import Unit, window_of

_SMOOTH: Final = np.float32(1e-5)
_FOLLOW: Final = np.float32(1.0)  # how much neighbours count where alpha changes
_SMALL_PX, _SMALL_STEPS, _STEPS = 32, 10, 2
_TILE_PX: Final = 128  # so that what is computed stays in the processor's caches


def foreground_colours(colours: Unit, matte: Unit, *, margin_px: int = 8) -> Unit:
    """The colours that the object has where it is not alone in a pixel.

    Args:
        colours: (H, W, 3) float32 in 0..1.
        matte: (H, W) float32 in 0..1.
        margin_px: how far around the matte colours are continued.

    Returns:
        (H, W, 3) float32 in 0..1; that of the picture where the matte is 1, and far from it.
    """
    result = colours.copy()
    window = window_of(matte, margin_px)
    if window is None or not np.any((matte > 0) & (matte < 1)):
        return result
    part, alpha = colours[window], matte[window]
    found = _levels(part, alpha, margin_px)
    result[window] = np.where(alpha[..., None] >= 1, part, np.clip(found, 0, 1))
    return result


def _levels(colours: Unit, alpha: Unit, margin_px: int) -> Unit:
    """Foreground colours, refined from one pixel to the full size; at that, near the edge alone."""
    height, width = alpha.shape
    levels = int(np.ceil(np.log2(max(height, width, 2))))
    front, back = np.zeros((2, 1, 1, 3), np.float32)
    for level in range(levels + 1):
        size = tuple(max(1, round(side ** (level / levels))) for side in (height, width))
        here = _sampled(colours, size)
        weight = _sampled(alpha, size)
        front, back = _sampled(front, size), _sampled(back, size)
        steps = _SMALL_STEPS if max(size) <= _SMALL_PX else _STEPS
        # at full size only what somebody looks at
        near_px = margin_px if level == levels else None
        front, back = _refined(here, weight, front, back, steps, near_px)
    return front


def _refined(
    colours: Unit, alpha: Unit, front: Unit, back: Unit, steps: int, near_px: int | None
) -> tuple[Unit, Unit]:
    """Some passes over all tiles, or over those near pixels that are partly covered."""
    partly = (alpha > 0) & (alpha < 1)
    front_after, back_after = front.copy(), back.copy()
    height, width = alpha.shape
    for top in range(0, height, _TILE_PX):
        for left in range(0, width, _TILE_PX):
            tile = np.s_[top : top + _TILE_PX, left : left + _TILE_PX]
            near = None if near_px is None else (_grown(top, near_px), _grown(left, near_px))
            if near is not None and not partly[near].any():
                continue
            around = _grown(top, steps), _grown(left, steps)  # each pass reads one pixel farther
            y, x = around[0].start, around[1].start
            here, share, own, other = (part[around] for part in (colours, alpha, front, back))
            for _ in range(steps):
                own, other = _step(here, share, own, other)
            inner = np.s_[top - y : top - y + _TILE_PX, left - x : left - x + _TILE_PX]
            front_after[tile], back_after[tile] = own[inner], other[inner]
    return front_after, back_after


def _grown(start: int, by_px: int) -> slice:
    """The rows or columns of a tile, and some more on both sides."""
    return slice(max(0, start - by_px), start + _TILE_PX + by_px)


def _sampled(values: Unit, size_hw: tuple[int, ...]) -> Unit:
    """The nearest pixels of another size."""
    if values.shape[:2] == size_hw:
        return values
    rows, columns = (
        np.minimum(np.arange(new) * old // new, old - 1)
        for new, old in zip(size_hw, values.shape, strict=False)
    )
    return np.asarray(values[:, columns][rows])


def _step(colours: Unit, alpha: Unit, front: Unit, back: Unit) -> tuple[Unit, Unit]:
    """One pass over all pixels: the two colours of each, given those of its neighbours."""
    height, width = alpha.shape
    total = np.zeros((height, width, 1), np.float32)
    fronts, backs = np.zeros_like(front), np.zeros_like(back)
    padded = np.pad(alpha, 1, mode="edge")
    around_front = np.pad(front, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around_back = np.pad(back, ((1, 1), (1, 1), (0, 0)), mode="edge")
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        there = np.s_[dy : dy + height, dx : dx + width]
        weight = (_SMOOTH + _FOLLOW * np.abs(alpha - padded[there]))[..., None]
        total += weight
        fronts += weight * around_front[there]
        backs += weight * around_back[there]
    a, b = alpha[..., None], 1 - alpha[..., None]
    # the 2 x 2 system [a² + t, a b; a b, b² + t] [F; B] = [a I + Σ w F'; b I + Σ w B']
    right_front, right_back = a * colours + fronts, b * colours + backs
    front_front, front_back, back_back = a * a + total, a * b, b * b + total
    inverse = 1 / (front_front * back_back - front_back * front_back)
    return (
        np.clip(inverse * (back_back * right_front - front_back * right_back), 0, 1),
        np.clip(inverse * (front_front * right_back - front_back * right_front), 0, 1),
    )
