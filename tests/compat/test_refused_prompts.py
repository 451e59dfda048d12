"""What the predictor refuses, each in one line that names the argument."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anymask.compat import SamPredictor
from anymask.errors import ImageError, PromptError, PromptTypeError
from models import tiny_sam

POINT = [[60, 45]]
BOX = [20, 30, 110, 80]


@pytest.fixture(scope="module")
def predictor() -> SamPredictor:
    predictor = SamPredictor(tiny_sam())
    predictor.set_image(np.zeros((100, 150, 3), np.uint8))
    return predictor


def refusal(call, *arguments, kind: type[Exception] = PromptError, **options) -> str:
    with pytest.raises(kind) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert type(caught.value) is kind
    return message


def test_text_is_refused_as_points(predictor) -> None:
    message = refusal(predictor.predict, "brain tumor", kind=PromptTypeError)
    assert message.startswith("point_coords: points must be an array of shape (N, 2)")
    assert "got str 'brain tumor'" in message
    message = refusal(predictor.predict, "./demo_mask", kind=PromptTypeError)
    assert "got str './demo_mask'" in message
    message = refusal(predictor.predict_torch, "brain", None, kind=PromptTypeError)
    assert "shape (B, N, 2)" in message


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"point_coords": [[1, 2], [3]], "point_labels": [1, 1]}, "point_coords"),
        ({"point_coords": [[1, None]], "point_labels": [1]}, "point_coords"),
        ({"point_coords": POINT, "point_labels": ["fg"]}, "point_labels"),
        ({"box": "20 30 110 80"}, "box"),
        ({"mask_input": "mask.png"}, "mask_input"),
    ],
)
def test_what_is_not_made_of_numbers_is_refused_by_name(predictor, options, told) -> None:
    assert told in refusal(predictor.predict, **options, kind=PromptTypeError)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "no prompt was given"),
        ({"point_coords": np.zeros((0, 2)), "point_labels": []}, "no prompt was given"),
        ({"point_coords": POINT}, "point_labels is missing"),
        ({"point_labels": [1]}, "point_labels was given without point_coords"),
        ({"point_coords": POINT, "point_labels": [1, 0]}, "point_labels has shape (2,)"),
        ({"point_coords": [[1, 2, 3]], "point_labels": [1]}, "got shape (1, 3)"),
        ({"point_coords": [POINT], "point_labels": [[1]]}, "use predict_torch"),
        ({"point_coords": [[np.nan, 3]], "point_labels": [1]}, "point_coords: points must be fin"),
        ({"point_coords": POINT, "point_labels": [2]}, "point_labels 2 and 3 mean the corners"),
        ({"point_coords": POINT, "point_labels": [0.5]}, "got [0.5]"),
        ({"point_coords": [[60, 4500]], "point_labels": [1]}, "(60, 4500), far outside"),
        ({"box": [[20, 30], [110, 80]]}, "box must be x0, y0, x1, y1; got shape (2, 2)"),
        ({"box": [BOX, BOX]}, "for several boxes use predict_torch"),
        ({"box": [110, 30, 20, 80]}, "box must have x0 <= x1 and y0 <= y1"),
        ({"box": [1, 2, np.inf, 4]}, "box must be finite numbers"),
        ({"box": []}, "box must be x0, y0, x1, y1; got shape (0,)"),
        ({"box": [-900, -900, 900, 900]}, "box has (-900, -900), far outside of 150 x 100"),
        ({"mask_input": np.zeros((3, 32, 32))}, "choose one candidate"),
        ({"mask_input": np.zeros((1, 50, 75))}, "got shape (1, 50, 75)"),
        ({"mask_input": np.zeros(32)}, "got shape (32,)"),
        ({"mask_input": np.full((1, 32, 32), np.nan)}, "mask_input must be finite"),
        ({"mask_input": np.full((100, 150), -3.0)}, "feed back the low-res logits"),
    ],
)
def test_a_wrong_prompt_is_refused_by_name(predictor, options, told) -> None:
    assert told in refusal(predictor.predict, **options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "no prompt was given"),
        ({"point_coords": torch.zeros(5, 1, 2), "point_labels": torch.ones(5)}, "shape (5, 1)"),
        ({"point_coords": torch.zeros(1, 1, 1, 2), "point_labels": torch.ones(1, 1, 1)}, "got sh"),
        ({"point_coords": torch.zeros(1, 1, 2), "point_labels": torch.tensor([[3]])}, "corners"),
        ({"boxes": torch.tensor([[1, 2], [30, 40]])}, "shape (4,) or (B, 4); got shape (2, 2)"),
        ({"boxes": torch.tensor([[30, 40, 1, 2]])}, "boxes must have x0 <= x1"),
        (
            {
                "point_coords": torch.zeros(2, 1, 2),
                "point_labels": torch.ones(2, 1),
                "boxes": torch.tensor([BOX] * 3),
            },
            "got 2 rows of point_coords, 3 rows of boxes",
        ),
        (
            {"boxes": torch.tensor([BOX] * 3), "mask_input": torch.zeros(2, 1, 32, 32)},
            "got 3 rows of boxes, 2 rows of mask_input",
        ),
    ],
)
def test_a_wrong_batch_is_refused_by_name(predictor, options, told) -> None:
    arguments = {"point_coords": None, "point_labels": None} | options
    assert told in refusal(predictor.predict_torch, **arguments)


def test_a_model_that_is_none_is_refused() -> None:
    message = refusal(SamPredictor, "vit_t", kind=PromptTypeError)
    assert "model must be a network of sam_model_registry" in message
    assert "got str 'vit_t'" in message


def test_wrong_images_are_refused_by_name(predictor) -> None:
    fresh = SamPredictor(predictor.model)
    picture = np.zeros((20, 30, 3), np.uint8)
    message = refusal(fresh.set_image, picture, "GRB", kind=ImageError)
    assert message == 'image_format must be "RGB" or "BGR"; got \'GRB\''
    assert "one picture" in refusal(fresh.set_image, [picture, picture], kind=ImageError)
    for shape in [(1, 3, 64, 100), (3, 64, 128), (2, 3, 64, 128), (1, 64, 128, 3), (1, 3, 64, 256)]:
        message = refusal(fresh.set_torch_image, torch.zeros(shape), (64, 128), kind=ImageError)
        assert f"got shape {shape}" in message
