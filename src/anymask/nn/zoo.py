"""The known architectures and how to build each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from anymask.errors import WeightsError
from anymask.nn.checkpoints import load_into
from anymask.nn.decoder import MaskDecoder, TwoWayTransformer
from anymask.nn.model import Sam
from anymask.nn.prompts import PromptEncoder
from anymask.nn.tiny_vit import TinyViT
from anymask.nn.vit import ImageEncoderViT, ViTConfig

EMBED_DIM = 256
PATCH_PX = 16
IMAGE_SIZE = 1024

VIT_CONFIGS = {
    "vit_b": ViTConfig(embed_dim=768, depth=12, heads=12, global_blocks=(2, 5, 8, 11)),
    "vit_l": ViTConfig(embed_dim=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23)),
    "vit_h": ViTConfig(embed_dim=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31)),
}


def _plain_vit(config: ViTConfig) -> Callable[[int], ImageEncoderViT]:
    return lambda image_size: ImageEncoderViT(config, image_size, table_size=IMAGE_SIZE)


ENCODERS: dict[str, Callable[[int], ImageEncoderViT | TinyViT]] = {
    "vit_t": lambda image_size: TinyViT(image_size=image_size),
    **{name: _plain_vit(config) for name, config in VIT_CONFIGS.items()},
}
ARCHITECTURES = tuple(ENCODERS)


def build_sam(architecture: str, image_size: int = IMAGE_SIZE) -> Sam:
    """A network of the given architecture with random parameters.

    Args:
        architecture: one of `ARCHITECTURES`.
        image_size: side of the canvas in pixels, a multiple of 16. The published weights are
            trained at 1024.

    Returns:
        The network in training mode.

    Raises:
        WeightsError: an unknown architecture, or a size that does not fit.
    """
    if architecture not in ENCODERS:
        known = ", ".join(ARCHITECTURES)
        raise WeightsError(f"architecture must be one of {known}; got {architecture!r}")
    if image_size < PATCH_PX or image_size % PATCH_PX:
        raise WeightsError(
            f"image_size must be a positive multiple of {PATCH_PX} pixels; got {image_size}"
        )
    grid = image_size // PATCH_PX
    return Sam(
        image_encoder=ENCODERS[architecture](image_size),
        prompt_encoder=PromptEncoder(EMBED_DIM, (grid, grid), (image_size, image_size)),
        mask_decoder=MaskDecoder(
            transformer_dim=EMBED_DIM, transformer=TwoWayTransformer(embedding_dim=EMBED_DIM)
        ),
    )


def load_sam(
    state: Mapping[str, Tensor],
    *,
    source: str | Path,
    architecture: str,
    image_size: int = IMAGE_SIZE,
) -> Sam:
    """A network with the given tensors; nothing is initialised at random first.

    Args:
        state: published name -> tensor, as `anymask.nn.checkpoints.read_state_dict` gives them.
        source: where the tensors came from, for messages.
        architecture: one of `ARCHITECTURES`.
        image_size: side of the canvas in pixels, a multiple of 16.

    Returns:
        The network in evaluation mode, on the CPU.

    Raises:
        WeightsError: another architecture, or names missing, unknown, or of another shape.
    """
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise WeightsError(f"{source} holds {architecture} weights; known are {known}")
    with torch.device("meta"), _Unfilled():
        sam = build_sam(architecture, image_size)
    load_into(sam, state, source, assign=True)
    return sam.eval()


class _Unfilled(TorchFunctionMode):
    """Leaves out the random numbers that new layers are filled with.

    Filling tensors that have no memory does nothing, but makes PyTorch import its compiler first,
    two thirds of a second.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Called by PyTorch in place of each of its functions."""
        del types
        kwargs = kwargs or {}
        if func is torch.randn:
            return torch.empty(*args, **kwargs)
        if getattr(func, "__module__", None) == nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)
