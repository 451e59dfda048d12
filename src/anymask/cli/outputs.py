"""The files that are saved of one picture: all of them, or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.apps.draw import overlay
from anymask.apps.edit.cutouts import cutout
from anymask.cli.plan import OutputNames
from anymask.formats.geojson import geojson_document, write_geojson
from anymask.formats.records import json_text, write_result
from anymask.geometry.georeference import GeoReference
from anymask.io.files import save_png
from anymask.types.masks import Masks
from anymask.types.prompt import Prompt

SavedPaths = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Saving:
    """What to save.

    Attributes:
        kinds: of `anymask.cli.options.KINDS`.
        candidates: also save the mask of every candidate.
    """

    kinds: tuple[str, ...]
    candidates: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Segmented:
    """One picture with its result.

    Attributes:
        image_rgb: (H, W, 3) uint8.
        prompts: N prompts.
        masks: N rows.
        document: of `anymask.formats.records.result_document`.
        georeference: of the picture, where it has one.
        polygon_tolerance_px: how far polygons may leave the outline.
    """

    image_rgb: NDArray[np.uint8]
    prompts: Sequence[Prompt]
    masks: Masks
    document: dict[str, Any]
    georeference: GeoReference | None
    polygon_tolerance_px: float


def save(result: Segmented, names: OutputNames, saving: Saving) -> SavedPaths:
    """Write the files asked for.

    Args:
        result: of one picture.
        names: where to.
        saving: what.

    Returns:
        Kind -> paths, in the order of the objects.

    Raises:
        OSError: the system refuses; then the files already written are removed again.
    """
    kinds = [*saving.kinds, "candidates"] if saving.candidates else saving.kinds
    paths: SavedPaths = {kind: [] for kind in kinds}
    with all_or_none() as written:
        for kind in kinds:
            for path in _WRITERS[kind](result, names):
                written.append(path)
                paths[kind].append(json_text(str(path)))
    return paths


@contextmanager
def all_or_none() -> Iterator[list[Path]]:
    """Gives a list for the files written; removes them if not all can be."""
    written: list[Path] = []
    finished = False
    try:
        yield written
        finished = True
    finally:
        for path in () if finished else written:
            path.unlink(missing_ok=True)


def _save_overlay(result: Segmented, names: OutputNames) -> Iterator[Path]:
    save_png(names.overlay, overlay(result.image_rgb, result.masks.array, result.prompts))
    yield names.overlay


def _save_masks(result: Segmented, names: OutputNames) -> Iterator[Path]:
    for row, mask in enumerate(result.masks.array):
        save_png(names.mask(row), mask)
        yield names.mask(row)


def _save_cutouts(result: Segmented, names: OutputNames) -> Iterator[Path]:
    for row, mask in enumerate(result.masks.array):
        save_png(names.cutout(row), cutout(result.image_rgb, mask))
        yield names.cutout(row)


def _save_json(result: Segmented, names: OutputNames) -> Iterator[Path]:
    write_result(names.json, result.document)
    yield names.json


def _save_geojson(result: Segmented, names: OutputNames) -> Iterator[Path]:
    document = geojson_document(
        result.masks.array,
        result.georeference,
        predicted_iou=result.masks.predicted_iou,
        stability=result.masks.stability,
        tolerance_px=result.polygon_tolerance_px,
    )
    write_geojson(names.geojson, document)
    yield names.geojson


def _save_candidates(result: Segmented, names: OutputNames) -> Iterator[Path]:
    for row in range(len(result.masks)):
        for rank, mask in enumerate(result.masks.candidates(row).array, start=1):
            save_png(names.candidate(row, rank), mask)
            yield names.candidate(row, rank)


_WRITERS = {
    "overlay": _save_overlay,
    "mask": _save_masks,
    "cutout": _save_cutouts,
    "json": _save_json,
    "geojson": _save_geojson,
    "candidates": _save_candidates,
}
