"""What ONNX graphs of the network are written with, and the tokens' side of the decoder.

`anymask.inference.strip_graphs` and `anymask.export` add the image's side, each in the form that
suits who runs it. The ``onnx`` package is needed to write graphs, not to run them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto, ValueInfoProto

FloatArray = NDArray[np.float32]
Tensors = Mapping[str, FloatArray]

CANVAS_PX = 1024
GRID = 64
POSITIONS = GRID * GRID
LOW_RES = 4 * GRID
CHANNELS = 256
HEADS = 8
INNER = 16
"""Channels of a head where tokens and image read each other."""
MASK_TOKENS = 4
UPSCALED = 32

_OPSET, _IR_VERSION = 20, 9
NORM_EPS, NORM_2D_EPS = 1e-5, 1e-6


class Graph:
    """Nodes in the order they were asked for; arrays among their inputs become constants.

    A branch of an ``If`` is a graph that keeps its constants in the graph around it.
    """

    def __init__(self, around: Graph | None = None) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = around.constants if around else []
        self._numbers: Iterator[int] = around._numbers if around else count()

    def op(
        self,
        kind: str,
        *inputs: str | NDArray[np.generic],
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """One node with one output, whose name is returned; the checker knows the attributes."""
        from onnx import helper

        names = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        output = f"{kind}_{next(self._numbers)}"
        self.nodes.append(
            helper.make_node(kind, names, [output], output, domain=domain, **attributes)
        )
        return output

    def split(self, x: str, count: int, axis: int = 0) -> list[str]:
        """Equal parts of a value."""
        from onnx import helper

        parts = [f"Split_{next(self._numbers)}" for _ in range(count)]
        self.nodes.append(
            helper.make_node("Split", [x], parts, parts[0], axis=axis, num_outputs=count)
        )
        return parts

    def constant(self, array: NDArray[np.generic]) -> str:
        """A constant to be used more than once."""
        from onnx import numpy_helper

        name = f"constant_{next(self._numbers)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def name(self, value: str, name: str) -> None:
        """Gives a value the name under which it is an output."""
        from onnx import helper

        self.nodes.append(helper.make_node("Identity", [value], [name], name))

    def linear(self, x: str, weight: FloatArray, bias: FloatArray) -> str:
        """A linear layer on rows (R, in)."""
        return self.op("Gemm", x, weight, bias, transB=1)

    def norm(
        self, x: str, weight: FloatArray | str, bias: FloatArray | str, eps: float = NORM_EPS
    ) -> str:
        """LayerNorm over the last axis."""
        return self.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=eps)


class Part:
    """The tensors of one module."""

    def __init__(self, tensors: Tensors, path: str) -> None:
        self._tensors = tensors
        self._path = path

    def __truediv__(self, child: str) -> Part:
        return Part(self._tensors, f"{self._path}.{child}")

    def has(self, name: str) -> bool:
        """Whether there is a tensor of this name."""
        return f"{self._path}.{name}" in self._tensors

    def children(self, name: str) -> list[Part]:
        """The modules of a list, in order."""
        start = f"{self._path}.{name}."
        numbers = {
            int(key[len(start) :].partition(".")[0])
            for key in self._tensors
            if key.startswith(start)
        }
        return [self / f"{name}.{number}" for number in sorted(numbers)]

    def tensor(self, name: str) -> FloatArray:
        """One tensor as float32."""
        return np.asarray(self._tensors[f"{self._path}.{name}"], np.float32)

    @property
    def pair(self) -> tuple[FloatArray, FloatArray]:
        """Its weight and bias."""
        return self.tensor("weight"), self.tensor("bias")


def position_rows(tensors: Tensors) -> FloatArray:
    """The positions of the embedding's cells, (4096, 256) float32, row by row."""
    centres = (np.arange(GRID, dtype=np.float32) + np.float32(0.5)) / np.float32(GRID)
    x, y = np.meshgrid(centres, centres)
    angles = (2 * np.stack([x, y], axis=-1).reshape(-1, 2) - 1) @ _frequencies(tensors)
    angles *= np.float32(2 * math.pi)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def _frequencies(tensors: Tensors) -> FloatArray:
    pe_layer = Part(tensors, "prompt_encoder.pe_layer")
    return pe_layer.tensor("positional_encoding_gaussian_matrix")


