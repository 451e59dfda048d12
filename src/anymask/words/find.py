"""Masks for phrases: the regions that everything mode finds, each scored against each phrase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.geometry.regions import remove_small_regions
from anymask.inference.everything.generate import everything
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.segment import ColorOrder, Model, Picture, read_picture
from anymask.types.progress import ProgressCallback
from anymask.types.records import CompactMask, MaskRecord
from anymask.words.naming import check_phrases
from anymask.words.scorer import RegionTextScorer, score

REGIONS: Final = EverythingSettings(
    points_per_side=16, pred_iou_thresh=0.7, stability_score_thresh=0.8
)
"""A coarse grid with loose thresholds: on everyday photos it finds half as many objects again as
the published settings, in a third of the time; what a region is worth, the words tell."""
SAME: Final = 0.5
"""Two masks that overlap by this IoU show one object."""
WITHIN: Final = 0.85
"""A mask that lies in another by this share of its area is a part of it."""
PIECE: Final = 0.01
"""A piece of a mask that is a smaller share of it is a stray one,"""
STRAY: Final = 0.1
"""unless such pieces make more than this share of it, as in the leaves of a tree."""


@dataclass(frozen=True, slots=True)
class Found:
    """One mask for a phrase.

    Attributes:
        record: the mask.
        score: how well it fits, 0..1.
    """

    record: MaskRecord
    score: float


@dataclass(frozen=True, slots=True)
class PhraseResult:
    """What was found for a phrase.

    Attributes:
        phrase: as it was asked.
        presence: the best score of any region, 0..1: how likely there is such a thing at all.
        found: masks above the threshold, best first; none is a normal answer.
    """

    phrase: str
    presence: float
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSettings:
    """How phrases are matched.

    Attributes:
        threshold: least score; None takes the scorer's own.
        most: masks a phrase at most; None keeps all.
        negative: phrases for what is not wanted: a region that fits one of them better is left out.
        regions: how everything mode looks for regions.
    """

    threshold: float | None = None
    most: int | None = None
    negative: tuple[str, ...] = ()
    regions: EverythingSettings = REGIONS


def segment_text(
    model: Model,
    scorer: RegionTextScorer,
    image: Picture,
    phrases: Sequence[str],
    settings: TextSettings | None = None,
    *,
    color: ColorOrder = "RGB",
    progress: ProgressCallback | None = None,
) -> list[PhraseResult]:
    """Masks for phrases, each phrase by itself.

    Args:
        model: finds the regions.
        scorer: tells what they are, see `anymask.words.load.load_scorer`.
        image: a picture.
        phrases: such as "a dog"; every label in the answer is one of these.
        settings: left out, the scorer's own threshold.
        color: order of the channels of arrays.
        progress: called while regions are looked for.

    Returns:
        One result a phrase, in their order.

    Raises:
        ImageError: a picture that cannot be read.
        PromptError: no phrase, or an empty one.

    Example:
        >>> results = segment_text(model, scorer, "photo.jpg", ["a cup"])  # doctest: +SKIP
    """
    settings = settings or TextSettings()
    check_phrases(phrases, "phrases")
    image_rgb = read_picture(image, color)
    records = everything(model, image_rgb, settings.regions, progress=progress)
    return match_phrases(scorer, image_rgb, records, phrases, settings)


def match_phrases(
    scorer: RegionTextScorer,
    image_rgb: NDArray[np.uint8],
    records: Sequence[MaskRecord],
    phrases: Sequence[str],
    settings: TextSettings | None = None,
) -> list[PhraseResult]:
    """Masks for phrases among masks that are there already.

    Args:
        scorer: tells what they are.
        image_rgb: (H, W, 3) uint8.
        records: masks of the picture's size.
        phrases: such as "a dog".
        settings: see `segment_text`.

    Returns:
        One result a phrase, in their order.

    Raises:
        PromptError: no phrase, or an empty one.
    """
    check_phrases(phrases, "phrases")
    return match_regions(scorer, Regions.of(scorer, image_rgb, records), phrases, settings)


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Masks of a picture as a scorer sees them, to be asked for many phrases.

    Attributes:
        records: N masks, none of them empty.
        embedded: (N, D) float32 of `RegionTextScorer.embed_regions`.
    """

    records: tuple[MaskRecord, ...]
    embedded: NDArray[np.float32]

    @classmethod
    def of(
        cls, scorer: RegionTextScorer, image_rgb: NDArray[np.uint8], records: Sequence[MaskRecord]
    ) -> Regions:
        """Look at masks of an (H, W, 3) uint8 picture; empty ones are left out."""
        there = tuple(one for one in records if one.area)
        return cls(there, scorer.embed_regions(image_rgb, [one.mask for one in there]))


