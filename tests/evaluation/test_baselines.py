from __future__ import annotations

import numpy as np
import pytest

from anymask.evaluation.baselines import BASELINES, available
from anymask.evaluation.overlap import mask_iou

TRUTH = np.zeros((60, 80), np.bool_)
TRUTH[20:40, 30:50] = True
RGB = np.where(TRUTH[..., None], (220, 40, 40), (30, 60, 90)).astype(np.uint8)
BOX = np.array([30.0, 20.0, 49.0, 39.0])


@pytest.mark.parametrize(("name", "least"), [("flood", 1.0), ("walker", 0.8), ("circle", 0.75)])
def test_a_square_of_another_colour_is_found_from_its_middle(name: str, least: float) -> None:
    mask = BASELINES[name](RGB)((40, 30), BOX, int(TRUTH.sum()))
    assert mask.dtype == np.bool_
    assert mask_iou(mask, TRUTH) >= least


def test_grabcut_finds_it_from_a_box_around_it() -> None:
    pytest.importorskip("cv2")
    noise = np.random.default_rng(0).integers(0, 20, RGB.shape)
    rgb = (RGB + noise).astype(np.uint8)
    mask = BASELINES["grabcut"](rgb)((40, 30), BOX + np.array([-6, -6, 6, 6]), 0)
    assert mask_iou(mask, TRUTH) > 0.9


def test_the_circle_has_the_true_area() -> None:
    mask = BASELINES["circle"](RGB)((40, 30), BOX, int(TRUTH.sum()))
    assert mask.sum() == pytest.approx(TRUTH.sum(), rel=0.03)


def test_what_cannot_be_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anymask.evaluation.baselines.find_spec", lambda name: None)
    names, notes = available(("circle", "grabcut"))
    assert names == ("circle",)
    assert "anymask[evaluation]" in notes[0]
