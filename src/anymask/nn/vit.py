"""The plain vision transformer that encodes an image (ViT-B/L/H of the paper, appendix A).

Most blocks attend inside windows; four attend over the whole image. Both add relative positions to
the attention, one table an axis, shared by all heads.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.nn.layers import MLPBlock, from_windows, neck, to_windows

ATTENTION_BIAS_LIMIT = 2**24
"""Most numbers of relative-position bias kept at once; a whole-image block would need 200 M."""


@dataclass(frozen=True, slots=True)
class ViTConfig:
    """Sizes of a plain vision transformer.

    Attributes:
        embed_dim: width of a token.
        depth: number of blocks.
        heads: attention heads a block.
        global_blocks: 0-based blocks that attend over the whole image.
        window: side of the windows of the other blocks, in tokens.
        patch_px: side of a patch in pixels.
        mlp_ratio: hidden width of a block's MLP in multiples of `embed_dim`.
        out_channels: channels of the image embedding.
    """

    embed_dim: int
    depth: int
    heads: int
    global_blocks: Collection[int]
    window: int = 14
    patch_px: int = 16
    mlp_ratio: int = 4
    out_channels: int = 256


class PatchEmbed(nn.Module):
    """Cut the image into patches and project each to a token."""

    def __init__(self, patch_px: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, patch_px, stride=patch_px)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, H / patch, W / patch, embed_dim)."""
        out: Tensor = self.proj(x).permute(0, 2, 3, 1)
        return out


def relative_positions(table: Tensor, query_size: int, key_size: int) -> Tensor:
    """The row of a relative-position table for each pair of query and key along one axis.

    Args:
        table: (L, C); resized linearly when L is not ``2 * max(query_size, key_size) - 1``.
        query_size: query positions along the axis.
        key_size: key positions along the axis.

    Returns:
        (query_size, key_size, C).
    """
    length = 2 * max(query_size, key_size) - 1
    if len(table) != length:
        signal = table.float().T[None]
        table = F.interpolate(signal, size=length, mode="linear")[0].T.to(table.dtype)
    query = torch.arange(query_size, device=table.device) * max(key_size / query_size, 1.0)
    key = torch.arange(key_size, device=table.device) * max(query_size / key_size, 1.0)
    offset = (key_size - 1) * max(query_size / key_size, 1.0)
    return table[(query[:, None] - key[None, :] + offset).long()]


