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
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.nn.decoder import Attention, MaskDecoder, TwoWayAttentionBlock
from anymask.nn.fast.linear import LinearMaker
from anymask.nn.fast.products import Products, products_for
from anymask.nn.fast.upscaling import Upscaling
from anymask.nn.layers import MLP, MLPBlock
from anymask.nn.model import Sam

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
        image: (N, HW, C) the image as the prompts changed it.
    """

    iou: Tensor
    weights: Tensor
    image: Tensor

    def __getitem__(self, rows: Tensor) -> DecodedTokens:
        """Some of the prompts."""
        if len(rows) == len(self.iou):
            return self
        return DecodedTokens(self.iou[rows], self.weights[rows], self.image[rows])


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
        self.positions = _positions(sam).to(device, self._dtype)  # (HW, C)
        self._products: Products = products_for(device, self._dtype)
        self._blocks = [
            _Block(cast(TwoWayAttentionBlock, block), LinearMaker(self.no_mask.dtype, device))
            for block in self.decoder.transformer.layers
        ]
        self._hypernetworks = _StackedMlps(self.decoder.output_hypernetworks_mlps)
        self._upscaling = Upscaling(
            self.decoder.output_upscaling,
            sam.prompt_encoder.image_embedding_size,
            LinearMaker(self._dtype, device),
            self._products,
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
        placed = image + self.positions.to(image.dtype)
        block = self._blocks[0].source
        to_image, to_token = block.cross_attn_token_to_image, block.cross_attn_image_to_token
        heads, scale = to_token.heads, _scale(to_token)
        return ImageSide(
            embedding=flat,
            image=image.to(self._dtype).contiguous(),
            keys=_split(to_image.k_proj(placed), heads).transpose(1, 2).contiguous(),
            values=_split(to_image.v_proj(image), heads).contiguous(),
            queries=(_split(to_token.q_proj(placed), heads) * scale).transpose(1, 2).contiguous(),
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
        count = len(sparse)
        tokens = token_pe = torch.cat([self.own_tokens.expand(count, -1, -1), sparse], dim=1)
        first, *others = self._blocks
        if dense is None:
            tokens, image = self._first_block(first, side, tokens)
        else:
            image = (side.embedding + dense.flatten(2).transpose(1, 2)).to(self._dtype)
            tokens, image = self._block(first, tokens, token_pe, image.contiguous())
        for block in others:
            tokens, image = self._block(block, tokens, token_pe, image)
        tokens = self._last_reading(tokens, token_pe, image, chosen)
        iou = self.decoder.iou_prediction_head(tokens[:, 0])[:, chosen]
        return DecodedTokens(iou, self._hypernetworks(tokens[:, 1:], chosen), image)

    def _last_reading(
        self, tokens: Tensor, token_pe: Tensor, image: Tensor, chosen: slice
    ) -> Tensor:
        """The IoU token and the chosen mask tokens after they read the image once more."""
        numbers = range(self.decoder.num_mask_tokens)[chosen]
        first, last = 1 + numbers[0], 2 + numbers[-1]
        asked, asked_pe = (
            torch.cat([some[:, :1], some[:, first:last]], dim=1) for some in (tokens, token_pe)
        )
        transformer = self.decoder.transformer
        attention = transformer.final_attn_token_to_image
        read = self._tokens_read_image(attention, asked + asked_pe, image + self.positions, image)
        normed: Tensor = transformer.norm_final_attn(asked + read)
        return normed

    def _first_block(
        self, folded: _Block, side: ImageSide, token_pe: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The first block where all prompts share the image."""
        block = folded.source
        tokens = block.norm1(block.self_attn(token_pe, token_pe, token_pe))
        attention = block.cross_attn_token_to_image
        query = _split(attention.q_proj(tokens + token_pe), attention.heads) * _scale(attention)
        weights = torch.matmul(query, side.keys).softmax(dim=-1)  # (N, heads, T, HW)
        read = torch.matmul(weights, side.values).transpose(1, 2).flatten(2)
        tokens = folded.after_reading(tokens, attention.out_proj(read))
        attention = block.cross_attn_image_to_token
        key = _split(attention.k_proj(tokens + token_pe), attention.heads)
        weights = torch.matmul(key, side.queries).softmax(dim=2).flatten(1, 2)  # (N, heads T, HW)
        return tokens, self._image_reads(block, side.image[None], weights, tokens)

    def _block(
        self, folded: _Block, tokens: Tensor, token_pe: Tensor, image: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Any block where each prompt has an image of its own."""
        block = folded.source
        if block.is_first:
            tokens = block.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + token_pe
            tokens = tokens + block.self_attn(placed, placed, tokens)
        tokens = block.norm1(tokens)
        placed_image = image + self.positions
        attention = block.cross_attn_token_to_image
        read = self._tokens_read_image(attention, tokens + token_pe, placed_image, image)
        tokens = folded.after_reading(tokens, read)
        attention = block.cross_attn_image_to_token
        key = _split(attention.k_proj(tokens + token_pe), attention.heads) * _scale(attention)
        rows = _fold(key, attention.q_proj.weight).to(image.dtype)
        offset = key @ attention.q_proj.bias.view(attention.heads, -1, 1)  # (N, heads, T, 1)
        logits = self._products.with_image(rows, placed_image)
        by_head = logits.view(*offset.shape[:3], -1).add_(offset)
        weights = by_head.softmax(dim=2).flatten(1, 2)
        return tokens, self._image_reads(block, image, weights, tokens)

    def _tokens_read_image(
        self, attention: Attention, placed_tokens: Tensor, placed_image: Tensor, image: Tensor
    ) -> Tensor:
        """Token-to-image attention without projecting the image.

        The bias of the keys adds the same to all logits of a token and drops out of the softmax;
        that of the values comes back whole, since the weights sum to one.
        """
        heads = attention.heads
        query = _split(attention.q_proj(placed_tokens), heads) * _scale(attention)
        rows = _fold(query, attention.k_proj.weight).to(image.dtype)  # (N, heads T, C)
        weights = self._products.with_image(rows, placed_image).softmax(dim=-1)
        read = self._products.read(weights, image).to(query.dtype)
        read = read.view(len(read), heads, -1, read.shape[-1])  # (N, heads, T, C)
        value = attention.v_proj
        per_head = value.weight.view(heads, -1, value.in_features).transpose(1, 2)
        projected = torch.matmul(read, per_head).transpose(1, 2).flatten(2) + value.bias
        out: Tensor = attention.out_proj(projected)
        return out

    def _image_reads(
        self, block: TwoWayAttentionBlock, image: Tensor, weights: Tensor, tokens: Tensor
    ) -> Tensor:
        """Add what the image reads from the tokens and normalise.

        Args:
            block: whose image-to-token attention it is.
            image: (1 or N, HW, C).
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
        changed = self._products.spread(weights.to(image.dtype), rows.to(image.dtype), image)
        norm = block.norm4
        return F.layer_norm(changed, changed.shape[-1:], norm.weight, norm.bias, norm.eps)

    def masks(self, decoded: DecodedTokens, visible_hw: tuple[int, int] | None = None) -> Tensor:
        """Low-res logits (N, M, 4h, 4w).

        Args:
            decoded: the prompts.
            visible_hw: upscale only so many rows and columns of the image's positions; left out,
                all.
        """
        return self._upscaling(decoded.image, decoded.weights, visible_hw)


class _Block:
    """A block with its MLP rearranged.

    Args:
        source: the block.
        make: makes the linear layers.
    """

    def __init__(self, source: TwoWayAttentionBlock, make: LinearMaker) -> None:
        self.source = source
        mlp: MLPBlock = source.mlp
        self._widen = make(mlp.lin1.weight, mlp.lin1.bias)
        self._narrow = make(mlp.lin2.weight, mlp.lin2.bias)

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
