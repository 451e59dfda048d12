"""The embedding file that the page reads: magic bytes, a JSON header, the numbers."""

from __future__ import annotations

import json
from typing import Final, Literal

import numpy as np

from anymask.inference.encoded import EncodedImage

Dtype = Literal["float16", "float32"]
MAGIC: Final = b"ANYMASK1"
_ALIGNMENT: Final = 16
_LENGTH_BYTES: Final = 4


def embedding_file(encoded: EncodedImage, pair_id: str, dtype: Dtype) -> bytes:
    """An embedding as the page takes it; all numbers are little-endian.

    Args:
        encoded: the image.
        pair_id: of the decoder graphs that read it.
        dtype: of the numbers; float16 halves the size and moves no mask that a person would see.

    Returns:
        `MAGIC`, uint32 length of the header, the header as JSON padded with spaces so that the
        numbers begin at a multiple of 16, the (C, h, w) numbers.
    """
    header = {
        "dtype": dtype,
        "shape": list(encoded.embedding.shape),
        "size_hw": list(encoded.frame.size_hw),
        "canvas_px": encoded.frame.canvas_px,
        "pair_id": pair_id,
        "image": encoded.image_sha256,
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    before = len(MAGIC) + _LENGTH_BYTES
    text = text.ljust(len(text) + -(before + len(text)) % _ALIGNMENT)
    numbers = encoded.embedding.astype(np.dtype(dtype).newbyteorder("<"), order="C")
    return b"".join([MAGIC, len(text).to_bytes(_LENGTH_BYTES, "little"), text, numbers.tobytes()])
