"""What writes graphs: nodes in order, the tensors of a module, and the finished model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from anymask.export.contract import GraphContract, Port
from anymask.inference.onnx_graphs import FloatArray, Graph, Part, Tensors, ints, scalar

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
    "typed",
]

OPSET, IR_VERSION = 17, 8


def erf_gelu(g: Graph, x: str) -> str:
    """The exact GELU by operators that are older than its own; engines fuse them again."""
    scaled = g.op("Div", x, scalar(math.sqrt(2)))
    grown = g.op("Mul", x, g.op("Add", g.op("Erf", scaled), scalar(1)))
    return g.op("Mul", grown, scalar(0.5))


def typed(ports: Mapping[str, Port]) -> list[ValueInfoProto]:
    """Inputs or outputs as a graph declares them."""
    from onnx import helper

    kinds = {name: helper.np_dtype_to_tensor_dtype(np.dtype(p.dtype)) for name, p in ports.items()}
    return [
        helper.make_tensor_value_info(name, kinds[name], port.shape) for name, port in ports.items()
    ]


def model_proto(g: Graph, name: str, contract: GraphContract) -> ModelProto:
    """The finished model, of operators of the standard domain that older engines know too.

    Args:
        g: the nodes and constants.
        name: of the graph.
        contract: its inputs and outputs.
    """
    from onnx import helper

    inputs, outputs = typed(contract.inputs), typed(contract.outputs)
    graph = helper.make_graph(g.nodes, name, inputs, outputs, g.constants)
    domains = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=domains, ir_version=IR_VERSION)
