"""Dtypes and devices: no double precision anywhere, tensors where the network is, half works."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from anymask.compat import ResizeLongestSide, SamPredictor
from anymask.inference.segment import Model
from anymask.inference.torch_backend import TorchBackend
from anymask.nn.model import Sam
from anymask.types.prompt import Prompt
from models import synthetic_image, tiny_model, tiny_sam

BOX = (10, 20, 90, 70)
NETWORK_AND_AUTOCAST = [
    (torch.float32, None),
    (torch.bfloat16, None),
    (torch.float16, None),
    (torch.float32, torch.bfloat16),
    (torch.float32, torch.float16),
    (torch.bfloat16, torch.bfloat16),
    (torch.float16, torch.float16),
]
precisions = pytest.mark.parametrize(("dtype", "autocast"), NETWORK_AND_AUTOCAST, ids=str)


class Spy(TorchDispatchMode):
    """Notes the dtype and device of every tensor that an operation takes or makes."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: set[torch.dtype] = set()
        self.devices: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            if isinstance(leaf, torch.Tensor):
                self.dtypes.add(leaf.dtype)
                self.devices.add(leaf.device.type)
        return result


@pytest.fixture(scope="module")
def image(coffee: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(coffee[::4, ::4])  # (100, 150, 3)


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


def under(autocast: torch.dtype | None) -> AbstractContextManager:
    return torch.autocast("cpu", autocast) if autocast else nullcontext()


def prompts() -> list[Prompt]:
    mask = np.zeros((100, 150), bool)
    mask[20:60, 30:90] = True
    return [
        Prompt(points=np.array([[60.0, 45.0]])),
        Prompt(points=[(60, 45), (80, 50)], labels=np.array([1.0, 0.0]), box=np.array(BOX, float)),
        Prompt(mask=mask.astype(float)),
    ]


def use_model(model: Model, image: np.ndarray) -> None:
    masks = model.segment([image, image[:90]], [prompts(), prompts()[:2]], multimask=True)
    assert masks[0].array.any()


def use_predictor(model: Model, image: np.ndarray) -> None:
    predictor = SamPredictor(model)
    predictor.set_image(image)
    predictor.get_image_embedding()
    point = np.array([[60.0, 45.0]]), np.array([1.0])
    predictor.predict(*point, np.array(BOX, float), np.zeros((1, 32, 32), np.float64))
    transform, size = predictor.transform, image.shape[:2]
    coords = torch.as_tensor(transform.apply_coords(point[0], size), device=predictor.device)
    boxes = transform.apply_boxes_torch(torch.tensor([BOX]), size)
    predictor.predict_torch(coords[None], torch.ones(1, 1), boxes)
    pixels = torch.tensor(image).permute(2, 0, 1)[None]
    predictor.set_torch_image(transform.apply_image_torch(pixels), size)


def use_published_batch(model: Model, image: np.ndarray) -> None:
    sam = model.backend.sam
    sam(
        [
            {
                "image": synthetic_image(96, 128),
                "original_size": (144, 192),
                "boxes": torch.tensor([BOX]),
            }
        ],
        multimask_output=True,
    )


@pytest.mark.parametrize("use", [use_model, use_predictor, use_published_batch])
def test_no_double_precision_tensor_is_ever_made(model, image, use) -> None:
    with Spy() as spy:
        use(model, image)
    assert torch.float32 in spy.dtypes
    assert torch.float64 not in spy.dtypes


def test_coordinates_leave_the_transform_in_single_precision() -> None:
    transform = ResizeLongestSide(1024)
    assert transform.apply_coords(np.array([[1.5, 2.5]]), (10, 20)).dtype == np.float32
    assert transform.apply_boxes(np.array([BOX], float), (10, 20)).dtype == np.float32


def published_call(sam: Sam, device: str) -> list[dict[str, torch.Tensor]]:
    record = {
        "image": torch.zeros(3, 96, 128, device=device),
        "original_size": (144, 192),
        "point_coords": torch.zeros(2, 3, 2, device=device),
        "point_labels": torch.ones(2, 3, device=device),
        "boxes": torch.ones(2, 4, device=device),
        "mask_inputs": torch.zeros(2, 1, 32, 32, device=device),
    }
    points_only = {name: record[name] for name in list(record)[:4]}
    return sam([record, points_only], multimask_output=True)


def test_the_network_makes_its_tensors_on_its_own_device(monkeypatch) -> None:
    # meta stands for any device that is not the CPU; torch knows no autocast for it
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    sam = tiny_sam().to("meta")
    with Spy() as spy:
        outputs = published_call(sam, "meta")
    assert spy.devices == {"meta"}
    assert {value.device.type for output in outputs for value in output.values()} == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("use", [use_model, use_predictor])
def test_everything_runs_on_cuda_and_equals_the_cpu(model, image, use) -> None:
    on_cuda = Model(TorchBackend(tiny_sam(), "cuda:0"), model_id="", architecture="")
    use(on_cuda, image)
    difference = on_cuda.segment(image, prompts()).array ^ model.segment(image, prompts()).array
    assert difference.mean() < 1e-3


@pytest.mark.parametrize("count", [1, 2], ids=["one image", "two images"])
@precisions
def test_every_precision_gives_nearly_the_same_masks(model, image, dtype, autocast, count) -> None:
    images = [image, np.ascontiguousarray(image[::-1])][:count]
    expected = model.segment(images, [prompts()] * count, multimask=False)
    reduced = Model(TorchBackend(tiny_sam().to(dtype)), model_id="", architecture="")
    with under(autocast):
        results = reduced.segment(images, [prompts()] * count, multimask=False)
    for result, full in zip(results, expected, strict=True):
        assert (result.array == full.array).mean() >= 0.99


def test_an_image_encoded_once_is_prompted_inside_and_outside_of_autocast(model, image) -> None:
    encoded = model.encode(image)
    plain = model.segment(encoded, prompts()).array
    with under(torch.bfloat16):
        assert (model.segment(encoded, prompts()).array == plain).mean() >= 0.99
    assert np.array_equal(model.segment(encoded, prompts()).array, plain)


@precisions
def test_the_predictor_returns_float32_whatever_the_network_has(image, dtype, autocast) -> None:
    predictor = SamPredictor(tiny_sam().to(dtype))
    with under(autocast):
        predictor.set_image(image)
        masks, scores, logits = predictor.predict(np.array([[60, 45]]), np.array([1]))
        batch = predictor.predict_torch(torch.ones(2, 1, 2), torch.ones(2, 1), return_logits=True)
    assert (masks.dtype, scores.dtype, logits.dtype) == (bool, np.float32, np.float32)
    assert {part.dtype for part in batch} == {torch.float32}
    assert predictor.features.dtype == torch.float32


@precisions
def test_the_published_batch_call_runs_in_every_precision(dtype, autocast) -> None:
    sam = tiny_sam().to(dtype)
    with under(autocast):
        outputs = published_call(sam, "cpu")
    assert outputs[0]["masks"].shape == (2, 3, 144, 192)


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "autocast"), NETWORK_AND_AUTOCAST[1:4], ids=str)
def test_half_precision_hardly_changes_the_default_models_masks(
    default_model, astronaut, dtype, autocast
) -> None:
    asked = [Prompt(points=[(220, 110)]), Prompt(box=(130, 0, 330, 300))]
    expected = default_model.segment(astronaut, asked, multimask=False).array
    network = deepcopy(default_model.backend.sam).to(dtype)
    reduced = Model(TorchBackend(network), model_id="", architecture="")
    with under(autocast):
        masks = reduced.segment(astronaut, asked, multimask=False).array
    assert (masks == expected).mean(axis=(1, 2)).min() >= 0.99
