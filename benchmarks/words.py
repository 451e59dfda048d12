"""How often words are right, on pictures with labelled masks; and how long they take.

python benchmarks/words.py DATA [--limit N] [--json FILE]

DATA is a COCO folder (images/ and instances.json) with COCO class names. Measured are true regions
(what they are called; which of them a class finds) and everything mode's (a class to its mask).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from numpy.typing import NDArray

from anymask import load_model
from anymask.geometry import rle
from anymask.inference.everything.generate import everything
from anymask.io.images import read_image
from anymask.types.records import CompactMask
from anymask.words.find import REGIONS
from anymask.words.load import load_scorer
from anymask.words.scorer import RegionTextScorer, score
from anymask.words.vocabularies import COCO

LARGE_PX = 32 * 32
RIGHT_IOU = 0.5


@dataclass(frozen=True)
class Labelled:
    """A picture with its true regions."""

    path: Path
    masks: list[NDArray[np.bool_]]
    classes: NDArray[np.intp]


@dataclass(frozen=True)
class Scores:
    """What was computed of one picture; rows are regions, columns COCO's classes."""

    true: NDArray[np.float32]
    whole: NDArray[np.float32]
    found: NDArray[np.float32]
    ious: NDArray[np.float64]
    classes: NDArray[np.intp]
    areas: NDArray[np.intp]


def read(folder: Path) -> list[Labelled]:
    """The pictures that have regions of COCO's classes."""
    content = json.loads((folder / "instances.json").read_text())
    names = {one["id"]: one["name"] for one in content["categories"]}
    files = {one["id"]: folder / "images" / one["file_name"] for one in content["images"]}
    regions: dict[int, list[tuple[NDArray[np.bool_], int]]] = {}
    for one in content["annotations"]:
        mask = rle.decode(one["segmentation"]).astype(bool)
        if mask.any() and names[one["category_id"]] in COCO:
            row = (mask, COCO.index(names[one["category_id"]]))
            regions.setdefault(one["image_id"], []).append(row)
    return [
        Labelled(files[number], [mask for mask, _ in rows], np.array([c for _, c in rows]))
        for number, rows in sorted(regions.items())
    ]


