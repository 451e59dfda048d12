"""`sam_model_registry`: networks by their published names, with or without a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from anymask.compat.extra import require_torch

if TYPE_CHECKING:
    from anymask.nn.model import Sam

Checkpoint = str | PathLike[str] | None


def build_sam_vit_h(checkpoint: Checkpoint = None) -> Sam:
    """ViT-H, the largest. See `build_sam_vit_b` for the arguments."""
    return _build("vit_h", checkpoint)


def build_sam_vit_l(checkpoint: Checkpoint = None) -> Sam:
    """ViT-L. See `build_sam_vit_b` for the arguments."""
    return _build("vit_l", checkpoint)


def build_sam_vit_b(checkpoint: Checkpoint = None) -> Sam:
    """ViT-B.

    Args:
        checkpoint: path of a `.pth`, `.pt` or `.safetensors` file; None leaves the parameters
            random.

    Returns:
        The network in evaluation mode, on the CPU.

    Raises:
        WeightsError: a file that is missing, damaged, unsafe, incomplete or of another
            architecture.
        MissingExtraError: PyTorch is not installed.
    """
    return _build("vit_b", checkpoint)


def build_sam_vit_t(checkpoint: Checkpoint = None) -> Sam:
    """TinyViT, the smallest (MobileSAM). See `build_sam_vit_b` for the arguments."""
    return _build("vit_t", checkpoint)


build_sam = build_sam_vit_h

sam_model_registry: MappingProxyType[str, Callable[[Checkpoint], Sam]] = MappingProxyType(
    {
        "default": build_sam_vit_h,
        "vit_h": build_sam_vit_h,
        "vit_l": build_sam_vit_l,
        "vit_b": build_sam_vit_b,
        "vit_t": build_sam_vit_t,
        "mobile_sam": build_sam_vit_t,
    }
)
"""Builders by name; "default" is vit_h and "mobile_sam" is vit_t."""


def _build(architecture: str, checkpoint: Checkpoint) -> Sam:
    require_torch("to build a network")
    from anymask.nn import zoo
    from anymask.nn.checkpoints import read_state_dict

    if checkpoint is None:
        return zoo.build_sam(architecture).eval()
    path = Path(checkpoint)
    return zoo.load_sam(read_state_dict(path), source=path, architecture=architecture)
