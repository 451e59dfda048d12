"""The decoder as files for other programs: operators of the standard domain, no branches.

The algebra is that of `anymask.inference.onnx_graphs`, and so is the cut in two: `image` is run
once an image (and once for each mask given as a prompt), `prompt` answers N prompts of up to T
points each. Slots that a prompt leaves unused have label -1 and change nothing: attention does not
see them. The padding point, which the network expects behind points without a box, is added inside.
With N and T given, every shape in the files is a constant, as converters to other formats ask.

`original_graph` is one file with the six inputs of the published decoder, for tools made for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.export.writer import Graph, Part, erf_gelu, ints, model_proto, scalar, tensor_type
from anymask.inference.onnx_graphs import (
    CANVAS_PX,
    CHANNELS,
    GRID,
    HEADS,
    IMAGE_SIDE,
    INNER,
    LOW_RES,
    MASK_TOKENS,
    POSITIONS,
    PromptGraph,
    position_rows,
)

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

    from anymask.export.writer import FloatArray, Tensors

OPSET = 17
Slots = tuple[int, int]
"""N prompts of T points each."""

_NORM_2D_EPS = 1e-6
_HIDDEN = -1e4
"""Added to the attention logits of a token nobody may read; fits half precision too."""
_SINGLE_LEAD = 1000.0
"""What the published selection adds to the single mask's IoU for each token beyond 2.5."""


def image_graph(tensors: Tensors) -> ModelProto:
    """The graph that is run once an image, and once for each prompt with a mask.

    Inputs: `embedding` (1, 256, 64, 64), `mask_logits` (1, 1, 256, 256), `has_mask` (1,) float32
    0 or 1. Outputs: `onnx_graphs.IMAGE_SIDE`.

    Args:
        tensors: published name -> array, of the prompt encoder and the mask decoder.
    """
    g = Graph()
    _image_side(g, tensors, "embedding", "mask_logits", "has_mask")
    inputs = [
        tensor_type("embedding", "FLOAT", 1, CHANNELS, GRID, GRID),
        tensor_type("mask_logits", "FLOAT", 1, 1, LOW_RES, LOW_RES),
        tensor_type("has_mask", "FLOAT", 1),
    ]
    return model_proto(g, "image", inputs, _image_side_types(), OPSET)


def prompt_graph(tensors: Tensors, slots: Slots | None = None) -> ModelProto:
    """The graph that answers N prompts of up to T points on one image.

    Inputs: `coords` (N, T, 2) float32 in canvas pixels, `labels` (N, T) int32 (-1 unused, 0
    background, 1 foreground, 2 and 3 corners of a box), and `onnx_graphs.IMAGE_SIDE`. Outputs:
    `iou` (N, 4) and `logits` (N, 4, 256, 256), of the single mask and the three candidates.

    Args:
        tensors: published name -> array, of the prompt encoder and the mask decoder.
        slots: N and T to make all shapes constant; None leaves both to each call.
    """
    graph = _SlotGraph(tensors, Graph(), slots)
    graph.answer("iou", "logits")
    count, points = slots or ("N", "T")
    inputs = [
        tensor_type("coords", "FLOAT", count, points, 2),
        tensor_type("labels", "INT32", count, points),
        *_image_side_types(),
    ]
    outputs = [
        tensor_type("iou", "FLOAT", count, MASK_TOKENS),
        tensor_type("logits", "FLOAT", count, MASK_TOKENS, LOW_RES, LOW_RES),
    ]
    return model_proto(graph.g, "prompt", inputs, outputs, OPSET)


def original_graph(tensors: Tensors, *, single_mask: bool) -> ModelProto:
    """The published decoder's contract in one file: one prompt, masks at the image's size.

    Inputs, all float32: `image_embeddings` (1, 256, 64, 64), `point_coords` (1, N, 2) in canvas
    pixels, `point_labels` (1, N), `mask_input` (1, 1, 256, 256), `has_mask_input` (1,),
    `orig_im_size` (2,) height and width. The caller adds the padding point. Outputs: `masks`
    (1, M, H, W) logits, `iou_predictions` (1, M), `low_res_masks` (1, M, 256, 256).

    Args:
        tensors: published name -> array, of the prompt encoder and the mask decoder.
        single_mask: M is 1, the best of the three candidates for one click or a lone box, else the
            single mask; else M is 4, the single mask and the three candidates.
    """
    g = Graph()
    _image_side(g, tensors, "image_embeddings", "mask_input", "has_mask_input")
    g.name("point_coords", "coords")
    g.name(g.op("Cast", "point_labels", to=_int32()), "labels")
    graph = _OriginalGraph(tensors, g)
    iou, logits = graph.answer("all_iou", "all_logits")
    if single_mask:
        chosen = _published_choice(g, iou)
        iou, logits = (g.op("Gather", values, chosen, axis=1) for values in (iou, logits))
    g.name(iou, "iou_predictions")
    g.name(logits, "low_res_masks")
    g.name(_at_image_size(g, logits), "masks")
    return _original_model(g, 1 if single_mask else MASK_TOKENS)


