"""Parts that both encoders have."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from anymask.nn.fast.linear import Conv, Linear, LinearMaker, Norm

TOKENS_AT_ONCE = 1024
"""Tokens that go through an MLP together."""


class Mlp:
    """Normalise, widen, GELU, narrow, add to the tokens in place.

    Args:
        norm: the normalisation.
        widen: the first layer.
        narrow: the second layer.
        make: makes the linear layers.
    """

    def __init__(
        self, norm: nn.Module, widen: nn.Linear, narrow: nn.Linear, make: LinearMaker
    ) -> None:
        self._norm = Norm(norm, make.dtype)
        self._widen = make(widen.weight, widen.bias)
        self._narrow = make(narrow.weight, narrow.bias)

    def __call__(self, x: Tensor) -> None:
        """(1, H, W, C), contiguous, changed."""
        for part in torch.split(x.view(-1, x.shape[-1]), TOKENS_AT_ONCE):
            part.add_(self._narrow(self._widen.gelu(self._norm(part))))


class Neck:
    """The two convolutions behind an encoder's features.

    Args:
        source: the layers, as `anymask.nn.layers.neck` makes them.
        make: makes the linear layer.
    """

    def __init__(self, source: nn.Sequential, make: LinearMaker) -> None:
        narrow, first_norm, wide, second_norm = source
        self._narrow = pointwise(cast(nn.Conv2d, narrow), make)
        self._first_norm = Norm(first_norm, make.dtype)
        self._wide = Conv(cast(nn.Conv2d, wide), make.dtype)
        self._second_norm = Norm(second_norm, torch.float32)

    def __call__(self, x: Tensor) -> Tensor:
        """(1, H, W, C) to (1, out_channels, H, W) float32."""
        x = self._wide(self._first_norm(self._narrow(x)))
        return self._second_norm(x).permute(0, 3, 1, 2).contiguous()


def pointwise(source: nn.Conv2d, make: LinearMaker) -> Linear:
    """A 1 x 1 convolution as a linear layer."""
    return make(source.weight.flatten(1), source.bias)
