"""How each task is asked of a worker, timed, and judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import judge
import numpy as np
from crew import Worker
from inputs import CLICK_XY, JUDGED, Inputs, grid_xy
from plan import QUICK_EVERYTHING, Task

PICTURE = "small"
JUDGED_GRID = (4, 3)
Quality = dict[str, float]


@dataclass(frozen=True)
class Bench:
    """What the measuring functions need.

    Attributes:
        inputs: pictures and weights.
        reference: a worker with the published code and the default model, for judging.
        folder: for answers to be judged.
        quick: fewer pictures to judge on, a coarse grid in everything mode.
    """

    inputs: Inputs
    reference: Worker
    folder: Path
    quick: bool

    @property
    def judged(self) -> tuple[str, ...]:
        """The pictures that quality is judged on."""
        return JUDGED[:1] if self.quick else JUDGED

    def answer(self, worker: Worker, name: str) -> str:
        """A path for a worker's answer."""
        return str(self.folder / f"{worker.number}_{name}")

    def embedding(self, name: str) -> str:
        """The embedding of a picture by the published code."""
        path = self.folder / f"embedding_{name}.npy"
        if not path.exists():
            self.reference.ask("encode", image=str(self.inputs.canvas(name)), save=str(path))
        return str(path)

    def hold(self, worker: Worker, name: str) -> None:
        """Let a worker hold the picture as the published code has encoded it."""
        size_hw = self.inputs.size_hw(name)
        worker.ask("hold", embedding=self.embedding(name), size_hw=size_hw)


class Encoder:
    """Picture to embedding."""

    def __init__(self, bench: Bench, task: Task) -> None:
        self.bench, self.task = bench, task

    def prepare(self, worker: Worker) -> None:
        """One untimed call."""
        self.once(worker)

    def once(self, worker: Worker) -> dict[str, Any]:
        """One timed call."""
        return worker.ask("encode", image=str(self.bench.inputs.canvas(PICTURE)))

    def quality(self, worker: Worker, original: Worker) -> Quality:
        """IoU of masks decoded from the embedding; of random weights, the embedding itself."""
        if self.task.architecture != "vit_t":
            return self._embedding_quality(worker, original)
        ious = [self._mask_ious(worker, name) for name in self.bench.judged]
        return judge.summary(np.concatenate(ious))

    def _embedding_quality(self, worker: Worker, original: Worker) -> Quality:
        paths = [self.bench.answer(each, "embedding.npy") for each in (original, worker)]
        for each, path in zip((original, worker), paths, strict=True):
            if not Path(path).exists():
                each.ask("encode", image=str(self.bench.inputs.canvas(PICTURE)), save=path)
        return judge.embedding(*(np.load(path) for path in paths))

    def _mask_ious(self, worker: Worker, name: str) -> np.ndarray:
        bench = self.bench
        path = bench.answer(worker, f"{name}.npy")
        worker.ask("encode", image=str(bench.inputs.canvas(name)), save=path)
        size_hw = bench.inputs.size_hw(name)
        masks = []
        for embedding in (bench.embedding(name), path):
            bench.reference.ask("hold", embedding=embedding, size_hw=size_hw)
            masks.append(_judged_masks(bench, bench.reference, name))
        return judge.mask_ious(*masks)


class Decoder:
    """Clicks about an encoded picture to candidates."""

    def __init__(self, bench: Bench, task: Task) -> None:
        options = dict(task.options)
        side = round(options["count"] ** 0.5)
        self.bench = bench
        self.first = options.get("first", False)
        size_hw = bench.inputs.size_hw(PICTURE)
        self.points = [CLICK_XY] if side == 1 else grid_xy(size_hw, side, side)

    def prepare(self, worker: Worker) -> None:
        """Hold the picture, one untimed call."""
        self.bench.hold(worker, PICTURE)
        worker.ask("decode", points_xy=self.points)

    def once(self, worker: Worker) -> dict[str, Any]:
        """One timed call; `first` makes the picture new to the implementation."""
        if self.first:
            self.bench.hold(worker, PICTURE)
        return worker.ask("decode", points_xy=self.points)

    def quality(self, worker: Worker, original: Worker) -> Quality:
        """IoU of the masks on the same embeddings."""
        ious = []
        for name in self.bench.judged:
            for each in (worker, original):
                self.bench.hold(each, name)
            masks = [_judged_masks(self.bench, each, name) for each in (original, worker)]
            ious.append(judge.mask_ious(*masks))
        return judge.summary(np.concatenate(ious))


class ClickToMask:
    """One click about an encoded picture to a mask of its size."""

    def __init__(self, bench: Bench, task: Task) -> None:
        del task
        self.bench = bench

    def prepare(self, worker: Worker) -> None:
        """Hold the picture, one untimed call."""
        self.bench.hold(worker, PICTURE)
        self.once(worker)

    def once(self, worker: Worker) -> dict[str, Any]:
        """One timed call."""
        return worker.ask("mask", point_xy=CLICK_XY)

    def quality(self, worker: Worker, original: Worker) -> Quality:
        """IoU of the one mask."""
        masks = []
        for each in (original, worker):
            path = self.bench.answer(each, "mask.npy")
            each.ask("mask", point_xy=CLICK_XY, save=path)
            masks.append(np.load(path)[None])
        return judge.summary(judge.mask_ious(*masks))


class Everything:
    """A photo to records; the timed answers are the ones judged."""

    def __init__(self, bench: Bench, task: Task) -> None:
        self.bench = bench
        self.photo = dict(task.options)["photo"]
        self.parameters: dict[str, Any] = QUICK_EVERYTHING if bench.quick else {}

    def prepare(self, worker: Worker) -> None:
        """Encoder and decoder once; a whole run would take minutes."""
        worker.ask("encode", image=str(self.bench.inputs.canvas(PICTURE)))
        self.bench.hold(worker, PICTURE)
        worker.ask("decode", points_xy=[CLICK_XY])

    def once(self, worker: Worker) -> dict[str, Any]:
        """One timed call."""
        return worker.ask(
            "everything",
            photo=str(self.bench.inputs.photos[self.photo]),
            parameters=self.parameters | worker.variant.parameters,
            save=self._answer(worker),
        )

    def quality(self, worker: Worker, original: Worker) -> Quality:
        """How many of the original's masks are found."""
        answers = [
            json.loads(Path(self._answer(each)).read_text(encoding="utf-8"))
            for each in (original, worker)
        ]
        return judge.records(*answers)

    def _answer(self, worker: Worker) -> str:
        return self.bench.answer(worker, f"{self.photo}.json")


Measure = Encoder | Decoder | ClickToMask | Everything
MEASURES: dict[str, Callable[[Bench, Task], Measure]] = {
    "encoder": Encoder,
    "decoder": Decoder,
    "click_to_mask": ClickToMask,
    "everything": Everything,
}


def _judged_masks(bench: Bench, worker: Worker, name: str) -> np.ndarray:
    """The best masks for a grid of clicks on the picture that the worker holds."""
    size_hw = bench.inputs.size_hw(name)
    path = bench.answer(worker, f"{name}.npz")
    worker.ask("decode", points_xy=grid_xy(size_hw, *JUDGED_GRID), save=path)
    with np.load(path) as answer:
        return judge.best_masks(answer["logits"], answer["iou"], size_hw)
