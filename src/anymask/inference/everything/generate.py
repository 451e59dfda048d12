"""`everything`: all masks of a picture, step by step as published (paper, appendix B)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.geometry.frames import Frame
from anymask.geometry.grids import Crop
from anymask.geometry.regions import remove_small_regions
from anymask.inference.backend import PromptBatch
from anymask.inference.batching import PADDING
from anymask.inference.everything.candidates import Candidate, CropView
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.everything.suppress import is_stable, keep_best, keep_in_order
from anymask.inference.everything.upsampled import Upsampler
from anymask.inference.segment import ColorOrder, Model, Picture, read_picture
from anymask.types.progress import Progress, ProgressCallback
from anymask.types.prompt import FOREGROUND
from anymask.types.records import CompactMask, MaskRecord

Cancel = Callable[[], bool]


class Cancelled(AnymaskError):  # noqa: N818 - what the caller asked for is no error
    """The work was stopped by `cancel`."""


def everything(
    model: Model,
    image: Picture,
    settings: EverythingSettings | None = None,
    *,
    color: ColorOrder = "RGB",
    progress: ProgressCallback | None = None,
    cancel: Cancel | None = None,
) -> list[MaskRecord]:
    """Segment everything: a grid of points, the confident and stable masks, no duplicates.

    Args:
        model: what to segment with.
        image: a picture.
        settings: left out, the published defaults.
        color: order of the channels of arrays; files always come out right.
        progress: called after every batch of points.
        cancel: asked before every batch of points; True stops the work.

    Returns:
        One record a mask, surest first; for several crops, those of the smallest crops first. None
        at all is a normal answer.

    Raises:
        ImageError: a picture that cannot be read.
        Cancelled: `cancel` said so.

    Example:
        >>> records = everything(load_model("vit_t"), "photo.jpg")  # doctest: +SKIP
    """
    settings = settings or EverythingSettings()
    rgb = read_picture(image, color)
    crops, grids = settings.crops((rgb.shape[0], rgb.shape[1])), settings.grids()
    report = _Reporter(sum(len(grids[crop.layer]) for crop in crops), progress, cancel)
    found: list[MaskRecord] = []
    for crop in crops:
        candidates = _candidates(model, rgb, crop, grids[crop.layer], settings, report)
        kept = keep_best(candidates, settings.stability_score_thresh, settings.box_nms_thresh)
        found += [candidate.record() for candidate in kept]
    if len(crops) > 1:
        found = _prefer_small_crops(found, settings.crop_nms_thresh)
    if settings.min_mask_region_area > 0:
        threshold = max(settings.box_nms_thresh, settings.crop_nms_thresh)
        found = _clean(found, settings.min_mask_region_area, threshold)
    return found


class _Reporter:
    """Says how many points are done, and asks whether to go on."""

    def __init__(
        self, total: int, progress: ProgressCallback | None, cancel: Cancel | None
    ) -> None:
        self._total, self._progress, self._cancel = total, progress, cancel
        self._done = 0

    def check(self) -> None:
        if self._cancel is not None and self._cancel():
            raise Cancelled(f"stopped after {self._done} of {self._total} points")

    def add(self, points: int) -> None:
        self._done += points
        if self._progress is not None:
            self._progress(Progress("segment everything", self._done, self._total, "points"))


def _candidates(
    model: Model,
    rgb: NDArray[np.uint8],
    crop: Crop,
    grid: NDArray[np.float64],
    settings: EverythingSettings,
    report: _Reporter,
) -> list[Candidate]:
    """The confident masks of one crop, within the memory budget."""
    report.check()
    x0, y0, x1, y1 = crop.box_xyxy
    encoded = model.encode(np.ascontiguousarray(rgb[y0:y1, x0:x1]))
    view = CropView(
        crop,
        (rgb.shape[0], rgb.shape[1]),
        Upsampler(encoded.frame),
        settings.stability_score_offset,
    )
    least = settings.pred_iou_thresh if settings.pred_iou_thresh > 0 else -np.inf
    points = grid * (x1 - x0, y1 - y0)
    found: list[Candidate] = []
    for part in _parts(points, settings.points_per_batch):
        report.check()
        decoded = model.backend.decode_confident([encoded], _batch(part, encoded.frame), least)
        places = part[decoded.prompt] + (x0, y0)
        found += [
            Candidate(view, (float(x), float(y)), float(iou), logits)
            for (x, y), iou, logits in zip(places, decoded.iou, decoded.logits, strict=True)
        ]
        found = _within_budget(found, settings)
        report.add(len(part))
    return found


def _parts(points: NDArray[np.float64], size: int) -> Iterator[NDArray[np.float64]]:
    return (points[start : start + size] for start in range(0, len(points), size))


def _batch(points: NDArray[np.float64], frame: Frame) -> PromptBatch:
    """Points (N, 2) of the crop, each a prompt of its own with three candidates."""
    count = len(points)
    coords = np.zeros((count, 2, 2), np.float32)
    coords[:, 0] = frame.points_to_canvas(points)
    labels = np.tile(np.array([FOREGROUND, PADDING], np.int64), (count, 1))
    return PromptBatch(coords, labels, None, np.zeros(count, np.intp), multimask=True)


def _within_budget(found: list[Candidate], settings: EverythingSettings) -> list[Candidate]:
    """Decide at once about candidates whose logits take too much memory together."""
    if sum(candidate.held_bytes for candidate in found) <= settings.memory_budget_bytes:
        return found
    stable = [one for one in found if is_stable(one, settings.stability_score_thresh)]
    for candidate in stable:
        candidate.settle()
    return stable


def _prefer_small_crops(records: list[MaskRecord], threshold: float) -> list[MaskRecord]:
    """Suppress between crops; the mask of the smaller crop stays."""
    scores = [1 / _area(record.crop_box_xyxy) for record in records]
    kept = keep_in_order([record.box_xyxy for record in records], scores, threshold)
    return [records[number] for number in kept]


def _area(box: tuple[int, int, int, int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _clean(records: list[MaskRecord], area: int, threshold: float) -> list[MaskRecord]:
    """Remove small holes and islands, then duplicates; untouched masks go before changed ones.

    Predicted IoU and stability stay those of the mask before.
    """
    cleaned = [_clean_mask(record.mask, area) for record in records]
    scores = [mask is record.mask for mask, record in zip(cleaned, records, strict=True)]
    kept = keep_in_order([mask.box_xyxy for mask in cleaned], scores, threshold)
    return [replace(records[number], mask=cleaned[number]) for number in kept]


def _clean_mask(mask: CompactMask, area: int) -> CompactMask:
    """The mask without small holes and islands; the same object where nothing changed."""
    array, holes = remove_small_regions(mask.array, area, "holes")
    array, islands = remove_small_regions(array, area, "islands")
    return CompactMask.from_array(array) if holes or islands else mask
