"""Connected parts of a mask, found on the runs of its rows instead of on its pixels.

A run is a stretch of mask within a row; a mask has few of them. Each run is linked to those it
touches in the row above, and runs that are linked take the number of the first of them. Positions
are counted row by row with one column of background behind each row, which keeps rows apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


def label(mask: NDArray[np.bool_], *, corners: bool) -> tuple[NDArray[np.int32], int]:
    """Numbers the connected parts of a mask.

    Args:
        mask: (H, W) bool.
        corners: whether pixels that touch at a corner are connected.

    Returns:
        (H, W) int32, 0 for background and 1.. in row-major order of each part's first pixel; and
        the number of parts.
    """
    height, width = mask.shape
    starts, stops = _find_runs(mask)
    upper, lower = _link(starts, stops, width + 1, reach=int(corners))
    first = _join(len(starts), upper, lower)
    is_first = first == np.arange(len(starts))
    numbers = np.cumsum(is_first, dtype=np.int32)[first]
    painted = _paint(starts, stops, numbers, height * (width + 1))
    return painted.reshape(height, width + 1)[:, :width].copy(), int(is_first.sum())


def _find_runs(mask: NDArray[np.bool_]) -> tuple[Indices, Indices]:
    """Where runs start and stop, in order."""
    height, width = mask.shape
    padded = np.zeros(height * (width + 1) + 1, np.bool_)
    padded[1:].reshape(height, width + 1)[:, :width] = mask
    changes = np.flatnonzero(padded[1:] != padded[:-1])
    return changes[0::2], changes[1::2]


def _link(starts: Indices, stops: Indices, stride: int, reach: int) -> tuple[Indices, Indices]:
    """Pairs of runs that touch, the upper one and the lower one, as numbers of runs."""
    # The runs above a run that it touches follow each other.
    begin = np.searchsorted(stops, starts - stride - reach, side="right")
    end = np.searchsorted(starts, stops - stride + reach, side="left")
    counts = np.maximum(end - begin, 0)
    lower = np.repeat(np.arange(len(starts)), counts)
    within = np.arange(len(lower)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(begin, counts) + within, lower


def _join(count: int, a: Indices, b: Indices) -> Indices:
    """The lowest number that each of `count` is connected to by the pairs (a, b)."""
    first = np.arange(count)
    while len(a):
        a, b = first[a], first[b]
        apart = a != b
        a, b = a[apart], b[apart]
        np.minimum.at(first, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(first, shorter := first[first]):
            first = shorter
    return first


def _paint(
    starts: Indices, stops: Indices, numbers: NDArray[np.int32], size: int
) -> NDArray[np.int32]:
    """Runs with their numbers, background between them."""
    edges = np.zeros(2 * len(starts) + 2, np.intp)
    edges[1:-1:2], edges[2:-1:2], edges[-1] = starts, stops, size
    values = np.zeros(2 * len(starts) + 1, np.int32)
    values[1::2] = numbers
    return np.repeat(values, np.diff(edges))
