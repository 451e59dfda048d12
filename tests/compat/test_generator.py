"""Everything mode under its published name against records of the published code.

`tests/golden/everything_*.json` hold what the original generator returned for the default weights;
`benchmarks/golden.py` makes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from anymask.compat import SamAutomaticMaskGenerator
from anymask.geometry import rle
from anymask.inference.segment import Model
from conftest import REPOSITORY
from models import tiny_sam

GOLDEN = REPOSITORY / "tests" / "golden"
IMAGES: dict[str, Callable[[], np.ndarray]] = {
    "astronaut": data.astronaut,
    "coffee": data.coffee,
    "chelsea_crops": data.chelsea,
    "coins_regions": lambda: np.repeat(np.asarray(data.coins())[..., None], 3, axis=2),
    "rocket_layers": data.rocket,
}
KEYS = {
    "segmentation", "area", "bbox", "predicted_iou", "point_coords", "stability_score", "crop_box",
}  # fmt: skip


def golden(name: str) -> dict:
    return json.loads(Path(GOLDEN, f"everything_{name}.json").read_text(encoding="utf-8"))


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
def test_records_are_those_of_the_published_code(name: str, default_model: Model) -> None:
    stored = golden(name)
    generator = SamAutomaticMaskGenerator(default_model, **stored["parameters"])
    records = generator.generate(np.asarray(IMAGES[name]()))
    assert len(records) == len(stored["records"])
    for ours, theirs in zip(records, stored["records"], strict=True):
        expected = rle.decode(theirs["segmentation"])
        assert (ours["segmentation"] != expected).mean() <= 1e-4
        assert abs(ours["area"] - theirs["area"]) <= 1e-4 * expected.size
        assert np.abs(np.subtract(ours["bbox"], theirs["bbox"])).max() <= 1
        assert ours["predicted_iou"] == pytest.approx(theirs["predicted_iou"], abs=1e-4)
        assert ours["stability_score"] == pytest.approx(theirs["stability_score"], abs=2e-4)
        np.testing.assert_allclose(ours["point_coords"], theirs["point_coords"], atol=1e-6)
        assert ours["crop_box"] == theirs["crop_box"]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(data.coffee()[::4, ::4])


def tiny_generator(**parameters: object) -> SamAutomaticMaskGenerator:
    loose = {"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    return SamAutomaticMaskGenerator(tiny_sam(), **(loose | parameters))


def test_records_have_the_published_keys_and_types(photo: np.ndarray) -> None:
    records = tiny_generator().generate(photo)
    assert records
    for record in records:
        assert set(record) == KEYS
        assert record["segmentation"].shape == photo.shape[:2]
        assert record["segmentation"].dtype == bool
        assert record["area"] == record["segmentation"].sum()
        assert isinstance(record["predicted_iou"], float)
        assert record["crop_box"] == [0, 0, photo.shape[1], photo.shape[0]]
        json.dumps({key: value for key, value in record.items() if key != "segmentation"})


@pytest.mark.parametrize("mode", ["uncompressed_rle", "coco_rle"])
def test_every_output_mode_holds_the_same_masks(photo: np.ndarray, mode: str) -> None:
    masks = tiny_generator().generate(photo)
    codes = tiny_generator(output_mode=mode).generate(photo)
    for mask, code in zip(masks, codes, strict=True):
        assert np.array_equal(rle.decode(code["segmentation"]), mask["segmentation"])
        json.dumps(code)


def test_an_unknown_output_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="binary_mask, uncompressed_rle, coco_rle; got 'png'"):
        tiny_generator(output_mode="png")


def test_nothing_that_passes_is_an_empty_list(photo: np.ndarray) -> None:
    assert tiny_generator(pred_iou_thresh=9.0).generate(photo) == []
    assert tiny_generator(pred_iou_thresh=9.0, crop_n_layers=1).generate(photo) == []
