"""Points where an answer is wrong, as training places them."""

from __future__ import annotations

import torch
from torch import Tensor

from anymask.geometry.frames import LOW_RES_STRIDE_PX


def error_points(
    logits: Tensor, target: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One point a mask, anywhere in the error with equal chance.

    Args:
        logits: (N, h, w) low-res logits.
        target: (N, h, w) bool, the truth in the same cells.
        generator: chooses.

    Returns:
        Points (N, 1, 2), (x, y) in canvas pixels; labels (N, 1): 1 where the mask has to grow, 0
        where it has to shrink. Without any error, a background point outside of the truth.
    """
    wrong = (logits > 0) ^ target
    weights = torch.where(wrong.flatten(1).any(dim=1)[:, None, None], wrong, ~target)
    weights = weights.flatten(1).float()
    weights[weights.sum(dim=1) == 0] = 1  # the truth is everywhere
    cells = torch.multinomial(weights, 1, generator=generator)
    labels = target.flatten(1).gather(1, cells).long()
    width = logits.shape[-1]
    cells_xy = torch.stack([cells % width, cells.div(width, rounding_mode="floor")], dim=-1)
    # the middle of a cell, less the half pixel that the prompt encoder adds
    return (cells_xy + 0.5) * LOW_RES_STRIDE_PX - 0.5, labels
