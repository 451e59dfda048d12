"""The prompt encoder: points, boxes and masks to the embeddings the mask decoder reads.

Everything here is in the frame of the canvas (pixels of the resized and padded image). A box is two
points with labels of their own, so that one list of labelled points carries every sparse prompt.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from anymask.nn.layers import LayerNorm2d

PADDING = -1
BOX_CORNERS = (2, 3)
LABELS = (0, 1, *BOX_CORNERS)
"""Labels with an embedding: background, foreground, top-left and bottom-right corner of a box."""


class PositionEmbeddingRandom(nn.Module):
    """Positions as random Fourier features; the frequencies come with the checkpoint.

    Args:
        features: number of frequencies, half of the embedding's width.
    """

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, features))

    def _apply(
        self, fn: Callable[[Tensor], Tensor], recurse: bool = True
    ) -> PositionEmbeddingRandom:
        """Move with the module but stay float32: sines of large angles need the digits."""
        matrix = self.positional_encoding_gaussian_matrix
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        device = self.positional_encoding_gaussian_matrix.device
        self.positional_encoding_gaussian_matrix = matrix.to(device)
        return self

    def encode(self, positions: Tensor) -> Tensor:
        """(..., 2) float32 (x, y) in [0, 1] to (..., 2 * features) float32."""
        with torch.autocast(positions.device.type, enabled=False):
            angles = (2 * positions.float() - 1) @ self.positional_encoding_gaussian_matrix
            angles = 2 * math.pi * angles
            return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def forward(self, size_hw: tuple[int, int]) -> Tensor:
        """The positions of a grid's cell centres, (2 * features, H, W) float32."""
        device = self.positional_encoding_gaussian_matrix.device
        rows, columns = ((torch.arange(n, device=device) + 0.5) / n for n in size_hw)
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        return self.encode(torch.stack([x, y], dim=-1)).permute(2, 0, 1)


class PromptEncoder(nn.Module):
    """Prompts to sparse embeddings (tokens) and a dense embedding (a map).

    Args:
        embed_dim: width of the embeddings.
        image_embedding_size: (H, W) of the image embedding.
        input_image_size: (H, W) of the canvas in pixels.
        mask_in_chans: channels inside the mask's convolutions.
    """

    def __init__(
        self,
        embed_dim: int,
        image_embedding_size: tuple[int, int],
        input_image_size: tuple[int, int],
        mask_in_chans: int = 16,
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.image_embedding_size = image_embedding_size
        self.input_image_size = input_image_size
        self.mask_input_size = (4 * image_embedding_size[0], 4 * image_embedding_size[1])
        self.pe_layer = PositionEmbeddingRandom(embed_dim // 2)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, embed_dim) for _ in LABELS)
        self.not_a_point_embed = nn.Embedding(1, embed_dim)
        self.no_mask_embed = nn.Embedding(1, embed_dim)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, mask_in_chans // 4, 2, stride=2),
            LayerNorm2d(mask_in_chans // 4),
            nn.GELU(),
            nn.Conv2d(mask_in_chans // 4, mask_in_chans, 2, stride=2),
            LayerNorm2d(mask_in_chans),
            nn.GELU(),
            nn.Conv2d(mask_in_chans, embed_dim, 1),
        )

    def get_dense_pe(self) -> Tensor:
        """(1, embed_dim, H, W): the positions of the image embedding's cells."""
        pe: Tensor = self.pe_layer(self.image_embedding_size)
        return pe[None].to(self._dtype)

    def embed_points(self, coords: Tensor, labels: Tensor) -> Tensor:
        """Labelled points to tokens.

        Args:
            coords: (N, T, 2) (x, y) in canvas pixels.
            labels: (N, T): -1 padding, 0 background, 1 foreground, 2 and 3 the corners of a box.

        Returns:
            (N, T, embed_dim).
        """
        height, width = self.input_image_size
        size = torch.tensor([width, height], dtype=torch.float32, device=coords.device)
        tokens = self.pe_layer.encode((coords.float() + 0.5) / size)  # a pixel's centre
        table = torch.cat([e.weight for e in (*self.point_embeddings, self.not_a_point_embed)])
        tokens = torch.where((labels == PADDING)[..., None], torch.zeros_like(tokens), tokens)
        return (tokens + table[labels.long()].float()).to(self._dtype)  # -1 is the last row

    def embed_masks(self, masks: Tensor) -> Tensor:
        """(N, 1, 4H, 4W) low-res logits to (N, embed_dim, H, W)."""
        out: Tensor = self.mask_downscaling(masks.to(self._dtype))
        return out

    def embed_no_mask(self, count: int) -> Tensor:
        """The dense embedding of `count` prompts without a mask, (count, embed_dim, H, W)."""
        weight = self.no_mask_embed.weight.reshape(1, -1, 1, 1)
        return weight.expand(count, -1, *self.image_embedding_size)

    def forward(
        self,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        masks: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Prompts in their published form.

        Args:
            points: coordinates (N, T, 2) and labels (N, T) in canvas pixels.
            boxes: (N, 4) XYXY in canvas pixels.
            masks: (N, 1, 4H, 4W) low-res logits.

        Returns:
            Tokens (N, T', embed_dim) and a map (N, embed_dim, H, W).
        """
        sparse, dense = [], None
        if points is not None:
            coords, labels = points
            if boxes is None:
                coords, labels = pad_points(coords, labels)
            sparse.append(self.embed_points(coords, labels))
        if boxes is not None:
            corners = boxes.reshape(-1, 2, 2)
            labels = torch.tensor(BOX_CORNERS, device=boxes.device).expand(len(corners), 2)
            sparse.append(self.embed_points(corners, labels))
        if masks is not None:
            dense = self.embed_masks(masks)
        count = len(sparse[0]) if sparse else 1 if dense is None else len(dense)
        if dense is None:
            dense = self.embed_no_mask(count)
        return torch.cat(sparse, 1) if sparse else dense.new_zeros(count, 0, self.embed_dim), dense

    @property
    def _dtype(self) -> torch.dtype:
        return self.no_mask_embed.weight.dtype


def pad_points(coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Append the padding point that a prompt without a box has always had in training."""
    count = len(coords)
    pad = coords.new_zeros(count, 1, 2)
    return torch.cat([coords, pad], 1), torch.cat([labels, labels.new_full((count, 1), PADDING)], 1)
