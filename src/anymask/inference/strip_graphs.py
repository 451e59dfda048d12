"""The default engine's decoder as two ONNX graphs, written from the tensors of the default model.

Its published file answers one prompt and shows one of the four masks. The first graph here makes
what all prompts share of an image, and the second answers one prompt, by the algebra of
`anymask.nn.folded`: projections of the image's 4096 positions are applied to the few tokens
instead. The image is cut into strips of positions, and all that happens to a strip happens in a
row, while it is in the processor's nearest cache.

A prompt with a mask changes the image before anything else does, so that it takes a first graph of
its own. The ``onnx`` package is needed to write the graphs, not to run them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anymask.inference.onnx_graphs import (
    CHANNELS,
    GRID,
    HEADS,
    INNER,
    LOW_RES,
    MASK_TOKENS,
    NORM_2D_EPS,
    POSITIONS,
    UPSCALED,
    DecoderGraph,
    FloatArray,
    Graph,
    Part,
    Tensors,
    as_linear,
    floats,
    ints,
    mlp,
    model_bytes,
    position_rows,
    scale_of,
    value_info,
)

if TYPE_CHECKING:
    from onnx import GraphProto, ValueInfoProto

GRAPHS_VERSION = 2
"""Counts changes of what is written here, so that graphs of former versions are not used."""

STRIP = 512
"""Positions in a strip: 0.5 MB. Measured; with all in one everything takes a third longer."""
STRIPS = POSITIONS // STRIP
ROWS = STRIP // GRID
"""Rows of positions in a strip."""

IMAGE_SIDE: Mapping[str, tuple[int, ...]] = {
    **{f"image_{number}": (STRIP, CHANNELS) for number in range(STRIPS)},
    "keys": (HEADS, INNER, POSITIONS),
    "values": (HEADS, POSITIONS, INNER),
    "queries": (HEADS, INNER, POSITIONS),
}
"""What the first graph makes of an image, and the second one reads; see `folded.ImageSide`."""


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
    block = Part(tensors, "mask_decoder.transformer.layers.0")
    to_image, to_tokens = (
        block / f"cross_attn_{name}" for name in ("token_to_image", "image_to_token")
    )
    for number, strip in enumerate(g.split(image, STRIPS)):
        g.name(strip, f"image_{number}")
    for name, x, projection, order in (
        ("keys", placed, to_image / "k_proj", [1, 2, 0]),
        ("values", image, to_image / "v_proj", [1, 0, 2]),
        ("queries", placed, to_tokens / "q_proj", [1, 2, 0]),
    ):
        by_head = g.op("Reshape", g.linear(x, *projection.pair), ints(POSITIONS, HEADS, INNER))
        g.name(g.op("Transpose", by_head, perm=order), name)
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
            given.op("Transpose", x, perm=[0, 2, 3, 1]), *(down / norm).pair, NORM_2D_EPS
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


def prompt_graph(tensors: Tensors) -> bytes:
    """The graph that answers one prompt of T points on one image.

    Inputs: `coords` (1, T, 2) in canvas pixels, `labels` (1, T) int64 (-1 padding, 0 background, 1
    foreground, 2 and 3 corners of a box), `tokens` (M,) int64, the mask tokens that answer,
    `min_iou` () float32, `rows` () int64, and `IMAGE_SIDE`. Outputs: `iou` (1, M), and `logits`
    (1, M, h, 256) of the first `rows` of the image's 64 rows of positions, rounded up to whole
    strips; (0, M, 256, 256) where no predicted IoU is above `min_iou`.

    Args:
        tensors: published name -> array, of the prompt encoder and the mask decoder.

    Returns:
        The model file's content.
    """
    return _PromptGraph(tensors).build()


class _Image(NamedTuple):
    """An image (4096, 256) in strips, without and with its positions."""

    strips: Sequence[str]
    placed: Sequence[str]


class _PromptGraph(DecoderGraph):
    """One prompt: tokens are rows (5 + T, 256), a strip of the image is (P, 256)."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__(tensors)
        rows = position_rows(tensors)
        self._positions = [self.g.constant(part) for part in np.split(rows, STRIPS)]

    def _count(self) -> NDArray[np.int64]:
        return ints(1)

    def _shape(self, *sizes: int) -> NDArray[np.int64]:
        return ints(1, *sizes)

    def build(self) -> bytes:
        """The whole graph."""
        g = self.g
        tokens, image = self._second_block(*self._first_block())
        iou_token, mask_tokens = self._last_reading(tokens, image)
        iou = mlp(g, self.decoder / "iou_prediction_head", iou_token)
        g.name(g.op("Gather", iou, "tokens", axis=1), "iou")
        g.name(self._masks(mask_tokens, image), "logits")
        inputs = [
            floats("coords", 1, "T", 2),
            value_info("labels", "INT64", (1, "T")),
            value_info("tokens", "INT64", ("M",)),
            floats("min_iou"),
            value_info("rows", "INT64", ()),
            *(floats(name, *shape) for name, shape in IMAGE_SIDE.items()),
        ]
        outputs = [floats("iou", 1, "M"), floats("logits", "K", "M", "h", LOW_RES)]
        return model_bytes(g, "prompt", inputs, outputs)

    def _first_block(self) -> tuple[str, _Image]:
        """The block whose keys, values and queries all prompts share."""
        g, block = self.g, self.transformer / "layers.0"
        tokens = self._first_tokens()
        attention = block / "cross_attn_image_to_token"
        key = self._heads(self._placed(tokens), attention / "k_proj", scale_of(INNER))
        logits = g.op("Reshape", g.op("MatMul", key, "queries"), ints(HEADS, -1, POSITIONS))
        weights = g.op("Reshape", self._over_tokens(logits), ints(-1, POSITIONS))
        strips = [f"image_{number}" for number in range(STRIPS)]
        return tokens, self._write(block, tokens, strips, g.split(weights, STRIPS, axis=1))

    def _second_block(self, tokens: str, image: _Image) -> tuple[str, _Image]:
        """The block in which each prompt has an image of its own."""
        g, block = self.g, self.transformer / "layers.1"
        tokens = self._among_themselves(block, tokens)
        read = self._read(block / "cross_attn_token_to_image", self._placed(tokens), image)
        tokens = self._after(block, tokens, read)
        attention = block / "cross_attn_image_to_token"
        key = self._heads(self._placed(tokens), attention / "k_proj", scale_of(INNER))
        query, query_bias = (attention / "q_proj").pair
        rows = self._rows(key, query)
        offset = g.op("MatMul", key, query_bias.reshape(HEADS, INNER, 1))
        offset = g.op("Reshape", offset, ints(-1, 1))
        weights = []
        for placed in image.placed:
            logits = g.op("Gemm", rows, placed, offset, transB=1)
            by_head = g.op("Reshape", logits, ints(HEADS, -1, STRIP))
            weights.append(g.op("Reshape", self._over_tokens(by_head), ints(-1, STRIP)))
        return tokens, self._write(block, tokens, image.strips, weights)

    def _last_reading(self, tokens: str, image: _Image) -> tuple[str, str]:
        """Only tokens that answer read once more: the one for IoU (1, 256), the masks' (M, 256)."""
        g = self.g
        masks = g.op("Add", "tokens", np.array(1, np.int64))
        answering = g.op("Concat", ints(0), masks, axis=0)
        mine, places = (g.op("Gather", x, answering, axis=0) for x in (tokens, self.token_pe))
        attention = self.transformer / "final_attn_token_to_image"
        read = self._read(attention, g.op("Add", mine, places), image)
        read = g.norm(g.op("Add", mine, read), *(self.transformer / "norm_final_attn").pair)
        everything = ints(np.iinfo(np.int64).max)
        return (
            g.op("Slice", read, ints(0), ints(1), ints(0)),
            g.op("Slice", read, ints(1), everything, ints(0)),
        )

    def _over_tokens(self, logits: str) -> str:
        """Softmax over each head's tokens of (heads, T, P).

        By simple operators: the softmax of this axis would turn everything round and back.
        """
        g = self.g
        grown = g.op("Exp", g.op("Sub", logits, g.op("ReduceMax", logits, ints(1))))
        return g.op("Div", grown, g.op("ReduceSum", grown, ints(1)))

    def _rows(self, by_head: str, weight: FloatArray) -> str:
        """Each head's rows of a projection (heads c, 256) times the tokens, (heads T, 256)."""
        return self.g.op("Reshape", self._fold(by_head, weight), ints(-1, CHANNELS))

    def _read(self, attention: Part, placed_tokens: str, image: _Image) -> str:
        """Token-to-image attention without projecting the image; (T, 256)."""
        g = self.g
        query = self._heads(placed_tokens, attention / "q_proj", scale_of(INNER))
        rows = self._rows(query, (attention / "k_proj").tensor("weight"))
        logits = [g.op("Gemm", rows, placed, transB=1) for placed in image.placed]
        shares = g.op("Softmax", g.op("Concat", *logits, axis=1), axis=-1)
        read: tuple[str, ...] = ()
        for share, strip in zip(g.split(shares, STRIPS, axis=1), image.strips, strict=True):
            read = (g.op("Gemm", share, strip, *read),)
        return self._project(attention, *read)

    def _write(
        self, block: Part, tokens: str, strips: Sequence[str], weights: Sequence[str]
    ) -> _Image:
        """Image-to-token attention with its residual and norm.

        Args:
            block: whose attention it is.
            tokens: (T, 256) what there is to read.
            strips: the image as it is.
            weights: for each strip, how much it reads of each head's tokens, (heads T, P).
        """
        g, attention = self.g, block / "cross_attn_image_to_token"
        out, out_bias = (attention / "out_proj").pair
        values = self._rows(self._heads(tokens, attention / "v_proj"), out.T)
        # A share of the bias for each head, whose weights sum to one.
        values = g.op("Add", values, out_bias / HEADS)
        norm_weight, norm_bias = (g.constant(one) for one in (block / "norm4").pair)
        changed, placed = [], []
        for strip, weight, positions in zip(strips, weights, self._positions, strict=True):
            x = g.op("Gemm", weight, values, strip, transA=1)
            changed.append(g.norm(x, norm_weight, norm_bias))
            placed.append(g.op("Add", changed[-1], positions))
        return _Image(changed, placed)

    def _masks(self, mask_tokens: str, image: _Image) -> str:
        """The masks, unless no predicted IoU is high enough; they cost as much as all the rest."""
        g = self.g
        nobody = Graph(g)
        shape = nobody.op("Shape", "tokens")
        shape = nobody.op("Concat", ints(0), shape, ints(LOW_RES, LOW_RES), axis=0)
        nobody.name(nobody.op("ConstantOfShape", shape), "no_masks")
        somebody = Graph(g)
        somebody.name(self._upscale(somebody, mask_tokens, image), "masks")
        best = g.op("ReduceMax", "iou", keepdims=0)
        return g.op(
            "If",
            g.op("Not", g.op("LessOrEqual", best, "min_iou")),  # also where it is no number
            then_branch=_branch(somebody, floats("masks", "K", "M", "h", LOW_RES)),
            else_branch=_branch(nobody, floats("no_masks", "K", "M", "h", LOW_RES)),
        )

    def _upscale(self, g: Graph, mask_tokens: str, image: _Image) -> str:
        """Logits of the tokens that answer in the rows asked for, (1, M, h, 256)."""
        upscaling = self.decoder / "output_upscaling"
        first, second = (as_linear(upscaling / name) for name in ("0", "3"))
        layers = _Upscaling(
            tuple(g.constant(array) for array in first),
            tuple(g.constant(array) for array in (upscaling / "1").pair),
            (g.constant(second[0].T), g.constant(second[1])),
            self._mask_weights(g, mask_tokens),
        )
        cells = []
        for number, strip in enumerate(image.strips):
            seen, unseen = Graph(g), Graph(g)
            seen.name(layers.cells(seen, strip), f"seen_{number}")
            shape = unseen.op("Concat", unseen.op("Shape", "tokens"), ints(0), axis=0)
            unseen.name(unseen.op("ConstantOfShape", shape), f"unseen_{number}")
            then, otherwise = (
                _branch(part, floats(f"{name}_{number}", "M", "cells"))
                for part, name in ((seen, "seen"), (unseen, "unseen"))
            )
            asked = g.op("Greater", "rows", np.array(number * ROWS, np.int64))
            cells.append(g.op("If", asked, then_branch=then, else_branch=otherwise))
        joined = g.op("Concat", *cells, axis=1)
        # (row, column, then row and column inside the position, twice) to image order
        by_place = g.op("Reshape", joined, g.op(*_with_tokens(g, -1, GRID, 2, 2, 2, 2), axis=0))
        ordered = g.op("Transpose", by_place, perm=[0, 1, 3, 5, 2, 4, 6])
        answers = g.op("Reshape", ordered, g.op(*_with_tokens(g, -1, LOW_RES), axis=0))
        return g.op("Unsqueeze", answers, ints(0))

    def _mask_weights(self, g: Graph, mask_tokens: str) -> str:
        """What each mask token multiplies the upscaled image with, (M, 32)."""
        networks = [self.decoder / f"output_hypernetworks_mlps.{i}" for i in range(MASK_TOKENS)]
        x = g.op("Unsqueeze", mask_tokens, ints(1))  # (M, 1, 256)
        for number in range(3):
            layers = [(network / f"layers.{number}").pair for network in networks]
            weights = np.stack([weight.T for weight, _ in layers])
            biases = np.stack([bias[None] for _, bias in layers])
            some_weights, some_biases = (
                g.op("Gather", stacked, "tokens", axis=0) for stacked in (weights, biases)
            )
            x = g.op("Add", g.op("MatMul", x, some_weights), some_biases)
            x = x if number == 2 else g.op("Relu", x)
        return g.op("Reshape", x, ints(-1, UPSCALED))


