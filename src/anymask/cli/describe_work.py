"""What ``anymask describe`` does with one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from anymask.apps.describe.facts import Fact, facts_of
from anymask.apps.describe.questions import Answer, Knowledge, answer
from anymask.apps.describe.scene import description, title
from anymask.apps.detect import detect
from anymask.apps.draw import label_masks, overlay
from anymask.cli.outputs import SavedPaths, all_or_none
from anymask.cli.plan import Job
from anymask.cli.words_work import image_record, needed
from anymask.formats.records import json_text
from anymask.inference.everything.generate import everything
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.segment import Model
from anymask.io.files import save_png, write_json_atomic
from anymask.io.images import read_image
from anymask.words.naming import name_regions
from anymask.words.scorer import RegionTextScorer

KIND: Final = "description"


@dataclass(frozen=True, slots=True)
class DescribeOrder:
    """How ``anymask describe`` works.

    Attributes:
        words: the vocabulary.
        threshold: least score of an object, or None for the scorer's own.
        questions: to be answered.
        regions: how regions are looked for.
        max_pixels: largest picture that is read.
    """

    words: tuple[str, ...]
    threshold: float | None
    questions: tuple[str, ...]
    regions: EverythingSettings
    max_pixels: int


def describe_picture(
    job: Job, model: Model, scorer: RegionTextScorer | None, order: DescribeOrder
) -> tuple[dict[str, Any], SavedPaths]:
    """Describe one picture, answer the questions, and save both with a numbered picture.

    Returns:
        The description, and the files written.
    """
    scorer = needed(scorer)
    image_rgb = read_image(job.path, max_pixels=order.max_pixels)
    records = [one for one in everything(model, image_rgb, order.regions) if one.area]
    objects = detect(scorer, image_rgb, records, order.words, threshold=order.threshold)
    facts = facts_of(image_rgb, objects)
    knowledge = Knowledge(facts, order.words)
    answers = [(question, answer(question, knowledge)) for question in order.questions]
    names = name_regions(scorer, image_rgb, [one.mask for one in records], order.words)
    document = {
        "schema": "anymask.description/1",
        "image": image_record(job, image_rgb),
        "title": title(facts),
        "description": description(facts),
        "answers": [_answer_record(question, found) for question, found in answers],
        "objects": [_fact_record(one) for one in facts],
        "regions": [
            {
                "label": name.label,
                "score": round(name.score, 4),
                "area": record.area,
                "box_xyxy": list(record.box_xyxy),
            }
            for name, record in zip(names, records, strict=True)
        ],
    }
    saved: SavedPaths = {}
    with all_or_none() as written:
        painted = image_rgb
        if facts:
            painted = overlay(image_rgb, np.stack([one.record.array for one in facts]))
            texts = [f"{one.id} {one.label}" for one in facts]
            painted = label_masks(painted, [one.record.box_xyxy for one in facts], texts)
        written.append(save_png(job.names.words(KIND, "png"), painted))
        saved["png"] = [json_text(str(written[-1]))]
        written.append(write_json_atomic(job.names.words(KIND, "json"), document))
        saved["json"] = [json_text(str(written[-1]))]
    return {**document, "told": _told(document, answers)}, saved


def _told(document: dict[str, Any], answers: list[tuple[str, Answer]]) -> list[str]:
    lines = [str(document["title"]), str(document["description"])]
    for question, found in answers:
        masks = ", ".join(map(str, found.evidence))
        evidence = f" [mask{'s' if len(found.evidence) > 1 else ''} {masks}]" if masks else ""
        lines.append(f"{question} {found.text}{evidence}")
    return lines


def _answer_record(question: str, found: Answer) -> dict[str, Any]:
    return {
        "question": question,
        "answer": found.text,
        "known": found.known,
        "evidence": list(found.evidence),
    }


def _fact_record(one: Fact) -> dict[str, Any]:
    return {
        "id": one.id,
        "label": one.label,
        "score": round(one.score, 4),
        "share": round(one.share, 4),
        "place": one.place,
        "size": one.size,
        "colours": list(one.colours),
        "box_xyxy": list(one.record.box_xyxy),
        "segmentation": one.record.rle(),
        "area": one.record.area,
        "predicted_iou": round(one.record.predicted_iou, 4),
        "stability_score": round(one.record.stability_score, 4),
    }
