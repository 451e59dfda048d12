"""An export's parts: which files there are, and what goes into and comes out of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from anymask.errors import WeightsError
from anymask.export import decoder_graphs
from anymask.export.contract import GraphContract, Port
from anymask.export.encoder_graphs import encoder_graph
from anymask.inference.onnx_graphs import (
    CANVAS_PX,
    CHANNELS,
    GRID,
    IMAGE_SIDE,
    LOW_RES,
    MASK_TOKENS,
)

if TYPE_CHECKING:
    from onnx import ModelProto

    from anymask.export.decoder_graphs import Slots
    from anymask.export.writer import Tensors

EXPORT_SCHEMA = "anymask.export/1"
"""Names the meaning of the files; in the metadata of each of them, and in `ABOUT`."""

ABOUT = "about.json"
ENCODER, IMAGE, PROMPT, DECODER = "encoder", "image", "prompt", "decoder"
FILE_NAMES: Mapping[str, str] = {
    ENCODER: "encoder.onnx",
    IMAGE: "decoder-image.onnx",
    PROMPT: "decoder-prompt.onnx",
    DECODER: "decoder.onnx",
}
"""File of each part; a part too large for one file has its tensors in ``<file>.data`` beside it."""

Layout = Literal["folded", "original"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is exported.

    Attributes:
        encoder: with the image encoder.
        decoder: with the prompt encoder and the mask decoder.
        layout: "folded" for two decoder graphs that answer many prompts, "original" for the one
            file with six inputs that other tools know.
        slots: N and T for a folded decoder of N prompts of T points, all shapes constant.
        quantize: the weights of matrix products as 8-bit integers.
        single_mask: one mask a prompt inside the original layout, instead of all four.
    """

    encoder: bool = True
    decoder: bool = True
    layout: Layout = "folded"
    slots: Slots | None = None
    quantize: bool = False
    single_mask: bool = False

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        if not (self.encoder or self.decoder):
            raise WeightsError("nothing is left to export; take the encoder, the decoder or both")
        if self.slots is not None and (self.layout == "original" or not self.decoder):
            raise WeightsError("constant numbers of prompts and points need the folded decoder")
        if self.single_mask and (self.layout == "folded" or not self.decoder):
            raise WeightsError("a single mask is chosen inside the original decoder layout only")
        if self.slots is not None and min(self.slots) < 1:
            raise WeightsError(f"slots must be at least 1 prompt of 1 point; got {self.slots}")


@dataclass(frozen=True, slots=True)
class _Part:
    contract: GraphContract
    write: Callable[[Tensors], ModelProto]


def contracts(options: ExportOptions) -> dict[str, GraphContract]:
    """What goes in and comes out of each part, by its name."""
    return {name: part.contract for name, part in _parts(options).items()}


def write_graphs(tensors: Tensors, options: ExportOptions) -> dict[str, ModelProto]:
    """The graphs by part.

    Args:
        tensors: published name -> array.
        options: what is exported.

    Raises:
        WeightsError: a network of another make.
    """
    return {name: part.write(tensors) for name, part in _parts(options).items()}


def _parts(options: ExportOptions) -> dict[str, _Part]:
    parts = {}
    if options.encoder:
        parts[ENCODER] = _Part(_ENCODER, lambda tensors: encoder_graph(tensors, CANVAS_PX))
    if options.decoder and options.layout == "original":
        parts[DECODER] = _Part(
            _original(1 if options.single_mask else MASK_TOKENS),
            lambda tensors: decoder_graphs.original_graph(tensors, single_mask=options.single_mask),
        )
    elif options.decoder:
        parts[IMAGE] = _Part(_IMAGE, decoder_graphs.image_graph)
        parts[PROMPT] = _Part(
            _prompt(*(options.slots or ("N", "T"))),
            lambda tensors: decoder_graphs.prompt_graph(tensors, options.slots),
        )
    return parts


def _floats(meaning: str, *shape: int | str) -> Port:
    return Port("float32", shape, meaning)


_EMBEDDING = _floats("of the image encoder", 1, CHANNELS, GRID, GRID)
_MASK = _floats("low-res logits of a mask to start from", 1, 1, LOW_RES, LOW_RES)
_HAS_MASK = _floats("1 where there is one, else 0", 1)

_ENCODER = GraphContract(
    {
        "canvas": _floats(
            f"RGB, the longer side resized to {CANVAS_PX}, mean subtracted, divided by the "
            "deviation, then padded with zeros at the right and bottom",
            1,
            3,
            CANVAS_PX,
            CANVAS_PX,
        )
    },
    {"embedding": _EMBEDDING},
)

_SIDE: Mapping[str, Port] = {
    name: _floats("what all prompts share of the image", *shape)
    for name, shape in IMAGE_SIDE.items()
}

_IMAGE = GraphContract(
    {"embedding": _EMBEDDING, "mask_logits": _MASK, "has_mask": _HAS_MASK},
    _SIDE,
)


def _prompt(count: int | str, points: int | str) -> GraphContract:
    meaning = "-1 unused, 0 background, 1 foreground, 2 and 3 corners of a box"
    return GraphContract(
        {
            "coords": _floats(f"(x, y) in pixels of the {CANVAS_PX} canvas", count, points, 2),
            "labels": Port("int32", (count, points), meaning),
            **_SIDE,
        },
        {
            "iou": _floats(
                "predicted IoU of the single mask and of the three candidates", count, MASK_TOKENS
            ),
            "logits": _floats(
                "their low-res logits on the canvas", count, MASK_TOKENS, LOW_RES, LOW_RES
            ),
        },
    )


def _original(masks: int) -> GraphContract:
    meaning = "-1 padding, 0 background, 1 foreground, 2 and 3 corners of a box"
    return GraphContract(
        {
            "image_embeddings": _EMBEDDING,
            "point_coords": _floats(f"(x, y) in pixels of the {CANVAS_PX} canvas", 1, "N", 2),
            "point_labels": _floats(meaning + "; end points without a box with (0, 0), -1", 1, "N"),
            "mask_input": _MASK,
            "has_mask_input": _HAS_MASK,
            "orig_im_size": _floats("height and width of the picture", 2),
        },
        {
            "masks": _floats("logits at the picture's size; above 0 is mask", 1, masks, "H", "W"),
            "iou_predictions": _floats("predicted IoU", 1, masks),
            "low_res_masks": _floats("low-res logits on the canvas", 1, masks, LOW_RES, LOW_RES),
        },
    )
