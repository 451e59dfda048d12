"""What the page decodes with, as the server sees it: named graphs that belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Protocol

DECODER_SCHEMA: Final = "anymask.decoder/1"


class DecoderFiles(Protocol):
    """What `anymask.export.bundle.page_bundle` makes of a model."""

    @property
    def pair_id(self) -> str:
        """Shared by the graphs and the embeddings they read; letters, digits, ``-_.@``."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """ONNX files by name: image, prompt, preview."""


def sha256(content: bytes) -> str:
    """In hex."""
    return hashlib.sha256(content).hexdigest()
