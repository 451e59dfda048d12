"""From values of single masks to numbers for a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval.

    Attributes:
        mean: of what was measured.
        low: below it lie 2.5 % of the bootstrap's means.
        high: above it lie 2.5 %.
        count: of how many values.
    """

    mean: float
    low: float
    high: float
    count: int


def mean_of(values: Iterable[float]) -> float:
    """The mean of what is a number; of nothing it is none (NaN), shown as a dash."""
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else math.nan


def clicks_needed(ious: Sequence[float], wanted: float, most: int) -> int:
    """Number of clicks until a mask is good enough (NoC).

    Args:
        ious: after each click; a shorter list than `most` ends with a perfect mask.
        wanted: IoU that is good enough.
        most: what a mask that never gets there counts as.
    """
    for number, iou in enumerate(ious[:most], start=1):
        if iou >= wanted:
            return number
    return most


def bootstrap(values: Sequence[float], *, repeats: int, seed: int) -> Estimate:
    """The mean of values, with an interval from drawing as many with replacement.

    Args:
        values: at least one.
        repeats: how many times; 0 makes the interval as wide as the mean.
        seed: equal seeds give equal intervals.
    """
    return bootstrap_of_sets({"": values}, repeats=repeats, seed=seed)


def bootstrap_of_sets(sets: Mapping[str, Sequence[float]], *, repeats: int, seed: int) -> Estimate:
    """The mean of the means of sets, with an interval from drawing anew within each set.

    Args:
        sets: name -> values; at least one set, none of them empty.
        repeats: how many times.
        seed: equal seeds give equal intervals.
    """
    rng = np.random.default_rng(seed)
    drawn: list[Values] = []
    means: list[float] = []
    for values in sets.values():
        array = np.asarray(values, np.float64)
        means.append(float(array.mean()))
        rows = rng.integers(len(array), size=(repeats, len(array)))
        drawn.append(array[rows].mean(axis=1))
    mean = float(np.mean(means))
    low = high = mean
    if repeats:
        low, high = (float(q) for q in np.percentile(np.mean(drawn, axis=0), (2.5, 97.5)))
    return Estimate(mean, low, high, sum(map(len, sets.values())))
