"""The losses of Segment Anything (Kirillov et al. 2023, appendix A)."""

from __future__ import annotations

from typing import Final

from torch import Tensor
from torch.nn import functional as F

FOCAL_WEIGHT: Final = 20.0
FOCAL_ALPHA: Final = 0.25
FOCAL_GAMMA: Final = 2


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy in which what is right already counts little (Lin et al. 2017).

    Args:
        logits: (..., H, W).
        target: of a shape that broadcasts with it, 0 or 1.

    Returns:
        (...), the mean over pixels.
    """
    target = target.to(logits.dtype).expand_as(logits)
    right = logits.sigmoid() * target + (1 - logits.sigmoid()) * (1 - target)
    share = FOCAL_ALPHA * target + (1 - FOCAL_ALPHA) * (1 - target)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (share * (1 - right) ** FOCAL_GAMMA * entropy).mean(dim=(-2, -1))


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """One less the overlap of the probabilities with the truth (Milletari et al. 2016).

    Args:
        logits: (..., H, W).
        target: of a shape that broadcasts with it, 0 or 1.

    Returns:
        (...).
    """
    target = target.to(logits.dtype).expand_as(logits)
    probability = logits.sigmoid()
    common = (probability * target).sum(dim=(-2, -1))
    total = probability.sum(dim=(-2, -1)) + target.sum(dim=(-2, -1))
    return 1 - (2 * common + 1) / (total + 1)


def mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """20 focal + 1 dice, of each mask: (..., H, W) to (...)."""
    return FOCAL_WEIGHT * focal_loss(logits, target) + dice_loss(logits, target)


def actual_iou(logits: Tensor, target: Tensor) -> Tensor:
    """The IoU that a mask has, cut at 0: (..., H, W) to (...), without a gradient."""
    found, true = logits.detach() > 0, target > 0
    common = (found & true).sum(dim=(-2, -1))
    return common / (found | true).sum(dim=(-2, -1)).clamp(min=1)
