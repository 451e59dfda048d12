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
from collections.abc import Iterable, Sequence
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

POSITIONS_PER_STEP = 1024
"""Positions of the image worked on at once on a CPU, measured."""

Images = Sequence[Strips]
"""The image as each prompt changed it, or as one entry for all prompts."""


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
        images: the image as the prompts changed it.
    """

    iou: Tensor
    weights: Tensor
    images: Images

    def __getitem__(self, rows: Tensor) -> DecodedTokens:
        """Some of the prompts."""
        if len(rows) == len(self.iou):
            return self
        if len(self.images) == 1:
            images = [tuple(strip[rows] for strip in self.images[0])]
        else:
            images = [self.images[row] for row in rows.tolist()]
        return DecodedTokens(self.iou[rows], self.weights[rows], images)


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
        on_cpu = device.type == "cpu"
        self._step = POSITIONS_PER_STEP if on_cpu else math.prod(grid_hw)
        self._prompts_at_once = 1 if on_cpu else None
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
        tokens, images, weights = self._first_reading(side, token_pe, dense)
        block = self._blocks[0]
        for following in self._blocks[1:]:
            values = block.writing.values(tokens)
            tokens = following.among_themselves(tokens, token_pe)
            images, read = self._change_and_read(
                block.writing, images, weights, values, following.reading, tokens + token_pe
            )
            tokens = following.after_reading(tokens, following.reading.project(read))
            weights = self._weights(following.writing, tokens + token_pe, images)
            block = following
        # Only tokens that answer read the image once more.
        answering, answering_pe = (self._answering(x, chosen) for x in (tokens, token_pe))
        values = block.writing.values(tokens)
        images, read = self._change_and_read(
            block.writing, images, weights, values, self._final, answering + answering_pe
        )
        norm = self.decoder.transformer.norm_final_attn
        tokens = norm(answering + self._final.project(read))
        iou = self.decoder.iou_prediction_head(tokens[:, 0])[:, chosen]
        return DecodedTokens(iou, self._hypernetworks(tokens[:, 1:], chosen), images)

    def _first_reading(
        self, side: ImageSide, token_pe: Tensor, dense: Tensor | None
    ) -> tuple[Tensor, Images, Sequence[Iterable[Tensor]]]:
        """The first block up to where the image changes: tokens, images, and what those read."""
        block = self._blocks[0]
        tokens = block.among_themselves(token_pe, token_pe)
        if dense is None:
            return self._first_reading_shared(side, tokens, token_pe)
        changed = (side.embedding + dense.flatten(2).transpose(1, 2)).to(self._dtype)
        images = [self._cut(image) for image in self._parts(changed)]
        read = []
        for image, rows in zip(
            images, self._parts(block.reading.rows(tokens + token_pe)), strict=True
        ):
            logits = [
                self._products.with_image(rows, strip + positions)
                for strip, positions in zip(image, self._positions, strict=True)
            ]
            read.append(block.reading.read(torch.cat(logits, dim=-1), image))
        tokens = block.after_reading(tokens, block.reading.project(torch.cat(read)))
        return tokens, images, self._weights(block.writing, tokens + token_pe, images)

    def _first_reading_shared(
        self, side: ImageSide, tokens: Tensor, token_pe: Tensor
    ) -> tuple[Tensor, Images, Sequence[Iterable[Tensor]]]:
        """The same where all prompts share the image."""
        block, count = self._blocks[0], len(tokens)
        attention = block.source.cross_attn_token_to_image
        query = split_heads(attention.q_proj(tokens + token_pe), attention.heads)
        # one product for the tokens of all prompts
        query = (query * scale_of(attention)).transpose(0, 1).flatten(1, 2)  # (heads, N T, c)
        read = torch.bmm(torch.bmm(query, side.keys).softmax(dim=-1), side.values)
        read = read.view(attention.heads, count, -1, read.shape[-1]).permute(1, 2, 0, 3).flatten(2)
        tokens = block.after_reading(tokens, attention.out_proj(read))
        attention = block.source.cross_attn_image_to_token
        key = split_heads(attention.k_proj(tokens + token_pe), attention.heads)
        logits = torch.bmm(key.transpose(0, 1).flatten(1, 2), side.queries)
        by_prompt = logits.view(attention.heads, count, -1, logits.shape[-1])
        weights = by_prompt.softmax(dim=2).transpose(0, 1).flatten(1, 2)  # (N, heads T, HW)
        by_part = [torch.split(part, self._step, dim=-1) for part in self._parts(weights)]
        return tokens, [self._cut(side.image[None])] * len(by_part), by_part

    def _change_and_read(
        self,
        writing: Writing,
        images: Images,
        weights: Sequence[Iterable[Tensor]],
        values: Tensor,
        reading: Reading,
        placed_tokens: Tensor,
    ) -> tuple[Images, Tensor]:
        """The images read the tokens, and the tokens the images.

        Args:
            writing: how images read.
            images: as they are.
            weights: what each of them reads.
            values: (N, heads T, C) what there is to read.
            reading: how tokens read.
            placed_tokens: (N, T, C) what tokens look for.

        Returns:
            The images when they have read, and what the tokens read (N, heads T, C).
        """
        changed, read = [], []
        rows = reading.rows(placed_tokens)
        parts = zip(images, weights, self._parts(values), self._parts(rows), strict=True)
        for image, some_weights, some_values, some_rows in parts:
            after, logits = writing.change(image, some_weights, some_values, some_rows)
            read.append(reading.read(logits, after))
            changed.append(after)
        return changed, torch.cat(read)

    def _weights(
        self, writing: Writing, placed_tokens: Tensor, images: Images
    ) -> Sequence[Iterable[Tensor]]:
        """How much the positions of each image read of each token, made when they are needed."""
        rows, offset = (self._parts(x) for x in writing.rows(placed_tokens))
        return [writing.weights(*each) for each in zip(rows, offset, images, strict=True)]

    def _parts(self, batch: Tensor) -> tuple[Tensor, ...]:
        """(N, ...) in parts of prompts whose images are worked on at once."""
        return torch.split(batch, self._prompts_at_once or len(batch))

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
        parts = zip(decoded.images, self._parts(decoded.weights), strict=True)
        masks = [self._upscaling(image, weights, visible_hw) for image, weights in parts]
        return masks[0] if len(masks) == 1 else torch.cat(masks)


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
