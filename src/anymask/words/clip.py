"""`ClipScorer`: words by a CLIP model of yours."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.errors import MissingExtraError
from anymask.types.records import CompactMask
from anymask.words.views import region_views

FloatArray = NDArray[np.float32]

VIEW_PX: Final = 336
VIEW_WEIGHTS: Final = (0.5, 0.5)
"""Of the region alone and with what is around it."""
TEMPLATE: Final = "a photo of {}"
PRESENCE: Final = 0.25
"""Cosine above which published CLIP models mostly mean it."""


class Network(Protocol):
    """What a CLIP model does, see `anymask.nn.text.clip.ClipNetwork`."""

    def embed_pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> FloatArray:
        """Pictures to unit vectors."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """Texts to unit vectors."""
        ...


class ClipScorer:
    """A scorer that is a CLIP model; scores are cosines.

    Args:
        network: the model.
    """

    name = "clip"
    threshold = PRESENCE

    def __init__(self, network: Network) -> None:
        self._network = network

    @classmethod
    def load(cls, name: str | PathLike[str], *, offline: bool = False) -> ClipScorer:
        """The scorer of a model of Hugging Face's layout.

        Args:
            name: a folder, or the name of a model on the hub, which is fetched by `transformers`.
            offline: never use the network.

        Raises:
            WeightsError: there is no such model, or it is no CLIP.
            MissingExtraError: PyTorch or ``transformers`` is not installed.
        """
        try:
            from anymask.nn.text.clip import ClipNetwork
        except ImportError as error:
            raise MissingExtraError("torch", "clip", "for a CLIP model") from error
        return cls(ClipNetwork(name, offline=offline))

    def embed_regions(
        self, image_rgb: NDArray[np.uint8], regions: Sequence[CompactMask]
    ) -> FloatArray:
        """The mean of a region's views, of unit length; see `RegionTextScorer`."""
        views = [view for one in regions for view in region_views(image_rgb, one, VIEW_PX)]
        embedded = self._network.embed_pictures(views)
        weights = np.array(VIEW_WEIGHTS, np.float32)
        means = np.einsum(
            "nvd,v->nd", embedded.reshape(-1, len(weights), embedded.shape[1]), weights
        )
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return np.asarray(means / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)

    def embed_phrases(self, phrases: Sequence[str]) -> FloatArray:
        """Phrases as CLIP was trained on them; see `RegionTextScorer`."""
        return self._network.embed_texts([TEMPLATE.format(phrase) for phrase in phrases])
