"""The decoder as one file for other programs: operators of the standard domain, no branches.

The algebra is that of `anymask.nn.folded`, both sides in one graph. `decoder_graph`
answers N prompts of up to T points each. Slots that a prompt leaves unused have label -1 and change
nothing: attention does not see them. The padding point, which the network expects behind points
without a box, is added inside. With N and T given, every shape in the file is a constant, as
converters to other formats ask.

`original_graph` has the six inputs of the published decoder, for tools made for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.export.contract import EXPORT, with_lengths
from anymask.export.writer import Graph, Part, erf_gelu, ints, model_proto, scalar
from anymask.inference.onnx_graphs import (
    CANVAS_PX,
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
    as_linear,
    mlp,
    position_rows,
    scale_of,
    token_of,
)

if TYPE_CHECKING:
    from onnx import ModelProto

    from anymask.export.writer import Tensors

Slots = tuple[int, int]
"""N prompts of T points each."""

_HIDDEN = -1e4
"""Added to the attention logits of a token nobody may read; fits half precision too."""
_SINGLE_LEAD = 1000.0
"""What the published selection adds to the single mask's IoU for each token beyond 2.5."""


def decoder_graph(tensors: Tensors, slots: Slots | None = None) -> ModelProto:
    """The decoder that answers N prompts of up to T points on one image.

    Args:
        tensors: published name -> array, of the prompt encoder and the mask decoder.
        slots: N and T to make all shapes constant; None leaves both to each call.

    Returns:
        A model that keeps the contract "decoder" of `contract.EXPORT`.
    """
    graph = _SlotGraph(tensors, Graph(), slots)
    graph.read_image("embedding", "mask_logits", "has_mask")
    graph.answer("iou", "logits")
    return model_proto(graph.g, "decoder", with_lengths(EXPORT["decoder"], slot_lengths(slots)))


def slot_lengths(slots: Slots | None) -> dict[str, int]:
    """The lengths of the contract "decoder" that slots make constant."""
    return {} if slots is None else {"N": slots[0], "M": slots[0], "T": slots[1]}


def original_graph(tensors: Tensors, *, single_mask: bool = False) -> ModelProto:
    """The published decoder's contract: one prompt, masks at the image's size.

    Args:
        tensors: published name -> array, of the prompt encoder and the mask decoder.
        single_mask: one answer, the best of the three candidates for one click or a lone box, else
            the single mask; else all four, the single mask and the three candidates.

    Returns:
        A model that keeps the contract "original" of `contract.EXPORT`.
    """
    g = Graph()
    g.name("point_coords", "coords")
    g.name(g.op("Cast", "point_labels", to=_kind("INT64")), "labels")
    graph = _OriginalGraph(tensors, g)
    graph.read_image("image_embeddings", "mask_input", "has_mask_input")
    iou, logits = graph.answer("all_iou", "all_logits")
    if single_mask:
        chosen = _published_choice(g, iou)
        iou, logits = (g.op("Gather", values, chosen, axis=1) for values in (iou, logits))
    g.name(iou, "iou_predictions")
    g.name(logits, "low_res_masks")
    g.name(_at_image_size(g, logits), "masks")
    answers = {"A": 1 if single_mask else MASK_TOKENS}
    return model_proto(g, "decoder", with_lengths(EXPORT["original"], answers))


