"""Weights of matrix products as 8-bit integers, activations quantised as they come."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

_KINDS = ["MatMul", "Gemm"]
"""Convolutions stay as they are: their integer form is slow and measured coarse."""
_PREPARED = {"onnx.quant.pre_process": "onnxruntime.quant"}
"""Tells the quantiser that there is nothing to fold: our graphs are written folded."""


def quantized(graph: ModelProto) -> ModelProto:
    """A graph with 8-bit weights, one scale a column.

    Args:
        graph: small enough for one file; its metadata is changed.

    Returns:
        A new graph of the standard domain's operators, of the same inputs and outputs.
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
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
        smaller = onnx.load_model(target)
    del smaller.metadata_props[:]
    return smaller
