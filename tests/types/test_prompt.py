"""Prompts: what is accepted in which form, and what is refused with which words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anymask.errors import AnymaskError, PromptError, PromptTypeError
from anymask.types.prompt import Prompt

BOX = (10, 20, 90, 70)


@pytest.mark.parametrize(
    "box",
    [
        BOX,
        list(BOX),
        np.array(BOX),
        np.array(BOX, np.float32),
        [np.int64(v) for v in BOX],
        torch.tensor(BOX),
        torch.tensor(BOX, dtype=torch.float32),
        [list(BOX)],
        np.array([BOX]),
    ],
)
def test_one_box_in_any_container_is_the_same_box(box) -> None:
    assert Prompt(box=box).box_xyxy.tolist() == list(BOX)


@pytest.mark.parametrize("convert", [list, np.array, torch.tensor, np.float32, tuple])
def test_two_boxes_in_any_container_are_two_prompts(convert) -> None:
    prompts = Prompt.batch(boxes=convert([BOX, BOX]))
    assert [p.box_xyxy.tolist() for p in prompts] == [list(BOX), list(BOX)]


@pytest.mark.parametrize("points", [(3, 4), [(3, 4)], np.array([[3, 4]]), torch.tensor([[3, 4]])])
def test_one_point_in_any_container_is_the_same_point(points) -> None:
    prompt = Prompt(points=points)
    assert prompt.points_xy.tolist() == [[3, 4]]
    assert prompt.labels.tolist() == [1]
    assert prompt.is_single_point


def test_several_points_with_labels_are_one_object() -> None:
    prompt = Prompt(points=[[150, 150], [100, 100]], labels=[1, 0])
    assert len(prompt.points_xy) == 2
    assert prompt.labels.tolist() == [1, 0]
    assert not prompt.is_single_point


def test_an_empty_list_of_points_is_no_points() -> None:
    prompt = Prompt(points=np.zeros((0, 2)), labels=[], box=BOX)
    assert prompt.points_xy.shape == (0, 2)


def test_points_and_arrays_of_a_prompt_cannot_be_changed() -> None:
    given = np.array([[3.0, 4.0]])
    prompt = Prompt(points=given)
    given[0, 0] = 99
    assert prompt.points_xy[0, 0] == 3
    with pytest.raises(ValueError, match="read-only"):
        prompt.points_xy[0, 0] = 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "prompt is empty; give points, a box, a mask"),
        ({"points": []}, "prompt is empty"),
        ({"labels": [1]}, "labels were given without points"),
        ({"points": [[1, 2]], "labels": [1, 1, 0]}, "labels has 3 entries but points has 1"),
        ({"points": [[1, 2]], "labels": [[1]]}, r"labels must have shape \(N,\); got shape \(1, 1"),
        ({"points": [[1, 2]], "labels": [2]}, r"1 \(foreground\) or 0 \(background\); got \[2"),
        ({"points": [[1, 2]], "labels": [-1]}, r"1 \(foreground\) or 0 \(background\)"),
        ({"points": [[1, 2, 3]]}, r"points must be .*\(N, 2\).*got shape \(1, 3\)"),
        ({"points": np.zeros((2, 5, 2))}, r"got shape \(2, 5, 2\); for several prompts"),
        ({"points": [1, 2, 3]}, r"got shape \(3,\)"),
        ({"points": 5}, r"got shape \(\)"),
        ({"points": [[np.nan, 2]]}, "points must be finite"),
        ({"box": [0, 0, np.inf, 5]}, "box must be finite"),
        ({"box": [9, 0, 5, 5]}, r"x0 <= x1 and y0 <= y1.*got \[9.0, 0.0, 5.0, 5.0\]"),
        ({"box": [0, 9, 5, 5]}, "x0 <= x1 and y0 <= y1"),
        ({"box": [[0, 0], [5, 5]]}, r"box must be four numbers.*got shape \(2, 2\)"),
        ({"box": np.zeros((3, 4))}, r"got shape \(3, 4\); one prompt holds one box"),
        ({"box": [1, 2, 3]}, r"got shape \(3,\)"),
        ({"mask": np.zeros((5, 5))}, "mask covers no pixel"),
        ({"mask": np.full((5, 5), np.nan)}, "mask must be finite"),
        ({"mask": np.full((5, 5), -3.0)}, "give logits of a former result as mask_logits"),
        ({"mask": np.full((5, 5), 7.5)}, "mask must be bool"),
        ({"mask": np.zeros(5)}, r"mask must have shape \(H, W\); got shape \(5,\)"),
        ({"mask": np.zeros((0, 5))}, r"mask must have shape"),
        ({"mask_logits": np.zeros((4, 5))}, r"square low-res logits.*got shape \(4, 5\)"),
        ({"mask_logits": np.full((4, 4), np.inf)}, "mask_logits must be finite"),
        ({"mask": np.ones((4, 4)), "mask_logits": np.ones((4, 4))}, "both given"),
    ],
)
def test_bad_values_are_refused_in_one_line(arguments, message) -> None:
    with pytest.raises(PromptError, match=message) as caught:
        Prompt(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": "brain tumor"}, r"points must be .*shape \(N, 2\).*got text 'brain tumor'"),
        ({"points": b"x"}, "points must be"),
        ({"points": [["a", "b"]]}, "points must be .*got list"),
        ({"points": object()}, "points must be .*got object"),
        ({"points": [[1, 2], [3]]}, "points must be .*got list"),
        ({"points": [(1, 2)], "labels": "fg"}, "labels must be .*got text 'fg'"),
        ({"box": "10,20,90,70"}, "box must be four numbers.*got text"),
        ({"mask": "./demo_mask"}, "mask must be .*got text './demo_mask'"),
        ({"mask": [["a"]]}, "mask must be bool or numbers"),
        ({"mask_logits": "x"}, "mask_logits must be"),
        ({"mask_logits": [["a"]]}, "mask_logits must be numbers"),
    ],
)
def test_things_that_are_no_numbers_are_refused_as_a_type_error(arguments, message) -> None:
    with pytest.raises(PromptTypeError, match=message) as caught:
        Prompt(**arguments)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, AnymaskError)
    assert "\n" not in str(caught.value)


def test_prompts_take_only_named_arguments() -> None:
    with pytest.raises(TypeError, match="positional"):
        Prompt("brain tumor")


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, np.float64])
def test_a_mask_of_zeros_and_ones_of_any_dtype_is_the_same_mask(dtype) -> None:
    disc = np.hypot(*np.mgrid[-8:9, -10:11]) < 6
    mask = Prompt(mask=disc.astype(dtype)).mask
    assert mask.dtype == np.float32
    assert np.array_equal(mask, disc.astype(np.float32))


def test_a_mask_of_0_and_255_is_the_same_mask() -> None:
    disc = np.hypot(*np.mgrid[-8:9, -10:11]) < 6
    for full, dtype in ((255, np.uint8), (65535, np.uint16)):
        assert np.array_equal(Prompt(mask=disc.astype(dtype) * dtype(full)).mask, disc)


@pytest.mark.parametrize("shape", [(1, 17, 21), (17, 21, 1)])
def test_a_mask_with_a_single_channel_is_taken(shape) -> None:
    assert Prompt(mask=np.ones(shape, bool)).mask.shape == (17, 21)


def test_a_binary_mask_as_logits_becomes_signed() -> None:
    square = np.zeros((8, 8), np.uint8)
    square[2:5, 2:5] = 1
    for given in (square, square.astype(bool), square * 255, square.astype(float)):
        logits = Prompt(mask_logits=given).mask_logits
        assert (logits[square > 0] > 0).all()
        assert (logits[square == 0] < 0).all()


def test_real_logits_pass_unchanged() -> None:
    logits = np.random.default_rng(0).normal(size=(1, 8, 8)).astype(np.float32)
    assert np.array_equal(Prompt(mask_logits=logits).mask_logits, logits[0])


def test_points_without_a_prompt_axis_are_one_prompt() -> None:
    points, labels = np.arange(10.0).reshape(5, 2), np.ones(5)
    (one,) = Prompt.batch(points=points, labels=labels)
    (same,) = Prompt.batch(points=points[None], labels=labels[None])
    assert np.array_equal(one.points_xy, same.points_xy)
    assert len(Prompt.batch(points=points[:, None], labels=labels[:, None])) == 5


def test_boxes_with_zero_one_and_four_points_are_three_prompts() -> None:
    points = [[], [[1, 2]], [[1, 2], [3, 4], [5, 6], [7, 8]]]
    labels = [[], [0], [1, 1, 0, 0]]
    prompts = Prompt.batch(boxes=[BOX] * 3, points=points, labels=labels)
    assert [len(p.points_xy) for p in prompts] == [0, 1, 4]
    assert prompts[2].labels.tolist() == [1, 1, 0, 0]


def test_points_that_are_not_grouped_by_box_are_refused_with_both_counts() -> None:
    with pytest.raises(PromptError, match="1 of points, 3 of boxes"):
        Prompt.batch(points=[[1, 2], [3, 4]], boxes=[BOX] * 3)


def test_a_batch_of_masks_is_one_prompt_a_mask() -> None:
    assert len(Prompt.batch(masks=np.ones((3, 5, 6), bool))) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "no prompt was given"),
        ({"boxes": np.zeros((2, 2))}, r"boxes must be .*got shape \(2, 2\)"),
        ({"boxes": "x"}, "boxes must be"),
        ({"points": "x"}, "points must be"),
    ],
)
def test_bad_batches_are_refused(arguments, message) -> None:
    with pytest.raises((PromptError, PromptTypeError), match=message):
        Prompt.batch(**arguments)


def test_a_prompt_says_what_it_holds() -> None:
    prompt = Prompt(points=[(1, 2), (3, 4)], labels=[1, 0], box=BOX)
    assert repr(prompt) == "Prompt(1 foreground, 1 background, box)"
    assert repr(Prompt(mask=np.ones((3, 3)))) == "Prompt(mask)"
    assert repr(Prompt(mask_logits=np.full((3, 3), 2.0))) == "Prompt(mask logits)"
