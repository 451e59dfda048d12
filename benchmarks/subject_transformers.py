"""`SamModel` of transformers, with the same tensors under its own names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from subject import Decoded, NotOfferedError, Subject

from anymask.geometry.frames import Frame
from anymask.nn.keymaps import to_transformers

MEAN = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
NO_ENCODER = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_pos_feats": 128,
}


class Transformers(Subject):
    """The whole network for ViT-B; the decoder alone for the default model."""

    def __init__(self, architecture: str, checkpoint: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        state = torch.load(checkpoint, weights_only=True)
        self.has_encoder = architecture != "vit_t"
        self.model = _model(state, self.has_encoder)
        self.embedding = torch.zeros(0)
        self.frame = Frame((1, 1))

    @torch.no_grad()
    def encode(self, image: np.ndarray) -> np.ndarray:
        """Normalise, pad, run the encoder."""
        if not self.has_encoder:
            raise NotOfferedError("SamModel has no TinyViT encoder")
        pixels = (torch.as_tensor(image).permute(2, 0, 1).float() - MEAN) / STD
        padding = (0, 1024 - pixels.shape[2], 0, 1024 - pixels.shape[1])
        canvas = torch.nn.functional.pad(pixels, padding)
        return self.model.get_image_embeddings(canvas[None])[0].numpy()

    def hold(self, embedding: np.ndarray, size_hw: tuple[int, int]) -> None:
        """Keep an encoded image for the following clicks."""
        self.embedding, self.frame = torch.from_numpy(embedding)[None], Frame(size_hw)

    @torch.no_grad()
    def decode(self, points_xy: np.ndarray) -> Decoded:
        """All points in one call."""
        points = torch.as_tensor(self.frame.points_to_canvas(points_xy), dtype=torch.float32)
        output = self.model(
            image_embeddings=self.embedding,
            input_points=points[None, :, None],
            input_labels=torch.ones((1, len(points), 1), dtype=torch.int),
            multimask_output=True,
        )
        return Decoded(output.pred_masks[0].numpy(), output.iou_scores[0].numpy())


def _model(state: dict[str, torch.Tensor], has_encoder: bool) -> Any:
    from transformers import SamConfig, SamModel

    config = SamConfig(
        vision_config={} if has_encoder else NO_ENCODER,
        mask_decoder_config={"layer_norm_eps": 1e-5},  # as in the published code
    )
    model = SamModel(config)
    tensors = to_transformers(
        {
            name: tensor
            for name, tensor in state.items()
            if has_encoder or not name.startswith("image_encoder.")
        }
    )
    missing, unknown = model.load_state_dict(tensors, strict=False)
    missing = [name for name in missing if has_encoder or not name.startswith("vision_encoder.")]
    if missing or unknown:
        raise SystemExit(f"weights do not fit: missing {missing}, unknown {unknown}")
    return model.eval()
