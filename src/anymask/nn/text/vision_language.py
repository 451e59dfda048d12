"""A vision-language model of Hugging Face's layout as functions of a picture and a question."""

from __future__ import annotations

from os import PathLike
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from anymask.errors import MissingExtraError, WeightsError
from anymask.nn.text.clip import without_bars

CAPTIONERS: Final = ("blip", "git")
"""Kinds of models that say what a picture shows when they are given nothing else."""
MOST_TOKENS: Final = 120
"""Of an answer."""


class VisionLanguageNetwork:
    """A captioner (BLIP, GIT), a model that answers questions (BLIP, ViLT), or one that chats.

    Args:
        folder: of the model, with its processor; a model that chats has a chat template there.

    Raises:
        MissingExtraError: ``transformers`` is not installed.
        WeightsError: there is no such model, or it is of another kind.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        try:
            import transformers
        except ImportError as error:
            raise MissingExtraError("transformers", "vlm", "for a vision-language model") from error
        try:
            config: Any = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
            processors: Any = transformers.AutoProcessor
            self._processor: Any = processors.from_pretrained(folder, local_files_only=True)
            self._chats = bool(getattr(self._processor, "chat_template", None))
            named = (getattr(config, "architectures", None) or [""])[0]
            self._answers = named.endswith("ForQuestionAnswering")
            if not (self._chats or self._answers or config.model_type in CAPTIONERS):
                raise ValueError(f"a model of the kind {config.model_type!r} without chat template")
            loader: Any = (
                transformers.AutoModelForVisualQuestionAnswering
                if self._answers
                else transformers.AutoModelForImageTextToText
            )
            with without_bars():
                self._net: Any = loader.from_pretrained(folder, local_files_only=True).eval()
        except (OSError, ValueError, KeyError, ImportError) as error:
            told = " ".join(str(error).split())[:200]
            raise WeightsError(
                f"{str(folder)!r} is no vision-language model that can be read (a captioner such "
                "as BLIP or GIT, one that answers questions such as BLIP or ViLT, or one with a "
                f"chat template): {told}"
            ) from error

    def describe(self, image_rgb: NDArray[np.uint8], wish: str) -> str | None:
        """What a picture shows.

        Args:
            image_rgb: (H, W, 3) uint8.
            wish: what is asked of a model that chats; a captioner knows but one thing to say.

        Returns:
            Its words; None of a model that only answers questions.
        """
        if self._chats:
            return self._chat(image_rgb, wish)
        if self._answers:
            return None
        return self._generated(self._processor(images=_picture(image_rgb), return_tensors="pt"))

    def answer(self, image_rgb: NDArray[np.uint8], question: str) -> str | None:
        """An answer to a question about an (H, W, 3) uint8 picture; None of a captioner."""
        if self._chats:
            return self._chat(image_rgb, f"{question} Answer briefly.")
        if not self._answers:
            return None
        inputs = self._processor(
            images=_picture(image_rgb), text=question, truncation=True, return_tensors="pt"
        )
        if hasattr(self._net, "generate"):
            return self._generated(inputs)
        with torch.inference_mode():
            best = int(self._net(**inputs).logits[0].argmax())
        return str(self._net.config.id2label[best])

    def _chat(self, image_rgb: NDArray[np.uint8], text: str) -> str:
        content = [{"type": "image"}, {"type": "text", "text": text}]
        prompt = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        inputs = self._processor(images=[_picture(image_rgb)], text=[prompt], return_tensors="pt")
        return self._generated(inputs, after=inputs["input_ids"].shape[1])

    @torch.inference_mode()
    def _generated(self, inputs: Any, after: int = 0) -> str:
        """What the model writes; without sampling, so that it is the same each time."""
        tokens = self._net.generate(**inputs, max_new_tokens=MOST_TOKENS, do_sample=False)
        (text,) = self._processor.batch_decode(tokens[:, after:], skip_special_tokens=True)
        return " ".join(str(text).split())


def _picture(image_rgb: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(image_rgb)
