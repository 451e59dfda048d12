"""Thresholds moved after decoding; points left out; masks cut to one label a pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from anymask.errors import MaskError, PromptError
from anymask.geometry.regions import remove_small_regions
from anymask.inference.backend import Candidates, Decoded, confident
from anymask.inference.everything.clean import clean_mask
from anymask.inference.everything.generate import Cancelled, everything, initialise
from anymask.inference.everything.novelty import novel_points
from anymask.inference.everything.partition import label_map
from anymask.inference.everything.presets import PRESETS, preset
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.segment import Model
from anymask.types.progress import Progress
from anymask.types.records import CompactMask, MaskRecord


class HillBackend:
    """Answers each point with a hill around it; height, width and estimate depend on the place."""

    name, device, canvas_px = "hills", "cpu", 256

    def __init__(self) -> None:
        self.points = 0

    def encode(self, image: np.ndarray) -> np.ndarray:
        return np.random.default_rng(0).normal(size=(4, 16, 16)).astype(np.float32)

    def decode_confident(self, images, prompts, min_iou) -> Candidates:
        self.points += len(prompts)
        ys, xs = np.mgrid[:64, :64] + 0.5
        logits, iou = [], []
        for x, y in prompts.coords[:, 0] / 4:
            away = np.hypot(xs - x, ys - y)
            steep = 1 + (x + 2 * y) % 7
            logits.append([steep * (radius - away) for radius in (4, 9, 15)])
            iou.append([0.7 + (x * 5 + y + k) % 11 / 40 for k in range(3)])
        return confident(Decoded(np.float32(logits), np.float32(iou)), min_iou)


@pytest.fixture
def hills() -> Model:
    return Model(HillBackend(), model_id="hills@0", architecture="none")


PICTURE = np.zeros((120, 160, 3), np.uint8)
LOOSE = EverythingSettings(points_per_side=8, pred_iou_thresh=0.7, stability_score_thresh=0.3)


@pytest.mark.parametrize("budget", [1, 2**29])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pred_iou_thresh": 0.85},
        {"stability_score_thresh": 0.8},
        {"pred_iou_thresh": 0.8, "stability_score_thresh": 0.6, "box_nms_thresh": 0.3},
        {"min_mask_region_area": 30, "max_masks": 3},
    ],
)
def test_a_scan_filtered_later_equals_everything_at_once(hills, changes, budget) -> None:
    scan = initialise(hills, PICTURE, replace(LOOSE, memory_budget_bytes=budget))
    asked = hills.backend.points
    wanted = replace(LOOSE, **changes)
    assert scan.filter(replace(scan.settings, **changes)) == everything(hills, PICTURE, wanted)
    assert scan.filter()
    assert asked == 64


def test_a_scan_over_crops_filters_as_everything_does(hills) -> None:
    cropped = replace(LOOSE, crop_n_layers=1)
    scan = initialise(hills, PICTURE, cropped)
    strict = replace(cropped, pred_iou_thresh=0.85, crop_nms_thresh=0.4)
    assert scan.filter(strict) == everything(hills, PICTURE, strict)


def test_a_scan_refuses_what_it_does_not_hold(hills) -> None:
    scan = initialise(hills, PICTURE, LOOSE)
    with pytest.raises(PromptError, match=r"pred_iou_thresh is 0.5 but the scan was made with 0.7"):
        scan.filter(replace(LOOSE, pred_iou_thresh=0.5))
    with pytest.raises(PromptError, match="settings change points"):
        scan.filter(replace(LOOSE, points_per_side=4))


def test_a_scan_can_be_cancelled(hills) -> None:
    with pytest.raises(Cancelled):
        initialise(hills, PICTURE, LOOSE, cancel=lambda: True)


def test_equal_calls_give_equal_records(hills) -> None:
    assert everything(hills, PICTURE, LOOSE) == everything(hills, PICTURE, LOOSE)


def test_at_most_so_many_masks_are_the_surest_and_most_stable(hills) -> None:
    whole = everything(hills, PICTURE, LOOSE)
    some = everything(hills, PICTURE, replace(LOOSE, max_masks=5))
    score = [record.predicted_iou + record.stability_score for record in whole]
    least = sorted(score)[-5]
    assert some == [one for one, value in zip(whole, score, strict=True) if value >= least][:5]


def test_fewer_points_are_asked_and_counted(hills) -> None:
    reports: list[Progress] = []
    few = replace(LOOSE, novel_share=0.25)
    everything(hills, PICTURE, few, progress=reports.append)
    assert hills.backend.points == 16
    assert (reports[-1].done, reports[-1].total) == (16, 16)


def test_novel_points_visit_every_kind_of_place_first() -> None:
    embedding = np.zeros((3, 8, 8), np.float32)
    embedding[0] = 1  # ground
    embedding[1, 0, 7], embedding[0, 0, 7] = 1, 0  # a small thing
    embedding[2, 6:, :2], embedding[0, 6:, :2] = 1, 0  # another
    grid = (np.mgrid[:8, :8].reshape(2, -1).T[:, ::-1] + 0.5) * 8
    chosen = novel_points(embedding, grid, 64, share=0.1, distance=0.1)
    kinds = {int(embedding[:, int(y // 8), int(x // 8)].argmax()) for x, y in grid[chosen]}
    assert kinds == {0, 1, 2}
    assert len(chosen) == 3  # the rest looks like one of these


@given(share=st.floats(0.01, 1), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_novel_points_are_distinct_and_no_more_than_asked(share, seed) -> None:
    embedding = np.random.default_rng(seed).integers(0, 2, (2, 4, 4)).astype(np.float32)
    grid = (np.mgrid[:8, :8].reshape(2, -1).T[:, ::-1] + 0.5) * 8
    chosen = novel_points(embedding, grid, 64, share, 0.0)
    assert len(set(chosen.tolist())) == len(chosen) == max(1, round(share * 64))


def test_presets_are_found_by_name_and_misspelt_ones_refused() -> None:
    assert preset("exact") == EverythingSettings()
    assert set(PRESETS) == {"exact", "fast", "sa1b", "proposals", "edges"}
    with pytest.raises(PromptError, match="preset must be one of exact, fast"):
        preset("quick")


def test_the_production_preset_looks_at_twenty_one_crops() -> None:
    made = preset("sa1b")
    assert [len(grid) for grid in made.grids()] == [1024, 256, 64]
    assert len(made.crops((1500, 2250))) == 21


MASKS = arrays.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)))


@given(mask=MASKS, area=st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_cleaning_inside_the_box_equals_cleaning_the_whole_image(mask, area) -> None:
    filled, holes = remove_small_regions(mask, area, "holes")
    expected, islands = remove_small_regions(filled, area, "islands")
    cleaned, touched = clean_mask(CompactMask.from_array(mask), area)
    if mask.any():  # an empty mask is left as it is
        assert np.array_equal(cleaned.array, expected)
        assert touched == (holes or islands)


def test_a_mask_of_small_islands_can_be_dropped_whole() -> None:
    mask = np.zeros((20, 20), bool)
    mask[2:4, 2:4] = mask[10:13, 10:13] = True
    compact = CompactMask.from_array(mask)
    assert clean_mask(compact, 50)[0].area == 9
    assert clean_mask(compact, 50, drop_all_small=True)[0].area == 0


def record(mask: np.ndarray, iou: float = 0.9) -> MaskRecord:
    height, width = mask.shape
    return MaskRecord(CompactMask.from_array(mask), iou, 0.95, (0.0, 0.0), (0, 0, width, height))


def square(side: int, size: int = 12) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[:side, :side] = True
    return mask


def test_a_label_map_gives_every_claimed_pixel_to_one_mask() -> None:
    records = [record(square(9), 0.8), record(square(3), 0.7), record(square(6), 0.9)]
    labels = label_map(records, (12, 12))
    assert labels.dtype == np.uint8
    assert [np.count_nonzero(labels == n) for n in (1, 2, 3)] == [81 - 36, 9, 36 - 9]
    assert np.count_nonzero(labels) == 81
    assert np.unique(label_map(records, (12, 12), "largest")).tolist() == [0, 1]
    best = label_map(records, (12, 12), "best")
    assert [np.count_nonzero(best == n) for n in (1, 2, 3)] == [81 - 36, 0, 36]


def test_of_equal_masks_the_earlier_keeps_the_pixels() -> None:
    labels = label_map([record(square(5)), record(square(5))], (12, 12))
    assert np.unique(labels).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("count", "dtype"), [(255, np.uint8), (256, np.uint16), (66000, np.uint32)]
)
def test_labels_never_wrap(count: int, dtype: type) -> None:
    width = 300
    lone = [
        CompactMask(
            (width, width), (0, 0, 1, 1), 1, CompactMask.from_array(np.ones((1, 1), bool)).bits
        )
    ]
    records = [
        MaskRecord(
            replace(lone[0], box_xyxy=(n % width, n // width, n % width + 1, n // width + 1)),
            0.9, 0.9, (0.0, 0.0), (0, 0, width, width),
        )
        for n in range(count)
    ]  # fmt: skip
    labels = label_map(records, (width, width))
    assert labels.dtype == dtype
    assert np.array_equal(labels.ravel()[:count], np.arange(1, count + 1))


def test_a_label_map_refuses_other_policies_and_sizes() -> None:
    with pytest.raises(MaskError, match="policy must be one of smallest, largest, best"):
        label_map([], (3, 3), "first")  # type: ignore[arg-type]
    with pytest.raises(MaskError, match="a record has size"):
        label_map([record(square(3))], (5, 5))
    assert not label_map([], (3, 4)).any()
