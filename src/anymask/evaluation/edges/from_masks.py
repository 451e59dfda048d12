"""Edges from masks (paper, section 7.2 and appendix D.2): where probabilities of masks fall off.

A grid of points gives three masks each; of those whose boxes overlap the surest stays. The Sobel
gradient of each mask's probability counts on the pixels just outside of the mask; the largest of
all masks is a pixel's strength.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

from anymask.evaluation.edges.thin import thinned
from anymask.geometry.boxes import box_from_mask
from anymask.geometry.frames import Frame
from anymask.geometry.grids import point_grid
from anymask.inference.encoded import EncodedImage
from anymask.inference.everything.suppress import keep_in_order
from anymask.inference.segment import Model
from anymask.types.prompt import Prompt

Floats = NDArray[np.float64]
LowRes = NDArray[np.float32]

POINTS_AT_ONCE: Final = 32
_RIM_PX: Final = 2


def mask_edges(model: Model, image: EncodedImage, *, per_side: int, overlap: float) -> Floats:
    """Edges of everything that a grid of points finds.

    Args:
        model: what to segment with.
        image: the picture.
        per_side: points on each side of the grid.
        overlap: of boxes, above which the lesser of two masks goes.

    Returns:
        (H, W) in 0..1, thin.
    """
    frame = image.frame
    strength = np.zeros(frame.size_hw)
    for logits in _kept(model, image, per_side, overlap):
        _add(strength, frame.logits_to_original(logits))
    low, high = float(strength.min()), float(strength.max())
    return thinned((strength - low) / max(high - low, 1e-12))


def _kept(model: Model, image: EncodedImage, per_side: int, overlap: float) -> Iterator[LowRes]:
    """Low-res logits of the masks that stay."""
    height, width = image.frame.size_hw
    points = point_grid(per_side) * (width, height)
    logits: list[LowRes] = []
    scores: list[float] = []
    for start in range(0, len(points), POINTS_AT_ONCE):
        prompts = [Prompt(points=[point]) for point in points[start : start + POINTS_AT_ONCE]]
        masks = model.segment(image, prompts, multimask=True)
        logits += list(masks.candidate_logits)
        scores += map(float, masks.candidate_iou)
    boxes = [_box(image.frame, one) for one in logits]
    for number in keep_in_order(boxes, scores, overlap):
        if boxes[number][2]:
            yield logits[number]


def _box(frame: Frame, logits: LowRes) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box_from_mask(frame.logits_to_original(logits) > 0).tolist()
    return x0, y0, x1, y1


def _add(strength: Floats, logits: NDArray[np.float32]) -> None:
    """Raise the strength where this mask ends."""
    mask = logits > 0
    x0, y0, x1, y1 = box_from_mask(mask).tolist()
    part = (
        slice(max(0, y0 - _RIM_PX), y1 + _RIM_PX),
        slice(max(0, x0 - _RIM_PX), x1 + _RIM_PX),
    )
    probability = expit(logits[part].astype(np.float64))
    slope = np.hypot(ndimage.sobel(probability, axis=0), ndimage.sobel(probability, axis=1))
    rim = ndimage.binary_dilation(mask[part], np.ones((3, 3))) & ~mask[part]
    np.maximum(strength[part], np.where(rim, slope, 0.0), out=strength[part])
