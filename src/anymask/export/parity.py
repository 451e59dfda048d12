"""Whether an export answers as the engine it was made from, on real prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.export.exported import ExportedModel
from anymask.export.parts import DECODER, ENCODER
from anymask.geometry.regions import mask_iou
from anymask.inference.backend import Decoded, PromptBatch
from anymask.inference.batching import PlacedPrompt, group, place
from anymask.inference.encoded import EncodedImage
from anymask.inference.onnx_graphs import MASK_TOKENS
from anymask.inference.segment import Model, resize
from anymask.types.prompt import Prompt

SIZES_HW = ((512, 512), (270, 640), (640, 270), (33, 57))
"""Of the pictures: square, wide, tall, small."""

_CLICKS = ((0.45, 0.5), (0.6, 0.55), (0.2, 0.75), (0.75, 0.3), (0.08, 0.1))
_BOXES = ((0.2, 0.15, 0.8, 0.85), (0.4, 0.4, 0.95, 0.9))
_SINGLE_UP_TO = 2
"""Tokens, with the padding point, up to which the original layout's single mask is a candidate."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an export may be from the engine.

    Attributes:
        embedding: largest difference of an embedding's numbers.
        logits: largest difference of logits, from the engine's own embedding.
        iou: largest difference of predicted IoU, likewise.
        mask_iou: lowest mean overlap of masks, from picture to mask by the export alone.
    """

    embedding: float
    logits: float
    iou: float
    mask_iou: float


FLOAT = Tolerance(embedding=1e-4, logits=1e-3, iou=1e-4, mask_iou=0.99)
INT8 = Tolerance(embedding=np.inf, logits=np.inf, iou=np.inf, mask_iou=0.9)


@dataclass
class Figures:
    """What was measured for one kind of prompt; differences are the largest there were.

    Attributes:
        prompts: how many were compared.
        logits: of low-res logits.
        image_logits: of logits at the picture's size, where the export makes them.
        iou: of predicted IoU.
        mask_iou: overlap of each pair of masks.
    """

    prompts: int = 0
    logits: float = 0.0
    image_logits: float = 0.0
    iou: float = 0.0
    mask_iou: list[float] = field(default_factory=list)


@dataclass
class Parity:
    """The outcome.

    Attributes:
        tolerance: what was allowed.
        embedding: largest difference of an embedding's numbers; None without an encoder.
        by_prompt: figures by kind of prompt; empty without a decoder.
    """

    tolerance: Tolerance
    embedding: float | None = None
    by_prompt: dict[str, Figures] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """What is beyond the tolerance, for people; not a number is."""
        found = []
        allowed = self.tolerance
        if self.embedding is not None and not self.embedding <= allowed.embedding:
            found.append(f"the embedding differs by {self.embedding:.2g}")
        for kind, figures in self.by_prompt.items():
            logits = max(figures.logits, figures.image_logits)
            if not logits <= allowed.logits:
                found.append(f"{kind}: logits differ by {logits:.2g}")
            if not figures.iou <= allowed.iou:
                found.append(f"{kind}: predicted IoU differs by {figures.iou:.2g}")
            if not np.mean(figures.mask_iou) >= allowed.mask_iou:
                found.append(f"{kind}: masks overlap by {np.mean(figures.mask_iou):.4f}")
        return found

    def as_json(self) -> dict[str, Any]:
        """Figures for machines."""
        return {
            "embedding": self.embedding,
            "prompts": {
                kind: {
                    **asdict(figures),
                    "mask_iou": {
                        "mean": float(np.mean(figures.mask_iou)),
                        "lowest": float(np.min(figures.mask_iou)),
                    },
                }
                for kind, figures in self.by_prompt.items()
            },
        }


def check_parity(
    model: Model, exported: ExportedModel, picture: NDArray[np.uint8], tolerance: Tolerance
) -> Parity:
    """Ask both the same of one picture in several sizes.

    Args:
        model: what was exported.
        exported: the export.
        picture: (H, W, 3) uint8 RGB.
        tolerance: how far they may be apart.

    Returns:
        What was measured; see `Parity.problems`.
    """
    parity = Parity(tolerance)
    for size_hw in SIZES_HW:
        image = cropped(picture, size_hw)
        ours = model.encode(image)
        theirs = ours
        if ENCODER in exported.parts:
            embedding = exported.encode(resize(image, ours.frame.resized_hw))
            theirs = EncodedImage(embedding, ours.frame, ours.model_id, ours.image_sha256)
            difference = _difference(embedding, ours.embedding)
            parity.embedding = _largest(parity.embedding or 0.0, difference)
        if len(exported.parts) > 1 or ENCODER not in exported.parts:
            comparison = _Comparison(model, exported, ours, theirs)
            for kind, prompts in _prompts(model, ours).items():
                comparison.compare(parity.by_prompt.setdefault(kind, Figures()), prompts)
    return parity


def cropped(picture: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """The middle of a picture in the shape of a size, at that size."""
    (height, width), (to_h, to_w) = picture.shape[:2], size_hw
    scale = min(height / to_h, width / to_w)
    part_h, part_w = max(1, round(to_h * scale)), max(1, round(to_w * scale))
    top, left = (height - part_h) // 2, (width - part_w) // 2
    part = Image.fromarray(picture[top : top + part_h, left : left + part_w])
    return np.asarray(part.resize((to_w, to_h), Image.Resampling.BILINEAR))


def _prompts(model: Model, image: EncodedImage) -> dict[str, list[Prompt]]:
    """By kind; those of a kind are asked together."""
    height, width = image.frame.size_hw
    clicks = (np.array(_CLICKS) * (width, height)).tolist()
    boxes = (np.array(_BOXES) * (width, height, width, height)).tolist()
    several, labels = [clicks[0], clicks[1], clicks[-1]], [1, 1, 0]
    former = model.segment(image, Prompt(box=boxes[0]))
    mask = former.array[0] if former.array[0].any() else np.ones((height, width), np.bool_)
    return {
        "click": [Prompt(points=[clicks[0]])],
        "clicks": [Prompt(points=several, labels=labels)],
        "box": [Prompt(box=boxes[0])],
        "box and click": [Prompt(box=boxes[0], points=[clicks[0]])],
        "mask": [Prompt(mask=mask)],
        "mask and clicks": [
            Prompt(mask_logits=former.low_res_logits[0], points=several, labels=labels)
        ],
        "batch": [
            *(Prompt(points=[click]) for click in clicks),
            *(Prompt(box=box) for box in boxes),
            *(Prompt(box=box, points=[click]) for box, click in zip(boxes, clicks, strict=False)),
        ],
    }


@dataclass(frozen=True)
class _Comparison:
    """One image, encoded by the engine and by the export."""

    model: Model
    exported: ExportedModel
    ours: EncodedImage
    theirs: EncodedImage

    def compare(self, figures: Figures, prompts: Sequence[Prompt]) -> None:
        """Ask both and add what comes out; prompts beyond the export's slots are left out."""
        placed = [place(prompt, self.ours.frame, image=0, multimask=False) for prompt in prompts]
        for _, batch in group([one for one in placed if self._fits(one)]):
            figures.prompts += len(batch)
            wanted = self._wanted(batch)
            found = self.exported.decode(self.ours, batch)
            figures.logits = _largest(figures.logits, _difference(found.logits, wanted.logits))
            figures.iou = _largest(figures.iou, _difference(found.iou, wanted.iou))
            if DECODER in self.exported.parts:
                self._compare_image_logits(figures, batch, wanted)
            figures.mask_iou += self._mask_ious(batch, wanted)

    def _fits(self, prompt: PlacedPrompt) -> bool:
        slots = self.exported.about["slots"]
        return slots is None or np.count_nonzero(prompt.labels >= 0) <= slots[1]

    def _wanted(self, batch: PromptBatch) -> Decoded:
        """The engine's four masks, or the one that the original layout chooses."""
        single, candidates = (
            self.model.backend.decode([self.ours], replace(batch, multimask=multimask))
            for multimask in (False, True)
        )
        if not self.exported.about["single_mask"]:
            return Decoded(
                np.concatenate([single.logits, candidates.logits], axis=1),
                np.concatenate([single.iou, candidates.iou], axis=1),
            )
        if batch.labels.shape[1] > _SINGLE_UP_TO:
            return single
        best = candidates.iou.argmax(axis=1)[:, None]
        return Decoded(
            np.take_along_axis(candidates.logits, best[..., None, None], axis=1),
            np.take_along_axis(candidates.iou, best, axis=1),
        )

    def _compare_image_logits(self, figures: Figures, batch: PromptBatch, wanted: Decoded) -> None:
        for row in range(len(batch)):
            masks = self.exported.original(self.ours, batch[row : row + 1])["masks"][0]
            difference = _difference(masks, self.ours.frame.logits_to_original(wanted.logits[row]))
            figures.image_logits = _largest(figures.image_logits, difference)

    def _mask_ious(self, batch: PromptBatch, wanted: Decoded) -> list[float]:
        """How much the masks overlap that each side chooses by itself."""
        found = self.exported.decode(self.theirs, batch)
        return [
            mask_iou(
                *(
                    self.ours.frame.logits_to_original(answer.logits[row, token]) > 0
                    for answer in (wanted, found)
                    for token in [_chosen(batch, row, answer.iou[row])]
                )
            )
            for row in range(len(batch))
        ]


def _chosen(batch: PromptBatch, row: int, iou: NDArray[np.float32]) -> int:
    """The token whose mask is shown: the best candidate of a single point, else the single mask."""
    alone = batch.mask_logits is None and np.count_nonzero(batch.labels[row] >= 0) == 1
    return 1 + int(iou[1:].argmax()) if alone and len(iou) == MASK_TOKENS else 0


def _difference(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """The largest difference; infinity for another shape."""
    return float(np.abs(found - wanted).max()) if found.shape == wanted.shape else np.inf


def _largest(*values: float) -> float:
    """Not a number where one of them is not."""
    return float(np.max(values))
