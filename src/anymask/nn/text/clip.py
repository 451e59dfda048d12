"""CLIP models as functions of arrays and texts (Radford et al. 2021): Hugging Face's layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import Any, Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.errors import MissingExtraError, WeightsError
from anymask.nn.text.masked_attention import covered_patches, output_token_bias, reading_only

FloatArray = NDArray[np.float32]
Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Item = TypeVar("Item")

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
        self._name = str(name)
        try:
            with without_bars():
                self._net: Any = AutoModel.from_pretrained(name, local_files_only=offline).eval()
                processor: Any = AutoProcessor
                self._processor: Any = processor.from_pretrained(name, local_files_only=offline)
        except (OSError, ValueError, KeyError) as error:
            raise no_clip(self._name, error) from error
        if not hasattr(self._net, "get_text_features"):
            raise WeightsError(f"{self._name!r} is a {type(self._net).__name__}, no CLIP model")

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return int(self._net.config.projection_dim)

    def embed_pictures(self, pictures: Sequence[Picture]) -> FloatArray:
        """N pictures (H, W, 3) uint8 RGB of any sizes to (N, D)."""
        return unit_vectors(pictures, lambda some: self._run(["a"], some).image_embeds, self.dim)

    def embed_masked(self, pictures: Sequence[Picture], masks: Sequence[Mask]) -> FloatArray:
        """What masks cover, known in its surroundings; see `masked_attention`.

        Args:
            pictures: N squares (S, S, 3) uint8 RGB.
            masks: N masks (S, S) of them.

        Returns:
            (N, D) of unit length.

        Raises:
            WeightsError: a model without an output token, such as SigLIP.
        """
        vision = self._net.vision_model
        config = vision.config
        if not hasattr(getattr(vision, "embeddings", None), "class_embedding"):
            raise no_output_token(self._name)
        side = config.image_size // config.patch_size

        def embed(some: Sequence[tuple[Picture, Mask]]) -> Tensor:
            covered = covered_patches([mask for _, mask in some], (side, side))
            bias = output_token_bias(covered)[:, None]  # for all heads
            with reading_only(vision.encoder.layers[-1], "attention_mask", bias):
                vectors: Tensor = self._run(["a"], [picture for picture, _ in some]).image_embeds
            return vectors

        return unit_vectors(list(zip(pictures, masks, strict=True)), embed, self.dim)

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """T texts to (T, D)."""
        blank = [np.zeros((8, 8, 3), np.uint8)]
        return unit_vectors(texts, lambda some: self._run(some, blank).text_embeds, self.dim)

    def _run(self, texts: Sequence[str], pictures: Sequence[Picture]) -> Any:
        inputs = self._processor(
            text=list(texts),
            images=list(pictures),
            padding=True,
            truncation=True,
            return_tensors="pt",
        )
        return self._net(**inputs)


@torch.inference_mode()
def unit_vectors(
    items: Sequence[Item], embed: Callable[[Sequence[Item]], Tensor], dim: int
) -> FloatArray:
    """Some items at a time to vectors (N, dim) of unit length."""
    parts = [
        torch.nn.functional.normalize(embed(list(items[start : start + AT_ONCE])), dim=-1).float()
        for start in range(0, len(items), AT_ONCE)
    ]
    if not parts:
        return np.zeros((0, dim), np.float32)
    return np.asarray(torch.cat(parts).numpy(), np.float32)


@contextmanager
def without_bars() -> Iterator[None]:
    """Within, `transformers` draws no progress bars: commands draw their own."""
    from transformers.utils import logging

    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def no_clip(name: str, error: Exception) -> WeightsError:
    """What is said of a model that cannot be read."""
    told = " ".join(str(error).split())[:200]
    return WeightsError(f"{name!r} is no CLIP model that can be read: {told}")


def no_output_token(name: str) -> WeightsError:
    """What is said of a model that cannot read a mask only."""
    return WeightsError(
        f"{name!r} has no output token whose attention a mask could restrict; give a CLIP model "
        "with a vision transformer, such as ViT-L/14"
    )