def match_regions(
    scorer: RegionTextScorer,
    regions: Regions,
    phrases: Sequence[str],
    settings: TextSettings | None = None,
) -> list[PhraseResult]:
    """Masks for phrases among regions that were looked at already.

    Args:
        scorer: the one that looked.
        regions: of one picture.
        phrases: such as "a dog".
        settings: see `segment_text`.

    Returns:
        One result a phrase, in their order.

    Raises:
        PromptError: no phrase, or an empty one.
    """
    settings = settings or TextSettings()
    asked = check_phrases(phrases, "phrases")
    unwanted = check_phrases(settings.negative, "negative") if settings.negative else []
    records = regions.records
    scores = score(regions.embedded, scorer.embed_phrases([*asked, *unwanted]))
    wanted = scores[:, : len(asked)]
    least = scorer.threshold if settings.threshold is None else settings.threshold
    limits = np.full(len(records), least)
    if unwanted:
        limits = np.maximum(limits, scores[:, len(asked) :].max(axis=1, initial=0))
    results = []
    for phrase, column in zip(asked, wanted.T, strict=True):
        fitting = [Found(records[row], float(column[row])) for row in _over(column, limits)]
        kept = apart(fitting)[: settings.most]
        clean = tuple(replace(one, record=without_strays(one.record)) for one in kept)
        results.append(PhraseResult(phrase, float(column.max(initial=0)), clean))
    return results


def _over(scores: NDArray[np.float32], limits: NDArray[np.float64]) -> list[int]:
    """Rows above their limits, best first."""
    order = np.argsort(-scores, kind="stable")
    return [int(row) for row in order if scores[row] >= limits[row]]


def apart(found: Sequence[Found]) -> tuple[Found, ...]:
    """Each object once: without masks that show the same as a better one, or a part of it.

    Args:
        found: best first.

    Returns:
        Those that stay, in the same order.
    """
    kept: list[Found] = []
    for one in found:
        if not any(_one_object(one.record, other.record) for other in kept):
            kept.append(one)
    return tuple(kept)


def without_strays(record: MaskRecord) -> MaskRecord:
    """A mask without the small pieces that lie about it.

    They are taken away from what is shown, not before: what a region looks like to a scorer was
    tuned with them.
    """
    mask = record.mask
    crop, changed = remove_small_regions(mask.crop, PIECE * mask.area, "islands")
    if not changed or np.count_nonzero(crop) < (1 - STRAY) * mask.area:
        return record
    return replace(record, mask=CompactMask.from_crop(crop, mask.box_xyxy[:2], mask.size_hw))


def _one_object(a: MaskRecord, b: MaskRecord) -> bool:
    common = _common(a, b)
    return common > SAME * (a.area + b.area - common) or common > WITHIN * min(a.area, b.area)


def _common(a: MaskRecord, b: MaskRecord) -> int:
    """Pixels that two masks share."""
    x0, y0 = np.maximum(a.box_xyxy[:2], b.box_xyxy[:2])
    x1, y1 = np.minimum(a.box_xyxy[2:], b.box_xyxy[2:])
    if x1 <= x0 or y1 <= y0:
        return 0
    parts = [
        one.mask.crop[
            y0 - one.box_xyxy[1] : y1 - one.box_xyxy[1], x0 - one.box_xyxy[0] : x1 - one.box_xyxy[0]
        ]
        for one in (a, b)
    ]
    return int(np.count_nonzero(parts[0] & parts[1]))
