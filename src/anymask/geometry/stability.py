"""How little a mask depends on the threshold that cuts it from its logits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import MaskError


def stability_score(
    logits: ArrayLike, threshold: float = 0.0, offset: float = 1.0
) -> NDArray[np.float32]:
    """IoU of the mask cut a little too high with the mask cut a little too low (paper, section 4).

    Args:
        logits: (..., H, W) real numbers.
        threshold: where the mask is cut.
        offset: how far above and below, not negative.

    Returns:
        (...) float32 in 0..1: pixels above ``threshold + offset`` over pixels above
        ``threshold - offset``; 0 where no pixel is above either.

    Raises:
        MaskError: fewer than two dimensions, booleans or other values that are no logits, a
            negative offset.
    """
    array = np.asarray(logits)
    if array.ndim < 2:
        raise MaskError(f"logits has shape {array.shape}; give (..., height, width)")
    if array.dtype.kind not in "iuf":
        raise MaskError(f"logits has dtype {array.dtype}; give the numbers before thresholding")
    if not math.isfinite(threshold):
        raise MaskError(f"threshold is {threshold}; give a finite number")
    if not (math.isfinite(offset) and offset >= 0):
        raise MaskError(f"offset is {offset}; give a finite number of at least 0")
    inner = _pixels_above(array, threshold + offset)
    outer = _pixels_above(array, threshold - offset)
    # an empty outer mask has an empty inner one: 0 / 1
    return np.asarray(inner / np.maximum(outer, 1), dtype=np.float32)


def _pixels_above(logits: NDArray[np.number], threshold: float) -> NDArray[np.int64]:
    """(..., H, W) -> (...)."""
    return np.asarray(np.count_nonzero(logits > threshold, axis=(-2, -1)), dtype=np.int64)
