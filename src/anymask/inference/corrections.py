"""Which answer a third click gets: the single mask, or a candidate that is clearly more plausible.

The published rule answers every click after the first with token 0. After the third click, one of
the other answers is the object often enough to look at them; before and after that, token 0 is the
better start for the clicks that follow. docs/quality.md tells how this was found.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.inference.ranking import border_share, depth

FloatArray = NDArray[np.float32]

CLICKS: Final = 3
"""How many clicks a prompt has that is answered by this rule."""
FOR_SINGLE: Final = 0.4
PER_DEPTH: Final = 1.5
PER_BORDER: Final = 1.0
PER_GROWTH: Final = 0.5


def correctness(
    logits: FloatArray,
    predicted_iou: FloatArray,
    first_cell_xy: NDArray[np.floating],
    former: FloatArray,
) -> FloatArray:
    """How plausible each answer is as the correction of a mask.

    Args:
        logits: (4, h, w) all the decoder's answers, the single mask first, on the low-res cells of
            the picture, without padding.
        predicted_iou: (4,) float32.
        first_cell_xy: (1, 2) the first foreground click (x, y) in cells; (0, 2) without one.
        former: (h, w) logits of the mask that is corrected, in the same cells.

    Returns:
        (4,) float32; only their order means anything.
    """
    masks = logits > 0
    depths = np.array([depth(mask, first_cell_xy) for mask in masks])
    areas = masks.sum(axis=(1, 2))
    growth = np.log((areas + 1) / (np.count_nonzero(former > 0) + 1))
    score = (
        predicted_iou
        + PER_DEPTH * depths  # the first click was made into the middle of what is meant
        - PER_BORDER * border_share(masks)
        - PER_GROWTH * np.maximum(0, growth)  # what is corrected is seldom far too small
    )
    score[0] += FOR_SINGLE
    return np.asarray(score, np.float32)
