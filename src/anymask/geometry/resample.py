"""Resampling along one axis as a small matrix, so that a chain of resizes becomes one product.

Bilinear resizing and area averaging are linear and separable: an image is resized by multiplying
with one matrix from the left (rows) and one from the right (columns). Composing the two resizes
that SAM applies to its masks (low-res to canvas, then crop to original) into one matrix per axis
gives the same numbers with a fraction of the memory.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def bilinear_matrix(length_in: int, length_out: int) -> NDArray[np.float64]:
    """Weights of a bilinear resize with pixel centres at half-integers (``align_corners=False``).

    Args:
        length_in: samples before, at least 1.
        length_out: samples after, at least 1.

    Returns:
        (length_out, length_in) float64, each row sums to 1; samples beyond the ends repeat them.
    """
    position = (np.arange(length_out) + 0.5) * (length_in / length_out) - 0.5
    position = np.clip(position, 0.0, length_in - 1.0)
    left = np.floor(position).astype(np.intp)
    right = np.minimum(left + 1, length_in - 1)
    fraction = position - left
    weights = np.zeros((length_out, length_in))
    rows = np.arange(length_out)
    np.add.at(weights, (rows, left), 1.0 - fraction)
    np.add.at(weights, (rows, right), fraction)
    return weights


def area_matrix(length_in: int, length_out: int, cell: float) -> NDArray[np.float64]:
    """Weights that average samples over output cells of a given length.

    Args:
        length_in: samples before.
        length_out: cells after.
        cell: length of one cell in input samples; cell j covers ``[j * cell, (j + 1) * cell)``.

    Returns:
        (length_out, length_in) float64. A cell that reaches beyond the samples counts what is
        missing as zero, so that its row sums to less than 1.
    """
    start = np.arange(length_out)[:, None] * cell
    sample = np.arange(length_in)[None, :]
    overlap = np.minimum(start + cell, sample + 1) - np.maximum(start, sample)
    weights: NDArray[np.float64] = np.clip(overlap, 0.0, None) / cell
    return weights


@lru_cache(maxsize=16)
def mask_upsampling_matrix(
    low_res: int, canvas: int, resized: int, original: int
) -> NDArray[np.float32]:
    """Low-res logits to one axis of the original image: up to the canvas, crop, resize.

    Args:
        low_res: cells of the low-res mask along the axis.
        canvas: pixels of the square canvas.
        resized: pixels of the resized image on the canvas.
        original: pixels of the original image.

    Returns:
        (original, low_res) float32, read-only, at most four non-zero weights a row.
    """
    to_canvas = bilinear_matrix(low_res, canvas)[:resized]
    matrix = (bilinear_matrix(resized, original) @ to_canvas).astype(np.float32)
    matrix.setflags(write=False)
    return matrix
