"""A CLIP model of Hugging Face's layout as functions of arrays and texts (Radford et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.errors import MissingExtraError, WeightsError

FloatArray = NDArray[np.float32]

AT_ONCE: Final = 16


class ClipNetwork:
    """Pictures and texts to vectors of unit length in one space.

    Args:
        name: a folder, or the name of a model on the hub.
        offline: never use the network; a name of the hub must then be in its cache.

    Raises:
        MissingExtraError: ``transformers`` is not installed.
        WeightsError: there is no such model, or it is no CLIP.
    """

    def __init__(self, name: str | PathLike[str], *, offline: bool = False) -> None:
        try:
            from transformers import AutoModel, AutoProcessor
        except ImportError as error:
            raise MissingExtraError("transformers", "clip", "for a CLIP model") from error
        try:
            self._net: Any = AutoModel.from_pretrained(name, local_files_only=offline).eval()
            processor: Any = AutoProcessor
            self._processor: Any = processor.from_pretrained(name, local_files_only=offline)
        except (OSError, ValueError, KeyError) as error:
            told = " ".join(str(error).split())[:200]
            raise WeightsError(
                f"{str(name)!r} is no CLIP model that can be read: {told}"
            ) from error
        if not hasattr(self._net, "get_text_features"):
            raise WeightsError(f"{str(name)!r} is a {type(self._net).__name__}, no CLIP model")

    def embed_pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> FloatArray:
        """N pictures (H, W, 3) uint8 RGB of any sizes to (N, D)."""
        return self._embed(pictures, lambda some: self._run(["a"], some).image_embeds)

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """T texts to (T, D)."""
        blank = [np.zeros((8, 8, 3), np.uint8)]
        return self._embed(texts, lambda some: self._run(some, blank).text_embeds)

    @torch.inference_mode()
    def _embed(self, items: Sequence[Any], embed: Any) -> FloatArray:
        parts = [
            torch.nn.functional.normalize(embed(list(items[start : start + AT_ONCE])), dim=-1)
            for start in range(0, len(items), AT_ONCE)
        ]
        if not parts:
            return np.zeros((0, int(self._net.config.projection_dim)), np.float32)
        return np.asarray(torch.cat(parts).numpy(), np.float32)

    def _run(self, texts: Sequence[str], pictures: Sequence[NDArray[np.uint8]]) -> Any:
        inputs = self._processor(
            text=list(texts),
            images=list(pictures),
            padding=True,
            truncation=True,
            return_tensors="pt",
        )
        return self._net(**inputs)
