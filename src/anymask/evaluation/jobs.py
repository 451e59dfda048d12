"""What every evaluation has in common: a picture is a job, a job's outcome is a JSON object."""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.errors import FileFormatError
from anymask.evaluation.statistics import mean_of
from anymask.evaluation.truth import DataSet, TruePicture, Truth
from anymask.inference.encoded import EncodedImage, image_hash
from anymask.inference.segment import Model
from anymask.io.images import DEFAULT_MAX_PIXELS, read_image

Outcome = dict[str, Any]
"""What came of a job: numbers under "measures" or a list of "cases"; only what JSON can hold."""


@dataclass(frozen=True, slots=True)
class Job:
    """A picture to be measured on.

    Attributes:
        set_name: its set.
        picture: with what is true of it.
        truths: those of its objects that take part.
    """

    set_name: str
    picture: TruePicture
    truths: tuple[Truth, ...]

    @property
    def key(self) -> str:
        """Unique in a run."""
        return f"{self.set_name}/{self.picture.key}"

    def rng(self, seed: int) -> np.random.Generator:
        """Chance that depends on the job and the seed alone, not on what else is worked on."""
        return np.random.default_rng([seed, zlib.crc32(self.key.encode())])


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A picture that is read and encoded."""

    rgb: NDArray[np.uint8]
    encoded: EncodedImage


@dataclass(frozen=True, slots=True)
class Bench:
    """Where jobs are worked on.

    Attributes:
        model: what is measured.
        cache: folder of encoded images to use again, or None.
        max_pixels: largest picture that is read.
    """

    model: Model
    cache: Path | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS

    def open(self, picture: TruePicture) -> Opened:
        """Read a picture and encode it, or find it in the cache.

        Raises:
            ImageError: it cannot be read.
            FileFormatError: its truth is of another size.
        """
        rgb = read_image(picture.path, max_pixels=self.max_pixels)
        size_hw = rgb.shape[0], rgb.shape[1]
        if picture.size_hw not in (None, size_hw):
            raise FileFormatError(
                f"{picture.path} is {size_hw} but its truth is {picture.size_hw} (height, width)"
            )
        return Opened(rgb, self._encoded(rgb))

    def _encoded(self, rgb: NDArray[np.uint8]) -> EncodedImage:
        if self.cache is None:
            return self.model.encode(rgb)
        backend = self.model.backend
        about = f"{self.model.model_id} {backend.name} {backend.canvas_px} {image_hash(rgb)}"
        path = self.cache / f"{hashlib.sha256(about.encode()).hexdigest()[:32]}.npz"
        if path.is_file():
            return EncodedImage.load(path)
        encoded = self.model.encode(rgb)
        encoded.save(path)
        return encoded


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report.

    Attributes:
        title: what it is about.
        columns: their names, the first one that of the rows.
        rows: name of the row, then numbers (None where there is none).
        percent: columns with shares of 1, shown as percent.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]
    percent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a chart.

    Attributes:
        name: of what is drawn.
        points: (x, y).
        strong: drawn in front, with colour.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over the same axes, y from 0 to 1."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What all outcomes together say.

    Attributes:
        headline: the one line to remember.
        figures: the same numbers under their names.
        tables: in the order to be shown.
        charts: likewise.
        notes: what a reader must know, such as what was left out.
    """

    headline: str
    figures: Mapping[str, float]
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = field(default=())


def table_by_set(
    title: str, columns: Sequence[str], rows: Mapping[str, Sequence[float]], counts: Sequence[str]
) -> Table:
    """A row a set and one of means.

    Args:
        title: of the table.
        columns: names of the values.
        rows: name of the set -> its values.
        counts: columns that are added up, not averaged; all others are shares of 1.
    """
    values = list(zip(*rows.values(), strict=True))
    total = [
        sum(column) if name in counts else mean_of(column)
        for name, column in zip(columns, values, strict=True)
    ]
    lines: list[tuple[str | float, ...]] = [(name, *row) for name, row in rows.items()]
    shares = frozenset(columns).difference(counts)
    return Table(title, ("set", *columns), (*lines, ("mean", *total)), shares)


