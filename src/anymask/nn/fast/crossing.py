"""Attention between few tokens and the many positions of an image, without projecting the image.

A projection W of the image that meets tokens in a product is applied to the tokens instead:
``q . (W k) = (q W) . k``. The image is cut into strips of positions, and all that happens to a
strip happens in a row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from anymask.nn.decoder import Attention, TwoWayAttentionBlock
from anymask.nn.fast.products import Products

Strips = tuple[Tensor, ...]
"""An image (N, HW, C) cut along its positions."""


class Reading:
    """Tokens read the image.

    The bias of the keys adds the same to all logits of a token and drops out of the softmax; that
    of the values comes back whole, since the weights sum to one.

    Args:
        attention: the attention.
        products: multiplies with the image.
    """

    def __init__(self, attention: Attention, products: Products) -> None:
        self._attention = attention
        self._products = products
        weight = attention.v_proj.weight
        self._values = weight.view(attention.heads, -1, weight.shape[-1]).transpose(1, 2)

    def rows(self, placed_tokens: Tensor) -> Tensor:
        """What the tokens (N, T, C) look for in the image, (N, heads T, C)."""
        attention = self._attention
        query = split_heads(attention.q_proj(placed_tokens), attention.heads) * scale_of(attention)
        return _fold(query, attention.k_proj.weight)

    def read(self, logits: Tensor, image: Strips) -> Tensor:
        """What the image says where the tokens look.

        Args:
            logits: (N, heads T, HW) `rows` times the image with its positions.
            image: without them.

        Returns:
            (N, heads T, C), for `project`.
        """
        shares = torch.split(logits.softmax(dim=-1), [len(strip[0]) for strip in image], dim=-1)
        parts = [
            self._products.read(share, strip) for share, strip in zip(shares, image, strict=True)
        ]
        return torch.stack(parts).sum(dim=0).to(self._values.dtype)

    def project(self, read: Tensor) -> Tensor:
        """What `read` made (N, heads T, C) as the tokens take it, (N, T, C)."""
        attention = self._attention
        by_head = read.view(len(read), attention.heads, -1, read.shape[-1])  # (N, heads, T, C)
        projected = torch.matmul(by_head, self._values).transpose(1, 2).flatten(2)
        out: Tensor = attention.out_proj(projected + attention.v_proj.bias)
        return out


class Writing:
    """The image reads the tokens, adds that to itself and is normalised.

    Args:
        block: whose attention and norm these are.
        positions: of the image's cells, in strips (HW, C).
        products: multiplies with the image.
    """

    def __init__(self, block: TwoWayAttentionBlock, positions: Strips, products: Products) -> None:
        self._attention = block.cross_attn_image_to_token
        self._norm = block.norm4
        self._positions = positions
        self._products = products

    def values(self, tokens: Tensor) -> Tensor:
        """What the image can read from the tokens (N, T, C), (N, heads T, C)."""
        attention, out = self._attention, self._attention.out_proj
        value = split_heads(attention.v_proj(tokens), attention.heads)
        # Each head's weights sum to one, so the bias may be shared out among the heads' rows.
        return _fold(value, out.weight.T) + out.bias / attention.heads

    def rows(self, placed_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """What the image multiplies to see how much of each token it reads.

        Args:
            placed_tokens: (N, T, C).

        Returns:
            Rows (N, heads T, C), and what is added to the product, (N, heads, T, 1).
        """
        attention = self._attention
        key = split_heads(attention.k_proj(placed_tokens), attention.heads) * scale_of(attention)
        offset = key @ attention.q_proj.bias.view(attention.heads, -1, 1)
        return _fold(key, attention.q_proj.weight), offset

    def weights(self, rows: Tensor, offset: Tensor, image: Strips) -> Iterator[Tensor]:
        """How much each position reads of each token.

        Args:
            rows: (N, heads T, C) of `rows`.
            offset: (N, heads, T, 1) of `rows`.
            image: as it is.

        Yields:
            For each strip, (N, heads T, P), summing to one over each head's tokens.
        """
        offset = offset.to(image[0].dtype)
        for strip, positions in zip(image, self._positions, strict=True):
            logits = self._products.with_image(rows, strip + positions)
            by_head = logits.view(*offset.shape[:3], -1).add_(offset)
            yield by_head.softmax(dim=2).flatten(1, 2)

    def change(
        self, image: Strips, weights: Iterable[Tensor], values: Tensor, rows: Tensor
    ) -> tuple[Strips, Tensor]:
        """Let the image read, and multiply it for the next reading of the tokens.

        Args:
            image: as it is, of N images or one.
            weights: for each strip, (N, heads T, P).
            values: (N, heads T, C).
            rows: (N, R, C) what tokens look for in the image when it has read.

        Returns:
            The image when it has read, and the logits (N, R, HW) of `rows`.
        """
        norm, changed, logits = self._norm, [], []
        for strip, positions, share in zip(image, self._positions, weights, strict=True):
            x = self._products.spread(share, values, strip)
            x = F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps)
            logits.append(self._products.with_image(rows, x + positions))
            changed.append(x)
        return tuple(changed), torch.cat(logits, dim=-1)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(..., T, C) to (..., heads, T, C / heads)."""
    return x.reshape(*x.shape[:-1], heads, -1).transpose(-3, -2)


def scale_of(attention: Attention) -> float:
    """What logits of an attention are multiplied with."""
    return 1 / math.sqrt(attention.q_proj.out_features // attention.heads)


def _fold(tokens: Tensor, weight: Tensor) -> Tensor:
    """Each head's rows of a projection times the tokens: (N, h, T, c), (h c, C) to (N, h T, C)."""
    heads, channels = tokens.shape[1], tokens.shape[-1]
    folded = torch.matmul(tokens, weight.reshape(heads, channels, -1))
    return folded.flatten(1, 2)
