"""CLIP models of OpenCLIP's layout as functions of arrays and texts (Ilharco et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image
from torch import Tensor

from anymask.errors import MissingExtraError
from anymask.nn.text.clip import (
    FloatArray,
    Mask,
    Picture,
    no_clip,
    no_output_token,
    unit_vectors,
)
from anymask.nn.text.masked_attention import covered_patches, output_token_bias, reading_only

CONFIG: Final = "open_clip_config.json"
"""By this file a folder is known to be of this layout."""


class OpenClipNetwork:
    """Pictures and texts to vectors of unit length in one space.

    Args:
        name: a folder with `CONFIG` and weights beside it; or a model's name for OpenCLIP, such as
            "hf-hub:org/model", which it fetches.

    Raises:
        MissingExtraError: ``open_clip`` is not installed.
        WeightsError: there is no such model.
    """

    def __init__(self, name: str | PathLike[str]) -> None:
        try:
            import open_clip
        except ImportError as error:
            raise MissingExtraError("open_clip", "open-clip", "for a model of OpenCLIP") from error
        self._name = str(name)
        known = f"local-dir:{name}" if Path(name).is_dir() else self._name
        try:
            net, transform = open_clip.create_model_from_pretrained(known, weights_only=True)
            self._tokenizer: Any = open_clip.get_tokenizer(known)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise no_clip(self._name, error) from error
        self._net: Any = net.eval()
        self._transform: Any = transform
        self.dim = int(self.embed_texts(["a"]).shape[1])

    def embed_pictures(self, pictures: Sequence[Picture]) -> FloatArray:
        """N pictures (H, W, 3) uint8 RGB of any sizes to (N, D)."""
        return unit_vectors(pictures, self._embed, self.dim)

    def embed_masked(self, pictures: Sequence[Picture], masks: Sequence[Mask]) -> FloatArray:
        """What masks of squares cover, to (N, D); see `ClipNetwork.embed_masked`."""
        visual = self._net.visual
        if getattr(visual, "pool_type", None) != "tok" or visual.attn_pool is not None:
            raise no_output_token(self._name)
        last = visual.transformer.resblocks[-1]

        def embed(some: Sequence[tuple[Picture, Mask]]) -> Tensor:
            bias = output_token_bias(covered_patches([mask for _, mask in some], visual.grid_size))
            heads = bias.repeat_interleave(last.attn.num_heads, dim=0)
            with reading_only(last, "attn_mask", heads):
                return self._embed([picture for picture, _ in some])

        return unit_vectors(list(zip(pictures, masks, strict=True)), embed, self.dim)

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """T texts to (T, D)."""
        return unit_vectors(
            texts,
            lambda some: self._net.encode_text(self._tokenizer(list(some))),
            getattr(self, "dim", 0),
        )

    def _embed(self, pictures: Sequence[Picture]) -> Tensor:
        batch = torch.stack([self._transform(Image.fromarray(one)) for one in pictures])
        vectors: Tensor = self._net.encode_image(batch)
        return vectors
