"""The plain transformer as a graph: ViT-B, ViT-L, ViT-H, and smaller ones of the same make."""

from __future__ import annotations

import math

import numpy as np

from anymask.errors import WeightsError
from anymask.export.token_maps import TokenMap, Windows, as_rows, cut, join
from anymask.export.writer import FloatArray, Graph, Part, erf_gelu, ints
from anymask.inference.onnx_graphs import CANVAS_PX

_EPS = 1e-6
_LOGITS_AT_ONCE = 2**25
"""Most attention logits of a whole-image block made at once, 128 MB of them."""


def vit_body(g: Graph, encoder: Part, canvas: str) -> TokenMap:
    """Patches, positions and blocks.

    Args:
        g: the graph that grows.
        encoder: the image encoder's tensors.
        canvas: the value (1, 3, 1024, 1024) to read.

    Raises:
        WeightsError: its position table is made for another canvas.
    """
    weight, bias = (encoder / "patch_embed.proj").pair
    channels, _, patch, _ = weight.shape
    positions = encoder.tensor("pos_embed")
    side = CANVAS_PX // patch
    if positions.shape[1] != side:
        raise WeightsError(
            f"the position table is made for {positions.shape[1] * patch} px but exports have a "
            f"canvas of {CANVAS_PX} px"
        )
    x = g.op("Conv", canvas, weight, bias, strides=[patch, patch])
    rows = g.op("Add", as_rows(g, x, channels), positions.reshape(-1, channels))
    vit = _PlainViT(g, side, channels)
    for block in encoder.children("blocks"):
        rows = vit.block(block, rows)
    return TokenMap(rows, side, channels)


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
        normed = TokenMap(g.norm(rows, *(block / "norm1").pair, _EPS), self.side, self.channels)
        attention = block / "attn"
        windows = Windows.of(self.side, (len(attention.tensor("rel_pos_h")) + 1) // 2)
        attended = self._attend(attention, cut(g, normed, windows), windows)
        rows = g.op("Add", rows, join(g, attended, normed, windows))
        hidden = g.norm(rows, *(block / "norm2").pair, _EPS)
        hidden = erf_gelu(g, g.linear(hidden, *(block / "mlp.lin1").pair))
        return g.op("Add", rows, g.linear(hidden, *(block / "mlp.lin2").pair))

    def _attend(self, attention: Part, rows: str, windows: Windows) -> str:
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

    def _with_positions(self, attention: Part, query: str, windows: Windows, heads: int) -> str:
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

    def _place_of_keys(self, windows: Windows, heads: int) -> str:
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

    def _read(self, query: str, key: str, value: str, windows: Windows, heads: int) -> str:
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
