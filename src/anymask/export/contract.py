"""What goes into each exported graph and what comes out: names, kinds of number, shapes.

Values are addressed by name everywhere. ``contracts/decoder.json`` is this table for readers that
are not Python; a test keeps the two equal, and another compares the real graphs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anymask.errors import WeightsError
from anymask.inference.onnx_graphs import (
    CANVAS_PX,
    CHANNELS,
    GRID,
    HEADS,
    INNER,
    LOW_RES,
    MASK_TOKENS,
)

if TYPE_CHECKING:
    from onnx import ValueInfoProto

DECODER_SCHEMA = "anymask.decoder/1"
"""Names the meaning of the graphs in `DECODER`; in the metadata of each of them."""
EXPORT_SCHEMA = "anymask.export/1"
"""Names the meaning of the graphs in `EXPORT`; in the metadata of each of them."""

Size = int | str
"""A length, or the name of one that each call chooses."""


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output.

    Attributes:
        dtype: "float32", "int64" or "bool".
        shape: lengths; () for a single value.
        meaning: what it holds, with units.
    """

    dtype: str
    shape: tuple[Size, ...]
    meaning: str


@dataclass(frozen=True, slots=True)
class GraphContract:
    """One graph.

    Attributes:
        inputs: by name; all are needed.
        outputs: by name.
    """

    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port]


_POSITIONS = GRID * GRID

IMAGE_SIDE: Mapping[str, Port] = {
    "image": Port(
        "float32", (_POSITIONS, CHANNELS), "the embedding by position, centred over channels"
    ),
    "keys": Port("float32", (HEADS, INNER, _POSITIONS), "first block, what tokens look for"),
    "values": Port("float32", (HEADS, _POSITIONS, INNER), "first block, what tokens read"),
    "queries": Port("float32", (HEADS, INNER, _POSITIONS), "first block, what positions look for"),
}
"""What all prompts of a picture share: `image` makes it, `prompt` and `preview` read it."""

_VISIBLE = Port("int64", (2,), "rows and columns of the 64 x 64 grid that the picture covers")

DECODER: Mapping[str, GraphContract] = {
    "image": GraphContract(
        {"embedding": Port("float32", (CHANNELS, GRID, GRID), "of the image encoder")},
        IMAGE_SIDE,
    ),
    "prompt": GraphContract(
        {
            "coords": Port("float32", ("T", 2), f"(x, y) in pixels of the {CANVAS_PX} canvas"),
            "labels": Port(
                "int64",
                ("T",),
                "-1 padding, 0 background, 1 foreground, 2 and 3 corners of a box",
            ),
            "candidates": Port(
                "int64", ("C",), "mask tokens that may answer: [0], [1, 2, 3] or all four"
            ),
            "count": Port("int64", (1,), "how many of them do, by highest predicted IoU"),
            "mask_logits": Port("float32", (1, 1, LOW_RES, LOW_RES), "a mask to start from"),
            "has_mask": Port("bool", (), "whether there is one"),
            "visible": _VISIBLE,
            **IMAGE_SIDE,
        },
        {
            "iou": Port("float32", ("M",), "predicted IoU, best first"),
            "logits": Port("float32", ("M", LOW_RES, LOW_RES), "low-res logits on the canvas"),
        },
    ),
    "preview": GraphContract(
        {
            "coords": Port("float32", (1, 2), f"(x, y) in pixels of the {CANVAS_PX} canvas"),
            "visible": _VISIBLE,
            **IMAGE_SIDE,
        },
        {
            "iou": Port("float32", (3,), "predicted IoU of the three candidates, best first"),
            "logits": Port("float32", (3, LOW_RES, LOW_RES), "their low-res logits, nearly"),
        },
    ),
}
"""The graphs the page runs."""


def _floats(meaning: str, *shape: Size) -> Port:
    return Port("float32", shape, meaning)


_CANVAS_XY = f"(x, y) in pixels of the {CANVAS_PX} canvas"
_EMBEDDING = _floats("of the image encoder", 1, CHANNELS, GRID, GRID)

