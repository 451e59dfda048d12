"""TinyViT for inference on a CPU: channels last throughout, wide maps made a few rows at a time.

The first stage widens the map to 256 channels at a quarter of the canvas, 67 MB that would leave
the cache four times a block. Each block is computed strip by strip instead: the rows of a strip are
widened, mixed and narrowed while they are near, at the price of widening a row more at each edge.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from anymask.nn.fast.attention import attend, sets_at_once
from anymask.nn.fast.blocks import Mlp, Neck, pointwise
from anymask.nn.fast.linear import Conv, LinearMaker, Norm, gelu_
from anymask.nn.layers import from_windows, to_windows
from anymask.nn.tiny_vit import ConvBN, MBConv, PatchMerging, TinyViT, TinyViTBlock, WindowAttention

POSITIONS_AT_ONCE = 4096
"""Positions of a map in one strip."""

Rows = Callable[[int, int], Tensor]
"""From the first row and the one after the last to (1, rows, W, C)."""


class FastTinyViT:
    """A TinyViT with its parameters folded and copied.

    Args:
        encoder: the network, in evaluation mode on a CPU.
        dtype: what to compute in, `torch.float32` or `torch.bfloat16`.
    """

    def __init__(self, encoder: TinyViT, dtype: torch.dtype) -> None:
        make = LinearMaker(dtype)
        self._dtype = dtype
        self._stem = _Stem(cast(nn.Sequential, encoder.patch_embed["seq"]))
        self._steps = [
            _step(part, make)
            for stage in encoder.layers
            for part in (*cast(nn.Sequential, stage.blocks), stage.downsample)
            if not isinstance(part, nn.Identity)
        ]
        self._neck = Neck(encoder.neck, make)

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised and padded to (B, out_channels, S / 16, S / 16) float32."""
        return torch.cat([self._encode(image) for image in torch.split(images, 1)])

    def _encode(self, image: Tensor) -> Tensor:
        x = self._stem(image.float().permute(0, 2, 3, 1).contiguous())
        for step in self._steps:
            x = step(x)
        return self._neck(x.to(self._dtype))


