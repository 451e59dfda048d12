"""The names of ImageNet's 1,000 classes, and the everyday words for what they are."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray


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
