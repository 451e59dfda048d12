"""Names for regions, out of the caller's own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.types.records import CompactMask
from anymask.words.scorer import RegionTextScorer, score


@dataclass(frozen=True, slots=True)
class Name:
    """What a region is taken to be.

    Attributes:
        label: one of the caller's words.
        score: how well it fits, 0..1.
        sure: its share among all the words' scores, 0..1: 1 where no other word fits at all.
    """

    label: str
    score: float
    sure: float


def name_regions(
    scorer: RegionTextScorer,
    image_rgb: NDArray[np.uint8],
    regions: Sequence[CompactMask],
    words: Sequence[str],
) -> list[Name]:
    """The best word for each region.

    Args:
        scorer: see `anymask.words.load.load_scorer`.
        image_rgb: (H, W, 3) uint8.
        regions: N masks of the picture's size, none of them empty.
        words: to choose from.

    Returns:
        N names. Each region gets one, however little it fits; `Name.score` tells.

    Raises:
        PromptError: no words, or an empty one.
    """
    checked = check_phrases(words, "words")
    scores = score(scorer.embed_regions(image_rgb, regions), scorer.embed_phrases(checked))
    best = scores.argmax(axis=1)
    totals = np.maximum(scores.sum(axis=1), np.finfo(np.float32).tiny)
    return [
        Name(checked[word], float(row[word]), float(row[word] / total))
        for word, row, total in zip(best, scores, totals, strict=True)
    ]


def check_phrases(phrases: Sequence[str], name: str) -> list[str]:
    """Phrases without surrounding blanks.

    Args:
        phrases: texts.
        name: what errors call them.

    Raises:
        PromptError: none, something else than texts, or an empty one.
    """
    if isinstance(phrases, str):
        raise PromptError(f"{name} is one text; give a list, such as [{phrases!r}]")
    found = list(phrases)
    if not found:
        raise PromptError(f"{name} is empty; give at least one, such as 'a dog'")
    for number, phrase in enumerate(found):
        if not isinstance(phrase, str) or not phrase.strip():
            raise PromptError(f"{name}[{number}] is {phrase!r}; give words, such as 'a dog'")
    return [" ".join(phrase.split()) for phrase in found]
