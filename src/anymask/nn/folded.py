"""The mask decoder for inference: the same numbers, most of the work on the image shared or folded.

The published decoder projects all positions of the image (4096 x 256 channels) anew for every
prompt. Two facts make that needless. The first block sees the same image for every prompt without a
mask, so its projections are made once an image. And there are far fewer tokens T than positions, so
a projection W of the image that meets tokens in a product is applied to the tokens instead:
``q . (W k) = (q W) . k``. With h heads the image is then multiplied with h T rows and never
projected. Transposed convolutions of stride two are linear layers on each position; only the final
masks are put into image order. Differences to `MaskDecoder` are rounding: about 1e-5 on logits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.nn.decoder import Attention, MaskDecoder, TwoWayAttentionBlock
from anymask.nn.layers import LayerNorm2d
from anymask.nn.model import Sam

POSITIONS_PER_STEP = 1024
"""Positions upscaled at once: the intermediate values of so many stay in a core's cache."""


@dataclass(frozen=True, eq=False)
class ImageSide:
    """What the decoder needs of one image, made once.

    Attributes:
        embedding: (HW, C) the image embedding.
        image: (HW, C) the same with the embedding of "no mask" added.
        keys: (heads, c, HW) first block, tokens to image.
        values: (heads, HW, c) first block, tokens to image.
        queries: (heads, c, HW) first block, image to tokens, divided by the square root of c.
    """

    embedding: Tensor
    image: Tensor
    keys: Tensor
    values: Tensor
    queries: Tensor


@dataclass(frozen=True, eq=False)
class DecodedTokens:
    """Everything but the masks, which cost as much again.

    Attributes:
        iou: (N, M) predicted IoU of every mask token.
        weights: (N, M, C / 8) what each mask token multiplies the upscaled image with.
        image: (N, HW, C) the image as the prompts changed it.
    """

    iou: Tensor
    weights: Tensor
    image: Tensor


