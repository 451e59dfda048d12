"""After a third click, another answer than the single mask has to be clearly more plausible."""

from __future__ import annotations

import numpy as np
import pytest

from anymask import Prompt
from anymask.inference.choice import by_correctness, by_predicted_iou
from anymask.inference.corrections import correctness
from anymask.inference.encoded import EncodedImage
from anymask.inference.segment import Model

SIDE = 32
MIDDLE = np.array([[16.0, 16.0]])


def disc(radius: float, x: float = 16) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    return (5 * (radius - np.hypot(columns - x, rows - 16))).astype(np.float32)


def chosen(logits: list[np.ndarray], iou: list[float], former: np.ndarray | None = None) -> int:
    before = disc(6) if former is None else former
    return int(correctness(np.stack(logits), np.array(iou), MIDDLE, before).argmax())


def test_of_equal_masks_the_single_one_is_taken() -> None:
    assert chosen([disc(6)] * 4, [0.6, 0.9, 0.8, 0.7]) == 0


def test_a_mask_of_far_higher_predicted_iou_is_taken() -> None:
    assert chosen([disc(6)] * 4, [0.4, 0.9, 0.8, 0.7]) == 1


def test_the_first_click_lies_in_the_middle_of_what_is_meant() -> None:
    aside = disc(6, 21)
    assert chosen([aside, disc(6), aside, aside], [0.9, 0.8, 0.9, 0.9]) == 1


def test_a_mask_that_spills_over_is_not_taken() -> None:
    wide = disc(15)
    assert chosen([wide, disc(6), wide, wide], [0.9, 0.8, 0.9, 0.9]) == 1
    assert chosen([wide, disc(6), wide, wide], [0.9, 0.8, 0.9, 0.9], former=wide) == 0


def test_without_a_foreground_click_depth_says_nothing() -> None:
    none = np.zeros((0, 2))
    scores = correctness(np.stack([disc(6), disc(6, 21)]), np.array([0.5, 0.8]), none, disc(6))
    assert scores[0] > scores[1]


@pytest.mark.weights
@pytest.mark.parametrize(
    ("points", "logits", "box", "chooses"),
    [(3, True, False, True), (3, False, False, False), (2, True, False, False),
     (4, True, False, False), (3, True, True, False)],
)  # fmt: skip
def test_only_the_third_correction_is_chosen_among_all_answers(
    default_model: Model,
    coffee: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    points: int,
    logits: bool,
    box: bool,
    chooses: bool,
) -> None:
    asked = []

    def seen(way):
        return lambda *given: asked.append(way) or way(*given)

    for way in (by_correctness, by_predicted_iou):
        monkeypatch.setattr(f"anymask.inference.choice.{way.__name__}", seen(way))
    encoded = default_model.encode(coffee)
    former = default_model.segment(encoded, Prompt(points=[(300, 190)])).low_res_logits[0]
    asked.clear()
    prompt = Prompt(
        points=[(300, 190), (250, 140), (360, 200), (320, 240)][:points],
        mask_logits=former if logits else None,
        box=(150, 80, 450, 340) if box else None,
    )
    masks = default_model.segment(encoded, prompt)
    assert len(masks.candidate_iou) == 1
    assert asked == [by_correctness if chooses else by_predicted_iou]


@pytest.mark.weights
def test_three_clicks_on_pictures_with_padding_choose_by_what_is_seen(
    default_model: Model, coffee: np.ndarray
) -> None:
    encoded: EncodedImage = default_model.encode(coffee[:150])
    former = default_model.segment(encoded, Prompt(points=[(300, 100)])).low_res_logits[0]
    prompt = Prompt(points=[(300, 100), (250, 120), (10, 10)], labels=[1, 1, 0], mask_logits=former)
    together = default_model.segment(encoded, [prompt, Prompt(points=[(300, 100)]), prompt])
    alone = default_model.segment(encoded, prompt)
    for row in (0, 2):
        np.testing.assert_allclose(together[row].low_res_logits, alone.low_res_logits, atol=1e-4)
