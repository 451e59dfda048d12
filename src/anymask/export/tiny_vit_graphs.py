"""TinyViT as a graph: convolutions, then stages of window attention."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from anymask.export.token_maps import TokenMap, Windows, as_image, as_rows, cut, join
from anymask.export.writer import FloatArray, Graph, Part, erf_gelu, ints
from anymask.inference.onnx_graphs import CANVAS_PX

_EPS, _BATCH_NORM_EPS = 1e-5, 1e-5
_STRIDES = (2, 2, 1)
"""From each stage to the next; no tensor tells."""


def tiny_vit_body(g: Graph, encoder: Part, canvas: str) -> TokenMap:
    """Convolutions, then stages of window attention.

    Args:
        g: the graph that grows.
        encoder: the image encoder's tensors.
        canvas: the value (1, 3, 1024, 1024) to read.
    """
    patches = encoder / "patch_embed.seq"
    x = erf_gelu(g, _conv(g, canvas, patches / "0", stride=2))
    x, side = _conv(g, x, patches / "2", stride=2), CANVAS_PX // 4
    first, *stages = encoder.children("layers")
    for block in first.children("blocks"):
        x = _mb_conv(g, block, x)
    image = _merge(g, first / "downsample", x, side, _STRIDES[0])
    for number, stage in enumerate(stages, start=1):
        for block in stage.children("blocks"):
            image = _tiny_block(g, block, image)
        if stage.has("downsample.conv1.c.weight"):
            x = as_image(g, image)
            image = _merge(g, stage / "downsample", x, image.side, _STRIDES[number])
    return image


def _conv(g: Graph, x: str, part: Part, *, stride: int = 1) -> str:
    """A convolution with its batch normalisation folded in; depthwise where the tensor says so."""
    weight, bias = _folded(part)
    groups = len(weight) if weight.shape[1] == 1 else 1
    padding, strides = [weight.shape[2] // 2] * 4, [stride, stride]
    return g.op("Conv", x, weight, bias, pads=padding, strides=strides, group=groups)


def _folded(part: Part) -> tuple[FloatArray, FloatArray]:
    conv, norm = part / "c", part / "bn"
    if not norm.has("weight"):
        return conv.pair
    gain = norm.tensor("weight") / np.sqrt(norm.tensor("running_var") + np.float32(_BATCH_NORM_EPS))
    bias = norm.tensor("bias") - norm.tensor("running_mean") * gain
    return conv.tensor("weight") * gain[:, None, None, None], bias


def _mb_conv(g: Graph, block: Part, x: str) -> str:
    """An inverted bottleneck, activated after its residual."""
    hidden = erf_gelu(g, _conv(g, x, block / "conv1"))
    hidden = erf_gelu(g, _conv(g, hidden, block / "conv2"))
    return erf_gelu(g, g.op("Add", x, _conv(g, hidden, block / "conv3")))


def _merge(g: Graph, merging: Part, x: str, side: int, stride: int) -> TokenMap:
    """From one stage to the next: (1, C, H, W) to the rows of a smaller map."""
    x = erf_gelu(g, _conv(g, x, merging / "conv1"))
    x = erf_gelu(g, _conv(g, x, merging / "conv2", stride=stride))
    x = _conv(g, x, merging / "conv3")
    channels = len((merging / "conv3.c").tensor("weight"))
    return TokenMap(as_rows(g, x, channels), -(-side // stride), channels)


def _tiny_block(g: Graph, block: Part, image: TokenMap) -> TokenMap:
    """Window attention, a depthwise convolution, an MLP."""
    attention = block / "attn"
    windows = Windows.of(image.side, math.isqrt(attention.tensor("attention_biases").shape[1]))
    attended = _tiny_attention(g, attention, cut(g, image, windows), windows)
    rows = g.op("Add", image.rows, join(g, attended, image, windows))
    mixed = _conv(g, as_image(g, TokenMap(rows, image.side, image.channels)), block / "local_conv")
    rows = as_rows(g, mixed, image.channels)
    mlp = block / "mlp"
    hidden = g.norm(rows, *(mlp / "norm").pair, _EPS)
    hidden = erf_gelu(g, g.linear(hidden, *(mlp / "fc1").pair))
    rows = g.op("Add", rows, g.linear(hidden, *(mlp / "fc2").pair))
    return TokenMap(rows, image.side, image.channels)


def _tiny_attention(g: Graph, attention: Part, rows: str, windows: Windows) -> str:
    """(windows T, C) to the same; the norm comes after the padding."""
    table = attention.tensor("attention_biases")
    heads, channels = len(table), attention.tensor("qkv.weight").shape[1]
    rows = g.norm(rows, *(attention / "norm").pair, _EPS)
    shape = ints(windows.total, windows.tokens, heads, channels // heads)
    scale = np.float32(math.sqrt(heads / channels))
    query, key, value = (
        g.op("Reshape", g.linear(rows, *_one_of_qkv(attention / "qkv", heads, which, gain)), shape)
        for which, gain in enumerate((scale, np.float32(1), np.float32(1)))
    )
    query, value = (g.op("Transpose", x, perm=[0, 2, 1, 3]) for x in (query, value))
    logits = g.op("MatMul", query, g.op("Transpose", key, perm=[0, 2, 3, 1]))
    logits = g.op("Add", logits, table[:, _distances(windows.side)])
    read = g.op("MatMul", g.op("Softmax", logits, axis=-1), value)
    read = g.op("Reshape", g.op("Transpose", read, perm=[0, 2, 1, 3]), ints(-1, channels))
    return g.linear(read, *(attention / "proj").pair)


def _one_of_qkv(
    qkv: Part, heads: int, which: int, gain: np.float32
) -> tuple[FloatArray, FloatArray]:
    """Query, key or value out of a projection that holds the three of each head side by side."""
    weight, bias = (
        array.reshape(heads, 3, -1, *array.shape[1:])[:, which].reshape(-1, *array.shape[1:]) * gain
        for array in qkv.pair
    )
    return weight, bias


def _distances(window: int) -> NDArray[np.intp]:
    """Where each pair of a window's tokens finds its bias, ``|dy| * w + |dx|``."""
    y, x = np.divmod(np.arange(window**2), window)
    place: NDArray[np.intp] = np.abs(y[:, None] - y) * window + np.abs(x[:, None] - x)
    return place
