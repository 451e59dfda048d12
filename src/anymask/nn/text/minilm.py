"""The sentence encoder all-MiniLM-L6-v2: six layers of BERT, mean over tokens, unit length.

Wang et al. 2020; Reimers and Gurevych 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch.nn.functional as F
from torch import Tensor, nn

from anymask.errors import WeightsError

DIM: Final = 384
LAYERS: Final = 6
HEADS: Final = 12
HIDDEN: Final = 1536
VOCABULARY: Final = 30522
MOST_TOKENS: Final = 512
NORM_EPS: Final = 1e-12


class Layer(nn.Module):
    """Attention and a perceptron, each added and normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(DIM, DIM) for _ in range(3))
        self.attended = nn.Linear(DIM, DIM)
        self.attended_norm = nn.LayerNorm(DIM, eps=NORM_EPS)
        self.widen = nn.Linear(DIM, HIDDEN)
        self.narrow = nn.Linear(HIDDEN, DIM)
        self.norm = nn.LayerNorm(DIM, eps=NORM_EPS)

    def forward(self, x: Tensor, given: Tensor) -> Tensor:
        """(B, T, 384) and which tokens are given, (B, 1, 1, T) bool, to (B, T, 384)."""
        batch, tokens, _ = x.shape
        query, key, value = (
            part(x).view(batch, tokens, HEADS, DIM // HEADS).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )  # (B, heads, T, channels of a head)
        read = F.scaled_dot_product_attention(query, key, value, attn_mask=given)
        read = read.transpose(1, 2).reshape(batch, tokens, DIM)
        x = self.attended_norm(x + self.attended(read))
        wide = F.gelu(self.widen(x))
        out: Tensor = self.norm(x + self.narrow(wide))
        return out


class MiniLm(nn.Module):
    """The encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, DIM)
        self.places = nn.Embedding(MOST_TOKENS, DIM)
        self.kinds = nn.Embedding(2, DIM)
        self.norm = nn.LayerNorm(DIM, eps=NORM_EPS)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, tokens: Tensor, given: Tensor) -> Tensor:
        """Sentences to vectors of unit length.

        Args:
            tokens: (B, T) int64 word pieces, padded to equal length.
            given: (B, T) bool, False for padding.

        Returns:
            (B, 384) float32.
        """
        x = self.words(tokens) + self.places.weight[: tokens.shape[1]] + self.kinds.weight[0]
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x, given[:, None, None])
        weights = given[..., None].to(x.dtype)
        return F.normalize((x * weights).sum(dim=1) / weights.sum(dim=1), dim=-1)


_EMBEDDINGS: Final = {
    "words": "embeddings.word_embeddings",
    "places": "embeddings.position_embeddings",
    "kinds": "embeddings.token_type_embeddings",
}
_LAYER: Final = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attended": "attention.output.dense",
    "attended_norm": "attention.output.LayerNorm",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
    "norm": "output.LayerNorm",
}


def load_minilm(state: Mapping[str, Tensor]) -> MiniLm:
    """The encoder with published weights.

    Args:
        state: in the layout of BERT's checkpoints.

    Raises:
        WeightsError: a tensor is missing or has another shape.
    """
    names = {f"{ours}.weight": f"{theirs}.weight" for ours, theirs in _EMBEDDINGS.items()}
    parts = {"norm": "embeddings.LayerNorm"}
    for number in range(LAYERS):
        parts |= {
            f"layers.{number}.{ours}": f"encoder.layer.{number}.{theirs}"
            for ours, theirs in _LAYER.items()
        }
    for ours, theirs in parts.items():
        names |= {f"{ours}.{kind}": f"{theirs}.{kind}" for kind in ("weight", "bias")}
    net = MiniLm()
    try:
        net.load_state_dict({ours: state[theirs] for ours, theirs in names.items()})
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"these are no weights of all-MiniLM-L6-v2: {error}") from error
    return net.eval()
