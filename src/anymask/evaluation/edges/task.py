"""Edges against drawings of people (BSDS500), with Canny and Sobel in the same table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.errors import FileFormatError, MissingExtraError, PromptError
from anymask.evaluation.edges.classic import canny, sobel
from anymask.evaluation.edges.from_masks import mask_edges
from anymask.evaluation.edges.score import Counts, count_edges, edge_score, f_measure, thresholds
from anymask.evaluation.jobs import (
    Bench,
    Chart,
    Curve,
    Job,
    Opened,
    Outcome,
    Summary,
    Table,
    limited_pictures,
)
from anymask.evaluation.sets.boundaries import read_boundaries
from anymask.evaluation.truth import DataSet
from anymask.geometry import rle

MASKS: Final = "anymask"
_CLASSIC: Final[dict[str, Callable[[NDArray[np.uint8]], NDArray[np.float64]]]] = {
    "Canny": canny,
    "Sobel": sobel,
}
COLUMNS: Final = ("ODS", "OIS", "AP", "R50")


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeSettings:
    """How edges are made and judged.

    Attributes:
        limit: pictures a set; None takes all.
        seed: of drawing them.
        points_per_side: the grid whose masks give the edges.
        overlap: of boxes, above which the lesser of two masks goes.
        thresholds: of strength that are tried.
        tolerance: largest distance of pixels that meet, in diagonals of the picture.
    """

    limit: int | None = None
    seed: int = 0
    points_per_side: int = 16
    overlap: float = 0.7
    thresholds: int = 99
    tolerance: float = 0.0075

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if self.points_per_side < 1 or self.thresholds < 1:
            raise PromptError("points_per_side and thresholds must be at least 1")
        if not 0 <= self.tolerance < 1:
            raise PromptError(f"tolerance is {self.tolerance:g}; give a share of the diagonal")


class EdgeTask:
    """The evaluation, see `jobs.Task`.

    Args:
        settings: how.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """

    name = "edges"

    def __init__(self, settings: EdgeSettings) -> None:
        if find_spec("skimage") is None:
            raise MissingExtraError("skimage", "evaluation", "to thin edges")
        self._settings = settings

    def settings(self) -> dict[str, Any]:
        """All that changes outcomes."""
        return asdict(self._settings)

    def jobs(self, sets: Sequence[DataSet]) -> list[Job]:
        """Pictures that people drew edges of."""
        jobs = limited_pictures(sets, self._settings.limit, self._settings.seed)
        return [job for job in jobs if job.picture.boundaries is not None]

    def work(self, bench: Bench, job: Job) -> Outcome:
        """Count the edge pixels of one picture, by every method."""
        opened = bench.open(job.picture)
        drawings = _drawings(job, opened)
        edges = {MASKS: self._from_masks(bench, opened)}
        edges |= {name: method(opened.rgb) for name, method in _CLASSIC.items()}
        levels = thresholds(self._settings.thresholds)
        counts = {
            name: count_edges(strength, drawings, levels=levels, tolerance=self._settings.tolerance)
            for name, strength in edges.items()
        }
        case = _case(edges[MASKS], drawings, counts[MASKS], levels)
        return {
            "counts": {name: one.to_json() for name, one in counts.items()},
            "cases": [{"key": job.picture.key, **case}],
        }

    def _from_masks(self, bench: Bench, opened: Opened) -> NDArray[np.float64]:
        per_side, overlap = self._settings.points_per_side, self._settings.overlap
        return mask_edges(bench.model, opened.encoded, per_side=per_side, overlap=overlap)

    def summary(self, outcomes: Sequence[tuple[Job, Outcome]]) -> Summary:
        """All pictures together, by method."""
        if not outcomes:
            return Summary("nothing was measured", {}, ())
        methods = (MASKS, *_CLASSIC)
        counts = {
            name: [Counts.from_json(outcome["counts"][name]) for _, outcome in outcomes]
            for name in methods
        }
        scores = {name: edge_score(of_method) for name, of_method in counts.items()}
        rows = tuple((name, one.ods, one.ois, one.ap, one.r50) for name, one in scores.items())
        ours = scores[MASKS]
        figures = dict(zip(COLUMNS, (ours.ods, ours.ois, ours.ap, ours.r50), strict=True))
        told = ", ".join(f"{name} {100 * value:.1f}" for name, value in figures.items())
        return Summary(
            f"{len(outcomes)} images: {told}",
            figures,
            (Table("Edges", ("method", *COLUMNS), rows, frozenset(COLUMNS)),),
            (_chart(counts),),
            (
                "Best F with one threshold for all pictures (ODS) and with each one's own (OIS), "
                "mean precision (AP), recall at half precision (R50).",
            ),
        )


def _drawings(job: Job, opened: Opened) -> NDArray[np.bool_]:
    path = job.picture.boundaries
    if path is None:
        raise FileFormatError(f"{job.picture.path} has no edges drawn by people")
    drawings = read_boundaries(path)
    if drawings.shape[1:] != opened.rgb.shape[:2]:
        raise FileFormatError(
            f"{path} is {drawings.shape[1:]} but its picture is {opened.rgb.shape[:2]} (H, W)"
        )
    return drawings


def _case(
    strength: NDArray[np.float64],
    drawings: NDArray[np.bool_],
    counts: Counts,
    levels: NDArray[np.float64],
) -> dict[str, Any]:
    """To look at: edges at the picture's best threshold, drawn thicker so that they are seen."""
    scores = f_measure(counts.recall, counts.precision)
    best = int(np.argmax(scores))
    thick = np.ones((3, 3))
    return {
        "score": round(float(scores[best]), 6),
        "truth": rle.encode(ndimage.binary_dilation(drawings.any(axis=0), thick)),
        "prediction": rle.encode(ndimage.binary_dilation(strength >= levels[best], thick)),
    }


def _chart(counts: dict[str, list[Counts]]) -> Chart:
    curves = []
    for name, pictures in counts.items():
        whole = sum(pictures[1:], pictures[0])
        points = sorted(
            (float(r), float(p)) for r, p in zip(whole.recall, whole.precision, strict=True) if p
        )
        curves.append(Curve(name, tuple(points), strong=True))
    return Chart("Precision over recall", "recall", "precision", tuple(curves))
