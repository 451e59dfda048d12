"""Which points of a grid are worth asking: those whose surroundings look unlike all others.

Points on one surface have nearly the same embedding and get the same masks, while a small thing
stands out. Taking each time the point that is farthest from all taken so far (greedy k-centre)
therefore visits every kind of place early, small things among the first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def novel_points(
    embedding: NDArray[np.float32],
    points_canvas: NDArray[np.float64],
    canvas_px: int,
    share: float,
    distance: float,
) -> NDArray[np.intp]:
    """Points in the order of their novelty, the first in the middle.

    Args:
        embedding: (C, h, w) float32 of the image.
        points_canvas: (N, 2) (x, y) in canvas pixels.
        canvas_px: side of the canvas.
        share: return at most this share of the points, at least one.
        distance: stop where all others are closer than this to one returned, in 1 - cosine.

    Returns:
        (K,) numbers of points, most novel first.
    """
    looks = _looks(embedding, points_canvas, canvas_px)
    middle = (points_canvas.min(axis=0) + points_canvas.max(axis=0)) / 2
    newest = int(((points_canvas - middle) ** 2).sum(axis=1).argmin())
    chosen = [newest]
    away = np.full(len(looks), np.inf, np.float32)
    for _ in range(max(1, round(share * len(looks))) - 1):
        away = np.minimum(away, 1 - looks @ looks[newest])
        away[newest] = -1  # rounding must not choose it again
        newest = int(away.argmax())
        if away[newest] < distance:
            break
        chosen.append(newest)
    return np.array(chosen, np.intp)


def _looks(
    embedding: NDArray[np.float32], points_canvas: NDArray[np.float64], canvas_px: int
) -> NDArray[np.float32]:
    """(N, C) of length 1: the embedding of the cell each point lies in."""
    _, height, width = embedding.shape
    cells = np.floor(points_canvas * (width / canvas_px, height / canvas_px)).astype(np.intp)
    columns, rows = np.clip(cells, 0, (width - 1, height - 1)).T
    found = embedding[:, rows, columns].T.astype(np.float32)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    looks: NDArray[np.float32] = found / np.maximum(lengths, np.finfo(np.float32).tiny)
    return looks
