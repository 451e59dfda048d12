"""`everything`: all masks of a picture, step by step as published (paper, appendix B)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from anymask.errors import PromptError
from anymask.inference.encoded import EncodedImage
from anymask.inference.everything import seams
from anymask.inference.everything.candidates import Candidate
from anymask.inference.everything.clean import clean_mask
from anymask.inference.everything.decode import (
    Cancel,
    Cancelled,
    Source,
    Watch,
    crops_candidates,
    within_budget,
)
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.everything.suppress import keep_best, keep_in_order
from anymask.inference.segment import ColorOrder, Model, Picture
from anymask.types.progress import ProgressCallback
from anymask.types.records import MaskRecord

__all__ = ["Cancelled", "Scan", "everything", "initialise"]

_LATE = (
    "pred_iou_thresh", "stability_score_thresh", "box_nms_thresh", "crop_nms_thresh",
    "min_mask_region_area", "min_mask_area", "max_mask_share", "drop_all_small", "max_masks",
    "memory_budget_bytes", "points_per_batch",
)  # fmt: skip
"""What `Scan.filter` may change: everything that is decided after decoding."""


def everything(
    model: Model,
    image: Picture | EncodedImage,
    settings: EverythingSettings | None = None,
    *,
    color: ColorOrder = "RGB",
    progress: ProgressCallback | None = None,
    cancel: Cancel | None = None,
) -> list[MaskRecord]:
    """Segment everything: a grid of points, the confident and stable masks, no duplicates.

    Args:
        model: what to segment with.
        image: a picture; or an encoded one, where `settings` asks for no crops and no tiles.
        settings: left out, the published defaults; see also `presets.PRESETS`.
        color: order of the channels of arrays; files always come out right.
        progress: called after every batch of points.
        cancel: asked before every batch of points; True stops the work.

    Returns:
        One record a mask, surest first; for several crops, those of the smallest crops first. None
        at all is a normal answer.

    Raises:
        ImageError: a picture that cannot be read.
        PromptError: settings that do not fit the picture.
        Cancelled: `cancel` said so.

    Example:
        >>> records = everything(load_model("vit_t"), "photo.jpg")  # doctest: +SKIP
    """
    settings = settings or EverythingSettings()
    watch, source = Watch(progress, cancel), Source.of(image, color)
    return _finish(crops_candidates(model, source, settings, watch), settings)


class Scan:
    """A picture's candidates, decoded once, for thresholds to be tried on.

    Args:
        candidates: of each crop.
        settings: they were decoded with; no threshold can be looser than here.
    """

    def __init__(self, candidates: list[list[Candidate]], settings: EverythingSettings) -> None:
        self._candidates = candidates
        self.settings = settings

    def __len__(self) -> int:
        """How many candidates there are."""
        return sum(map(len, self._candidates))

    def filter(self, settings: EverythingSettings | None = None) -> list[MaskRecord]:
        """The records that other thresholds give, without decoding anything.

        Args:
            settings: `scan.settings` with thresholds changed by `dataclasses.replace`; left out,
                as they are.

        Returns:
            What `everything` returns for these settings.

        Raises:
            PromptError: a threshold below that of the scan, or a change of what was decoded.
        """
        settings = settings or self.settings
        self._check(settings)
        return _finish(self._candidates, settings)

    def _check(self, settings: EverythingSettings) -> None:
        for name in ("pred_iou_thresh", "stability_score_thresh"):
            least, asked = max(getattr(self.settings, name), 0), max(getattr(settings, name), 0)
            if asked < least:
                raise PromptError(
                    f"{name} is {asked:g} but the scan was made with {least:g}; masks below that "
                    "were not kept; initialise anew with a lower one"
                )
        same = {name: getattr(self.settings, name) for name in _LATE}
        if replace(settings, **same) != self.settings:
            raise PromptError(
                "settings change points, crops or stability_score_offset, which the scan was made "
                "with; initialise anew"
            )


def initialise(
    model: Model,
    image: Picture | EncodedImage,
    settings: EverythingSettings | None = None,
    *,
    color: ColorOrder = "RGB",
    progress: ProgressCallback | None = None,
    cancel: Cancel | None = None,
) -> Scan:
    """The slow part of `everything`: encode and decode, decide nothing.

    Args:
        model: as `everything` takes it, like all that follow.
        image: likewise.
        settings: likewise; its thresholds are the loosest that can be asked for later.
        color: likewise.
        progress: likewise.
        cancel: likewise.

    Returns:
        The candidates; their logits take at most `settings.memory_budget_bytes`.

    Raises:
        ImageError: a picture that cannot be read.
        PromptError: settings that do not fit the picture.
        Cancelled: `cancel` said so.

    Example:
        >>> scan = initialise(model, "photo.jpg")  # doctest: +SKIP
        >>> strict = replace(scan.settings, pred_iou_thresh=0.95)  # doctest: +SKIP
        >>> records = scan.filter(strict)  # doctest: +SKIP
    """
    settings = settings or EverythingSettings()
    watch, source = Watch(progress, cancel), Source.of(image, color)
    kept: list[list[Candidate]] = []
    for candidates in crops_candidates(model, source, settings, watch):
        kept.append(candidates)
        held = sum(candidate.held_bytes for crop in kept for candidate in crop)
        if held > settings.memory_budget_bytes:
            tight = replace(settings, memory_budget_bytes=1)
            kept = [within_budget(crop, tight) for crop in kept]
    return Scan(kept, settings)


def _finish(crops: Iterable[list[Candidate]], settings: EverythingSettings) -> list[MaskRecord]:
    """From candidates to records."""
    found: list[MaskRecord] = []
    parts = 0
    for candidates in crops:
        found += [candidate.record() for candidate in keep_best(candidates, settings)]
        parts += 1
    if settings.tile_px is not None:
        found = seams.join(found)
    if parts > 1:
        found = _prefer_small_crops(found, settings)
    if settings.min_mask_region_area > 0:
        found = _clean(found, settings)
    return _at_most(found, settings.max_masks)


def _prefer_small_crops(
    records: list[MaskRecord], settings: EverythingSettings
) -> list[MaskRecord]:
    """Suppress between crops; the mask of the smaller crop stays. Tiles are all of one size."""
    tiled = settings.tile_px is not None
    scores = [0.0 if tiled else 1 / _area(record.crop_box_xyxy) for record in records]
    boxes = [record.box_xyxy for record in records]
    kept = keep_in_order(boxes, scores, settings.crop_nms_thresh)
    return [records[number] for number in kept]


def _area(box: tuple[int, int, int, int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _clean(records: list[MaskRecord], settings: EverythingSettings) -> list[MaskRecord]:
    """Remove small holes and islands, then duplicates; untouched masks go before changed ones.

    Predicted IoU and stability stay those of the mask before.
    """
    area, drop = settings.min_mask_region_area, settings.drop_all_small
    pairs = [clean_mask(record.mask, area, drop_all_small=drop) for record in records]
    boxes, scores = [mask.box_xyxy for mask, _ in pairs], [not touched for _, touched in pairs]
    threshold = max(settings.box_nms_thresh, settings.crop_nms_thresh)
    kept = keep_in_order(boxes, scores, threshold)
    cleaned = [replace(records[number], mask=pairs[number][0]) for number in kept]
    least = max(settings.min_mask_area, int(drop))
    return [record for record in cleaned if record.area >= least]


def _at_most(records: list[MaskRecord], count: int | None) -> list[MaskRecord]:
    """The surest and most stable, in the order they have."""
    if count is None or len(records) <= count:
        return records
    order = _ranked(records)[:count]
    return [records[number] for number in sorted(order)]


def _ranked(records: Sequence[MaskRecord]) -> list[int]:
    return sorted(
        range(len(records)),
        key=lambda one: -(records[one].predicted_iou + records[one].stability_score),
    )