class DecoderGraph:
    """The tokens' side of the decoder; tokens are rows (N (5 + T), 256)."""

    def __init__(self, tensors: Tensors, g: Graph | None = None) -> None:
        self.g = g or Graph()
        self.tensors = tensors
        self.decoder = Part(tensors, "mask_decoder")
        self.transformer = self.decoder / "transformer"
        self.count = self._count()
        self.by_row = self._shape(-1, CHANNELS)
        self.by_head = self._shape(-1, HEADS, INNER)
        self.token_pe = self._embed()

    def _count(self) -> str | NDArray[np.int64]:
        """N, (1,) int64."""
        return self.g.op("Shape", "labels", start=0, end=1)

    def _shape(self, *sizes: int) -> str | NDArray[np.int64]:
        """(N, sizes)."""
        return self.g.op("Concat", self.count, ints(*sizes), axis=0)

    def _waves(self) -> str:
        """The points' places, (N, T, 256)."""
        g = self.g
        place = g.op("Mul", g.op("Add", "coords", scalar(0.5)), scalar(2 / CANVAS_PX))
        angles = g.op("MatMul", g.op("Sub", place, scalar(1)), _frequencies(self.tensors))
        angles = g.op("Mul", angles, scalar(2 * math.pi))
        return g.op("Concat", g.op("Sin", angles), g.op("Cos", angles), axis=2)

    def _own_tokens(self) -> FloatArray:
        """The tokens every prompt has, (5, 256)."""
        names = ["iou_token", "mask_tokens"]
        return np.concatenate([(self.decoder / name).tensor("weight") for name in names])

    def _embed(self) -> str:
        """The decoder's own tokens and the embedded points."""
        g, encoder = self.g, Part(self.tensors, "prompt_encoder")
        names = [*(f"point_embeddings.{label}" for label in range(4)), "not_a_point_embed"]
        table = np.concatenate([(encoder / name).tensor("weight") for name in names])
        # Label -1 takes the last row, and its place counts nothing.
        counts = g.op("Gather", np.array([[1], [1], [1], [1], [0]], np.float32), "labels")
        points = g.op("Add", g.op("Mul", self._waves(), counts), g.op("Gather", table, "labels"))
        own = self._own_tokens()[None]
        shared = g.op("Expand", own, self._shape(*own.shape[1:]))
        return g.op("Reshape", g.op("Concat", shared, points, axis=1), ints(-1, CHANNELS))

    def _first_tokens(self) -> str:
        """The first block's tokens when they have read the image, by `keys` and `values` of it."""
        g, block = self.g, self.transformer / "layers.0"
        attended = self._attend(block / "self_attn", self.token_pe, self.token_pe)
        tokens = g.norm(attended, *(block / "norm1").pair)
        attention = block / "cross_attn_token_to_image"
        query = self._heads(self._placed(tokens), attention / "q_proj", scale_of(INNER))
        weights = g.op("Softmax", g.op("MatMul", query, "keys"), axis=-1)
        read = self._merge(g.op("MatMul", weights, "values"), HEADS * INNER)
        return self._after(block, tokens, g.linear(read, *(attention / "out_proj").pair))

    def _among_themselves(self, block: Part, tokens: str) -> str:
        """What comes first in a later block."""
        g = self.g
        attended = self._attend(block / "self_attn", self._placed(tokens), tokens)
        return g.norm(g.op("Add", tokens, attended), *(block / "norm1").pair)

    def _placed(self, tokens: str) -> str:
        return self.g.op("Add", tokens, self.token_pe)

    def _attend(self, attention: Part, placed: str, tokens: str) -> str:
        """Attention among the tokens."""
        g, inner = self.g, CHANNELS // HEADS
        shape = self._shape(-1, HEADS, inner)
        query, key, value = (
            g.op("Reshape", g.linear(x, *_scaled(attention / name, scale)), shape)
            for x, name, scale in (
                (placed, "q_proj", scale_of(inner)),
                (placed, "k_proj", 1.0),
                (tokens, "v_proj", 1.0),
            )
        )
        query, value = (g.op("Transpose", x, perm=[0, 2, 1, 3]) for x in (query, value))
        logits = g.op("MatMul", query, g.op("Transpose", key, perm=[0, 2, 3, 1]))
        weights = g.op("Softmax", self._without_hidden(logits), axis=-1)
        read = g.op("MatMul", weights, value)
        return g.linear(self._merge(read, CHANNELS), *(attention / "out_proj").pair)

    def _without_hidden(self, logits: str) -> str:
        """Attention logits (N, ..., T) with those of tokens that nobody may read taken out."""
        return logits

    def _heads(self, tokens: str, projection: Part, scale: float = 1.0) -> str:
        """Projected tokens by head, (N, heads, T, c)."""
        g = self.g
        rows = g.op("Reshape", g.linear(tokens, *_scaled(projection, scale)), self.by_head)
        return g.op("Transpose", rows, perm=[0, 2, 1, 3])

    def _merge(self, by_head: str, channels: int) -> str:
        """(N, heads, T, c) to rows (N T, heads c)."""
        rows = self.g.op("Transpose", by_head, perm=[0, 2, 1, 3])
        return self.g.op("Reshape", rows, ints(-1, channels))

    def _fold(self, by_head: str, weight: FloatArray) -> str:
        """Each head's rows of a projection (heads c, 256) times the tokens, (N, heads T, 256)."""
        rows = self.g.op("MatMul", by_head, weight.reshape(HEADS, INNER, CHANNELS))
        return self.g.op("Reshape", rows, self.by_row)

    def _project(self, attention: Part, read: str) -> str:
        """What each head's tokens read of the image, (N, heads T, 256), as tokens: (N T, 256)."""
        g = self.g
        by_head = g.op("Reshape", read, self._shape(HEADS, -1, CHANNELS))
        (value, value_bias), (out, out_bias) = (
            (attention / name).pair for name in ("v_proj", "out_proj")
        )
        per_head = value.reshape(HEADS, INNER, CHANNELS).transpose(0, 2, 1)
        merged = self._merge(g.op("MatMul", by_head, per_head), HEADS * INNER)
        # The weights of an attention sum to one, so that the bias of the values comes back whole.
        return g.linear(merged, out, out_bias + out @ value_bias)

    def _after(self, block: Part, tokens: str, read: str) -> str:
        """What follows the token-to-image attention on the tokens' side."""
        g = self.g
        tokens = g.norm(g.op("Add", tokens, read), *(block / "norm2").pair)
        hidden = g.op("Relu", g.linear(tokens, *(block / "mlp" / "lin1").pair))
        out = g.linear(hidden, *(block / "mlp" / "lin2").pair)
        return g.norm(g.op("Add", tokens, out), *(block / "norm3").pair)


