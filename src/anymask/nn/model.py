"""`Sam`: image encoder, prompt encoder and mask decoder under the published names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.nn.decoder import MaskDecoder
from anymask.nn.pixels import PIXEL_MEAN, PIXEL_STD
from anymask.nn.prompts import PromptEncoder
from anymask.nn.tiny_vit import TinyViT
from anymask.nn.vit import ImageEncoderViT


class Sam(nn.Module):
    """The whole network.

    Args:
        image_encoder: (B, 3, S, S) to (B, 256, S / 16, S / 16); `image_encoder.img_size` is S.
        prompt_encoder: prompts to embeddings.
        mask_decoder: embeddings to masks.
    """

    mask_threshold: float = 0.0
    image_format: str = "RGB"
    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        image_encoder: ImageEncoderViT | TinyViT,
        prompt_encoder: PromptEncoder,
        mask_decoder: MaskDecoder,
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.prompt_encoder = prompt_encoder
        self.mask_decoder = mask_decoder
        for name, values in (("pixel_mean", PIXEL_MEAN), ("pixel_std", PIXEL_STD)):
            # On the CPU by name, so that a skeleton on the meta device has them too.
            statistics = torch.tensor(values, device="cpu").view(-1, 1, 1)
            self.register_buffer(name, statistics, persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the network lives."""
        return self.pixel_mean.device

    def preprocess(self, x: Tensor) -> Tensor:
        """Normalise colours, then pad the right and bottom with zeros to the square canvas.

        Args:
            x: (..., 3, h, w) RGB in 0..255, the longer side already S pixels.

        Returns:
            (..., 3, S, S) in the dtype of the colour statistics.
        """
        x = (x - self.pixel_mean) / self.pixel_std
        size = self.image_encoder.img_size
        return F.pad(x, (0, size - x.shape[-1], 0, size - x.shape[-2]))

    def postprocess_masks(
        self, masks: Tensor, input_size: Sequence[int], original_size: Sequence[int]
    ) -> Tensor:
        """Low-res logits to the original size.

        Args:
            masks: (N, M, 4H, 4W) low-res logits.
            input_size: (h, w) of the resized image on the canvas.
            original_size: (H, W) of the original image.

        Returns:
            (N, M, H, W) float32 logits.
        """
        size = self.image_encoder.img_size
        # Half precision would move the edges.
        masks = F.interpolate(masks.float(), (size, size), mode="bilinear")
        masks = masks[..., : input_size[0], : input_size[1]]
        return F.interpolate(masks, tuple(original_size), mode="bilinear")

    @torch.no_grad()
    def forward(
        self, batched_input: Sequence[Mapping[str, Any]], multimask_output: bool
    ) -> list[dict[str, Tensor]]:
        """Images with their prompts, in the published batch form.

        Args:
            batched_input: one mapping an image: `image` (3, h, w) already resized,
                `original_size` (H, W), and any of `point_coords` (N, T, 2) with `point_labels`
                (N, T), `boxes` (N, 4), `mask_inputs` (N, 1, 256, 256), in canvas pixels.
            multimask_output: three masks a prompt, or one.

        Returns:
            One mapping an image: `masks` (N, M, H, W) bool, `iou_predictions` (N, M) and
            `low_res_logits` (N, M, 256, 256).
        """
        canvases = torch.stack([self.preprocess(record["image"]) for record in batched_input])
        embeddings = self.image_encoder(canvases)
        return [
            self._segment(record, embedding[None], multimask_output)
            for record, embedding in zip(batched_input, embeddings, strict=True)
        ]

    def _segment(
        self, record: Mapping[str, Any], embedding: Tensor, multimask_output: bool
    ) -> dict[str, Tensor]:
        coords = record.get("point_coords")
        points = None if coords is None else (coords, record["point_labels"])
        sparse, dense = self.prompt_encoder(points, record.get("boxes"), record.get("mask_inputs"))
        low_res, iou = self.mask_decoder(
            image_embeddings=embedding,
            image_pe=self.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask_output,
        )
        masks = self.postprocess_masks(low_res, record["image"].shape[-2:], record["original_size"])
        return {
            "masks": masks > self.mask_threshold,
            "iou_predictions": iou,
            "low_res_logits": low_res,
        }
