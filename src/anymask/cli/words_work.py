"""What ``anymask text`` and ``anymask detect`` do with one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anymask.apps.detect import detect, label_boxes, name_unlabelled
from anymask.apps.draw import label_masks, overlay
from anymask.apps.faces import FACE, FaceFinder
from anymask.cli.exits import UsageError
from anymask.cli.outputs import SavedPaths, all_or_none
from anymask.cli.plan import FoundImage, Job, OutputNames
from anymask.formats.detections import (
    LabelledMask,
    coco_detections,
    csv_lines,
    read_boxes,
    yolo_lines,
)
from anymask.formats.records import json_text
from anymask.inference.everything.generate import everything
from anymask.inference.segment import Model
from anymask.io.files import save_png, write_json_atomic, write_text_atomic
from anymask.io.images import read_image
from anymask.types.prompt import Prompt
from anymask.types.records import CompactMask, MaskRecord
from anymask.words.find import PhraseResult, TextSettings, match_phrases
from anymask.words.scorer import RegionTextScorer
from anymask.words.token import TokenPrompter

TEXT: Final = "text"
DETECTIONS: Final = "detections"
TEXT_KINDS: Final = ("overlay", "mask", "json")
DETECTION_KINDS: Final = ("coco", "yolo", "csv", "png")


@dataclass(frozen=True, slots=True)
class TextOrder:
    """How ``anymask text`` works.

    Attributes:
        phrases: what is looked for.
        settings: how.
        token: file of a text token, or None to choose among regions.
        kinds: of `TEXT_KINDS`.
        max_pixels: largest picture that is read.
    """

    phrases: tuple[str, ...]
    settings: TextSettings
    token: Path | None
    kinds: tuple[str, ...]
    max_pixels: int


@dataclass(frozen=True, slots=True)
class DetectOrder:
    """How ``anymask detect`` works.

    Attributes:
        words: the vocabulary.
        threshold: least score, or None for the scorer's own.
        boxes: file of a detector's boxes, or None to look for regions.
        faces: what finds faces, or None where "face" is a word like others.
        settings: how regions are looked for.
        kinds: of `DETECTION_KINDS`.
        max_pixels: largest picture that is read.
    """

    words: tuple[str, ...]
    threshold: float | None
    boxes: Path | None
    faces: FaceFinder | None
    settings: TextSettings
    kinds: tuple[str, ...]
    max_pixels: int

    @property
    def scored_words(self) -> tuple[str, ...]:
        """The words that a scorer chooses from."""
        return tuple(word for word in self.words if self.faces is None or word != FACE)


def parse_words(text: str, known: Sequence[str], option: str) -> tuple[str, ...]:
    """Some of the known kinds, in their order.

    Raises:
        UsageError: none, or another.
    """
    wanted = {word.strip() for word in text.split(",") if word.strip()}
    unknown = sorted(wanted.difference(known))
    if unknown or not wanted:
        told = repr(unknown[0]) if unknown else "nothing"
        raise UsageError(f"{option} names {told}; give one or more of {','.join(known)}")
    return tuple(kind for kind in known if kind in wanted)


def find_text(
    job: Job, model: Model, scorer: RegionTextScorer | None, order: TextOrder
) -> tuple[dict[str, Any], SavedPaths]:
    """Look for the phrases in one picture and save what was found.

    Returns:
        What was found, and the files written.
    """
    scorer = needed(scorer)
    image_rgb = read_image(job.path, max_pixels=order.max_pixels)
    if order.token is not None:
        results = _by_token(job, model, TokenPrompter.load(scorer, order.token), image_rgb, order)
    else:
        records = _regions(job, model, image_rgb, order.settings)
        results = match_phrases(scorer, image_rgb, records, order.phrases, order.settings)
    objects = [
        LabelledMask(result.phrase, one.score, one.record)
        for result in results
        for one in result.found
    ]
    document = {
        "schema": "anymask.text/1",
        "image": image_record(job, image_rgb),
        "model": {"id": model.model_id, "architecture": model.architecture},
        "scorer": scorer.name,
        "phrases": [
            {"phrase": one.phrase, "presence": round(one.presence, 4), "found": len(one.found)}
            for one in results
        ],
        "objects": [_object_record(number, one) for number, one in enumerate(objects)],
    }
    saved = _save_text(job.names, image_rgb, objects, document, order.kinds)
    return {**document, "told": _told(results)}, saved


def _by_token(
    job: Job,
    model: Model,
    prompter: TokenPrompter,
    image_rgb: NDArray[np.uint8],
    order: TextOrder,
) -> list[PhraseResult]:
    """What each phrase prompts, beside the picture's prompt where there is one."""
    beside = job.specs[0].load() if job.specs else None
    return prompter.segment(model, image_rgb, order.phrases, order.settings, beside=beside)


