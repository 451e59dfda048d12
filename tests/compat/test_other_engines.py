"""The predictor over an engine that shows no network, with PyTorch installed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anymask.compat import SamPredictor
from anymask.inference.segment import Model
from models import tiny_model

POINT = [[60, 45]]


class Veiled:
    """The PyTorch engine without its network, as an engine of another library looks."""

    def __init__(self, model: Model) -> None:
        self._inner = model.backend
        self.name, self.device, self.canvas_px = "veiled", "cpu", self._inner.canvas_px
        self.encode, self.decode = self._inner.encode, self._inner.decode


@pytest.fixture(scope="module")
def pair(coffee: np.ndarray) -> tuple[SamPredictor, SamPredictor]:
    """The same weights over the plain and over the veiled engine, both with an image."""
    model = tiny_model()
    veiled = Model(Veiled(model), model_id=model.model_id, architecture="tiny")
    predictors = SamPredictor(model), SamPredictor(veiled)
    for predictor in predictors:
        predictor.set_image(coffee[::4, ::4])
    return predictors


def test_the_model_itself_is_shown(pair) -> None:
    _, veiled = pair
    assert isinstance(veiled.model, Model)
    assert veiled.device == torch.device("cpu")
    assert isinstance(veiled.get_image_embedding(), torch.Tensor)


def test_single_prompts_give_the_same(pair) -> None:
    plain, veiled = (predictor.predict(POINT, [1]) for predictor in pair)
    for one, other in zip(plain, veiled, strict=True):
        assert np.array_equal(one, other)


def test_batches_give_the_same(pair) -> None:
    boxes = torch.tensor([[10.0, 20, 90, 70], [5, 5, 60, 60]])
    plain, veiled = (p.predict_torch(None, None, boxes, return_logits=True) for p in pair)
    for one, other in zip(plain, veiled, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def test_a_resized_tensor_may_be_set(pair, coffee) -> None:
    plain, veiled = pair
    tensor = torch.as_tensor(plain.transform.apply_image(coffee[::4, ::4])).permute(2, 0, 1)[None]
    expected = veiled.features.copy()
    veiled.set_torch_image(tensor, (100, 150))
    np.testing.assert_allclose(veiled.features, expected, atol=1e-5)
