"""The plain vision transformer for inference on a CPU.

Attention over the whole image is computed for a few heads and rows of queries at a time, with the
position bias written where the logits will be added. In bfloat16, on processors that multiply tiles
of it, the fused operator takes over: elsewhere it is several times slower than the slices.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from anymask.nn.fast.attention import LOGITS_AT_ONCE, attend, sets_at_once
from anymask.nn.fast.blocks import Mlp, Neck
from anymask.nn.fast.linear import LinearMaker, Norm
from anymask.nn.fast.processor import multiplies_tiles
from anymask.nn.layers import from_windows, to_windows
from anymask.nn.vit import (
    Attention,
    Block,
    ImageEncoderViT,
    attend_placed,
    relative_positions,
)

SETS_IN_A_SLICE = 2
"""Heads computed together at least, so that more cores than one have work."""
MOST_TOKENS_WITHOUT_FUSION = 1024
"""For fewer tokens the fused operator is slower than products and softmax one after the other."""


class FastViT:
    """A plain vision transformer with its matrices copied; norms and positions stay shared.

    Args:
        encoder: the network, in evaluation mode on a CPU.
        dtype: what to multiply in, `torch.float32` or `torch.bfloat16`; tokens are float32.
    """

    def __init__(self, encoder: ImageEncoderViT, dtype: torch.dtype) -> None:
        make = LinearMaker(dtype)
        patches = encoder.patch_embed.proj
        self._dtype = dtype
        self._patch_px = patches.stride[0]
        self._project = make(patches.weight.flatten(1), patches.bias)
        self._positions = encoder._positions
        self._blocks = [_Block(cast(Block, block), make) for block in encoder.blocks]
        self._neck = Neck(encoder.neck, make)

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised and padded to (B, out_channels, S / 16, S / 16) float32."""
        return torch.cat([self._encode(image) for image in torch.split(images, 1)])

    def _encode(self, image: Tensor) -> Tensor:
        x = self._project(_patches(image.to(self._dtype), self._patch_px)).float()
        x = x + self._positions((x.shape[1], x.shape[2]))
        for block in self._blocks:
            block(x)
        return self._neck(x.to(self._dtype))


class _Block:
    """Attention and MLP, each added to the tokens in place."""

    def __init__(self, source: Block, make: LinearMaker) -> None:
        self._window = source.window
        self._norm = Norm(source.norm1, make.dtype)
        self._attention = _Attention(source.attn, make)
        self._mlp = Mlp(source.norm2, source.mlp.lin1, source.mlp.lin2, make)

    def __call__(self, x: Tensor) -> None:
        """(1, H, W, C), changed."""
        normed = self._norm(x)
        if self._window:
            windows, padded_hw = to_windows(normed, self._window)
            attended = self._attention(windows)
            x += from_windows(attended, self._window, padded_hw, (x.shape[1], x.shape[2]))
        else:
            x += self._attention(normed)
        self._mlp(x)


class _Attention:
    """Attention over maps with decomposed relative positions."""

    def __init__(self, source: Attention, make: LinearMaker) -> None:
        self._heads = source.heads
        self._qkv = make(source.qkv.weight, source.qkv.bias)
        self._project = make(source.proj.weight, source.proj.bias)
        self._tables = source.rel_pos_h, source.rel_pos_w
        self._tiled = make.dtype == torch.bfloat16 and multiplies_tiles()

    def __call__(self, maps: Tensor) -> Tensor:
        """(N, H, W, C) to the same shape."""
        step = sets_at_once(maps.shape[1] * maps.shape[2], self._heads)
        return torch.cat([self._part(part) for part in torch.split(maps, step)])

    def _part(self, maps: Tensor) -> Tensor:
        count, height, width, channels = maps.shape
        heads, tokens = self._heads, height * width
        qkv = self._qkv(maps).view(count, tokens, 3, heads, channels // heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).reshape(3, count * heads, tokens, -1)
        by_row, by_column = self._position_biases(query, (height, width))
        query *= query.shape[-1] ** -0.5
        attend_all = attend_placed if self._fuses(tokens) else _attend_in_slices
        attended = attend_all(query, key, value, by_row, by_column)
        joined = attended.view(count, heads, tokens, -1).transpose(1, 2)
        return self._project(joined.reshape(maps.shape))

    def _fuses(self, tokens: int) -> bool:
        """Whether the fused operator is the faster one for a map of so many tokens."""
        return self._tiled and tokens > MOST_TOKENS_WITHOUT_FUSION

    def _position_biases(self, query: Tensor, size_hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """What the positions add: query (N, H * W, c), unscaled, to (N, H * W, H) and (.., W)."""
        height, width = size_hw
        grid = query.view(len(query), height, width, -1)
        vertical, horizontal = (
            relative_positions(table, size, size).to(query.dtype)
            for table, size in zip(self._tables, size_hw, strict=True)
        )
        by_row = torch.einsum("nhwc,hkc->nhwk", grid, vertical)
        by_column = torch.einsum("nhwc,wkc->nhwk", grid, horizontal)
        return by_row.flatten(1, 2), by_column.flatten(1, 2)


def _attend_in_slices(
    query: Tensor, key: Tensor, value: Tensor, by_row: Tensor, by_column: Tensor
) -> Tensor:
    """Attention of a few sets and queries at a time.

    Args:
        query: (N, H * W, c), scaled.
        key: (N, H * W, c).
        value: (N, H * W, c).
        by_row: (N, H * W, H) bias of each query for the rows of the keys.
        by_column: (N, H * W, W) the same for their columns.

    Returns:
        (N, H * W, c).
    """
    count, tokens = query.shape[:2]
    sets = max(SETS_IN_A_SLICE, LOGITS_AT_ONCE // tokens**2)
    step = max(1, LOGITS_AT_ONCE // (sets * tokens))
    out = torch.empty_like(query)
    for first in range(0, count, sets):
        some = slice(first, first + sets)
        for top in range(0, tokens, step):
            at = (some, slice(top, top + step))
            bias = by_row[at][..., None] + by_column[at][..., None, :]
            out[at] = attend(query[at], key[some], value[some], bias.flatten(2))
    return out


def _patches(image: Tensor, side: int) -> Tensor:
    """(1, 3, H, W) to (1, H / side, W / side, 3 * side * side)."""
    _, channels, height, width = image.shape
    cut = image.view(1, channels, height // side, side, width // side, side)
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(3)
