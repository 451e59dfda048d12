"""The mask decoder for inference: the same numbers, most of the work on the image shared or folded.

The published decoder projects all positions of the image (4096 x 256 channels) anew for every
prompt. Two facts make that needless. The first block sees the same image for every prompt without a
mask, so its projections are made once an image. And there are far fewer tokens T than positions, so
a projection W of the image that meets tokens in a product is applied to the tokens instead:
``q . (W k) = (q W) . k``. With h heads the image is then multiplied with h T rows and never
projected. Of the last reading only those tokens take part that answer. Differences to `MaskDecoder`
are rounding: about 1e-5 on logits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from anymask.nn.decoder import MaskDecoder, TwoWayAttentionBlock
from anymask.nn.fast.crossing import Reading, Strips, Writing, scale_of, split_heads
from anymask.nn.fast.linear import LinearMaker
from anymask.nn.fast.products import Products, products_for
from anymask.nn.fast.upscaling import Upscaling
from anymask.nn.layers import MLP, MLPBlock
from anymask.nn.model import Sam

POSITIONS_PER_STEP = 2048
"""Positions of the image worked on at once on a CPU, measured."""


@dataclass(frozen=True, eq=False)
class ImageSide:
    """What the decoder needs of one image, made once.

    Attributes:
        embedding: (HW, C) the image embedding.
        image: (HW, C) the same with the embedding of "no mask" added, in the precision of products.
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
        iou: (N, M) predicted IoU of the mask tokens asked for.
        weights: (N, M, C / 8) what each of them multiplies the upscaled image with.
        image: the image as the prompts changed it.
    """

    iou: Tensor
    weights: Tensor
    image: Strips

    def __getitem__(self, rows: Tensor) -> DecodedTokens:
        """Some of the prompts."""
        if len(rows) == len(self.iou):
            return self
        image = tuple(strip[rows] for strip in self.image)
        return DecodedTokens(self.iou[rows], self.weights[rows], image)


class FoldedDecoder:
    """Decodes with a network's parameters, some of them rearranged.

    Args:
        sam: the network, in evaluation mode.
        dtype: what the image's many positions are multiplied in; left out, that of the parameters.
            Tokens stay in that of the parameters, which is where lost digits would count.
    """

    def __init__(self, sam: Sam, dtype: torch.dtype | None = None) -> None:
        self.decoder: MaskDecoder = sam.mask_decoder
        self._parameters = [*sam.mask_decoder.parameters(), *sam.prompt_encoder.parameters()]
        self._made_from = self._stamp()
        own = (self.decoder.iou_token.weight, self.decoder.mask_tokens.weight)
        self.own_tokens = torch.cat(own)
        self.no_mask = sam.prompt_encoder.no_mask_embed.weight
        self._dtype = dtype or self.no_mask.dtype
        device = self.no_mask.device
        products = products_for(device, self._dtype)
        make = LinearMaker(self.no_mask.dtype, device)
        grid_hw = sam.prompt_encoder.image_embedding_size
        self._step = POSITIONS_PER_STEP if device.type == "cpu" else math.prod(grid_hw)
        self._positions = self._cut(image_positions(sam).to(device, self._dtype))
        self._products = products
        transformer = self.decoder.transformer
        self._blocks = [
            _Block(cast(TwoWayAttentionBlock, block), self._positions, make, products)
            for block in transformer.layers
        ]
        self._final = Reading(transformer.final_attn_token_to_image, products)
        self._hypernetworks = _StackedMlps(self.decoder.output_hypernetworks_mlps)
        self._upscaling = Upscaling(
            self.decoder.output_upscaling, grid_hw, LinearMaker(self._dtype, device), products
        )

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
        placed = image + torch.cat(self._positions).to(image.dtype)
        block = self._blocks[0].source
        to_image, to_token = block.cross_attn_token_to_image, block.cross_attn_image_to_token
        heads = to_token.heads
        queries = split_heads(to_token.q_proj(placed), heads) * scale_of(to_token)
        return ImageSide(
            embedding=flat,
            image=image.to(self._dtype).contiguous(),
            keys=split_heads(to_image.k_proj(placed), heads).transpose(1, 2).contiguous(),
            values=split_heads(to_image.v_proj(image), heads).contiguous(),
            queries=queries.transpose(1, 2).contiguous(),
        )

    def decode_tokens(
        self, side: ImageSide, sparse: Tensor, dense: Tensor | None, chosen: slice
    ) -> DecodedTokens:
        """Prompts on one image.

        Args:
            side: the image.
            sparse: (N, T, C) embedded points.
            dense: (N, C, H, W) embedded masks, or None where no prompt has one.
            chosen: the mask tokens that answer.

        Returns:
            Predicted IoU, and what `masks` needs.
        """
        token_pe = torch.cat([self.own_tokens.expand(len(sparse), -1, -1), sparse], dim=1)
        tokens, image, weights = self._first_reading(side, token_pe, dense)
        block = self._blocks[0]
        for following in self._blocks[1:]:
            values = block.writing.values(tokens)
            tokens = following.among_themselves(tokens, token_pe)
            rows = following.reading.rows(tokens + token_pe)
            image, logits = block.writing.change(image, weights, values, rows)
            tokens = following.after_reading(tokens, following.reading.finish(logits, image))
            weights = following.writing.weights(tokens + token_pe, image)
            block = following
        # Only tokens that answer read the image once more.
        answering, answering_pe = (self._answering(x, chosen) for x in (tokens, token_pe))
        rows = self._final.rows(answering + answering_pe)
        image, logits = block.writing.change(image, weights, block.writing.values(tokens), rows)
        norm = self.decoder.transformer.norm_final_attn
        tokens = norm(answering + self._final.finish(logits, image))
        iou = self.decoder.iou_prediction_head(tokens[:, 0])[:, chosen]
        return DecodedTokens(iou, self._hypernetworks(tokens[:, 1:], chosen), image)

    def _first_reading(
        self, side: ImageSide, token_pe: Tensor, dense: Tensor | None
    ) -> tuple[Tensor, Strips, Iterator[Tensor]]:
        """The first block up to where the image changes: tokens, image, and what that reads."""
        block = self._blocks[0]
        tokens = block.among_themselves(token_pe, token_pe)
        if dense is None:
            return self._first_reading_shared(side, tokens, token_pe)
        image = self._cut((side.embedding + dense.flatten(2).transpose(1, 2)).to(self._dtype))
        rows = block.reading.rows(tokens + token_pe)
        logits = [
            self._products.with_image(rows, strip + positions)
            for strip, positions in zip(image, self._positions, strict=True)
        ]
        read = block.reading.finish(torch.cat(logits, dim=-1), image)
        tokens = block.after_reading(tokens, read)
        return tokens, image, block.writing.weights(tokens + token_pe, image)

    def _first_reading_shared(
        self, side: ImageSide, tokens: Tensor, token_pe: Tensor
    ) -> tuple[Tensor, Strips, Iterator[Tensor]]:
        """The same where all prompts share the image."""
        block = self._blocks[0]
        attention = block.source.cross_attn_token_to_image
        query = split_heads(attention.q_proj(tokens + token_pe), attention.heads)
        shares = torch.matmul(query * scale_of(attention), side.keys).softmax(dim=-1)
        read = torch.matmul(shares, side.values).transpose(1, 2).flatten(2)
        tokens = block.after_reading(tokens, attention.out_proj(read))
        attention = block.source.cross_attn_image_to_token
        key = split_heads(attention.k_proj(tokens + token_pe), attention.heads)
        weights = torch.matmul(key, side.queries).softmax(dim=2).flatten(1, 2)  # (N, heads T, HW)
        return tokens, self._cut(side.image[None]), iter(torch.split(weights, self._step, dim=-1))

    def _cut(self, image: Tensor) -> Strips:
        """(..., HW, C) in strips."""
        return tuple(strip.contiguous() for strip in torch.split(image, self._step, dim=-2))

    def _answering(self, tokens: Tensor, chosen: slice) -> Tensor:
        """The IoU token and the chosen ones of the mask tokens."""
        numbers = range(self.decoder.num_mask_tokens)[chosen]
        return torch.cat([tokens[:, :1], tokens[:, 1 + numbers[0] : 2 + numbers[-1]]], dim=1)

    def masks(self, decoded: DecodedTokens, visible_hw: tuple[int, int] | None = None) -> Tensor:
        """Low-res logits (N, M, 4h, 4w).

        Args:
            decoded: the prompts.
            visible_hw: upscale only so many rows and columns of the image's positions; left out,
                all.
        """
        return self._upscaling(decoded.image, decoded.weights, visible_hw)


class _Block:
    """A block of the transformer in parts.

    Args:
        source: the block.
        positions: of the image's cells.
        make: makes the linear layers.
        products: multiplies with the image.
    """

    def __init__(
        self,
        source: TwoWayAttentionBlock,
        positions: Strips,
        make: LinearMaker,
        products: Products,
    ) -> None:
        self.source = source
        self.reading = Reading(source.cross_attn_token_to_image, products)
        self.writing = Writing(source, positions, products)
        mlp: MLPBlock = source.mlp
        self._widen = make(mlp.lin1.weight, mlp.lin1.bias)
        self._narrow = make(mlp.lin2.weight, mlp.lin2.bias)

    def among_themselves(self, tokens: Tensor, token_pe: Tensor) -> Tensor:
        """Tokens (N, T, C) read each other."""
        block = self.source
        if block.is_first:
            tokens = block.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + token_pe
            tokens = tokens + block.self_attn(placed, placed, tokens)
        normed: Tensor = block.norm1(tokens)
        return normed

    def after_reading(self, tokens: Tensor, read: Tensor) -> Tensor:
        """What follows the token-to-image attention on the tokens' side."""
        tokens = self.source.norm2(tokens + read)
        out: Tensor = self.source.norm3(tokens + self._narrow(self._widen.relu(tokens)))
        return out


class _StackedMlps:
    """MLPs of equal shape, each for a token of its own.

    Args:
        mlps: the MLPs.
    """

    def __init__(self, mlps: nn.ModuleList) -> None:
        layers = zip(*(cast(MLP, mlp).layers for mlp in mlps), strict=True)
        self._pairs = [_stacked(cast("tuple[nn.Linear, ...]", same)) for same in layers]

    def __call__(self, tokens: Tensor, chosen: slice) -> Tensor:
        """Tokens (N, M, in) of the chosen MLPs to (N, M, out)."""
        x = tokens.transpose(0, 1)
        *hidden, (weight, bias) = self._pairs
        for some_weight, some_bias in hidden:
            x = torch.baddbmm(some_bias[chosen], x, some_weight[chosen]).relu()
        return torch.baddbmm(bias[chosen], x, weight[chosen]).transpose(0, 1)


def _stacked(layers: tuple[nn.Linear, ...]) -> tuple[Tensor, Tensor]:
    """Weights (M, in, out) and biases (M, 1, out)."""
    weights = torch.stack([layer.weight.detach().T for layer in layers])
    return weights, torch.stack([layer.bias.detach()[None] for layer in layers])


def image_positions(sam: Sam) -> Tensor:
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