class FoldedDecoder:
    """Decodes with a network's parameters, some of them rearranged.

    Args:
        sam: the network, in evaluation mode.
    """

    def __init__(self, sam: Sam) -> None:
        self.decoder: MaskDecoder = sam.mask_decoder
        self._parameters = [*sam.mask_decoder.parameters(), *sam.prompt_encoder.parameters()]
        self._made_from = self._stamp()
        self.grid_hw = sam.prompt_encoder.image_embedding_size
        own = (self.decoder.iou_token.weight, self.decoder.mask_tokens.weight)
        self.own_tokens = torch.cat(own)
        self.no_mask = sam.prompt_encoder.no_mask_embed.weight
        self.positions = _positions(sam).to(self.no_mask)  # (HW, C)
        first_up, norm, _, second_up, _ = self.decoder.output_upscaling
        self.first_up = _as_linear(first_up)
        self.up_norm = cast(LayerNorm2d, norm)
        self.second_up = _as_linear(second_up)
        self._blocks = [cast(TwoWayAttentionBlock, b) for b in self.decoder.transformer.layers]

    def is_fresh(self) -> bool:
        """Whether the network's parameters are still the ones this was made from."""
        return self._stamp() == self._made_from

    def _stamp(self) -> list[tuple[int, int]]:
        # Steps of an optimiser count up the version; moves and casts change the address.
        return [(p.data_ptr(), 0 if p.is_inference() else p._version) for p in self._parameters]

    def prepare(self, embedding: Tensor) -> ImageSide:
        """The image's share of the work: embedding (C, H, W) to `ImageSide`."""
        flat = embedding.to(self.no_mask.dtype).flatten(1).T
        image = flat + self.no_mask
        placed = image + self.positions
        block = self._blocks[0]
        to_image, to_token = block.cross_attn_token_to_image, block.cross_attn_image_to_token
        heads, scale = to_token.heads, _scale(to_token)
        return ImageSide(
            embedding=flat,
            image=image,
            keys=_split(to_image.k_proj(placed), heads).transpose(1, 2).contiguous(),
            values=_split(to_image.v_proj(image), heads).contiguous(),
            queries=(_split(to_token.q_proj(placed), heads) * scale).transpose(1, 2).contiguous(),
        )

    def decode_tokens(self, side: ImageSide, sparse: Tensor, dense: Tensor | None) -> DecodedTokens:
        """Prompts on one image.

        Args:
            side: the image.
            sparse: (N, T, C) embedded points.
            dense: (N, C, H, W) embedded masks, or None where no prompt has one.

        Returns:
            Predicted IoU, and what `masks` needs.
        """
        count = len(sparse)
        tokens = token_pe = torch.cat([self.own_tokens.expand(count, -1, -1), sparse], dim=1)
        first, *others = self._blocks
        if dense is None:
            tokens, image = self._first_block(first, side, tokens)
        else:
            image = side.embedding + dense.flatten(2).transpose(1, 2)
            tokens, image = self._block(first, tokens, token_pe, image)
        for block in others:
            tokens, image = self._block(block, tokens, token_pe, image)
        transformer = self.decoder.transformer
        final = transformer.final_attn_token_to_image
        read = _tokens_read_image(final, tokens + token_pe, image + self.positions, image)
        tokens = transformer.norm_final_attn(tokens + read)
        mlps = self.decoder.output_hypernetworks_mlps
        weights = torch.stack([mlp(tokens[:, 1 + i]) for i, mlp in enumerate(mlps)], dim=1)
        return DecodedTokens(self.decoder.iou_prediction_head(tokens[:, 0]), weights, image)

    def _first_block(
        self, block: TwoWayAttentionBlock, side: ImageSide, token_pe: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The first block where all prompts share the image."""
        tokens = block.norm1(block.self_attn(token_pe, token_pe, token_pe))
        attention = block.cross_attn_token_to_image
        query = _split(attention.q_proj(tokens + token_pe), attention.heads) * _scale(attention)
        weights = torch.matmul(query, side.keys).softmax(dim=-1)  # (N, heads, T, HW)
        read = torch.matmul(weights, side.values).transpose(1, 2).flatten(2)
        tokens = _after_reading(block, tokens, attention.out_proj(read))
        attention = block.cross_attn_image_to_token
        key = _split(attention.k_proj(tokens + token_pe), attention.heads)
        weights = torch.matmul(key, side.queries).softmax(dim=2).flatten(1, 2)  # (N, heads T, HW)
        return tokens, self._image_reads(block, side.image, weights, tokens)

    def _block(
        self, block: TwoWayAttentionBlock, tokens: Tensor, token_pe: Tensor, image: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Any block where each prompt has an image of its own."""
        if block.is_first:
            tokens = block.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + token_pe
            tokens = tokens + block.self_attn(placed, placed, tokens)
        tokens = block.norm1(tokens)
        placed_image = image + self.positions
        attention = block.cross_attn_token_to_image
        read = _tokens_read_image(attention, tokens + token_pe, placed_image, image)
        tokens = _after_reading(block, tokens, read)
        attention = block.cross_attn_image_to_token
        key = _split(attention.k_proj(tokens + token_pe), attention.heads) * _scale(attention)
        rows = _fold(key, attention.q_proj.weight)
        offset = key @ attention.q_proj.bias.view(attention.heads, -1, 1)
        logits = torch.baddbmm(offset.flatten(1, 2), rows, placed_image.transpose(1, 2))
        by_head = logits.view(len(logits), attention.heads, -1, logits.shape[-1])
        weights = by_head.softmax(dim=2).flatten(1, 2)
        return tokens, self._image_reads(block, image, weights, tokens)

    @staticmethod
    def _image_reads(
        block: TwoWayAttentionBlock, image: Tensor, weights: Tensor, tokens: Tensor
    ) -> Tensor:
        """Add what the image reads from the tokens and normalise.

        Args:
            block: whose image-to-token attention it is.
            image: (HW, C) or (N, HW, C).
            weights: (N, heads T, HW), summing to one over each head's tokens.
            tokens: (N, T, C).

        Returns:
            (N, HW, C).
        """
        attention = block.cross_attn_image_to_token
        value = _split(attention.v_proj(tokens), attention.heads)
        out = attention.out_proj
        # Each head's weights sum to one, so the bias may be shared out among the heads' rows.
        rows = _fold(value, out.weight.T) + out.bias / attention.heads  # (N, heads T, C)
        read = torch.bmm(weights.transpose(1, 2), rows)
        normed: Tensor = block.norm4(read.add_(image))
        return normed

    def masks(self, decoded: DecodedTokens, chosen: slice) -> Tensor:
        """Low-res logits of the chosen mask tokens, (N, M, 4H, 4W)."""
        height, width = self.grid_hw
        weights = decoded.weights[:, chosen].transpose(1, 2)  # (N, C / 8, M)
        parts = [
            self._upscale(image, weights)
            for image in torch.split(decoded.image, POSITIONS_PER_STEP, dim=1)
        ]
        fine = torch.cat(parts, dim=1).view(len(weights), height, width, 2, 2, 2, 2, -1)
        # (row, column, then row and column inside the position, twice) to image order
        ordered = fine.permute(0, 7, 1, 3, 5, 2, 4, 6)
        return ordered.reshape(len(weights), -1, 4 * height, 4 * width)

    def _upscale(self, image: Tensor, weights: Tensor) -> Tensor:
        """(N, P, C) positions to (N, P, 16, M) logits of the 16 cells in each."""
        count, positions, channels = image.shape
        x = F.linear(image, *self.first_up).view(count, positions, 4, channels // 4)
        norm = self.up_norm
        # In place: fresh memory for every step costs as much as the step.
        x = _gelu_(F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps))
        x = _gelu_(F.linear(x, *self.second_up)).view(count, positions * 16, channels // 8)
        return torch.bmm(x, weights).view(count, positions, 16, -1)


def _positions(sam: Sam) -> Tensor:
    """The positions of the image's cells, (HW, C) float32, from sines in double precision.

    They are made once, and everything depends on them: the last digits should not depend on how a
    machine computes single-precision sines. NumPy, since some devices have no double precision.
    """
    height, width = sam.prompt_encoder.image_embedding_size
    matrix = sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    y, x = np.divmod(np.arange(height * width), width)
    cells = np.stack([(x + 0.5) / width, (y + 0.5) / height], axis=1)
    angles = 2 * np.pi * ((2 * cells - 1) @ matrix.detach().cpu().numpy().astype(np.float64))
    positions = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return torch.from_numpy(positions.astype(np.float32))


def _as_linear(conv: nn.Module) -> tuple[Tensor, Tensor]:
    """A 2 x 2 transposed convolution of stride two as weight (4 out, in) and bias (4 out)."""
    conv = cast(nn.ConvTranspose2d, conv)
    weight, bias = conv.weight.detach(), cast(Tensor, conv.bias).detach()
    return weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0]).contiguous(), bias.repeat(4)


