"""Resampling along one axis as a small matrix, so that a chain of resizes becomes one product.

Bilinear resizing and area averaging are linear and separable: an image is resized by multiplying
with one matrix from the left (rows) and one from the right (columns). Composing the two resizes
that SAM applies to its masks (low-res to canvas, then crop to original) into one matrix per axis
gives the same numbers with a fraction of the memory. Most weights of these matrices are zero, which
`Bands` leaves out.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

SMALL_PRODUCT = 2**17
"""Multiplications that the BLAS behind numpy leaves to the thread that asks. OpenBLAS shares out
products of more than 2**18, and its threads then spin for tens of milliseconds, in which they take
the cores from the network that answers the next click: that made it two to three times as slow."""
ROWS_AT_ONCE = (64, 32, 16, 8, 4, 2, 1)
LEAST_WIDTH = 256
"""Columns multiplied together at least, where there are so many."""


class Bands:
    """A matrix with the weights of each row side by side, multiplied in small pieces.

    Args:
        matrix: (n, m) float32.
    """

    def __init__(self, matrix: FloatArray) -> None:
        used = matrix != 0
        nothing = ~used.any(axis=1)
        self._matrix = matrix
        self._first = np.where(nothing, matrix.shape[1], used.argmax(axis=1))
        self._stop = np.where(nothing, 0, matrix.shape[1] - used[:, ::-1].argmax(axis=1))

    def times(self, x: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """The product with (m, w) float32.

        Args:
            x: the other matrix.
            out: where to write the product, or None for a new array.

        Returns:
            (n, w) float32.
        """
        width = x.shape[1]
        if out is None:
            out = np.empty((len(self._matrix), width), np.float32)
        bands, step = self._plan(width)
        for top, bottom, first, stop in bands:
            weights = self._matrix[top:bottom, first:stop]
            for left in range(0, width, step):
                columns = slice(left, left + step)
                np.matmul(weights, x[first:stop, columns], out=out[top:bottom, columns])
        return out

    def _plan(self, width: int) -> tuple[list[tuple[int, int, int, int]], int]:
        """Rows to multiply together, with the samples they read; and how many columns at once."""
        for rows in ROWS_AT_ONCE:
            tops = np.arange(0, len(self._matrix), rows)
            first = np.minimum.reduceat(self._first, tops)
            stop = np.maximum.reduceat(self._stop, tops)
            weights = rows * max(1, int((stop - first).max()))
            if weights * min(width, LEAST_WIDTH) <= SMALL_PRODUCT:
                break
        bottoms = np.append(tops[1:], len(self._matrix))
        columns = (column.tolist() for column in (tops, bottoms, first, stop))
        return list(zip(*columns, strict=True)), max(1, SMALL_PRODUCT // weights)


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


def upsample_masks(
    low_res: NDArray[np.floating],
    canvas: int,
    resized_hw: tuple[int, int],
    original_hw: tuple[int, int],
) -> FloatArray:
    """Low-res logits to the original image, as `mask_upsampling_matrix` along both axes.

    Args:
        low_res: (..., L, L) logits.
        canvas: pixels of the square canvas.
        resized_hw: (height, width) of the resized image on the canvas.
        original_hw: (height, width) of the original image.

    Returns:
        (..., H, W) float32.
    """
    rows, columns = (
        _mask_upsampling(low_res.shape[-1], canvas, resized, original)
        for resized, original in zip(resized_hw, original_hw, strict=True)
    )
    logits = np.empty((*low_res.shape[:-2], *original_hw), np.float32)
    for place in np.ndindex(*low_res.shape[:-2]):
        turned = columns.times(low_res[place].T.astype(np.float32, copy=False))
        rows.times(np.ascontiguousarray(turned.T), out=logits[place])
    return logits


def average(values: FloatArray, sides: tuple[int, int], cells: tuple[float, float]) -> FloatArray:
    """Samples averaged over the cells of a grid, as `area_matrix` along both axes.

    Args:
        values: (H, W) float32.
        sides: rows and columns of the grid.
        cells: (height, width) of its cells in samples.

    Returns:
        (h, w) float32.
    """
    rows, columns = (
        _averaging(length, side, cell)
        for length, side, cell in zip(values.shape, sides, cells, strict=True)
    )
    turned = columns.times(rows.times(values).T)
    return np.ascontiguousarray(turned.T)


@lru_cache(maxsize=16)
def _averaging(length_in: int, length_out: int, cell: float) -> Bands:
    return Bands(area_matrix(length_in, length_out, cell).astype(np.float32))


@lru_cache(maxsize=16)
def _mask_upsampling(low_res: int, canvas: int, resized: int, original: int) -> Bands:
    return Bands(mask_upsampling_matrix(low_res, canvas, resized, original))
