"""The loop of ``anymask segment``: one picture after the other, whatever happens to one of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.cli.options import MAP, PIXEL
from anymask.cli.outputs import SavedPaths, Saving, Segmented, save
from anymask.cli.plan import Job
from anymask.errors import AnymaskError, PromptError
from anymask.formats.prompts_json import PromptSpec
from anymask.formats.records import result_document
from anymask.geometry.georeference import GeoReference
from anymask.inference.choice import Rank
from anymask.inference.segment import Model
from anymask.inference.zoom import segment_zoomed
from anymask.io.geotiff import read_georeference
from anymask.io.images import read_image
from anymask.types.masks import Masks
from anymask.types.prompt import Prompt

_log = logging.getLogger(__name__)

# so that what lies on the edge of the picture does not end up a hair outside
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Settings:
    """How every picture is worked on.

    Attributes:
        saving: what is written.
        multimask: as `Model.segment` takes it.
        polygon_tolerance_px: how far polygons may leave the outline.
        max_pixels: largest picture that is read.
        coordinates: of the prompts: "pixel", "map" or an EPSG code.
        rank: as `Model.segment` takes it.
        zoom: look at small objects in a window, see `segment_zoomed`.
    """

    saving: Saving
    multimask: bool | None
    polygon_tolerance_px: float
    max_pixels: int
    coordinates: str = PIXEL
    rank: Rank = "plausibility"
    zoom: bool = False


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
    """Segment each picture and save its results."""
    return attempts(jobs, lambda job: _segment(job, model, settings))


def attempts(
    jobs: Iterable[Job], handle: Callable[[Job], tuple[dict[str, Any], SavedPaths]]
) -> Iterator[Outcome]:
    """What becomes of each picture; an error ends one picture, not the run.

    Args:
        jobs: the pictures.
        handle: works on one; gives its document and the files written.
    """
    for job in jobs:
        started = time.perf_counter()
        try:
            document, saved = handle(job)
        # engines raise RuntimeError when a device has no memory left for this picture
        except (AnymaskError, OSError, MemoryError, RuntimeError) as error:
            yield Outcome(job.path, time.perf_counter() - started, None, {}, error)
        else:
            yield Outcome(job.path, time.perf_counter() - started, document, saved)


def _segment(job: Job, model: Model, settings: Settings) -> tuple[dict[str, Any], SavedPaths]:
    image_rgb = read_image(job.path, max_pixels=settings.max_pixels)
    georeference = _georeference(job.path, settings)
    specs = job.specs
    if settings.coordinates != PIXEL:
        specs = tuple(_in_pixels(spec, georeference, settings.coordinates) for spec in specs)
    prompts = [spec.load() for spec in specs]
    masks = _masks(model, image_rgb, prompts, settings)
    document = result_document(
        masks,
        prompts,
        file=job.path.name,
        architecture=model.architecture,
        engine=model.backend.name,
        device=model.backend.device,
        polygon_tolerance_px=settings.polygon_tolerance_px,
    )
    result = Segmented(
        image_rgb, prompts, masks, document, georeference, settings.polygon_tolerance_px
    )
    return document, save(result, job.names, settings.saving)


def _masks(
    model: Model, image_rgb: NDArray[np.uint8], prompts: list[Prompt], settings: Settings
) -> Masks:
    multimask, rank = settings.multimask, settings.rank
    if settings.zoom:
        return segment_zoomed(model, image_rgb, prompts, multimask=multimask, rank=rank)
    return model.segment(image_rgb, prompts, multimask=multimask, rank=rank)


def _georeference(path: Path, settings: Settings) -> GeoReference | None:
    """The picture's place on the map, where that is asked for."""
    if settings.coordinates == PIXEL and "geojson" not in settings.saving.kinds:
        return None
    found = read_georeference(path)
    if found is None and settings.coordinates == PIXEL:
        _log.warning("%s has no georeference; its GeoJSON is in pixels", path)
    return found


def _in_pixels(spec: PromptSpec, georeference: GeoReference | None, coordinates: str) -> PromptSpec:
    """A prompt in map coordinates as one in pixels."""
    if georeference is None:
        raise PromptError(
            f"the prompts have {coordinates} coordinates but the picture has no georeference; "
            "give them in pixels"
        )
    if coordinates not in (MAP, georeference.crs):
        raise PromptError(
            f"the prompts have the CRS {coordinates} but the picture has {georeference.crs}; "
            "give them in that of the picture"
        )
    points, box = spec.points, spec.box
    if points is not None:
        points = georeference.to_pixels(np.reshape(points, (-1, 2))).round(_DECIMALS)
    if box is not None:
        box = georeference.boxes_to_pixels(box).round(_DECIMALS)
    return replace(spec, points=points, box=box)
