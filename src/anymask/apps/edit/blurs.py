"""Blurs whose cost does not depend on the radius, also of a part of a picture alone."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from anymask.apps.edit.pixels import Unit

_PASSES = 3  # of a box: within 3 % of a Gaussian


def blurred(values: Unit, sigma_px: float) -> Unit:
    """A Gaussian blur, approximated by boxes where it is wide; borders are mirrored.

    Args:
        values: (H, W) or (H, W, C) float32.
        sigma_px: standard deviation; 0 changes nothing.
    """
    if sigma_px <= 0:
        return values
    if sigma_px < 2:
        sigmas = (sigma_px, sigma_px, 0)[: values.ndim]
        return np.asarray(ndimage.gaussian_filter(values, sigmas, mode="reflect"), np.float32)
    result = values
    for size in _box_sizes(sigma_px):
        for axis in (0, 1):
            result = ndimage.uniform_filter1d(result, size, axis=axis, mode="reflect")
    return np.asarray(result, np.float32)


def blurred_within(colours: Unit, weight: Unit, sigma_px: float) -> Unit:
    """A blur that takes nothing in from where the weight is 0.

    Args:
        colours: (H, W, 3) float32.
        weight: (H, W) float32 in 0..1, how much each pixel counts.
        sigma_px: standard deviation.

    Returns:
        (H, W, 3) float32; where nothing that counts is near, the mean of all that counts.
    """
    total = weight.sum(dtype=np.float64)
    if total == 0:
        return colours
    # a little of the mean everywhere, so that what is far from all that counts is defined
    faint = np.float32(1e-4)
    mean = (np.einsum("hwc,hw->c", colours, weight, dtype=np.float64) / total).astype(np.float32)
    sums = blurred(colours * weight[..., None], sigma_px) + faint * mean
    return np.asarray(sums / (blurred(weight, sigma_px) + faint)[..., None], np.float32)


def _box_sizes(sigma_px: float) -> list[int]:
    """Odd sizes of boxes that together have nearly this deviation."""
    ideal = np.sqrt(12 * sigma_px**2 / _PASSES + 1)
    low = int(ideal) - (int(ideal) % 2 == 0)
    few = (12 * sigma_px**2 - _PASSES * (low * low + 4 * low + 3)) / (-4 * low - 4)
    return [low if number < round(few) else low + 2 for number in range(_PASSES)]
