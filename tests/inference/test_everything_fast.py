"""What the fast preset and bfloat16 lose, against records of the published code."""

from __future__ import annotations

import json

import numpy as np
import pytest

from anymask.formats.sa1b import record_from
from anymask.inference.everything.generate import everything
from anymask.inference.everything.presets import preset
from anymask.inference.load import load_model
from anymask.inference.segment import Model
from anymask.nn.fast.processor import native_bf16
from anymask.types.progress import Progress
from anymask.types.records import MaskRecord
from conftest import REPOSITORY


def published() -> list[np.ndarray]:
    """The masks that the published code finds on the astronaut."""
    stored = REPOSITORY / "tests" / "golden" / "everything_astronaut.json"
    records = json.loads(stored.read_text(encoding="utf-8"))["records"]
    return [record_from(record).array for record in records]


def best_overlaps(expected: list[np.ndarray], found: list[MaskRecord]) -> np.ndarray:
    """IoU of each expected mask with the found mask most like it."""
    masks = [record.array for record in found]
    return np.array([max((a & b).sum() / (a | b).sum() for b in masks) for a in expected])


@pytest.mark.weights
@pytest.mark.slow
def test_the_fast_preset_finds_nine_of_ten_masks_with_a_quarter_of_the_points(
    astronaut: np.ndarray, default_model: Model
) -> None:
    reports: list[Progress] = []
    found = everything(default_model, astronaut, preset("fast"), progress=reports.append)
    assert reports[-1].total is not None
    assert reports[-1].total <= 256
    assert np.mean(best_overlaps(published(), found) >= 0.9) >= 0.9


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.skipif(not native_bf16(), reason="needs a processor that computes bfloat16")
def test_bf16_loses_no_mask(astronaut: np.ndarray) -> None:
    model = load_model("vit_t", engine="torch", device="cpu", precision="bf16", offline=True)
    assert best_overlaps(published(), everything(model, astronaut)).min() >= 0.95