def _gelu_(x: Tensor) -> Tensor:
    """The exact GELU, in place."""
    out: Tensor = torch.ops.aten.gelu_(x)
    return out


def _split(x: Tensor, heads: int) -> Tensor:
    """(..., T, C) to (..., heads, T, C / heads)."""
    return x.reshape(*x.shape[:-1], heads, -1).transpose(-3, -2)


def _scale(attention: Attention) -> float:
    return 1 / math.sqrt(attention.q_proj.out_features // attention.heads)


def _fold(tokens: Tensor, weight: Tensor) -> Tensor:
    """Each head's rows of a projection times the tokens: (N, h, T, c), (h c, C) to (N, h T, C)."""
    heads, channels = tokens.shape[1], tokens.shape[-1]
    folded = torch.matmul(tokens, weight.reshape(heads, channels, -1))
    return folded.flatten(1, 2)


def _tokens_read_image(
    attention: Attention, placed_tokens: Tensor, placed_image: Tensor, image: Tensor
) -> Tensor:
    """Token-to-image attention without projecting the image.

    The bias of the keys adds the same to all logits of a token and drops out of the softmax; that
    of the values comes back whole, since the weights sum to one.
    """
    heads = attention.heads
    query = _split(attention.q_proj(placed_tokens), heads) * _scale(attention)
    rows = _fold(query, attention.k_proj.weight)  # (N, heads T, C)
    weights = torch.bmm(rows, placed_image.transpose(1, 2)).softmax(dim=-1)
    read = torch.bmm(weights, image)
    read = read.view(len(read), heads, -1, read.shape[-1])  # (N, heads, T, C)
    value = attention.v_proj
    per_head = value.weight.view(heads, -1, value.in_features).transpose(1, 2)
    projected = torch.matmul(read, per_head).transpose(1, 2).flatten(2) + value.bias
    out: Tensor = attention.out_proj(projected)
    return out


def _after_reading(block: TwoWayAttentionBlock, tokens: Tensor, read: Tensor) -> Tensor:
    """What follows the token-to-image attention on the tokens' side."""
    tokens = block.norm2(tokens + read)
    out: Tensor = block.norm3(tokens + block.mlp(tokens))
    return out
