"""What the fast preset loses, against records of the published code."""

from __future__ import annotations

import json

import numpy as np
import pytest

from anymask.formats.sa1b import record_from
from anymask.inference.everything.generate import everything
from anymask.inference.everything.presets import preset
from anymask.inference.segment import Model
from anymask.types.progress import Progress
from conftest import REPOSITORY


@pytest.mark.weights
@pytest.mark.slow
def test_the_fast_preset_finds_nine_of_ten_masks_with_a_quarter_of_the_points(
    astronaut: np.ndarray, default_model: Model
) -> None:
    stored = REPOSITORY / "tests" / "golden" / "everything_astronaut.json"
    records = json.loads(stored.read_text(encoding="utf-8"))["records"]
    expected = [record_from(record).array for record in records]
    reports: list[Progress] = []
    found = everything(default_model, astronaut, preset("fast"), progress=reports.append)
    assert reports[-1].total is not None
    assert reports[-1].total <= 256
    masks = [record.array for record in found]
    best = [max((a & b).sum() / (a | b).sum() for b in masks) for a in expected]
    assert np.mean(np.array(best) >= 0.9) >= 0.9
