"""One rule chooses, whatever engine decodes; the published rule stays to be had."""

from __future__ import annotations

import numpy as np
import pytest

from anymask import Prompt, load_model
from anymask.errors import PromptError
from anymask.inference.encoded import EncodedImage
from anymask.inference.segment import Model
from models import tiny_model

CUP = (300, 190)
CLICKS = Prompt(points=[(300, 190), (250, 140)], labels=[1, 1])
BOX = Prompt(box=(150, 80, 450, 340))


@pytest.fixture(scope="module")
def encoded(default_model: Model, coffee: np.ndarray) -> EncodedImage:
    return default_model.encode(coffee)


@pytest.mark.weights
def test_candidates_stay_the_same_three_in_another_order(
    default_model: Model, encoded: EncodedImage
) -> None:
    ours = default_model.segment(encoded, Prompt(points=[CUP]))
    published = default_model.segment(encoded, Prompt(points=[CUP]), rank="predicted_iou")
    np.testing.assert_allclose(np.sort(ours.candidate_iou), np.sort(published.candidate_iou))
    assert published.candidate_iou[0] == published.candidate_iou.max()


@pytest.mark.weights
def test_the_published_rule_gives_the_decoders_own_answers(
    default_model: Model, encoded: EncodedImage
) -> None:
    again = default_model.segment(encoded, [CLICKS, BOX], rank="predicted_iou")
    single = default_model.segment(encoded, [CLICKS, BOX], multimask=False, rank="predicted_iou")
    np.testing.assert_array_equal(again.low_res_logits, single.low_res_logits)


@pytest.mark.weights
def test_a_box_gets_one_mask_inside_of_it(default_model: Model, encoded: EncodedImage) -> None:
    masks = default_model.segment(encoded, BOX)
    x0, y0, x1, y1 = masks.boxes_xyxy[0]
    assert len(masks.candidate_iou) == 1
    assert x0 >= 150 - 20
    assert y0 >= 80 - 20
    assert x1 <= 450 + 20
    assert y1 <= 340 + 20


@pytest.mark.weights
def test_prompts_of_all_kinds_together_get_what_each_gets_alone(
    default_model: Model,
    encoded: EncodedImage,
) -> None:
    prompts = [BOX, Prompt(points=[CUP]), CLICKS, Prompt(box=(0, 0, 90, 90)), CLICKS]
    together = default_model.segment(encoded, prompts)
    for row, prompt in enumerate(prompts):
        alone = default_model.segment(encoded, prompt)
        np.testing.assert_allclose(together[row].low_res_logits, alone.low_res_logits, atol=1e-4)


@pytest.mark.weights
def test_engines_choose_the_same(coffee: np.ndarray) -> None:
    prompts = [BOX, Prompt(points=[CUP]), CLICKS]
    torch, onnx = (
        load_model("vit_t", engine=engine, device="cpu", offline=True).segment(coffee, prompts)
        for engine in ("torch", "onnx")
    )
    assert (torch.array != onnx.array).mean() < 1e-4
    np.testing.assert_allclose(torch.candidate_iou, onnx.candidate_iou, atol=1e-3)


def test_a_rank_that_is_none_is_refused() -> None:
    with pytest.raises(PromptError, match="plausibility"):
        tiny_model().segment(np.zeros((400, 600, 3), np.uint8), BOX, rank="best")  # type: ignore[call-overload]
