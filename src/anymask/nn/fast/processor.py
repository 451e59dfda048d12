"""What this machine's processor has instructions for."""

from __future__ import annotations

import torch

TILES_CHECK = "_is_amx_tile_supported"
BF16_CHECKS = ("_is_avx512_bf16_supported", TILES_CHECK)
"""Functions of `torch.cpu` that tell of instructions for bfloat16."""


def has_wide_vectors() -> bool:
    """Whether PyTorch uses vectors of 512 bits."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


def native_bf16() -> bool:
    """Whether it multiplies bfloat16 itself, faster than float32."""
    return any(_tells(name) for name in BF16_CHECKS)


def multiplies_tiles() -> bool:
    """Whether it multiplies whole tiles of bfloat16, which the fused attention needs to be fast."""
    return _tells(TILES_CHECK)


def _tells(name: str) -> bool:
    check = getattr(torch.cpu, name, None)
    return check is not None and bool(check())
