"""What ``anymask describe`` does with one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anymask.apps.describe.facts import Fact, facts_of
from anymask.apps.describe.questions import Answer, Knowledge, answer
from anymask.apps.describe.scene import description, title
from anymask.apps.describe.seen import (
    VisionLanguage,
    seen_answer,
    seen_description,
    seen_title,
)
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
MASKS, MODEL = "masks", "model"
"""Who tells something."""


@dataclass(frozen=True, slots=True)
class DescribeOrder:
    """How ``anymask describe`` works.

    Attributes:
        words: the vocabulary.
        threshold: least score of an object, or None for the scorer's own.
        questions: to be answered.
        regions: how regions are looked for.
        seen_by: a vision-language model, which then has the word before masks have.
        max_pixels: largest picture that is read.
    """

    words: tuple[str, ...]
    threshold: float | None
    questions: tuple[str, ...]
    regions: EverythingSettings
    seen_by: VisionLanguage | None
    max_pixels: int


@dataclass(frozen=True, slots=True)
class Told:
    """What is said, and who says it.

    Attributes:
        text: for people.
        source: "masks" or "model".
    """

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a question.

    Attributes:
        question: as it was asked.
        answer: what is told.
        source: "masks" or "model".
        by_masks: what the masks tell, whoever answered.
    """

    question: str
    answer: Answer
    source: str
    by_masks: Answer


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
    told_title, told_description, replies = _words(image_rgb, knowledge, order)
    names = name_regions(scorer, image_rgb, [one.mask for one in records], order.words)
    document = {
        "schema": "anymask.description/1",
        "image": image_record(job, image_rgb),
        "title": told_title.text,
        "title_source": told_title.source,
        "description": told_description.text,
        "description_source": told_description.source,
        "answers": [_answer_record(reply) for reply in replies],
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
    return {**document, "told": _told(document, replies)}, saved


def _words(
    image_rgb: NDArray[np.uint8], knowledge: Knowledge, order: DescribeOrder
) -> tuple[Told, Told, list[Reply]]:
    """Title, description and answers: of the model where there is one and it has any."""
    by_masks = [(question, answer(question, knowledge)) for question in order.questions]
    facts, model = knowledge.facts, order.seen_by
    titled, described = Told(title(facts), MASKS), Told(description(facts), MASKS)
    if model is None:
        return titled, described, [Reply(q, found, MASKS, found) for q, found in by_masks]
    seen, more = seen_title(model, image_rgb), seen_description(model, image_rgb)
    replies = []
    for question, found in by_masks:
        spoken = seen_answer(model, image_rgb, question, facts)
        source = MASKS if spoken is None else MODEL
        replies.append(Reply(question, spoken or found, source, found))
    return (
        Told(seen, MODEL) if seen else titled,
        Told(more, MODEL) if more else described,
        replies,
    )


def _told(document: dict[str, Any], replies: list[Reply]) -> list[str]:
    lines = [str(document["title"]), str(document["description"])]
    for reply in replies:
        evidence = reply.answer.evidence
        masks = ", ".join(map(str, evidence))
        told = f" [mask{'s' if len(evidence) > 1 else ''} {masks}]" if masks else ""
        lines.append(f"{reply.question} {reply.answer.text}{told}")
    return lines


def _answer_record(reply: Reply) -> dict[str, Any]:
    return {
        "question": reply.question,
        "answer": reply.answer.text,
        "known": reply.answer.known,
        "evidence": list(reply.answer.evidence),
        "source": reply.source,
        "by_masks": reply.by_masks.text,
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
