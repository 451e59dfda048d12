"""Faded colours brought back, and noise taken out, of a whole picture."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.apps.inpaint.smooth import Levels

_ENDS: Final = (0.5, 99.5)  # percentiles that become nearly black and nearly white
_BLACK, _WHITE = 8.0, 247.0
_ONE_TINT: Final = 0.98  # channels as alike as this are one picture in one tint, such as sepia
_MOST_GAIN: Final = 3.0
_PATCH_PX, _REACH_PX = 5, 4


def unfaded(levels: Levels, strength: float = 1.0) -> Levels:
    """Stretch what is left of the contrast.

    Colours fade unevenly, so each channel is stretched on its own, which takes the cast out. A
    picture of one tint, such as sepia, keeps it: its channels are stretched alike.

    Args:
        levels: (H, W, 3) float32, 0..255.
        strength: 0 changes nothing, 1 stretches fully.

    Returns:
        (H, W, 3) float32, 0..255.
    """
    ends = levels.mean(axis=2) if _is_one_tint(levels) else levels
    low, high = (np.asarray(np.percentile(ends, end, axis=(0, 1)), np.float32) for end in _ENDS)
    gain = np.minimum((_WHITE - _BLACK) / np.maximum(high - low, 1), _MOST_GAIN)
    gain = np.maximum(gain, 1.0)
    middle, centre = (low + high) / 2, (_BLACK + _WHITE) / 2
    stretched = (levels - middle) * gain + np.where(gain > 1, centre, middle)
    mixed = levels + (stretched - levels) * np.float32(strength)
    return np.asarray(np.clip(mixed, 0, 255), np.float32)


def _is_one_tint(levels: Levels) -> bool:
    """Whether the channels tell nothing that lightness does not."""
    step = max(round((levels.size / 3 / 100_000) ** 0.5), 1)
    pixels = levels[::step, ::step].reshape(-1, 3).astype(np.float64)
    if len(pixels) < 2 or (pixels.std(axis=0) < 1e-3).any():
        return True
    return bool(np.corrcoef(pixels.T).min() > _ONE_TINT)


def noise_level(levels: Levels) -> float:
    """The standard deviation of the noise, from the finest diagonal differences.

    Donoho & Johnstone, "Ideal spatial adaptation by wavelet shrinkage", 1994.

    Args:
        levels: (H, W, C) float32.
    """
    height, width = (side // 2 * 2 for side in levels.shape[:2])
    even = levels[:height, :width]
    diagonal = even[0::2, 0::2] - even[0::2, 1::2] - even[1::2, 0::2] + even[1::2, 1::2]
    return float(np.median(np.abs(diagonal)) / 2 / 0.6745) if diagonal.size else 0.0


def denoised(levels: Levels, strength: float = 1.0) -> Levels:
    """Each pixel as the mean of those nearby whose surroundings look alike.

    Buades, Coll & Morel, "A non-local algorithm for image denoising", 2005.

    Args:
        levels: (H, W, C) float32, 0..255.
        strength: 0 changes nothing; 1 takes out about as much noise as there is.

    Returns:
        (H, W, C) float32.
    """
    sigma = noise_level(levels)
    if sigma * strength <= 0:
        return levels.copy()
    total, weight = levels.copy(), np.ones(levels.shape[:2], np.float32)
    for dy in range(_REACH_PX + 1):
        for dx in range(-_REACH_PX, _REACH_PX + 1):
            if (dy, dx) > (0, 0):
                _add_shifted(levels, (dy, dx), sigma, strength, total, weight)
    return total / weight[..., None]


def _add_shifted(
    levels: Levels,
    step: tuple[int, int],
    sigma: float,
    strength: float,
    total: Levels,
    weight: NDArray[np.float32],
) -> None:
    """Let the pixels that lie this far apart count for each other, in place."""
    from scipy.ndimage import uniform_filter

    here, there = _overlap(levels.shape[:2], step)
    if 0 in levels[here].shape:
        return
    unlike = np.square(levels[here] - levels[there]).mean(axis=2)
    excess = np.maximum(uniform_filter(unlike, _PATCH_PX) - 2 * sigma**2, 0)
    alike = np.exp(-excess / np.float32((0.6 * strength * sigma) ** 2)).astype(np.float32)
    for one, other in ((here, there), (there, here)):
        total[one] += levels[other] * alike[..., None]
        weight[one] += alike


def _overlap(
    size_hw: tuple[int, ...], step: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that have another one `step` away, and those others; rows go down only."""
    height, width = size_hw
    dy, dx = step
    left, right = max(-dx, 0), max(dx, 0)
    here = (slice(0, max(height - dy, 0)), slice(left, max(width - right, left)))
    there = (slice(dy, max(height, dy)), slice(right, max(width - left, right)))
    return here, there
