"""TinyViT-5M, the light image encoder of MobileSAM: convolutions first, then window attention.

Unlike the plain transformer the windows are padded before the normalisation (so that padding
becomes the norm's bias), positions are a table of biases by distance, and each block mixes
neighbours with a depthwise convolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from anymask.nn.layers import from_windows, neck, to_windows


@dataclass(frozen=True, slots=True)
class TinyViTConfig:
    """Sizes of a TinyViT, one entry a stage; stage 0 is convolutional and has no heads.

    Attributes:
        widths: channels.
        depths: blocks.
        heads: attention heads.
        windows: side of the attention windows in tokens.
        strides: stride of the convolution that leads from each stage to the next.
        out_channels: channels of the image embedding.
    """

    widths: tuple[int, int, int, int] = (64, 128, 160, 320)
    depths: tuple[int, int, int, int] = (2, 2, 6, 2)
    heads: tuple[int, int, int, int] = (2, 4, 5, 10)
    windows: tuple[int, int, int, int] = (7, 7, 14, 7)
    strides: tuple[int, int, int] = (2, 2, 1)
    out_channels: int = 256


class ConvBN(nn.Module):
    """A convolution without bias and its batch normalisation; `fuse` folds the second in."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.c = nn.Conv2d(
            channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.bn: nn.Module = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) to (B, channels_out, H / stride, W / stride)."""
        out: Tensor = self.bn(self.c(x))
        return out

    def fuse(self) -> None:
        """Fold the normalisation's running statistics into the convolution, for inference."""
        if isinstance(self.bn, nn.BatchNorm2d):
            self.c = fuse_conv_bn_eval(self.c.eval(), self.bn.eval())
            self.bn = nn.Identity()


class MBConv(nn.Module):
    """Inverted bottleneck with a residual, activated after the addition."""

    def __init__(self, channels: int, expand: int = 4) -> None:
        super().__init__()
        hidden = channels * expand
        self.conv1 = ConvBN(channels, hidden, 1)
        self.conv2 = ConvBN(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvBN(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        out = F.gelu(self.conv2(F.gelu(self.conv1(x))))
        return F.gelu(x + self.conv3(out))


class PatchMerging(nn.Module):
    """From one stage's width and resolution to the next one's."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvBN(channels_in, channels_out, 1)
        self.conv2 = ConvBN(channels_out, channels_out, 3, stride, groups=channels_out)
        self.conv3 = ConvBN(channels_out, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) to (B, channels_out, H / stride, W / stride)."""
        out: Tensor = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        return out


class WindowAttention(nn.Module):
    """Attention inside one window, with a learned bias for each distance between two tokens.

    Args:
        dim: width of a token.
        heads: number of heads.
        window: side of the window in tokens.
    """

    distance_index: Tensor

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        self.register_buffer("distance_index", distance_index(window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(windows, tokens, dim) to the same shape."""
        count, tokens, dim = x.shape
        # Each head's query, key and value lie side by side.
        qkv = self.qkv(self.norm(x)).view(count, tokens, self.heads, 3 * dim // self.heads)
        query, key, value = qkv.transpose(1, 2).chunk(3, dim=-1)
        bias = self.attention_biases[:, self.distance_index].to(query.dtype)
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        projected: Tensor = self.proj(out.transpose(1, 2).reshape(count, tokens, dim))
        return projected


def distance_index(window: int) -> Tensor:
    """(window^2, window^2) int64: where each pair of tokens finds its bias, ``|dy| * w + |dx|``."""
    # On the CPU by name, so that a skeleton on the meta device has it too.
    token = torch.arange(window**2, device="cpu")
    y, x = token // window, token % window
    return (y[:, None] - y).abs() * window + (x[:, None] - x).abs()


class MLPWithNorm(nn.Module):
    """Normalise, widen, GELU, narrow."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to the same shape."""
        out: Tensor = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return out


class TinyViTBlock(nn.Module):
    """Window attention, a depthwise convolution, an MLP."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(dim, heads, window)
        self.local_conv = ConvBN(dim, dim, 3, groups=dim)
        self.mlp = MLPWithNorm(dim, 4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        rows = x.permute(0, 2, 3, 1)
        rows = rows + self._attend(rows)
        mixed: Tensor = self.local_conv(rows.permute(0, 3, 1, 2))
        rows = mixed.permute(0, 2, 3, 1)
        out: Tensor = rows + self.mlp(rows)
        return out.permute(0, 3, 1, 2)

    def _attend(self, x: Tensor) -> Tensor:
        # The map is padded before the attention's own norm: padding becomes the norm's bias.
        windows, padded_hw = to_windows(x, self.window)
        attended = self.attn(windows.flatten(1, 2))
        return from_windows(attended, self.window, padded_hw, (x.shape[1], x.shape[2]))


class ConvStage(nn.Module):
    """The first stage: convolutional blocks, then the way down."""

    def __init__(self, config: TinyViTConfig) -> None:
        super().__init__()
        width = config.widths[0]
        self.blocks = nn.Sequential(*(MBConv(width) for _ in range(config.depths[0])))
        self.downsample = PatchMerging(width, config.widths[1], config.strides[0])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, next C, H / stride, W / stride)."""
        out: Tensor = self.downsample(self.blocks(x))
        return out


class AttentionStage(nn.Module):
    """A stage of attention blocks, then the way down where another stage follows."""

    def __init__(self, config: TinyViTConfig, index: int) -> None:
        super().__init__()
        width, heads, window = config.widths[index], config.heads[index], config.windows[index]
        self.blocks = nn.Sequential(
            *(TinyViTBlock(width, heads, window) for _ in range(config.depths[index]))
        )
        last = index == len(config.widths) - 1
        self.downsample = (
            nn.Identity()
            if last
            else PatchMerging(width, config.widths[index + 1], config.strides[index])
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, next C, H / stride, W / stride)."""
        out: Tensor = self.downsample(self.blocks(x))
        return out


class TinyViT(nn.Module):
    """Image to image embedding with TinyViT.

    Args:
        config: sizes.
        image_size: side of the square canvas in pixels; any multiple of 16 works, since no table
            depends on it.
    """

    def __init__(self, config: TinyViTConfig | None = None, image_size: int = 1024) -> None:
        super().__init__()
        config = config or TinyViTConfig()
        self.img_size = image_size
        first = config.widths[0]
        self.patch_embed = nn.ModuleDict(
            {
                "seq": nn.Sequential(
                    ConvBN(3, first // 2, 3, 2), nn.GELU(), ConvBN(first // 2, first, 3, 2)
                )
            }
        )
        stages = [AttentionStage(config, index) for index in range(1, len(config.widths))]
        self.layers = nn.Sequential(ConvStage(config), *stages)
        self.neck = neck(config.widths[-1], config.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) normalised and padded to (B, out_channels, S / 16, S / 16)."""
        x = x.to(next(self.neck.parameters()).dtype)
        out: Tensor = self.neck(self.layers(self.patch_embed["seq"](x)))
        return out

    def fuse(self) -> None:
        """Fold every batch normalisation into its convolution, for inference."""
        for module in list(self.modules()):
            if isinstance(module, ConvBN):
                module.fuse()
