"""`RegionTextScorer`: what can say how well phrases fit regions of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.types.records import CompactMask

FloatArray = NDArray[np.float32]


class RegionTextScorer(Protocol):
    """Regions and phrases in one space, where the dot product says how well they fit."""

    @property
    def name(self) -> str:
        """Which scorer this is, such as "offline"."""
        ...

    @property
    def threshold(self) -> float:
        """The score above which a phrase is taken to fit, unless the caller says otherwise."""
        ...

    def embed_regions(
        self, image_rgb: NDArray[np.uint8], regions: Sequence[CompactMask]
    ) -> FloatArray:
        """Regions of one picture.

        Args:
            image_rgb: (H, W, 3) uint8.
            regions: N masks of the picture's size, none of them empty.

        Returns:
            (N, D) float32.
        """
        ...

    def embed_phrases(self, phrases: Sequence[str]) -> FloatArray:
        """Phrases, such as "a dog".

        Args:
            phrases: P texts.

        Returns:
            (P, D) float32; every row depends on its own phrase alone.
        """
        ...


def score(regions: FloatArray, phrases: FloatArray) -> FloatArray:
    """How well each phrase fits each region.

    Args:
        regions: (N, D) of `RegionTextScorer.embed_regions`.
        phrases: (P, D) of `RegionTextScorer.embed_phrases`.

    Returns:
        (N, P) float32 in 0..1; only scores of one scorer can be compared.
    """
    return np.asarray(np.clip(regions @ phrases.T, 0, 1), np.float32)
