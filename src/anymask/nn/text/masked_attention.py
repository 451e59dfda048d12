"""A vision transformer's last layer, reading only what a mask covers.

The output token of a CLIP model reads all patches in every layer. Where its last layer reads but
the patches of a mask, its vector tells of what the mask covers, while the patches themselves know
their surroundings (Kirillov et al. 2023, section D.5).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F


def covered_patches(masks: Sequence[NDArray[np.bool_]], grid_hw: tuple[int, int]) -> Tensor:
    """Which patches a mask covers at least a pixel of.

    Args:
        masks: N masks of what the patches show.
        grid_hw: patches down and across.

    Returns:
        (N, patches) bool, row by row; an empty mask has them all.
    """
    grids = [
        F.adaptive_max_pool2d(torch.from_numpy(np.float32(mask))[None, None], grid_hw).flatten()
        for mask in masks
    ]
    covered = torch.stack(grids) > 0
    return covered | ~covered.any(dim=1, keepdim=True)


def output_token_bias(covered: Tensor) -> Tensor:
    """What is added to the logits of the attention.

    Args:
        covered: (N, P) bool.

    Returns:
        (N, 1 + P, 1 + P) float32: the output token, which is the first, reads the covered patches
        and nothing else; patches read everything.
    """
    count, patches = covered.shape
    bias = torch.zeros(count, 1 + patches, 1 + patches)
    bias[:, 0, 0] = -torch.inf
    bias[:, 0, 1:][~covered] = -torch.inf
    return bias


@contextmanager
def reading_only(layer: nn.Module, argument: str, bias: Tensor) -> Iterator[None]:
    """Within, `layer` is called with `bias` as its keyword `argument`.

    Args:
        layer: of a transformer; its first argument are the tokens.
        argument: what it calls its mask.
        bias: of the shape that the layer takes.
    """

    def give(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return args[:1], {**kwargs, argument: bias}

    handle = layer.register_forward_pre_hook(give, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
