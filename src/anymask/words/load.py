"""`load_scorer`: from a name or a folder to a scorer that is ready."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Final

from anymask.errors import WeightsError
from anymask.inference.word_engines import Classifier, SentenceEncoder
from anymask.io.weights.fetch import ensure
from anymask.io.weights.zoo import TEXT_ZOO
from anymask.types.progress import ProgressCallback
from anymask.words.offline import OfflineScorer
from anymask.words.scorer import RegionTextScorer

OFFLINE: Final = "offline"
HUB: Final = "hub:"


def load_scorer(
    name: str | PathLike[str] = OFFLINE,
    *,
    cache_dir: str | PathLike[str] | None = None,
    model_dir: str | PathLike[str] | None = None,
    offline: bool = False,
    progress: ProgressCallback | None = None,
) -> RegionTextScorer:
    """A scorer of words.

    Args:
        name: "offline", whose weights are fetched once and kept; or a CLIP model: its folder, in
            the layout of Hugging Face or of OpenCLIP; "hub:" and its name there, which
            `transformers` fetches; or "open_clip:" and a name that OpenCLIP fetches.
        cache_dir: where fetched weights are kept.
        model_dir: a folder of your own with weight files, searched first.
        offline: never use the network.
        progress: called while weights are fetched.

    Returns:
        The scorer.

    Raises:
        WeightsError: an unknown name, or files that hold no such weights.
        DownloadError: the weights are not there and no source answered.
        MissingExtraError: ``tokenizers`` or ``safetensors``, or for CLIP PyTorch, ``transformers``
            or ``open_clip``, is not installed.

    Example:
        >>> scorer = load_scorer()  # doctest: +SKIP
    """
    if str(name) != OFFLINE:
        return _clip(str(name), offline=offline)
    located = [
        ensure(
            entry,
            cache_dir=None if cache_dir is None else Path(cache_dir),
            model_dir=None if model_dir is None else Path(model_dir),
            offline=offline,
            progress=progress,
        )
        for entry in TEXT_ZOO
    ]
    classifier, sentences = located
    (weights,) = classifier.files.values()
    model, tokenizer = (sentences.files[name] for name in ("model.safetensors", "tokenizer.json"))
    kept = sentences.converted.parent
    return OfflineScorer(
        Classifier(weights, kept / classifier.weights_id),
        SentenceEncoder(model, tokenizer, kept / sentences.weights_id),
        kept / f"{sentences.weights_id}-classes",
    )


def _clip(name: str, *, offline: bool) -> RegionTextScorer:
    from anymask.words.clip import OPEN_CLIP, ClipScorer, load_network

    if name.startswith(HUB):
        return ClipScorer(load_network(name.removeprefix(HUB), offline=offline))
    if name.startswith(OPEN_CLIP):
        return ClipScorer(load_network(name, offline=offline))
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise WeightsError(
            f"scorer {name!r} is not known; give {OFFLINE!r}, the folder of a CLIP model, "
            f"{HUB}NAME for one of the hub, or {OPEN_CLIP}NAME for one of OpenCLIP"
        )
    return ClipScorer(load_network(folder, offline=True))