def shares_of(table: Table) -> dict[str, float]:
    """Name of the column -> its mean, of a table's last row; only shares that are numbers."""
    means = zip(table.columns, table.rows[-1], strict=True)
    return {
        name: float(value)
        for name, value in means
        if name in table.percent and isinstance(value, int | float) and not math.isnan(value)
    }


def over_sets(count: int, figures: Mapping[str, float], names: Sequence[str]) -> str:
    """The line to remember: "mean over 2 sets: AP 41.0, AP50 72.5"."""
    told = ", ".join(f"{name} {100 * figures[name]:.1f}" for name in names if name in figures)
    return f"mean over {count} {'set' if count == 1 else 'sets'}: {told}"


class Task(Protocol):
    """One kind of evaluation."""

    @property
    def name(self) -> str:
        """Such as "clicks"."""

    def settings(self) -> dict[str, Any]:
        """All that changes outcomes; only what JSON can hold."""

    def jobs(self, sets: Sequence[DataSet]) -> list[Job]:
        """What is to be done."""

    def work(self, bench: Bench, job: Job) -> Outcome:
        """Do one job; called from several threads."""

    def summary(self, outcomes: Sequence[tuple[Job, Outcome]]) -> Summary:
        """Put the outcomes of all jobs together."""


def data_id(jobs: Sequence[Job]) -> str:
    """Names the truth that jobs are measured against: equal truth gives equal ids, in hex."""
    digest = hashlib.sha256()
    for job in jobs:
        edges = job.picture.boundaries
        stamp = None if edges is None else (edges.stat().st_size, edges.stat().st_mtime_ns)
        digest.update(repr((job.key, str(job.picture.path), job.truths, stamp)).encode())
    return digest.hexdigest()[:16]


def sampled(
    sets: Sequence[DataSet], limit: int | None, seed: int, *, crowds: bool = False
) -> list[Job]:
    """Pictures with at most about `limit` objects a set.

    Each picture gives ``max(1, limit // pictures)`` of its objects, drawn without replacement by
    one generator a set in the order of its pictures; of a set with more pictures than `limit`, so
    many pictures are drawn first.

    Args:
        sets: where from.
        limit: objects a set; None takes all.
        seed: of the generators.
        crowds: also objects that are marked as crowds.
    """
    return [job for one in sets for job in _sampled(one, limit, seed, crowds=crowds)]


def _sampled(one: DataSet, limit: int | None, seed: int, *, crowds: bool) -> list[Job]:
    rng = np.random.default_rng(seed)
    pictures = list(one.pictures)
    if limit is not None and len(pictures) > limit:
        chosen = np.sort(rng.choice(len(pictures), limit, replace=False))
        pictures = [pictures[number] for number in chosen]
    most = None if limit is None else max(1, limit // max(len(pictures), 1))
    jobs = []
    for picture in pictures:
        truths = [truth for truth in picture.truths if crowds or not truth.crowd]
        if most is not None and len(truths) > most:
            chosen = np.sort(rng.choice(len(truths), most, replace=False))
            truths = [truths[number] for number in chosen]
        if truths:
            jobs.append(Job(one.name, picture, tuple(truths)))
    return jobs


def limited_pictures(sets: Sequence[DataSet], limit: int | None, seed: int) -> list[Job]:
    """Whole pictures, at most `limit` a set, with all of their objects; in the sets' order."""
    jobs = []
    for one in sets:
        pictures = list(one.pictures)
        if limit is not None and len(pictures) > limit:
            rng = np.random.default_rng(seed)
            chosen = np.sort(rng.choice(len(pictures), limit, replace=False))
            pictures = [pictures[number] for number in chosen]
        jobs += [Job(one.name, picture, picture.truths) for picture in pictures]
    return jobs
