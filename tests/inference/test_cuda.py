"""The network on an NVIDIA GPU gives the masks of the CPU; skipped where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import anymask
from anymask.geometry.regions import mask_iou
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.segment import Model
from anymask.inference.torch_backend import TorchBackend
from anymask.types.prompt import Prompt
from models import tiny_sam

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

CLICKS = [Prompt(points=[(40 + 55 * x, 40 + 55 * y)]) for y in range(8) for x in range(8)]


def on_gpu(precision: str = "fp32") -> Model:
    return anymask.load_model(
        "vit_t", engine="torch", device="cuda", precision=precision, offline=True
    )


@pytest.mark.weights
@pytest.mark.parametrize(
    ("precision", "mean", "least"), [("fp32", 0.999, 0.99), ("bf16", 0.99, 0.9)]
)
def test_clicks_on_a_gpu_give_the_masks_of_the_cpu(
    default_model, astronaut, precision, mean, least
) -> None:
    ours = on_gpu(precision).segment(astronaut, CLICKS).array
    theirs = default_model.segment(astronaut, CLICKS).array
    ious = [mask_iou(a, b) for a, b in zip(ours, theirs, strict=True)]
    assert np.mean(ious) >= mean
    assert min(ious) >= least


@pytest.mark.weights
def test_everything_on_a_gpu_gives_the_records_of_the_cpu(default_model, astronaut) -> None:
    settings = EverythingSettings(points_per_side=8)
    ours = anymask.everything(on_gpu(), astronaut, settings)
    theirs = anymask.everything(default_model, astronaut, settings)
    assert len(ours) == len(theirs)
    for record in ours:
        assert max(mask_iou(record.array, other.array) for other in theirs) >= 0.99


def test_a_plain_transformer_on_a_gpu_gives_the_embedding_of_the_cpu() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (128, 96, 3), np.uint8)
    ours, theirs = (TorchBackend(tiny_sam(), device).encode(pixels) for device in ("cuda", "cpu"))
    # convolutions on a GPU multiply with 10 bits of mantissa unless the process says otherwise
    assert np.abs(ours - theirs).max() <= 2e-2 * np.abs(theirs).max()
