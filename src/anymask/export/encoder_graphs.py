"""The image encoders as ONNX graphs, written from their tensors.

Written by hand, as the decoder's graphs are, so that no exporter of any PyTorch version is asked
and every shape is a constant: one image, a canvas of fixed size, standard operators only. Sizes are
read from the tensors themselves, so that a fine-tuned or smaller network of the same make is
exported the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anymask.errors import WeightsError
from anymask.export.writer import (
    Graph,
    Part,
    erf_gelu,
    ints,
    model_proto,
    tensor_type,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

    from anymask.export.writer import FloatArray, Tensors

OPSET = 17
CANVAS, EMBEDDING = "canvas", "embedding"

_VIT_EPS, _TINY_EPS, _NORM_2D_EPS, _BATCH_NORM_EPS = 1e-6, 1e-5, 1e-6, 1e-5
_LOGITS_AT_ONCE = 2**25
"""Most attention logits of a whole-image block made at once, 128 MB of them."""
_TINY_STRIDES = (2, 2, 1)
"""From each stage of TinyViT to the next; no tensor tells."""


def encoder_graph(tensors: Tensors, canvas_px: int) -> ModelProto:
    """The graph that makes an image's embedding.

    Input: `canvas` (1, 3, S, S) float32, normalised and padded. Output: `embedding`
    (1, C, S / 16, S / 16) float32.

    Args:
        tensors: published name -> array, of the image encoder.
        canvas_px: S, the side of the canvas the tensors' tables are made for.

    Returns:
        The model; of ViT-H it is larger than one file may be, see `onnx.save_model`.

    Raises:
        WeightsError: tables made for another canvas.
    """
    encoder, g = Part(tensors, "image_encoder"), Graph()
    tiny = encoder.has("patch_embed.seq.0.c.weight")
    body = _tiny_vit(g, encoder, canvas_px) if tiny else _vit(g, encoder, canvas_px)
    g.name(_neck(g, encoder / "neck", body), EMBEDDING)
    side, channels = canvas_px // 16, len((encoder / "neck.0").tensor("weight"))
    return model_proto(
        g,
        "encoder",
        [tensor_type(CANVAS, "FLOAT", 1, 3, canvas_px, canvas_px)],
        [tensor_type(EMBEDDING, "FLOAT", 1, channels, side, side)],
        OPSET,
    )


@dataclass(frozen=True, slots=True)
class _Map:
    """A value of the graph: an image's tokens as rows (side * side, channels)."""

    rows: str
    side: int
    channels: int