def find_detections(
    job: Job, model: Model, scorer: RegionTextScorer | None, order: DetectOrder
) -> tuple[dict[str, Any], SavedPaths]:
    """Name the objects of one picture and save them.

    Args:
        job: the picture.
        model: finds regions, or the masks of boxes.
        scorer: None where a detector told all labels.
        order: how.

    Returns:
        What was found, and the files written.
    """
    image_rgb = read_image(job.path, max_pixels=order.max_pixels)
    if order.boxes is not None:
        boxes = read_boxes(order.boxes, job.path.name)
        objects = label_boxes(model, model.encode(image_rgb), boxes)
        if scorer is not None:
            objects = name_unlabelled(scorer, image_rgb, objects, order.words)
    else:
        objects = _detected(model, scorer, image_rgb, order)
    objects = objects[: order.settings.most]
    saved = _save_detections(job, image_rgb, objects, order)
    counts: dict[str, int] = {}
    for one in objects:
        counts[one.label] = counts.get(one.label, 0) + 1
    document = {
        "schema": "anymask.detections/1",
        "image": image_record(job, image_rgb),
        "objects": [_object_record(number, one) for number, one in enumerate(objects)],
        "told": [f"{label}: {number}" for label, number in sorted(counts.items())],
    }
    return document, saved


def _detected(
    model: Model, scorer: RegionTextScorer | None, image_rgb: NDArray[np.uint8], order: DetectOrder
) -> list[LabelledMask]:
    """What the words fit, and faces where they are looked for; best first."""
    objects: list[LabelledMask] = []
    words = order.scored_words
    if words:
        records = everything(model, image_rgb, order.settings.regions)
        objects = detect(needed(scorer), image_rgb, records, words, threshold=order.threshold)
    if order.faces is not None:
        found = [box for box in order.faces(image_rgb) if box.score >= (order.threshold or 0)]
        objects += label_boxes(model, model.encode(image_rgb), found) if found else []
    return sorted(objects, key=lambda one: -one.score)


def labels_missing(boxes: Path, images: Sequence[FoundImage]) -> bool:
    """Whether some box for these pictures has no label, so that a scorer has to name it.

    Raises:
        FileFormatError: a file that is no list of boxes.
    """
    return any(not box.label for image in images for box in read_boxes(boxes, image.path.name))


def needed(scorer: RegionTextScorer | None) -> RegionTextScorer:
    """The scorer, of a command that cannot do without.

    Raises:
        UsageError: there is none.
    """
    if scorer is None:
        raise UsageError("a scorer of words is needed here; give --scorer offline")
    return scorer


def _regions(
    job: Job, model: Model, image_rgb: NDArray[np.uint8], settings: TextSettings
) -> list[MaskRecord]:
    """The regions to score: all of the picture, or what its prompts may mean."""
    if not job.specs:
        return everything(model, image_rgb, settings.regions)
    encoded = model.encode(image_rgb)
    prompts = [spec.load() for spec in job.specs]
    masks = model.segment(encoded, prompts, multimask=True)
    height, width = image_rgb.shape[:2]
    records = []
    for row, prompt in enumerate(prompts):
        candidates = masks.candidates(row)
        for one in candidates:
            mask = CompactMask.from_array(one.array[0])
            place = _place(prompt, mask)
            iou, stability = float(one.predicted_iou[0]), float(one.stability[0])
            records.append(MaskRecord(mask, iou, stability, place, (0, 0, width, height)))
    return records


