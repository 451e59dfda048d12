"""Weights of matrix products as 8-bit integers, activations quantised as they come."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

_KINDS = ["MatMul", "Gemm"]
"""Convolutions stay as they are: their integer form is slow and measured coarse."""
_LARGE = 4096
"""Numbers of a matrix that is worth it."""
_PREPARED = {"onnx.quant.pre_process": "onnxruntime.quant"}
"""Tells the quantiser that there is nothing to fold: our graphs are written folded."""


def quantized(graph: ModelProto) -> ModelProto:
    """A graph with 8-bit weights, one scale a column.

    Args:
        graph: small enough for one file; its metadata is changed.

    Returns:
        A new graph of the same inputs and outputs.
    """
    import onnx
    from onnx import helper
    from onnxruntime.quantization import QuantType, quantize_dynamic

    helper.set_model_props(graph, _PREPARED)
    with tempfile.TemporaryDirectory(prefix="anymask-") as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save_model(graph, source)
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=_KINDS,
            nodes_to_exclude=_kept(graph),
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
        smaller = onnx.load_model(target)
    del smaller.metadata_props[:]
    return smaller


def _kept(graph: ModelProto) -> list[str]:
    """Products that stay as they are: of no matrix of weights, or of a small one.

    Engines take one scale a column of matrices only. Small ones save nothing, and one of them is
    the frequencies of the points' places, which nothing must round.
    """
    large = {
        tensor.name
        for tensor in graph.graph.initializer
        if len(tensor.dims) == 2 and math.prod(tensor.dims) >= _LARGE
    }
    return [
        node.name
        for node in graph.graph.node
        if node.op_type in _KINDS and not large.intersection(node.input)
    ]
