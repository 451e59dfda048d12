"""Masks for phrases by SAM's own text token: the phrase is the prompt, no region is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.errors import MissingExtraError, WeightsError
from anymask.inference.encoded import EncodedImage
from anymask.inference.segment import Model
from anymask.types.prompt import Prompt
from anymask.types.records import CompactMask, MaskRecord
from anymask.words.clip import ClipScorer
from anymask.words.find import Found, PhraseResult, TextSettings
from anymask.words.naming import check_phrases
from anymask.words.scorer import RegionTextScorer, score

FloatArray = NDArray[np.float32]


class Projection(Protocol):
    """What a text token does, see `anymask.nn.text.token.TextToken`."""

    @property
    def dim(self) -> int:
        """Length of the vectors that it takes."""
        ...

    def embed(self, vectors: FloatArray) -> FloatArray:
        """Vectors (N, dim) of CLIP's space to the decoder's tokens (N, C)."""
        ...


class TokenPrompter:
    """Phrases as prompts.

    Args:
        scorer: the CLIP model that the token was trained with.
        token: from its space to the decoder's.

    Raises:
        WeightsError: they do not belong together.
    """

    def __init__(self, scorer: RegionTextScorer, token: Projection) -> None:
        if not isinstance(scorer, ClipScorer):
            raise WeightsError(
                f"a text token speaks CLIP's language, not that of scorer {scorer.name!r}; give "
                "the CLIP model that it was trained with"
            )
        if scorer.network.dim != token.dim:
            raise WeightsError(
                f"the text token takes vectors of {token.dim} numbers but this CLIP model gives "
                f"{scorer.network.dim}; give the one that it was trained with"
            )
        self._scorer, self._token = scorer, token

    @classmethod
    def load(cls, scorer: RegionTextScorer, path: str | PathLike[str]) -> TokenPrompter:
        """With a token that `anymask train text-token` kept.

        Raises:
            WeightsError: a file without a token, or one of another CLIP model.
            MissingExtraError: PyTorch or ``safetensors`` is not installed.
        """
        try:
            from anymask.nn.text.token import read_text_token
        except ImportError as error:
            raise MissingExtraError("torch", "clip", "for a text token") from error
        return cls(scorer, read_text_token(path))

    def prompts(self, phrases: Sequence[str], beside: Prompt | None = None) -> list[Prompt]:
        """One prompt a phrase.

        Args:
            phrases: such as "a wheel".
            beside: points, box or mask that help.

        Raises:
            PromptError: no phrase, or an empty one.
        """
        # as they are: the paper's text encoder reads the bare phrase
        vectors = self._scorer.network.embed_texts(check_phrases(phrases, "phrases"))
        tokens = self._token.embed(vectors)
        if beside is None:
            return [Prompt(token=token) for token in tokens]
        return [beside.with_token(token) for token in tokens]

    def segment(
        self,
        model: Model,
        image_rgb: NDArray[np.uint8],
        phrases: Sequence[str],
        settings: TextSettings | None = None,
        *,
        encoded: EncodedImage | None = None,
        beside: Prompt | None = None,
    ) -> list[PhraseResult]:
        """The mask that each phrase prompts, if what it covers fits the phrase.

        Args:
            model: with the PyTorch engine.
            image_rgb: (H, W, 3) uint8.
            phrases: such as "a wheel".
            settings: its threshold and its negative phrases count; there is one mask a phrase.
            encoded: the same picture, where it is encoded already.
            beside: points, box or mask that help.

        Returns:
            One result a phrase, in their order, with at most one mask.

        Raises:
            PromptError: no phrase or an empty one, or an engine that takes no tokens.
        """
        settings = settings or TextSettings()
        encoded = model.encode(image_rgb) if encoded is None else encoded
        masks = model.segment(encoded, self.prompts(phrases, beside))
        height, width = image_rgb.shape[:2]
        records = []
        for row in range(len(phrases)):
            one = masks[row]
            mask = CompactMask.from_array(one.array[0])
            x0, y0, x1, y1 = mask.box_xyxy
            middle = ((x0 + x1) / 2, (y0 + y1) / 2)
            iou, stability = float(one.predicted_iou[0]), float(one.stability[0])
            records.append(MaskRecord(mask, iou, stability, middle, (0, 0, width, height)))
        return self._scored(image_rgb, records, phrases, settings)

    def _scored(
        self,
        image_rgb: NDArray[np.uint8],
        records: Sequence[MaskRecord],
        phrases: Sequence[str],
        settings: TextSettings,
    ) -> list[PhraseResult]:
        """Each phrase with its own mask, where that fits."""
        there = [number for number, record in enumerate(records) if record.area]
        regions = self._scorer.embed_regions(image_rgb, [records[one].mask for one in there])
        asked = [*check_phrases(phrases, "phrases"), *settings.negative]
        scores = score(regions, self._scorer.embed_phrases(asked))
        least = self._scorer.threshold if settings.threshold is None else settings.threshold
        results = []
        for number, phrase in enumerate(asked[: len(phrases)]):
            if number not in there:
                results.append(PhraseResult(phrase, 0.0, ()))
                continue
            row = scores[there.index(number)]
            fit, unwanted = float(row[number]), float(row[len(phrases) :].max(initial=0))
            found = (Found(records[number], fit),) if fit >= max(least, unwanted) else ()
            results.append(PhraseResult(phrase, fit, found))
        return results
