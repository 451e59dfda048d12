"""The files that are saved of one picture: all of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anymask.apps.draw import overlay
from anymask.apps.edit.cutouts import cutout
from anymask.cli.plan import OutputNames
from anymask.formats.geojson import geojson_document, write_geojson
from anymask.formats.records import json_text, write_result
from anymask.geometry.georeference import GeoReference
from anymask.inference.engines import usable_cores
from anymask.io.files import save_png
from anymask.types.masks import Masks
from anymask.types.prompt import Prompt

SavedPaths = dict[str, list[str]]
Output: TypeAlias = tuple[Path, Callable[[], object]]
"""A file, and what writes it."""

FILES_AT_ONCE: Final = 4
"""Each holds a picture or two of its own while it is written."""


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
    outputs = {kind: list(_OUTPUTS[kind](result, names)) for kind in kinds}
    with all_or_none() as written:
        _write([output for some in outputs.values() for output in some], written)
    return {kind: [json_text(str(path)) for path, _ in some] for kind, some in outputs.items()}


def _write(outputs: Sequence[Output], written: list[Path]) -> None:
    """Write files, several at once: most of the time goes into compressing one after the other.

    Args:
        outputs: what to write.
        written: gets the path of each file that is complete.
    """

    def write(output: Output) -> None:
        path, content = output
        content()
        written.append(path)

    with ThreadPoolExecutor(min(usable_cores(), FILES_AT_ONCE), "anymask-save") as threads:
        tasks = [threads.submit(write, output) for output in outputs]
        try:
            for task in tasks:
                task.result()
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


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


def _overlay(result: Segmented, names: OutputNames) -> Iterator[Output]:
    masks, prompts = result.masks.array, result.prompts
    yield names.overlay, lambda: save_png(names.overlay, overlay(result.image_rgb, masks, prompts))


def _masks(result: Segmented, names: OutputNames) -> Iterator[Output]:
    for row, mask in enumerate(result.masks.array):
        yield names.mask(row), partial(save_png, names.mask(row), mask)


def _cutouts(result: Segmented, names: OutputNames) -> Iterator[Output]:
    def save_cutout(row: int, mask: NDArray[np.bool_]) -> None:
        save_png(names.cutout(row), cutout(result.image_rgb, mask))

    for row, mask in enumerate(result.masks.array):
        yield names.cutout(row), partial(save_cutout, row, mask)


def _json(result: Segmented, names: OutputNames) -> Iterator[Output]:
    yield names.json, lambda: write_result(names.json, result.document)


def _geojson(result: Segmented, names: OutputNames) -> Iterator[Output]:
    document = geojson_document(
        result.masks.array,
        result.georeference,
        predicted_iou=result.masks.predicted_iou,
        stability=result.masks.stability,
        tolerance_px=result.polygon_tolerance_px,
    )
    yield names.geojson, lambda: write_geojson(names.geojson, document)


def _candidates(result: Segmented, names: OutputNames) -> Iterator[Output]:
    def save_candidate(path: Path, candidate: Masks) -> None:
        save_png(path, candidate.array[0])

    for row in range(len(result.masks)):
        candidates = result.masks.candidates(row)
        for place in range(len(candidates)):
            path = names.candidate(row, place + 1)
            yield path, partial(save_candidate, path, candidates.candidates(place))


_OUTPUTS: Mapping[str, Callable[[Segmented, OutputNames], Iterator[Output]]] = {
    "overlay": _overlay,
    "mask": _masks,
    "cutout": _cutouts,
    "json": _json,
    "geojson": _geojson,
    "candidates": _candidates,
}
