"""Which edge pixels meet which: one to one, within a tolerance, as many as possible."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import cKDTree

Bools = NDArray[np.bool_]
Numbers = NDArray[np.int64]


class Neighbours:
    """The pixels of one drawing, to be matched with any others.

    The published measure (Martin et al. 2004) assigns pixels at least cost, where leaving one out
    costs far more than any distance allowed. So it pairs as many as can be paired, and that number
    is what is counted; here they are paired by Hopcroft and Karp's method.

    Args:
        drawn: (H, W) bool.
        reach_px: largest distance of two pixels that meet.
    """

    def __init__(self, drawn: Bools, reach_px: float) -> None:
        self._shape = drawn.shape
        self._count = int(np.count_nonzero(drawn))
        self._reach = reach_px
        self._tree = cKDTree(_shuffled(np.argwhere(drawn))) if self._count else None
        self._near: dict[int, list[int]] = {}

    def met(self, found: Bools) -> Bools:
        """Which pixels of `found` have a partner of their own in the drawing.

        Args:
            found: (H, W) bool.

        Returns:
            (H, W) bool; as many pixels are met of the drawing.
        """
        result = np.zeros(self._shape, np.bool_)
        places = _shuffled(np.argwhere(found))
        if self._tree is None or not len(places):
            return result
        near = self._neighbours(places)
        starts = np.concatenate([[0], np.cumsum([len(one) for one in near])])
        partners = np.concatenate([np.asarray(one, np.int32) for one in near])
        ones = np.ones(len(partners), np.int8)
        graph = csr_matrix((ones, partners, starts), shape=(len(places), self._count))
        pairs = maximum_bipartite_matching(graph, perm_type="column")
        rows, columns = places[pairs >= 0].T
        result[rows, columns] = True
        return result

    def _neighbours(self, places: Numbers) -> list[list[int]]:
        """Of each place the pixels of the drawing in reach; looked up once."""
        keys = (places[:, 0] * self._shape[1] + places[:, 1]).tolist()
        new = [number for number, key in enumerate(keys) if key not in self._near]
        if new and self._tree is not None:
            fresh = places[new]
            for number, found in zip(
                new, self._tree.query_ball_point(fresh, self._reach), strict=True
            ):
                self._near[keys[number]] = found
        return [self._near[key] for key in keys]


def _shuffled(places: Numbers) -> Numbers:
    """Out of order: along a line one after another, pairing takes a thousand times longer."""
    return np.random.default_rng(0).permutation(places)
