"""Layers that several parts of the network share."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LayerNorm2d(nn.Module):
    """LayerNorm over the channels of an NCHW map.

    Args:
        channels: size of the channel axis.
        eps: added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape, each position normalised over C."""
        rows = x.permute(0, 2, 3, 1)
        rows = F.layer_norm(rows, rows.shape[-1:], self.weight, self.bias, self.eps)
        return rows.permute(0, 3, 1, 2)


class MLPBlock(nn.Module):
    """Linear, activation, Linear, back to the same width.

    Args:
        embedding_dim: width outside.
        mlp_dim: width inside.
        activation: between the two layers; the encoder uses GELU, the decoder ReLU.
    """

    def __init__(self, embedding_dim: int, mlp_dim: int, activation: nn.Module) -> None:
        super().__init__()
        self.lin1 = nn.Linear(embedding_dim, mlp_dim)
        self.lin2 = nn.Linear(mlp_dim, embedding_dim)
        self.act = activation

    def forward(self, x: Tensor) -> Tensor:
        """(..., embedding_dim) to the same shape."""
        out: Tensor = self.lin2(self.act(self.lin1(x)))
        return out


class MLP(nn.Module):
    """A stack of Linear layers with ReLU between them, none after the last.

    Args:
        input_dim: width of the input.
        hidden_dim: width of the layers between.
        output_dim: width of the output.
        depth: number of Linear layers.
    """

    def __init__(self, input_dim: int, hidden_dim: int, output_dim: int, depth: int) -> None:
        super().__init__()
        widths = [input_dim, *[hidden_dim] * (depth - 1), output_dim]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """(..., input_dim) to (..., output_dim)."""
        *hidden, last = self.layers
        for layer in hidden:
            x = F.relu(layer(x))
        out: Tensor = last(x)
        return out


def neck(channels_in: int, channels_out: int) -> nn.Sequential:
    """The two convolutions between an encoder's features and the image embedding.

    Args:
        channels_in: channels of the features.
        channels_out: channels of the embedding.

    Returns:
        (B, channels_in, H, W) to (B, channels_out, H, W).
    """
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1, bias=False),
        LayerNorm2d(channels_out),
        nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
        LayerNorm2d(channels_out),
    )


def to_windows(x: Tensor, window: int) -> tuple[Tensor, tuple[int, int]]:
    """Cut an NHWC map into square windows, padding the right and bottom with zeros.

    Args:
        x: (B, H, W, C).
        window: side of a window.

    Returns:
        (B * rows * columns, window, window, C), row-major, and the padded (H, W).
    """
    batch, height, width, channels = x.shape
    x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
    padded_h, padded_w = x.shape[1:3]
    x = x.view(batch, padded_h // window, window, padded_w // window, window, channels)
    return x.transpose(2, 3).reshape(-1, window, window, channels), (padded_h, padded_w)


def from_windows(
    windows: Tensor, window: int, padded_hw: tuple[int, int], size_hw: tuple[int, int]
) -> Tensor:
    """Join what `to_windows` cut and drop the padding.

    Args:
        windows: (B * rows * columns, window, window, C), or the same with window * window rows.
        window: side of a window.
        padded_hw: (H, W) after padding.
        size_hw: (H, W) to keep.

    Returns:
        (B, H, W, C).
    """
    (padded_h, padded_w), channels = padded_hw, windows.shape[-1]
    rows, columns = padded_h // window, padded_w // window
    x = windows.reshape(-1, rows, columns, window, window, channels)
    x = x.transpose(2, 3).reshape(-1, padded_h, padded_w, channels)
    return x[:, : size_hw[0], : size_hw[1]]