def _place(prompt: Prompt, mask: CompactMask) -> tuple[float, float]:
    """A point of the prompt, else the middle of the mask."""
    if len(prompt.points_xy):
        return float(prompt.points_xy[0][0]), float(prompt.points_xy[0][1])
    x0, y0, x1, y1 = mask.box_xyxy
    return (x0 + x1) / 2, (y0 + y1) / 2


def _save_text(
    names: OutputNames,
    image_rgb: NDArray[np.uint8],
    objects: Sequence[LabelledMask],
    document: dict[str, Any],
    kinds: Sequence[str],
) -> SavedPaths:
    saved: SavedPaths = {kind: [] for kind in kinds}
    with all_or_none() as written:
        if "overlay" in kinds:
            path = names.words(TEXT, "png")
            written.append(save_png(path, _drawn(image_rgb, objects)))
            saved["overlay"].append(json_text(str(path)))
        if "mask" in kinds:
            for number, one in enumerate(objects):
                path = names.words_mask(TEXT, number)
                written.append(save_png(path, one.record.array))
                saved["mask"].append(json_text(str(path)))
        if "json" in kinds:
            written.append(write_json_atomic(names.words(TEXT, "json"), document))
            saved["json"].append(json_text(str(written[-1])))
    return saved


def _save_detections(
    job: Job, image_rgb: NDArray[np.uint8], objects: Sequence[LabelledMask], order: DetectOrder
) -> SavedPaths:
    file_name = json_text(job.path.name)
    size_hw = (image_rgb.shape[0], image_rgb.shape[1])
    words = order.words
    writers: dict[str, Callable[[], Path]] = {
        "coco": lambda: write_json_atomic(
            job.names.words(DETECTIONS, "json"),
            coco_detections(file_name, size_hw, objects, words),
        ),
        "yolo": lambda: write_text_atomic(
            job.names.words(DETECTIONS, "txt"), yolo_lines(size_hw, objects, words)
        ),
        "csv": lambda: write_text_atomic(
            job.names.words(DETECTIONS, "csv"), csv_lines(file_name, objects)
        ),
        "png": lambda: save_png(job.names.words(DETECTIONS, "png"), _drawn(image_rgb, objects)),
    }
    saved: SavedPaths = {}
    with all_or_none() as written:
        for kind in order.kinds:
            written.append(writers[kind]())
            saved[kind] = [json_text(str(written[-1]))]
    return saved


def _drawn(image_rgb: NDArray[np.uint8], objects: Sequence[LabelledMask]) -> NDArray[np.uint8]:
    """The objects painted over their picture, each with its label."""
    if not objects:
        return image_rgb
    painted = overlay(image_rgb, np.stack([one.record.array for one in objects]))
    texts = [f"{one.label} {one.score:.2f}" for one in objects]
    return label_masks(painted, [one.record.box_xyxy for one in objects], texts)


def image_record(job: Job, image_rgb: NDArray[np.uint8]) -> dict[str, Any]:
    """The picture for machines."""
    height, width = image_rgb.shape[:2]
    return {"file": json_text(str(job.path)), "width": width, "height": height}


def _object_record(number: int, one: LabelledMask) -> dict[str, Any]:
    return {
        "id": number,
        "label": one.label,
        "score": round(one.score, 4),
        "segmentation": one.record.rle(),
        "area": one.record.area,
        "box_xyxy": list(one.record.box_xyxy),
        "predicted_iou": round(one.record.predicted_iou, 4),
        "stability_score": round(one.record.stability_score, 4),
    }


def _told(results: Sequence[PhraseResult]) -> list[str]:
    lines = []
    for one in results:
        scores = ", ".join(f"{found.score:.2f}" for found in one.found)
        told = f"{len(one.found)} found, scores {scores}" if one.found else "none found"
        lines.append(f"{one.phrase}: {told} (presence {one.presence:.2f})")
    return lines


def with_preset(settings: TextSettings, exact: bool) -> TextSettings:
    """The settings with the regions of everything mode's exact preset, if asked for."""
    from anymask.inference.everything.presets import PRESETS

    return replace(settings, regions=PRESETS["exact"]) if exact else settings