def _original_model(g: Graph, masks: int) -> ModelProto:
    inputs = [
        tensor_type("image_embeddings", "FLOAT", 1, CHANNELS, GRID, GRID),
        tensor_type("point_coords", "FLOAT", 1, "N", 2),
        tensor_type("point_labels", "FLOAT", 1, "N"),
        tensor_type("mask_input", "FLOAT", 1, 1, LOW_RES, LOW_RES),
        tensor_type("has_mask_input", "FLOAT", 1),
        tensor_type("orig_im_size", "FLOAT", 2),
    ]
    outputs = [
        tensor_type("masks", "FLOAT", 1, masks, "H", "W"),
        tensor_type("iou_predictions", "FLOAT", 1, masks),
        tensor_type("low_res_masks", "FLOAT", 1, masks, LOW_RES, LOW_RES),
    ]
    return model_proto(g, "decoder", inputs, outputs, OPSET)


def _image_side_types() -> list[ValueInfoProto]:
    return [tensor_type(name, "FLOAT", *shape) for name, shape in IMAGE_SIDE.items()]


def _image_side(g: Graph, tensors: Tensors, embedding: str, mask: str, has_mask: str) -> None:
    """What all prompts share of an image, under the names of `IMAGE_SIDE`."""
    rows = g.op("Transpose", g.op("Reshape", embedding, ints(CHANNELS, -1)), perm=[1, 0])
    dense = _dense(g, Part(tensors, "prompt_encoder"), mask, has_mask)
    image = g.op("Add", rows, dense)
    placed = g.op("Add", image, position_rows(tensors))
    attention = Part(tensors, "mask_decoder.transformer.layers.0.cross_attn_token_to_image")
    heads = ints(POSITIONS, HEADS, INNER)
    keys = g.op("Reshape", g.linear(placed, *(attention / "k_proj").pair), heads)
    values = g.op("Reshape", g.linear(image, *(attention / "v_proj").pair), heads)
    g.name(image, "image")
    g.name(placed, "placed")
    g.name(g.op("Transpose", keys, perm=[1, 2, 0]), "keys")
    g.name(g.op("Transpose", values, perm=[1, 0, 2]), "values")


def _dense(g: Graph, encoder: Part, mask: str, has_mask: str) -> str:
    """The embedding (4096, 256) of the mask where `has_mask` is 1, else that of no mask."""
    without = (encoder / "no_mask_embed").tensor("weight")
    x, down = mask, encoder / "mask_downscaling"
    for conv, norm in (("0", "1"), ("3", "4")):
        x = g.op("Conv", x, *(down / conv).pair, strides=[2, 2])
        x = g.norm(g.op("Transpose", x, perm=[0, 2, 3, 1]), *(down / norm).pair, _NORM_2D_EPS)
        x = g.op("Transpose", erf_gelu(g, x), perm=[0, 3, 1, 2])
    x = g.op("Reshape", g.op("Conv", x, *(down / "6").pair), ints(CHANNELS, -1))
    given = g.op("Mul", g.op("Transpose", x, perm=[1, 0]), has_mask)
    missing = g.op("Mul", without, g.op("Sub", scalar(1), has_mask))
    return g.op("Add", given, missing)


class _PortableGraph(PromptGraph):
    """The prompts' side by operators that every engine and converter knows."""

    def __init__(self, tensors: Tensors, g: Graph) -> None:
        super().__init__(tensors, g)

    def answer(self, iou: str, logits: str) -> tuple[str, str]:
        """All four mask tokens' predicted IoU (N, 4) and logits (N, 4, 256, 256), so named."""
        by_prompt, image, predicted = self.tokens_and_image()
        self.g.name(predicted, iou)
        self.g.name(self._upscale(self.g, by_prompt, image), logits)
        return iou, logits

    def _gelu(self, g: Graph, x: str) -> str:
        return erf_gelu(g, x)

    def _bias_gelu(self, g: Graph, x: str, bias: FloatArray) -> str:
        return erf_gelu(g, g.op("Add", x, bias))

    def _answering(self, g: Graph, weights: str) -> str:  # noqa: ARG002 - all of them answer
        return weights


