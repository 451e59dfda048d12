"""`ClipScorer`: words by a CLIP model of yours."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.errors import MissingExtraError, WeightsError
from anymask.types.records import CompactMask
from anymask.words.views import region_views

FloatArray = NDArray[np.float32]

VIEW_PX: Final = 336
VIEW_WEIGHTS: Final = (0.5, 0.5)
"""Of the region alone and with what is around it."""
TEMPLATE: Final = "a photo of {}"
PRESENCE: Final = 0.25
"""Cosine above which published CLIP models mostly mean it."""


OPEN_CLIP: Final = "open_clip:"
"""Before the name of a model that OpenCLIP fetches."""


class Network(Protocol):
    """What a CLIP model does, see `anymask.nn.text.clip.ClipNetwork`."""

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        ...

    def embed_pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> FloatArray:
        """Pictures to unit vectors."""
        ...

    def embed_masked(
        self, pictures: Sequence[NDArray[np.uint8]], masks: Sequence[NDArray[np.bool_]]
    ) -> FloatArray:
        """What masks of square pictures cover, to unit vectors."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """Texts to unit vectors."""
        ...


def load_network(name: str | PathLike[str], *, offline: bool = False) -> Network:
    """A CLIP model.

    Args:
        name: a folder in the layout of Hugging Face or of OpenCLIP; the name of a model on the hub,
            which `transformers` fetches; or `OPEN_CLIP` and a name that OpenCLIP fetches.
        offline: never use the network.

    Raises:
        WeightsError: there is no such model, or it is no CLIP.
        MissingExtraError: PyTorch, ``transformers`` or ``open_clip`` is not installed.
    """
    try:
        from anymask.nn.text.clip import ClipNetwork
        from anymask.nn.text.open_clip import CONFIG, OpenClipNetwork
    except ImportError as error:
        raise MissingExtraError("torch", "clip", "for a CLIP model") from error
    if str(name).startswith(OPEN_CLIP):
        if offline:
            raise WeightsError(f"{str(name)!r} would be fetched; give the model's folder instead")
        return OpenClipNetwork(str(name).removeprefix(OPEN_CLIP))
    if (Path(name) / CONFIG).is_file():
        return OpenClipNetwork(name)
    return ClipNetwork(name, offline=offline)


class ClipScorer:
    """A scorer that is a CLIP model; scores are cosines.

    Args:
        network: the model.
    """

    name = "clip"
    threshold = PRESENCE

    def __init__(self, network: Network) -> None:
        self.network = network

    def embed_regions(
        self, image_rgb: NDArray[np.uint8], regions: Sequence[CompactMask]
    ) -> FloatArray:
        """The mean of a region's views, of unit length; see `RegionTextScorer`."""
        views = [view for one in regions for view in region_views(image_rgb, one, VIEW_PX)]
        embedded = self.network.embed_pictures(views)
        weights = np.array(VIEW_WEIGHTS, np.float32)
        means = np.einsum(
            "nvd,v->nd", embedded.reshape(-1, len(weights), embedded.shape[1]), weights
        )
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return np.asarray(means / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)

    def embed_phrases(self, phrases: Sequence[str]) -> FloatArray:
        """Phrases as CLIP was trained on them; see `RegionTextScorer`."""
        return self.network.embed_texts([TEMPLATE.format(phrase) for phrase in phrases])
