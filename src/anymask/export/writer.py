"""What writes graphs: nodes in order, the tensors of a module, and the finished model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.inference.onnx_graphs import FloatArray, Graph, Part, Tensors

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

__all__ = [
    "FloatArray",
    "Graph",
    "Part",
    "Tensors",
    "erf_gelu",
    "ints",
    "model_proto",
    "scalar",
    "tensor_type",
]

IR_VERSION = 8


def erf_gelu(g: Graph, x: str) -> str:
    """The exact GELU by operators that are older than its own; engines fuse them again."""
    scaled = g.op("Div", x, scalar(math.sqrt(2)))
    grown = g.op("Mul", x, g.op("Add", g.op("Erf", scaled), scalar(1)))
    return g.op("Mul", grown, scalar(0.5))


def ints(*values: int) -> NDArray[np.int64]:
    """A constant (n,) int64, such as a shape."""
    return np.array(values, np.int64)


def scalar(value: float) -> FloatArray:
    """A constant () float32."""
    return np.array(value, np.float32)


def tensor_type(name: str, kind: str, *shape: int | str) -> ValueInfoProto:
    """An input or output.

    Args:
        name: its name.
        kind: such as "FLOAT", as ONNX names it.
        shape: lengths; a name for one that each call chooses.
    """
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape)


def model_proto(
    g: Graph,
    name: str,
    inputs: list[ValueInfoProto],
    outputs: list[ValueInfoProto],
    opset: int,
) -> ModelProto:
    """The finished model, of the standard domain's operators.

    Args:
        g: the nodes and constants.
        name: of the graph.
        inputs: by name.
        outputs: by name.
        opset: of the standard domain.
    """
    from onnx import helper

    graph = helper.make_graph(g.nodes, name, inputs, outputs, g.constants)
    domains = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=domains, ir_version=IR_VERSION)