@dataclass(frozen=True, slots=True)
class _Windows:
    """How a map is cut: `count` windows an axis of `side` tokens each; one window is the map."""

    count: int
    side: int

    @classmethod
    def of(cls, map_side: int, side: int) -> _Windows:
        """Enough windows to cover a map."""
        return cls(-(-map_side // side), side)

    @property
    def total(self) -> int:
        """Number of windows."""
        return self.count**2

    @property
    def tokens(self) -> int:
        """Tokens of a window."""
        return self.side**2

    @property
    def covered(self) -> int:
        """Side of the padded map."""
        return self.count * self.side


def _cut(g: Graph, image: _Map, windows: _Windows) -> str:
    """Rows of a map to rows of its windows, padded with zeros at the right and bottom."""
    if windows.count == 1 and windows.side == image.side:
        return image.rows
    x = g.op("Reshape", image.rows, ints(image.side, image.side, image.channels))
    missing = windows.covered - image.side
    if missing:
        x = g.op("Pad", x, ints(0, 0, 0, missing, missing, 0))
    x = _swap_window_axes(g, x, windows, image.channels)
    return g.op("Reshape", x, ints(-1, image.channels))


def _join(g: Graph, rows: str, image: _Map, windows: _Windows) -> str:
    """Rows of windows back to rows of their map, without the padding."""
    if windows.count == 1 and windows.side == image.side:
        return rows
    count, side = windows.count, windows.side
    x = g.op("Reshape", rows, ints(count, count, side, side, image.channels))
    x = g.op("Transpose", x, perm=[0, 2, 1, 3, 4])
    x = g.op("Reshape", x, ints(windows.covered, windows.covered, image.channels))
    if windows.covered > image.side:
        x = g.op("Slice", x, ints(0, 0), ints(image.side, image.side), ints(0, 1))
    return g.op("Reshape", x, ints(-1, image.channels))


def _swap_window_axes(g: Graph, x: str, windows: _Windows, channels: int) -> str:
    shape = ints(windows.count, windows.side, windows.count, windows.side, channels)
    return g.op("Transpose", g.op("Reshape", x, shape), perm=[0, 2, 1, 3, 4])


def _as_rows(g: Graph, image: str, channels: int) -> str:
    """(1, C, H, W) to (H W, C)."""
    return g.op("Transpose", g.op("Reshape", image, ints(channels, -1)), perm=[1, 0])


def _as_image(g: Graph, image: _Map) -> str:
    """(H W, C) to (1, C, H, W)."""
    x = g.op("Transpose", image.rows, perm=[1, 0])
    return g.op("Reshape", x, ints(1, image.channels, image.side, image.side))


def _neck(g: Graph, neck: Part, body: _Map) -> str:
    """The two convolutions to the embedding."""
    pointwise = (neck / "0").tensor("weight")
    channels = len(pointwise)
    x = g.op("MatMul", body.rows, pointwise.reshape(channels, -1).T)
    x = g.norm(x, *(neck / "1").pair, _NORM_2D_EPS)
    x = _as_image(g, _Map(x, body.side, channels))
    x = g.op("Conv", x, (neck / "2").tensor("weight"), pads=[1, 1, 1, 1])
    x = g.norm(_as_rows(g, x, channels), *(neck / "3").pair, _NORM_2D_EPS)
    return _as_image(g, _Map(x, body.side, channels))


# The plain transformer: ViT-B, ViT-L, ViT-H


def _vit(g: Graph, encoder: Part, canvas_px: int) -> _Map:
    """Patches, positions and blocks."""
    weight, bias = (encoder / "patch_embed.proj").pair
    channels, _, patch, _ = weight.shape
    positions = encoder.tensor("pos_embed")
    side = canvas_px // patch
    if positions.shape[1] != side:
        raise WeightsError(
            f"the position table is made for {positions.shape[1] * patch} px but the canvas has "
            f"{canvas_px} px; load the model at image_size {positions.shape[1] * patch}"
        )
    x = g.op("Conv", CANVAS, weight, bias, strides=[patch, patch])
    rows = g.op("Add", _as_rows(g, x, channels), positions.reshape(-1, channels))
    vit = _PlainViT(g, side, channels)
    for block in encoder.children("blocks"):
        rows = vit.block(block, rows)
    return _Map(rows, side, channels)


class _PlainViT:
    """Blocks with relative positions.

    What a query adds to the logits for each row and each column of the map becomes further channels
    of the query; the keys' further channels tell in which row and column each of them lies. So the
    logits are one product.
    """

    def __init__(self, g: Graph, side: int, channels: int) -> None:
        self.g = g
        self.side = side
        self.channels = channels
        self._places: dict[tuple[int, int, int], str] = {}

    def block(self, block: Part, rows: str) -> str:
        """Attention and MLP, each with its residual."""
        g = self.g
        normed = _Map(g.norm(rows, *(block / "norm1").pair, _VIT_EPS), self.side, self.channels)
        attention = block / "attn"
        windows = _Windows.of(self.side, (len(attention.tensor("rel_pos_h")) + 1) // 2)
        attended = self._attend(attention, _cut(g, normed, windows), windows)
        rows = g.op("Add", rows, _join(g, attended, normed, windows))
        hidden = g.norm(rows, *(block / "norm2").pair, _VIT_EPS)
        hidden = erf_gelu(g, g.linear(hidden, *(block / "mlp.lin1").pair))
        return g.op("Add", rows, g.linear(hidden, *(block / "mlp.lin2").pair))

    def _attend(self, attention: Part, rows: str, windows: _Windows) -> str:
        """(windows T, C) to the same."""
        g = self.g
        width = attention.tensor("rel_pos_h").shape[1]
        heads = self.channels // width
        weights, biases = (
            np.split(array, 3) for array in (attention / "qkv").pair
        )  # query, key, value
        scale = np.float32(1 / math.sqrt(width))
        grid = ints(windows.total, windows.side, windows.side, heads, width)
        flat = ints(windows.total, windows.tokens, heads, width)
        query = g.op("Reshape", g.linear(rows, weights[0] * scale, biases[0] * scale), grid)
        query = self._with_positions(attention, query, windows, heads)
        key = g.op("Reshape", g.linear(rows, weights[1], biases[1]), flat)
        key = g.op("Transpose", key, perm=[0, 2, 3, 1])
        key = g.op("Concat", key, self._place_of_keys(windows, heads), axis=2)
        value = g.op("Reshape", g.linear(rows, weights[2], biases[2]), flat)
        value = g.op("Transpose", value, perm=[0, 2, 1, 3])
        read = self._read(query, key, value, windows, heads)
        read = g.op("Reshape", g.op("Transpose", read, perm=[0, 2, 1, 3]), ints(-1, self.channels))
        return g.linear(read, *(attention / "proj").pair)

    def _with_positions(self, attention: Part, query: str, windows: _Windows, heads: int) -> str:
        """The scaled queries (B, H, W, heads, c) to (B, heads, T, c + H + W)."""
        g, side, width = self.g, windows.side, attention.tensor("rel_pos_h").shape[1]
        unscaled = np.float32(math.sqrt(width))
        vertical, horizontal = (
            _relative(attention.tensor(name), side) * unscaled
            for name in ("rel_pos_h", "rel_pos_w")
        )  # (query, key, c) of one axis
        by_head = g.op("Transpose", query, perm=[0, 3, 1, 2, 4])
        by_row = g.op("MatMul", by_head, vertical.transpose(0, 2, 1))  # (B, heads, H, W, H)
        column_first = g.op("Transpose", query, perm=[0, 3, 2, 1, 4])
        by_column = g.op("MatMul", column_first, horizontal.transpose(0, 2, 1))
        by_column = g.op("Transpose", by_column, perm=[0, 1, 3, 2, 4])
        joined = g.op("Concat", by_head, by_row, by_column, axis=-1)
        shape = ints(windows.total, heads, windows.tokens, width + 2 * side)
        return g.op("Reshape", joined, shape)

    def _place_of_keys(self, windows: _Windows, heads: int) -> str:
        """1 where a key lies in a row, then in a column: (B, heads, H + W, T)."""
        kind = (windows.total, windows.side, heads)
        if kind not in self._places:
            side = windows.side
            one = np.eye(side, dtype=np.float32)
            rows, columns = np.repeat(one, side, axis=1), np.tile(one, (1, side))
            place = np.concatenate([rows, columns])[None, None]
            shape = ints(windows.total, heads, 2 * side, windows.tokens)
            self._places[kind] = self.g.op("Expand", place, shape)
        return self._places[kind]

    def _read(self, query: str, key: str, value: str, windows: _Windows, heads: int) -> str:
        """Attention in slices of the queries, so that the logits stay small; (B, heads, T, c)."""
        g, tokens = self.g, windows.tokens
        step = max(1, min(tokens, _LOGITS_AT_ONCE // (windows.total * heads * tokens)))
        parts = []
        for start in range(0, tokens, step):
            part = query
            if step < tokens:
                part = g.op("Slice", query, ints(start), ints(min(start + step, tokens)), ints(2))
            weights = g.op("Softmax", g.op("MatMul", part, key), axis=-1)
            parts.append(g.op("MatMul", weights, value))
        return parts[0] if len(parts) == 1 else g.op("Concat", *parts, axis=2)


def _relative(table: FloatArray, size: int) -> FloatArray:
    """The row of a table for each pair of query and key along an axis, (size, size, c)."""
    place = np.arange(size)
    return np.asarray(table[place[:, None] - place + size - 1])


# TinyViT


def _tiny_vit(g: Graph, encoder: Part, canvas_px: int) -> _Map:
    """Convolutions, then stages of window attention."""
    patches = encoder / "patch_embed.seq"
    x = erf_gelu(g, _conv(g, CANVAS, patches / "0", stride=2))
    x, side = _conv(g, x, patches / "2", stride=2), canvas_px // 4
    first, *stages = encoder.children("layers")
    for block in first.children("blocks"):
        x = _mb_conv(g, block, x)
    image = _merge(g, first / "downsample", x, side, _TINY_STRIDES[0])
    for number, stage in enumerate(stages, start=1):
        for block in stage.children("blocks"):
            image = _tiny_block(g, block, image)
        if stage.has("downsample.conv1.c.weight"):
            x = _as_image(g, image)
            image = _merge(g, stage / "downsample", x, image.side, _TINY_STRIDES[number])
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


def _merge(g: Graph, merging: Part, x: str, side: int, stride: int) -> _Map:
    """From one stage to the next: (1, C, H, W) to the rows of a smaller map."""
    x = erf_gelu(g, _conv(g, x, merging / "conv1"))
    x = erf_gelu(g, _conv(g, x, merging / "conv2", stride=stride))
    x = _conv(g, x, merging / "conv3")
    channels = len((merging / "conv3.c").tensor("weight"))
    return _Map(_as_rows(g, x, channels), -(-side // stride), channels)


def _tiny_block(g: Graph, block: Part, image: _Map) -> _Map:
    """Window attention, a depthwise convolution, an MLP."""
    attention = block / "attn"
    windows = _Windows.of(image.side, math.isqrt(attention.tensor("attention_biases").shape[1]))
    attended = _tiny_attention(g, attention, _cut(g, image, windows), windows)
    rows = g.op("Add", image.rows, _join(g, attended, image, windows))
    mixed = _conv(g, _as_image(g, _Map(rows, image.side, image.channels)), block / "local_conv")
    rows = _as_rows(g, mixed, image.channels)
    mlp = block / "mlp"
    hidden = g.norm(rows, *(mlp / "norm").pair, _TINY_EPS)
    hidden = erf_gelu(g, g.linear(hidden, *(mlp / "fc1").pair))
    rows = g.op("Add", rows, g.linear(hidden, *(mlp / "fc2").pair))
    return _Map(rows, image.side, image.channels)


def _tiny_attention(g: Graph, attention: Part, rows: str, windows: _Windows) -> str:
    """(windows T, C) to the same; the norm comes after the padding."""
    table = attention.tensor("attention_biases")
    heads, channels = len(table), attention.tensor("qkv.weight").shape[1]
    rows = g.norm(rows, *(attention / "norm").pair, _TINY_EPS)
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
