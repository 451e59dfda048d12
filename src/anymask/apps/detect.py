"""Objects with masks, boxes and labels: the regions of a picture, named out of a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anymask.formats.detections import LabelledBox, LabelledMask
from anymask.inference.encoded import EncodedImage
from anymask.inference.segment import Model
from anymask.types.prompt import Prompt
from anymask.types.records import CompactMask, MaskRecord
from anymask.words.find import Found, apart, without_strays
from anymask.words.naming import name_regions
from anymask.words.scorer import RegionTextScorer


def detect(
    scorer: RegionTextScorer,
    image_rgb: NDArray[np.uint8],
    records: Sequence[MaskRecord],
    vocabulary: Sequence[str],
    *,
    threshold: float | None = None,
) -> list[LabelledMask]:
    """The regions that a word fits, each object once.

    Args:
        scorer: tells what regions are, see `anymask.words.load.load_scorer`.
        image_rgb: (H, W, 3) uint8.
        records: regions of the picture, such as those of everything mode.
        vocabulary: words to choose from.
        threshold: least score; None takes the scorer's own.

    Returns:
        Best first; none at all is a normal answer.

    Raises:
        PromptError: an empty vocabulary.
    """
    least = scorer.threshold if threshold is None else threshold
    records = [one for one in records if one.area]
    names = name_regions(scorer, image_rgb, [one.mask for one in records], vocabulary)
    order = np.argsort([-name.score for name in names], kind="stable")
    fitting = [int(row) for row in order if names[row].score >= least]
    labels = {id(records[row]): names[row].label for row in fitting}
    kept = apart([Found(records[row], names[row].score) for row in fitting])
    return [
        LabelledMask(labels[id(one.record)], one.score, without_strays(one.record)) for one in kept
    ]


def label_boxes(
    model: Model,
    image: EncodedImage,
    boxes: Sequence[LabelledBox],
) -> list[LabelledMask]:
    """A detector's boxes as masks.

    Args:
        model: segments.
        image: encoded by it.
        boxes: in pixels of the picture; what is outside of it is cut off.

    Returns:
        One object a box whose mask is not empty, in the same order, with the detector's labels.
    """
    if not boxes:
        return []
    height, width = image.frame.size_hw
    sides = np.clip(np.array([one.box_xyxy for one in boxes]), 0, [width, height, width, height])
    masks = model.segment(image, [Prompt(box=box) for box in sides])
    whole = (0, 0, width, height)
    objects = []
    for row, (box, side) in enumerate(zip(boxes, sides, strict=True)):
        one = masks[row]
        middle = (float(side[0] + side[2]) / 2, float(side[1] + side[3]) / 2)
        record = MaskRecord(
            CompactMask.from_array(one.array[0]),
            float(one.predicted_iou[0]),
            float(one.stability[0]),
            middle,
            whole,
        )
        objects.append(LabelledMask(box.label, box.score, record))
    return [one for one in objects if one.record.area]


def name_unlabelled(
    scorer: RegionTextScorer,
    image_rgb: NDArray[np.uint8],
    objects: Sequence[LabelledMask],
    vocabulary: Sequence[str],
) -> list[LabelledMask]:
    """Labels for the objects that have none; the others keep theirs.

    Args:
        scorer: tells what regions are.
        image_rgb: (H, W, 3) uint8.
        objects: of the picture.
        vocabulary: words to choose from.

    Returns:
        The objects in the same order.
    """
    unnamed = [one for one in objects if not one.label]
    if not unnamed:
        return list(objects)
    names = iter(name_regions(scorer, image_rgb, [one.record.mask for one in unnamed], vocabulary))
    return [one if one.label else replace(one, label=next(names).label) for one in objects]
