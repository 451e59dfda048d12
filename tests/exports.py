"""Small networks that can be exported: a light encoder on the full canvas, the usual decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage import data

from anymask.export.comparison import in_shapes
from anymask.export.export import Export, export_model
from anymask.export.parts import ExportOptions
from anymask.inference.segment import Model
from anymask.inference.torch_backend import TorchBackend
from anymask.nn.decoder import MaskDecoder, TwoWayTransformer
from anymask.nn.model import Sam
from anymask.nn.prompts import PromptEncoder
from anymask.nn.tiny_vit import TinyViT, TinyViTConfig
from anymask.nn.vit import ImageEncoderViT, ViTConfig
from models import with_synthetic_weights

PLAIN = ViTConfig(embed_dim=16, depth=2, heads=2, global_blocks=(1,), window=14)
TINY = TinyViTConfig(widths=(8, 16, 20, 32), depths=(1, 1, 1, 1), heads=(2, 4, 5, 4))
SMALL_HW = (33, 57)


def small_model(kind: str = "tiny", *, name: str = "small@1") -> Model:
    """A model with the decoder of all published ones and weights made from a formula.

    Args:
        kind: of the encoder: "tiny" (TinyViT, normalisation folded in), "unfused" or "plain".
        name: names the weights, and changes them.
    """
    encoder: Any = ImageEncoderViT(PLAIN, 1024) if kind == "plain" else TinyViT(TINY, 1024)
    sam = Sam(
        image_encoder=encoder,
        prompt_encoder=PromptEncoder(256, (64, 64), (1024, 1024)),
        mask_decoder=MaskDecoder(
            transformer_dim=256, transformer=TwoWayTransformer(embedding_dim=256)
        ),
    )
    with_synthetic_weights(sam, prefix=name, gain=1.0).eval()
    if kind == "tiny":
        encoder.fuse()
    return Model(TorchBackend(sam), model_id=name, architecture="vit_t")


class Unfaithful(TorchBackend):
    """Hands out other tensors than those it runs."""

    def tensors(self) -> dict[str, np.ndarray]:
        with torch.no_grad():
            return {name: array * np.float32(1.01) for name, array in super().tensors().items()}


def unfaithful(model: Model) -> Model:
    """The same model, whose export must be found wrong."""
    sam = model.backend.sam  # type: ignore[attr-defined]
    return Model(Unfaithful(sam), model_id=model.model_id, architecture=model.architecture)


def photos() -> list[np.ndarray]:
    """One small part of a real photo."""
    return in_shapes(np.asarray(data.coffee()))[-1:]


def export_small(model: Model, folder: Path, **options: Any) -> Export:
    """An export compared on one small photo."""
    return export_model(model, folder, photos(), ExportOptions(**options))
