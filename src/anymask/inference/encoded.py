"""`EncodedImage`: what the encoder made of one image, as a value to keep, reuse and store."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import FileFormatError
from anymask.geometry.frames import Frame
from anymask.io.files import write_bytes_atomic

SCHEMA = "anymask.encoded-image/1"


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """The image embedding with all that is needed to prompt it.

    Attributes:
        embedding: (C, h, w) float32, read-only.
        frame: how the image lies on the canvas.
        model_id: which weights made it; only these can decode it.
        image_sha256: hash of the picture's size and pixels, to recognise it again.
    """

    embedding: NDArray[np.float32]
    frame: Frame
    model_id: str
    image_sha256: str

    def __post_init__(self) -> None:
        """Freeze the array as well."""
        self.embedding.setflags(write=False)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write to a file (NumPy's .npz, no pickle) that any machine and device can load.

        Args:
            path: where to; parents are made, an existing file is replaced in one step.

        Returns:
            The path written.
        """
        about = {
            "schema": SCHEMA,
            "size_hw": self.frame.size_hw,
            "canvas_px": self.frame.canvas_px,
            "model_id": self.model_id,
            "image_sha256": self.image_sha256,
        }
        buffer = BytesIO()
        np.savez(buffer, about=np.array(json.dumps(about)), embedding=self.embedding)
        write_bytes_atomic(path, buffer.getvalue())
        return Path(path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> EncodedImage:
        """Read what `save` wrote.

        Args:
            path: the file.

        Returns:
            The same values.

        Raises:
            FileFormatError: not such a file, or of another schema.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                about = json.loads(str(stored["about"]))
                embedding = np.ascontiguousarray(stored["embedding"], np.float32)
        except FileNotFoundError:
            raise FileFormatError(f"there is no encoded image at {path}") from None
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise FileFormatError(
                f"{path} is not an encoded image; make one with model.encode(image).save(path)"
            ) from error
        return cls(embedding, *_about(about, path))


def _about(about: Any, path: str | PathLike[str]) -> tuple[Frame, str, str]:
    schema = about.get("schema") if isinstance(about, dict) else None
    if schema != SCHEMA:
        raise FileFormatError(
            f"{path} has schema {schema!r} but this version reads {SCHEMA!r}; encode the image anew"
        )
    height, width = about["size_hw"]
    frame = Frame((int(height), int(width)), int(about["canvas_px"]))
    return frame, str(about["model_id"]), str(about["image_sha256"])


def image_hash(image: NDArray[np.uint8]) -> str:
    """sha256 over the shape and pixels of an (H, W, 3) uint8 image, in hex."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
