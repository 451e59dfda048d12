"""How true mattes are: composites with known alpha, by a hard mask, a feather and alpha matting.

Usage: python benchmarks/matting.py [DATA ...] [--out FILE.md] [--limit N]
Objects are those of the photos that scikit-image brings, by the default model's masks, and the
largest true mask of each of the first N pictures of the data sets named.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import mean, median
from time import perf_counter
from typing import Any

import numpy as np
from matting_cases import KINDS, Case, cases, objects_of_sets
from numpy.typing import NDArray
from scipy import ndimage
from skimage import data

from anymask.apps.edit.cutouts import cutout
from anymask.apps.edit.edges import Edge
from anymask.apps.edit.mattes import matte

CLICKS: dict[str, list[tuple[int, int]]] = {
    "astronaut": [(220, 120), (220, 400)],
    "chelsea": [(225, 160), (330, 260)],
    "coffee": [(300, 190)],
    "rocket": [(322, 200)],
}
EDGES = {"hard": Edge(), "feather": Edge("feather"), "soft": Edge("soft")}
MEASURES = ("SAD", "MSE", "gradient", "connectivity", "colour")
_STEP = 0.1  # of the levels at which connectivity is looked at

Array = NDArray[Any]
Row = dict[str, float]


def sad(found: Array, truth: Array) -> float:
    """Sum of absolute differences, in thousands."""
    return float(np.abs(found - truth).sum() / 1000)


def mse(found: Array, truth: Array, near: Array) -> float:
    """Mean squared difference where the truth, or the mask, is not settled; in thousandths."""
    return float(((found - truth)[near] ** 2).mean() * 1000)


def gradient(found: Array, truth: Array) -> float:
    """Squared difference of the gradients' lengths (sigma 1.4), summed, in thousands."""
    lengths = [ndimage.gaussian_gradient_magnitude(alpha, 1.4) for alpha in (found, truth)]
    return float(((lengths[0] - lengths[1]) ** 2).sum() / 1000)


def connectivity(found: Array, truth: Array) -> float:
    """How differently pixels hang on to the body that both have in full; in thousands."""
    hold = np.full(truth.shape, -1.0)
    levels = np.arange(_STEP, 1 + _STEP / 2, _STEP)
    for below, level in zip([0.0, *levels[:-1]], levels, strict=True):
        labels, count = ndimage.label((found >= level) & (truth >= level))
        sizes = np.bincount(labels.reshape(-1))[1:]
        body = labels == 1 + int(sizes.argmax()) if count else np.zeros(truth.shape, bool)
        hold[(hold < 0) & ~body] = below
    hold[hold < 0] = 1
    ties = [1 - np.where(a - hold >= 0.15, a - hold, 0) for a in (found, truth)]
    return float(np.abs(ties[0] - ties[1]).sum() / 1000)


def colour(case: Case, rgba: Array) -> float:
    """Error of the cut-out laid over white, against the true one; mean of 255 near the edge."""
    found_alpha = rgba[..., 3:] / 255
    found = rgba[..., :3] / 255 * found_alpha + 1 - found_alpha
    truth = case.colours * case.alpha[..., None] + 1 - case.alpha[..., None]
    return float(np.abs(found - truth)[_unsettled(case)].mean() * 255)


def measured(case: Case, edge: Edge) -> Row:
    """All measures of one edge on one composite."""
    found = matte(case.image, case.mask, edge)
    values = (
        sad(found, case.alpha),
        mse(found, case.alpha, _unsettled(case)),
        gradient(found, case.alpha),
        connectivity(found, case.alpha),
        colour(case, cutout(case.image, case.mask, edge=edge, crop=False)),
    )
    return dict(zip(MEASURES, values, strict=True))


def _unsettled(case: Case) -> Array:
    shared = (case.alpha > 0) & (case.alpha < 1) | (case.mask != (case.alpha > 0.5))
    return np.asarray(ndimage.binary_dilation(shared, iterations=2))


def table(rows: dict[tuple[str, str], list[Row]], names: Sequence[str]) -> str:
    """Means by kind of edge; the least of each measure in bold."""
    lines = [f"| truth | matte | n | {' | '.join(MEASURES)} |", "|---|---" + "|---:" * 6 + "|"]
    for kind in KINDS:
        means = {n: {m: mean(r[m] for r in rows[kind, n]) for m in MEASURES} for n in names}
        for name in names:
            cells = [
                f"**{means[name][m]:.2f}**"
                if means[name][m] == min(means[n][m] for n in names)
                else f"{means[name][m]:.2f}"
                for m in MEASURES
            ]
            count = len(rows[kind, name])
            lines.append(f"| {kind} | {name} | {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def photos() -> dict[str, Array]:
    """The pictures by name."""
    return {name: getattr(data, name)() for name in CLICKS}


def objects() -> dict[str, tuple[Array, Array]]:
    """The photos with the default model's masks."""
    import anymask

    model = anymask.load_model("vit_t")
    return {
        name: (photo, model.segment(photo, anymask.Prompt(points=CLICKS[name])).array[0])
        for name, photo in photos().items()
    }


def speed(repeats: int = 5) -> str:
    """Seconds of a cut-out of 1024 pixels with matting, its segmentation left out."""
    from PIL import Image

    photo = np.asarray(Image.fromarray(data.astronaut()).resize((1024, 1024)))
    mask = np.kron(objects()["astronaut"][1], np.ones((2, 2), bool))
    times = [_seconds(lambda: cutout(photo, mask, edge=Edge("soft"))) for _ in range(repeats)]
    return f"Cut-out with matting, 1024 x 1024: median {median(times):.2f} s of {repeats}."


def _seconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def run(composites: Iterable[Case], edges: dict[str, Edge]) -> dict[tuple[str, str], list[Row]]:
    """Measure every edge on every composite."""
    rows: dict[tuple[str, str], list[Row]] = {}
    for case in composites:
        for name, edge in edges.items():
            rows.setdefault((case.kind, name), []).append(measured(case, edge))
    return rows


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--limit", type=int, default=8)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = objects() | objects_of_sets(arguments.data, arguments.limit)
    rows = run(cases(found, photos()), EDGES)
    text = f"{table(rows, list(EDGES))}\n\n{len(found)} objects. {speed()}\n"
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
