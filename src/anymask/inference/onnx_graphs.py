"""The decoder as two ONNX graphs, written from the tensors of the default model.

Its published file answers one prompt and shows one of the four masks. These graphs answer N prompts
of one image, and do so as `anymask.nn.folded` does, where the algebra is told: what all prompts
share of an image is made once by the first graph, and projections of the 4096 positions of the
image are applied to the few tokens instead. The ``onnx`` package is needed to write them, not to
run them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

FloatArray = NDArray[np.float32]
Tensors = Mapping[str, FloatArray]
Attribute = int | float | Sequence[int]

CANVAS_PX = 1024
GRID = 64
POSITIONS = GRID * GRID
CHANNELS = 256
HEADS = 8
HEAD_CHANNELS = 16
"""Of the attention between tokens and image; that among the tokens has twice as many."""
MASK_TOKENS = 4
LABELS = 4
UPSCALED_CHANNELS = 32
OPSET = 20
IR_VERSION = 9

IMAGE_SIDE = {
    "image": (POSITIONS, CHANNELS),
    "keys": (HEADS, HEAD_CHANNELS, POSITIONS),
    "values": (HEADS, POSITIONS, HEAD_CHANNELS),
    "queries": (HEADS, HEAD_CHANNELS, POSITIONS),
}
"""What the first graph makes of an image and the second one reads; see `folded.ImageSide`."""

_NORM_EPS, _NORM_2D_EPS = 1e-5, 1e-6
_TO_IMAGE, _TO_TOKEN = "cross_attn_token_to_image", "cross_attn_image_to_token"


class _Graph:
    """Nodes in the order of their calls; arrays among the inputs become constants."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def op(self, kind: str, *inputs: str | NDArray[np.generic], **attributes: Attribute) -> str:
        """One node with one output, whose name is returned."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(
        self, kind: str, count: int, *inputs: str | NDArray[np.generic], **attributes: Attribute
    ) -> list[str]:
        """One node with `count` outputs."""
        from onnx import helper

        names = [one if isinstance(one, str) else self._constant(one) for one in inputs]
        number = len(self.nodes)
        outputs = [f"{kind}_{number}_{place}" for place in range(count)]
        self.nodes.append(helper.make_node(kind, names, outputs, f"{kind}_{number}", **attributes))
        return outputs

    def _constant(self, array: NDArray[np.generic]) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name
