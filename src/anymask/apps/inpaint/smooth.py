"""Fills that continue what surrounds a hole smoothly: biharmonic, and a quick harmonic one."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.float32]
Hole = NDArray[np.bool_]

_STEPS: Final = ((-1, 0), (1, 0), (0, -1), (0, 1))
_SWEEPS: Final = 12


def biharmonic(levels: Levels, hole: Hole) -> Levels:
    """Solve the biharmonic equation in a hole: values and slopes go on smoothly across its rim.

    Damelin & Hoang, "On surface completion and image inpainting by biharmonic functions", 2018.

    Args:
        levels: (H, W, C) float32; what it holds in the hole does not matter.
        hole: (H, W) bool, not full.

    Returns:
        (H, W, C) float32, a new array. Filled values stay within those known of their channel.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import splu

    filled = levels.copy()
    rows, columns, weights = _stencil(hole)
    known = ~hole.reshape(-1)[columns]
    flat = levels.reshape(-1, levels.shape[2]).astype(np.float64)
    count = np.count_nonzero(hole)
    number = np.cumsum(hole.reshape(-1)) - 1
    inner = ~known
    matrix = csr_array(
        (weights[inner], (rows[inner], number[columns[inner]])), shape=(count, count)
    )
    right = np.stack(
        [
            -np.bincount(rows[known], weights[known] * plane[columns[known]], minlength=count)
            for plane in flat.T
        ],
        axis=1,
    )
    solver: Any = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    limits = flat[~hole.reshape(-1)]
    filled[hole] = np.clip(solver.solve(right), limits.min(axis=0), limits.max(axis=0))
    return filled


def _stencil(hole: Hole) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Twice the Laplacian at each pixel of the hole, the picture mirrored at its border.

    Returns:
        Number of the equation, flat index of the pixel, and its weight; pixels may come repeatedly.
    """
    height, width = hole.shape
    ys, xs = np.nonzero(hole)
    terms = [(step, 1.0) for step in _STEPS] + [((0, 0), -4.0)]
    columns, weights = [], []
    for (dy, dx), outer in terms:
        y, x = np.clip(ys + dy, 0, height - 1), np.clip(xs + dx, 0, width - 1)
        for (ey, ex), inner in terms:
            places = np.clip(y + ey, 0, height - 1) * width + np.clip(x + ex, 0, width - 1)
            columns.append(places)
            weights.append(np.full(len(ys), outer * inner))
    return (
        np.tile(np.arange(len(ys)), len(columns)),
        np.concatenate(columns),
        np.concatenate(weights),
    )


def harmonic(levels: Levels, hole: Hole) -> Levels:
    """Fill a hole by what lies around it, like a stretched skin; close to harmonic, and quick.

    Solved from coarse to fine, each time with a few sweeps.

    Args:
        levels: (H, W, C) float32.
        hole: (H, W) bool; a full one is filled with zeros.

    Returns:
        (H, W, C) float32, a new array; known values are kept.
    """
    filled = np.where(hole[..., None], np.float32(0), levels)
    if not hole.any() or hole.all():
        return filled
    if max(hole.shape) > 2:
        coarse, coarse_hole = halved(levels, hole)
        guess = doubled(harmonic(coarse, coarse_hole), hole.shape)
    else:
        guess = np.broadcast_to(levels[~hole].mean(axis=0), levels.shape)
    filled[hole] = guess[hole]
    ys, xs = np.nonzero(hole)
    height, width = hole.shape
    neighbours = [
        (np.clip(ys + dy, 0, height - 1), np.clip(xs + dx, 0, width - 1)) for dy, dx in _STEPS
    ]
    for _ in range(_SWEEPS):
        filled[ys, xs] = sum(filled[place] for place in neighbours) * np.float32(0.25)
    return filled


def halved(levels: Levels, hole: Hole) -> tuple[Levels, Hole]:
    """Half the size: the mean of what is known in each 2 x 2 pixels.

    Args:
        levels: (H, W, C) float32.
        hole: (H, W) bool.

    Returns:
        (ceil(H / 2), ceil(W / 2), C) float32, and the hole: where less than half is known.
    """
    height, width = hole.shape
    padding = ((0, height % 2), (0, width % 2))
    known = np.pad(~hole, padding).astype(np.float32)
    values = np.pad(levels, (*padding, (0, 0))) * known[..., None]
    totals, counts = _fours(values), _fours(known)
    existing = _fours(np.pad(np.ones(hole.shape, np.float32), padding))
    means = totals / np.maximum(counts, 1)[..., None]
    return means.astype(np.float32), counts * 2 < existing


def _fours(plane: Levels) -> Levels:
    """The sums of 2 x 2 pixels."""
    rows = plane[0::2] + plane[1::2]
    return rows[:, 0::2] + rows[:, 1::2]


def doubled(levels: Levels, size_hw: tuple[int, ...]) -> Levels:
    """Twice the size, cut to `size_hw`; linear between pixel centres.

    Args:
        levels: (ceil(H / 2), ceil(W / 2), C) float32.
        size_hw: H and W.

    Returns:
        (H, W, C) float32.
    """
    return _doubled_rows(_doubled_rows(levels, size_hw[0]).swapaxes(0, 1), size_hw[1]).swapaxes(
        0, 1
    )


def _doubled_rows(levels: Levels, length: int) -> Levels:
    padded = np.pad(levels, ((1, 1), (0, 0), (0, 0)), mode="edge")
    middle = padded[1:-1] * np.float32(0.75)
    rows = np.empty((2 * len(levels), *levels.shape[1:]), np.float32)
    rows[0::2] = middle + padded[:-2] * np.float32(0.25)
    rows[1::2] = middle + padded[2:] * np.float32(0.25)
    return rows[:length]