def overlaps(found: list[NDArray[np.bool_]], true: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """(F, T) IoU."""
    ious = np.zeros((len(found), len(true)))
    for row, mask in enumerate(found):
        for column, truth in enumerate(true):
            common = np.count_nonzero(mask & truth)
            ious[row, column] = common / np.count_nonzero(mask | truth) if common else 0
    return ious


def measure(pictures: list[Labelled], scorer: RegionTextScorer) -> list[Scores]:
    """All scores of all pictures."""
    model, phrases = load_model(), scorer.embed_phrases(COCO)
    rows = []
    for number, one in enumerate(pictures, start=1):
        image = read_image(one.path)
        true = [CompactMask.from_array(mask) for mask in one.masks]
        whole = CompactMask.from_array(np.ones(image.shape[:2], np.bool_))
        records = [record for record in everything(model, image, REGIONS) if record.area]
        rows.append(
            Scores(
                score(scorer.embed_regions(image, true), phrases),
                score(scorer.embed_regions(image, [whole]), phrases)[0],
                score(scorer.embed_regions(image, [record.mask for record in records]), phrases),
                overlaps([record.array for record in records], one.masks),
                one.classes,
                np.array([mask.area for mask in true]),
            )
        )
        sys.stderr.write(f"{number}/{len(pictures)} {one.path.name}: {len(records)} regions\n")
    return rows


def naming(rows: list[Scores], large: int) -> dict[str, float]:
    """How often a true region gets its own of 80 names."""
    right, image_level, classes = [], [], []
    for one in rows:
        kept = one.areas >= large
        right += (one.true.argmax(axis=1) == one.classes)[kept].tolist()
        image_level += (one.whole.argmax() == one.classes)[kept].tolist()
        classes += one.classes[kept].tolist()
    return {
        "regions": len(right),
        "scorer": float(np.mean(right)),
        "image_level": float(np.mean(image_level)),
        "chance": 1 / len(COCO),
        "most_common_class": float(np.bincount(classes).max() / len(classes)),
    }


def top_ranked(rows: list[Scores]) -> dict[str, float]:
    """Asked for a class that is there, how often the first true region is of it."""
    right, chance = [], []
    for one in rows:
        for wanted in np.unique(one.classes):
            right.append(one.classes[one.true[:, wanted].argmax()] == wanted)
            chance.append(np.mean(one.classes == wanted))
    return {
        "questions": len(right),
        "scorer": float(np.mean(right)),
        "chance": float(np.mean(chance)),
    }


def text_to_mask(rows: list[Scores], threshold: float) -> dict[str, float]:
    """From a class to a mask of everything mode."""
    first, some, possible, chance, present, absent = [], [], [], [], [], []
    present_whole, absent_whole = [], []
    for one in rows:
        best = one.found.max(axis=0, initial=0)
        for wanted in range(len(COCO)):
            of_class = one.classes == wanted
            if not of_class.any():
                absent.append(best[wanted])
                absent_whole.append(one.whole[wanted])
                continue
            present.append(best[wanted])
            present_whole.append(one.whole[wanted])
            right = one.ious[:, of_class].max(axis=1) >= RIGHT_IOU
            possible.append(right.any())
            chance.append(right.mean() if len(right) else 0)
            first.append(bool(len(right)) and right[one.found[:, wanted].argmax()])
            some.append(right[one.found[:, wanted] >= threshold].any())
    return {
        "questions": len(first),
        "recall_at_1": float(np.mean(first)),
        "chance": float(np.mean(chance)),
        "recall_above_threshold": float(np.mean(some)),
        "possible": float(np.mean(possible)),
        "threshold": threshold,
        "present_found": float(np.mean(np.array(present) >= threshold)),
        "absent_found": float(np.mean(np.array(absent) >= threshold)),
        "auc": separation(present, absent),
        "auc_image_level": separation(present_whole, absent_whole),
    }


def separation(present: list[float], absent: list[float]) -> float:
    """How often a class that is there scores higher than one that is not."""
    ordered = np.sort(absent)
    below = np.searchsorted(ordered, present, "left") + np.searchsorted(ordered, present, "right")
    return float(below.mean() / 2 / len(absent))


def naming_of_found(rows: list[Scores]) -> dict[str, float]:
    """How often a mask of everything mode that shows a true region gets its name."""
    right = []
    for one in rows:
        for found, ious in zip(one.found, one.ious, strict=True):
            if ious.max(initial=0) >= RIGHT_IOU:
                right.append(found.argmax() == one.classes[ious.argmax()])
    return {"regions": len(right), "scorer": float(np.mean(right))}


def speed(scorer: RegionTextScorer, repeats: int = 5) -> dict[str, float]:
    """Seconds for 100 regions of a photo of 640 x 480; phrases are another matter, told apart."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (480, 640, 3), np.uint8)
    regions = []
    for _ in range(100):
        mask = np.zeros(image.shape[:2], np.bool_)
        x, y = rng.integers(0, 500), rng.integers(0, 400)
        mask[y : y + rng.integers(10, 300), x : x + rng.integers(10, 300)] = True
        regions.append(CompactMask.from_array(mask))
    scorer.embed_phrases(["a dog"])
    times: dict[str, list[float]] = {"regions_100_s": [], "phrases_80_s": []}
    for _ in range(repeats):
        started = time.perf_counter()
        scorer.embed_regions(image, regions)
        times["regions_100_s"].append(time.perf_counter() - started)
        started = time.perf_counter()
        scorer.embed_phrases(COCO)
        times["phrases_80_s"].append(time.perf_counter() - started)
    return {name: float(np.median(values)) for name, values in times.items()}


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, help="so many pictures")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only-speed", action="store_true")
    given = parser.parse_args()
    scorer = load_scorer()
    result: dict[str, Any] = {"machine": describe(2), "speed": speed(scorer)}
    if not given.only_speed:
        pictures = read(given.data)[: given.limit]
        rows = measure(pictures, scorer)
        result |= {
            "pictures": len(pictures),
            "naming": naming(rows, 0),
            "naming_large": naming(rows, LARGE_PX),
            "top_ranked": top_ranked(rows),
            "everything": text_to_mask(rows, scorer.threshold),
            "everything_naming": naming_of_found(rows),
        }
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
