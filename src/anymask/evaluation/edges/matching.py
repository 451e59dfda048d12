"""Which edge pixels meet which: one to one, within a tolerance, as many as possible."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Bools = NDArray[np.bool_]
Numbers = NDArray[np.int64]

_FREE = -1


def met_in_order(places: Numbers, drawn: Bools, reach_px: float) -> Bools:
    """Which found pixels have a partner of their own in a drawing.

    The published measure (Martin et al. 2004) assigns pixels at least cost, where leaving one out
    costs far more than any distance allowed: as many are paired as can be, and their number counts.
    Here each pixel in turn looks for a partner, where those before it may take another one. A pixel
    that has a partner keeps having one, so the pairs among the first n pixels are as many as
    possible for every n: one pass serves all thresholds.

    Args:
        places: (N, 2) rows and columns of found pixels, the most important first.
        drawn: (H, W) bool.
        reach_px: largest distance of two pixels that meet.

    Returns:
        (N,) bool.
    """
    targets = np.argwhere(drawn)
    met = np.zeros(len(places), np.bool_)
    if not len(places) or not len(targets):
        return met
    near = _near(places, targets, reach_px)
    search = _Search(near, len(targets))
    for number in range(len(places)):
        met[number] = search.pair(number)
    return met


def _near(places: Numbers, targets: Numbers, reach_px: float) -> list[list[int]]:
    """Of each place the targets in reach, nearest first."""
    pairs = cKDTree(places).sparse_distance_matrix(
        cKDTree(targets), reach_px, output_type="ndarray"
    )
    pairs = pairs[np.lexsort((pairs["j"], pairs["v"], pairs["i"]))]
    ends = np.searchsorted(pairs["i"], np.arange(len(places) + 1))
    numbers = pairs["j"].tolist()
    return [numbers[start:end] for start, end in pairwise(ends.tolist())]


class _Search:
    """Augmenting paths, breadth first.

    Targets that a search without success has seen are never looked at again: no later pixel can
    free one of them.
    """

    def __init__(self, near: list[list[int]], targets: int) -> None:
        self._near = near
        self._partner = [_FREE] * targets  # of each target, its place
        self._target: dict[int, int] = {}  # of each place, its target
        self._closed = bytearray(targets)

    def pair(self, start: int) -> bool:
        """Give a place a target, moving others if need be."""
        came_from: dict[int, int] = {}
        queue = deque([start])
        while queue:
            place = queue.popleft()
            for target in self._near[place]:
                if target in came_from or self._closed[target]:
                    continue
                came_from[target] = place
                if self._partner[target] == _FREE:
                    self._move(target, came_from, start)
                    return True
                queue.append(self._partner[target])
        for target in came_from:
            self._closed[target] = 1
        return False

    def _move(self, target: int, came_from: dict[int, int], start: int) -> None:
        """Each place on the path takes the next target."""
        while True:
            place = came_from[target]
            before = self._target.get(place, _FREE)
            self._partner[target], self._target[place] = place, target
            if place == start:
                return
            target = before
