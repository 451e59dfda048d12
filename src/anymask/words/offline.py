"""`OfflineScorer`: words without CLIP, from a classifier of pictures and an encoder of sentences.

A region is the probabilities of ImageNet's classes, averaged in their logarithms over its views. A
phrase is how much each class is what the phrase says, by the cosine of their sentence embeddings.
Their dot product is the expected fit. A phrase that begins with a colour fits a region as far as
the rest does and half of the region, or less in proportion, has the colour: both sides are repeated
for each colour, so that it stays a dot product. This is close to ConSE (Norouzi et al. 2014), which
averages the embeddings instead of the fits and finds less (docs/text.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.inference.word_engines import Classifier, SentenceEncoder
from anymask.types.records import CompactMask
from anymask.words.classes import embedded_once, read_class_texts
from anymask.words.colours import COLOURS, colour_shares, split_colour
from anymask.words.views import region_views

FloatArray = NDArray[np.float32]

VIEW_PX: Final = 192
"""Smaller than what the classifier was trained at: as good here, and twice as fast."""
VIEW_WEIGHTS: Final = (0.7, 0.3)
"""Of the views that `region_views` gives; the region alone tells most."""
STRICTNESS: Final = 15.0
"""How fast a class's fit to a phrase falls with the cosine of their embeddings."""
PRESENCE: Final = 0.1
"""See `OfflineScorer.threshold`."""
REGIONS_AT_ONCE: Final = 16
CLASSES: Final = 1000
MOSTLY: Final = 0.5
"""Of a region's pixels: it is red if so many are."""

_ARTICLE: Final = re.compile(r"^(?:an?|the|some)\s+", re.IGNORECASE)


class OfflineScorer:
    """A scorer of what lies in the cache.

    Args:
        classifier: crops to logits of ImageNet's classes.
        sentences: texts to vectors of unit length.
        kept: file for the embedded names of the classes, which take a second; None keeps none.
    """

    name = "offline"
    threshold = PRESENCE

    def __init__(
        self, classifier: Classifier, sentences: SentenceEncoder, kept: Path | None = None
    ) -> None:
        self._classifier = classifier
        self._sentences = sentences
        self._kept = kept

    def embed_regions(
        self, image_rgb: NDArray[np.uint8], regions: Sequence[CompactMask]
    ) -> FloatArray:
        """Probabilities of ImageNet's classes, (N, 1000), and those times each colour's part.

        Returns:
            (N, 1000 (1 + C)); see `RegionTextScorer`.
        """
        parts = [np.zeros((0, CLASSES), np.float32)]
        weights = np.array(VIEW_WEIGHTS, np.float32)
        for start in range(0, len(regions), REGIONS_AT_ONCE):
            some = regions[start : start + REGIONS_AT_ONCE]
            views = np.concatenate([region_views(image_rgb, one, VIEW_PX) for one in some])
            logits = self._classifier(views).reshape(len(some), len(weights), -1)
            parts.append(_softmax(np.einsum("nvc,v->nc", logits, weights)))
        has = [np.minimum(1, colour_shares(image_rgb, one) / MOSTLY) for one in regions]
        colours = np.array(has, np.float32).reshape(-1, len(COLOURS))
        return _repeated(_with_any(colours), np.concatenate(parts))

    def embed_phrases(self, phrases: Sequence[str]) -> FloatArray:
        """How much each class is what a phrase says, at the place of its colour.

        Returns:
            (P, 1000 (1 + C)); see `RegionTextScorer`.
        """
        names = [None, *COLOURS]
        parts = [split_colour(_plain(phrase)) for phrase in phrases]
        asked = np.array([[colour == name for name in names] for colour, _ in parts], np.float32)
        return _repeated(asked.reshape(-1, len(names)), self._fits([rest for _, rest in parts]))

    def _fits(self, phrases: Sequence[str]) -> FloatArray:
        """How much each class is what a phrase says, (P, 1000)."""
        starts, embedded = self._class_texts
        cosines = self._sentences(phrases) @ embedded.T
        best = np.maximum.reduceat(cosines, starts, axis=1)  # of the texts of each class
        return np.asarray(np.exp(STRICTNESS * (best - 1)), np.float32)

    @cached_property
    def _class_texts(self) -> tuple[NDArray[np.intp], FloatArray]:
        """Where each class's texts begin, and all texts embedded."""
        table = read_class_texts()
        starts = np.flatnonzero(np.diff(table.owner, prepend=-1))
        return starts, embedded_once(table.texts, self._sentences, self._kept)


def _plain(phrase: str) -> str:
    """Without the article: class names have none."""
    return _ARTICLE.sub("", " ".join(phrase.split())) or phrase


def _with_any(colours: FloatArray) -> FloatArray:
    """(N, C) to (N, 1 + C): whatever its colour, a region has some."""
    return np.concatenate([np.ones((len(colours), 1), np.float32), colours], axis=1)


def _repeated(colours: FloatArray, classes: FloatArray) -> FloatArray:
    """(N, 1 + C) times (N, K), row by row: (N, (1 + C) K)."""
    rows = colours[:, :, None] * classes[:, None, :]
    return rows.reshape(len(rows), colours.shape[1] * classes.shape[1])


def _softmax(logits: FloatArray) -> FloatArray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
