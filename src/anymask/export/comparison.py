"""An export and the engine it was made from are asked the same, on real pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.export.exported import ExportedModel
from anymask.export.exported_backend import decode, decode_original, encode
from anymask.export.parity import Figures, Parity, Tolerance, largest
from anymask.export.parts import DECODER, ENCODER
from anymask.geometry.regions import mask_iou
from anymask.inference.backend import Decoded, PromptBatch
from anymask.inference.batching import PlacedPrompt, group, place
from anymask.inference.encoded import EncodedImage
from anymask.inference.onnx_graphs import MASK_TOKENS
from anymask.inference.segment import Model, resize
from anymask.types.progress import Progress, ProgressCallback
from anymask.types.prompt import Prompt

SIZES_HW = ((270, 640), (640, 270), (33, 57))
"""Of the pictures: wide, tall, small."""

_CLICKS = ((0.45, 0.5), (0.6, 0.55), (0.2, 0.75), (0.75, 0.3), (0.08, 0.1))
_BOXES = ((0.2, 0.15, 0.8, 0.85), (0.4, 0.4, 0.95, 0.9))
_CANDIDATE_UP_TO = 2
"""Tokens, with the padding point, up to which the published single mask is a candidate."""


def in_shapes(picture: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Parts of a picture (H, W, 3) in each of `SIZES_HW`, to compare answers on."""
    return [_cropped(picture, size_hw) for size_hw in SIZES_HW]