class _PortableGraph(DecoderGraph):
    """Both sides of the decoder by operators that every engine and converter knows.

    The image is (N, 4096, 256); its side has M rows, one a prompt, or one for all of them.
    """

    def __init__(self, tensors: Tensors, g: Graph) -> None:
        super().__init__(tensors, g)
        self.positions = g.constant(position_rows(tensors))

    def read_image(self, embedding: str, mask: str, has_mask: str) -> None:
        """What prompts share of an image and its masks, named as in `contract.IMAGE_SIDE`."""
        g = self.g
        rows = g.op("Transpose", g.op("Reshape", embedding, ints(CHANNELS, -1)), perm=[1, 0])
        image = g.op("Add", self._dense(mask, has_mask), rows)  # (M, 4096, 256)
        placed = g.op("Add", image, self.positions)
        attention = Part(
            self.tensors, "mask_decoder.transformer.layers.0.cross_attn_token_to_image"
        )
        keys = self._by_head(placed, attention / "k_proj", [0, 2, 3, 1])
        values = self._by_head(image, attention / "v_proj", [0, 2, 1, 3])
        sides = {"image": image, "placed": placed, "keys": keys, "values": values}
        for name, value in sides.items():
            g.name(value, name)

    def _dense(self, mask: str, has_mask: str) -> str:
        """The embedding (M, 4096, 256) of each mask where `has_mask` is 1, else that of none."""
        g, encoder = self.g, Part(self.tensors, "prompt_encoder")
        without = (encoder / "no_mask_embed").tensor("weight")
        x, down = mask, encoder / "mask_downscaling"
        for conv, norm in (("0", "1"), ("3", "4")):
            x = g.op("Conv", x, *(down / conv).pair, strides=[2, 2])
            x = g.norm(g.op("Transpose", x, perm=[0, 2, 3, 1]), *(down / norm).pair, NORM_2D_EPS)
            x = g.op("Transpose", erf_gelu(g, x), perm=[0, 3, 1, 2])
        x = g.op("Conv", x, *(down / "6").pair)
        x = g.op("Transpose", g.op("Reshape", x, ints(-1, CHANNELS, POSITIONS)), perm=[0, 2, 1])
        given = g.op("Reshape", has_mask, ints(-1, 1, 1))
        missing = g.op("Mul", without, g.op("Sub", scalar(1), given))
        return g.op("Add", g.op("Mul", x, given), missing)

    def _by_head(self, image: str, projection: Part, order: list[int]) -> str:
        """The image by head; `order` of (M, 4096, heads, channels)."""
        g = self.g
        rows = g.linear(g.op("Reshape", image, ints(-1, CHANNELS)), *projection.pair)
        by_head = g.op("Reshape", rows, ints(-1, POSITIONS, HEADS, INNER))
        return g.op("Transpose", by_head, perm=order)

    def answer(self, iou: str, logits: str) -> tuple[str, str]:
        """All four mask tokens' predicted IoU (N, 4) and logits (N, 4, 256, 256), so named."""
        by_prompt, image, predicted = self.tokens_and_image()
        self.g.name(predicted, iou)
        self.g.name(self._upscale(by_prompt, image), logits)
        return iou, logits

    def tokens_and_image(self) -> tuple[str, str, str]:
        """Tokens (N, T, 256), the image (N, 4096, 256), and predicted IoU (N, 4)."""
        g = self.g
        tokens, image = self._first_block()
        tokens, image = self._second_block(tokens, image)
        tokens = self._last_reading(tokens, image)
        by_prompt = g.op("Reshape", tokens, self.by_row)
        iou = mlp(g, self.decoder / "iou_prediction_head", token_of(g, by_prompt, 0))
        return by_prompt, image, iou

    def _first_block(self) -> tuple[str, str]:
        """The block whose keys and values all prompts share."""
        block, tokens = self.transformer / "layers.0", self._first_tokens()
        return tokens, self._image_reads(block, tokens, "image", "placed")

    def _second_block(self, tokens: str, image: str) -> tuple[str, str]:
        """The block in which each prompt has an image of its own."""
        g, block = self.g, self.transformer / "layers.1"
        tokens = self._among_themselves(block, tokens)
        placed = g.op("Add", image, self.positions)
        read = self._read(block / "cross_attn_token_to_image", tokens, image, placed)
        tokens = self._after(block, tokens, read)
        return tokens, self._image_reads(block, tokens, image, placed)

    def _last_reading(self, tokens: str, image: str) -> str:
        g, transformer = self.g, self.transformer
        placed = g.op("Add", image, self.positions)
        read = self._read(transformer / "final_attn_token_to_image", tokens, image, placed)
        return g.norm(g.op("Add", tokens, read), *(transformer / "norm_final_attn").pair)

    def _read(self, attention: Part, tokens: str, image: str, placed: str) -> str:
        """Token-to-image attention without projecting the image; (N T, 256)."""
        g = self.g
        query = self._heads(self._placed(tokens), attention / "q_proj", scale_of(INNER))
        rows = self._fold(query, (attention / "k_proj").tensor("weight"))
        logits = g.op("MatMul", rows, g.op("Transpose", placed, perm=[0, 2, 1]))
        return self._project(attention, g.op("MatMul", g.op("Softmax", logits, axis=-1), image))

    def _image_reads(self, block: Part, tokens: str, image: str, placed: str) -> str:
        """Image-to-token attention with its residual and norm; (N, 4096, 256)."""
        g, attention = self.g, block / "cross_attn_image_to_token"
        key = self._heads(self._placed(tokens), attention / "k_proj", scale_of(INNER))
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

    def _upscale(self, by_prompt: str, image: str) -> str:
        """Logits of all four mask tokens, (N, 4, 256, 256)."""
        g = self.g
        x = g.op("Reshape", image, ints(-1, CHANNELS))
        upscaling = self.decoder / "output_upscaling"
        weight, bias = as_linear(upscaling / "0")
        x = g.op("Reshape", g.linear(x, weight, bias), ints(-1, CHANNELS // 4))
        x = erf_gelu(g, g.norm(x, *(upscaling / "1").pair, NORM_2D_EPS))
        weight, bias = as_linear(upscaling / "3")
        x = erf_gelu(g, g.op("Add", g.op("MatMul", x, weight.T), bias))
        x = g.op("Reshape", x, self._shape(-1, UPSCALED))
        weights = self._mask_weights(by_prompt)
        cells = g.op("MatMul", weights, g.op("Transpose", x, perm=[0, 2, 1]))
        # (row, column, then row and column inside the position, twice) to image order
        shape = self._shape(-1, GRID, GRID, 2, 2, 2, 2)
        cells = g.op("Transpose", g.op("Reshape", cells, shape), perm=[0, 1, 2, 4, 6, 3, 5, 7])
        return g.op("Reshape", cells, self._shape(-1, LOW_RES, LOW_RES))

    def _mask_weights(self, by_prompt: str) -> str:
        """What each mask token multiplies the upscaled image with, (N, 4, 32)."""
        g = self.g
        networks = [self.decoder / f"output_hypernetworks_mlps.{i}" for i in range(MASK_TOKENS)]
        rows = [
            g.op("Unsqueeze", mlp(g, network, token_of(g, by_prompt, 1 + i)), ints(1))
            for i, network in enumerate(networks)
        ]
        return g.op("Concat", *rows, axis=1)


class _OriginalGraph(_PortableGraph):
    """One prompt, whose padding point comes with it."""

    def _count(self) -> NDArray[np.int64]:
        return ints(1)

    def _shape(self, *sizes: int) -> NDArray[np.int64]:
        return ints(1, *sizes)


class _SlotGraph(_PortableGraph):
    """Prompts whose unused slots nobody reads."""

    def __init__(self, tensors: Tensors, g: Graph, slots: Slots | None) -> None:
        self._slots = slots
        self._hidden = ""
        super().__init__(tensors, g)

    def _count(self) -> str | NDArray[np.int64]:
        return super()._count() if self._slots is None else ints(self._slots[0])

    def _shape(self, *sizes: int) -> str | NDArray[np.int64]:
        if self._slots is None:
            return super()._shape(*sizes)
        return ints(self._slots[0], *sizes)

    def _embed(self) -> str:
        """The decoder's own tokens, the padding point, and the embedded points."""
        g, encoder = self.g, Part(self.tensors, "prompt_encoder")
        padding = (encoder / "not_a_point_embed").tensor("weight")
        labelled = [(encoder / f"point_embeddings.{label}").tensor("weight") for label in range(4)]
        table, row = (
            np.concatenate([padding, *labelled]),
            g.op("Add", "labels", np.array(1, np.int64)),
        )
        points = g.op("Add", self._waves(), g.op("Gather", table, row))
        own = np.concatenate([self._own_tokens(), padding])[None]
        shared = g.op("Expand", own, self._shape(*own.shape[1:]))
        self._hidden = self._hide(own.shape[1])
        return g.op("Reshape", g.op("Concat", shared, points, axis=1), ints(-1, CHANNELS))

    def _hide(self, shared: int) -> str:
        """What is added to the logits of each token: (N, 1, 1, shared + T)."""
        g, real = self.g, _kind("FLOAT")
        unused = g.op("Cast", g.op("Less", "labels", np.array(0, np.int64)), to=real)
        corner = g.op("Cast", g.op("Greater", "labels", np.array(1, np.int64)), to=real)
        has_box = g.op("ReduceMax", corner, axes=[1], keepdims=1)
        padding_alone = np.zeros((1, shared), np.float32)
        padding_alone[0, -1] = 1
        hidden = g.op("Concat", g.op("Mul", has_box, padding_alone), unused, axis=1)
        return g.op("Reshape", g.op("Mul", hidden, scalar(_HIDDEN)), self._shape(1, 1, -1))

    def _without_hidden(self, logits: str) -> str:
        return self.g.op("Add", logits, self._hidden)


def _published_choice(g: Graph, iou: str) -> str:
    """Which token the published file answers with, (1,) int64; the padding point counts."""
    points = g.op("Cast", g.op("Shape", "labels", start=1, end=2), to=_kind("FLOAT"))
    lead = g.op("Mul", g.op("Sub", points, scalar(2.5)), scalar(_SINGLE_LEAD))
    single = np.zeros((1, MASK_TOKENS), np.float32)
    single[0, 0] = 1
    scores = g.op("Add", iou, g.op("Mul", lead, single))
    return g.op("ArgMax", scores, axis=1, keepdims=0)


def _at_image_size(g: Graph, logits: str) -> str:
    """Low-res logits as the published post-processing resizes them, (1, A, H, W)."""
    canvas = _resize(g, logits, ints(CANVAS_PX, CANVAS_PX))
    longest = g.op("ReduceMax", "orig_im_size", keepdims=1)
    scaled = g.op("Mul", "orig_im_size", g.op("Div", scalar(CANVAS_PX), longest))
    rounded = g.op("Floor", g.op("Add", scaled, scalar(0.5)))
    covered = g.op("Cast", g.op("Max", rounded, scalar(1)), to=_kind("INT64"))
    visible = g.op("Slice", canvas, ints(0, 0), covered, ints(2, 3))
    return _resize(g, visible, g.op("Cast", "orig_im_size", to=_kind("INT64")))


def _resize(g: Graph, x: str, size_hw: str | NDArray[np.int64]) -> str:
    size = g.op("Concat", g.op("Shape", x, start=0, end=2), size_hw, axis=0)
    return g.op(
        *("Resize", x, "", "", size),
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def _kind(name: str) -> int:
    from onnx import TensorProto

    return int(getattr(TensorProto, name))
