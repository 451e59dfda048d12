"""The published PyTorch code, eager, as it is: the baseline of every ratio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from original import mobile_sam, segment_anything
from subject import Decoded, Subject


class Original(Subject):
    """MobileSAM for the default model, segment-anything for the others."""

    def __init__(self, architecture: str, checkpoint: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        state = torch.load(checkpoint, weights_only=True)
        self.sam = (
            mobile_sam(state) if architecture == "vit_t" else segment_anything(architecture, state)
        )
        self.embedding = torch.zeros(0)
        self.size_hw = (0, 0)

    @torch.no_grad()
    def encode(self, image: np.ndarray) -> np.ndarray:
        """Normalise, pad, run the encoder."""
        pixels = torch.as_tensor(image).permute(2, 0, 1).contiguous()[None]
        return self.sam.image_encoder(self.sam.preprocess(pixels))[0].numpy()

    def hold(self, embedding: np.ndarray, size_hw: tuple[int, int]) -> None:
        """Keep an encoded image for the following clicks."""
        self.embedding = torch.from_numpy(embedding)[None]
        self.size_hw = size_hw

    @torch.no_grad()
    def decode(self, points_xy: np.ndarray) -> Decoded:
        """Prompt encoder and mask decoder, as `predict_torch` calls them."""
        coords = torch.as_tensor(self._scaled(points_xy), dtype=torch.float32)[:, None]
        labels = torch.ones(coords.shape[:2], dtype=torch.int)
        sparse, dense = self.sam.prompt_encoder(points=(coords, labels), boxes=None, masks=None)
        logits, iou = self.sam.mask_decoder(
            image_embeddings=self.embedding,
            image_pe=self.sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        return Decoded(logits.numpy(), iou.numpy())

    def mask(self, point_xy: tuple[float, float]) -> np.ndarray:
        """`SamPredictor.predict`, and the mask with the best score."""
        predictor = self._predictor()
        masks, scores, _ = predictor.predict(np.array([point_xy]), np.array([1]))
        return masks[scores.argmax()]

    def everything(self, photo: np.ndarray, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """`SamAutomaticMaskGenerator.generate`."""
        from mobile_sam import SamAutomaticMaskGenerator

        return SamAutomaticMaskGenerator(self.sam, output_mode="coco_rle", **parameters).generate(
            photo
        )

    def _scaled(self, points_xy: np.ndarray) -> np.ndarray:
        from mobile_sam.utils.transforms import ResizeLongestSide

        return ResizeLongestSide(1024).apply_coords(points_xy, self.size_hw)

    def _predictor(self) -> Any:
        from mobile_sam import SamPredictor

        predictor = SamPredictor(self.sam)
        predictor.original_size = self.size_hw
        predictor.input_size = predictor.transform.get_preprocess_shape(*self.size_hw, 1024)
        predictor.features, predictor.is_image_set = self.embedding, True
        return predictor