class _Upscaling(NamedTuple):
    """Names of the layers' constants, and of what each mask multiplies with."""

    first: tuple[str, ...]
    norm: tuple[str, ...]
    second: tuple[str, str]
    weights: str

    def cells(self, g: Graph, strip: str) -> str:
        """A strip (P, 256) to the logits (M, 16 P) of the cells in its positions."""
        x = g.op("Reshape", g.op("Gemm", strip, *self.first, transB=1), ints(-1, CHANNELS // 4))
        x = g.op("Gelu", g.op("LayerNormalization", x, *self.norm, axis=-1, epsilon=NORM_2D_EPS))
        weight, bias = self.second
        x = g.op("BiasGelu", g.op("MatMul", x, weight), bias, domain="com.microsoft")
        return g.op("Gemm", self.weights, g.op("Reshape", x, ints(-1, UPSCALED)), transB=1)


def _with_tokens(g: Graph, *sizes: int) -> tuple[str, str, NDArray[np.int64]]:
    """The inputs of a Concat that makes the shape (M, sizes)."""
    return "Concat", g.op("Shape", "tokens"), ints(*sizes)


def _branch(g: Graph, output: ValueInfoProto) -> GraphProto:
    from onnx import helper

    return helper.make_graph(g.nodes, output.name, [], [output])
