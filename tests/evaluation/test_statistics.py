from __future__ import annotations

import numpy as np
import pytest

from anymask.evaluation.statistics import bootstrap, bootstrap_of_sets, clicks_needed


@pytest.mark.parametrize(
    ("ious", "wanted", "expected"),
    [
        ([0.9], 0.85, 1),
        ([0.5, 0.84, 0.85], 0.85, 3),
        ([0.5, 0.9, 0.4, 0.4], 0.85, 2),  # that it falls again does not matter
        ([0.1] * 20, 0.85, 20),
        ([0.1] * 19 + [0.95], 0.90, 20),
        ([0.5, 1.0], 0.90, 2),
    ],
)
def test_clicks_needed(ious: list[float], wanted: float, expected: int) -> None:
    assert clicks_needed(ious, wanted, 20) == expected


def test_sets_count_equally_however_many_masks_they_have() -> None:
    estimate = bootstrap_of_sets({"a": [0.0], "b": [1.0] * 99}, repeats=10, seed=0)
    assert estimate.mean == 0.5
    assert (estimate.low, estimate.high, estimate.count) == (0.5, 0.5, 100)


def test_the_interval_is_about_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, 400)
    estimate = bootstrap(values.tolist(), repeats=2000, seed=0)
    half = 1.96 * values.std() / 20
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.002)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.002)


def test_equal_seeds_give_equal_intervals() -> None:
    values = [0.1, 0.5, 0.7, 0.9]
    assert bootstrap(values, repeats=50, seed=3) == bootstrap(values, repeats=50, seed=3)
    assert bootstrap(values, repeats=50, seed=3) != bootstrap(values, repeats=50, seed=4)
