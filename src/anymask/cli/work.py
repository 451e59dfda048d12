"""The loop of ``anymask segment``: one picture after the other, whatever happens to one of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask.cli.outputs import SavedPaths, Saving, Segmented, save
from anymask.cli.plan import Job
from anymask.errors import AnymaskError
from anymask.formats.records import result_document
from anymask.inference.segment import Model
from anymask.io.images import read_image


@dataclass(frozen=True, slots=True)
class Settings:
    """How every picture is worked on.

    Attributes:
        saving: what is written.
        multimask: as `Model.segment` takes it.
        polygon_tolerance_px: how far polygons may leave the outline.
        max_pixels: largest picture that is read.
    """

    saving: Saving
    multimask: bool | None
    polygon_tolerance_px: float
    max_pixels: int


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of one picture.

    Attributes:
        path: the picture.
        seconds: how long it took.
        document: its result, or None where it failed.
        saved: the files written.
        error: why it failed, or None.
    """

    path: Path
    seconds: float
    document: dict[str, Any] | None
    saved: SavedPaths
    error: Exception | None = None


def work(jobs: Iterable[Job], model: Model, settings: Settings) -> Iterator[Outcome]:
    """Segment each picture and save its results; an error ends one picture, not the run."""
    for job in jobs:
        started = time.perf_counter()
        try:
            document, saved = _segment(job, model, settings)
        # engines raise RuntimeError when a device has no memory left for this picture
        except (AnymaskError, OSError, MemoryError, RuntimeError) as error:
            yield Outcome(job.path, time.perf_counter() - started, None, {}, error)
        else:
            yield Outcome(job.path, time.perf_counter() - started, document, saved)


def _segment(job: Job, model: Model, settings: Settings) -> tuple[dict[str, Any], SavedPaths]:
    image_rgb = read_image(job.path, max_pixels=settings.max_pixels)
    prompts = [spec.load() for spec in job.specs]
    masks = model.segment(image_rgb, prompts, multimask=settings.multimask)
    document = result_document(
        masks,
        prompts,
        file=job.path.name,
        architecture=model.architecture,
        engine=model.backend.name,
        device=model.backend.device,
        polygon_tolerance_px=settings.polygon_tolerance_px,
    )
    result = Segmented(image_rgb, prompts, masks, document)
    return document, save(result, job.names, settings.saving)
