"""The tables and curves of simulated clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from anymask.evaluation.clicks_settings import NOC_CLICKS, NOC_TARGETS, ClickSettings
from anymask.evaluation.jobs import Chart, Curve, Job, Outcome, Summary, Table, over_sets
from anymask.evaluation.statistics import (
    Estimate,
    bootstrap,
    bootstrap_of_sets,
    clicks_needed,
    mean_of,
)
from anymask.evaluation.truth import SIZES

HEADLINE = ("p1", "oracle", "p3", "p5", "box")

Case = Mapping[str, Any]
Measure = Callable[[Case], float]


def measures(settings: ClickSettings) -> dict[str, Measure]:
    """Name -> how it is taken from a case, in the order of the columns."""
    columns: dict[str, Measure] = {"p1": lambda case: float(case["ious"][0])}
    columns |= {name: _measured(name) for name in ("top", "oracle")}
    columns |= {f"p{count}": _after(count) for count in settings.points if count > 1}
    columns |= {name: _measured(name) for name in ("box", "jitter", *settings.baselines)}
    for target in NOC_TARGETS if settings.noc else ():
        columns[f"noc{target * 100:.0f}"] = _noc(target, NOC_CLICKS)
    return columns


def _measured(name: str) -> Measure:
    return lambda case: float(case["measures"][name])


def _after(count: int) -> Measure:
    """IoU after so many clicks; a mask that was perfect earlier has not changed since."""
    return lambda case: float(case["ious"][min(count, len(case["ious"])) - 1])


def _noc(target: float, most: int) -> Measure:
    return lambda case: float(clicks_needed(case["ious"], target, most))


def summarise(outcomes: Sequence[tuple[Job, Outcome]], settings: ClickSettings) -> Summary:
    """All numbers.

    Args:
        outcomes: of `ClickTask.work`.
        settings: they were made with.
    """
    cases: dict[str, list[Case]] = {}
    for job, outcome in outcomes:
        if outcome["cases"]:
            cases.setdefault(job.set_name, []).extend(outcome["cases"])
    columns = measures(settings)
    if not cases:
        return Summary("nothing was measured", {}, ())
    means = {
        name: bootstrap_of_sets(
            {one: list(map(measure, rows)) for one, rows in cases.items()},
            repeats=settings.bootstrap,
            seed=settings.seed,
        )
        for name, measure in columns.items()
    }
    figures = {name: estimate.mean for name, estimate in means.items()}
    return Summary(
        headline(figures, len(cases)),
        figures,
        (
            _by_set(cases, columns, means),
            _intervals(cases, columns, means, settings),
            _by_size(cases, columns),
        ),
        (_chart(cases, settings),),
        (
            "p1 is the model's choice among three candidates, top the one with the highest "
            "predicted IoU, oracle the best of the three.",
            "Means are over the masks of a set, then over sets; sizes are over all masks together.",
        ),
    )


def headline(figures: Mapping[str, float], sets: int) -> str:
    """The means over sets in one line: "p1 46.4, oracle 62.1, p3 67.5, p5 75.5, box 69.4"."""
    clicks = [f"{name} {figures[name]:.2f}" for name in figures if name.startswith("noc")]
    return ", ".join([over_sets(sets, figures, HEADLINE), *clicks])


def _shares(columns: Iterable[str]) -> frozenset[str]:
    return frozenset(name for name in columns if not name.startswith("noc"))


def _by_set(
    cases: Mapping[str, Sequence[Case]],
    columns: Mapping[str, Measure],
    means: Mapping[str, Estimate],
) -> Table:
    rows: list[tuple[str | float, ...]] = [
        (name, len(of_set), *(mean_of(map(measure, of_set)) for measure in columns.values()))
        for name, of_set in cases.items()
    ]
    count = sum(map(len, cases.values()))
    total: tuple[str | float, ...] = ("mean", count, *(one.mean for one in means.values()))
    return Table("IoU by set", ("set", "masks", *columns), (*rows, total), _shares(columns))


def _intervals(
    cases: Mapping[str, Sequence[Case]],
    columns: Mapping[str, Measure],
    means: Mapping[str, Estimate],
    settings: ClickSettings,
) -> Table:
    shown = [name for name in HEADLINE if name in columns]
    heads = [f"{name} {end}" for name in shown for end in ("low", "high")]
    rows: list[tuple[str | float, ...]] = []
    for one, of_set in cases.items():
        estimates = [
            bootstrap(
                list(map(columns[name], of_set)), repeats=settings.bootstrap, seed=settings.seed
            )
            for name in shown
        ]
        rows.append((one, *(end for e in estimates for end in (e.low, e.high))))
    rows.append(("mean", *(end for n in shown for end in (means[n].low, means[n].high))))
    return Table("95 % intervals (bootstrap)", ("set", *heads), tuple(rows), frozenset(heads))


def _by_size(cases: Mapping[str, Sequence[Case]], columns: Mapping[str, Measure]) -> Table:
    pooled = [case for rows in cases.values() for case in rows]
    rows: list[tuple[str | float, ...]] = []
    for size in SIZES:
        of_size = [case for case in pooled if case["size"] == size]
        values = [mean_of(map(measure, of_size)) for measure in columns.values()]
        rows.append((size, len(of_size), *values))
    return Table("IoU by size", ("size", "masks", *columns), tuple(rows), _shares(columns))


def _chart(cases: Mapping[str, Sequence[Case]], settings: ClickSettings) -> Chart:
    counts = range(1, max(settings.points) + 1)
    lines = {
        name: [mean_of(map(_after(count), rows)) for count in counts]
        for name, rows in cases.items()
    }
    mean = list(map(mean_of, zip(*lines.values(), strict=True)))
    curves = [
        Curve(name, tuple(zip(map(float, counts), values, strict=True)))
        for name, values in lines.items()
    ]
    curves.append(Curve("mean", tuple(zip(map(float, counts), mean, strict=True)), strong=True))
    return Chart("IoU over the number of clicks", "clicks", "mean IoU", tuple(curves))
