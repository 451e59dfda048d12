"""The published code with the default model's weights: MobileSAM and segment-anything."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

MODEL = "vit_t"


def default_state() -> dict[str, torch.Tensor]:
    """The default model's tensors under the published names, from the local cache."""
    from anymask.io.weights.cache import locate
    from anymask.io.weights.zoo import find_entry
    from anymask.nn.checkpoints import load_converted

    located = locate(find_entry(MODEL))
    if located is None:
        raise SystemExit(
            f"the default model is not in the cache; run `anymask models fetch {MODEL}`"
        )
    return load_converted(located.files, located.converted)


def mobile_sam(state: dict[str, torch.Tensor] | None = None) -> Any:
    """MobileSAM's own network and code with the default weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm's old names, and a registry it fills twice
        from mobile_sam import sam_model_registry
    return filled(sam_model_registry[MODEL](), default_state() if state is None else state)


def segment_anything(architecture: str, state: dict[str, torch.Tensor]) -> Any:
    """segment-anything's own network and code with the given weights."""
    from segment_anything import sam_model_registry

    return filled(sam_model_registry[architecture](), state)


def filled(network: Any, state: dict[str, torch.Tensor]) -> Any:
    """The network with the tensors, all of them used, ready for inference."""
    missing, unknown = network.load_state_dict(state, strict=False)
    missing = [name for name in missing if not _is_unused(name)]
    if missing or unknown:
        raise SystemExit(f"weights do not fit: missing {missing}, unknown {unknown}")
    # MobileSAM keeps a gathered copy of its attention biases, made by this very call: it has to
    # follow the loading of the weights, or every bias is zero.
    return network.train().eval()


def _is_unused(name: str) -> bool:
    """TinyViT's classification head, and counters of training steps."""
    return ".head." in name or ".norm_head." in name or name.endswith("num_batches_tracked")


def save_checkpoint(path: Path) -> None:
    """The default weights as the published code reads them: a `torch.save` file."""
    torch.save(mobile_sam().state_dict(), path)
