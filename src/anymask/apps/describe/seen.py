"""What a vision-language model of yours says, beside what masks bear out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.apps.describe.facts import Fact
from anymask.apps.describe.questions import SYNONYMS, Answer
from anymask.apps.describe.scene import plural
from anymask.errors import MissingExtraError, WeightsError

TITLE: Final = "Give this picture a title of at most six words. Write nothing but the title."
DESCRIPTION: Final = "Describe this picture in two or three sentences."


class VisionLanguage(Protocol):
    """What such a model does, see `anymask.nn.text.vision_language.VisionLanguageNetwork`."""

    def describe(self, image_rgb: NDArray[np.uint8], wish: str) -> str | None:
        """What a picture shows; None where the model only answers questions."""
        ...

    def answer(self, image_rgb: NDArray[np.uint8], question: str) -> str | None:
        """An answer to a question; None where the model answers none."""
        ...


def load_vision_language(folder: str | PathLike[str]) -> VisionLanguage:
    """A model of Hugging Face's layout on this disk; nothing is fetched.

    Args:
        folder: of a captioner, a model that answers questions, or one that chats.

    Raises:
        WeightsError: there is no such model.
        MissingExtraError: PyTorch or ``transformers`` is not installed.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise WeightsError(f"{str(folder)!r} is no folder; give that of a vision-language model")
    try:
        from anymask.nn.text.vision_language import VisionLanguageNetwork
    except ImportError as error:
        raise MissingExtraError("torch", "vlm", "for a vision-language model") from error
    return VisionLanguageNetwork(place)


def seen_title(model: VisionLanguage, image_rgb: NDArray[np.uint8]) -> str | None:
    """A short title; None where the model only answers questions."""
    return model.describe(image_rgb, TITLE)


def seen_description(model: VisionLanguage, image_rgb: NDArray[np.uint8]) -> str | None:
    """What the picture shows; None where the model only answers questions."""
    return model.describe(image_rgb, DESCRIPTION)


def seen_answer(
    model: VisionLanguage, image_rgb: NDArray[np.uint8], question: str, facts: Sequence[Fact]
) -> Answer | None:
    """The model's answer, with the masks of what question and answer speak of.

    Args:
        model: answers.
        image_rgb: (H, W, 3) uint8.
        question: in the model's language.
        facts: of the picture.

    Returns:
        The answer; None where the model gives none.
    """
    text = model.answer(image_rgb, question)
    if not text:
        return None
    return Answer(text, tuple(one.id for one in facts if _speaks_of(one, f"{question} {text}")))


def _speaks_of(fact: Fact, text: str) -> bool:
    label = fact.label.lower()
    names = [label, *(word for word, meant in SYNONYMS.items() if meant == label)]
    forms = "|".join(re.escape(form) for name in names for form in (name, plural(name)))
    return re.search(rf"\b(?:{forms})\b", text.lower()) is not None
