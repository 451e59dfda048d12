"""Everything mode with an engine whose answers are known."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from anymask.errors import PromptError
from anymask.geometry.grids import crop_layers
from anymask.inference.backend import Candidates, Decoded, confident
from anymask.inference.everything.generate import Cancelled, everything
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.everything.suppress import KeptBoxes, keep_in_order
from anymask.inference.segment import Model
from anymask.types.progress import Progress
from anymask.types.records import CompactMask


class ThresholdBackend:
    """Finds around each point a square of fixed size, sharp, on a small canvas."""

    name, device, canvas_px = "squares", "cpu", 256

    def __init__(self, half_cells: int = 4, iou: float = 0.9) -> None:
        self.half, self.iou = half_cells, iou
        self.encoded_sizes: list[tuple[int, int]] = []

    def encode(self, image: np.ndarray) -> np.ndarray:
        self.encoded_sizes.append(image.shape[:2])
        return np.zeros((1, 4, 4), np.float32)

    def decode_confident(self, images, prompts, min_iou) -> Candidates:
        side = self.canvas_px // 4
        logits = np.full((len(prompts), 3, side, side), -20.0, np.float32)
        for row, (x, y) in enumerate(prompts.coords[:, 0] // 4):
            top, left = max(int(y) - self.half, 0), max(int(x) - self.half, 0)
            logits[row, :, top : int(y) + self.half, left : int(x) + self.half] = 20
        iou = np.tile(np.float32([self.iou, self.iou - 0.2, self.iou - 0.3]), (len(prompts), 1))
        return confident(Decoded(logits, iou), min_iou)


def model(**options: float) -> Model:
    return Model(ThresholdBackend(**options), model_id="squares@0", architecture="none")


def picture(height: int = 120, width: int = 160) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


LOOSE = {"stability_score_thresh": 0.5}


def test_duplicates_of_a_surer_mask_are_dropped() -> None:
    squares = model(half_cells=12)
    few = everything(squares, picture(), EverythingSettings(points_per_side=8, **LOOSE))
    all_masks = everything(
        squares, picture(), EverythingSettings(points_per_side=8, box_nms_thresh=1.0, **LOOSE)
    )
    assert 0 < len(few) < len(all_masks) == 64


def test_nothing_confident_is_an_empty_list() -> None:
    assert everything(model(iou=0.5), picture()) == []


def test_crops_are_encoded_one_by_one_and_named_in_the_records() -> None:
    squares = model()
    settings = EverythingSettings(points_per_side=4, crop_n_layers=1, **LOOSE)
    records = everything(squares, picture(), settings)
    assert len(squares.backend.encoded_sizes) == 5
    crops = {crop.box_xyxy for crop in crop_layers((120, 160), 1, 512 / 1500)}
    named = {record.crop_box_xyxy for record in records}
    assert named <= crops
    assert len(named) > 1


def test_masks_cut_by_the_side_of_a_crop_are_dropped() -> None:
    squares = model(half_cells=64)  # as large as the crop
    settings = EverythingSettings(points_per_side=2, crop_n_layers=1, pred_iou_thresh=0.5, **LOOSE)
    records = everything(squares, picture(400, 400), settings)
    assert {record.crop_box_xyxy for record in records} == {(0, 0, 400, 400)}


def test_a_small_budget_gives_the_same_records() -> None:
    settings = EverythingSettings(points_per_side=8, **LOOSE)
    whole = everything(model(), picture(), settings)
    tight = everything(
        model(), picture(), EverythingSettings(points_per_side=8, memory_budget_bytes=1, **LOOSE)
    )
    assert [r.box_xyxy for r in tight] == [r.box_xyxy for r in whole]
    assert all(np.array_equal(a.array, b.array) for a, b in zip(tight, whole, strict=True))


def test_memory_does_not_grow_with_the_number_of_points() -> None:
    def peak(points_per_side: int) -> int:
        settings = EverythingSettings(
            points_per_side=points_per_side, memory_budget_bytes=2**20, **LOOSE
        )
        tracemalloc.start()
        everything(model(half_cells=16), picture(600, 800), settings)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(8)
    assert peak(32) < 1.3 * peak(16) + 2**20


def test_progress_counts_points_and_cancel_stops() -> None:
    reports: list[Progress] = []
    settings = EverythingSettings(points_per_side=8, points_per_batch=16, **LOOSE)
    everything(model(), picture(), settings, progress=reports.append)
    assert [(r.done, r.total) for r in reports] == [(16, 64), (32, 64), (48, 64), (64, 64)]
    with pytest.raises(Cancelled, match="stopped after 32 of 64 points"):
        everything(
            model(),
            picture(),
            settings,
            progress=reports.append,
            cancel=lambda: len(reports) >= 6,
        )


def test_cleaning_removes_islands_inside_masks_but_no_small_mask() -> None:
    settings = EverythingSettings(points_per_side=4, min_mask_region_area=10_000, **LOOSE)
    records = everything(model(half_cells=2), picture(), settings)
    assert records
    assert all(0 < record.area < 10_000 for record in records)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points_per_side": None}, "either points_per_side or point_grids"),
        ({"points_per_side": 0}, "points_per_side 0 .* without a point"),
        ({"points_per_batch": 0}, "points_per_batch must be at least 1"),
        ({"crop_n_layers": -1}, "crop_n_layers must be at least 0"),
        (
            {"points_per_side": None, "point_grids": [[(0.5, 0.5)]], "crop_n_layers": 1},
            "point_grids has 1 grids but there are 2 layers",
        ),
    ],
)
def test_settings_that_mean_nothing_are_refused(options: dict, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        EverythingSettings(**options)


def test_points_of_ones_own_are_taken() -> None:
    settings = EverythingSettings(points_per_side=None, point_grids=[[(0.5, 0.5)]], **LOOSE)
    (record,) = everything(model(), picture(), settings)
    assert record.point_xy == (80, 60)
    assert record.array[60, 80]


def test_boxes_one_pixel_wide_neither_suppress_nor_fail() -> None:
    boxes = KeptBoxes(0.7)
    boxes.add((5, 5, 6, 50))
    assert not boxes.suppress((5, 5, 6, 50))


def test_suppression_keeps_the_order_of_equal_scores() -> None:
    boxes = [(0, 0, 10, 10), (0, 0, 10, 11), (50, 50, 60, 60), (0, 0, 10, 10)]
    assert keep_in_order(boxes, [1, 1, 1, 2], 0.7) == [3, 2]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 13), (40, 30)])
def test_a_compact_mask_is_the_mask(shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).random(shape) < 0.4
    compact = CompactMask.from_array(mask)
    assert np.array_equal(compact.array, mask)
    assert compact.area == mask.sum()


def test_an_empty_compact_mask_has_no_box() -> None:
    compact = CompactMask.from_array(np.zeros((4, 5), bool))
    assert compact.box_xyxy == (0, 0, 0, 0)
    assert compact.area == 0
    assert not compact.array.any()


class FullBackend(ThresholdBackend):
    """Finds the whole picture at every point."""

    def decode_confident(self, images, prompts, min_iou) -> Candidates:
        side = self.canvas_px // 4
        logits = np.full((len(prompts), 3, side, side), 20, np.float32)
        return confident(Decoded(logits, np.full((len(prompts), 3), 0.9, np.float32)), min_iou)


def test_many_full_masks_on_a_large_picture_never_stand_side_by_side() -> None:
    everywhere = Model(FullBackend(), model_id="full@0", architecture="none")
    photo = picture(3072, 4096)
    settings = EverythingSettings(points_per_side=8, points_per_batch=64)
    tracemalloc.start()
    (record,) = everything(everywhere, photo, settings)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert record.area == 3072 * 4096
    # The 192 candidates together would take 2.4 GB as bool and 9.7 GB as float32.
    assert most < 300e6
