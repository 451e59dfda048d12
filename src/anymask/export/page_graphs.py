"""The decoder as the page runs it: one prompt a call, on one thread of WebAssembly.

The algebra of `anymask.nn.folded`, with what measured fastest there:

- All that the prompts of a picture share comes out of `image_graph`, also the queries of the first
  block. A mask prompt changes the image by a linear map of 16 channels, which is applied to the
  shared values instead of making them anew.
- LayerNormalization is slow there. Where a linear layer stands before it, that layer's outputs are
  centred by its weights, and what is left is a division; its gain and bias go into the linear
  layers behind it.
- The predicted IoU needs one token only, so it comes first, and then only the tokens that answer
  read the image for the last time and are upscaled, only where the picture is.
- `preview_graph` looks at one of the 16 low-res cells of each position first, and upscales the
  positions where a candidate may have its edge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.export.contract import DECODER, IMAGE_SIDE, Port
from anymask.export.writer import FloatArray, Graph, Part, Tensors, ints, scalar, typed
from anymask.inference.onnx_graphs import (
    CANVAS_PX,
    CHANNELS,
    GRID,
    HEADS,
    INNER,
    LOW_RES,
    MASK_TOKENS,
    POSITIONS,
    UPSCALED,
    position_rows,
)

PAGE_GRAPHS_VERSION = 2
"""Counts changes of what is written here, so that graphs of former versions are not used."""

CELLS = LOW_RES // GRID
SIDE_NAMES = tuple(IMAGE_SIDE)

_OPSET, _IR_VERSION = 20, 9
_NORM_EPS, _NORM_2D_EPS = 1e-5, 1e-6
_LOGIT_LIMIT = 64.0
"""Attention logits beyond this count as this: exponentials need no maximum subtracted then."""
_PADDING_LOGIT = -16.0
"""Where the picture is not: surely no mask."""
_EDGE_LOGIT = 3.0
"""A position whose neighbours all are further from zero than this is taken to have no edge."""
_FIRST_CELL, _SECOND_CELL = 0, 3
"""The cell that stands for a position: lower right of its upper left quarter."""

_FIRST = "mask_decoder.transformer.layers.0"


def image_graph(tensors: Tensors) -> bytes:
    """The graph that is run once a picture; see `contract.DECODER`.

    Args:
        tensors: published name -> array, of the prompt encoder and the mask decoder.

    Returns:
        The model file's content.
    """
    g = Graph()
    no_mask = Part(tensors, "prompt_encoder.no_mask_embed").tensor("weight").reshape(-1, 1)
    flat = g.op("Reshape", "embedding", ints(CHANNELS, POSITIONS))
    image = g.op("Add", flat, no_mask)
    placed = g.op("Add", image, position_rows(tensors).T)
    by_head = ints(HEADS, INNER, POSITIONS)
    sides = {}
    for name, x in (("keys", placed), ("values", image), ("queries", placed)):
        weight, bias = _side_projection(tensors, name)
        rows = g.op("Add", g.op("MatMul", weight, x), bias.reshape(-1, 1))
        sides[name] = g.op("Reshape", rows, by_head)
    sides["values"] = g.op("Transpose", sides["values"], perm=[0, 2, 1])
    rows = g.op("Transpose", image, perm=[1, 0])
    sides["image"] = g.op("Sub", rows, g.op("ReduceMean", rows, ints(1)))
    for name in SIDE_NAMES:
        g.name(sides[name], name)
    return _finish(g, "image")


def prompt_graph(tensors: Tensors) -> bytes:
    """The graph that answers one prompt; see `contract.DECODER`."""
    page = _PageGraph(tensors)
    page.take_points("coords", "labels")
    page.take_mask()
    iou = page.run_blocks()
    page.choose(iou, "candidates", "count")
    logits = page.upscale(page.visible_positions())
    page.g.name(page.on_canvas(logits), "logits")
    return _finish(page.g, "prompt")


def preview_graph(tensors: Tensors) -> bytes:
    """The graph that answers one foreground point, nearly; see `contract.DECODER`."""
    page = _PageGraph(tensors, approximate=True)
    g = page.g
    page.take_points(g.op("Concat", "coords", scalar(0).reshape(1, 1).repeat(2, 1), axis=0), None)
    iou = page.run_blocks()
    page.choose(iou, g.constant(ints(1, 2, 3)), g.constant(ints(3)))
    positions = page.visible_positions()
    coarse = page.upscale(positions, one_cell=True)
    logits = page.refined(positions, coarse)
    g.name(page.on_canvas(logits), "logits")
    return _finish(g, "preview")


def _side_projection(tensors: Tensors, name: str) -> tuple[FloatArray, FloatArray]:
    """The first block's projection of the image that makes one of `IMAGE_SIDE`."""
    path = {
        "keys": "cross_attn_token_to_image.k_proj",
        "values": "cross_attn_token_to_image.v_proj",
        "queries": "cross_attn_image_to_token.q_proj",
    }[name]
    return Part(tensors, f"{_FIRST}.{path}").pair


