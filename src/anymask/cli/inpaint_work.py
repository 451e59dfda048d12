"""The work of ``anymask inpaint`` on one picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.apps.inpaint.exemplar import ExemplarSettings
from anymask.apps.inpaint.fill import Inpainted, inpaint
from anymask.apps.inpaint.inpainters import (
    AutoInpainter,
    ExemplarInpainter,
    Inpainter,
    SmoothInpainter,
)
from anymask.apps.inpaint.networks import open_diffusers, open_lama
from anymask.apps.inpaint.watermarks import Found, find_marks, marks_mask
from anymask.cli.exits import UsageError
from anymask.cli.objects import find_objects, object_records
from anymask.cli.outputs import SavedPaths, all_or_none
from anymask.cli.plan import Job
from anymask.formats.records import json_text
from anymask.inference.segment import Model
from anymask.io.files import save_png
from anymask.io.originals import read_original, save_original
from anymask.types.progress import ProgressCallback

_OPAQUE = 0.1
"""Share of full alpha from which a template's pixel is the mark: its soft rim is to go as well."""


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A watermark to be found.

    Attributes:
        template: (h, w, C), as it looks.
        shape: (h, w) bool, which pixels it is.
        min_score: how alike a place has to be.
    """

    template: NDArray[Any]
    shape: NDArray[np.bool_]
    min_score: float


@dataclass(frozen=True, slots=True)
class FillSettings:
    """How every picture is filled.

    Attributes:
        inpainter: what fills.
        mark: a watermark to remove, or None.
        grow_px: see `anymask.apps.inpaint.fill.inpaint`.
        feather_px: see there.
        format: ending of the results.
        save_mask: also write what was filled.
        max_pixels: largest picture that is read.
    """

    inpainter: Inpainter
    mark: Mark | None
    grow_px: float
    feather_px: float
    format: str
    save_mask: bool
    max_pixels: int


def choose_inpainter(
    method: str,
    network: Path | None,
    *,
    describe: str,
    seed: int,
    progress: ProgressCallback | None = None,
) -> Inpainter:
    """What fills, by the options.

    Raises:
        UsageError: a network without its file, or a file without its method.
        WeightsError: a file that is no such network.
        MissingExtraError: what runs it is not installed.
    """
    if method in ("lama", "diffusers"):
        if network is None:
            raise UsageError(
                f"--method {method} runs a network of yours; give its path by --network"
            )
        if method == "lama":
            return open_lama(network)
        return replace(open_diffusers(network, describe), seed=seed)
    if network is not None:
        raise UsageError(f"--network does not go with --method {method}; give lama or diffusers")
    settings = ExemplarSettings(seed=seed)
    built_in: dict[str, Inpainter] = {
        "auto": AutoInpainter(settings, progress),
        "exemplar": ExemplarInpainter(settings, progress),
        "smooth": SmoothInpainter(),
    }
    return built_in[method]


def read_mark(path: Path, min_score: float) -> Mark:
    """A watermark from a picture of it; without alpha the whole picture is the mark.

    Raises:
        ImageError: a file that cannot be read.
        UsageError: a picture that is transparent throughout.
    """
    pixels = read_original(path).pixels
    shape = np.ones(pixels.shape[:2], bool)
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        shape = pixels[..., -1] > _OPAQUE * np.iinfo(pixels.dtype).max
        pixels = np.where(shape[..., None], pixels[..., :-1], 0)
    if not shape.any():
        raise UsageError(f"--template {str(path)!r} is transparent throughout; show the mark")
    return Mark(pixels, shape, min_score)


def inpaint_picture(
    job: Job, model: Model | None, settings: FillSettings
) -> tuple[dict[str, Any], SavedPaths]:
    """Take objects and marks out of one picture, and save it.

    Returns:
        What was done, and the files written.
    """
    original = read_original(job.path, max_pixels=settings.max_pixels)
    size_hw = (original.pixels.shape[0], original.pixels.shape[1])
    found = find_objects(
        job.path, job.specs, model, size_hw=size_hw, max_pixels=settings.max_pixels
    )
    marks = _marks(original.pixels, settings.mark)
    mask = np.zeros(size_hw, bool)
    for one in found:
        mask |= one.mask
    if settings.mark is not None:
        mask |= marks_mask(size_hw, marks, settings.mark.shape)
    result = inpaint(
        original.pixels,
        mask,
        inpainter=settings.inpainter,
        grow_px=settings.grow_px,
        feather_px=settings.feather_px,
    )
    saved: SavedPaths = {"inpainted": []}
    with all_or_none() as written:
        path = job.names.inpainted(settings.format)
        written.append(save_original(path, replace(original, pixels=result.image)))
        saved["inpainted"].append(json_text(str(path)))
        if settings.save_mask:
            written.append(save_png(job.names.hole, result.hole))
            saved["hole"] = [json_text(str(job.names.hole))]
    return _document(object_records(found), marks, settings.mark, result), saved


def _marks(pixels: NDArray[Any], mark: Mark | None) -> list[Found]:
    if mark is None:
        return []
    return find_marks(pixels, mark.template, mark.shape, min_score=mark.min_score)


def _document(
    objects: list[dict[str, Any]], marks: list[Found], mark: Mark | None, result: Inpainted
) -> dict[str, Any]:
    told = [f"filled by {result.method}: {result.reason}"]
    if result.method == "none":
        told = [f"left as it was: {result.reason}"]
    if mark is not None:
        told.insert(0, f"{len(marks)} marks found" if len(marks) != 1 else "1 mark found")
    return {
        "objects": objects,
        "marks": [{"x": one.x, "y": one.y, "score": round(one.score, 4)} for one in marks],
        "filled_pixels": int(np.count_nonzero(result.hole)),
        "method": result.method,
        "reason": result.reason,
        "told": told,
    }
