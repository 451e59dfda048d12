"""`TextToken`: from CLIP's space to the first token that the mask decoder reads."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.errors import WeightsError
from anymask.nn.checkpoints import read_tensors

FloatArray = NDArray[np.float32]
EMBED_DIM = 256


class TextToken(nn.Module):
    """One linear layer: vectors of phrases or of regions to the decoder's first token.

    Args:
        dim: length of CLIP's vectors, 768 of ViT-L/14.
        embed_dim: width of the decoder's tokens.
    """

    def __init__(self, dim: int, embed_dim: int = EMBED_DIM) -> None:
        super().__init__()
        self.projection = nn.Linear(dim, embed_dim)

    @property
    def dim(self) -> int:
        """Length of the vectors that it takes."""
        return self.projection.in_features

    def forward(self, vectors: Tensor) -> Tensor:
        """(N, dim) of any length to (N, embed_dim)."""
        out: Tensor = self.projection(F.normalize(vectors, dim=-1))
        return out

    @torch.inference_mode()
    def embed(self, vectors: FloatArray) -> FloatArray:
        """Arrays instead of tensors: (N, dim) to (N, embed_dim) float32."""
        tokens = self(torch.from_numpy(np.ascontiguousarray(vectors, np.float32)))
        return np.asarray(tokens.numpy(), np.float32)


def read_text_token(path: str | PathLike[str]) -> TextToken:
    """A token whose `state_dict` was kept as a safetensors file.

    Raises:
        WeightsError: the file is missing, damaged, or holds no text token.
        MissingExtraError: ``safetensors`` is not installed.
    """
    state = read_tensors(Path(path))
    weight = state.get("projection.weight")
    if weight is None or weight.ndim != 2 or set(state) != {"projection.weight", "projection.bias"}:
        raise WeightsError(f"{path} holds no text token, as `anymask train text-token` keeps it")
    token = TextToken(weight.shape[1], weight.shape[0])
    try:
        token.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"{path} holds a damaged text token: {error}") from error
    return token.eval()
