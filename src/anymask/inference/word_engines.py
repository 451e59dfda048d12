"""The networks for words as functions of arrays and texts, on onnxruntime.

Their sessions are made beside whatever the caller does next, such as reading the image. What goes
wrong with them is raised by the first call that needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anymask.errors import MissingExtraError, WeightsError
from anymask.inference.onnx_backend import open_session
from anymask.inference.onnx_files import kept_graphs
from anymask.inference.word_graphs import (
    CLASSES,
    DIM,
    WORD_GRAPHS_VERSION,
    classifier_graph,
    sentence_graph,
)

FloatArray = NDArray[np.float32]

CROPS_AT_ONCE: Final = 4
"""More at once is not faster: their numbers no longer stay in the processor's cache."""
SENTENCES_AT_ONCE: Final = 64
MOST_TOKENS: Final = 128


class Classifier:
    """Crops to logits of ImageNet's classes.

    Args:
        weights: the ``.pth`` file of EfficientNet-Lite2.
        stem: path and start of the name under which its graph is kept.

    Raises:
        WeightsError: a file that holds no such weights.
    """

    def __init__(self, weights: Path, stem: Path) -> None:
        def write() -> bytes:
            from anymask.nn.torch_files import read_arrays

            return classifier_graph(read_arrays(weights))

        self._session = _opening(stem, "classifier", write)

    def __call__(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Crops (B, side, side, 3) uint8 RGB to (B, 1000) float32 logits."""
        parts = [np.zeros((0, CLASSES), np.float32)]
        for start in range(0, len(crops), CROPS_AT_ONCE):
            some = np.ascontiguousarray(crops[start : start + CROPS_AT_ONCE])
            parts += self._session.result().run(["logits"], {"crops": some})
        return np.concatenate(parts)


class SentenceEncoder:
    """Texts to vectors of unit length.

    Args:
        weights: ``model.safetensors`` of all-MiniLM-L6-v2.
        tokenizer: its ``tokenizer.json``.
        stem: path and start of the name under which its graph is kept.

    Raises:
        WeightsError: a file that holds no such weights.
        MissingExtraError: ``tokenizers`` or ``safetensors`` is not installed.
    """

    def __init__(self, weights: Path, tokenizer: Path, stem: Path) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtraError("tokenizers", "text", "to read phrases") from error

        def write() -> bytes:
            return sentence_graph(_read_safetensors(weights))

        self._session = _opening(stem, "sentences", write)
        self._tokenizer: Any = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._tokenizer.enable_padding()

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """T texts to (T, 384) float32."""
        parts = [np.zeros((0, DIM), np.float32)]
        once = sorted(set(texts), key=len)  # texts of one length need least padding
        for start in range(0, len(once), SENTENCES_AT_ONCE):
            encoded = self._tokenizer.encode_batch(once[start : start + SENTENCES_AT_ONCE])
            tokens = np.array([one.ids for one in encoded], np.int64)
            given = np.array([one.attention_mask for one in encoded], np.bool_)
            parts += self._session.result().run(["vectors"], {"tokens": tokens, "given": given})
        place = {text: row for row, text in enumerate(once)}
        return np.concatenate(parts)[[place[text] for text in texts]]


def _opening(stem: Path, name: str, write: Callable[[], bytes]) -> Future[Any]:
    """The session of a graph that is kept, or written first."""
    path = stem.with_name(f"{stem.name}-{name}-{WORD_GRAPHS_VERSION}.onnx")
    beside = ThreadPoolExecutor(1, "anymask-load")
    session = beside.submit(
        lambda: open_session(kept_graphs({name: path}, lambda: {name: write()})[name])
    )
    beside.shutdown(wait=False)
    return session


def _read_safetensors(path: Path) -> dict[str, FloatArray]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError as error:
        raise MissingExtraError("safetensors", "text", f"to read {path.name}") from error
    try:
        tensors: dict[str, FloatArray] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"weights file {path} is damaged ({error}); fetch it again") from error
    return tensors