def _cropped(picture: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """The middle of a picture in the shape of a size, at that size."""
    (height, width), (to_h, to_w) = picture.shape[:2], size_hw
    scale = min(height / to_h, width / to_w)
    part_h, part_w = max(1, round(to_h * scale)), max(1, round(to_w * scale))
    top, left = (height - part_h) // 2, (width - part_w) // 2
    part = Image.fromarray(picture[top : top + part_h, left : left + part_w])
    return np.asarray(part.resize((to_w, to_h), Image.Resampling.BILINEAR))


def compare(
    model: Model,
    exported: ExportedModel,
    pictures: Sequence[NDArray[np.uint8]],
    tolerance: Tolerance,
    progress: ProgressCallback,
) -> Parity:
    """Ask both the same of some pictures.

    Args:
        model: what was exported.
        exported: the export.
        pictures: (H, W, 3) uint8 RGB each.
        tolerance: how far they may be apart.
        progress: called as pictures are done.

    Returns:
        What was measured; see `Parity.problems`.
    """
    parity = Parity(tolerance)
    for number, picture in enumerate(pictures, start=1):
        _compare_on(parity, model, exported, picture)
        progress(Progress("compare", number, len(pictures), "pictures"))
    return parity


def _compare_on(
    parity: Parity, model: Model, exported: ExportedModel, picture: NDArray[np.uint8]
) -> None:
    """Add what comes out on one picture."""
    ours = theirs = model.encode(picture)
    if ENCODER in exported.parts:
        embedding = encode(exported, resize(picture, ours.frame.resized_hw))
        theirs = EncodedImage(embedding, ours.frame, ours.model_id, ours.image_sha256)
        difference = _difference(embedding, ours.embedding)
        parity.embedding = largest(parity.embedding or 0.0, difference)
    if DECODER not in exported.parts:
        return
    comparison = _Comparison(model, exported, ours, theirs)
    for kind, prompts in _prompts(model, ours).items():
        placed = comparison.fitting(prompts)
        if placed:
            comparison.add(parity.by_prompt.setdefault(kind, Figures()), placed)


def _prompts(model: Model, image: EncodedImage) -> dict[str, list[Prompt]]:
    """By kind; those of a kind are asked together."""
    height, width = image.frame.size_hw
    clicks = (np.array(_CLICKS) * (width, height)).tolist()
    boxes = (np.array(_BOXES) * (width, height, width, height)).tolist()
    several, labels = [clicks[0], clicks[1], clicks[-1]], [1, 1, 0]
    former = model.segment(image, Prompt(box=boxes[0]))
    mask = former.array[0] if former.array[0].any() else np.ones((height, width), np.bool_)
    logits = former.low_res_logits[0]
    return {
        "click": [Prompt(points=[clicks[0]])],
        "clicks": [Prompt(points=several, labels=labels)],
        "box": [Prompt(box=boxes[0])],
        "box and click": [Prompt(box=boxes[0], points=[clicks[0]])],
        "mask": [Prompt(mask=mask)],
        "mask and clicks": [Prompt(mask_logits=logits, points=several, labels=labels)],
        "mixed": [
            *(Prompt(points=[click]) for click in clicks[1:]),
            Prompt(box=boxes[1]),
            Prompt(box=boxes[1], points=[clicks[1]]),
            *(Prompt(mask_logits=logits, points=[click]) for click in clicks[:2]),
        ],
    }


@dataclass(frozen=True)
class _Comparison:
    """One image, encoded by the engine and by the export."""

    model: Model
    exported: ExportedModel
    ours: EncodedImage
    theirs: EncodedImage  # the same without an encoder in the export

    def fitting(self, prompts: Iterable[Prompt]) -> list[PlacedPrompt]:
        """Prompts on the canvas, without those of more points than the export has slots for."""
        placed = [place(prompt, self.ours.frame, image=0, multimask=False) for prompt in prompts]
        slots = self.exported.slots
        most = np.inf if slots is None else slots[1]
        return [one for one in placed if np.count_nonzero(one.labels >= 0) <= most]

    def add(self, figures: Figures, placed: Sequence[PlacedPrompt]) -> None:
        """Ask both and add what comes out."""
        for _, batch in group(placed):
            figures.prompts += len(batch)
            wanted = self._wanted(batch)
            found = decode(self.exported, self.ours, batch)
            figures.logits = largest(figures.logits, _difference(found.logits, wanted.logits))
            figures.iou = largest(figures.iou, _difference(found.iou, wanted.iou))
            if self.exported.is_original:
                difference = self._image_logits_difference(batch, wanted)
                figures.image_logits = largest(figures.image_logits, difference)
            if self.theirs is not self.ours:
                found = decode(self.exported, self.theirs, batch)
            figures.mask_iou += self._mask_ious(batch, wanted, found)

    def _wanted(self, batch: PromptBatch) -> Decoded:
        """The engine's four masks, or the one that the published file chooses."""
        single, candidates = (
            self.model.backend.decode([self.ours], replace(batch, multimask=multimask))
            for multimask in (False, True)
        )
        if self.exported.answers == MASK_TOKENS:
            return Decoded(
                np.concatenate([single.logits, candidates.logits], axis=1),
                np.concatenate([single.iou, candidates.iou], axis=1),
            )
        if batch.labels.shape[1] > _CANDIDATE_UP_TO:
            return single
        best = candidates.iou.argmax(axis=1)[:, None]
        return Decoded(
            np.take_along_axis(candidates.logits, best[..., None, None], axis=1),
            np.take_along_axis(candidates.iou, best, axis=1),
        )

    def _image_logits_difference(self, batch: PromptBatch, wanted: Decoded) -> float:
        return largest(
            *(
                _difference(
                    decode_original(self.exported, self.ours, batch, row)["masks"][0],
                    self.ours.frame.logits_to_original(wanted.logits[row]),
                )
                for row in range(len(batch))
            )
        )

    def _mask_ious(self, batch: PromptBatch, wanted: Decoded, found: Decoded) -> list[float]:
        """How much the masks overlap that a user would be shown."""
        overlaps = []
        for row in range(len(batch)):
            token = _shown(batch, row, wanted.iou[row])
            pair = (
                self.ours.frame.logits_to_original(answer.logits[row, token]) > 0
                for answer in (wanted, found)
            )
            overlaps.append(mask_iou(*pair))
        return overlaps


def _shown(batch: PromptBatch, row: int, iou: NDArray[np.float32]) -> int:
    """The token whose mask is shown: the best candidate of a single point, else the single mask."""
    alone = batch.mask_logits is None and np.count_nonzero(batch.labels[row] >= 0) == 1
    return 1 + int(iou[1:].argmax()) if alone and len(iou) == MASK_TOKENS else 0


def _difference(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """The largest difference; infinity for another shape."""
    return float(np.abs(found - wanted).max()) if found.shape == wanted.shape else np.inf
