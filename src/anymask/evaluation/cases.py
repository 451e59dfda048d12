"""Cases to look at: every true object beside the best that was found of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.truth import Truth, size_class
from anymask.geometry import rle
from anymask.types.records import CompactMask


def best_cases(
    found: Sequence[CompactMask], truths: Sequence[Truth], ious: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """One case an object that is no crowd.

    Args:
        found: D masks of a picture.
        truths: G objects.
        ious: (D, G).
    """
    cases = []
    for column, truth in enumerate(truths):
        if truth.crowd:
            continue
        mask = truth.mask()
        best = int(np.argmax(ious[:, column])) if found else None
        prediction = np.zeros_like(mask) if best is None else found[best].array
        cases.append(
            {
                "key": truth.key,
                "category": truth.category,
                "size": size_class(int(np.count_nonzero(mask))),
                "score": 0.0 if best is None else round(float(ious[best, column]), 6),
                "truth": rle.encode(mask),
                "prediction": rle.encode(prediction),
            }
        )
    return cases
