"""How near an export is to the engine it was made from: figures, and how far they may go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


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


FLOAT = Tolerance(embedding=1e-3, logits=1e-3, iou=1e-3, mask_iou=0.99)
QUANTIZED = Tolerance(embedding=1e-3, logits=np.inf, iou=np.inf, mask_iou=0.95)
"""Of a decoder with weights in fewer bits."""


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

    @property
    def mean_mask_iou(self) -> float:
        """Mean overlap."""
        return float(np.mean(self.mask_iou))

    @property
    def lowest_mask_iou(self) -> float:
        """Overlap of the pair that overlaps least."""
        return float(np.min(self.mask_iou))

    def as_json(self) -> dict[str, Any]:
        """Figures for machines."""
        return {
            "prompts": self.prompts,
            "logits": _finite(self.logits),
            "image_logits": _finite(self.image_logits),
            "iou": _finite(self.iou),
            "mask_iou": {
                "mean": _finite(self.mean_mask_iou),
                "lowest": _finite(self.lowest_mask_iou),
            },
        }


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
            logits = largest(figures.logits, figures.image_logits)
            if not logits <= allowed.logits:
                found.append(f"{kind}: logits differ by {logits:.2g}")
            if not figures.iou <= allowed.iou:
                found.append(f"{kind}: predicted IoU differs by {figures.iou:.2g}")
            if not figures.mean_mask_iou >= allowed.mask_iou:
                found.append(f"{kind}: masks overlap by {figures.mean_mask_iou:.4f}")
        return found

    def as_json(self) -> dict[str, Any]:
        """Figures for machines; None for what is no finite number."""
        return {
            "embedding": _finite(self.embedding),
            "prompts": {kind: figures.as_json() for kind, figures in self.by_prompt.items()},
        }


def largest(*values: float) -> float:
    """The largest; not a number where one of them is not."""
    return float(np.max(values))


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
