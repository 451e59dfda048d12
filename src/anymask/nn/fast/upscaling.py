"""The mask decoder's upscaling: transposed convolutions of stride two as linear layers.

Each position of the image becomes 2 x 2 and then 4 x 4 cells, all next to each other in memory;
only the few finished masks are put into image order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.nn.fast.crossing import Strips
from anymask.nn.fast.linear import Linear, LinearMaker, gelu_
from anymask.nn.fast.products import Products
from anymask.nn.layers import LayerNorm2d

POSITIONS_PER_STEP = 1024
"""Positions upscaled at once, where a part of the image is."""
CELLS = 4
"""Cells of a mask on each side of a position."""


class Upscaling:
    """Image and mask tokens to masks.

    Args:
        source: the layers, as `MaskDecoder` has them.
        grid_hw: rows and columns of the image's positions.
        make: makes the linear layers.
        products: multiplies in the same precision.
    """

    def __init__(
        self,
        source: nn.Sequential,
        grid_hw: tuple[int, int],
        make: LinearMaker,
        products: Products,
    ) -> None:
        first, norm, _, second, _ = source
        self._grid_hw = grid_hw
        self._products = products
        self._first = _as_linear(first, make)
        self._norm = cast(LayerNorm2d, norm)
        self._second = _as_linear(second, make)

    def __call__(
        self, image: Strips, weights: Tensor, visible_hw: tuple[int, int] | None = None
    ) -> Tensor:
        """Logits of all cells.

        Args:
            image: (N, HW, C) in strips.
            weights: (N, M, C / 8) what each mask multiplies the upscaled image with.
            visible_hw: rows and columns of positions to upscale, from the upper left; left out,
                all.

        Returns:
            (N, M, 4h, 4w) in the weights' precision.
        """
        height, width = visible_hw or self._grid_hw
        if (height, width) != self._grid_hw:
            whole = torch.cat(image, dim=1)
            grid = whole.view(len(whole), *self._grid_hw, -1)[:, :height, :width]
            image = torch.split(grid.flatten(1, 2), POSITIONS_PER_STEP, dim=1)
        cells = torch.cat([self._upscale(strip, weights) for strip in image], dim=2)
        ordered = cells.flatten(0, 1).index_select(1, _image_order(height, width, cells.device))
        return ordered.view(*weights.shape[:2], CELLS * height, CELLS * width)

    def _upscale(self, image: Tensor, weights: Tensor) -> Tensor:
        """(N, P, C) positions to (N, M, P * 16) logits of the cells in each."""
        count, positions, channels = image.shape
        x = self._first(image).view(count, -1, channels // 4)
        norm = self._norm
        # In place: fresh memory for every step costs as much as the step.
        x = gelu_(F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps))
        x = self._second.gelu(x)
        x = x.view(count, positions * CELLS**2, channels // 8)
        return self._products.with_image(weights, x).to(weights.dtype)


def _as_linear(conv: nn.Module, make: LinearMaker) -> Linear:
    """A 2 x 2 transposed convolution of stride two as a linear layer with 4 times the outputs."""
    conv = cast(nn.ConvTranspose2d, conv)
    weight, bias = conv.weight.detach(), cast(Tensor, conv.bias).detach()
    return make(weight.permute(2, 3, 1, 0).flatten(0, 2), bias.repeat(4))


@lru_cache(maxsize=8)
def _image_order(height: int, width: int, device: torch.device) -> Tensor:
    """Where each cell of a mask, row by row, lies among those of position after position."""
    # row, column, then row and column inside the position, twice
    numbers = torch.arange(height * width * CELLS**2, device=device)
    return numbers.view(height, width, 2, 2, 2, 2).permute(0, 2, 4, 1, 3, 5).flatten()
