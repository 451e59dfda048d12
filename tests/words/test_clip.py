"""CLIP as a scorer: the arithmetic with vectors by hand, the adapter with a tiny random model."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from anymask.errors import MissingExtraError, WeightsError
from anymask.words.clip import ClipScorer, Network, load_network
from anymask.words.load import load_scorer
from anymask.words.naming import name_regions
from anymask.words.scorer import score
from words.conftest import BLUE, GREEN, RED

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


class ByColour:
    """Vectors of red, green, blue."""

    dim = 3

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


def squares(inside: int, outside: int) -> tuple[np.ndarray, np.ndarray]:
    """A square of the model's size whose upper left patch is masked, and that mask."""
    mask = np.zeros((32, 32), bool)
    mask[3:12, 2:14] = True
    square = np.full((32, 32, 3), outside, np.uint8)
    square[:16, :16] = inside
    return square, mask


def check_masked(network: Network) -> None:
    """The last layer reads what is masked; of a model with one layer, nothing else tells."""
    made = [squares(*shades) for shades in ((200, 30), (200, 90), (10, 30))]
    pictures, masks = [one[0] for one in made], [one[1] for one in made]
    first, same, other = network.embed_masked(pictures, masks)
    np.testing.assert_allclose(np.linalg.norm(first), 1, atol=1e-5)
    np.testing.assert_allclose(first, same, atol=1e-5)
    assert abs(first - other).max() > 1e-3
    plain = network.embed_pictures(pictures)
    assert abs(plain[0] - plain[1]).max() > 1e-4, "without a mask all is read"
    np.testing.assert_array_equal(network.embed_pictures(pictures), plain)
    everywhere = network.embed_masked(pictures[:1], [np.zeros((32, 32), bool)])
    np.testing.assert_allclose(
        everywhere, network.embed_masked(pictures[:1], [np.ones((32, 32), bool)]), atol=1e-6
    )
    assert network.embed_masked([], []).shape == (0, network.dim)


def test_a_mask_restricts_what_the_last_layer_reads(folder: Path) -> None:
    check_masked(load_network(folder))


@pytest.fixture(scope="module")
def open_clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP model of random parameters in OpenCLIP's layout."""
    # where its torchvision does not fit the PyTorch that is installed, it cannot be imported
    open_clip = pytest.importorskip("open_clip", exc_type=Exception)
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    place = tmp_path_factory.mktemp("open_clip")
    small = {"width": 16, "layers": 1}
    config = {
        "embed_dim": 8,
        "vision_cfg": {**small, "image_size": 32, "patch_size": 16, "head_width": 8},
        "text_cfg": {**small, "context_length": 16, "vocab_size": 49408, "heads": 2},
    }
    torch.manual_seed(0)
    model = open_clip.CLIP(**config)
    safetensors.save_file(model.state_dict(), place / "open_clip_model.safetensors")
    statistics = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    (place / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": statistics})
    )
    return place


def test_a_model_of_open_clip_scores_regions_and_phrases(
    open_clip_folder: Path, picture: np.ndarray
) -> None:
    scorer = load_scorer(open_clip_folder)
    regions = scorer.embed_regions(picture, [RED.mask, BLUE.mask])
    phrases = scorer.embed_phrases(["red", "a blue field", "green"])
    assert (regions.shape, phrases.shape) == ((2, 8), (3, 8))
    np.testing.assert_allclose(np.linalg.norm(phrases, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(scorer.embed_phrases(["green"])[0], phrases[2], atol=1e-5)
    check_masked(load_network(open_clip_folder))


def test_a_damaged_model_of_open_clip_is_refused(open_clip_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(WeightsError, match="no CLIP model"):
        load_scorer(tmp_path)


def test_without_open_clip_its_models_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "open_clip", None)
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(MissingExtraError, match=r"anymask\[open-clip\]"):
        load_scorer(tmp_path)
    with pytest.raises(WeightsError, match="would be fetched"):
        load_scorer("open_clip:ViT-B-32", offline=True)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no CLIP model"):
        load_scorer(tmp_path)


def test_a_model_that_is_not_here_is_not_fetched_offline() -> None:
    with pytest.raises(WeightsError, match="no CLIP model"):
        load_scorer("hub:nobody/nothing", offline=True)
