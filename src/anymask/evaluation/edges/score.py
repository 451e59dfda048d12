"""ODS, OIS, AP and R50 of edges, from counts of single pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.edges.matching import met_in_order

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_STEPS: Final = np.linspace(0, 1, 100)
_RECALLS: Final = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Edge pixels of a picture at T thresholds.

    Attributes:
        drawn: (T,) pixels of all drawings.
        drawn_met: (T,) those that were found.
        found: (T,) pixels found.
        found_met: (T,) those that any drawing has.
    """

    drawn: Floats
    drawn_met: Floats
    found: Floats
    found_met: Floats

    def to_json(self) -> dict[str, list[int]]:
        """Name -> numbers."""
        return {name: getattr(self, name).astype(int).tolist() for name in self.__slots__}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Counts:
        """What `to_json` gave."""
        return cls(*(np.array(stored[name], np.float64) for name in cls.__slots__))

    def __add__(self, other: Counts) -> Counts:
        """Both pictures together."""
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    @property
    def recall(self) -> Floats:
        """(T,); 0 where nothing is drawn."""
        return self.drawn_met / np.maximum(self.drawn, 1)

    @property
    def precision(self) -> Floats:
        """(T,); 0 where nothing is found."""
        return self.found_met / np.maximum(self.found, 1)


@dataclass(frozen=True, slots=True)
class EdgeScore:
    """The usual numbers.

    Attributes:
        ods: best F with one threshold for all pictures.
        ois: best F with each picture's own threshold.
        ap: mean precision over recalls.
        r50: recall at half precision.
    """

    ods: float
    ois: float
    ap: float
    r50: float


def thresholds(count: int) -> Floats:
    """(count,) evenly between 0 and 1, both left out."""
    return np.linspace(1 / (count + 1), 1 - 1 / (count + 1), count)


def count_edges(strength: Floats, drawings: Bools, *, levels: Floats, tolerance: float) -> Counts:
    """Compare edges with what people drew.

    Args:
        strength: (H, W) in 0..1, thin.
        drawings: (annotators, H, W) bool.
        levels: (T,) rising; an edge is where the strength is at least that.
        tolerance: largest distance of pixels that meet, in diagonals of the picture.
    """
    reach = tolerance * float(np.hypot(*strength.shape))
    highest = highest_levels(strength, levels)
    places = np.argwhere(highest >= 0)
    places = places[np.argsort(-highest[tuple(places.T)], kind="stable")]
    level = highest[tuple(places.T)]
    met = np.array([met_in_order(places, drawn, reach) for drawn in drawings], np.bool_)

    def at_levels(numbers: NDArray[np.int64]) -> Floats:
        """How many are there at each level: those of its own and of all higher ones."""
        counted = np.bincount(numbers, minlength=len(levels))
        return np.cumsum(counted[::-1])[::-1].astype(np.float64)

    return Counts(
        drawn=np.full(len(levels), float(np.count_nonzero(drawings))),
        drawn_met=np.sum([at_levels(level[one]) for one in met], axis=0),
        found=at_levels(level),
        found_met=at_levels(level[met.any(axis=0)]),
    )


def highest_levels(strength: Floats, levels: Floats) -> NDArray[np.int64]:
    """Of each pixel the highest level at which it is an edge.

    Lines are thinned to one pixel at every level, as the published measure does; what is an edge at
    a higher level stays one.

    Args:
        strength: (H, W).
        levels: (T,) rising.

    Returns:
        (H, W) 0..T-1, or -1 where there is no edge.
    """
    from skimage.morphology import thin

    highest = np.full(strength.shape, -1, np.int64)
    for number in range(len(levels) - 1, -1, -1):
        known = highest >= 0
        fresh = (strength >= levels[number]) & ~known
        if fresh.any():
            thinned = thin(known | fresh)  # type: ignore[no-untyped-call]
            highest[thinned & fresh] = number
    return highest


def edge_score(pictures: Sequence[Counts]) -> EdgeScore:
    """The numbers of at least one picture together."""
    whole = sum(pictures[1:], pictures[0])
    best = [int(np.argmax(f_measure(one.recall, one.precision))) for one in pictures]
    own = np.array(
        [
            [one.drawn[k], one.drawn_met[k], one.found[k], one.found_met[k]]
            for one, k in zip(pictures, best, strict=True)
        ]
    ).sum(axis=0)
    ois = f_measure(own[1] / max(own[0], 1), own[3] / max(own[2], 1))
    return EdgeScore(
        _best_f(whole.recall, whole.precision),
        float(ois),
        _average_precision(whole.recall, whole.precision),
        _recall_at_half(whole.recall, whole.precision),
    )


def f_measure(recall: Any, precision: Any) -> Any:
    """Harmonic mean, 0 where both are 0."""
    return 2 * recall * precision / np.maximum(recall + precision, 1e-12)


def _best_f(recall: Floats, precision: Floats) -> float:
    """The best F, also between two neighbouring thresholds."""
    best = float(np.max(f_measure(recall, precision)))
    for one in range(1, len(recall)):
        between_r = recall[one] * _STEPS + recall[one - 1] * (1 - _STEPS)
        between_p = precision[one] * _STEPS + precision[one - 1] * (1 - _STEPS)
        best = max(best, float(np.max(f_measure(between_r, between_p))))
    return best


def _average_precision(recall: Floats, precision: Floats) -> float:
    reached, first = np.unique(recall, return_index=True)
    if len(reached) < 2:
        return 0.0
    inside = (reached[0] <= _RECALLS) & (reached[-1] >= _RECALLS)
    return float(np.interp(_RECALLS[inside], reached, precision[first]).sum()) / 100


def _recall_at_half(recall: Floats, precision: Floats) -> float:
    reached, first = np.unique(precision, return_index=True)
    return float(np.interp(max(reached[0], 0.5), reached, recall[first]))