def token_of(g: Graph, by_prompt: str, number: int) -> str:
    """One of the decoder's own tokens, (N, 256)."""
    return g.op("Gather", by_prompt, np.array(number), axis=1)


def mlp(g: Graph, part: Part, x: str) -> str:
    """Three linear layers with ReLU between them."""
    for layer in ("layers.0", "layers.1"):
        x = g.op("Relu", g.linear(x, *(part / layer).pair))
    return g.linear(x, *(part / "layers.2").pair)


def scale_of(channels: int) -> float:
    """What the logits of an attention with so many channels a head are multiplied with."""
    return 1 / math.sqrt(channels)


def _scaled(projection: Part, scale: float) -> tuple[FloatArray, FloatArray]:
    weight, bias = projection.pair
    return weight * np.float32(scale), bias * np.float32(scale)


def as_linear(conv: Part) -> tuple[FloatArray, FloatArray]:
    """A 2 x 2 transposed convolution of stride two as weight (4 out, in) and bias (4 out)."""
    weight, bias = conv.pair
    return weight.transpose(2, 3, 1, 0).reshape(-1, len(weight)), np.tile(bias, 4)


def ints(*values: int) -> NDArray[np.int64]:
    """A constant (n,) int64, such as a shape."""
    return np.array(values, np.int64)


def scalar(value: float) -> FloatArray:
    """A constant () float32."""
    return np.array(value, np.float32)


def value_info(name: str, kind: str, shape: tuple[int | str, ...]) -> ValueInfoProto:
    """An input or output; `kind` is a name of onnx's TensorProto."""
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape)


def floats(name: str, *shape: int | str) -> ValueInfoProto:
    """An input or output of float32."""
    return value_info(name, "FLOAT", shape)


def model_bytes(
    g: Graph, name: str, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]
) -> bytes:
    """The checked model's file content."""
    from onnx import checker, helper

    domains = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph(g.nodes, name, inputs, outputs, g.constants)
    model = helper.make_model(graph, opset_imports=domains, ir_version=_IR_VERSION)
    checker.check_model(model)
    return bytes(model.SerializeToString())
