from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.optimize import linear_sum_assignment

from anymask.evaluation.edges.classic import canny, sobel
from anymask.evaluation.edges.matching import met_in_order
from anymask.evaluation.edges.score import (
    Counts,
    count_edges,
    edge_score,
    f_measure,
    thresholds,
)
from anymask.evaluation.edges.task import EdgeSettings, EdgeTask
from anymask.evaluation.edges.thin import thinned
from anymask.evaluation.jobs import Bench
from anymask.evaluation.journal import Journal
from anymask.evaluation.run import evaluate
from anymask.evaluation.sets.find import find_boundary_sets
from anymask.inference.segment import Model


def brute_pairs(found: np.ndarray, drawn: np.ndarray, reach: float) -> int:
    """Pairs of the cheapest assignment, as published: leaving out costs far more than distance."""
    a, b = np.argwhere(found), np.argwhere(drawn)
    if not len(a) or not len(b):
        return 0
    distance = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))
    cost = np.where(distance <= reach, distance, 100 * reach + 100)
    rows, columns = linear_sum_assignment(cost)
    return int((distance[rows, columns] <= reach).sum())


@given(st.integers(0, 10_000), st.sampled_from([0.0, 1.0, 1.5, 2.3, 4.0]), st.floats(0.05, 0.6))
def test_as_many_pixels_meet_as_in_the_best_assignment(
    seed: int, reach: float, density: float
) -> None:
    rng = np.random.default_rng(seed)
    found, drawn = rng.random((2, 9, 11)) < density
    places = rng.permutation(np.argwhere(found))
    met = met_in_order(places, drawn, reach)
    for count in {len(places), len(places) // 2, len(places) // 4}:
        first = np.zeros_like(found)
        first[tuple(places[:count].T)] = True
        assert met[:count].sum() == brute_pairs(first, drawn, reach)


def test_one_drawn_pixel_meets_one_found_pixel_only() -> None:
    drawn = np.zeros((5, 5), np.bool_)
    drawn[2, 2] = True
    places = np.array([[2, 1], [2, 2], [2, 3]])
    assert met_in_order(places, drawn, 3).tolist() == [True, False, False]


def test_an_earlier_pixel_moves_on_for_a_later_one() -> None:
    drawn = np.zeros((1, 9), np.bool_)
    drawn[0, [3, 5]] = True
    places = np.array([[0, 4], [0, 2]])  # the first may take either, the second only one
    assert met_in_order(places, drawn, 1).tolist() == [True, True]


def test_a_long_line_is_paired_in_no_time() -> None:
    drawn = np.zeros((300, 300), np.bool_)
    drawn[100:105, :] = drawn[:, 150:155] = True
    assert met_in_order(np.argwhere(drawn), np.roll(drawn, 3, axis=0), 4.0).mean() > 0.95


def test_a_drawing_that_is_found_exactly_scores_one() -> None:
    drawn = np.zeros((60, 80), np.bool_)
    drawn[20, 10:70] = drawn[40, 10:70] = True
    counts = count_edges(
        drawn * 0.5, np.stack([drawn, drawn]), levels=thresholds(9), tolerance=0.0075
    )
    score = edge_score([counts])
    assert (score.ods, score.ois) == (1.0, 1.0)
    assert counts.drawn.tolist() == [240] * 9
    assert counts.found.tolist() == [120] * 5 + [0] * 4


def test_edges_within_the_tolerance_count_and_others_do_not() -> None:
    drawn = np.zeros((60, 80), np.bool_)
    drawn[20, 10:70] = True  # 0.0075 of the diagonal of 100 pixels is 0.75 pixels
    for moved, expected in ((0, 60), (1, 0)):
        counts = count_edges(
            np.roll(drawn, moved, axis=0).astype(float),
            drawn[None],
            levels=np.array([0.5]),
            tolerance=0.0075,
        )
        assert counts.drawn_met.tolist() == [expected]


def test_pixels_that_any_person_drew_are_right_and_all_drawings_are_wanted() -> None:
    a, b = np.zeros((2, 60, 80), np.bool_)
    a[20, 10:70] = True
    b[40, 10:40] = True
    counts = count_edges(
        (a | b).astype(float), np.stack([a, b]), levels=np.array([0.5]), tolerance=0.0075
    )
    assert counts.precision.tolist() == [1.0]
    assert counts.recall.tolist() == [1.0]
    only = count_edges(a.astype(float), np.stack([a, b]), levels=np.array([0.5]), tolerance=0.0075)
    assert only.precision.tolist() == [1.0]
    assert only.recall.tolist() == [60 / 90]


def test_each_picture_has_its_own_best_threshold_in_ois() -> None:
    def picture(met: list[int], found: list[int]) -> Counts:
        numbers = np.array(met, float)
        return Counts(np.full(2, 10.0), numbers, np.array(found, float), numbers)

    a, b = picture([10, 2], [10, 2]), picture([10, 9], [100, 9])
    score = edge_score([a, b])
    own = f_measure((10 + 9) / 20, (10 + 9) / 19)
    assert score.ois == pytest.approx(own)
    assert score.ods < own


def test_average_precision_of_a_straight_line() -> None:
    recall = np.linspace(0.01, 1, 99)
    wanted = np.full(99, 1000.0)
    met = recall * 1000
    score = edge_score([Counts(wanted, met, met / (1 - 0.5 * recall), met)])
    assert score.ap == pytest.approx(0.75, abs=0.01)
    assert score.r50 == pytest.approx(1.0, abs=0.01)


def test_thin_lines_lie_on_the_crest() -> None:
    _, xs = np.mgrid[:60, :80]
    ridge = np.exp(-(((xs - 40) / 3.0) ** 2))
    thin = thinned(ridge) > 0.5
    assert (thin[10:50].sum(axis=1) == 1).all()
    assert thin[10:50, 40].all()


@pytest.mark.parametrize("method", [canny, sobel])
def test_classic_methods_find_the_border_of_a_square(method) -> None:  # type: ignore[no-untyped-def]
    rgb = np.full((80, 100, 3), 40, np.uint8)
    rgb[20:60, 30:70] = 220
    strength = method(rgb)
    assert strength.max() <= 1
    strong = np.argwhere(strength > 0.5)
    inside = (np.abs(strong[:, 0] - 39.5) < 22) & (np.abs(strong[:, 1] - 49.5) < 22)
    outside = (np.abs(strong[:, 0] - 39.5) > 17) | (np.abs(strong[:, 1] - 49.5) > 17)
    assert len(strong) > 100
    assert (inside & outside).all()


def test_a_run_over_a_folder_of_edges(discs: Model, tmp_path: Path) -> None:
    folder = tmp_path / "edges"
    (folder / "images").mkdir(parents=True)
    (folder / "gt").mkdir()
    rgb = np.full((96, 128, 3), 40, np.uint8)
    rgb[20:60, 30:70] = 220
    Image.fromarray(rgb).save(folder / "images" / "a.png")
    drawn = np.zeros((2, 96, 128), np.bool_)
    drawn[:, 20, 30:70] = drawn[:, 60, 30:70] = True
    drawn[:, 20:60, 30] = drawn[:, 20:60, 70] = True
    np.savez(folder / "gt" / "a.npz", boundaries=drawn)
    task = EdgeTask(EdgeSettings(points_per_side=2, thresholds=9))
    jobs = task.jobs(find_boundary_sets([folder]))
    run = evaluate(task, jobs, Bench(discs), Journal(tmp_path, {}))
    assert not run.failures
    summary = task.summary(run.outcomes)
    rows = {row[0]: row[1:] for row in summary.tables[0].rows}
    assert set(rows) == {"anymask", "Canny", "Sobel"}
    assert rows["Canny"][0] > 0.9
    assert 0 <= rows["anymask"][0] < 0.5
