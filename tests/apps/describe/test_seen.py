"""A vision-language model of the user's: its words, the masks they speak of, and tiny models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anymask.apps.describe.facts import Fact
from anymask.apps.describe.seen import (
    load_vision_language,
    seen_answer,
    seen_description,
    seen_title,
)
from anymask.errors import WeightsError
from apps.describe.test_describe import facts  # noqa: F401  (a fixture)

PICTURE = np.full((20, 30, 3), 128, np.uint8)
quiet = pytest.mark.filterwarnings("ignore")  # of the library's own loading


class Says:
    """Says what it was told to."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def describe(self, image_rgb: np.ndarray, wish: str) -> str | None:
        return self.text

    def answer(self, image_rgb: np.ndarray, question: str) -> str | None:
        return self.text


def test_an_answer_names_the_masks_of_what_is_spoken_of(facts: list[Fact]) -> None:  # noqa: F811
    found = seen_answer(Says("Two of them, on the table."), PICTURE, "how many cups?", facts)
    assert found is not None
    assert found.text == "Two of them, on the table."
    assert found.evidence == (0, 1, 2)
    assert found.known
    about_nothing = seen_answer(Says("no"), PICTURE, "is it raining?", facts)
    assert about_nothing is not None
    assert about_nothing.evidence == ()


def test_a_word_within_another_is_not_meant(facts: list[Fact]) -> None:  # noqa: F811
    found = seen_answer(Says("a cupboard and a notebook"), PICTURE, "what is here?", facts)
    assert found is not None
    assert found.evidence == ()


def test_a_model_that_says_nothing_leaves_the_word_to_the_masks() -> None:
    assert seen_answer(Says(None), PICTURE, "why?", []) is None
    assert seen_title(Says(None), PICTURE) is None
    assert seen_description(Says("a cup"), PICTURE) == "a cup"


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_a_model_is_refused(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "model"
    if there:
        folder.mkdir()
    with pytest.raises(WeightsError, match="model"):
        load_vision_language(folder)


@quiet
def test_a_captioner_describes_and_answers_nothing(blip: Callable[[str], Path]) -> None:
    model = load_vision_language(blip("BlipForConditionalGeneration"))
    caption = model.describe(PICTURE, "ignored")
    assert isinstance(caption, str)
    assert caption == model.describe(PICTURE, "another wish")
    assert model.answer(PICTURE, "how many cups?") is None


@quiet
def test_a_model_that_answers_questions_describes_nothing(blip: Callable[[str], Path]) -> None:
    model = load_vision_language(blip("BlipForQuestionAnswering"))
    assert isinstance(model.answer(PICTURE, "cup cup?"), str)
    assert model.describe(PICTURE, "anything") is None


@quiet
def test_a_model_that_chooses_among_answers_gives_one_of_them(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch")
    config = transformers.ViltConfig(
        **_SMALL, vocab_size=len(_WORDS), image_size=32, patch_size=16, max_position_embeddings=32,
        id2label={0: "yes", 1: "no"}, label2id={"yes": 0, "no": 1},
    )  # fmt: skip
    transformers.ViltForQuestionAnswering(config).save_pretrained(tmp_path)
    images = transformers.ViltImageProcessor(size={"shortest_edge": 32}, size_divisor=16)
    transformers.ViltProcessor(images, _tokenizer(tmp_path)).save_pretrained(tmp_path)
    model = load_vision_language(tmp_path)
    assert model.answer(PICTURE, "is there a cup?") in ("yes", "no")
    assert model.describe(PICTURE, "anything") is None


@quiet
def test_a_model_that_chats_does_both(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch")
    vision = {**_SMALL, "image_size": 32, "patch_size": 16}
    text = {**_SMALL, "vocab_size": len(_WORDS), "max_position_embeddings": 128}
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**vision),
        text_config=transformers.LlamaConfig(**text, bos_token_id=2, eos_token_id=3),
        image_token_id=_WORDS.index("<image>"),
        vision_feature_layer=-1,
    )
    transformers.LlavaForConditionalGeneration(config).save_pretrained(tmp_path)
    square = {"height": 32, "width": 32}
    images = transformers.CLIPImageProcessor(size=square, crop_size=square)
    template = (
        "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image> "
        "{% else %}{{ c['text'] }} {% endif %}{% endfor %}{% endfor %}"
    )
    transformers.LlavaProcessor(
        images, _tokenizer(tmp_path), patch_size=16, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=template,
    ).save_pretrained(tmp_path)  # fmt: skip
    model = load_vision_language(tmp_path)
    answer = model.answer(PICTURE, "how many cups?")
    assert isinstance(answer, str)
    assert "answer briefly" not in answer
    assert answer == model.answer(PICTURE, "how many cups?")
    assert isinstance(model.describe(PICTURE, "a title"), str)


@quiet
def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch")
    text = {**_SMALL, "vocab_size": len(_WORDS)}
    transformers.BertModel(transformers.BertConfig(**text)).save_pretrained(tmp_path)
    _tokenizer(tmp_path).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="'bert' without chat template"):
        load_vision_language(tmp_path)


_SMALL = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
}  # fmt: skip
_WORDS = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]", "<image>", "a", "cup", "cups",
    "how", "many", "is", "there", "?", ".", "the", "table", "two", "no", "yes",
]  # fmt: skip


def _tokenizer(folder: Path):  # type: ignore[no-untyped-def]
    transformers = pytest.importorskip("transformers")
    (folder / "vocab.txt").write_text("\n".join(_WORDS) + "\n")
    vocabulary = {word: number for number, word in enumerate(_WORDS)}
    extra = {"additional_special_tokens": ["<image>"]}
    return transformers.BertTokenizerFast(vocab=vocabulary, model_max_length=64, **extra)


@pytest.fixture
def blip(tmp_path: Path) -> Callable[[str], Path]:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")

    def make(kind: str) -> Path:
        torch.manual_seed(0)
        ends = {"bos_token_id": 5, "pad_token_id": 0, "sep_token_id": 3, "eos_token_id": 3}
        text = {**_SMALL, **ends, "vocab_size": len(_WORDS), "encoder_hidden_size": 16}
        config = transformers.BlipConfig(
            text_config={**text, "max_position_embeddings": 160, "projection_dim": 8},
            vision_config={**_SMALL, "image_size": 32, "patch_size": 16},
            projection_dim=8,
            image_text_hidden_size=8,
        )
        getattr(transformers, kind)(config).save_pretrained(tmp_path)
        square = {"height": 32, "width": 32}
        images = transformers.BlipImageProcessor(size=square)
        transformers.BlipProcessor(images, _tokenizer(tmp_path)).save_pretrained(tmp_path)
        assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [kind]
        return tmp_path

    return make
