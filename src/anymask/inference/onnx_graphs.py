"""The decoder as two ONNX graphs, written from the tensors of the default model.

Its published file answers one prompt and shows one of the four masks. These graphs answer N prompts
of one image, by the algebra of `anymask.nn.folded`: the first makes what all prompts share of an
image, and the second applies projections of the image's 4096 positions to the few tokens instead.
A prompt with a mask changes the image before anything else does, so that it takes a first graph of
its own. The ``onnx`` package is needed to write the graphs, not to run them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto

FloatArray = NDArray[np.float32]
Tensors = Mapping[str, FloatArray]

GRAPHS_VERSION = 1
"""Counts changes of what is written here, so that graphs of former versions are not used."""

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

IMAGE_SIDE: Mapping[str, tuple[int, ...]] = {
    "image": (POSITIONS, CHANNELS),
    "placed": (POSITIONS, CHANNELS),
    "keys": (HEADS, INNER, POSITIONS),
    "values": (HEADS, POSITIONS, INNER),
}
"""What the first graph makes of an image, and the second one reads; see `folded.ImageSide`."""

_OPSET, _IR_VERSION = 20, 9
_NORM_EPS, _NORM_2D_EPS = 1e-5, 1e-6


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

    def norm(self, x: str, weight: FloatArray, bias: FloatArray, eps: float = _NORM_EPS) -> str:
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


def image_graph(tensors: Tensors) -> bytes:
    """The graph that is run once an image, and once for each prompt with a mask.

    Inputs: `embedding` (256, 64, 64), `mask_logits` (1, 1, 256, 256), `has_mask` () bool. Outputs:
    `IMAGE_SIDE`.

    Args:
        tensors: published name -> array, of the prompt encoder and the mask decoder.

    Returns:
        The model file's content.
    """
    g = Graph()
    rows = g.op("Transpose", g.op("Reshape", "embedding", ints(CHANNELS, -1)), perm=[1, 0])
    image = g.op("Add", rows, _dense(g, Part(tensors, "prompt_encoder")))
    placed = g.op("Add", image, position_rows(tensors))
    attention = Part(tensors, "mask_decoder.transformer.layers.0.cross_attn_token_to_image")
    heads = ints(POSITIONS, HEADS, INNER)
    keys = g.op("Reshape", g.linear(placed, *(attention / "k_proj").pair), heads)
    values = g.op("Reshape", g.linear(image, *(attention / "v_proj").pair), heads)
    g.name(image, "image")
    g.name(placed, "placed")
    g.name(g.op("Transpose", keys, perm=[1, 2, 0]), "keys")
    g.name(g.op("Transpose", values, perm=[1, 0, 2]), "values")
    inputs = [
        floats("embedding", CHANNELS, GRID, GRID),
        floats("mask_logits", 1, 1, LOW_RES, LOW_RES),
        value_info("has_mask", "BOOL", ()),
    ]
    return model_bytes(g, "image", inputs, [floats(name, *IMAGE_SIDE[name]) for name in IMAGE_SIDE])


def _dense(g: Graph, encoder: Part) -> str:
    """The embedding of the mask (4096, 256), or that of no mask (1, 256)."""
    without = Graph(g)
    without.name(without.constant((encoder / "no_mask_embed").tensor("weight")), "no_mask")
    given = Graph(g)
    x, down = "mask_logits", encoder / "mask_downscaling"
    for conv, norm in (("0", "1"), ("3", "4")):
        x = given.op("Conv", x, *(down / conv).pair, strides=[2, 2])
        x = given.norm(
            given.op("Transpose", x, perm=[0, 2, 3, 1]), *(down / norm).pair, _NORM_2D_EPS
        )
        x = given.op("Gelu", given.op("Transpose", x, perm=[0, 3, 1, 2]))
    x = given.op("Reshape", given.op("Conv", x, *(down / "6").pair), ints(CHANNELS, -1))
    given.name(given.op("Transpose", x, perm=[1, 0]), "mask")
    return g.op(
        "If",
        "has_mask",
        then_branch=_branch(given, floats("mask", "P", CHANNELS)),
        else_branch=_branch(without, floats("no_mask", "P", CHANNELS)),
    )


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


def prompt_graph(tensors: Tensors) -> bytes:
    """The graph that answers N prompts of T points on one image.

    Inputs: `coords` (N, T, 2) in canvas pixels, `labels` (N, T) int64 (-1 padding, 0 background, 1
    foreground, 2 and 3 corners of a box), `tokens` (M,) int64, the mask tokens that answer,
    `min_iou` () float32, and `IMAGE_SIDE`. Outputs: `iou` (N, M), and `logits` (N, M, 256, 256),
    or (0, M, 256, 256) where no predicted IoU is above `min_iou`.

    Args:
        tensors: published name -> array, of the prompt encoder and the mask decoder.

    Returns:
        The model file's content.
    """
    return PromptGraph(tensors).build()


class PromptGraph:
    """Tokens are rows (N (5 + T), 256), the image is (N, 4096, 256)."""

    def __init__(self, tensors: Tensors, g: Graph | None = None) -> None:
        self.g = g or Graph()
        self.tensors = tensors
        self.decoder = Part(tensors, "mask_decoder")
        self.transformer = self.decoder / "transformer"
        self.count = self._count()
        self.positions = self.g.constant(position_rows(tensors))
        self.by_row = self._shape(-1, CHANNELS)
        self.by_head = self._shape(-1, HEADS, INNER)
        self.token_pe = self._embed()

    def _count(self) -> str | NDArray[np.int64]:
        """N, (1,) int64."""
        return self.g.op("Shape", "labels", start=0, end=1)

    def _shape(self, *sizes: int, within: Graph | None = None) -> str | NDArray[np.int64]:
        """(N, sizes), made in a branch if told so."""
        return (within or self.g).op("Concat", self.count, ints(*sizes), axis=0)

    def build(self) -> bytes:
        """The whole graph."""
        g = self.g
        by_prompt, image, iou = self.tokens_and_image()
        g.name(g.op("Gather", iou, "tokens", axis=1), "iou")
        g.name(self._masks(by_prompt, image), "logits")
        inputs = [
            floats("coords", "N", "T", 2),
            value_info("labels", "INT64", ("N", "T")),
            value_info("tokens", "INT64", ("M",)),
            floats("min_iou"),
            *(floats(name, *shape) for name, shape in IMAGE_SIDE.items()),
        ]
        outputs = [floats("iou", "N", "M"), floats("logits", "K", "M", LOW_RES, LOW_RES)]
        return model_bytes(g, "prompts", inputs, outputs)

    def tokens_and_image(self) -> tuple[str, str, str]:
        """Tokens (N, T, 256), the image (N, 4096, 256), and predicted IoU (N, 4)."""
        g = self.g
        tokens, image = self._first_block()
        tokens, image = self._second_block(tokens, image)
        tokens = self._last_reading(tokens, image)
        by_prompt = g.op("Reshape", tokens, self.by_row)
        iou = _mlp(g, self.decoder / "iou_prediction_head", _token(g, by_prompt, 0))
        return by_prompt, image, iou

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

    def _first_block(self) -> tuple[str, str]:
        """The block whose keys and values all prompts share."""
        g, block = self.g, self.transformer / "layers.0"
        attended = self._attend(block / "self_attn", self.token_pe, self.token_pe)
        tokens = g.norm(attended, *(block / "norm1").pair)
        attention = block / "cross_attn_token_to_image"
        query = self._heads(self._placed(tokens), attention / "q_proj", _scale(INNER))
        weights = g.op("Softmax", g.op("MatMul", query, "keys"), axis=-1)
        read = self._merge(g.op("MatMul", weights, "values"), HEADS * INNER)
        tokens = self._after(block, tokens, g.linear(read, *(attention / "out_proj").pair))
        return tokens, self._image_reads(block, tokens, "image", "placed")

    def _second_block(self, tokens: str, image: str) -> tuple[str, str]:
        """The block in which each prompt has an image of its own."""
        g, block = self.g, self.transformer / "layers.1"
        attended = self._attend(block / "self_attn", self._placed(tokens), tokens)
        tokens = g.norm(g.op("Add", tokens, attended), *(block / "norm1").pair)
        placed = g.op("Add", image, self.positions)
        read = self._read(block / "cross_attn_token_to_image", tokens, image, placed)
        tokens = self._after(block, tokens, read)
        return tokens, self._image_reads(block, tokens, image, placed)

    def _last_reading(self, tokens: str, image: str) -> str:
        g, transformer = self.g, self.transformer
        placed = g.op("Add", image, self.positions)
        read = self._read(transformer / "final_attn_token_to_image", tokens, image, placed)
        return g.norm(g.op("Add", tokens, read), *(transformer / "norm_final_attn").pair)

    def _placed(self, tokens: str) -> str:
        return self.g.op("Add", tokens, self.token_pe)

    def _attend(self, attention: Part, placed: str, tokens: str) -> str:
        """Attention among the tokens."""
        g, inner = self.g, CHANNELS // HEADS
        shape = self._shape(-1, HEADS, inner)
        query, key, value = (
            g.op("Reshape", g.linear(x, *_scaled(attention / name, scale)), shape)
            for x, name, scale in (
                (placed, "q_proj", _scale(inner)),
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

    def _read(self, attention: Part, tokens: str, image: str, placed: str) -> str:
        """Token-to-image attention without projecting the image; (N T, 256)."""
        g = self.g
        query = self._heads(self._placed(tokens), attention / "q_proj", _scale(INNER))
        rows = self._fold(query, (attention / "k_proj").tensor("weight"))
        logits = g.op("MatMul", rows, g.op("Transpose", placed, perm=[0, 2, 1]))
        read = g.op("MatMul", g.op("Softmax", logits, axis=-1), image)
        read = g.op("Reshape", read, self._shape(HEADS, -1, CHANNELS))
        (value, value_bias), (out, out_bias) = (
            (attention / name).pair for name in ("v_proj", "out_proj")
        )
        per_head = value.reshape(HEADS, INNER, CHANNELS).transpose(0, 2, 1)
        merged = self._merge(g.op("MatMul", read, per_head), HEADS * INNER)
        # The weights of an attention sum to one, so that the bias of the values comes back whole.
        return g.linear(merged, out, out_bias + out @ value_bias)

    def _image_reads(self, block: Part, tokens: str, image: str, placed: str) -> str:
        """Image-to-token attention with its residual and norm; (N, 4096, 256)."""
        g, attention = self.g, block / "cross_attn_image_to_token"
        key = self._heads(self._placed(tokens), attention / "k_proj", _scale(INNER))
        query, query_bias = (attention / "q_proj").pair
        rows = g.op("Transpose", self._fold(key, query), perm=[0, 2, 1])
        offset = g.op("MatMul", key, query_bias.reshape(HEADS, INNER, 1))  # (N, heads, T, 1)
        logits = g.op("MatMul", placed, rows)  # (N, 4096, heads T)
        logits = g.op("Add", logits, g.op("Reshape", offset, self._shape(1, -1)))
        by_head = g.op("Reshape", logits, self._shape(POSITIONS, HEADS, -1))
        weights = g.op("Softmax", self._without_hidden(by_head), axis=-1)
        weights = g.op("Reshape", weights, self._shape(POSITIONS, -1))
        out, out_bias = (attention / "out_proj").pair
        values = self._fold(self._heads(tokens, attention / "v_proj"), out.T)
        # A share of the bias for each head, whose weights sum to one.
        values = g.op("Add", values, out_bias / HEADS)
        changed = g.op("Add", g.op("MatMul", weights, values), image)
        return g.norm(changed, *(block / "norm4").pair)

    def _after(self, block: Part, tokens: str, read: str) -> str:
        """What follows the token-to-image attention on the tokens' side."""
        g = self.g
        tokens = g.norm(g.op("Add", tokens, read), *(block / "norm2").pair)
        hidden = g.op("Relu", g.linear(tokens, *(block / "mlp" / "lin1").pair))
        out = g.linear(hidden, *(block / "mlp" / "lin2").pair)
        return g.norm(g.op("Add", tokens, out), *(block / "norm3").pair)

    def _masks(self, by_prompt: str, image: str) -> str:
        """The masks, unless no predicted IoU is high enough; they cost as much as all the rest."""
        g = self.g
        nobody = Graph(g)
        shape = nobody.op("Shape", "tokens")
        shape = nobody.op("Concat", ints(0), shape, ints(LOW_RES, LOW_RES), axis=0)
        nobody.name(nobody.op("ConstantOfShape", shape), "no_masks")
        somebody = Graph(g)
        somebody.name(self._upscale(somebody, by_prompt, image), "masks")
        best = g.op("ReduceMax", "iou", keepdims=0)
        return g.op(
            "If",
            g.op("Not", g.op("LessOrEqual", best, "min_iou")),  # also where it is no number
            then_branch=_branch(somebody, floats("masks", "K", "M", LOW_RES, LOW_RES)),
            else_branch=_branch(nobody, floats("no_masks", "K", "M", LOW_RES, LOW_RES)),
        )

    def _upscale(self, g: Graph, by_prompt: str, image: str) -> str:
        """Logits of the tokens that answer, (N, M, 256, 256)."""
        x = g.op("Reshape", image, ints(-1, CHANNELS))
        upscaling = self.decoder / "output_upscaling"
        weight, bias = _as_linear(upscaling / "0")
        x = g.op("Reshape", g.linear(x, weight, bias), ints(-1, CHANNELS // 4))
        x = self._gelu(g, g.norm(x, *(upscaling / "1").pair, _NORM_2D_EPS))
        weight, bias = _as_linear(upscaling / "3")
        x = self._bias_gelu(g, g.op("MatMul", x, weight.T), bias)
        x = g.op("Reshape", x, self._shape(-1, UPSCALED, within=g))
        weights = self._answering(g, self._mask_weights(g, by_prompt))
        cells = g.op("MatMul", weights, g.op("Transpose", x, perm=[0, 2, 1]))
        # (row, column, then row and column inside the position, twice) to image order
        shape = self._shape(-1, GRID, GRID, 2, 2, 2, 2, within=g)
        cells = g.op("Transpose", g.op("Reshape", cells, shape), perm=[0, 1, 2, 4, 6, 3, 5, 7])
        return g.op("Reshape", cells, self._shape(-1, LOW_RES, LOW_RES, within=g))

    def _gelu(self, g: Graph, x: str) -> str:
        return g.op("Gelu", x)

    def _bias_gelu(self, g: Graph, x: str, bias: FloatArray) -> str:
        return g.op("BiasGelu", x, bias, domain="com.microsoft")

    def _answering(self, g: Graph, weights: str) -> str:
        """Of the four mask tokens' (N, 4, 32) those that were asked for."""
        return g.op("Gather", weights, "tokens", axis=1)

    def _mask_weights(self, g: Graph, by_prompt: str) -> str:
        """What each mask token multiplies the upscaled image with, (N, 4, 32)."""
        mlps = [self.decoder / f"output_hypernetworks_mlps.{i}" for i in range(MASK_TOKENS)]
        rows = [
            g.op("Unsqueeze", _mlp(g, mlp, _token(g, by_prompt, 1 + i)), ints(1))
            for i, mlp in enumerate(mlps)
        ]
        return g.op("Concat", *rows, axis=1)


def _token(g: Graph, by_prompt: str, number: int) -> str:
    """One of the decoder's own tokens, (N, 256)."""
    return g.op("Gather", by_prompt, np.array(number), axis=1)


def _mlp(g: Graph, mlp: Part, x: str) -> str:
    """Three linear layers with ReLU between them."""
    for layer in ("layers.0", "layers.1"):
        x = g.op("Relu", g.linear(x, *(mlp / layer).pair))
    return g.linear(x, *(mlp / "layers.2").pair)


def _scale(channels: int) -> float:
    return 1 / math.sqrt(channels)


def _scaled(projection: Part, scale: float) -> tuple[FloatArray, FloatArray]:
    weight, bias = projection.pair
    return weight * np.float32(scale), bias * np.float32(scale)


def _as_linear(conv: Part) -> tuple[FloatArray, FloatArray]:
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


def _branch(g: Graph, output: ValueInfoProto) -> GraphProto:
    from onnx import helper

    return helper.make_graph(g.nodes, output.name, [], [output])


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
