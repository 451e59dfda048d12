"""How well an answer agrees with the published code's in float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from anymask.geometry import rle
from anymask.geometry.frames import Frame

SAME_SHARE = 1e-4
"""A mask counts as the same when at most this share of the picture's pixels differs."""


def embedding(reference: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Cosine of two embeddings, and their largest difference in units of the spread."""
    first, second = reference.ravel().astype(np.float64), other.ravel().astype(np.float64)
    cosine = first @ second / (np.linalg.norm(first) * np.linalg.norm(second))
    return {
        "cosine": float(cosine),
        "max_difference_in_spreads": float(np.abs(first - second).max() / first.std()),
    }


def best_masks(logits: np.ndarray, iou: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """(N, H, W) bool: of each prompt the candidate with the best predicted IoU, at full size."""
    chosen = logits[np.arange(len(iou)), iou.argmax(axis=1)]
    frame = Frame(size_hw)
    return np.stack([frame.logits_to_original(one) > 0 for one in chosen])


def mask_ious(reference: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N,) IoU of the masks pair by pair; two empty masks agree."""
    both = (reference & other).sum(axis=(1, 2))
    either = (reference | other).sum(axis=(1, 2))
    return np.where(either == 0, 1.0, both / np.maximum(either, 1))


def summary(ious: np.ndarray) -> dict[str, float]:
    """Mean and least of the IoUs."""
    return {
        "iou_mean": float(ious.mean()),
        "iou_min": float(ious.min()),
        "prompts": len(ious),
    }


def records(reference: list[dict[str, Any]], other: list[dict[str, Any]]) -> dict[str, float]:
    """Reference masks found again, by the most similar mask in the answer."""
    if not reference or not other:
        return {"masks": len(other), "reference_masks": len(reference)}
    first, second = (_masks(some) for some in (reference, other))
    ious = _pairwise_iou(first, second)
    best, nearest = ious.max(axis=1), ious.argmax(axis=1)
    differing = (first != second[nearest]).mean(axis=1)
    return {
        "masks": len(other),
        "reference_masks": len(reference),
        "same": float((differing <= SAME_SHARE).mean()),
        "matched_at_95": float((best >= 0.95).mean()),
        "matched_at_90": float((best >= 0.9).mean()),
        "iou_mean": float(best.mean()),
    }


def _masks(some: list[dict[str, Any]]) -> np.ndarray:
    """(N, H * W) bool."""
    return np.stack([rle.decode(record["segmentation"]).ravel() for record in some])


def _pairwise_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, M); exact, since pixel counts stay below float32's last whole number for 16 MP."""
    both = first.astype(np.float32) @ second.astype(np.float32).T
    return both / (first.sum(axis=1)[:, None] + second.sum(axis=1)[None] - both)
