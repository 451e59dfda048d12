"""A text token in training: what is shown, where it is clicked, what is learnt."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from anymask.errors import MaskError, PromptError, WeightsError
from anymask.types.prompt import Prompt
from anymask.types.records import CompactMask
from training.conftest import COLOURS, SIDE, ColourClip, read_scene, scene

torch = pytest.importorskip("torch", reason="needs PyTorch")

from anymask.nn.checkpoints import tensor_bytes  # noqa: E402
from anymask.nn.text.token import TextToken, read_text_token  # noqa: E402
from anymask.training.clicks import error_points  # noqa: E402
from anymask.training.crops import CROP_PX, jittered_crop  # noqa: E402
from anymask.training.losses import actual_iou, dice_loss, focal_loss, mask_loss  # noqa: E402
from anymask.training.settings import TokenSettings  # noqa: E402
from anymask.training.text_token import (  # noqa: E402
    TokenTrainer,
    rate_factor,
    train_text_token,
)
from anymask.words.clip import ClipScorer  # noqa: E402
from anymask.words.token import TokenPrompter  # noqa: E402

SMALL = TokenSettings(steps=2, pictures=2, masks=3, points=1, smallest_area=100)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small products are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_losses_are_those_of_the_specification() -> None:
    index = torch.arange(16, dtype=torch.float64).reshape(1, 4, 4)
    logits, target = 3 * torch.sin(index), index % 3 == 0
    assert focal_loss(logits, target).item() == pytest.approx(0.62783700, abs=1e-7)
    assert dice_loss(logits, target).item() == pytest.approx(0.53473116, abs=1e-7)
    assert mask_loss(logits, target).item() == pytest.approx(13.09147110, abs=1e-6)
    assert actual_iou(logits, target).item() == 0.25
    assert actual_iou(-torch.ones(1, 2, 2), torch.zeros(1, 2, 2)).item() == 0


def test_points_fall_where_the_answer_is_wrong() -> None:
    target = torch.zeros(3, 8, 8, dtype=torch.bool)
    target[:, 2:6, 2:6] = True
    logits = torch.where(target, 5.0, -5.0)
    logits[0, 2, 2] = -5  # missing
    logits[1, 7, 0] = 5  # too much; the third answer is right
    points, labels = error_points(logits, target, torch.Generator().manual_seed(0))
    assert points.shape == (3, 1, 2)
    assert points[0, 0].tolist() == [9.5, 9.5]  # the middle of cell (2, 2) with the half pixel
    assert points[1, 0].tolist() == [1.5, 29.5]
    assert labels[:, 0].tolist() == [1, 0, 0]
    column, row = ((points[2, 0] + 0.5) / 4).long().tolist()
    assert not target[2, row, column]


def test_a_right_answer_that_covers_all_still_gets_a_point() -> None:
    full = torch.ones(1, 4, 4, dtype=torch.bool)
    points, labels = error_points(torch.ones(1, 4, 4), full, torch.Generator().manual_seed(0))
    assert points.shape == (1, 1, 2)
    assert labels.tolist() == [[1]]


def test_crops_are_squares_around_the_mask_blanked_half_of_the_time() -> None:
    image = np.full((60, 90, 3), 200, np.uint8)
    mask = np.zeros((60, 90), bool)
    mask[20:40, 50:86] = True
    region = CompactMask.from_array(mask)
    blanked, widths = 0, []
    for seed in range(40):
        picture, inside = jittered_crop(image, region, np.random.default_rng(seed))
        assert picture.shape == (CROP_PX, CROP_PX, 3)
        assert (picture[inside] > 150).mean() > 0.94
        widths.append(np.flatnonzero(inside.any(axis=0)).size / CROP_PX)
        around = picture[np.flatnonzero(inside.any(axis=1))[0] - 4, CROP_PX // 2 - 20]
        blanked += int(around.max() < 50)
    assert 10 <= blanked <= 30
    assert 0.48 < min(widths) < 0.6
    assert 0.85 < max(widths) <= 1


def test_the_rate_warms_up_and_drops_twice() -> None:
    rates = [rate_factor(step, 90_000) for step in (0, 124, 249, 50_000, 60_001, 86_700)]
    assert rates == pytest.approx([1 / 250, 0.5, 1, 1, 0.1, 0.01])
    assert rate_factor(0, 1) == 1


def test_training_takes_the_same_steps_from_the_same_seed(small_model) -> None:
    pictures = [partial(read_scene, seed) for seed in range(2)]
    before = {name: one.clone() for name, one in small_model.backend.sam.state_dict().items()}
    runs = []
    for _ in range(2):
        small_model.backend.sam.load_state_dict(before)
        trainer = TokenTrainer(small_model, ColourClip(), pictures, SMALL)
        runs.append([trainer.step(), trainer.step()])
    assert runs[0] == pytest.approx(runs[1], rel=1e-5)
    changed = {
        name.split(".")[0]
        for name, one in small_model.backend.sam.state_dict().items()
        if not torch.equal(one, before[name])
    }
    assert changed == {"mask_decoder"}


def test_the_decoder_can_stay_as_it_is(small_model) -> None:
    before = {name: one.clone() for name, one in small_model.backend.sam.state_dict().items()}
    settings = TokenSettings(steps=1, pictures=1, masks=2, points=0, smallest_area=1, decoder=False)
    token = train_text_token(small_model, ColourClip(), [partial(read_scene, 0)], settings)
    after = small_model.backend.sam.state_dict()
    assert all(torch.equal(after[name], one) for name, one in before.items())
    assert token.dim == 3


def test_masks_that_are_too_small_are_said_to_be(small_model) -> None:
    trainer = TokenTrainer(small_model, ColourClip(), [partial(read_scene, 0)], TokenSettings())
    with pytest.raises(MaskError, match="10000 pixels"):
        trainer.step()


@pytest.mark.slow
def test_a_token_trained_on_regions_finds_what_phrases_name(
    small_model, one_thread, tmp_path: Path
) -> None:
    settings = TokenSettings(
        steps=260, pictures=4, masks=3, points=1, smallest_area=100, learning_rate=2e-3
    )
    pictures = [partial(read_scene, seed) for seed in range(64)]
    token = train_text_token(small_model, ColourClip(), pictures, settings)
    path = tmp_path / "token.safetensors"
    path.write_bytes(tensor_bytes(token.state_dict()))
    prompter = TokenPrompter.load(ClipScorer(ColourClip()), path)
    ious, chosen = [], []
    for seed in range(1000, 1012):
        image, masks = scene(seed)
        answers = small_model.segment(image, prompter.prompts([f"the {one}" for one in COLOURS]))
        for row, name in enumerate(COLOURS):
            found = answers.array[row]
            overlaps = {
                one: np.count_nonzero(found & mask) / np.count_nonzero(found | mask)
                for one, mask in masks.items()
            }
            ious.append(overlaps[name])
            chosen.append(max(overlaps, key=lambda one: overlaps[one]) == name)
    assert np.mean(chosen) > 0.9  # 0.33 by chance
    assert np.mean(ious) > 0.7


def test_a_token_stands_before_the_points(small_model) -> None:
    image, _ = scene(0)
    encoded = small_model.encode(image)
    token = np.linspace(-1, 1, 64)
    point = Prompt(points=[(64, 64)])
    alone, both, other = small_model.segment(
        encoded, [Prompt(token=token), point.with_token(token), Prompt(token=-token)]
    ).low_res_logits
    assert not np.allclose(alone, both)
    assert not np.allclose(alone, other)
    sam = small_model.backend.sam
    coords = torch.tensor([[[64.0, 64.0]]])
    with torch.inference_mode():
        sparse, dense = sam.prompt_encoder((coords, torch.tensor([[1]])), None, None)
        first = torch.tensor(token, dtype=torch.float32)[None, None]
        logits, _ = sam.mask_decoder(
            torch.tensor(encoded.embedding)[None],
            sam.prompt_encoder.get_dense_pe(),
            torch.cat([first, sparse], 1),
            dense,
            False,
        )
    np.testing.assert_allclose(both, logits[0, 0].numpy(), atol=1e-4)


def test_tokens_join_boxes_and_masks_and_prompts_without_one(small_model) -> None:
    image, masks = scene(0)
    token = np.ones(64)
    boxed = Prompt(box=(10, 10, 60, 60))
    prompts = [boxed, boxed.with_token(token), Prompt(mask=masks["red"], token=token)]
    answers = small_model.segment(image, prompts)
    assert answers.array.shape == (3, SIDE, SIDE)
    alone = small_model.segment(image, boxed)
    np.testing.assert_allclose(answers.low_res_logits[0], alone.low_res_logits[0], atol=1e-5)
    assert repr(prompts[1]) == "Prompt(box, token)"


@pytest.mark.parametrize(
    ("token", "told"),
    [([1.0] * 7, "token must be 64 numbers; got 7"), ([[1.0]], "shape"), ([np.nan], "finite")],
)
def test_tokens_that_are_none_are_refused(small_model, token, told: str) -> None:
    with pytest.raises(PromptError, match=told):
        small_model.segment(np.zeros((20, 20, 3), np.uint8), Prompt(token=token))


def test_another_engine_says_that_it_takes_no_tokens(small_model) -> None:
    small_model.backend.takes_tokens = False
    with pytest.raises(PromptError, match="engine='torch'"):
        small_model.segment(np.zeros((20, 20, 3), np.uint8), Prompt(token=np.ones(64)))


def test_a_phrase_gets_its_mask_only_where_the_mask_fits_it(small_model) -> None:
    image, _ = scene(0)
    prompter = TokenPrompter(ClipScorer(ColourClip()), TextToken(3, 64).eval())
    (red,) = prompter.segment(small_model, image, ["red"])
    assert red.phrase == "red"
    assert len(red.found) <= 1
    if red.found:
        assert red.presence >= ClipScorer.threshold


@pytest.mark.parametrize("content", [b"", b"not a file of tensors", None])
def test_a_file_without_a_token_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "token.safetensors"
    if content is None:
        content = tensor_bytes({"weight": torch.ones(2, 2)})
    path.write_bytes(content)
    with pytest.raises(WeightsError):
        read_text_token(path)


def test_a_token_of_another_clip_is_refused() -> None:
    with pytest.raises(WeightsError, match="768 numbers but this CLIP model gives 3"):
        TokenPrompter(ClipScorer(ColourClip()), TextToken(768))