class Attention(nn.Module):
    """Multi-head self-attention over an H x W map with decomposed relative positions.

    Args:
        dim: width of a token.
        heads: number of heads.
        size: side of the map the position tables are made for.
    """

    def __init__(self, dim: int, heads: int, size: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * size - 1, dim // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * size - 1, dim // heads))

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) to the same shape."""
        batch, height, width, dim = x.shape
        qkv = self.qkv(x).view(batch, height * width, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, H * W, C)
        attend = self._attend_fused if x.is_cuda else self._attend_in_slices
        attended = attend(query, key, value, (height, width))
        out: Tensor = self.proj(attended.transpose(1, 2).reshape(batch, height, width, dim))
        return out

    def _attend_fused(
        self, query: Tensor, key: Tensor, value: Tensor, size_hw: tuple[int, int]
    ) -> Tensor:
        """Attention by the fused operator alone: neither logits nor bias are written down."""
        height, width = size_hw
        grid = query.reshape(*query.shape[:2], height, width, -1)
        by_row, by_column = self._position_biases(grid, 0, height)
        scaled = query * query.shape[-1] ** -0.5
        return attend_placed(scaled, key, value, by_row.flatten(2, 3), by_column.flatten(2, 3))

    def _attend_in_slices(
        self, query: Tensor, key: Tensor, value: Tensor, size_hw: tuple[int, int]
    ) -> Tensor:
        """Attention in slices of whole query rows, so that the bias stays small."""
        batch, heads = query.shape[:2]
        height, width = size_hw
        row_bias = batch * heads * width * height * width
        step = max(1, min(height, ATTENTION_BIAS_LIMIT // row_bias))
        slices = []
        for top in range(0, height, step):
            part = query[:, :, top * width : (top + step) * width]
            grid = part.reshape(batch, heads, -1, width, part.shape[-1])
            by_row, by_column = self._position_biases(grid, top, height)
            bias = (by_row[..., :, None] + by_column[..., None, :]).flatten(4).flatten(2, 3)
            slices.append(F.scaled_dot_product_attention(part, key, value, attn_mask=bias))
        return torch.cat(slices, dim=2)

    def _position_biases(self, grid: Tensor, top: int, height: int) -> tuple[Tensor, Tensor]:
        """What the relative positions add to the attention logits, an axis each.

        Args:
            grid: queries (B, heads, h, W, C), unscaled, of the map's rows from `top` on.
            top: the first of these rows.
            height: rows of the whole map, H.

        Returns:
            (B, heads, h, W, H) for the rows of the keys and (B, heads, h, W, W) for their columns.
        """
        rows, width = grid.shape[2:4]
        vertical = relative_positions(self.rel_pos_h, height, height).to(grid.dtype)
        horizontal = relative_positions(self.rel_pos_w, width, width).to(grid.dtype)
        by_row = torch.einsum("bnhwc,hkc->bnhwk", grid, vertical[top : top + rows])
        by_column = torch.einsum("bnhwc,wkc->bnhwk", grid, horizontal)
        return by_row, by_column


def attend_placed(
    query: Tensor, key: Tensor, value: Tensor, by_row: Tensor, by_column: Tensor
) -> Tensor:
    """Attention whose position bias is part of the product of queries and keys.

    Queries get their bias by row and by column as further channels, keys the one-hot row and column
    they lie in, so that the fused operator needs no mask and never writes the logits down.

    Args:
        query: (..., H * W, C), scaled.
        key: (..., H * W, C).
        value: (..., H * W, C).
        by_row: (..., H * W, H) bias of each query for the rows of the keys.
        by_column: (..., H * W, W) the same for their columns.

    Returns:
        (..., H * W, C).
    """
    rows, columns = by_row.shape[-1], by_column.shape[-1]
    row = torch.eye(rows, dtype=key.dtype, device=key.device).repeat_interleave(columns, 0)
    column = torch.eye(columns, dtype=key.dtype, device=key.device).repeat(rows, 1)
    place = torch.cat([row, column], dim=1).expand(*key.shape[:-2], -1, -1)
    placed_query = torch.cat([query, by_row, by_column], dim=-1)
    placed_key = torch.cat([key, place], dim=-1)
    # The fused operator wants values as wide as keys.
    wide_value = F.pad(value, (0, rows + columns))
    out = F.scaled_dot_product_attention(placed_query, placed_key, wide_value, scale=1.0)
    return out[..., : value.shape[-1]]


class Block(nn.Module):
    """A transformer block with normalisation before each part.

    Args:
        config: sizes.
        size: side of the map in tokens.
        window: side of the attention windows; 0 attends over the whole map.
    """

    def __init__(self, config: ViTConfig, size: int, window: int) -> None:
        super().__init__()
        dim = config.embed_dim
        self.window = window
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, config.heads, window or size)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MLPBlock(dim, dim * config.mlp_ratio, nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same shape."""
        normed = self.norm1(x)
        if self.window:
            # The padding is zero after the norm and takes part in the attention.
            windows, padded_hw = to_windows(normed, self.window)
            size_hw = (x.shape[1], x.shape[2])
            attended = from_windows(self.attn(windows), self.window, padded_hw, size_hw)
        else:
            attended = self.attn(normed)
        x = x + attended
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class ImageEncoderViT(nn.Module):
    """Image to image embedding with a plain vision transformer.

    Args:
        config: sizes.
        image_size: side of the square canvas in pixels.
        table_size: side of the canvas that the position tables are made for; left out, the same.
            Where the two differ the tables are interpolated as ViTDet does.
    """

    def __init__(
        self, config: ViTConfig, image_size: int = 1024, table_size: int | None = None
    ) -> None:
        super().__init__()
        self.img_size = image_size
        size = (table_size or image_size) // config.patch_px
        self.patch_embed = PatchEmbed(config.patch_px, config.embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, size, size, config.embed_dim))
        self.blocks = nn.ModuleList(
            Block(config, size, 0 if index in config.global_blocks else config.window)
            for index in range(config.depth)
        )
        self.neck = neck(config.embed_dim, config.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) normalised and padded to (B, out_channels, S / 16, S / 16)."""
        x = self.patch_embed(x.to(self.patch_embed.proj.weight.dtype))
        x = x + self._positions((x.shape[1], x.shape[2]))
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.neck(x.permute(0, 3, 1, 2))
        return out

    def _positions(self, size_hw: tuple[int, int]) -> Tensor:
        """The absolute positions (1, H, W, C), bicubic where the map is not of their size."""
        if self.pos_embed.shape[1:3] == size_hw:
            return self.pos_embed
        table = self.pos_embed.permute(0, 3, 1, 2).float()
        resized = F.interpolate(table, size=size_hw, mode="bicubic", antialias=True)
        return resized.permute(0, 2, 3, 1).to(self.pos_embed.dtype)