class _OriginalGraph(_PortableGraph):
    """One prompt, whose padding point comes with it."""

    def _count(self) -> NDArray[np.int64]:
        return ints(1)

    def _shape(
        self,
        *sizes: int,
        within: Graph | None = None,  # noqa: ARG002 - a constant lies nowhere
    ) -> NDArray[np.int64]:
        return ints(1, *sizes)


class _SlotGraph(_PortableGraph):
    """Prompts whose unused slots nobody reads."""

    def __init__(self, tensors: Tensors, g: Graph, slots: Slots | None) -> None:
        self._slots = slots
        self._hidden = ""
        super().__init__(tensors, g)

    def _count(self) -> str | NDArray[np.int64]:
        return super()._count() if self._slots is None else ints(self._slots[0])

    def _shape(self, *sizes: int, within: Graph | None = None) -> str | NDArray[np.int64]:
        if self._slots is None:
            return super()._shape(*sizes, within=within)
        return ints(self._slots[0], *sizes)

    def _embed(self) -> str:
        """The decoder's own tokens, the padding point, and the embedded points."""
        g = self.g
        encoder = Part(self.tensors, "prompt_encoder")
        padding = (encoder / "not_a_point_embed").tensor("weight")
        labelled = [(encoder / f"point_embeddings.{label}").tensor("weight") for label in range(4)]
        row = g.op("Add", "labels", np.array(1, np.int32))
        points = g.op(
            "Add", self._waves(), g.op("Gather", np.concatenate([padding, *labelled]), row)
        )
        own = np.concatenate([self._own_tokens(), padding])[None]
        shared = g.op("Expand", own, self._shape(*own.shape[1:]))
        self._hidden = self._hide(own.shape[1])
        return g.op("Reshape", g.op("Concat", shared, points, axis=1), ints(-1, CHANNELS))

    def _hide(self, shared: int) -> str:
        """What is added to the logits of each token: (N, 1, 1, shared + T)."""
        g = self.g
        unused = g.op("Cast", g.op("Less", "labels", np.array(0, np.int32)), to=_float())
        corner = g.op("Cast", g.op("Greater", "labels", np.array(1, np.int32)), to=_float())
        has_box = g.op("ReduceMax", corner, axes=[1], keepdims=1)
        padding_alone = np.zeros((1, shared), np.float32)
        padding_alone[0, -1] = 1
        hidden = g.op("Concat", g.op("Mul", has_box, padding_alone), unused, axis=1)
        return g.op("Reshape", g.op("Mul", hidden, scalar(_HIDDEN)), self._shape(1, 1, -1))

    def _without_hidden(self, logits: str) -> str:
        return self.g.op("Add", logits, self._hidden)


def _published_choice(g: Graph, iou: str) -> str:
    """Which token the published file answers with, (1,) int64; the padding point counts."""
    points = g.op("Cast", g.op("Shape", "labels", start=1, end=2), to=_float())
    lead = g.op("Mul", g.op("Sub", points, scalar(2.5)), scalar(_SINGLE_LEAD))
    single = np.zeros((1, MASK_TOKENS), np.float32)
    single[0, 0] = 1
    scores = g.op("Add", iou, g.op("Mul", lead, single))
    return g.op("ArgMax", scores, axis=1, keepdims=0)


def _at_image_size(g: Graph, logits: str) -> str:
    """Low-res logits as the published post-processing resizes them, (1, M, H, W)."""
    canvas = _resize(g, logits, ints(CANVAS_PX, CANVAS_PX))
    longest = g.op("ReduceMax", "orig_im_size", keepdims=1)
    scaled = g.op("Mul", "orig_im_size", g.op("Div", scalar(CANVAS_PX), longest))
    rounded = g.op("Floor", g.op("Add", scaled, scalar(0.5)))
    covered = g.op("Cast", g.op("Max", rounded, scalar(1)), to=_int64())
    visible = g.op("Slice", canvas, ints(0, 0), covered, ints(2, 3))
    return _resize(g, visible, g.op("Cast", "orig_im_size", to=_int64()))


def _resize(g: Graph, x: str, size_hw: str | NDArray[np.int64]) -> str:
    size = g.op("Concat", g.op("Shape", x, start=0, end=2), size_hw, axis=0)
    return g.op(
        "Resize",
        x,
        "",
        "",
        size,
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def _float() -> int:
    return _kind("FLOAT")


def _int32() -> int:
    return _kind("INT32")


def _int64() -> int:
    return _kind("INT64")


def _kind(name: str) -> int:
    from onnx import TensorProto

    return int(getattr(TensorProto, name))
