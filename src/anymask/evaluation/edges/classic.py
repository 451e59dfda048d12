"""Edges without a network: Sobel and Canny, to compare with."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.evaluation.edges.thin import thinned

Floats = NDArray[np.float64]

CANNY_SIGMA_PX: Final = 2.0
CANNY_LOW: Final = 0.4
"""Weak parts of a line stay where they are at least this share of its strong part."""
LEVELS: Final = 99
_EIGHT = np.ones((3, 3), np.bool_)


def sobel(rgb: NDArray[np.uint8]) -> Floats:
    """(H, W) in 0..1: the gradient of the grey picture, thinned."""
    return _scaled(thinned(_gradient(_grey(rgb))))


def canny(rgb: NDArray[np.uint8]) -> Floats:
    """(H, W) in 0..1: the highest of 99 thresholds at which Canny's method keeps the pixel."""
    grey = ndimage.gaussian_filter(_grey(rgb), CANNY_SIGMA_PX)
    crest = _scaled(thinned(_gradient(grey)))
    strength = np.zeros_like(crest)
    for level in np.arange(1, LEVELS + 1) / (LEVELS + 1):
        lines, count = ndimage.label(crest >= CANNY_LOW * level, _EIGHT)
        strong = np.zeros(count + 1, np.bool_)
        strong[np.unique(lines[crest >= level])] = True
        strong[0] = False
        strength[strong[lines]] = level
    return strength


def _grey(rgb: NDArray[np.uint8]) -> Floats:
    return np.asarray(rgb @ np.array([0.299, 0.587, 0.114]), np.float64)


def _gradient(grey: Floats) -> Floats:
    return np.asarray(np.hypot(ndimage.sobel(grey, axis=0), ndimage.sobel(grey, axis=1)))


def _scaled(values: Floats) -> Floats:
    return values / max(float(values.max()), 1e-12)
