"""The default model with its image encoder on OpenVINO: the fastest on many processors.

The decoder stays with onnxruntime, which measured faster there (docs/engines.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from anymask.inference.onnx_backend import (
    DECODER,
    ENCODER,
    FloatArray,
    OnnxBackend,
    open_decoder,
)

HINTS: Mapping[str, Mapping[str, str]] = {
    "fp32": {"INFERENCE_PRECISION_HINT": "f32"},
    "bf16": {"INFERENCE_PRECISION_HINT": "bf16"},
    "auto": {},  # OpenVINO's own choice: bf16 where the processor computes it natively
}
"""What OpenVINO is told for a precision of the image encoder."""


class OpenvinoBackend(OnnxBackend):
    """Like `OnnxBackend`, but for who encodes.

    Args:
        encoder: the published ``encoder.onnx``, compiled by OpenVINO.
        decoder: the decoder's sessions.
        files: the published files that these were made of, by name.
    """

    name = "openvino"

    @classmethod
    def load_precise(cls, files: Mapping[str, Path], stem: Path, precision: str) -> OpenvinoBackend:
        """The engine for the default model; see `OnnxBackend.load`.

        Args:
            files: the checked ``encoder.onnx`` and ``sam.onnx``, by name.
            stem: path and start of the names under which the decoder's graphs are kept.
            precision: of the image encoder, one of `HINTS`.
        """
        beside = ThreadPoolExecutor(2, "anymask-load")
        encoder: Future[Any] = beside.submit(OpenvinoSession, files[ENCODER], precision)
        decoder = beside.submit(open_decoder, files[DECODER], stem)
        beside.shutdown(wait=False)
        return cls(encoder, decoder, files)

    def _embed(self, canvas: FloatArray) -> FloatArray:
        (embedding,) = self._encoder.result().run(["output"], {"input": canvas})
        found: FloatArray = embedding[0]
        return found


class OpenvinoSession:
    """A graph compiled for the CPU, used as onnxruntime's sessions are.

    Args:
        path: of the model file.
        precision: one of `HINTS`.
    """

    def __init__(self, path: Path, precision: str) -> None:
        import openvino

        core = openvino.Core()
        hints = {"PERFORMANCE_HINT": "LATENCY", **HINTS[precision]}
        self._compiled = core.compile_model(core.read_model(path), "CPU", hints)

    def run(self, names: Sequence[str], values: Mapping[str, FloatArray]) -> list[FloatArray]:
        """Outputs by their names, from inputs by theirs."""
        # a request of its own for each call: several threads may run at once
        found = self._compiled.create_infer_request().infer(dict(values))
        return [found[name].copy() for name in names]
