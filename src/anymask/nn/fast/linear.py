"""Layers on maps whose channels come last.

oneDNN multiplies up to twice as fast as the library behind `torch.nn.functional.linear` on some
processors and applies GELU while the product is in the cache, which pays with vectors of 512 bits.
PyTorch offers that as a private operator, so it is tried on a small product first and left alone
where it is missing or wrong.
"""

from __future__ import annotations

import platform
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.nn.fast.processor import has_wide_vectors

X86 = ("x86_64", "AMD64")
"""Where oneDNN was measured to be the faster one."""
CPU = torch.device("cpu")
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""Largest difference of a right product, in multiples of the largest number in it."""


class Linear:
    """A linear layer by `torch.nn.functional.linear`; keeps the tensors it is given.

    Args:
        weight: (out, in).
        bias: (out,), or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight = weight
        self.bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return F.linear(x, self.weight, self.bias)

    def gelu(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out), activated."""
        return gelu_(self(x))

    def relu(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out), activated."""
        return self(x).relu_()


class OneDnnLinear(Linear):
    """A linear layer by oneDNN; copies the weight into the order that oneDNN reads.

    Args:
        weight: (out, in).
        bias: (out,), or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__(torch.ops.mkldnn._reorder_linear_weight(weight), bias)
        # With narrower vectors oneDNN's own GELU takes twice as long as PyTorch's behind it.
        self._fuses_gelu = weight.dtype == torch.bfloat16 or has_wide_vectors()

    def __call__(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return self._apply(x, "none")

    def gelu(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out), activated."""
        return self._apply(x, "gelu") if self._fuses_gelu else super().gelu(x)

    def relu(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out), activated."""
        return self._apply(x, "relu")

    def _apply(self, x: Tensor, activation: str) -> Tensor:
        operator: Any = torch.ops.mkldnn._linear_pointwise
        out: Tensor = operator(x, self.weight, self.bias, activation, [], "none")
        return out


def gelu_(x: Tensor) -> Tensor:
    """GELU in place."""
    out: Tensor = torch.ops.aten.gelu_(x)
    return out


class LinearMaker:
    """Makes the linear layers of one network, of the faster kind that computes rightly here.

    Args:
        dtype: what the layers compute in.
        device: where.
    """

    def __init__(self, dtype: torch.dtype, device: torch.device = CPU) -> None:
        self.dtype = dtype
        self.kind: type[Linear] = OneDnnLinear if prefers_onednn(device, dtype) else Linear

    def __call__(self, weight: Tensor, bias: Tensor | None) -> Linear:
        """A layer with weight (out, in) and bias (out,), or without a bias."""
        cast_bias = None if bias is None else bias.detach().to(self.dtype)
        return self.kind(weight.detach().to(self.dtype), cast_bias)


def prefers_onednn(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN's private operators are the faster ones there and compute rightly."""
    known = device.type == "cpu" and dtype in TOLERANCE and platform.machine() in X86
    return known and onednn_computes(dtype)


@cache
def onednn_computes(dtype: torch.dtype) -> bool:
    """Whether oneDNN's private operators are there and give the numbers of the public ones."""
    x, weight, bias = (_pattern(*shape).to(dtype) for shape in ((19, 48), (40, 48), (40,)))
    with torch.inference_mode():
        try:
            layer = OneDnnLinear(weight, bias)
            plain, activated = layer(x), layer.gelu(x)
        except (AttributeError, RuntimeError, TypeError):
            return False
        expected = F.linear(x, weight, bias)
        return _near(plain, expected) and _near(activated, F.gelu(expected))


def _pattern(*shape: int) -> Tensor:
    """Numbers between -1 and 1 without a random generator."""
    count = torch.Size(shape).numel()
    return torch.sin(12.9898 * torch.arange(1, count + 1)).view(shape)


def _near(value: Tensor, expected: Tensor) -> bool:
    if value.shape != expected.shape or value.dtype != expected.dtype:
        return False
    allowed = TOLERANCE[expected.dtype] * float(expected.abs().max())
    return bool(((value - expected).abs() <= allowed).all())


class Conv:
    """A 3 x 3 convolution, padded by one, on maps (1, H, W, C); copies its parameters.

    Args:
        source: the layer, its normalisation folded in.
        dtype: what to compute in.
    """

    def __init__(self, source: nn.Conv2d, dtype: torch.dtype) -> None:
        weight = source.weight.detach().to(dtype)
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = None if source.bias is None else source.bias.detach().to(dtype)
        self.stride = source.stride[0]
        self.groups = source.groups

    def __call__(self, x: Tensor) -> Tensor:
        """(1, H, W, C) to (1, H / stride, W / stride, C'), rounded up."""
        channels_first = x.permute(0, 3, 1, 2)
        out = F.conv2d(channels_first, self.weight, self.bias, self.stride, 1, 1, self.groups)
        return out.permute(0, 2, 3, 1).contiguous()


class Norm:
    """Layer normalisation over the last axis, computed in float32; shares its parameters.

    Args:
        source: a layer with weight, bias and eps.
        dtype: what comes out.
    """

    def __init__(self, source: nn.Module, dtype: torch.dtype) -> None:
        self._source: Any = source
        self._dtype = dtype

    def __call__(self, x: Tensor) -> Tensor:
        """(..., C) to the same shape."""
        source = self._source
        size = (x.shape[-1],)
        out = F.layer_norm(x.float(), size, source.weight.float(), source.bias.float(), source.eps)
        return out.to(self._dtype)
