"""Products in which one side changes with every call: few rows of tokens with many of an image.

Where vectors have 512 bits, here too oneDNN is up to twice as fast as what is behind
`torch.matmul`; where they are shorter it is slower. It takes one product a call, so that the
prompts of a batch follow each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from anymask.nn.fast.linear import prefers_onednn
from anymask.nn.fast.processor import has_wide_vectors


class Products:
    """By the batched operators of PyTorch, on any device, in the precision of the image."""

    def with_image(self, rows: Tensor, image: Tensor) -> Tensor:
        """Rows (N, R, C) times the image (N, P, C): (N, R, P)."""
        return torch.bmm(rows.to(image.dtype), image.transpose(1, 2))

    def read(self, weights: Tensor, image: Tensor) -> Tensor:
        """Means of the image's (N, P, C) positions, weighted by (N, R, P): (N, R, C)."""
        return torch.bmm(weights, image)

    def spread(self, weights: Tensor, rows: Tensor, image: Tensor) -> Tensor:
        """The image (N or 1, P, C) plus rows (N, R, C) where weights (N, R, P) say: (N, P, C)."""
        dtype = image.dtype
        return torch.baddbmm(image, weights.to(dtype).transpose(1, 2), rows.to(dtype))


class OneDnnProducts(Products):
    """By oneDNN's linear layer, with the changing matrix in the place of the layer's weight."""

    def with_image(self, rows: Tensor, image: Tensor) -> Tensor:
        """Rows (N, R, C) times the image (N, P, C): (N, R, P)."""
        return _each(_times, rows.to(image.dtype), image)

    def read(self, weights: Tensor, image: Tensor) -> Tensor:
        """Means of the image's (N, P, C) positions, weighted by (N, R, P): (N, R, C)."""
        return _each(_times, weights, image.transpose(1, 2))

    def spread(self, weights: Tensor, rows: Tensor, image: Tensor) -> Tensor:
        """The image (N or 1, P, C) plus rows (N, R, C) where weights (N, R, P) say: (N, P, C)."""
        images, dtype = image.expand(len(weights), -1, -1), image.dtype
        by_position, by_channel = (x.to(dtype).transpose(1, 2) for x in (weights, rows))
        return _each(_plus_times, images, by_position, by_channel)


def _each(product: Callable[..., Tensor], *batches: Tensor) -> Tensor:
    """One product after the other; a single one without a copy."""
    first, *others = [product(*each) for each in zip(*batches, strict=True)]
    return torch.stack([first, *others]) if others else first[None]


def _times(x: Tensor, rows: Tensor) -> Tensor:
    """(A, C) times (B, C): (A, B)."""
    operator: Any = torch.ops.mkldnn._linear_pointwise
    out: Tensor = operator(x, rows, None, "none", [], "none")
    return out


def _plus_times(image: Tensor, x: Tensor, rows: Tensor) -> Tensor:
    """(A, B) plus (A, C) times (B, C)."""
    operator: Any = torch.ops.mkldnn._linear_pointwise
    out: Tensor = operator.binary(x, image, rows, None, "add")
    return out


def products_for(device: torch.device, dtype: torch.dtype) -> Products:
    """The faster kind that computes rightly there."""
    wide = has_wide_vectors() and prefers_onednn(device, dtype)
    return OneDnnProducts() if wide else Products()