class _Stem:
    """From the image to the first map, a quarter of its size.

    Always in float32: in bfloat16 it did more damage to the embedding than all that follows.
    """

    def __init__(self, source: nn.Sequential) -> None:
        first, _, second = source
        self._first = Conv(_folded(first), torch.float32)
        self._second = Conv(_folded(second), torch.float32)

    def __call__(self, image: Tensor) -> Tensor:
        """(1, H, W, 3) to (1, H / 4, W / 4, C)."""
        height = image.shape[1]
        halved = -(-height // 2)

        def first(top: int, bottom: int) -> Tensor:
            return gelu_(_conv_rows(self._first, lambda a, b: image[:, a:b], height, top, bottom))

        return _in_strips(
            lambda top, bottom: _conv_rows(self._second, first, halved, top, bottom),
            -(-halved // 2),
            image.shape[2] // 4,
        )


class _Bottleneck:
    """Pointwise, 3 x 3 by channel, pointwise: the convolutional block and the way down."""

    def __init__(self, source: MBConv | PatchMerging, make: LinearMaker) -> None:
        self._widen = pointwise(_folded(source.conv1), make)
        self._mix = Conv(_folded(source.conv2), make.dtype)
        self._narrow = pointwise(_folded(source.conv3), make)
        self._residual = isinstance(source, MBConv)
        self._dtype = make.dtype

    def __call__(self, x: Tensor) -> Tensor:
        """(1, H, W, C) to (1, H / stride, W / stride, C')."""
        x = x.to(self._dtype)
        height, width, stride = x.shape[1], x.shape[2], self._mix.stride

        def widened(top: int, bottom: int) -> Tensor:
            return self._widen.gelu(x[:, top:bottom])

        def rows(top: int, bottom: int) -> Tensor:
            mixed = gelu_(_conv_rows(self._mix, widened, height, top, bottom))
            out = self._narrow(mixed)
            return gelu_(out.add_(x[:, top:bottom])) if self._residual else out

        return _in_strips(rows, -(-height // stride), width // stride)


class _Block:
    """Window attention, a 3 x 3 convolution by channel, an MLP."""

    def __init__(self, source: TinyViTBlock, make: LinearMaker) -> None:
        self._window = source.window
        self._attention = _Attention(source.attn, make)
        self._mix = Conv(_folded(source.local_conv), torch.float32)
        self._mlp = Mlp(source.mlp.norm, source.mlp.fc1, source.mlp.fc2, make)

    def __call__(self, x: Tensor) -> Tensor:
        """(1, H, W, C) to the same shape, float32."""
        x = x.float()
        windows, padded_hw = to_windows(x, self._window)
        attended = self._attention(windows.flatten(1, 2))
        x = self._mix(x + from_windows(attended, self._window, padded_hw, (x.shape[1], x.shape[2])))
        self._mlp(x)
        return x


class _Attention:
    """Attention inside windows, the queries' scale folded into their projection."""

    def __init__(self, source: WindowAttention, make: LinearMaker) -> None:
        self._heads = source.heads
        self._norm = Norm(source.norm, make.dtype)
        dim = source.qkv.in_features // source.heads
        scale = torch.ones(source.heads, 3, dim, dtype=torch.float32)
        scale[:, 0] = dim**-0.5
        rows = scale.view(-1)
        self._qkv = make(source.qkv.weight * rows[:, None], source.qkv.bias * rows)
        self._project = make(source.proj.weight, source.proj.bias)
        biases = source.attention_biases.detach()[:, source.distance_index]
        self._bias = biases.to(make.dtype)  # (heads, T, T)

    def __call__(self, windows: Tensor) -> Tensor:
        """(windows, T, C) to the same shape."""
        step = sets_at_once(windows.shape[1], self._heads)
        return torch.cat([self._attend(part) for part in torch.split(windows, step)])

    def _attend(self, windows: Tensor) -> Tensor:
        count, tokens, channels = windows.shape
        heads = self._heads
        qkv = self._qkv(self._norm(windows)).view(count, tokens, heads, 3, channels // heads)
        query, key, value = qkv.permute(3, 0, 2, 1, 4).reshape(3, count * heads, tokens, -1)
        attended = attend(query, key, value, self._bias.repeat(count, 1, 1))
        joined = attended.view(count, heads, tokens, -1).transpose(1, 2)
        return self._project(joined.reshape(count, tokens, channels))


def _step(part: nn.Module, make: LinearMaker) -> _Block | _Bottleneck:
    if isinstance(part, TinyViTBlock):
        return _Block(part, make)
    return _Bottleneck(cast("MBConv | PatchMerging", part), make)


def _folded(source: nn.Module) -> nn.Conv2d:
    """A convolution with the normalisation behind it folded in; leaves the network as it is.

    Folded in float32, whatever the network is stored in.
    """
    source = cast(ConvBN, source)
    conv = deepcopy(source.c).float()
    if isinstance(source.bn, nn.BatchNorm2d):
        return fuse_conv_bn_eval(conv, deepcopy(source.bn).float())
    return conv


def _conv_rows(conv: Conv, source: Rows, height: int, top: int, bottom: int) -> Tensor:
    """Some rows of a 3 x 3 convolution over a map that `source` gives by rows.

    Args:
        conv: the convolution.
        source: rows of its input.
        height: rows that the input has.
        top: first row of the output.
        bottom: the row after the last.

    Returns:
        (1, bottom - top, W, C).
    """
    # A row of the output more above, so that the zeros padded there belong to a row not used.
    first = max(0, top - 1)
    last = min(height, (bottom - 1) * conv.stride + 2)
    out = conv(source(first * conv.stride, last))
    return out[:, top - first : bottom - first]


def _in_strips(rows: Rows, height: int, width: int) -> Tensor:
    """A map of the given size, made a strip at a time."""
    step = max(1, POSITIONS_AT_ONCE // width)
    strips = [rows(top, min(height, top + step)) for top in range(0, height, step)]
    return strips[0] if len(strips) == 1 else torch.cat(strips, dim=1)