EXPORT: Mapping[str, GraphContract] = {
    "encoder": GraphContract(
        {
            "canvas": _floats(
                f"RGB, the longer side resized to {CANVAS_PX}, mean subtracted, divided by the "
                "deviation, then padded with zeros at the right and bottom",
                *(1, 3, CANVAS_PX, CANVAS_PX),
            )
        },
        {"embedding": _EMBEDDING},
    ),
    "decoder": GraphContract(
        {
            "embedding": _EMBEDDING,
            "coords": _floats(_CANVAS_XY, "N", "T", 2),
            "labels": Port(
                "int64",
                ("N", "T"),
                "-1 unused, 0 background, 1 foreground, 2 and 3 corners of a box",
            ),
            "mask_logits": _floats(
                "low-res logits to start from; M is N, or 1 for all prompts alike",
                *("M", 1, LOW_RES, LOW_RES),
            ),
            "has_mask": _floats("1 where there are any, else 0", "M"),
        },
        {
            "iou": _floats(
                "predicted IoU of the single mask, then of the three candidates", "N", MASK_TOKENS
            ),
            "logits": _floats(
                "their low-res logits on the canvas", "N", MASK_TOKENS, LOW_RES, LOW_RES
            ),
        },
    ),
    "original": GraphContract(
        {
            "image_embeddings": _EMBEDDING,
            "point_coords": _floats(_CANVAS_XY, 1, "T", 2),
            "point_labels": _floats(
                "-1 padding, 0 background, 1 foreground, 2 and 3 corners of a box; "
                "points without a box end with (0, 0) of label -1",
                *(1, "T"),
            ),
            "mask_input": _floats("low-res logits to start from", 1, 1, LOW_RES, LOW_RES),
            "has_mask_input": _floats("1 where there are any, else 0", 1),
            "orig_im_size": _floats("height and width of the picture", 2),
        },
        {
            "masks": _floats("logits at the picture's size; above 0 is mask", 1, "A", "H", "W"),
            "iou_predictions": _floats("predicted IoU", 1, "A"),
            "low_res_masks": _floats("low-res logits on the canvas", 1, "A", LOW_RES, LOW_RES),
        },
    ),
}
"""The graphs `anymask export` writes: the encoder, and the decoder in one of two layouts. A is 4,
the single mask and the three candidates, or 1 where the file chooses."""


def with_lengths(contract: GraphContract, lengths: Mapping[str, int]) -> GraphContract:
    """The contract with some of the lengths that calls choose made constant."""

    def fixed(ports: Mapping[str, Port]) -> dict[str, Port]:
        return {
            name: replace(port, shape=tuple(lengths.get(str(one), one) for one in port.shape))
            for name, port in ports.items()
        }

    return GraphContract(fixed(contract.inputs), fixed(contract.outputs))


def as_json() -> dict[str, Any]:
    """What ``contracts/decoder.json`` holds."""
    return {
        "schema": DECODER_SCHEMA,
        "graphs": graphs_json(DECODER),
        "export": {"schema": EXPORT_SCHEMA, "graphs": graphs_json(EXPORT)},
    }


def graphs_json(graphs: Mapping[str, GraphContract]) -> dict[str, Any]:
    """Contracts by name, for readers that are not Python."""
    return {
        name: {"inputs": _ports(graph.inputs), "outputs": _ports(graph.outputs)}
        for name, graph in graphs.items()
    }


def _ports(ports: Mapping[str, Port]) -> dict[str, Any]:
    return {
        name: {"dtype": port.dtype, "shape": list(port.shape), "meaning": port.meaning}
        for name, port in ports.items()
    }


def check_graph(content: bytes, contract: GraphContract, *, name: str = "the graph") -> None:
    """Compare a model file with its contract; needs the ``onnx`` package.

    Args:
        content: the file's content.
        contract: what it should take and give.
        name: for the message.

    Raises:
        WeightsError: another name, kind of number or fixed length.
    """
    import onnx

    graph = onnx.load_from_string(content).graph
    sides = (
        ("input", graph.input, contract.inputs),
        ("output", graph.output, contract.outputs),
    )
    for side, values, ports in sides:
        found = {value.name: _described(value) for value in values}
        wanted = {name: (port.dtype, port.shape) for name, port in ports.items()}
        if found != wanted:
            raise WeightsError(f"{name} has {side}s {found} but the contract says {wanted}")


def _described(value: ValueInfoProto) -> tuple[str, tuple[Size, ...]]:
    from onnx import helper

    tensor = value.type.tensor_type
    dtype = str(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    return dtype, tuple(dim.dim_param or dim.dim_value for dim in tensor.shape.dim)
