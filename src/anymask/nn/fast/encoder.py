"""`fast_encoder`: an image encoder as a function that is fast on a CPU.

The matrices are copied, in float32 or bfloat16, into the order the processor reads best; norms and
positions are shared with the network. Nothing is kept between two calls, so that threads may share
the function.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from anymask.errors import DeviceError
from anymask.nn.fast.tiny_vit import FastTinyViT
from anymask.nn.fast.vit import FastViT
from anymask.nn.tiny_vit import TinyViT
from anymask.nn.vit import ImageEncoderViT

Precision = Literal["fp32", "bf16"]
DTYPES: Mapping[Precision, torch.dtype] = MappingProxyType(
    {"fp32": torch.float32, "bf16": torch.bfloat16}
)


class FastEncoder:
    """An image encoder for inference on a CPU.

    Args:
        encoder: the network, in evaluation mode on a CPU.
        dtype: what to multiply in, `torch.float32` or `torch.bfloat16`.
    """

    def __init__(self, encoder: ImageEncoderViT | TinyViT, dtype: torch.dtype) -> None:
        self._tensors = [*encoder.parameters(), *encoder.buffers()]
        self._made_from = self._stamp()
        self._run: FastTinyViT | FastViT = (
            FastTinyViT(encoder, dtype) if isinstance(encoder, TinyViT) else FastViT(encoder, dtype)
        )

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised and padded to (B, out_channels, S / 16, S / 16) float32."""
        # The precision was chosen; a surrounding autocast would mix it with another.
        with torch.autocast("cpu", enabled=False):
            return self._run(images)

    def is_fresh(self) -> bool:
        """Whether the network's tensors are still the ones this was made from."""
        return self._stamp() == self._made_from

    def _stamp(self) -> list[tuple[int, int]]:
        # Steps of an optimiser count up the version; moves and casts change the address.
        return [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in self._tensors]


def fast_encoder(encoder: ImageEncoderViT | TinyViT, *, precision: Precision) -> FastEncoder:
    """The fast form of an image encoder.

    Args:
        encoder: the network, in evaluation mode on a CPU. Its matrices are copied: another 0.5
            (bf16) or 1 (fp32) times its memory.
        precision: "fp32" gives the network's numbers up to rounding, about 1e-5; "bf16" is for
            processors where `native_bf16` says so and differs by about 3e-2.

    Returns:
        (B, 3, S, S) to (B, out_channels, S / 16, S / 16) float32.

    Raises:
        ValueError: another precision, or a network in training mode.
        DeviceError: a network that is not on a CPU.
    """
    if precision not in DTYPES:
        raise ValueError(f"precision must be fp32 or bf16; got {precision!r}")
    if encoder.training:
        raise ValueError("encoder is in training mode; call encoder.eval() first")
    device = next(encoder.parameters()).device
    if device.type != "cpu":
        raise DeviceError(f"encoder must be on the CPU; it is on {device}: call it directly there")
    return FastEncoder(encoder, DTYPES[precision])
