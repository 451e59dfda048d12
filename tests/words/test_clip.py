"""CLIP as a scorer: the arithmetic with vectors by hand, the adapter with a tiny random model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from anymask.errors import WeightsError
from anymask.words.clip import ClipScorer
from anymask.words.load import load_scorer
from anymask.words.naming import name_regions
from anymask.words.scorer import score
from words.conftest import BLUE, GREEN, RED

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


class ByColour:
    """Vectors of red, green, blue."""

    def embed_pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        rows = np.array([one.mean(axis=(0, 1)) for one in pictures], np.float32) - 90
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        assert all(text.startswith("a photo of ") for text in texts)
        return np.array([[word in t for word in ("red", "green", "blue")] for t in texts], float)


def test_regions_are_the_mean_of_their_views_and_scores_are_cosines(picture: np.ndarray) -> None:
    scorer = ClipScorer(ByColour())
    regions = scorer.embed_regions(picture, [RED.mask, GREEN.mask, BLUE.mask])
    np.testing.assert_allclose(np.linalg.norm(regions, axis=1), 1, atol=1e-5)
    scores = score(regions, scorer.embed_phrases(["red", "green", "blue"]))
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP model of a few thousand random parameters in Hugging Face's layout."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    place = tmp_path_factory.mktemp("clip")
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{one}</w>" for one in letters)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    (place / "vocab.json").write_text(json.dumps(vocabulary))
    (place / "merges.txt").write_text("#version: 0.2\n")
    small = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    text = {
        "vocab_size": len(pieces),
        "max_position_embeddings": 32,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    torch.manual_seed(0)
    config = transformers.CLIPConfig(
        text_config={**small, **text},
        vision_config={**small, "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )
    transformers.CLIPModel(config).save_pretrained(place)
    transformers.CLIPTokenizerFast(
        vocab=str(place / "vocab.json"), merges=str(place / "merges.txt")
    ).save_pretrained(place)
    size = {"height": 32, "width": 32}
    transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(
        place
    )
    return place


def test_a_model_of_a_folder_scores_regions_and_phrases(folder: Path, picture: np.ndarray) -> None:
    scorer = load_scorer(folder)
    assert scorer.name == "clip"
    regions = scorer.embed_regions(picture, [RED.mask, BLUE.mask])
    phrases = scorer.embed_phrases(["red", "a blue field", "green"])
    assert regions.shape == (2, 8)
    assert phrases.shape == (3, 8)
    np.testing.assert_allclose(np.linalg.norm(phrases, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(scorer.embed_phrases(["green"])[0], phrases[2], atol=1e-5)
    assert scorer.embed_phrases([]).shape == (0, 8)
    assert [name.label for name in name_regions(scorer, picture, [], ["red"])] == []


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no CLIP model"):
        load_scorer(tmp_path)


def test_a_model_that_is_not_here_is_not_fetched_offline() -> None:
    with pytest.raises(WeightsError, match="no CLIP model"):
        load_scorer("hub:nobody/nothing", offline=True)
