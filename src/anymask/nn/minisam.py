"""The default model's tensors, recovered exactly from the two ONNX files it is published as.

The files were written from PyTorch, so that the name of each node is the path of its module; that
path, the kind of the node and the place of the operand say which tensor it is. No table is needed.
NumPy and the ``onnx`` package are all this takes: the engine without PyTorch reads it here as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.errors import WeightsError

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

FloatArray = NDArray[np.float32]
Named = Iterator[tuple[str, FloatArray]]

_UNNAMED = "onnx::"
_CONV_OPERANDS = {1: "weight", 2: "bias"}


def recover_encoder(path: str | Path) -> dict[str, FloatArray]:
    """Reads ``encoder.onnx``.

    Returns:
        Published name -> float32 array. Batch normalisation is folded into the convolutions, which
        therefore have a bias.

    Raises:
        WeightsError: the file cannot be read as a network.
    """
    return {f"image_encoder.{name}": array for name, array in _tensors(_read_graph(path))}


def recover_decoder(path: str | Path) -> dict[str, FloatArray]:
    """Reads ``sam.onnx``: the prompt encoder and the mask decoder.

    Returns:
        Published name -> float32 array.

    Raises:
        WeightsError: the file cannot be read as a network.
    """
    return {_decoder_name(name): array for name, array in _tensors(_read_graph(path))}


def _read_graph(path: str | Path) -> GraphProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        graph = onnx.load(Path(path)).graph
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})") from error
    except DecodeError as error:
        raise WeightsError(f"{path} is damaged or no ONNX file; fetch it again") from error
    if not graph.node:
        raise WeightsError(f"{path} holds no network; fetch it again")
    return graph


def _tensors(graph: GraphProto) -> Named:
    """Every float tensor of a graph that belongs to a module, named by that module's path."""
    from onnx import TensorProto
    from onnx.numpy_helper import to_array

    stored = {
        tensor.name: to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT
    }
    for node in graph.node:
        if node.op_type == "Constant":
            yield from _attention_bias(node)
        for place, operand in enumerate(node.input):
            if operand in stored:
                yield from _operand(node, place, operand, stored[operand])


def _operand(node: NodeProto, place: int, operand: str, array: FloatArray) -> Named:
    """The tensors held by one operand: its own name if it has one, else told by the node."""
    module = _module_path(node.name)
    if not operand.startswith(_UNNAMED):
        yield operand, array
    elif node.op_type == "Conv":
        yield f"{module}.{_CONV_OPERANDS[place]}", array
    elif node.op_type == "MatMul":
        yield f"{module}.weight", array.T
    elif node.op_type in {"Mul", "Add"} and module and array.ndim == 3:
        # a norm over channels, kept as (C, 1, 1) to be broadcast over the image
        yield f"{module}.{'weight' if node.op_type == 'Mul' else 'bias'}", array.reshape(-1)
    elif node.op_type == "Mul" and array.ndim == 4:
        yield "prompt_encoder.no_mask_embed.weight", array.reshape(1, -1)
    elif node.op_type == "Expand" and array.ndim == 3:
        yield "mask_decoder.iou_token.weight", array[0, :1]
        yield "mask_decoder.mask_tokens.weight", array[0, 1:]


def _attention_bias(node: NodeProto) -> Named:
    """The learned table (heads, N) out of the constant (heads, N, N) it was spread over.

    Entry (q, k) holds the table's value for the distance of window cells q and k. The distances
    from cell 0 are all of them, in the table's own order.
    """
    from onnx.numpy_helper import to_array

    module = _module_path(node.name)
    if module.endswith(".attn") and len(node.attribute[0].t.dims) == 3:
        yield f"{module}.attention_biases", to_array(node.attribute[0].t)[:, 0]


def _module_path(node_name: str) -> str:
    """``/neck/neck.0/Conv`` -> ``neck.0``: a child of a list repeats the name of the list."""
    path: list[str] = []
    for step in node_name.strip("/").split("/")[:-1]:
        if path and step.startswith(f"{path[-1]}."):
            path.pop()
        path.append(step)
    return ".".join(path)


def _decoder_name(name: str) -> str:
    """The published name of a tensor of the second file, which holds two parts of the model."""
    name = name.removeprefix("model.")
    if name.startswith(("prompt_encoder.", "mask_decoder.")):
        return name
    part = "prompt_encoder" if name.startswith("mask_downscaling.") else "mask_decoder"
    return f"{part}.{name}"
