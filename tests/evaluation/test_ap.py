from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from anymask.evaluation.ap import AREAS, Compared, compare, score
from anymask.evaluation.truth import Truth
from anymask.geometry import rle
from anymask.types.records import CompactMask

SIZE = (160, 200)


def world(seed: int, pictures: int = 4) -> tuple[dict, list[dict]]:
    """Objects of three classes, some crowds, and detections near them or anywhere."""
    rng = np.random.default_rng(seed)
    truths, found = [], []
    for image in range(1, pictures + 1):
        for _ in range(rng.integers(0, 7)):
            side = int(rng.choice([10, 20, 40, 110]))
            x, y = int(rng.integers(0, 90)), int(rng.integers(0, 50))
            mask = np.zeros(SIZE, np.bool_)
            mask[y : y + side, x : x + side] = True
            category = int(rng.integers(1, 4))
            truths.append(
                {
                    "id": len(truths) + 1,
                    "image_id": image,
                    "category_id": category,
                    "segmentation": rle.encode(mask),
                    "area": int(mask.sum()),
                    "bbox": [x, y, side, side],
                    "iscrowd": int(rng.random() < 0.15),
                }
            )
            for _ in range(rng.integers(0, 4)):
                dx, dy = (int(value) for value in rng.integers(0, 2 + side // 5, 2))
                near = np.zeros(SIZE, np.bool_)
                near[y + dy : y + dy + side, x + dx : x + dx + side] = True
                found.append(
                    {
                        "image_id": image,
                        "category_id": category if rng.random() < 0.9 else 1,
                        "segmentation": rle.encode(near),
                        "score": round(float(rng.random()), 1),  # ties
                    }
                )
    content = {
        "images": [{"id": n, "height": SIZE[0], "width": SIZE[1]} for n in range(1, pictures + 1)],
        "annotations": truths,
        "categories": [{"id": number, "name": str(number)} for number in (1, 2, 3)],
        "info": {},
    }
    return content, found


def compared(content: dict, found: list[dict]) -> list[Compared]:
    pictures = []
    for image in content["images"]:
        mine = [one for one in found if one["image_id"] == image["id"]]
        truths = [
            Truth(
                str(one["id"]), SIZE, one["segmentation"], None, one["category_id"],
                bool(one["iscrowd"]), one["area"],
            )
            for one in content["annotations"]
            if one["image_id"] == image["id"]
        ]  # fmt: skip
        one = compare(
            [CompactMask.from_array(rle.decode(one["segmentation"])) for one in mine],
            [one["score"] for one in mine],
            [one["category_id"] for one in mine],
            truths,
        )
        pictures.append(Compared.from_json(json.loads(json.dumps(one.to_json()))))
    return pictures


def oracle(content: dict, found: list[dict], *, by_class: bool, most: tuple[int, ...]) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = content
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "segm")
        evaluation.params.useCats = int(by_class)
        evaluation.params.maxDets = list(most)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def mean(values: np.ndarray) -> float:
    return float(values[values > -1].mean()) if (values > -1).any() else float("nan")


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("by_class", [True, False])
def test_precision_and_recall_are_those_of_pycocotools(seed: int, by_class: bool) -> None:
    content, found = world(seed)
    if not by_class:  # pycocotools orders equal scores by class then
        found = [{**one, "score": one["score"] + n * 1e-6} for n, one in enumerate(found)]
    pictures = compared(content, found)
    limits = (1, 3, 100)
    evaluation = oracle(content, found, by_class=by_class, most=limits)
    for row, area in enumerate(AREAS):
        for column, most in enumerate(limits):
            ours = score(pictures, most=most, area=area, by_class=by_class)
            precision = evaluation.eval["precision"][..., row, column]
            recall = evaluation.eval["recall"][..., row, column]
            told = [ours.precision, ours.precision_50, ours.precision_75, ours.recall]
            expected = [mean(precision), mean(precision[0]), mean(precision[5]), mean(recall)]
            np.testing.assert_allclose(told, expected, atol=1e-9, err_msg=f"{area} {most}")


def test_nothing_true_gives_no_number() -> None:
    assert np.isnan(score([], most=10).precision)


def test_nothing_found_gives_zero() -> None:
    content, _ = world(0)
    assert score(compared(content, []), most=10).precision == 0