class _PageGraph:
    """Tokens are rows (T, 256); the image is (4096, 256), its mean over channels taken out."""

    def __init__(self, tensors: Tensors, *, approximate: bool = False) -> None:
        self.g = Graph()
        self.tensors = tensors
        self.gelu = "FastGelu" if approximate else "BiasGelu"
        self.decoder = Part(tensors, "mask_decoder")
        self.transformer = self.decoder / "transformer"
        self.positions = position_rows(tensors)
        self.side = {name: name for name in SIDE_NAMES}
        self.token_pe = self.tokens = self.image = self.placed = self.weights = ""

    # ---- what comes in

    def take_points(self, coords: str, labels: str | None) -> None:
        """The decoder's own tokens and the embedded points (T, 2)."""
        g, encoder = self.g, Part(self.tensors, "prompt_encoder")
        frequencies = (encoder / "pe_layer").tensor("positional_encoding_gaussian_matrix")
        place = g.op("Mul", g.op("Add", coords, scalar(0.5)), scalar(2 / CANVAS_PX))
        angles = g.op("MatMul", g.op("Sub", place, scalar(1)), frequencies)
        angles = g.op("Mul", angles, scalar(2 * math.pi))
        waves = g.op("Concat", g.op("Sin", angles), g.op("Cos", angles), axis=1)
        names = [*(f"point_embeddings.{label}" for label in range(4)), "not_a_point_embed"]
        table = np.concatenate([(encoder / name).tensor("weight") for name in names])
        # Label -1 takes the last row, and its place counts nothing.
        counted = np.array([[1], [1], [1], [1], [0]], np.float32)
        given = labels or g.constant(ints(1, -1))
        points = g.op("Mul", waves, g.op("Gather", counted, given))
        points = g.op("Add", points, g.op("Gather", table, given))
        names = ["iou_token", "mask_tokens"]
        own = np.concatenate([(self.decoder / name).tensor("weight") for name in names])
        self.token_pe = g.op("Concat", own, points, axis=0)

    def take_mask(self) -> None:
        """The image's share with the mask in it, where there is one."""
        given, without = Graph(self.g), Graph(self.g)
        x = self._shrink_mask(given)
        conv, bias = (Part(self.tensors, "prompt_encoder.mask_downscaling") / "6").pair
        no_mask = Part(self.tensors, "prompt_encoder.no_mask_embed").tensor("weight")[0]
        conv, bias = conv.reshape(CHANNELS, -1), bias - no_mask
        for name in SIDE_NAMES:
            given.name(self._with_mask(given, name, x, (conv, bias)), f"{name}_masked")
            without.name(name, f"{name}_plain")
            self.side[name] = f"{name}_asked"
        branches = {
            kind: _branch(g, {f"{name}_{end}": port for name, port in IMAGE_SIDE.items()})
            for kind, g, end in (
                ("then_branch", given, "masked"),
                ("else_branch", without, "plain"),
            )
        }
        self.g.nodes.append(_node("If", ["has_mask"], [*self.side.values()], **branches))

    def _shrink_mask(self, g: Graph) -> str:
        """The mask prompt's 16 channels before its last convolution, (16, 4096)."""
        x, down = "mask_logits", Part(self.tensors, "prompt_encoder.mask_downscaling")
        for conv, norm in (("0", "1"), ("3", "4")):
            x = g.op("Conv", x, *(down / conv).pair, strides=[2, 2])
            gain, bias = (array.reshape(-1, 1, 1) for array in (down / norm).pair)
            x = g.op("Sub", x, g.op("ReduceMean", x, ints(1)))
            x = self._standard(g, x, 1, len(bias), _NORM_2D_EPS)
            x = g.op("Gelu", g.op("Add", g.op("Mul", x, gain), bias))
        return g.op("Reshape", x, ints(-1, POSITIONS))

    def _with_mask(self, g: Graph, name: str, x: str, last: tuple[FloatArray, FloatArray]) -> str:
        """One of `IMAGE_SIDE` plus what the mask adds to it."""
        conv, bias = last
        if name == "image":
            conv, bias = conv - conv.mean(axis=0), bias - bias.mean()
            added = g.op("Gemm", x, conv, bias, transA=1, transB=1)
            return g.op("Add", name, added)
        weight, _ = _side_projection(self.tensors, name)
        conv, bias = weight @ conv, weight @ bias
        if name == "values":
            per_head = conv.reshape(HEADS, INNER, -1).transpose(0, 2, 1)
            rows = g.op("MatMul", g.op("Transpose", x, perm=[1, 0]), per_head)
            return g.op("Add", g.op("Add", rows, bias.reshape(HEADS, 1, INNER)), name)
        added = g.op("Add", g.op("MatMul", conv, x), bias.reshape(-1, 1))
        return g.op("Add", name, g.op("Reshape", added, ints(HEADS, INNER, POSITIONS)))

    # ---- the two blocks

    def run_blocks(self) -> str:
        """Both blocks and the last reading of the IoU token; its four predictions, (4,)."""
        g, first, second = self.g, self.transformer / "layers.0", self.transformer / "layers.1"
        tokens = self._attend(first / "self_attn", self.token_pe, self.token_pe)
        self.tokens = g.norm(tokens, *(first / "norm1").pair)
        self._after(first, self._first_reading(first / "cross_attn_token_to_image"))
        key = self._keys(first)
        logits = g.op("MatMul", key, self.side["queries"])
        self.image = self._change(first, logits, self.side["image"], None)
        residual = self._place(first, positions=False)
        self.placed = self._place(first, positions=True)

        placed = self._with_pe(self.tokens)
        tokens = g.op("Add", self.tokens, self._attend(second / "self_attn", placed, self.tokens))
        self.tokens = g.norm(tokens, *(second / "norm1").pair)
        attention = second / "cross_attn_token_to_image"
        self._after(second, self._read(attention, self._with_pe(self.tokens), first / "norm4"))
        key = self._keys(second)
        query, query_bias = (second / "cross_attn_image_to_token" / "q_proj").pair
        offset = g.op("MatMul", key, query_bias.reshape(HEADS, INNER, 1))  # (heads, T, 1)
        logits = self._times_image(_fold(g, key, query))
        logits = g.op("Reshape", logits, ints(HEADS, -1, POSITIONS))
        norm_bias = (first / "norm4").pair[1]
        changed = self._change(second, g.op("Add", logits, offset), residual, norm_bias)
        self.image = changed
        self.placed = self._place(second, positions=True)
        return self._predict_iou()

    def _attend(self, attention: Part, placed: str, tokens: str) -> str:
        """Attention among the tokens."""
        g, inner = self.g, CHANNELS // HEADS
        query = self._heads(placed, attention / "q_proj", [1, 0, 2], 1 / math.sqrt(inner))
        key = self._heads(placed, attention / "k_proj", [1, 2, 0])
        value = self._heads(tokens, attention / "v_proj", [1, 0, 2])
        read = g.op("MatMul", g.op("Softmax", g.op("MatMul", query, key), axis=-1), value)
        return g.linear(_merge(g, read, CHANNELS), *(attention / "out_proj").pair)

    def _heads(self, x: str, projection: Part, order: Sequence[int], scale: float = 1.0) -> str:
        """Projected tokens by head; `order` of (tokens, heads, channels)."""
        g, (weight, bias) = self.g, projection.pair
        rows = g.linear(x, weight * np.float32(scale), bias * np.float32(scale))
        rows = g.op("Reshape", rows, ints(-1, HEADS, len(bias) // HEADS))
        return g.op("Transpose", rows, perm=list(order))

    def _with_pe(self, tokens: str) -> str:
        return self.g.op("Add", tokens, self.token_pe)

    def _first_reading(self, attention: Part) -> str:
        g = self.g
        query = self._queries(self._with_pe(self.tokens), attention)
        weights = g.op("Softmax", g.op("MatMul", query, self.side["keys"]), axis=-1)
        read = g.op("MatMul", weights, self.side["values"])
        return g.linear(_merge(g, read, HEADS * INNER), *(attention / "out_proj").pair)

    def _queries(self, placed: str, attention: Part) -> str:
        return self._heads(placed, attention / "q_proj", [1, 0, 2], 1 / math.sqrt(INNER))

    def _keys(self, block: Part) -> str:
        """What the image finds at the tokens, (heads, T, c)."""
        k_proj = block / "cross_attn_image_to_token" / "k_proj"
        return self._heads(self._with_pe(self.tokens), k_proj, [1, 0, 2], 1 / math.sqrt(INNER))

    def _read(self, attention: Part, placed: str, norm: Part) -> str:
        """Token-to-image attention without projecting the image, whose last norm `norm` was."""
        g, (gain, bias) = self.g, norm.pair
        query = self._queries(placed, attention)
        logits = self._times_image(_fold(g, query, (attention / "k_proj").tensor("weight")))
        read = g.op("MatMul", g.op("Softmax", logits, axis=-1), self.image)
        read = g.op("Reshape", read, ints(HEADS, -1, CHANNELS))
        (value, value_bias), (out, out_bias) = (
            (attention / name).pair for name in ("v_proj", "out_proj")
        )
        # The weights of an attention sum to one, so that constants in what is read come back whole.
        per_head = (value * gain).reshape(HEADS, INNER, CHANNELS).transpose(0, 2, 1)
        merged = _merge(g, g.op("MatMul", read, per_head), HEADS * INNER)
        return g.linear(merged, out, out_bias + out @ (value_bias + value @ bias))

    def _times_image(self, rows: str) -> str:
        """Rows (R, 256) times the image with its positions, (R, 4096)."""
        return self.g.op("Gemm", rows, self.placed, transB=1)

    def _after(self, block: Part, read: str) -> None:
        """What follows the token-to-image attention on the tokens' side."""
        g = self.g
        tokens = g.norm(g.op("Add", self.tokens, read), *(block / "norm2").pair)
        hidden = g.op("Relu", g.linear(tokens, *(block / "mlp" / "lin1").pair))
        out = g.linear(hidden, *(block / "mlp" / "lin2").pair)
        self.tokens = g.norm(g.op("Add", tokens, out), *(block / "norm3").pair)

    def _change(self, block: Part, logits: str, image: str, centre: FloatArray | None) -> str:
        """The image after it read the tokens, standardised but without the norm's gain and bias.

        Args:
            block: which of the two.
            logits: (heads, T, 4096).
            image: what is added to, (4096, 256).
            centre: what `image` lacks for all positions alike, or None where it is centred.
        """
        g, attention = self.g, block / "cross_attn_image_to_token"
        spread = g.op("Exp", g.op("Clip", logits, scalar(-_LOGIT_LIMIT), scalar(_LOGIT_LIMIT)))
        weights = g.op("Div", spread, g.op("ReduceSum", spread, ints(1)))
        weights = g.op("Reshape", weights, ints(-1, POSITIONS))
        out, out_bias = (attention / "out_proj").pair
        out_bias = out_bias if centre is None else out_bias + centre
        out, out_bias = out - out.mean(axis=0), out_bias - out_bias.mean()
        values = _fold(g, self._heads(self.tokens, attention / "v_proj", [1, 0, 2]), out.T)
        # A share of the bias for each head, whose weights sum to one.
        values = g.op("Add", values, out_bias / np.float32(HEADS))
        changed = g.op("Add", g.op("Gemm", weights, values, transA=1), image)
        return self._standard(g, changed, 1, CHANNELS, _NORM_EPS)

    def _place(self, block: Part, *, positions: bool) -> str:
        """The standardised image with its norm's gain, and its positions or centred again."""
        g, (gain, bias) = self.g, (block / "norm4").pair
        scaled = g.op("Mul", self.image, gain)
        if positions:
            return g.op("Add", scaled, self.positions + bias)
        return g.op("Sub", scaled, g.op("ReduceMean", scaled, ints(1)))

    # ---- what comes out

    def _last_reading(self, rows: str | NDArray[np.int64]) -> str:
        """Some of the tokens after the last attention, (R, 256)."""
        g, transformer = self.g, self.transformer
        tokens = g.op("Gather", self.tokens, rows)
        placed = g.op("Add", tokens, g.op("Gather", self.token_pe, rows))
        attention = transformer / "final_attn_token_to_image"
        read = self._read(attention, placed, transformer / "layers.1" / "norm4")
        return g.norm(g.op("Add", tokens, read), *(transformer / "norm_final_attn").pair)

    def _predict_iou(self) -> str:
        g, head = self.g, self.decoder / "iou_prediction_head"
        x = self._last_reading(ints(0))
        for layer in ("layers.0", "layers.1"):
            x = g.op("Relu", g.linear(x, *(head / layer).pair))
        return g.op("Reshape", g.linear(x, *(head / "layers.2").pair), ints(-1))

    def choose(self, iou: str, candidates: str, count: str) -> None:
        """The tokens that answer, best first; names the output `iou`, (M,)."""
        g = self.g
        best = g.op("Gather", iou, candidates)
        g.nodes.append(_node("TopK", [best, count], ["best_iou", "best"]))
        g.name("best_iou", "iou")
        chosen = g.op("Gather", candidates, "best")
        tokens = self._last_reading(g.op("Add", chosen, ints(1)))
        x = g.op("Reshape", tokens, ints(-1, 1, CHANNELS))
        mlps = [self.decoder / f"output_hypernetworks_mlps.{i}" for i in range(MASK_TOKENS)]
        for number in range(3):
            pairs = [(mlp / f"layers.{number}").pair for mlp in mlps]
            weight = np.stack([weight.T for weight, _ in pairs])
            bias = np.stack([bias[None] for _, bias in pairs])
            x = g.op("MatMul", x, g.op("Gather", weight, chosen))
            x = g.op("Add", x, g.op("Gather", bias, chosen))
            x = g.op("Relu", x) if number < 2 else x
        rows = g.op("Reshape", x, ints(-1, UPSCALED))
        self.weights = g.op("Transpose", rows, perm=[1, 0])

    def visible_positions(self) -> str:
        """The image where the picture is, (P, 256)."""
        g = self.g
        grid = g.op("Reshape", self.image, ints(GRID, GRID, CHANNELS))
        seen = g.op("Slice", grid, ints(0, 0), "visible", ints(0, 1))
        return g.op("Reshape", seen, ints(-1, CHANNELS))

    def upscale(self, positions: str, *, one_cell: bool = False) -> str:
        """Logits of the low-res cells of each position, (M, P, 16), or of one of them."""
        g, upscaling = self.g, self.decoder / "output_upscaling"
        gain, bias = (self.transformer / "layers.1" / "norm4").pair
        first = _as_linear(upscaling / "0", _FIRST_CELL if one_cell else None)
        second = _as_linear(upscaling / "3", _SECOND_CELL if one_cell else None)
        weight, offset = _centred(first[0] * gain, first[1] + first[0] @ bias, CHANNELS // 4)
        x = g.op("Reshape", g.linear(positions, weight, offset), ints(-1, CHANNELS // 4))
        x = self._standard(g, x, 1, CHANNELS // 4, _NORM_2D_EPS)
        gain, bias = (upscaling / "1").pair
        x = self._gelu(g.op("Mul", x, gain), bias)
        x = self._gelu(g.op("MatMul", x, second[0].T.copy()), second[1])
        cells = g.op("MatMul", g.op("Reshape", x, ints(-1, UPSCALED)), self.weights)
        cells = g.op("Transpose", cells, perm=[1, 0])
        if one_cell:
            return cells
        count = g.op("Shape", self.weights, start=1)
        return g.op("Reshape", cells, g.op("Concat", count, ints(-1, CELLS**2), axis=0))

    def _gelu(self, x: str, bias: FloatArray) -> str:
        return self.g.op(self.gelu, x, bias, domain="com.microsoft")

    def refined(self, positions: str, coarse: str) -> str:
        """All cells of the positions (M, P, 16): as `coarse` (M, P) but where an edge may be."""
        g = self.g
        grid = g.op("Reshape", coarse, g.op("Concat", ints(1, -1), "visible", axis=0))
        highest = _highest_around(g, grid)
        lowest = g.op("Neg", _highest_around(g, g.op("Neg", grid)))
        above = g.op("Greater", highest, scalar(-_EDGE_LOGIT))
        below = g.op("Less", lowest, scalar(_EDGE_LOGIT))
        edges = g.op("Cast", g.op("And", above, below), to=1)  # float32
        edge = g.op("Reshape", g.op("ReduceMax", edges, ints(1)), ints(-1))
        rows = g.op("Transpose", g.op("NonZero", edge), perm=[1, 0])  # (E, 1)
        fine = g.op("Transpose", self.upscale(g.op("GatherND", positions, rows)), perm=[1, 0, 2])
        by_position = g.op("Unsqueeze", g.op("Transpose", coarse, perm=[1, 0]), ints(2))
        flat = g.op("Expand", by_position, ints(1, 1, CELLS**2))  # (P, M, 16)
        return g.op("Transpose", g.op("ScatterND", flat, rows, fine), perm=[1, 0, 2])

    def on_canvas(self, cells: str) -> str:
        """(M, P, 16) to (M, 256, 256); no mask where the picture is not."""
        g = self.g
        # (row, column, then row and column inside the position, twice) to image order
        shape = g.op("Concat", ints(-1), "visible", ints(2, 2, 2, 2), axis=0)
        cells = g.op("Transpose", g.op("Reshape", cells, shape), perm=[0, 1, 3, 5, 2, 4, 6])
        seen = g.op("Mul", "visible", ints(CELLS))
        cells = g.op("Reshape", cells, g.op("Concat", ints(-1), seen, axis=0))
        missing = g.op("Sub", ints(LOW_RES, LOW_RES), seen)
        pads = g.op("Concat", ints(0, 0, 0, 0), missing, axis=0)
        return g.op("Pad", cells, pads, scalar(_PADDING_LOGIT))

    @staticmethod
    def _standard(g: Graph, x: str, axis: int, length: int, eps: float) -> str:
        """Centred values divided by their standard deviation over an axis of that length."""
        variance = g.op("Mul", g.op("ReduceSumSquare", x, ints(axis)), scalar(1 / length))
        return g.op("Div", x, g.op("Sqrt", g.op("Add", variance, scalar(eps))))


def _highest_around(g: Graph, grid: str) -> str:
    """The highest of each cell and its eight neighbours."""
    return g.op("MaxPool", grid, kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def _fold(g: Graph, by_head: str, weight: FloatArray) -> str:
    """Each head's rows of a projection (heads c, 256) times the tokens, (heads T, 256)."""
    rows = g.op("MatMul", by_head, weight.reshape(HEADS, INNER, CHANNELS))
    return g.op("Reshape", rows, ints(-1, CHANNELS))


def _merge(g: Graph, by_head: str, channels: int) -> str:
    """(heads, T, c) to rows (T, heads c)."""
    return g.op("Reshape", g.op("Transpose", by_head, perm=[1, 0, 2]), ints(-1, channels))


def _as_linear(conv: Part, cell: int | None) -> tuple[FloatArray, FloatArray]:
    """A 2 x 2 transposed convolution of stride two as weight (4 out, in) and bias (4 out).

    With `cell`, one of the four places it writes to: (out, in) and (out).
    """
    weight, bias = conv.pair
    cells = weight.transpose(2, 3, 1, 0).reshape(4, -1, len(weight))
    if cell is not None:
        return cells[cell], bias
    return cells.reshape(-1, len(weight)), np.tile(bias, 4)


def _centred(weight: FloatArray, bias: FloatArray, group: int) -> tuple[FloatArray, FloatArray]:
    """A linear layer whose outputs, in groups of that length, have mean zero."""
    rows = weight.reshape(-1, group, weight.shape[1])
    ends = bias.reshape(-1, group)
    rows, ends = rows - rows.mean(axis=1, keepdims=True), ends - ends.mean(axis=1, keepdims=True)
    return rows.reshape(weight.shape), ends.reshape(-1)


def _node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, inputs, outputs, **attributes)


def _branch(g: Graph, outputs: Mapping[str, Port]) -> Any:
    from onnx import helper

    return helper.make_graph(g.nodes, "branch", [], typed(outputs))


def _finish(g: Graph, name: str) -> bytes:
    """The model file of one of `contract.DECODER`."""
    from onnx import checker, helper

    inputs, outputs = typed(DECODER[name].inputs), typed(DECODER[name].outputs)
    graph = helper.make_graph(g.nodes, name, inputs, outputs, g.constants)
    domains = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=_IR_VERSION)
    checker.check_model(model)
    return bytes(model.SerializeToString())
