"""The networks for words as functions of arrays and texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.errors import MissingExtraError
from anymask.nn.checkpoints import read_tensors
from anymask.nn.fast.processor import native_bf16
from anymask.nn.text.efficientnet_lite import load_efficientnet_lite
from anymask.nn.text.minilm import load_minilm

FloatArray = NDArray[np.float32]

BATCH: Final = 8
"""Crops at once; more is not faster."""
SENTENCES_AT_ONCE: Final = 128


class Classifier:
    """Crops to logits of ImageNet's classes.

    Args:
        path: of the weights.

    Raises:
        WeightsError: a file that holds none.
    """

    def __init__(self, path: Path) -> None:
        self._net = load_efficientnet_lite(read_tensors(path))
        # where the processor multiplies bfloat16 itself it is twice as fast, and as often right
        self._half = native_bf16()

    @torch.inference_mode()
    def __call__(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Crops (B, side, side, 3) uint8 RGB to (B, 1000) float32 logits."""
        parts = []
        for start in range(0, len(crops), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(crops[start : start + BATCH]))
            # (B, H, W, 3) seen as (B, 3, H, W) is what "channels last" means
            with torch.autocast("cpu", torch.bfloat16, enabled=self._half):
                logits = self._net(batch.permute(0, 3, 1, 2).float())
            parts.append(logits.float().numpy())
        return np.concatenate([np.zeros((0, 1000), np.float32), *parts])


class SentenceEncoder:
    """Texts to vectors of unit length.

    Args:
        weights: ``model.safetensors``.
        tokenizer: ``tokenizer.json``.

    Raises:
        WeightsError: a file that holds no such weights.
        MissingExtraError: ``tokenizers`` is not installed.
    """

    def __init__(self, weights: Path, tokenizer: Path) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtraError("tokenizers", "text", "to read phrases") from error
        self._net = load_minilm(read_tensors(weights))
        self._tokenizer: Any = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(128)
        self._tokenizer.enable_padding()

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """T texts to (T, 384) float32."""
        parts = [np.zeros((0, 384), np.float32)]
        once = sorted(set(texts), key=len)  # texts of one length need least padding
        for start in range(0, len(once), SENTENCES_AT_ONCE):
            encoded = self._tokenizer.encode_batch(once[start : start + SENTENCES_AT_ONCE])
            tokens = torch.tensor([one.ids for one in encoded])
            given = torch.tensor([one.attention_mask for one in encoded]).bool()
            parts.append(self._net(tokens, given).numpy())
        place = {text: row for row, text in enumerate(once)}
        return np.concatenate(parts)[[place[text] for text in texts]]
