"""The names of ImageNet's 1,000 classes, and the everyday words for what they are."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.io.files import write_bytes_atomic

FloatArray = NDArray[np.float32]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class ClassTexts:
    """Every text that stands for a class.

    Attributes:
        texts: names and kinds, such as "tabby" and "cat".
        owner: (T,) int, the class of each text.
    """

    texts: tuple[str, ...]
    owner: NDArray[np.intp]


def read_class_texts() -> ClassTexts:
    """The table beside this module: one line a class, ``name, name | kind, kind``."""
    table = files("anymask.words").joinpath("imagenet_classes.txt").read_text("utf-8")
    texts: list[str] = []
    owner: list[int] = []
    for number, line in enumerate(table.splitlines()):
        for part in line.replace("|", ",").split(","):
            if part.strip():
                texts.append(part.strip())
                owner.append(number)
    return ClassTexts(tuple(texts), np.array(owner, np.intp))


def embedded_once(
    texts: Sequence[str], embed: Callable[[Sequence[str]], FloatArray], kept: Path | None
) -> FloatArray:
    """Texts embedded, from a file once they have been.

    Args:
        texts: T texts.
        embed: texts to (T, D).
        kept: where the file lies, or will; the name gets a mark of the texts. A file that is
            damaged is written anew; where none can be written, the work is done each time.

    Returns:
        (T, D) float32.
    """
    if kept is None:
        return embed(texts)
    mark = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    path = kept.with_name(f"{kept.name}-{mark}.npy")
    try:
        found = np.load(path, allow_pickle=False)
        if found.dtype == np.float32 and found.ndim == 2 and len(found) == len(texts):
            return np.asarray(found)
    except (OSError, ValueError, EOFError):
        pass  # not there yet, or damaged
    embedded = embed(texts)
    content = io.BytesIO()
    np.save(content, embedded, allow_pickle=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(path, content.getvalue())
    except OSError as error:
        _log.debug("embedded texts could not be kept in %s: %s", path, error)
    return embedded
